"""What was measured along and at the end of descents on data, as arrays that figures and pages draw."""

from typing import NamedTuple

import numpy as np

from mnemo_jax import training
from mnemo_jax.record import Record

CELLS = 20_000_000  # numbers of the looks that are read at most
POINTS = 50_000  # of single runs, drawn at most
SHOWN = 200  # looks drawn at most
WIDE = 30  # ratio of the largest number to the smallest from which an axis is logarithmic
FEWER = 6  # that ratio along training, where what is slow comes last
LATE = 12  # ratio of the last look to the steps of the median descent from which that of steps is
QUANTILES = (0.05, 0.5, 0.95)


class Looks(NamedTuple):
    """What was measured at the looks of descents.

    Attributes:
        parts: of the data, the one trained on first.
        measures: the functions measured on each part.
        step: int ``[looks]``, updates before each look.
        values: ``[parts, measures, starts, looks]``; past the end of a descent stands its last number.
        ended: int64 ``[starts]``, updates of each descent.
    """

    parts: tuple[str, ...]
    measures: tuple[str, ...]
    step: np.ndarray
    values: np.ndarray
    ended: np.ndarray


def looks_of(record: Record) -> Looks | None:
    """Return the looks of a record's descents, of the first so many starts that `CELLS` numbers hold.

    None where nothing was measured between start and end.
    """
    names = measured(record)
    stop = record.config["stop"]
    every = stop.get("check_every") or 1
    most = CELLS * every // (max(len(names), 1) * ((stop["max_steps"] or 0) + every))
    table = record.history(first=max(1, most)) if names else None
    if table is None:
        return None
    start, look = table["start"].to_numpy(), table["step"].to_numpy() // every
    count = int(start.max()) + 1
    last = np.zeros(count, np.int64)
    np.maximum.at(last, start, look)
    if look.max() < 2:
        return None
    to = np.minimum(np.arange(look.max() + 1), last[:, None])  # the look that stands at each
    parts, measures = (tuple(dict.fromkeys(name.split("_", 1)[k] for name in names)) for k in (0, 1))
    values = np.full((len(parts), len(measures), count, to.shape[1]), np.nan)
    for p, part in enumerate(parts):
        for m, measure in enumerate(measures):
            values[p, m, start, look] = table[f"{part}_{measure}"].to_numpy()
            values[p, m] = np.take_along_axis(values[p, m], to, axis=1)
    return Looks(parts, measures, np.arange(to.shape[1]) * every, values, last * every)


def measured(record: Record) -> list[str]:
    """Return the names of what was measured on the parts of a run's data, ``part_function``; none for other runs."""
    return training.measured(record.summary.get("measures") or {})


def quantiles(values: np.ndarray) -> np.ndarray:
    """Return the quantiles `QUANTILES` over starts ``[starts, looks]``, ``[3, looks]``; NaN counts as infinite."""
    with np.errstate(invalid="ignore"):  # between two that are infinite
        found = np.quantile(np.where(np.isnan(values), np.inf, values), QUANTILES, axis=0)
    return np.where(np.isfinite(found), found, np.nan)


def sampled(found: Looks) -> np.ndarray:
    """Return numbers of starts, evenly from all, whose lines together have at most `POINTS` points."""
    count = found.values.shape[2]
    most = max(1, POINTS // (len(found.parts) * len(found.measures) * len(thinned(found))))
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def thinned(found: Looks) -> np.ndarray:
    """Return which looks are drawn: as many as can be told apart, evenly on the axis of steps, which lacks 0 if late.

    A logarithmic axis has no place for the start.
    """
    looks = np.arange(len(found.step))
    if not late(found):
        return np.unique(np.linspace(0, looks[-1], min(len(looks), SHOWN)).round().astype(int))
    return np.unique(np.geomspace(1, looks[-1], SHOWN).round().astype(int))


def late(found: Looks) -> bool:
    """Whether half of the descents end so early that steps need a logarithmic axis."""
    return bool(found.step[-1] > LATE * max(np.median(found.ended), found.step[1]))


def spread(values: np.ndarray, ratio: float = WIDE) -> bool:
    """Whether numbers are positive, but for some at zero, and span so much that a logarithmic axis shows them."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    return bool(len(positive) and finite.min() >= 0 and positive.max() > ratio * positive.min())


def best_step(record: Record) -> tuple[float, str] | None:
    """Return the median over starts of the step of the best look, and by what it goes; None where none is told."""
    told = (record.summary.get("measures") or {}).get("best_step")
    if not told or not told["number"]:
        return None
    return told["median"], training.watched(record.config["stop"])


def final(record: Record, *names: str, first: int | None = None) -> list[np.ndarray]:
    """Return columns of the starts as float64 arrays, NaN for null."""
    table = record.starts(*names, first=first)
    return [table[name].cast("float64").to_numpy() for name in names]
