"""Stalls of a finished run, each joined to the place it was at: how many, how long, and what came after.

A place is a critical point, or all flat regions together. The record is read a block at a time, twice where a start has
several stalls at one place, so that memory does not grow with the starts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mnemo_jax.errors import UserError
from mnemo_jax.estimates import FEW, wilson
from mnemo_jax.finish import DURATIONS
from mnemo_jax.record import Record
from mnemo_jax.sides import Side
from mnemo_jax.stall_counts import Counted, Finals, blocks
from mnemo_jax.starts import DRAWN, Sobol
from mnemo_jax.survival import Median, Survival, alone, band, median, moments, spread

TOP = 1000  # places told one by one, those with most stalls
MOST = 1 << 31  # steps of a descent
SAMPLES = (*DRAWN, Sobol.kind)  # kinds of starts that are a sample, so that shares have intervals


class Place(NamedTuple):
    """The stalls at one place.

    Attributes:
        label: of the critical point; None for flat regions, and for all places together.
        stalls, starts: number of stored stalls, and of the starts they are of.
        censored: stalls that were not over when the descent ended, by its outcome.
        longest: length of the longest.
        longer: int64 ``[k]``, starts that stalled there longer than each of ``k`` numbers of steps.
        undecided: int64 ``[k]``, starts of which that is not known, as a stall no longer than that was censored.
        share: ``[k]``, the former as part of all starts of the run.
        interval: ``[k, 2]``, Wilson's of it at 95 %; NaN where the starts are no sample.
        survival: the Kaplan-Meier estimate of the stalls' lengths.
        band: ``[m, 2]``, its 95 % band; NaN where the starts are no sample or fewer than ten.
        median: of the lengths.
        sides: ways out, none where directions cannot be told.
    """

    label: int | None
    stalls: int
    starts: int
    censored: dict[str, int]
    longest: int
    longer: np.ndarray
    undecided: np.ndarray
    share: np.ndarray
    interval: np.ndarray
    survival: Survival
    band: np.ndarray
    median: Median
    sides: list[Side]


class Dwells(NamedTuple):
    """What the stalls of a run say.

    Attributes:
        longer: numbers of steps at which the shares of starts that stalled longer are given.
        overall: all stored stalls together; without sides.
        places: each place, those with most stalls first.
        further: number of the places beyond the most that are told.
        finals: the final approaches.
    """

    longer: tuple[int, ...]
    overall: Place
    places: list[Place]
    further: int
    finals: Finals


def analyse_stalls(record: Record, longer: Sequence[int] = DURATIONS, top: int = TOP) -> Dwells:
    """Return what a finished run says about the stalls of its descents.

    Args:
        record: the run.
        longer: numbers of steps; for each, the share of starts that stalled longer is given.
        top: most places told one by one.

    Raises:
        UserError: a number of steps is not one a descent can take, or a file of the record is damaged.
    """
    for steps in longer:
        if not 0 <= steps < MOST:
            raise UserError(f"longer: {steps} steps; give whole numbers from 0 to {MOST - 1}")
    counted = Counted(record, tuple(longer))
    whole = counted.size + 1
    number = counted.stalls
    order = np.argsort(-number[:whole], kind="stable")
    rows = order[: min(top, np.count_nonzero(number[:whole]))].tolist()
    told = {row: counted.survival(row) for row in [*rows, whole]}
    changes = _changes(record, {row: s for row, s in told.items() if counted.repeats(row)})
    places = [_place(record, counted, row, told[row], changes.get(row)) for row in [*rows, whole]]
    further = int(np.count_nonzero(number[:whole])) - len(rows)
    return Dwells(counted.longer, places[-1], places[:-1], further, counted.ends())


def is_sample(record: Record) -> bool:
    """Whether the starts of a run are a sample, so that intervals have a meaning."""
    return record.config["starts"]["kind"] in SAMPLES


def _changes(record: Record, told: dict[int, Survival]) -> dict[int, np.ndarray]:
    """Return what `spread` needs for the places where some start has more than one stall, in a second reading."""
    changes = {row: np.zeros((3, len(s.at))) for row, s in told.items()}
    if not told:
        return changes
    for block, _, _ in blocks(record):
        order = np.argsort(block.place, kind="stable")
        places, first = np.unique(block.place[order], return_index=True)
        for place, rows in zip(places.tolist(), np.split(order, first[1:]), strict=True):
            if place in told:
                changes[place] += moments(told[place], block.length[rows], block.censored[rows], block.start[rows])
    return changes


def _place(record: Record, counted: Counted, row: int, told: Survival, changes: np.ndarray | None) -> Place:
    starts, *counts = counted.row(row)
    longer, unknown = np.array(counts, np.int64).reshape(2, -1)
    total, sampled = record.summary["starts"], is_sample(record)
    interval = wilson(longer, total) if sampled else np.full((len(longer), 2), np.nan)
    limits = band(told, alone(told) if changes is None else spread(told, changes))
    limits = limits if sampled and starts >= FEW else np.full_like(limits, np.nan)
    return Place(
        label=row if row < counted.size else None,
        stalls=int(counted.stalls[row]),
        starts=int(starts),
        censored=counted.censored(row),
        longest=int(told.at[-1]) if len(told.at) else 0,
        longer=longer,
        undecided=unknown,
        share=longer / total,
        interval=interval,
        survival=told,
        band=limits,
        median=median(told, limits),
        sides=counted.sides.of(row, sampled),
    )
