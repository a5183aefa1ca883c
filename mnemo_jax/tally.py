"""Sums by whole-number keys, gathered block by block: memory grows with the distinct keys, not with the starts."""

import numpy as np


class Tally:
    """Sums of weights by key.

    Attributes:
        keys: int64 ``[n]``, rising.
        sums: int64 ``[n, columns]``.
    """

    def __init__(self, columns: int = 1) -> None:
        self.keys = np.empty(0, np.int64)
        self.sums = np.empty((0, columns), np.int64)

    def add(self, keys: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Add whole-number weights ``[n, columns]`` to the sums of their keys ``[n]``; one each when None."""
        keys = keys.astype(np.int64)
        if weights is None:
            fresh, number = np.unique(keys, return_counts=True)
            sums = number[:, None]
        else:
            fresh, place = np.unique(keys, return_inverse=True)
            sums = _summed(place, weights, len(fresh))
        self.keys, place = np.unique(np.concatenate([self.keys, fresh]), return_inverse=True)
        self.sums = _summed(place, np.concatenate([self.sums, sums]), len(self.keys))


def _summed(place: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Return the sums of the rows of each place, in floats on the way, which hold them exactly below 2^53."""
    return np.stack([np.bincount(place, column, minlength=size) for column in weights.T], axis=1).astype(np.int64)


class Histograms:
    """Distributions of whole numbers from 0 to below 2^32, such as steps, one per label, exact."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.tally = Tally()

    def add(self, label: np.ndarray, values: np.ndarray) -> None:
        """Count the values of one block by label; negative labels are none."""
        inside = label >= 0
        if not inside.all():
            label, values = label[inside], values[inside]
        self.tally.add((label.astype(np.int64) << 32) | values)

    def of(self, label: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the distinct values of a label, rising, and how often each was counted."""
        begin, end = np.searchsorted(self.tally.keys, [label << 32, (label + 1) << 32])
        return self.tally.keys[begin:end] & 0xFFFFFFFF, self.tally.sums[begin:end, 0]

    def medians(self) -> np.ndarray:
        """Return the lower median of the values per label, int64 ``[size]``, -1 for labels without any."""
        return self.quantiles(0.5)

    def quantiles(self, part: float) -> np.ndarray:
        """Return per label the smallest value that at least ``part`` of its values do not exceed, -1 without any."""
        label, counts = self.tally.keys >> 32, self.tally.sums[:, 0]
        found = np.full(self.size, -1, np.int64)
        if not len(label):
            return found
        total = np.bincount(label, counts, minlength=self.size)
        before = np.concatenate([[0], np.cumsum(total)])[label]
        enough = np.cumsum(counts) - before >= total[label] * part
        rows = np.flatnonzero(enough)[::-1]  # assigned last to first, so that the first of each label stays
        found[label[rows]] = self.tally.keys[rows] & 0xFFFFFFFF
        return found
