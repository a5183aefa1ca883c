"""The engine as it ships: its default tile, every local device, blocks of the size a run would take."""

from functools import partial

import jax
import numpy as np

from benchmarks.result import Result, Run
from benchmarks.workloads import Workload
from mnemo_jax import pipeline
from mnemo_jax.descent import descend
from mnemo_jax.types import Outcome


def prepare(workload: Workload, x0: np.ndarray, devices: int | None = None) -> Run:
    """Return the call that follows the starts ``x0 [n, d]``, an equal share of them on each device.

    Stalls are tracked on the way, as in every run of ours; no competitor does that.
    """
    plan = workload.plan(len(x0))
    workers = pipeline.devices_for(plan, devices)
    prepared = pipeline.prepare(plan, workers)
    share = -(-len(x0) // len(workers))
    part = min(share, -(-plan.block // len(workers)))
    root = jax.random.key(plan.seed)
    queues = [blocks(x0, k * share, min(share, len(x0) - k * share), part) for k in range(len(workers))]
    shares = [jax.device_put(queue, device) for queue, device in zip(queues, workers.devices, strict=True)]

    def work(k: int, _: jax.Device, result: Result) -> int:
        """Follow a device's share, write its ends, and return the number of segments."""
        segments = 0
        for x, size, first in shares[k]:
            ends, _, more = descend(
                x,
                size,
                first,
                root,
                prepared.args,
                prepared.rules,
                **prepared.fixed,
                logs=prepared.logs,
            )
            own = slice(int(first), int(first) + int(size))
            result.x[own], result.steps[own] = ends.x, ends.steps
            result.converged[own] = ends.outcome == Outcome.CONVERGED
            segments += more
        return segments

    def run() -> Result:
        number = len(x0)
        result = Result(np.empty_like(x0), np.empty(number, np.int32), np.empty(number, bool))
        futures = workers.each(partial(work, result=result))
        segments = sum(future.result() for future in futures)
        return result._replace(total=segments * plan.tile.lanes * plan.tile.steps)

    return run


def blocks(x0: np.ndarray, begin: int, number: int, part: int) -> list[tuple[np.ndarray, np.int32, np.int64]]:
    """Return starts ``x0[begin : begin + number]`` in blocks of ``part``, the last one filled up.

    Each with how many of its starts count, and the number of the first.
    """
    cuts = [(x0[i : min(i + part, begin + number)], i) for i in range(begin, begin + number, part)]
    return [(np.resize(cut, (part, x0.shape[1])), np.int32(len(cut)), np.int64(i)) for cut, i in cuts]
