"""Optimistix: ``minimise`` with ``OptaxMinimiser`` under ``vmap``, in chunks on one device.

Its own stop rule is a small change of point and loss. A subclass stops on the gradient as all others do here, so that
the work is the same; the gradient is the one that the step has just computed, so the test is as cheap as its own.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jax import Array

from benchmarks.chunks import in_chunks
from benchmarks.result import Run
from benchmarks.workloads import Workload


class OnGradient(optimistix.OptaxMinimiser):  # type: ignore[misc, type-arg, unused-ignore]
    """The same minimiser, which stops where no gradient entry is above ``atol``, before the update."""

    def step(self, fn: Any, y: Any, args: Any, options: Any, state: Any, tags: Any) -> Any:
        """Return the next point, the same where the descent ends, and the state."""
        gradient = jax.grad(lambda point: fn(point, args)[0])(y)
        following, new, aux = super().step(fn, y, args, options, state, tags)
        ends = jnp.max(jnp.abs(gradient)) <= self.atol
        return jnp.where(ends, y, following), type(new)(new.step, new.f, new.opt_state, ends), aux


def prepare(workload: Workload, x0: np.ndarray) -> Run:
    """Return the call that follows the starts ``x0 [n, d]``."""
    solver: Any = OnGradient(workload.choice.build(), rtol=0.0, atol=workload.tolerance)  # type: ignore[call-arg, misc, unused-ignore]
    gradient = jax.grad(workload.loss)

    def follow(x: Array) -> tuple[Array, Array, Array]:
        found: Any = optimistix.minimise(
            lambda y, _: workload.loss(y), solver, x, max_steps=workload.max_steps + workload.last_look, throw=False
        )
        steps = found.stats["num_steps"] - workload.last_look
        return found.value, steps, jnp.max(jnp.abs(gradient(found.value))) <= workload.tolerance

    return in_chunks(jax.jit(jax.vmap(follow)), x0)
