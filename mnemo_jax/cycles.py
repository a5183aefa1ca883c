"""Cycles of an optimizer: whether descents that were out of steps come back, again and again, to where they are.

Beyond the learning rate at which a minimum loses its stability gradient descent goes round in a cycle of two points,
then four, and so on (a flip bifurcation and those that follow it), and never converges.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

LONGEST = 64  # updates, the longest period looked for
LEAST = 1e-3  # of the escape radius, times sqrt(eps): smaller cycles are rounding around a minimum


def period(step: Callable[[Array, Any], tuple[Array, Any]], x: Array, memory: Any, reach: Array, axis: int) -> Array:
    """Return after how many updates each lane is back at ``x``, int32, and again after twice as many; 0 for never.

    Back means nearer than ``eps^(3/4)`` of the cycle's width, which chaotic orbits hardly ever are by chance, nor
    descents that approach a minimum slowly.

    Args:
        step: one update of all lanes, from points and the optimizer's memory to both.
        x: points, their lanes on ``axis``.
        memory: the optimizer's state.
        reach: the escape radius.
        axis: 0 or -1.
    """
    lanes = x.shape[axis]
    eps = float(jnp.finfo(x.dtype).eps)
    near, least = eps**0.75, LEAST * eps**0.5 * reach
    coordinates = tuple(range(1, x.ndim)) if axis == 0 else tuple(range(x.ndim - 1))

    def watch(k: Array, state: tuple[Array, Any, Array, Array, Array]) -> tuple[Array, Any, Array, Array, Array]:
        now, memory, widest, found, again = state
        now, memory = step(now, memory)
        away = jnp.max(jnp.abs(now - x), axis=coordinates)
        back = (away <= near * widest) & (widest >= least)
        again |= back & (found > 0) & (k == 2 * found)
        found = jnp.where((found == 0) & back, k, found)
        return now, memory, jnp.maximum(widest, away), found, again

    none = jnp.zeros(lanes, jnp.int32)
    state = (x, memory, jnp.zeros(lanes, x.dtype), none, none > 0)
    *_, found, again = jax.lax.fori_loop(1, 2 * LONGEST + 1, watch, state)
    return jnp.where(again, found, 0)
