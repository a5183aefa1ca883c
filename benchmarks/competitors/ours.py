"""The engine as it ships: its default tile, every local device, blocks of the size a run would take."""

from typing import Any

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

    def block(x: jax.Array, size: jax.Array, first: jax.Array) -> tuple[Any, int]:
        ends, _, segments = descend(
            x,
            size,
            first,
            root,
            prepared.args,
            prepared.rules,
            **prepared.fixed,
            logs=prepared.logs,
        )
        return ends, segments

    def work(k: int, _: jax.Device) -> list[tuple[Any, int]]:
        return [block(*one) for one in shares[k]]

    def run() -> Result:
        done = [block for future in workers.each(work) for block in future.result()]
        x, outcome, steps = (np.concatenate([getattr(e, key) for e, _ in done]) for key in ("x", "outcome", "steps"))
        total = sum(segments for _, segments in done) * plan.tile.lanes * plan.tile.steps
        return Result(x, steps, outcome == Outcome.CONVERGED, total)

    return run


def blocks(x0: np.ndarray, begin: int, number: int, part: int) -> list[tuple[np.ndarray, np.int32, np.int64]]:
    """Return starts ``x0[begin : begin + number]`` in blocks of ``part``, the last one filled up.

    Each with how many of its starts count, and the number of the first.
    """
    cuts = [(x0[i : min(i + part, begin + number)], i) for i in range(begin, begin + number, part)]
    return [(np.resize(cut, (part, x0.shape[1])), np.int32(len(cut)), np.int64(i)) for cut, i in cuts]
