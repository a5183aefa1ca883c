"""Noise around any optimizer, as optax transformations; what is drawn depends on the seed, the start and the step.

The descent's stop rule sees the gradients without noise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mnemo_jax import shuffle
from mnemo_jax.keys import worded

Transform: TypeAlias = optax.GradientTransformationExtraArgs
Rate: TypeAlias = float | Array | optax.Schedule | None


class BatchState(NamedTuple):
    """As `NoiseState`, with the lane's own keys for which items a batch holds, and for how they are changed."""

    batch_key: Array
    augment_key: Array
    count: Array  # type: ignore[assignment]
    inner: Any


class NoiseState(NamedTuple):
    """A lane's own key, the number of its updates, the number of the last jump, and the optimizer's state.

    The key becomes ``key(seed, start)`` where a lane begins a descent; a draw folds the update's number into it.
    """

    key: Array
    count: Array  # type: ignore[assignment]
    last: Array
    inner: Any


def gradient(inner: Transform, rate: Rate, *, scale: float | Array) -> Transform:
    """Return the optimizer with isotropic noise on its gradients, of standard deviation ``scale`` in every entry."""
    del rate

    def update(gradient: Array, state: NoiseState, x: Array, **extra: Any) -> tuple[Array, NoiseState]:
        noisy = gradient + scale * jax.random.normal(_draw(state), x.shape, x.dtype)
        step, memory = inner.update(noisy, state.inner, x, **extra)
        return step, _next(state, memory)

    return Transform(_init(inner), update)


def langevin(inner: Transform, rate: Rate, *, temperature: float | Array) -> Transform:
    """Return the optimizer with normal noise of variance ``2 rate temperature`` on its steps.

    With plain gradient descent these are overdamped Langevin dynamics in Euler and Maruyama's scheme.

    Raises:
        ValueError: the optimizer has no learning rate.
    """
    if rate is None:
        raise ValueError("langevin noise needs a learning rate, the time that a step takes")

    def update(gradient: Array, state: NoiseState, x: Array, **extra: Any) -> tuple[Array, NoiseState]:
        step, memory = inner.update(gradient, state.inner, x, **extra)
        time = rate(state.count) if callable(rate) else rate
        width = jnp.sqrt(2.0 * temperature * time).astype(x.dtype)
        return step + width * jax.random.normal(_draw(state), x.shape, x.dtype), _next(state, memory)

    return Transform(_init(inner), update)


def perturbed(inner: Transform, rate: Rate, *, radius: float | Array, below: float | Array, every: int) -> Transform:
    """Return the optimizer that jumps where gradients are small (Jin et al. 2017, How to Escape Saddle Points...).

    Where the gradient's norm is at most ``below``, and no jump was made in the last ``every`` updates, the update is a
    jump to a uniform point of the ball of ``radius`` around the point, and the optimizer's memory stays as it is.
    """
    del rate

    def update(gradient: Array, state: NoiseState, x: Array, **extra: Any) -> tuple[Array, NoiseState]:
        step, memory = inner.update(gradient, state.inner, x, **extra)
        jumps = (jnp.sum(gradient**2) <= jnp.square(jnp.asarray(below, x.dtype))) & (state.count >= state.last + every)
        jump = radius * _in_ball(_draw(state), x.size, x.dtype)
        memory = jax.tree.map(lambda old, new: jnp.where(jumps, old, new), state.inner, memory)
        after = _next(state, memory)._replace(last=jnp.where(jumps, state.count, state.last))
        return jnp.where(jumps, jump, step), after

    return Transform(_init(inner, -every), update)


def minibatch(inner: Transform, rate: Rate, *, size: int, replace: bool = True) -> Transform:
    """Return the optimizer whose gradients are those on ``size`` items of the data, drawn anew at each step.

    Drawn with replacement, so that the noise is unbiased with covariance ``1 / size`` that of single items; or, with
    ``replace`` false, every item once in each epoch, in an order of the epoch's own (see `shuffle`).
    """
    del rate

    def init(x: Array) -> BatchState:
        nothing = jnp.zeros(2, jnp.uint32)
        return BatchState(nothing, nothing, jnp.zeros((), jnp.int32), inner.init(x))

    def update(
        gradient: Array, state: BatchState, x: Array, *, items: int, gradient_on: Any, **extra: Any
    ) -> tuple[Array, BatchState]:
        del gradient
        order, change = (worded(key) for key in (state.batch_key, state.augment_key))
        if replace:
            rows = jax.random.randint(jax.random.fold_in(order, state.count), (size,), 0, items)
        else:
            rows = shuffle.rows(order, state.count, size, items)
        step, memory = inner.update(gradient_on(rows, jax.random.fold_in(change, state.count)), state.inner, x, **extra)
        return step, state._replace(count=state.count + 1, inner=memory)

    return Transform(init, update)


KINDS: dict[str, Callable[..., Transform]] = {
    made.__name__: made for made in (gradient, langevin, minibatch, perturbed)
}


def _init(inner: Transform, last: int = 0) -> Callable[[Any], NoiseState]:
    def init(x: Array) -> NoiseState:
        zero = jnp.zeros((), jnp.int32)
        return NoiseState(jnp.zeros(2, jnp.uint32), zero, zero + last, inner.init(x))

    return init


def _draw(state: NoiseState) -> Array:
    return jax.random.fold_in(worded(state.key), state.count)


def _in_ball(key: Array, size: int, dtype: Any) -> Array:
    """Return a uniform point of the unit ball: the first entries of one on the sphere in two dimensions more.

    That is Archimedes' theorem; jax's own `jax.random.ball` rejects draws in a loop that all lanes wait for.
    """
    drawn = jax.random.normal(key, (size + 2,), dtype)
    return drawn[:size] / jnp.linalg.norm(drawn)


def _next(state: NoiseState, memory: Any) -> NoiseState:
    return state._replace(count=state.count + 1, inner=memory)
