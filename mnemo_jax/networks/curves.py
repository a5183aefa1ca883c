"""Curves of low loss between networks (Garipov et al. 2018, arXiv:1802.10026).

A curve has one bend between fixed ends, moved until the mean loss over ``t`` uniform in [0, 1] is least, their equation
2. That is the mean along the curve's length, equation 1, only where the curve is passed at constant speed.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from mnemo_jax.errors import UserError
from mnemo_jax.keys import Purpose, root_of

Loss = Callable[..., Any]
Kind = Literal["bezier", "chain"]
DRAWS = 4  # of t in each step, one in each quarter of [0, 1]
SPREAD = 0.1  # of half the distance of the ends: length of the random step with which a bend leaves the middle


def place(a: Array, bend: Array, b: Array, t: Array, kind: Kind) -> Array:
    """Return the point of a curve at ``t`` (Garipov et al. 2018, the formulas below their equation 2)."""
    if kind == "bezier":
        return (1 - t) ** 2 * a + 2 * t * (1 - t) * bend + t**2 * b
    return jnp.where(t < 0.5, a + 2 * t * (bend - a), bend + (2 * t - 1) * (b - bend))


def curves(
    loss: Loss,
    a: Array,
    b: Array,
    *args: Any,
    kind: Kind = "bezier",
    steps: int = 500,
    learning_rate: float = 0.01,
    seed: int = 0,
    batch_size: int | None = None,
) -> Array:
    """Return the bends ``[n, d]`` of curves of low mean loss from ``a [n, d]`` to ``b [n, d]``.

    Each bend begins near the middle, at a random step from it of a tenth of half the distance: in the middle itself
    symmetry may leave nowhere to go. Adam then follows the gradient at four ``t``, one drawn in each quarter of [0, 1],
    whose mean is unbiased; the learning rate falls as half a cosine. Numbers are drawn by (seed, pair, step), so that
    no pair depends on the others.

    Args:
        loss: pure JAX function ``loss(x, *args)`` to a scalar; the same object compiles once.
        a: where ``t`` is 0.
        b: where it is 1.
        args: further arguments of the loss, such as data.
        kind: ``bezier``, a quadratic Bezier curve, or ``chain``, two straight pieces.
        steps: of Adam.
        learning_rate: of the first step.
        seed: of all random numbers.
        batch_size: pairs at once, which bounds memory; None for all.

    Raises:
        UserError: shapes differ, steps or learning rate are not positive, or the kind is unknown.
    """
    check(a, b, kind)
    if steps < 1 or not learning_rate > 0:
        raise UserError(f"steps: they and learning_rate must be positive, got {steps} and {learning_rate:g}")
    root, rate = root_of(seed), jnp.asarray(learning_rate, a.dtype)
    return _bends(a, b, root, rate, args, loss=loss, kind=kind, steps=steps, batch_size=batch_size)


@partial(jax.jit, static_argnames=("loss", "kind", "steps", "batch_size"))
def _bends(
    a: Array,
    b: Array,
    root: Array,
    rate: Array,
    args: tuple[Any, ...],
    *,
    loss: Loss,
    kind: Kind,
    steps: int,
    batch_size: int | None,
) -> Array:
    adam = optax.scale_by_adam()

    def one(pair: tuple[Array, Array, Array]) -> Array:
        a, b, number = pair

        def mean(bend: Array, t: Array) -> Array:
            return jnp.mean(jax.vmap(lambda part: loss(place(a, bend, b, part, kind), *args))(t))

        def step(state: tuple[Array, Any], k: Array) -> tuple[tuple[Array, Any], None]:
            bend, memory = state
            drawn = jax.random.uniform(row_key(root, Purpose.BATCH, number, k), (DRAWS,), a.dtype)
            slope = jax.grad(mean)(bend, (jnp.arange(DRAWS) + drawn) / DRAWS)
            update, memory = adam.update(slope, memory)
            falling = rate * (1 + jnp.cos(jnp.pi * k / steps)) / 2
            return (bend - falling.astype(a.dtype) * update, memory), None

        drawn = jax.random.normal(row_key(root, Purpose.START, number, jnp.zeros_like(number)), a.shape, a.dtype)
        bend = (a + b) / 2 + SPREAD * jnp.linalg.norm(b - a) / 2 * drawn / jnp.linalg.norm(drawn)
        return lax.scan(step, (bend, adam.init(bend)), jnp.arange(steps))[0][0]

    return lax.map(one, (a, b, jnp.arange(len(a))), batch_size=batch_size or len(a))


def row_key(root: Array, purpose: Purpose, row: Array, step: Array) -> Array:
    """Return the key of a row (pair or network) at a step, in either width of integers, unlike `keys.key`."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(root, int(purpose)), row), step)


def check(a: Array, b: Array, kind: str) -> None:
    """Raise `UserError` unless ``a`` and ``b`` are ``[n, d]`` alike and the kind of curve is known."""
    if a.ndim != 2 or a.shape != b.shape or not len(a):
        raise UserError(f"a: it and b must be [n, d] alike, n above 0, got {list(a.shape)} and {list(b.shape)}")
    if kind not in ("bezier", "chain"):
        raise UserError(f"kind: must be bezier or chain, got {kind!r}")
