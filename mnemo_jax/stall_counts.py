"""What one reading of a run's stalls counts, a block at a time, so that memory does not grow with the starts."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mnemo_jax import store
from mnemo_jax.record import Record
from mnemo_jax.sides import Sides
from mnemo_jax.survival import Survival, survival
from mnemo_jax.tables import OUTCOMES
from mnemo_jax.tally import Histograms, Tally
from mnemo_jax.types import Kind

PARTS = (0.05, 0.25, 0.5, 0.75, 0.95)  # of final approaches, whose quantiles are given


class Finals(NamedTuple):
    """Steps of the final approaches to minima, ``[n]`` each; these are no stalls.

    Attributes:
        label: of the minimum.
        starts: labelled with it.
        quantiles: int64 ``[n, 5]``, lower 5, 25, 50, 75 and 95 % quantiles.
        longest: the most steps.
    """

    label: np.ndarray
    starts: np.ndarray
    quantiles: np.ndarray
    longest: np.ndarray


class Block(NamedTuple):
    """The stalls of one block, each twice: at its own place, and at the last number, which stands for all places."""

    place: np.ndarray
    start: np.ndarray
    length: np.ndarray
    censored: np.ndarray
    direction: np.ndarray
    outcome: np.ndarray
    end: np.ndarray


class Counted:
    """What one reading of the record counts, by number of the place: a label, then flat regions, then all together."""

    def __init__(self, record: Record, longer: tuple[int, ...]) -> None:
        self.size = record.summary["catalogue_size"]
        self.longer = longer
        self.minimum = record.catalogue.kind == Kind.MINIMUM
        self.lengths = Histograms(2 * (self.size + 2))  # of ended and of censored stalls in turn
        self.starts = Tally(1 + 2 * len(longer))
        self.outcomes = Tally()
        self.sides = Sides(self.size)
        self.finals = Histograms(self.size)
        for block, label, final in blocks(record):
            self._add(block)
            self.finals.add(np.where(np.append(self.minimum, False)[label], label, -1), final)

    def _add(self, block: Block) -> None:
        self.lengths.add(2 * block.place + block.censored, block.length)
        cut = block.censored
        self.outcomes.add(block.place[cut] * len(OUTCOMES) + block.outcome[cut])
        out = (block.direction != 0) & (block.place <= self.size)
        self.sides.add(block.place[out], block.start[out], block.direction[out], block.end[out])
        width = int(np.max(block.start, initial=0)) + 1
        who, whose = np.unique(block.place * width + block.start, return_inverse=True)
        longest = np.zeros(len(who), np.int64)
        np.maximum.at(longest, whose, block.length)
        is_longer = longest[:, None] > np.array(self.longer, np.int64)
        undecided = ~is_longer & (np.bincount(whose, cut, minlength=len(who)) > 0)[:, None]
        self.starts.add(who // width, np.concatenate([np.ones((len(who), 1), np.int64), is_longer, undecided], axis=1))

    @cached_property
    def stalls(self) -> np.ndarray:
        """Number of stalls at every place, int64."""
        place, number = self.lengths.tally.keys >> 33, self.lengths.tally.sums[:, 0]
        return np.bincount(place, number, minlength=self.size + 2).astype(np.int64)

    def row(self, place: int) -> np.ndarray:
        """Return the number of starts at a place, of those that stalled longer, and of those not known to."""
        row = np.searchsorted(self.starts.keys, place)
        there = row < len(self.starts.keys) and self.starts.keys[row] == place
        return self.starts.sums[row] if there else np.zeros(1 + 2 * len(self.longer), np.int64)

    def repeats(self, place: int) -> bool:
        """Whether a start has more than one stall at a place."""
        return bool(self.stalls[place] > self.row(place)[0])

    def censored(self, place: int) -> dict[str, int]:
        """Return the number of censored stalls at a place by outcome."""
        begin, end = np.searchsorted(self.outcomes.keys, [place * len(OUTCOMES), (place + 1) * len(OUTCOMES)])
        rows = zip(self.outcomes.keys[begin:end] % len(OUTCOMES), self.outcomes.sums[begin:end, 0], strict=True)
        return {OUTCOMES[code]: int(number) for code, number in rows}

    def survival(self, place: int) -> Survival:
        """Return the Kaplan-Meier estimate at a place."""
        each = [self.lengths.of(2 * place + which) for which in (0, 1)]
        at = np.union1d(each[0][0], each[1][0])
        counts = np.zeros((2, len(at)), np.int64)
        for which, (lengths, number) in enumerate(each):
            counts[which, np.searchsorted(at, lengths)] = number
        return survival(at, *counts)

    def ends(self) -> Finals:
        """Return the final approaches to minima that starts are labelled with."""
        quantiles = np.stack([self.finals.quantiles(part) for part in PARTS], axis=1)
        label = np.flatnonzero(quantiles[:, 0] >= 0)
        starts = [int(self.finals.of(int(row))[1].sum()) for row in label]
        return Finals(label, np.array(starts, np.int64), quantiles[label], self.finals.quantiles(1.0)[label])


def blocks(record: Record) -> Iterator[tuple[Block, np.ndarray, np.ndarray]]:
    """Yield each block's stalls, and the labels, -1 for none, and final approaches of its starts."""
    size = record.summary["catalogue_size"]
    for stalls, starts in zip(record.stall_blocks(), record.start_blocks(), strict=True):
        label = starts["label"].fill_null(-1).to_numpy()
        start = stalls["start"].to_numpy() - starts["start"][0].as_py()
        place = stalls["label"].fill_null(size).to_numpy()
        none = np.zeros(len(start), np.int8)  # records of schema 1 have no directions
        columns = (
            start,
            stalls["length"].to_numpy(),
            stalls["censored"].to_numpy(zero_copy_only=False),
            stalls["direction"].fill_null(0).to_numpy() if "direction" in stalls.column_names else none,
            store.codes(starts["outcome"], OUTCOMES)[start],
            label[start],
        )
        twice = (np.concatenate([column, column]) for column in columns)
        yield Block(np.concatenate([place, np.full_like(place, size + 1)]), *twice), label, starts["final"].to_numpy()
