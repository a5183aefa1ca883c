"""The engine on all devices against one of them."""

from collections.abc import Iterator

import jax
import numpy as np

from benchmarks.competitors import ours
from benchmarks.measure import timed
from benchmarks.rest import Row, Say
from benchmarks.workloads import by_name

SIZES = {"quick": 200_000, "normal": 2_000_000, "full": 10_000_000}
ROUNDS = 5


def measure(scale: str, say: Say) -> Iterator[Row]:
    """Yield the rate on all devices as a multiple of that on one, the median of rounds in turn."""
    devices = jax.local_device_count()
    if devices == 1:
        return
    for name in ("quartic", "himmelblau", "rastrigin"):
        workload, number = by_name(name), SIZES[scale]
        say(f"scaling: {name}, {number:,} starts")
        x0 = workload.starts(number)
        runs = [ours.prepare(workload, x0, devices=n) for n in (1, devices)]
        for run in runs:
            run()
        seconds = np.array([[timed(run)[0] for run in runs] for _ in range(ROUNDS)])
        ratio = float(np.median(seconds[:, 0] / seconds[:, 1]))
        target = ">= 1.9 on an idle machine" if devices == 2 else ""
        yield Row(f"{devices} devices against 1", f"{name}, {number:,} starts", ratio, "times as fast", target)
