"""What every competitor returns."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Result(NamedTuple):
    """Where descents ended, ``n`` starts in order, on the host.

    Attributes:
        x: ``[n, d]`` end points.
        steps: ``[n]`` updates applied.
        converged: ``[n]`` whether the largest gradient entry at ``x`` was within the tolerance.
        total: lane-steps computed, of which the useful ones are a part; None where nobody counts them.
    """

    x: np.ndarray
    steps: np.ndarray
    converged: np.ndarray
    total: int | None = None

    @property
    def useful(self) -> int:
        """Useful lane-steps: evaluations of the step rule that moved a start or found that it had converged."""
        return int(np.sum(self.steps, dtype=np.int64)) + len(self.steps)


Run = Callable[[], Result]


class NotApplicableError(Exception):
    """A competitor cannot do a workload; the message says why."""
