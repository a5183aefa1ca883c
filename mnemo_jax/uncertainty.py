"""The uncertainty exponent of the basins on a grid: how slowly starts become certain as their error shrinks."""

from typing import NamedTuple

import numpy as np

from mnemo_jax.blocks import block_numbers, interval, resampled

LARGEST = 20  # of it the largest error is the grid's shortest side
WINDOW = 10.0  # ratio of a window's ends, a decade at least
CONSTANT = 0.05  # by which slopes in a window may always differ
SURE, MOST = 2.0, 0.15  # standard deviations by which they may differ beyond that, and by how much in any case
OCTAVE = 2  # errors from one end of a local slope to the other, about a factor two


class Uncertainty(NamedTuple):
    """The share of uncertain starts by error, and the power law in it where there is one; intervals at 95 %.

    Attributes:
        error: int64 ``[m]``, in cells, rising by about the square root of two.
        share: ``[m]``, of the starts, whose label an error of so many cells along one axis can change.
        share_interval: ``[2, m]``.
        slope: ``[m - 2]``, local slopes of ln share against ln error, each about an octave wide, about ``error[1:-1]``.
        slope_interval: ``[2, m - 2]``.
        window: first and last error of the window in which the slope is constant, None where there is none.
        exponent, exponent_interval: slope in the window, the uncertainty exponent, and ``[2]``; NaN without a window.
        spread, allowed: difference between the largest and the smallest local slope in the window, and the one that
            counts as none; without a window those of all errors.
        cells: how many starts were looked at.
        reason: why there is no exponent, else None.
    """

    error: np.ndarray
    share: np.ndarray
    share_interval: np.ndarray
    slope: np.ndarray
    slope_interval: np.ndarray
    window: tuple[int, int] | None
    exponent: float
    exponent_interval: np.ndarray
    spread: float
    allowed: float
    cells: int
    reason: str | None

    def dimension(self, dim: int) -> tuple[float, np.ndarray]:
        """Return the boundary's box dimension ``dim - exponent`` in ``dim`` dimensions, and its interval ``[2]``."""
        return dim - self.exponent, dim - self.exponent_interval[::-1]


def uncertainty(labels: np.ndarray, periodic: tuple[bool, ...] | None = None) -> Uncertainty | None:
    """Return the share of uncertain starts by error, and the exponent of its power law with a window it holds in.

    A start is uncertain at error ``e`` where a start no more than ``e`` away along one axis has another label. Their
    share grows as ``e^alpha`` with ``alpha = d - D``, ``D`` the box dimension of the boundary: 1 for smooth ones
    (McDonald, Grebogi, Ott and Yorke 1985, Physica D 17, equations 1.1 and 3.4). Along axes no straight boundary's
    share is bent by the cells, so that errors from one cell on can be used.

    The window is the widest, from a decade on, in which no two local slopes differ by more than twice the standard
    deviation of their difference, where differences up to 0.05 never count and those above 0.15 always do. Intervals
    are from a bootstrap over blocks of the grid, with the window held fixed; they are NaN where fewer than eight blocks
    hold uncertain starts.

    Args:
        labels: ``[n1, ..., nd]``, one per cell.
        periodic: per axis, whether its ends meet; none when None.

    Returns:
        None for grids of fewer than 40 cells along an axis.
    """
    most = min(labels.shape) // LARGEST
    if most < OCTAVE:
        return None
    near = changes(labels, most, periodic or (False,) * labels.ndim)
    error = np.unique(np.round(np.geomspace(1, most, 2 * round(np.log2(most)) + 1)).astype(np.int64))
    counts = _counts(near, error)
    total, cells = counts.sum(axis=0), near.size
    samples = resampled(counts, counts[:, 0] > 0)
    share, shares = total[:-1] / cells, np.maximum(samples[:, :-1], 0.5) / samples[:, -1:]
    spans = np.log(error[OCTAVE:] / error[:-OCTAVE])
    with np.errstate(divide="ignore", invalid="ignore"):
        slope, slopes = (np.log(s[..., OCTAVE:] / s[..., :-OCTAVE]) / spans for s in (share, shares))
    empty = Uncertainty(
        error, share, interval(shares), slope, interval(slopes), None, np.nan, np.full(2, np.nan), np.nan, np.nan,
        cells, "no label changes at the smallest error",
    )  # fmt: skip
    return empty if share[0] == 0 else _scaling(empty, shares, slopes)


