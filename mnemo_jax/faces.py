"""The faces of a box: where a loss that is cut off at its edge has critical points of its own."""

import itertools
from typing import NamedTuple

import numpy as np

from mnemo_jax.calculus import Args, Loss, gradients, hessians, values
from mnemo_jax.catalogue import MERGE
from mnemo_jax.landscape import Landscape
from mnemo_jax.polish import Scales, eigen_floor
from mnemo_jax.seek import sought
from mnemo_jax.tiles import in_tiles
from mnemo_jax.types import Outcome

DIMS = 4  # axes up to which every face is searched
PER_FACE = 64  # starts for each dimension of a face
TILE = 256  # points of the faces judged at once
SAMPLED = 4096  # points of the boundary at which a box in more dimensions is sampled
FLAT = 1e-8  # of the gradient scale, below which a normal derivative has no sure sign


class Edge(NamedTuple):
    """Critical points of the loss restricted to the faces of the box at which it grows inward in every normal.

    Attributes:
        x: ``[m, d]``.
        loss: ``[m]``.
        index: int32 ``[m]``, of the Hessian in the face.
        free: bool ``[m, d]``, the coordinates along the face.
        sure: bool ``[m]``, whether no eigenvalue in the face and no normal derivative is zero to rounding.
    """

    x: np.ndarray
    loss: np.ndarray
    index: np.ndarray  # type: ignore[assignment]
    free: np.ndarray
    sure: np.ndarray


def closed(landscape: Landscape) -> np.ndarray:
    """Return which axes have no ends, bool ``[d]``."""
    return np.asarray(landscape.periodic, bool)


def edges(landscape: Landscape, args: Args, scales: Scales, seed: int, *, loss: Loss) -> Edge:
    """Search every face of the box, of dimension 0 to ``d - 1``, along the axes that do not close."""
    starts, free = _starts(landscape, np.random.default_rng([seed, 1]))
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    found = sought(starts, free, 0.5 * (low + high), args, scales, loss=loss)
    inside = np.all((found.x >= low) & (found.x <= high) | closed(landscape) | ~free, axis=1)
    rows = np.flatnonzero((found.outcome == Outcome.CONVERGED) & inside)
    x, free = _distinct(np.where(free[rows], found.x[rows], starts[rows]), free[rows], landscape)
    return _judged(x, free, landscape, args, scales, loss)


def _starts(landscape: Landscape, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return uniform points of every face and which of their coordinates are free."""
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    ends = [(None,) if ring else (None, 0, 1) for ring in closed(landscape)]
    starts, frees = [], []
    for sides in itertools.product(*ends):
        free = np.array([side is None for side in sides])
        if free.all():
            continue  # the inside
        number = max(1, PER_FACE * int(free.sum()) ** 2)
        fixed = np.where([side == 1 for side in sides], high, low)
        starts.append(np.where(free, draw.uniform(low, high, (number, len(low))), fixed))
        frees.append(np.tile(free, (number, 1)))
    empty = np.empty((0, len(low)))
    return np.concatenate([empty, *starts]), np.concatenate([empty.astype(bool), *frees])


def _distinct(x: np.ndarray, free: np.ndarray, landscape: Landscape) -> tuple[np.ndarray, np.ndarray]:
    """Return one of each group of points closer than rounding in one face, in order."""
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    length = 0.5 * float(np.max(high - low))
    ring = np.where(closed(landscape), high - low, 0.0)
    kept: list[int] = []
    for row in np.lexsort((*x.T[::-1], *free.T)) if len(x) else []:
        gap = np.abs(x[row] - x[kept])
        gap = np.minimum(gap, np.where(ring > 0, np.abs(ring - gap), np.inf))
        same = np.all(free[kept] == free[row], axis=1) & (np.linalg.norm(gap, axis=1) < MERGE * length)
        if not same.any():
            kept.append(int(row))
    return x[kept], free[kept]


def _judged(x: np.ndarray, free: np.ndarray, landscape: Landscape, args: Args, scales: Scales, loss: Loss) -> Edge:
    """Keep the points at which the loss grows inward, or may, and count their negative eigenvalues in the face."""
    inward = np.where(x == np.asarray(landscape.lower), 1.0, -1.0)
    keep, index, sure = [], [], []
    floor, flat = float(eigen_floor(x.shape[1], scales)), FLAT * float(scales.gradient)
    losses, slopes, matrices = in_tiles(
        lambda x: (values(x, args, loss=loss), gradients(x, args, loss=loss), hessians(x, args, loss=loss)), TILE, x
    )
    for row, (slope, matrix) in enumerate(zip(slopes, matrices, strict=True)):
        normal = (slope * inward[row])[~free[row]]
        if np.any(normal < -flat):
            continue
        spectrum = np.linalg.eigvalsh(matrix[np.ix_(free[row], free[row])])
        keep.append(row)
        index.append(int(np.sum(spectrum < 0)))
        sure.append(bool(np.all(normal > flat) and np.all(np.abs(spectrum) > floor)))
    return Edge(x[keep], losses[keep], np.array(index, np.int32), free[keep], np.array(sure, bool))


def points_inward(landscape: Landscape, args: Args, seed: int, *, loss: Loss) -> bool:
    """Whether the loss grows outward at random points of every side of the box, so that its flow stays inside."""
    draw = np.random.default_rng([seed, 2])
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    x = draw.uniform(low, high, (SAMPLED, len(low)))
    axis, side = draw.choice(np.flatnonzero(~closed(landscape)), SAMPLED), draw.integers(0, 2, SAMPLED)
    rows = np.arange(SAMPLED)
    x[rows, axis] = np.where(side == 1, high[axis], low[axis])
    gradient = np.asarray(gradients(x, args, loss=loss))
    return bool(np.all(gradient[rows, axis] * np.where(side == 1, 1.0, -1.0) > 0))
