"""Intervals for shares, and what may not have been seen."""

from typing import NamedTuple

import numpy as np
from scipy import special

CONFIDENCE = 0.95
FEW = 10  # events below which a normal approximation of their number fails


class Shares(NamedTuple):
    """Shares with their intervals, ``[n]`` and ``[n, 2]``.

    Attributes:
        share: part of all starts.
        interval: at 95 % each.
        simultaneous: at 95 % for all of them together (Bonferroni).
    """

    share: np.ndarray
    interval: np.ndarray
    simultaneous: np.ndarray


class Unseen(NamedTuple):
    """What a further start may find that no start has found; None where ``reason`` says why.

    Attributes:
        mass: probability that the next start reaches a point not in the catalogue (Good 1953).
        interval: 95 % interval of the mass.
        points_estimate: estimated number of reachable points of one kind, a lower bound (Chao 1984).
        reason: why there is no estimate, or None.
    """

    mass: float | None
    interval: tuple[float, float] | None
    points_estimate: float | None
    reason: str | None


def _normal(confidence: float) -> float:
    """Return how many standard deviations from the mean a normal variable stays with that probability.

    By ``scipy.special``: to import ``scipy.stats`` takes as long as to import jax.
    """
    return float(-special.ndtri((1 - confidence) / 2))


def wilson(count: np.ndarray, total: float, confidence: float = CONFIDENCE) -> np.ndarray:
    """Return Wilson's score intervals ``[n, 2]`` of the shares ``count / total`` (Wilson 1927); exact ends at 0 and 1.

    At a count of zero the upper end is the rule of three's exact form, ``1 - (alpha/2)^(1/n)`` being further out
    (Hanley and Lippman-Hand 1983); the larger of the two is given, and its mirror image at ``count = total``.
    """
    count = np.asarray(count, dtype=np.float64)
    z = _normal(confidence)
    share, shrink = count / total, 1 + z**2 / total
    middle = (share + z**2 / (2 * total)) / shrink
    half = z / shrink * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    low, high = np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
    most = -np.expm1(np.log((1 - confidence) / 2) / total)
    low = np.where(count == 0, 0.0, np.where(count == total, np.minimum(low, 1 - most), low))
    high = np.where(count == total, 1.0, np.where(count == 0, np.maximum(high, most), high))
    return np.stack([low, high], axis=-1)


def independent(count: np.ndarray, total: int) -> Shares:
    """Return shares and Wilson intervals for starts drawn independently."""
    together = 1 - (1 - CONFIDENCE) / max(len(count), 1)
    return Shares(count / total, wilson(count, total), wilson(count, total, together))


def replicated(counts: np.ndarray, size: int) -> Shares:
    """Return shares from independent replicates, e.g. scramblings of a Sobol sequence, with t intervals.

    Args:
        counts: ``[replicates, n]`` starts per point in each replicate.
        size: starts in one replicate.
    """
    shares = counts / size
    replicates = len(shares)
    mean = shares.mean(axis=0)
    # Counts are whole: replicates that agree exactly still leave half a start open.
    error = np.maximum(shares.std(axis=0, ddof=1), 0.5 / size) / np.sqrt(replicates)

    def around(confidence: float) -> np.ndarray:
        half = -special.stdtrit(replicates - 1, (1 - confidence) / 2) * error
        return np.clip(np.stack([mean - half, mean + half], axis=-1), 0, 1)

    return Shares(mean, around(CONFIDENCE), around(1 - (1 - CONFIDENCE) / max(counts.shape[1], 1)))


