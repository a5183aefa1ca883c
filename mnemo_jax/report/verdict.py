"""What a run says in one sentence, and its few most telling numbers."""

from typing import NamedTuple

import numpy as np

from mnemo_jax.figures import words
from mnemo_jax.figures.looks import best_step, measured
from mnemo_jax.record import Record
from mnemo_jax.report import look
from mnemo_jax.terminal import percent, sentence
from mnemo_jax.terminal_training import told as number
from mnemo_jax.types import Kind


class Fact(NamedTuple):
    """A number with its name and what must be known beside it."""

    name: str
    value: str
    beside: str = ""


def verdict(record: Record) -> str:
    """Return minima, the largest share with its interval, stalls, other outcomes and what may be missing.

    Where no end was judged: what was measured, and the outcomes.
    """
    told = sentence(record).removeprefix(f"{record.summary['name']}: ")
    if not judged(record):
        return f"{told}; {_outcomes(record)}."
    return f"{'; '.join([told, _stalled(record), _outcomes(record), _unseen(record)])}."


def facts(record: Record) -> list[Fact]:
    """Return the numbers that stand at the top of the page."""
    if not judged(record):
        return [_starts(record), *_measured(record), _ended(record)]
    summary, shares = record.summary, record.shares
    minima = np.where(record.catalogue.kind == Kind.MINIMUM, shares.count, 0)
    told = [_starts(record)]
    number = int(np.count_nonzero(minima))
    told.append(Fact("minima reached", f"{number:,}", _estimate(record, number)))
    if minima.any():
        best = int(minima.argmax())
        told.append(Fact("largest share", f"{percent(shares.share[best])} %", look.between(*shares.interval[best])))
    stalls = summary["stalls"]
    low, high = (np.nan if end is None else end for end in stalls["interval"])
    told.append(Fact("starts that stalled", f"{percent(stalls['share'])} %", look.between(low, high)))
    told.append(_ended(record))
    unseen = summary["unseen"]
    if unseen["mass"] is not None and shares.count.any():
        told.append(Fact("unseen mass", f"{percent(unseen['mass'])} %", look.between(*unseen["interval"])))
    return told


def judged(record: Record) -> bool:
    """Whether the run's ends were made into a catalogue of critical points."""
    return bool(record.config["record"]["catalogue"])


def _starts(record: Record) -> Fact:
    return Fact("starts", f"{record.summary['starts']:,}", record.config["starts"]["kind"])


def _ended(record: Record) -> Fact:
    outcomes = record.summary["outcomes"]
    name = "finished" if outcomes["finished"] else "converged"
    return Fact(name, f"{percent(outcomes[name] / record.summary['starts'])} %", f"{outcomes[name]:,} starts")


def _measured(record: Record) -> list[Fact]:
    """Return the medians at the end of what was measured on each part, and of the best look's step."""
    numbers = record.summary.get("measures") or {}
    names = [*measured(record), *(["best_step"] if best_step(record) else [])]
    facts = []
    for name in names:
        low, middle, high = (
            number(name.removeprefix("best_"), numbers[name][key]) for key in ("low", "median", "high")
        )
        facts.append(Fact(name.replace("_", " "), middle, f"{low} to {high}"))
    return facts


def _estimate(record: Record, reached: int) -> str:
    least = record.summary["unseen"]["minima_estimate"]
    return f"at least {least:,.0f} can be reached" if least is not None and round(least) > reached else ""


def _stalled(record: Record) -> str:
    stalls = record.summary["stalls"]
    if not stalls["total"]:
        return "none stalled"
    interval = "" if stalls["interval"][0] is None else f", {' to '.join(map(percent, stalls['interval']))} %"
    return f"{stalls['starts']:,} stalled ({percent(stalls['share'])} %{interval})"


def _outcomes(record: Record) -> str:
    others = {name: number for name, number in record.outcomes.items() if number and name != "converged"}
    if not others:
        return "all descents converged"
    return ", ".join(f"{number:,} {ENDED[name]}" for name, number in others.items())


ENDED = {
    "finished": "took the steps they were given",
    "out_of_steps": "ran out of steps",
    "cycle": "go round in a cycle",
    "escaped": "escaped",
    "non_finite": "met a number that is not finite",
}


def _unseen(record: Record) -> str:
    unseen = record.summary["unseen"]
    if unseen["mass"] is None or not record.shares.count.any():
        return "what no start reached is not estimated"
    high = percent(unseen["interval"][1])
    if unseen["mass"] == 0:
        return f"the next start finds a new point with probability below {high} %"
    number = unseen["minima_estimate"]
    missing = f", so that {words.several(round(number), 'minimum', 'minima')} at least can be reached" if number else ""
    return f"the next start finds a new point with probability {percent(unseen['mass'])} % (at most {high} %){missing}"
