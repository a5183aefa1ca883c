"""``jax.vmap`` of a ``lax.while_loop`` around an optax step: what a user of jax would write."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.chunks import in_chunks
from benchmarks.result import Run
from benchmarks.workloads import Workload


def prepare(workload: Workload, x0: np.ndarray) -> Run:
    """Return the call that follows the starts ``x0 [n, d]`` in chunks on one device.

    XLA spreads a chunk over its own threads as it sees fit.
    """
    return in_chunks(jax.jit(jax.vmap(lambda x: follow(workload, x))), x0)


def follow(workload: Workload, x0: Array) -> tuple[Array, Array, Array]:
    """Follow one start; return its end point, its steps, and whether it converged."""
    optimizer = workload.choice.build()
    gradient = jax.grad(workload.loss)

    def small(g: Array) -> Array:
        return jnp.max(jnp.abs(g)) <= workload.tolerance

    def going(state: tuple[Array, Array, Array, object]) -> Array:
        x, g, steps, _ = state
        fit = jnp.all(jnp.isfinite(g)) & (jnp.max(jnp.abs(x)) <= workload.reach)
        return ~small(g) & fit & (steps < workload.max_steps)

    def step(state: tuple[Array, Array, Array, object]) -> tuple[Array, Array, Array, object]:
        x, g, steps, memory = state
        update, memory = optimizer.update(g, memory, x)
        x = x + update
        return x, gradient(x), steps + 1, memory

    begin = (x0, gradient(x0), jnp.int32(0), optimizer.init(x0))
    x, g, steps, _ = jax.lax.while_loop(going, step, begin)
    return x, steps, small(g)
