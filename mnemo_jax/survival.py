"""How long stalls last: the Kaplan-Meier estimate, and bands that know which stalls are of one start.

The estimate is Kaplan and Meier's (1958), in which stalls that were not over when their descent ended are censored.
Stalls of one start are no independent sample, so its variance adds up what the stalls of a start move the estimate by
before it squares (Ying and Wei 1994; Williams 1995). Where no start has two, that is Greenwood's formula, ties
included. Everything is grouped by distinct length.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from mnemo_jax.estimates import CONFIDENCE


class Survival(NamedTuple):
    """The share of stalls that last longer than each length that occurs, ``[m]`` each.

    Attributes:
        at: int64, the distinct lengths in steps, rising.
        ended, censored: int64, stalls of that length that ended, and that were still going on when the descent ended.
        at_risk: int64, stalls at least that long.
        share: estimate of the share that last longer than ``at``; 1 before the first length.
        greenwood: sum over lengths so far of ``ended / (at_risk (at_risk - ended))``, the variance of ``log share``
            were all stalls independent; infinite once the share is 0.
    """

    at: np.ndarray
    ended: np.ndarray
    censored: np.ndarray
    at_risk: np.ndarray
    share: np.ndarray
    greenwood: np.ndarray


class Spread(NamedTuple):
    """How uncertain the estimate is at each length, ``[m]`` each.

    Attributes:
        variance: of the logarithm of the share, infinite where the share is 0.
        left: the number of independent stalls that those which last longer are worth.
    """

    variance: np.ndarray
    left: np.ndarray


class Median(NamedTuple):
    """The length that half of the stalls exceed at most, and where the band says it may lie; None for not reached."""

    steps: int | None
    low: int | None
    high: int | None


def survival(at: np.ndarray, ended: np.ndarray, censored: np.ndarray) -> Survival:
    """Return the Kaplan-Meier estimate from numbers of stalls ``[m]``, ended and censored, at rising lengths.

    A censored stall counts among those at risk at its own length.
    """
    ended, censored = np.asarray(ended, np.int64), np.asarray(censored, np.int64)
    at_risk = np.cumsum((ended + censored)[::-1])[::-1]
    with np.errstate(divide="ignore"):
        greenwood = np.cumsum(ended / (at_risk * (at_risk - ended).astype(float)))
    return Survival(np.asarray(at, np.int64), ended, censored, at_risk, np.cumprod(1.0 - ended / at_risk), greenwood)


def kaplan_meier(length: np.ndarray, censored: np.ndarray) -> Survival:
    """Return the Kaplan-Meier estimate from stalls one by one.

    Args:
        length: ``[n]``, whole steps.
        censored: bool ``[n]``, whether the stall was still going on when the descent ended.
    """
    at, row = np.unique(length, return_inverse=True)
    ended, censored = (np.bincount(row[which], minlength=len(at)) for which in (~censored, censored))
    return survival(at, ended, censored)


def moments(told: Survival, length: np.ndarray, censored: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return how the sums over starts that `spread` needs change at each length, ``[3, m]``.

    A stall moves ``log share`` at length ``t`` by ``-greenwood(t)`` while it lasts, and from its own length ``x`` on by
    a constant: ``1 / at_risk(x) - greenwood(before x)`` if it ended, ``-greenwood(x)`` if censored. So a start of which
    ``r`` stalls still last, and whose others have added ``c``, moves it by ``c - r greenwood(t)``. The sums are those
    of ``r r``, ``r c`` and ``c c``. Starts may be given part by part, each whole, and the results added up.

    Args:
        told: the estimate from all stalls.
        length: of some of its stalls, ``[n]``, all those of a start among them.
        censored: bool ``[n]``.
        start: ``[n]``, which start each belongs to.
    """
    order = np.lexsort((length, start))
    length, censored, start = length[order], censored[order], start[order]
    row = np.searchsorted(told.at, length)
    constant = _constants(told)[censored.astype(int), row]
    first = np.flatnonzero(np.diff(start, prepend=start[:1] - 1))
    number = np.diff(np.append(first, len(start)))
    rank = np.arange(len(start)) - np.repeat(first, number)
    lasting = np.repeat(number, number) - rank
    total = np.cumsum(constant) - constant
    before = total - np.repeat(total[first], number)
    after = before + constant
    changes = (1 - 2 * lasting, (lasting - 1) * after - lasting * before, after**2 - before**2)
    return np.stack([np.bincount(row, change, minlength=len(told.at)) for change in changes])


