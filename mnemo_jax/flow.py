"""The gradient flow ``x' = -grad f`` from a point to where it ends, by exponential steps; all in float64.

A step of length ``h`` solves the flow of the local quadratic model exactly (the exponential Rosenbrock-Euler method,
Hochbruck and Ostermann 2010, Acta Numerica 19, section 2.4), so that stiff valleys and the slow leaving of a saddle
cost no more than anything else. Its error comes from how much the gradient at the step's end differs from the model's,
and sets the next ``h``; a step that errs too much is taken again.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.calculus import Args, Loss, hessian
from mnemo_jax.polish import Scales
from mnemo_jax.tiles import in_tiles
from mnemo_jax.types import Either, Outcome

STEPS = 10_000
TOLERANCE = 1e-6  # box lengths, error of one step
LONGEST = 0.05  # box lengths, way of one step
END = 1e-8  # of the gradient scale, below which the flow has arrived, where no direction leads down
FLAT = 1e-9  # of the Hessian's scale, below which an eigenvalue leads nowhere down
AWAY = 100.0  # box lengths from the start beyond which a flow is given up
HALTED = 1e-12  # box lengths, steps below which a loss that is no number ahead ends the flow
FACTOR = (0.2, 4.0)  # bounds of the change of the step's length
TILE = 256


class Flowed(NamedTuple):
    """Where a flow ended.

    Attributes:
        x: ``[d]``.
        outcome: int32, an `Outcome`; converged is arrived where no direction leads down.
        steps: int32.
    """

    x: Either
    outcome: Either
    steps: Either


class _State(NamedTuple):
    x: Array
    gradient: Array
    values: Array
    vectors: Array
    h: Array
    steps: Array
    outcome: Array


def flow(x0: Array, args: Args, scales: Scales, *, loss: Loss) -> Flowed:
    """Follow the gradient flow from ``x0 [d]`` to a minimum; traceable."""
    grad = partial(jax.grad(loss), args=args)

    def seen(x: Array) -> tuple[Array, Array, Array]:
        matrix = hessian(loss)(x, args)
        values, vectors = jnp.linalg.eigh(0.5 * (matrix + matrix.T))
        return grad(x), values, vectors

    def advance(state: _State) -> _State:
        along = state.vectors.T @ state.gradient
        lengths = -jnp.expm1(-state.values * state.h) / jnp.where(state.values == 0, 1.0, state.values)
        lengths = jnp.where(state.values == 0, state.h, lengths)
        step = -state.vectors @ (lengths * along)
        x = state.x + step
        model = state.vectors @ (along * jnp.exp(-state.values * state.h))
        gradient, values, vectors = seen(x)
        # What the model missed of the gradient acted for a third of the step: it grows with the square of the way.
        error = state.h * jnp.linalg.norm(gradient - model) / 3.0
        error = jnp.minimum(error, jnp.linalg.norm(gradient - model) / jnp.maximum(jnp.max(jnp.abs(values)), 1e-300))
        size = jnp.linalg.norm(step)
        worst = jnp.maximum(error / (TOLERANCE * scales.length), (size / (LONGEST * scales.length)) ** 2)
        taken = (worst <= 1.0) & jnp.isfinite(worst)
        factor = jnp.clip(0.9 / jnp.sqrt(jnp.maximum(worst, 1e-12)), *FACTOR)
        h = state.h * jnp.where(jnp.isfinite(worst), factor, FACTOR[0])
        there = _State(x, gradient, values, vectors, h, state.steps + 1, state.outcome)
        new = jax.tree.map(partial(jnp.where, taken), there, state._replace(h=h, steps=state.steps + 1))
        halted = ~jnp.isfinite(worst) & (size <= HALTED * scales.length)
        return new._replace(outcome=jnp.where(halted, Outcome.NON_FINITE, met(new)).astype(jnp.int32))

    def met(state: _State) -> Array:
        level = jnp.linalg.norm(state.gradient) <= END * scales.gradient
        arrived = level & (state.values[0] > -FLAT * scales.hessian)  # zero modes leave it at rounding
        outcome = jnp.where(state.steps < STEPS, Outcome.RUNNING, Outcome.OUT_OF_STEPS)
        outcome = jnp.where(jnp.linalg.norm(state.x - x0) > AWAY * scales.length, Outcome.ESCAPED, outcome)
        return jnp.where(arrived, Outcome.CONVERGED, outcome).astype(jnp.int32)

    gradient, values, vectors = seen(x0)
    h = 1e-3 * scales.length / (jnp.linalg.norm(gradient) + 1e-12 * scales.gradient)
    state = _State(x0, gradient, values, vectors, h, jnp.int32(0), jnp.int32(Outcome.RUNNING))
    state = jax.lax.while_loop(lambda s: s.outcome == Outcome.RUNNING, advance, state)
    return Flowed(state.x, state.outcome, state.steps)


@partial(jax.jit, static_argnames=("loss",))
def _tile(x: Array, args: Args, scales: Scales, *, loss: Loss) -> Flowed:
    return jax.vmap(lambda x: flow(x, args, scales, loss=loss))(x)


def flowed(x: np.ndarray, args: Args, scales: Scales, *, loss: Loss) -> Flowed:
    """Follow the flow from points ``x [n, d]``."""
    return in_tiles(lambda x: _tile(x, args, scales, loss=loss), TILE, x)
