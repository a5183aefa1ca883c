"""Jaxopt under ``vmap``: ``OptaxSolver``, or for plain gradient descent its own ``GradientDescent``; in chunks.

Both stop on the gradient's 2-norm, not on its largest entry, and make one more update after their last look; that
update is not counted.
"""

import warnings

import jax
import numpy as np
from jax import Array

from benchmarks.chunks import in_chunks
from benchmarks.result import NotApplicableError, Run
from benchmarks.workloads import Workload

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import jaxopt


def prepare(workload: Workload, x0: np.ndarray, *, solver: str) -> Run:
    """Return the call that follows the starts ``x0 [n, d]`` with the named solver of jaxopt."""
    looks = workload.max_steps + workload.last_look
    limits = {"maxiter": looks, "tol": workload.tolerance, "implicit_diff": False, "unroll": False}
    if solver == "OptaxSolver":
        made = jaxopt.OptaxSolver(workload.loss, workload.choice.build(), **limits)
    elif set(workload.optimizer) == {"name", "learning_rate"} and workload.optimizer["name"] == "sgd":
        made = jaxopt.GradientDescent(workload.loss, stepsize=workload.rate, acceleration=False, **limits)
    else:
        raise NotApplicableError("GradientDescent has no such step rule")

    def follow(x: Array) -> tuple[Array, Array, Array]:
        end, state = made.run(x)
        return end, state.iter_num - workload.last_look, state.error <= workload.tolerance

    return in_chunks(jax.jit(jax.vmap(follow)), x0)
