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
    shares = [blocks(x0[k * share : (k + 1) * share], part, workers.devices[k]) for k in range(len(workers))]

    root = jax.random.key(plan.seed)

    def block(x: jax.Array, size: int, first: int) -> tuple[Any, int]:
        ends, _, segments = descend(
            x,
            np.int32(size),
            np.int64(first),
            root,
            prepared.args,
            prepared.rules,
            loss=prepared.loss,
            choice=plan.optimizer.traced(),
            tile=plan.tile,
            logs=prepared.logs,
        )
        return ends, segments

    def work(k: int, _: jax.Device) -> list[tuple[Any, int]]:
        return [block(x, size, k * share + i * part) for i, (x, size) in enumerate(shares[k])]

    def run() -> Result:
        done = [block for future in workers.each(work) for block in future.result()]
        x, outcome, steps = (np.concatenate([getattr(e, key) for e, _ in done]) for key in ("x", "outcome", "steps"))
        total = sum(segments for _, segments in done) * plan.tile.lanes * plan.tile.steps
        return Result(x, steps, outcome == Outcome.CONVERGED, total)

    return run


def blocks(x0: np.ndarray, part: int, device: jax.Device) -> list[tuple[jax.Array, int]]:
    """Return one device's starts in blocks of ``part``, the last one filled up, with how many of each count."""
    cuts = [x0[i : i + part] for i in range(0, len(x0), part)]
    return [(jax.device_put(np.resize(cut, (part, x0.shape[1])), device), len(cut)) for cut in cuts]