def _scaling(found: Uncertainty, shares: np.ndarray, slopes: np.ndarray) -> Uncertainty:
    """Look for the widest window of constant slope; fit the slope in it."""
    error, windows = found.error, []
    for first in range(len(error)):
        for last in range(first + OCTAVE, len(error)):
            if error[last] >= WINDOW * error[first]:
                windows.append((first, last))
    if not windows:
        reason = (
            f"errors of 1 to {error[-1]} cells are less than a decade, as {int(LARGEST * WINDOW)} cells a side have"
        )
        return found._replace(reason=reason)
    windows.sort(key=lambda ends: (error[ends[0]] / error[ends[1]], ends[0]))
    for first, last in windows:
        part = slice(first, last - OCTAVE + 1)
        spread, allowed = _spread(found.slope[part], slopes[:, part])
        if spread <= allowed:
            return _fitted(found._replace(spread=spread, allowed=allowed, reason=None), shares, first, last)
    spread, allowed = _spread(found.slope, slopes)
    steep, flat = found.slope.max(), found.slope.min()
    reason = f"the slope is not constant over a decade: it lies between {flat:.2f} and {steep:.2f}"
    return found._replace(spread=spread, allowed=allowed, reason=reason)


def _spread(slope: np.ndarray, slopes: np.ndarray) -> tuple[float, float]:
    """Return by how much local slopes differ at most, and by how much they may."""
    steep, flat = int(slope.argmax()), int(slope.argmin())
    difference = slopes[:, steep] - slopes[:, flat]
    return float(slope[steep] - slope[flat]), float(np.clip(np.nan_to_num(SURE * difference.std()), CONSTANT, MOST))


def _fitted(found: Uncertainty, shares: np.ndarray, first: int, last: int) -> Uncertainty:
    """Return the slope of the least-squares line through a window's points, and its interval."""
    x = np.log(found.error[first : last + 1])
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    exponent, exponents = (np.log(s[..., first : last + 1]) @ weights for s in (found.share, shares))
    return found._replace(
        window=(int(found.error[first]), int(found.error[last])),
        exponent=float(exponent),
        exponent_interval=interval(exponents),
    )


def changes(labels: np.ndarray, most: int, periodic: tuple[bool, ...]) -> np.ndarray:
    """Return per cell how many cells away along any axis the nearest other label is, ``most + 1`` where further.

    Cells within ``most`` of an end that does not close are left out, as the nearest may lie beyond it.
    """
    nearest = np.full(labels.shape, most + 1, np.int64)
    for axis, closed in enumerate(periodic):
        lines = np.moveaxis(labels, axis, -1)
        if closed:
            lines = np.concatenate([lines[..., -most:], lines, lines[..., :most]], axis=-1)
        away = _along(lines)[..., most : lines.shape[-1] - most] if closed else _along(lines)
        view = np.moveaxis(nearest, axis, -1)
        np.minimum(view, away, out=view)
    return nearest[tuple(slice(None) if closed else slice(most, -most) for closed in periodic)]


def _along(lines: np.ndarray) -> np.ndarray:
    """Return per cell how far away along the last axis the nearest other label is; at least a line where none is."""
    size = lines.shape[-1]
    change = lines[..., 1:] != lines[..., :-1]
    place = np.arange(1, size)
    # The last change before a cell, and the first after it: change k lies between cells k - 1 and k.
    before = np.full(lines.shape, -size)
    before[..., 1:] = np.maximum.accumulate(np.where(change, place, -size), axis=-1)
    after = np.full(lines.shape, 2 * size)
    after[..., :-1] = np.minimum.accumulate(np.where(change, place, 2 * size)[..., ::-1], axis=-1)[..., ::-1]
    cell = np.arange(size)
    return np.minimum(cell - before + 1, after - cell)


def _counts(near: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return per block of the grid how many cells are uncertain at each error, and how many there are last."""
    number = block_numbers(near.shape).ravel()
    rank = np.searchsorted(error, near.ravel())  # the first error that reaches the other label
    table = np.bincount(number * (len(error) + 1) + rank, minlength=(number.max() + 1) * (len(error) + 1))
    table = table.reshape(-1, len(error) + 1)
    return np.concatenate([np.cumsum(table, axis=1)[:, :-1], table.sum(axis=1, keepdims=True)], axis=1)
