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
OFF = 4.0  # times the change of eigenvalues over a Newton step, within which they may be zero; y^3 needs 2, y^4 2
FLAT = 1e-8  # of the gradient scale, below which a normal derivative has no sure sign


class Edge(NamedTuple):
    """Critical points of the loss restricted to the faces of the box at which it grows inward in every normal.

    Attributes:
        x: ``[m, d]``.
        loss: ``[m]``.
        index: int32 ``[m]``, of the Hessian in the face.
        free, upper: bool ``[m, d]``, the coordinates along the face, and which others are at their upper end.
        doubt: str ``[m]``, what leaves index or inward growth open there, empty where nothing does.
    """

    x: np.ndarray
    loss: np.ndarray
    index: np.ndarray  # type: ignore[assignment]
    free: np.ndarray
    upper: np.ndarray
    doubt: np.ndarray


def closed(landscape: Landscape) -> np.ndarray:
    """Return which axes have no ends, bool ``[d]``."""
    return np.asarray(landscape.periodic, bool)


def side(free: np.ndarray, upper: np.ndarray) -> str:
    """Return a face in words, such as ``the lower side of axis 0 and the upper side of axis 2``."""
    fixed = np.flatnonzero(~free)
    return " and ".join(f"the {'upper' if upper[axis] else 'lower'} side of axis {axis}" for axis in fixed)


def edges(landscape: Landscape, args: Args, scales: Scales, seed: int, *, loss: Loss) -> Edge:
    """Search every face of the box, of dimension 0 to ``d - 1``, along the axes that do not close.

    A face on which the loss is no number somewhere is in doubt as a whole, and stands as the first such point of it.
    """
    starts, free = _starts(landscape, np.random.default_rng([seed, 1]))
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    found = sought(starts, free, 0.5 * (low + high), args, scales, loss=loss)
    inside = np.all((found.x >= low) & (found.x <= high) | closed(landscape) | ~free, axis=1)
    rows = np.flatnonzero((found.outcome == Outcome.CONVERGED) & inside)
    lost = _first_of_faces(_no_number(starts, args, loss), starts == high, free)
    x = np.concatenate([starts[lost], np.where(free[rows], found.x[rows], starts[rows])])
    x, free = _distinct(x, np.concatenate([free[lost], free[rows]]), landscape)
    return _judged(x, free, landscape, args, scales, loss)


def _no_number(x: np.ndarray, args: Args, loss: Loss) -> np.ndarray:
    """Whether the loss or a slope of it is NaN at each ``x [n, d]``; infinite ones still rise or fall."""
    slope = np.asarray(gradients(x, args, loss=loss))
    return np.isnan(np.asarray(values(x, args, loss=loss))) | np.isnan(slope).any(axis=1)


def _first_of_faces(rows: np.ndarray, upper: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return the first of the ``rows`` (bool) on each face."""
    marked = np.flatnonzero(rows)
    face = np.where(free[marked], 0, np.where(upper[marked], 2, 1))
    return marked[np.unique(face, axis=0, return_index=True)[1]]


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
    upper = (x == np.asarray(landscape.upper)) & ~free
    inward = np.where(upper, -1.0, 1.0)
    flat, floor = FLAT * float(scales.gradient), float(eigen_floor(x.shape[1], scales))
    losses, slopes, matrices = in_tiles(
        lambda x: (values(x, args, loss=loss), gradients(x, args, loss=loss), hessians(x, args, loss=loss)), TILE, x
    )
    keep, index, doubt = [], [], []
    for row, (slope, matrix) in enumerate(zip(slopes, matrices, strict=True)):
        normal = (slope * inward[row])[~free[row]]
        along = matrix[np.ix_(free[row], free[row])]
        known = np.isfinite(np.sum(along)) and not np.isnan(losses[row] + np.sum(slope))
        if known and np.any(normal < -flat):
            continue
        keep.append(row)
        index.append(int(np.sum(np.linalg.eigvalsh(along) < 0)) if known else 0)
        sure = known and _regular(x[row], free[row], slope, along, args, floor, loss)
        doubt.append(_doubt(known, sure, bool(np.any(normal <= flat))))
    return Edge(x[keep], losses[keep], np.array(index, np.int32), free[keep], upper[keep], np.array(doubt, str))


def _regular(
    x: np.ndarray, free: np.ndarray, gradient: np.ndarray, along: np.ndarray, args: Args, floor: float, loss: Loss
) -> bool:
    """Whether no eigenvalue in the face may be zero, as far as the error of ``x`` changes them.

    Searches end some way off a degenerate point, where its eigenvalue is small but not zero. The Newton step is what is
    left to go; the eigenvalues at its end tell how much they change on the way.
    """
    step = np.zeros(len(x))
    step[free] = -np.linalg.lstsq(along, gradient[free])[0]
    beyond = np.asarray(hessians((x + step)[None], args, loss=loss))[0][np.ix_(free, free)]
    here, there = np.linalg.eigvalsh(along), np.linalg.eigvalsh(np.nan_to_num(beyond))
    return bool(np.all(np.abs(here) > floor + OFF * np.max(np.abs(there - here), initial=0.0)))


def _doubt(known: bool, regular: bool, level: bool) -> str:
    """Return what is not sure at a point of a face, empty for nothing."""
    if not known:
        return "the loss or a derivative is no number"
    if level:
        return "the loss neither grows nor falls inward"
    return "" if regular else "the loss along that side is degenerate"


def leak(landscape: Landscape, args: Args, seed: int, *, loss: Loss) -> str | None:
    """Return where on the boundary the loss does not grow outward, in words; None where its flow stays inside.

    Looked at are random points of every side of the box.
    """
    draw = np.random.default_rng([seed, 2])
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    x = draw.uniform(low, high, (SAMPLED, len(low)))
    axis, end = draw.choice(np.flatnonzero(~closed(landscape)), SAMPLED), draw.integers(0, 2, SAMPLED)
    rows = np.arange(SAMPLED)
    x[rows, axis] = np.where(end == 1, high[axis], low[axis])
    gradient = np.asarray(gradients(x, args, loss=loss))
    unknown = _no_number(x, args, loss)
    outward = gradient[rows, axis] * np.where(end == 1, 1.0, -1.0)
    for bad, told in ((unknown, "is no number"), (~(outward > 0), "does not grow outward")):
        if bad.any():
            row = np.argmax(bad)
            return f"the loss {told} on {side(np.arange(len(low)) != axis[row], np.full(len(low), end[row] == 1))}"
    return None
