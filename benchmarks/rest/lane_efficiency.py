"""How many of the lane-steps computed are useful, against what steps in segments of K allow."""

from collections.abc import Iterator

import numpy as np

from benchmarks.competitors import ours
from benchmarks.rest import Row, Say
from benchmarks.workloads import Workload, by_name

SIZES = {"quick": 100_000, "normal": 1_000_000, "full": 10_000_000}


def measure(scale: str, say: Say) -> Iterator[Row]:
    """Yield useful / total lane-steps, and that share of mean(n) / mean(K ceil(n / K)), n a start's useful steps."""
    number = SIZES[scale]
    for name in ("quartic", "himmelblau", "rastrigin", "heavy_ball"):
        workload = by_name(name)
        say(f"lane efficiency: {name}, {number:,} starts")
        efficiency, allowed = efficiencies(workload, number)
        on = f"{name}, {number:,} starts"
        yield Row("lane efficiency", on, efficiency, "of all lane-steps")
        yield Row("lane efficiency of what segments allow", on, efficiency / allowed, "", ">= 0.95")


def efficiencies(workload: Workload, number: int) -> tuple[float, float]:
    """Return the share of useful lane-steps, and the largest possible with the tile's number of steps."""
    result = ours.prepare(workload, workload.starts(number))()
    segment = workload.plan(number).tile.steps
    n = result.steps.astype(np.int64) + 1
    return result.useful / (result.total or 1), float(n.mean() / (segment * np.ceil(n / segment)).mean())
