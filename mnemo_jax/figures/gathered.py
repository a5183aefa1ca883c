"""Levels at which losses of starts gather, and on which axis they are seen."""

from typing import NamedTuple

import numpy as np

from mnemo_jax import estimates
from mnemo_jax.figures.looks import WIDE

WINDOW = 1 / 500  # of the range of the axis: losses within are one level
TIGHT = 1 / 10  # of the window, which holds the middle four fifths of a level's losses
FEW, PART = 8, 0.01  # starts, and part of all, that a level has at least
RARELY, CLOSE = 3, 1e-3  # starts of a level of few, and part of the window from each to the next
ENOUGH = 0.5  # of the starts, that gather at levels of a linear axis for it to be taken
FINE, COARSE = 120, 20  # bins at most, and at least
TOP = 12  # levels at most
ZERO = 1e-9  # of the largest loss, below which a level is zero
RARE = 5e-3  # of the starts, that an axis may leave out where they lie far from all others


class Gathered(NamedTuple):
    """Levels of the loss that many starts share, ascending.

    Attributes:
        loss: ``[n]``, the median of each.
        count: int ``[n]``, starts within the window around it.
        share: ``[n]``, of all starts.
        interval: ``[n, 2]``, Wilson's at 95 %.
        wide: whether the axis on which they were looked for is logarithmic.
    """

    loss: np.ndarray
    count: np.ndarray  # type: ignore[assignment]
    share: np.ndarray
    interval: np.ndarray
    wide: bool


def gathered(loss: np.ndarray, total: int) -> Gathered:
    """Return the levels at which losses gather.

    Again and again the window with most losses is taken; it is a level where it has enough of them and most lie
    together much more tightly than the window is wide, as they do not where losses are spread. A linear axis is
    taken where half of the losses are at its levels, or where they do not span enough for a logarithmic one.

    Args:
        loss: ``[n]``, finite.
        total: starts that shares are of.
    """
    wide = bool(len(loss) and loss.min() >= 0 and spans(loss) > WIDE)
    found = _levels(loss, loss)
    if wide and sum(len(rows) for rows in found) < ENOUGH * len(loss):
        found = _levels(loss, np.log10(np.maximum(loss, floor(loss))))
    else:
        wide = False
    found = sorted(found, key=lambda rows: float(np.median(loss[rows])))
    largest = loss.max(initial=0.0)
    level = np.array([np.median(loss[rows]) for rows in found])
    count = np.array([len(rows) for rows in found], int)
    level = np.where(np.abs(level) < ZERO * largest, 0.0, level) if not wide else level
    return Gathered(level, count, count / total, estimates.wilson(count, total), wide)


def spans(loss: np.ndarray) -> float:
    """Return the ratio of the largest loss to the smallest positive one, but for rare ones far off."""
    positive = loss[loss > 0]
    low, high = np.quantile(positive, [RARE, 1 - RARE]) if len(positive) else (1.0, 1.0)
    return float(high / low)


def floor(loss: np.ndarray) -> float:
    """Return the smallest positive loss, where those of zero stand on a logarithmic axis."""
    positive = loss[loss > 0]
    return float(positive.min()) if len(positive) else 1.0


def edges(loss: np.ndarray, found: Gathered) -> np.ndarray:
    """Return edges of bins, fine where losses gather, else after Freedman and Diaconis (1981), for the axis taken."""
    place = np.sort(np.log10(np.maximum(loss, floor(loss))) if found.wide else loss)
    low, high = extent(place)
    high = high if high > low else low + (abs(low) or 1.0) / FINE
    number = FINE
    if not len(found.loss):
        middle = np.subtract(*np.quantile(place, [0.75, 0.25]))
        width = 2 * middle / np.cbrt(len(place)) or (high - low)
        number = int(np.clip(np.ceil((high - low) / width), COARSE, FINE))
    half = (high - low) / number / 2
    even = np.linspace(low - half, high + half, number + 2)  # the outermost losses are in the middle of a bin
    return np.asarray(10.0**even if found.wide else even)


def _levels(loss: np.ndarray, at: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each level, most starts first, on an axis where losses stand ``at [n]``."""
    order = np.argsort(at, kind="stable")
    place = at[order]
    if not len(place):
        return []
    width = WINDOW * (float(np.diff(extent(place))[0]))
    largest = float(np.abs(loss).max())
    left = np.ones(len(place), bool)
    levels: list[np.ndarray] = []
    least = max(FEW, int(np.ceil(PART * len(loss))))
    while len(levels) < TOP and left.sum() >= least:
        rows = np.flatnonzero(left)
        ends = np.searchsorted(place[rows], place[rows] + width, side="right")
        first = int(np.argmax(ends - np.arange(len(rows))))
        inside = rows[first : ends[first]]
        low, high = np.quantile(place[inside], [0.1, 0.9])
        if len(inside) < least:
            break
        left[inside] = False
        if high - low <= TIGHT * width and _one(loss[order[inside]], largest):
            levels.append(order[inside])
    taken = sum(map(len, levels))
    return levels + (_rare(place, order, np.flatnonzero(left), width) if taken >= ENOUGH * len(loss) else [])


def _rare(place: np.ndarray, order: np.ndarray, rows: np.ndarray, width: float) -> list[np.ndarray]:
    """Return the rows of levels that few starts have, where most starts are at levels, by losses that agree closely."""
    groups = np.split(rows, np.flatnonzero(np.diff(place[rows]) > CLOSE * width) + 1)
    return sorted((order[group] for group in groups if len(group) >= RARELY), key=len, reverse=True)[:TOP]


def _one(loss: np.ndarray, largest: float) -> bool:
    """Whether losses near zero are zero, against the largest, or of one size: on a linear axis all look alike."""
    low, high = np.quantile(np.abs(loss), [0.1, 0.9])
    return bool(high <= max(ZERO * largest, 2 * low))


def extent(place: np.ndarray) -> tuple[float, float]:
    """Return from where to where rising numbers lie: all of them, unless a few lie far from all others."""
    low, high = np.quantile(place, [RARE, 1 - RARE])
    whole = place[-1] - place[0]
    return (float(low), float(high)) if whole > 2 * (high - low) > 0 else (float(place[0]), float(place[-1]))
