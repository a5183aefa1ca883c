"""Competitors in turn, over and over, on one workload."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.agreement import Agreement, compare
from benchmarks.competitors import Competitor
from benchmarks.result import NotApplicableError, Result, Run
from benchmarks.workloads import Workload

LEAST = 0.2  # seconds; one run of milliseconds measures what others left in the caches
FIRST = 100  # starts of the first run, from which the time of more is foretold


@dataclass
class Measured:
    """One variant of one competitor on one workload.

    Attributes:
        competitor, variant: who.
        starts: how many it followed, the first of the workload's.
        useful: useful lane-steps of one run.
        total: lane-steps computed in one run, where counted.
        seconds: of every round.
        agreement: with the reference; None for the reference itself.
        missing: why there are no numbers, empty where there are.
    """

    competitor: Competitor
    variant: str
    starts: int = 0
    useful: int = 0
    total: int | None = None
    seconds: list[float] = field(default_factory=list)
    agreement: Agreement | None = None
    missing: str = ""

    @property
    def rates(self) -> np.ndarray:
        """Useful lane-steps per second of every round."""
        return self.useful / np.asarray(self.seconds)

    @property
    def rate(self) -> float:
        """Their median."""
        return float(np.median(self.rates)) if self.seconds else 0.0

    @property
    def starts_rate(self) -> float:
        """Starts per second, the median of the rounds."""
        return self.starts / float(np.median(self.seconds)) if self.seconds else 0.0

    def ratio(self, other: "Measured") -> float:
        """Return this one's rate as a multiple of the other's: the median over rounds, each round by itself.

        Rates are in lane-steps, or in starts where the other's steps are not ours.
        """
        seconds = np.asarray(other.seconds) / np.asarray(self.seconds)
        if other.competitor.same_rule:
            return float(np.median(seconds)) * self.useful / other.useful
        return float(np.median(seconds)) * self.starts / other.starts


def measure(
    workload: Workload,
    number: int,
    competitors: Sequence[Competitor],
    *,
    rounds: int,
    budget: float,
    say: Callable[[str], None],
) -> list[Measured]:
    """Return every variant of every competitor on the workload's first ``number`` starts.

    Args:
        workload: what to compute.
        number: how many starts.
        competitors: who, in this order; the first that works is the reference for the results.
        rounds: how often each is timed.
        budget: seconds one run may take; who would take longer follows a part of the starts.
        say: told what is going on.
    """
    told = f"{workload.name}, {number:,} starts"
    x0, runs, entries = workload.starts(number), list[Run](), list[Measured]()
    reference: Result | None = None
    for entry in [Measured(competitor, variant) for competitor in competitors for variant in competitor.variants]:
        say(f"{told}: preparing {entry.competitor.title} {entry.variant}")
        entries.append(entry)
        prepared = attempt(entry, workload, x0, budget)
        if prepared is not None:
            run, result = prepared
            entry.agreement = reference and compare(workload, result, reference)
            reference = reference or result
            runs.append(run)
    for turn in range(rounds):
        say(f"{told}: round {turn + 1} of {rounds}")
        for entry, run in zip((entry for entry in entries if not entry.missing), runs, strict=True):
            entry.seconds.append(timed(run)[0])
    return entries


def attempt(entry: Measured, workload: Workload, x0: np.ndarray, budget: float) -> tuple[Run, Result] | None:
    """Return a competitor's run and first result, or None where there is none; the entry says what came of it."""
    try:
        run, result = sized(entry.competitor, entry.variant, workload, x0, budget)
    except NotApplicableError as error:
        entry.missing = f"n/a: {error}"
    except ImportError as error:
        entry.missing = f"not installed: {error.name or error}"
    except Exception as error:  # what others raise must not end the comparison
        entry.missing = f"failed: {type(error).__name__}: {str(error).strip().splitlines()[:1]}"
    else:
        entry.starts, entry.useful, entry.total = len(result.x), result.useful, result.total
        return run, result
    return None


def timed(run: Run) -> tuple[float, Result]:
    """Return the seconds one run takes, the mean of as many as fill a fifth of a second, and the result of the last."""
    gc.collect()
    begun, number, seconds = time.perf_counter(), 0, 0.0
    while seconds < LEAST:
        result = run()
        number += 1
        seconds = time.perf_counter() - begun
    return seconds / number, result


def sized(
    competitor: Competitor, variant: str, workload: Workload, x0: np.ndarray, budget: float
) -> tuple[Run, Result]:
    """Prepare a run on as many of the starts as the budget allows; it has run before, so that all is compiled."""
    size, larger = 0, min(FIRST, len(x0))
    while larger > size:
        size = larger
        run = competitor.prepare(variant, workload, x0[:size])
        run()
        seconds, result = timed(run)
        larger = min(len(x0), rounded(size * budget / seconds)) if competitor.parts else len(x0)
    return run, result


def rounded(number: float) -> int:
    """Return the next smaller number of the kind 1, 2 or 5 times a power of ten."""
    power: int = 10 ** int(np.log10(max(number, 1)))
    return max(digit * power for digit in (1, 2, 5) if digit * power <= max(number, 1))


def fastest(entries: Sequence[Measured]) -> list[Measured]:
    """Return the fastest variant of each competitor, in the same order."""
    best: dict[str, Measured] = {}
    for entry in entries:
        other = best.get(entry.competitor.name)
        if other is None or entry.starts_rate > other.starts_rate:
            best[entry.competitor.name] = entry
    return list(best.values())
