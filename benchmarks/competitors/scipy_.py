"""SciPy: ``minimize`` in a loop over starts, with value and gradient compiled by jax."""

import jax
import numpy as np
from scipy.optimize import minimize

from benchmarks.result import NotApplicableError, Result, Run
from benchmarks.workloads import Workload


def prepare(workload: Workload, x0: np.ndarray, *, method: str) -> Run:
    """Return the call that minimises from the starts ``x0 [n, d]`` one by one; a step is an iteration of SciPy's."""
    if workload.tolerance < 0:
        raise NotApplicableError("it has no fixed number of its own steps to compare with")
    both = jax.jit(jax.value_and_grad(workload.loss))
    tolerances = {"gtol": workload.tolerance} | ({"ftol": 0.0} if method == "L-BFGS-B" else {})

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = both(x.astype(x0.dtype))
        return float(value), np.asarray(gradient, np.float64)

    def one(x: np.ndarray) -> tuple[np.ndarray, int, bool]:
        found = minimize(evaluate, x, jac=True, method=method, options={"maxiter": workload.max_steps, **tolerances})
        return found.x, found.nit, bool(np.max(np.abs(found.jac)) <= workload.tolerance)

    def run() -> Result:
        ends, steps, converged = zip(*map(one, x0), strict=True)
        return Result(np.stack(ends), np.array(steps), np.array(converged))

    return run
