"""From how far Newton's method goes to a critical point for certain, and which points that spares a polish."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.critical import Point

FEW = 64  # coordinates of known points in all; to compare with more takes longer than to sort points into cells
SOME = 1 << 13  # points from which a compiled program compares them
LEAST = 8  # points that it compares with
CHUNK = 1 << 16  # points compared at once, so that there is one program


class Reach(NamedTuple):
    """What says from how far Newton's method goes to critical points ``x [n, d]``.

    Attributes:
        x: ``[n, d]``.
        radius: of quadratic convergence, 0 where there is none.
        curvature: smallest eigenvalue in size.
    """

    x: Any
    radius: Any
    curvature: Any

    def take(self, rows: np.ndarray) -> "Reach":
        """Return the rows asked for, in that order."""
        return Reach(*(column[rows] for column in self))


def reach_of(points: Point) -> Reach:
    """Return the reach of critical points; degenerate ones, kinks and those that left have none."""
    sound = (points.nullity == 0) & ~points.left
    return Reach(points.x, np.where(sound, points.radius, 0.0), np.min(np.abs(points.eigenvalues), axis=1))


def certain(gap: Any, slope: Any, radius: Any, curvature: Any) -> Any:
    """Return whether Newton's method surely goes to a point ``sqrt(gap)`` away, where gradients are up to ``slope``.

    That lies within the radius of quadratic convergence, and no further away than the gradient explains.
    """
    return (gap <= radius**2) & (gap * curvature**2 <= (2.0 * slope) ** 2) & (radius > 0)


def is_few(number: int, dim: int) -> bool:
    """Whether that is no more points of ``dim`` coordinates than ends of descents are compared with."""
    return number * dim <= FEW


def known(x: np.ndarray, slope: np.ndarray | float, reach: Reach) -> np.ndarray:
    """Return to which known point Newton's method surely goes from each ``x [n, d]``, int32, -1 for none.

    That is the first of several, which are one point polished more than once. Gradients at ``x`` have norms of at most
    ``slope``, one or ``[n]``, NaN where nothing is certain.
    """
    found, (number, dim) = np.full(len(x), -1, np.int32), reach.x.shape
    if not number or not is_few(number, dim):
        return found
    if len(x) < SOME:
        with np.errstate(over="ignore"):  # some may be far away
            gap = np.sum((x[:, None] - reach.x) ** 2, axis=2)
        near = certain(gap, np.reshape(slope, (-1, 1)), reach.radius, reach.curvature)
        return np.where(near.any(axis=1), np.argmax(near, axis=1), -1).astype(np.int32)
    size = max(LEAST, 1 << (number - 1).bit_length())  # for few programs; those added have no reach
    padded = Reach(*(np.concatenate([own, np.zeros((size - number, *own.shape[1:]))]) for own in reach))
    for begin in range(0, len(x), CHUNK):
        end = min(begin + CHUNK, len(x))
        part = np.resize(x[begin:end], (CHUNK, dim)) if end - begin < CHUNK else x[begin:end]
        steep = np.resize(slope[begin:end], CHUNK) if isinstance(slope, np.ndarray) else slope
        found[begin:end] = np.asarray(_known(part, steep, padded))[: end - begin]
    return found


@jax.jit
def _known(x: Array, slope: Array, reach: Reach) -> Array:
    found = jnp.full(x.shape[:1], -1, jnp.int32)
    for row, (point, radius, curvature) in reversed(list(enumerate(zip(*reach, strict=True)))):
        # One column after the other: sums along rows are slow.
        gap = sum((x[:, k] - entry) ** 2 for k, entry in enumerate(point))
        found = jnp.where(certain(gap, slope, radius, curvature), jnp.int32(row), found)
    return found
