"""A saddle: the critical point near a place, its eigenbasis, and how far around it the loss is a quadratic."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.calculus import Loss, gradients, hessians, loss_of
from mnemo_jax.errors import UserError
from mnemo_jax.judge import Judge
from mnemo_jax.landscape import Landscape
from mnemo_jax.stopping import Escaping
from mnemo_jax.types import Kind

PROBES = 64  # points at which the loss is held against its quadratic


@dataclass(frozen=True)
class Turned:
    """A loss on coordinates along a saddle's eigenvectors; equal losses make equal ones, so that it compiles once."""

    loss: Loss

    def __call__(self, y: Array, escape_at: Array, escape_axes: Array, **args: Any) -> Array:
        """Return the loss at ``escape_at + escape_axes y``; a sum of products, as calls of libraries are slow here."""
        return self.loss(escape_at + jnp.sum(escape_axes * y, axis=1), args)


class Saddle(NamedTuple):
    """A critical point with unstable directions.

    Attributes:
        x: ``[d]``.
        loss: there.
        eigenvalues: ``[d]`` of the Hessian, ascending.
        axes: ``[d, d]``, its eigenvectors as columns, the largest entry of each positive.
        index: number of negative eigenvalues.
        kind: ``saddle`` or ``maximum``.
    """

    x: np.ndarray
    loss: float
    eigenvalues: np.ndarray
    axes: np.ndarray
    index: int  # type: ignore[assignment]
    kind: str


def saddle_near(escaping: Escaping, judge: Judge) -> Saddle:
    """Return the polished point near ``escaping.at``.

    Raises:
        UserError: there is none, or it is no saddle.
    """
    at = np.atleast_1d(np.asarray(escaping.at, np.float64))
    dim = judge.landscape.dim
    if len(at) not in (1, dim):
        raise UserError(f"escape.at: {len(at)} numbers for {dim} axes; give one, or one per axis")
    at = np.broadcast_to(at, dim)
    point = judge.points(at[None], np.zeros(1, bool))
    x, kind = point.x[0], Kind(int(point.kind[0]))
    told = f"({', '.join(f'{v:.6g}' for v in x)})"
    if point.left[0]:
        raise UserError(f"escape.at: no critical point lies near {at.tolist()}; mnemo search lists where they are")
    if point.nullity[0]:
        raise UserError(
            f"escape.at: the critical point {told} has nullity {point.nullity[0]}; no law knows flat directions"
        )
    if kind not in (Kind.SADDLE, Kind.MAXIMUM):
        raise UserError(f"escape.at: the critical point {told} is a {kind.word}; descents leave saddles and maxima")
    matrix = np.asarray(hessians(x[None], judge.args, loss=judge.loss))[0]
    eigenvalues, axes = np.linalg.eigh(0.5 * (matrix + matrix.T))
    largest = axes[np.argmax(np.abs(axes), axis=0), np.arange(dim)]
    return Saddle(x, float(point.loss[0]), eigenvalues, axes * np.sign(largest), int(point.index[0]), kind.word)


def bend(landscape: Landscape, saddle: Saddle, radius: float, offset: np.ndarray) -> float:
    """Return by which share of the leading term gradients differ from the quadratic's within the radius, at most.

    Looked for along and between the unstable directions at the radius and halfway, with and without the offset. An
    unstable coordinate then grows at a rate that is wrong by this share where the descent leaves, and by less before.

    Args:
        landscape: on coordinates along the eigenvectors.
        saddle: what was found.
        radius: how far descents go along unstable directions.
        offset: ``[stable]``, where they start along stable ones.
    """
    index, rates = saddle.index, -saddle.eigenvalues[: saddle.index]
    loss, args = loss_of(landscape, jnp.float64)
    ways = np.concatenate([np.eye(index), -np.eye(index), np.random.default_rng(0).uniform(-1, 1, (PROBES, index))])
    ways = radius * np.concatenate([ways, 0.5 * ways])
    y = np.zeros((2, len(ways), landscape.dim))
    y[:, :, :index] = ways
    y[1, :, index:] = offset
    gradient = np.asarray(gradients(y.reshape(-1, landscape.dim), args, loss=loss)).reshape(y.shape)
    size = np.max(rates * np.abs(ways), axis=1)
    return float(np.max(np.abs(gradient[:, :, :index] + rates * ways) / size[:, None]))
