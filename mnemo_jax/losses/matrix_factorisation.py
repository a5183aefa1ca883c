"""Matrix factorisation: a matrix as the product of two thin ones, or of one with itself."""

from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from mnemo_jax.choices import choice
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import KnownPoint, Landscape, Symmetry
from mnemo_jax.losses.checks import Count, Positive, checked
from mnemo_jax.losses.linear_theory import MOST, linear_points


@choice
class Factors:
    """``|U V^T - target|^2 / 2`` for ``U [rows, rank]`` and ``V [columns, rank]``, row by row one after the other.

    With ``symmetric`` there is no ``V``, and it is ``|U U^T - target|^2 / 4``.
    """

    rank: int
    symmetric: bool

    def __call__(self, x: Array, target: Array) -> Array:
        """Return the loss at ``x [dim]`` for ``target [rows, columns]``."""
        if self.symmetric:
            u = jnp.reshape(x, (-1, self.rank))
            return 0.25 * jnp.sum((u @ u.T - target) ** 2)
        u, v = jnp.split(jnp.reshape(x, (-1, self.rank)), [target.shape[0]])
        return 0.5 * jnp.sum((u @ v.T - target) ** 2)


@checked
def matrix_factorisation(
    rows: Count = 3,
    columns: Count = 3,
    rank: Count = 2,
    strengths: Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)] | None = None,
    symmetric: bool = False,
) -> Landscape:
    """Return the loss of factors of the ``[rows, columns]`` matrix with ``strengths`` on its diagonal, on [-1, 1]^dim.

    Args:
        rows: of the matrix.
        columns: of the matrix; with ``symmetric`` as many as rows.
        rank: columns of the factors.
        strengths: singular values, ``n, ..., 2, 1`` unless given, no more than rows or columns; a rotation makes any
            matrix diagonal.
        symmetric: whether one factor is multiplied with its own transpose.

    The critical points are those of a linear network with two layers, and have its indices: the product equals the
    matrix in some of its singular vectors and is 0 in the others (Eckart & Young 1936; Baldi & Hornik 1989). With
    ``symmetric`` there are fewer zero eigenvalues, for the factor is unique up to rotation.

    Raises:
        UserError: more strengths than rows or columns, or a symmetric matrix that is not square.
    """
    size = min(rows, columns)
    strengths = tuple(np.arange(size, 0.0, -1.0).tolist()) if strengths is None else strengths
    if symmetric and rows != columns:
        raise UserError(f"loss.args.columns: a symmetric matrix has as many as rows, {rows}, not {columns}")
    if len(strengths) > size:
        raise UserError(f"loss.args.strengths: {len(strengths)} are more than {rows} rows and {columns} columns")
    target = np.zeros((rows, columns))
    target[range(len(strengths)), range(len(strengths))] = strengths
    thin = rows if symmetric else rows + columns
    # The largest curvature: at best points, or where the factors are as large as they mostly are in the box.
    usual = (np.sqrt(thin) + np.sqrt(rank)) ** 2 / 3.0
    return Landscape(
        loss=Factors(rank=rank, symmetric=symmetric),
        dim=rank * thin,
        lower=(-1.0,),
        upper=(1.0,),
        name="matrix_factorisation",
        symmetries=_symmetries(rows, rank) if symmetric else (),
        formula="|U U^T - M|^2 / 4" if symmetric else "|U V^T - M|^2 / 2",
        args={"target": target},
        learning_rate=float(0.5 / (3.0 * max(max(strengths), usual))),
        known=_known(target, rank, strengths, symmetric),
    )


def _symmetries(rows: int, rank: int) -> tuple[Symmetry, ...]:
    """Return rotations of the rows of ``U`` and one reflection, as far as rotations of such rows can be declared."""
    last = Symmetry(kind="sign", axes=tuple(range(rank - 1, rows * rank, rank)), joint=True)
    turned = Symmetry(kind="rotation", block=rank)
    return (last,) if rank == 1 else (turned, last) if rank in (2, 3) else ()


def _known(target: np.ndarray, rank: int, strengths: tuple[float, ...], symmetric: bool) -> tuple[KnownPoint, ...]:
    """Return the balanced critical point of each subset of singular vectors, none where there are too many."""
    if 2 ** len(strengths) > MOST:
        return ()
    widths, points = (target.shape[0], rank, target.shape[1]), []
    for row in linear_points(widths, np.square(strengths).tolist()):
        u, v = np.zeros((widths[0], rank)), np.zeros((widths[2], rank))
        for column, mode in enumerate(row.modes):
            u[mode, column] = v[mode, column] = np.sqrt(strengths[mode])
        x, loss, nullity = (u, 0.5 * row.loss, 0) if symmetric else (np.concatenate([u, v]), row.loss, row.nullity)
        if symmetric:
            nullity = _flat(row.modes, rank, widths[0], strengths)
        kind: Any = "minimum" if row.best else "maximum" if row.index == x.size else "saddle"
        points.append(KnownPoint(tuple(x.ravel().tolist()), loss, kind, row.index, nullity))
    return tuple(points)


def _flat(modes: tuple[int, ...], rank: int, rows: int, strengths: tuple[float, ...]) -> int:
    """Return the nullity of a symmetric factorisation: rotations of the columns, and what spare columns leave free."""
    chosen, others = len(modes), set(range(len(strengths))) - set(modes)
    level = sum(strengths[i] == strengths[j] for i in modes for j in others)
    return chosen * (chosen - 1) // 2 + (rank - chosen) * (rows - len(others)) + level
