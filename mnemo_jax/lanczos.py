"""Lanczos's method on the Hessian of a loss, in the space that is orthogonal to vectors found before (matfree)."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax import Array

from mnemo_jax.errors import UserError

Loss = Callable[..., Any]
SKEW = 32.0  # times sqrt(d) eps: what the product of two vectors that count as orthogonal may be


class Turn(NamedTuple):
    """An orthogonal map of ``[d]``, a product of Householder's reflections: ``I - tall @ small @ tall.T``.

    Attributes:
        tall: ``[d, k]``, the reflections' vectors.
        small: ``[k, k]``, upper triangular (Schreiber and Van Loan 1989, SIAM J. Sci. Stat. Comput. 10, 53).
    """

    tall: Array
    small: Array

    def lift(self, y: Array) -> Array:
        """Return the vectors ``[..., d]`` that coordinates ``y [..., d - k]`` stand for."""
        z = jnp.concatenate([jnp.zeros((*y.shape[:-1], len(self.small)), y.dtype), y], axis=-1)
        return z - (z @ self.tall) @ self.small.T @ self.tall.T

    def lower(self, v: Array) -> Array:
        """Return the coordinates ``[..., d - k]`` of vectors ``v [..., d]``."""
        return (v - (v @ self.tall) @ self.small @ self.tall.T)[..., len(self.small) :]


def apart(found: np.ndarray) -> Turn:
    """Return the map whose first ``k`` axes span the rows of ``found [k, d]``, and the others what is orthogonal.

    Projections leave in each vector what rounding makes of ``found``, which Lanczos's method then blows up; coordinates
    along the other axes have no room for it.
    """
    number, dim = found.shape
    if not number:
        return Turn(jnp.zeros((dim, 0), found.dtype), jnp.zeros((0, 0), found.dtype))
    (packed, factors), _ = scipy.linalg.qr(found.T, mode="raw")
    tall = np.tril(packed[:, :number], -1) + np.eye(dim, number, dtype=found.dtype)
    overlap, small = tall.T @ tall, np.diag(factors)
    for k in range(1, number):
        small[:k, k] = -factors[k] * small[:k, :k] @ overlap[:k, k]
    return Turn(jnp.asarray(tall), jnp.asarray(small))


class Ritz(NamedTuple):
    """What Lanczos's method found.

    Attributes:
        values: Ritz values ascending, as many as there are vectors that count.
        vectors: ``[values, values]``, the tridiagonal matrix's eigenvectors as columns.
        residuals: of each Ritz pair.
        tall: Lanczos vectors ``[size, d - k]``, the first of which count.
        whole: whether the vectors span all that the Hessian makes of the first one.
    """

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray
    tall: Array
    whole: bool

    def at(self, rows: np.ndarray) -> Array:
        """Return the vectors ``[rows, d - k]`` of some Ritz values."""
        return jnp.asarray(self.vectors[:, rows].T, self.tall.dtype) @ self.tall[: len(self.values)]


def ritz(loss: Loss, x: Array, args: tuple[Any, ...], start: Array, turn: Turn, size: int) -> Ritz:
    """Return the Ritz pairs of ``size`` products of the Hessian of ``loss(x, *args)``, from a vector ``start [d]``.

    Raises:
        UserError: the Hessian is not finite, or matfree is not installed.
    """
    check_installed()
    tall, diagonal, beside, rest, kept = _tridiagonal(x, args, start, turn, loss=loss, size=size)
    number = int(kept)
    if not number:
        raise UserError("x: the Hessian there is not finite")
    diagonals = np.asarray(diagonal, np.float64)[:number], np.asarray(beside, np.float64)[: number - 1]
    values, vectors = scipy.linalg.eigh_tridiagonal(*diagonals)
    left = float(rest) if number == size else 0.0
    return Ritz(values, vectors, np.abs(vectors[-1]) * left, tall, number < size or size == tall.shape[1])


def check_installed() -> None:
    """Refuse to begin where the package that decomposes Hessians is missing.

    Raises:
        UserError: it is.
    """
    if find_spec("matfree") is None:
        raise UserError("a Hessian's spectrum needs the package matfree; pip install matfree")


@partial(jax.jit, static_argnames=("loss", "size"))
def _tridiagonal(
    x: Array, args: tuple[Any, ...], start: Array, turn: Turn, *, loss: Loss, size: int
) -> tuple[Array, Array, Array, Array, Array]:
    """Return Lanczos vectors, two diagonals of the matrix, the norm of what is left over, and how many vectors count.

    Where a product leaves nothing new but rounding, as with few distinct eigenvalues, the vectors after it are not
    orthogonal to those before and mean nothing.
    """
    from matfree import decomp

    def times(y: Array) -> Array:
        return turn.lower(jax.jvp(lambda z: jax.grad(loss)(z, *args), (x,), (turn.lift(y),))[1])

    with jax.default_matmul_precision("highest"):  # GPUs may round float32 products to fewer digits
        made: Any = decomp.tridiag_sym(size, reortho="full", materialize=False)(times, turn.lower(start))
        skew = jnp.abs(jnp.tril(made.Q_tall @ made.Q_tall.T) - jnp.eye(size))
    square = jnp.all(skew <= SKEW * np.sqrt(x.size) * jnp.finfo(x.dtype).eps, axis=1)
    kept = jnp.argmin(jnp.append(square & jnp.isfinite(made.J_small[0]), False))
    return made.Q_tall, *made.J_small, jnp.linalg.norm(made.residual), kept
