"""Whether two competitors computed the same thing."""

from typing import NamedTuple

import numpy as np

from benchmarks.result import Result
from benchmarks.workloads import Workload

APART = 1e-3  # box half-widths: further apart, two ends are two places


class Agreement(NamedTuple):
    """How one result compares with the reference, over the starts both have.

    Attributes:
        starts: how many were compared.
        same_place: share whose end points lie at the same place.
        same_outcome: share that converged in both or in neither.
        same_steps: share with equal numbers of steps.
        step_ratio: steps in all, as a multiple of the reference's.
        largest: largest distance of a coordinate between ends at the same place, in box half-widths.
    """

    starts: int
    same_place: float
    same_outcome: float
    same_steps: float
    step_ratio: float
    largest: float

    @property
    def same_ends(self) -> bool:
        """Whether descents ended alike; rounding may send one start in a thousand elsewhere."""
        return min(self.same_place, self.same_outcome) >= 0.999


def compare(workload: Workload, result: Result, reference: Result) -> Agreement:
    """Return how ``result`` agrees with ``reference``; both begin with the same starts."""
    n = min(len(result.x), len(reference.x))
    landscape = workload.landscape
    unit = (np.asarray(landscape.upper) - np.asarray(landscape.lower)) / 2
    away = np.max(np.abs(result.x[:n].astype(float) - reference.x[:n]) / unit, axis=1)
    same = away <= APART
    steps, theirs = result.steps[:n].astype(np.int64), reference.steps[:n].astype(np.int64)
    return Agreement(
        starts=n,
        same_place=float(np.mean(same)),
        same_outcome=float(np.mean(result.converged[:n] == reference.converged[:n])),
        same_steps=float(np.mean(steps == theirs)),
        step_ratio=float((steps.sum() + n) / (theirs.sum() + n)),
        largest=float(away[same].max(initial=0.0)),
    )