def _constants(told: Survival) -> np.ndarray:
    """Return what stalls of each length move the estimate by once they are over, ``[2, m]``: ended, and censored."""
    before = np.concatenate([[0.0], told.greenwood[:-1]])
    return np.stack([1.0 / told.at_risk - before, -told.greenwood])


def alone(told: Survival) -> Spread:
    """Return the spread were every stall of a start of its own (Greenwood 1926)."""
    return Spread(told.greenwood, (told.at_risk - told.ended - told.censored).astype(float))


def spread(told: Survival, changes: np.ndarray) -> Spread:
    """Return the spread of the estimate from the sums of `moments` over all starts."""
    squares, mixed, constants = np.cumsum(changes, axis=1)
    lasting = squares - squares[-1:]  # of all starts at the beginning, whose stalls are all over at the end
    some = told.share > 0
    greenwood = np.where(some, told.greenwood, 0.0)
    found = np.maximum(greenwood**2 * lasting - 2.0 * greenwood * mixed + constants, 0.0)
    number = (told.at_risk - told.ended - told.censored).astype(float)
    return Spread(np.where(some, found, np.inf), number**2 / np.maximum(lasting, 1.0))


def band(told: Survival, spread: Spread, confidence: float = CONFIDENCE) -> np.ndarray:
    """Return pointwise limits ``[m, 2]`` of the share.

    They are symmetric on the scale ``log(-log share)`` (Kalbfleisch and Prentice 2002, section 1.4), which keeps them
    between 0 and 1. Where no stall has ended yet the lower limit is the exact one for as many stalls as still last;
    where none lasts the lower limit is 0 and the upper stays what it was, as longer stalls are no larger a share.
    """
    z = stats.norm.isf((1.0 - confidence) / 2.0)
    inside = (told.share > 0) & (told.share < 1)
    share = np.where(inside, told.share, 0.5)
    power = np.exp(z * np.sqrt(np.where(inside, spread.variance, 0.0)) / np.log(share))  # at most 1
    exact = ((1.0 - confidence) / 2.0) ** (1.0 / np.maximum(spread.left, 1e-9))
    low = np.where(told.share == 1, exact, np.where(inside, share ** (1.0 / power), 0.0))
    high = np.where(told.share == 1, 1.0, share**power)
    if len(high) and told.share[-1] == 0:
        high[-1] = high[-2] if len(high) > 1 else 1.0
    return np.stack([low, high], axis=1)


def median(told: Survival, limits: np.ndarray) -> Median:
    """Return the median length and its interval, where the band crosses one half (Brookmeyer and Crowley 1982)."""
    steps = [_first(told.at, curve <= 0.5) for curve in (told.share, *limits.T)]
    return Median(*steps)


def _first(at: np.ndarray, reached: np.ndarray) -> int | None:
    return int(at[np.argmax(reached)]) if reached.any() else None


def thinned(told: Survival, number: int) -> np.ndarray:
    """Return the rows of at most about ``number`` lengths, spaced evenly in the share and in its logarithm."""
    size = len(told.at)
    if size <= number:
        return np.arange(size)
    fallen = 1.0 - told.share
    log = -np.log(np.where(told.share > 0, told.share, told.share[told.share > 0].min(initial=1.0)))
    even = [np.searchsorted(curve, np.linspace(curve[0], curve[-1], number // 2)) for curve in (fallen, log)]
    return np.unique(np.concatenate([[0], *even, [size - 1]]).clip(0, size - 1))
