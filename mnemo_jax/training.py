"""What was measured along descents on data: at start and end, at the best look, and where they had stopped early."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape
from mnemo_jax.stopping import Stop

TRAIN = "train"
WATCHED = "validation_loss"  # unless another measure is asked for
LOSSES = ("loss", "error")  # measures whose names end so are better the lower they are, others the higher


class History(NamedTuple):
    """Measures of a block's descents.

    Attributes:
        names: of the measures, ``part_function``, the training part first.
        values: ``[n, looks, measures]``, NaN past the end of a descent.
        step: ``[looks]``, updates before each look.
    """

    names: tuple[str, ...]
    values: np.ndarray
    step: np.ndarray


def names(landscape: Landscape) -> tuple[str, ...]:
    """Return the names of what is measured on each part of a landscape's data."""
    return tuple(f"{part}_{name}" for part in (TRAIN, *landscape.held_out) for name in landscape.measured)


def check(stop: Stop, landscape: Landscape) -> None:
    """Refuse an early stop by what is not measured, or only at the end.

    Raises:
        UserError: what it goes by.
    """
    known, watch = names(landscape), stop.watch or WATCHED
    if watch not in known and (stop.patience is not None or stop.watch is not None):
        what = f"known are {', '.join(known)}" if known else "the loss has no data with measures"
        raise UserError(f"stop.watch: {watch!r} is not measured; {what}")
    if stop.patience is not None and stop.check_every == 1:
        raise UserError("stop.patience: counts looks; set stop.check_every to the updates between two of them")


def columns(history: History, steps: np.ndarray, stop: Stop) -> dict[str, np.ndarray]:
    """Return each measure at the end, and as ``start_``, ``best_`` and ``stop_`` at those looks, ``[n]`` each.

    With them go ``best_step`` and ``stop_step``, updates; a descent that would not have stopped early has NaN there.

    Args:
        history: of the descents.
        steps: ``[n]``, updates of each descent.
        stop: which measure is watched, and for how many looks without a better one.
    """
    last = np.searchsorted(history.step, steps)
    looks = {"start_": np.zeros_like(last), "": last}
    found, watch = {}, stop.watch or WATCHED
    if watch in history.names and len(history.step) > 2:
        watched = history.values[..., history.names.index(watch)].astype(np.float64)
        order = watched if watch.endswith(LOSSES) else -watched
        order = np.where(np.isnan(order), np.inf, order)
        looks["best_"] = np.argmin(order, axis=1)
        if stop.patience is not None:
            looks["stop_"] = stopped(order, last, stop.patience)
    for when, look in looks.items():
        there = look >= 0
        if when in ("best_", "stop_"):
            found[f"{when}step"] = np.where(there, history.step[look], np.nan)
        rows = history.values[np.arange(len(look)), look]
        found |= {f"{when}{name}": np.where(there, rows[:, k], np.nan) for k, name in enumerate(history.names)}
    return found


def stopped(order: np.ndarray, last: np.ndarray, patience: int) -> np.ndarray:
    """Return the first look ``[n]`` that is ``patience`` looks past the lowest so far, -1 where none is.

    Args:
        order: ``[n, looks]``, what is watched, the lower the better.
        last: ``[n]``, the last look of each descent.
        patience: looks.
    """
    looks = np.arange(order.shape[1])
    lowest = np.minimum.accumulate(order, axis=1)
    better = np.diff(lowest, axis=1, prepend=np.inf) < 0
    since = looks - np.maximum.accumulate(np.where(better, looks, 0), axis=1)
    fires = (since >= patience) & (looks <= last[:, None])
    return np.where(fires.any(axis=1), np.argmax(fires, axis=1), -1)


WHEN = ("", "start_", "best_", "stop_")


def is_told(column: str, measures: tuple[str, ...]) -> bool:
    """Whether a column of starts is one of `columns`, by the names of the measures."""
    known = (*measures, "step")
    return any(column.startswith(when) and column.removeprefix(when) in known for when in WHEN) and column != "step"


def measured(told: Mapping[str, Any]) -> list[str]:
    """Return the names of what was measured, ``part_function``, from a record's summary of measures."""
    return [name.removeprefix("start_") for name in told if name.startswith("start_")]


def watched(stop: Mapping[str, Any]) -> str:
    """Return in words what the best look goes by, from a record's stop rules."""
    return (stop.get("watch") or WATCHED).replace("_", " ")


def looked(summary: Mapping[str, Any], stop: Mapping[str, Any]) -> str:
    """Return in a sentence what the best look goes by, and how many starts would have stopped early."""
    told = f"Best goes by the {watched(stop)}, looked at every {stop['check_every']:,} steps"
    if "stop_step" in summary["measures"]:
        starts, number = summary["starts"], summary["measures"]["stop_step"]["number"]
        told += (
            f"; {number:,} of {starts:,} start{'' if starts == 1 else 's'} would have stopped early, "
            f"after {stop['patience']} looks without a better one"
        )
    return f"{told}."


def summary(values: dict[str, np.ndarray]) -> dict[str, dict[str, float | int]]:
    """Return of every column the mean, the quantiles at 5, 50 and 95 %, and how many starts have a number there."""
    told = {}
    for name, column in values.items():
        finite = column[np.isfinite(column)]
        low, middle, high = np.quantile(finite, (0.05, 0.5, 0.95)) if len(finite) else (np.nan,) * 3
        mean = finite.mean() if len(finite) else np.nan
        numbers = {"mean": float(mean), "low": float(low), "median": float(middle), "high": float(high)}
        told[name] = {**numbers, "number": len(finite)}
    return told
