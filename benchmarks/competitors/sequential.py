"""One compiled descent, called for one start after the other: how separate training runs are usually made."""

import jax
import numpy as np

from benchmarks.competitors.vmap import follow
from benchmarks.result import Result, Run
from benchmarks.workloads import Workload


def prepare(workload: Workload, x0: np.ndarray) -> Run:
    """Return the call that follows the starts ``x0 [n, d]`` one by one."""
    one = jax.jit(lambda x: follow(workload, x))
    starts = [jax.device_put(x) for x in x0]

    def run() -> Result:
        ends, steps, converged = zip(*[jax.device_get(one(x)) for x in starts], strict=True)
        return Result(np.stack(ends), np.array(steps), np.array(converged))

    return run