def gridded(labels: np.ndarray, number: int, periodic: tuple[bool, ...]) -> Shares:
    """Return shares of cells of a grid with bounds, not confidence intervals: a cell may be cut where labels change.

    Args:
        labels: ``[shape]``, the label of each cell's centre, -1 for none.
        number: number of labels.
        periodic: per axis, whether its ends meet.

    A cell counts as certain when all its neighbours along the axes have its label; an uncertain cell may belong to
    its own label or to any neighbour's. Structure finer than a cell stays unseen, as on any grid.
    """
    sure = np.ones(labels.shape, bool)
    touch = []
    for axis in range(labels.ndim):
        for shift in (1, -1):
            other = np.roll(labels, shift, axis)
            if not periodic[axis]:
                edge: list[slice | int] = [slice(None)] * labels.ndim
                edge[axis] = 0 if shift == 1 else -1
                other[tuple(edge)] = labels[tuple(edge)]
            sure &= other == labels
            touch.append(other)
    total = labels.size
    count = np.bincount(labels[labels >= 0], minlength=number)
    low = np.bincount(labels[sure & (labels >= 0)], minlength=number)
    # A cell raises a label's upper bound once, however many of its neighbours carry that label.
    pairs = [
        np.stack([np.flatnonzero(other.ravel() != labels.ravel()), other.ravel()[other.ravel() != labels.ravel()]], 1)
        for other in touch
    ]
    extra = np.unique(np.concatenate(pairs), axis=0)[:, 1]
    high = count + np.bincount(extra[extra >= 0], minlength=number)
    bounds = np.stack([low / total, np.minimum(high / total, 1.0)], axis=-1)
    return Shares(count / total, bounds, bounds)


def unseen(count: np.ndarray, total: int, counted: np.ndarray | None = None) -> Unseen:
    """Return Good and Turing's unseen mass with Esty's interval, and Chao's lower bound on the number of points.

    Args:
        count: labelled starts per distinct point, ``[n]``.
        total: all starts.
        counted: bool ``[n]``, the points whose number is estimated, all when None.

    The interval is Esty's (1983), ``f1/N +- z sqrt((f1/N (1 - f1/N) + 2 f2/N) / N)``. Its normal approximation fails
    with fewer than ten singletons, where the upper end is at least Garwood's (1936) for a Poisson count of them and the
    lower end is 0, and with fewer than ten others, where the same is done to the mass that is not unseen.
    """
    once, twice = int(np.sum(count == 1)), int(np.sum(count == 2))
    mass = once / total
    z = _normal(CONFIDENCE)
    half = z * np.sqrt(max(mass * (1 - mass) + 2 * twice / total, 0.0) / total)
    low, high = max(0.0, mass - half), min(1.0, mass + half)
    if once < FEW:
        low, high = 0.0, min(1.0, max(high, _garwood(once) / total))
    if total - once < FEW:
        low, high = max(0.0, min(low, 1.0 - _garwood(total - once) / total)), 1.0
    own = count if counted is None else count[counted]
    once, twice = int(np.sum(own == 1)), int(np.sum(own == 2))
    points = int(np.sum(own > 0)) + once * (once - 1) / (2 * (twice + 1))
    return Unseen(mass, (low, high), points, None)


def _garwood(events: int) -> float:
    """Return the upper limit of the mean of a Poisson variable of which so many events were seen."""
    return float(special.gammaincinv(events + 1, 1 - (1 - CONFIDENCE) / 2))


def paired(
    gained: np.ndarray, lost: np.ndarray, total: int, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Return differences of shares between two arms that follow the same starts, and their intervals ``[n, 2]``.

    The interval is the adjusted Wald one (Bonett and Price 2012, J. Educ. Behav. Stat. 37, 479), from the starts that
    changed sides alone.

    Args:
        gained: ``[n]``, starts that the second arm has and the first has not.
        lost: ``[n]``, starts that the first arm has and the second has not.
        total: starts in each arm.
        confidence: of each interval.
    """
    gained, lost = np.asarray(gained, np.float64), np.asarray(lost, np.float64)
    up, down = (gained + 1) / (total + 2), (lost + 1) / (total + 2)
    half = _normal(confidence) * np.sqrt((up + down - (up - down) ** 2) / (total + 2))
    interval = np.stack([up - down - half, up - down + half], axis=-1)
    return (gained - lost) / total, np.clip(interval, -1, 1)
