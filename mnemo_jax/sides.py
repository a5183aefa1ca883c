"""Which side descents leave the places by at which they stalled, and at which labels they end."""

from typing import NamedTuple

import numpy as np

from mnemo_jax.estimates import wilson
from mnemo_jax.tally import Tally

CODES = 256  # of directions, from -128 to 127


class Side(NamedTuple):
    """One way out of a place.

    Attributes:
        direction: ``+k`` or ``-k``, along the eigenvector of the k-th smallest eigenvalue, to its side.
        stalls, starts: number of the stalls that ended so, and of the starts they are of.
        share: of all stalls there whose direction is told.
        interval: its 95 % interval; NaN where the starts are no sample.
        ends: the labels that those starts ended with, -1 for none, each with the number of starts, most first.
    """

    direction: int
    stalls: int
    starts: int
    share: float
    interval: tuple[float, float]
    ends: list[tuple[int, int]]


class Sides:
    """The ways out of all places, gathered block by block."""

    def __init__(self, labels: int) -> None:
        self.labels = labels
        self.places = Tally(3)  # by place: starts; per start n stalls: sums of n and n n
        self.ways = Tally(4)  # by place and direction: starts; per start k stalls: sums of k, k k and k n
        self.ends = Tally()  # by place, direction and label

    def add(self, place: np.ndarray, start: np.ndarray, direction: np.ndarray, end: np.ndarray) -> None:
        """Count the stalls of one block whose direction is told.

        Args:
            place: ``[n]``, number of the place, 0 or more.
            start: ``[n]``, number of the start within the block.
            direction: ``[n]``, never 0.
            end: ``[n]``, label with which the start ended, -1 for none.
        """
        width = int(np.max(start, initial=0)) + 1
        code = (place.astype(np.int64) * width + start) * CODES + direction + CODES // 2
        each, first, k = np.unique(code, return_index=True, return_counts=True)
        who, whose = np.unique(each // CODES, return_inverse=True)
        n = np.bincount(whose, k, minlength=len(who)).astype(np.int64)
        self.places.add(who // width, np.stack([np.ones_like(n), n, n * n], axis=1))
        way = each // CODES // width * CODES + each % CODES
        self.ways.add(way, np.stack([np.ones_like(k), k, k * k, k * n[whose]], axis=1))
        self.ends.add(way * (self.labels + 1) + end[first] + 1)

    def of(self, place: int, sampled: bool) -> list[Side]:
        """Return the ways out of a place, both sides of every direction taken, the first direction first."""
        begin, end = np.searchsorted(self.ways.keys, [place * CODES, (place + 1) * CODES])
        taken = {
            int(key % CODES) - CODES // 2: sums
            for key, sums in zip(self.ways.keys[begin:end], self.ways.sums[begin:end], strict=True)
        }
        both = [side * k for k in sorted({abs(direction) for direction in taken}) for side in (1, -1)]
        return [self._side(place, d, taken.get(d, np.zeros(4, np.int64)), sampled) for d in both]

    def _side(self, place: int, direction: int, way: np.ndarray, sampled: bool) -> Side:
        row = np.searchsorted(self.places.keys, place)
        interval = _interval(way, self.places.sums[row]) if sampled else (np.nan, np.nan)
        share = float(way[1] / self.places.sums[row][1])
        ends = self._ends(place * CODES + direction + CODES // 2)
        return Side(direction, int(way[1]), int(way[0]), share, interval, ends)

    def _ends(self, way: int) -> list[tuple[int, int]]:
        low, high = np.searchsorted(self.ends.keys, [way * (self.labels + 1), (way + 1) * (self.labels + 1)])
        labels, number = self.ends.keys[low:high] % (self.labels + 1) - 1, self.ends.sums[low:high, 0]
        return [(int(labels[row]), int(number[row])) for row in np.argsort(-number, kind="stable")]


def _interval(way: np.ndarray, place: np.ndarray) -> tuple[float, float]:
    """Return Wilson's interval of a side's share, for as many stalls as those of the place are worth.

    Stalls of one start are no independent sample: the share ``p`` is a ratio of sums over starts, whose variance is
    that of ``k - p n`` (Cochran 1977, section 2.11); the stalls count as many as would give a share that variance
    (Korn and Graubard 1998), at most all of them, and at a share of 0 or 1 as many as there are starts.
    """
    _, k, kk, kn = way.astype(float)
    starts, n, nn = place.astype(float)
    share = k / n
    if share in (0.0, 1.0):
        worth = starts
    else:
        spread = (kk - 2.0 * share * kn + share**2 * nn) / n**2
        worth = min(n, share * (1.0 - share) / spread) if spread > 0 else n
    low, high = wilson(np.array([share * worth]), worth)[0]
    return float(low), float(high)
