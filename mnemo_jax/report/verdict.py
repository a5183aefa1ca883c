"""What a run says in one sentence, and its few most telling numbers."""

from typing import NamedTuple

import numpy as np

from mnemo_jax.figures import words
from mnemo_jax.record import Record
from mnemo_jax.report import look
from mnemo_jax.terminal import percent, sentence
from mnemo_jax.types import Kind


class Fact(NamedTuple):
    """A number with its name and what must be known beside it."""

    name: str
    value: str
    beside: str = ""


def verdict(record: Record) -> str:
    """Return minima, the largest share with its interval, stalls, other outcomes and what may be missing."""
    told = sentence(record).removeprefix(f"{record.summary['name']}: ")
    return f"{'; '.join([told, _stalled(record), _outcomes(record), _unseen(record)])}."


def facts(record: Record) -> list[Fact]:
    """Return the numbers that stand at the top of the page."""
    summary, shares = record.summary, record.shares
    minima = np.where(record.catalogue.kind == Kind.MINIMUM, shares.count, 0)
    told = [Fact("starts", f"{summary['starts']:,}", record.config["starts"]["kind"])]
    number = int(np.count_nonzero(minima))
    told.append(Fact("minima reached", f"{number:,}", _estimate(record, number)))
    if minima.any():
        best = int(minima.argmax())
        told.append(Fact("largest share", f"{percent(shares.share[best])} %", look.between(*shares.interval[best])))
    stalls = summary["stalls"]
    low, high = (np.nan if end is None else end for end in stalls["interval"])
    told.append(Fact("starts that stalled", f"{percent(stalls['share'])} %", look.between(low, high)))
    name = "finished" if summary["outcomes"]["finished"] else "converged"
    converged = summary["outcomes"][name]
    told.append(Fact(name, f"{percent(converged / summary['starts'])} %", f"{converged:,} starts"))
    unseen = summary["unseen"]
    if unseen["mass"] is not None and shares.count.any():
        told.append(Fact("unseen mass", f"{percent(unseen['mass'])} %", look.between(*unseen["interval"])))
    return told


def _estimate(record: Record, reached: int) -> str:
    number = record.summary["unseen"]["minima_estimate"]
    return f"at least {number:,.0f} can be reached" if number is not None and round(number) > reached else ""


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
