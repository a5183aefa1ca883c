"""The engine as it ships: its default tile, every local device, blocks of the size a run would take."""

from collections.abc import Iterator
from functools import partial

import jax
import numpy as np

from benchmarks.result import Result, Run
from benchmarks.workloads import Workload
from mnemo_jax.descent import descend
from mnemo_jax.prepare import devices_for
from mnemo_jax.prepare import prepare as prepared_for
from mnemo_jax.types import Outcome


def prepare(workload: Workload, x0: np.ndarray, devices: int | None = None) -> Run:
    """Return the call that follows the starts ``x0 [n, d]``, a block on whichever device is free.

    Stalls are tracked on the way, as in every run of ours; no competitor does that.
    """
    plan = workload.plan(len(x0))
    workers = devices_for(plan, devices)
    prepared = prepared_for(plan, workers)
    share = -(-len(x0) // len(workers))
    part = min(share, -(-plan.block // len(workers)))
    root = jax.random.key(plan.seed)
    queue = blocks(x0, part)
    copies = [jax.device_put(queue, device) for device in workers.devices]

    def work(k: int, _: jax.Device, result: Result, claims: Iterator[int]) -> int:
        """Follow blocks that no other device has claimed, write their ends, and return the number of segments."""
        segments = 0
        for x, size, first in (copies[k][i] for i in claims):
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
        futures = workers.each(partial(work, result=result, claims=iter(range(len(queue)))))
        segments = sum(future.result() for future in futures)
        return result._replace(total=segments * plan.tile.lanes * plan.tile.steps)

    return run


def blocks(x0: np.ndarray, part: int) -> list[tuple[np.ndarray, np.int32, np.int64]]:
    """Return starts in blocks of ``part``, the last one filled up, each with how many count and the first's number."""
    cuts = [(x0[i : i + part], i) for i in range(0, len(x0), part)]
    return [(np.resize(cut, (part, x0.shape[1])), np.int32(len(cut)), np.int64(i)) for cut, i in cuts]
