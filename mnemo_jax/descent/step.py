"""One look at a lane's point and one update."""

from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax import stretch
from mnemo_jax.calculus import Args, Loss, Watch
from mnemo_jax.descent.program import MakesOptimizer, Program, Rules, program_of

FEW = 16  # entries of a point that are taken one by one; in native functions descents with ten take 0.93 times as long


class Point(NamedTuple):
    """What an update changes.

    Attributes:
        x: ``[d]``.
        memory: the optimizer's state.
        row: int32, the history's that is written next; None where there is none.
        history: as in `Lane`.
    """

    x: Array
    memory: Any
    row: Array | None
    history: Array | None


class Stepping(NamedTuple):
    """What a step changes.

    Attributes:
        point: where the lane is.
        bits: int64, the notes on its looks in this word (see `stretch`).
        gradient: ``[d]``, the last look's.
    """

    point: Point
    bits: Array
    gradient: Array


def standing(x: Array, memory: Any) -> Stepping:
    """Return a lane before a step of which no history is kept."""
    return Stepping(Point(x, memory, None, None), jnp.int64(stretch.UNSEEN), x)


def step(now: Stepping, held: Array, number: Array, program: Program) -> Stepping:
    """Look at one lane's point and apply one update if its descent goes on.

    Args:
        now: the lane.
        held: int64, what else stops it (see `stretch.held`).
        number: int32, of the look in the word.
        program: what is computed.
    """
    gradient = program.gradient(now.point.x)
    bits = noted(now.bits, now.point.x, gradient, number, program)
    return Stepping(moved(now.point, gradient, bits | held, number, program.watch.every, program), bits, gradient)


def noted(bits: Array, x: Array, gradient: Array, number: Array, program: Program) -> Array:
    """Return the word's bits with those of a look at a lane's point."""
    rules, squared, size = program.rules, square(gradient), jnp.abs(gradient)
    within = rules.away(x) <= rules.reach
    worst = _largest(size)
    # The largest may pass over an entry that is no number, but the square is none then, so small and not low: a stop.
    fit = over(jnp.logical_and, within) & (worst > rules.grad_tol) & (worst < jnp.inf)
    return stretch.noted(bits, number, fit, ~(squared >= rules.stall_below), squared <= rules.stall_above)


def over(operator: Any, entries: Array) -> Array:
    """Combine a point's entries ``[d]``; few of them one by one, which takes no loop of its own on many lanes."""
    return reduce(operator, entries) if entries.size <= FEW else operator.reduce(entries)


def _largest(sizes: Array) -> Array:
    """Return the largest of a point's entries ``[d]``; one that is no number may be passed over."""
    larger = lambda a, b: jnp.where(b > a, b, a)  # noqa: E731 - one instruction, where a maximum takes three
    return reduce(larger, sizes) if sizes.size <= FEW else jnp.max(sizes)


def square(entries: Array, few: int = FEW) -> Array:
    """Return the sum of squares of a point's entries ``[d]``; few are squared one by one, lest they be stored first."""
    return reduce(jnp.add, [entry**2 for entry in entries]) if entries.size <= few else jnp.sum(entries**2)


def moved(now: Point, gradient: Array, bits: Array, number: Array, updates: Array | int, program: Program) -> Point:
    """Apply so many updates to a lane that goes on by the ``bits`` noted at its look and held."""
    goes = stretch.goes(bits, number)
    x, memory = _update(now.x, now.memory, gradient, program)
    if program.watch.every > 1:

        def again(_: Array, point: tuple[Array, Any]) -> tuple[Array, Any]:
            return _update(*point, program.gradient(point[0]), program)

        x, memory = jax.lax.fori_loop(1, updates, again, (x, memory))
    return Point(
        x=jnp.where(goes, x, now.x),
        memory=jax.tree.map(lambda new, old: jnp.where(goes, new, old), memory, now.memory),
        row=None if now.row is None else now.row + goes,
        history=None if now.history is None else _measured(now, program),
    )


def _update(x: Array, memory: Any, gradient: Array, program: Program) -> tuple[Array, Any]:
    """Return point and optimizer's state after one update."""
    update, new = program.optimizer.update(
        gradient,
        memory,
        x,
        value=program.value(x),
        grad=gradient,
        value_fn=program.value,
        **_batches(x, program),
    )
    return (x + update).astype(x.dtype), jax.tree.map(lambda new, old: new.astype(old.dtype), new, memory)


def _measured(now: Point, program: Program) -> Array:
    """Return the history with what is measured at the lane's point."""
    row = program.watch.measure(now.x, program.parts)
    return now.history.at[now.row].set(row, mode="drop")  # type: ignore[union-attr]


def _batches(x: Array, program: Program) -> dict[str, Any]:
    """Return what steps on batches want: the number of items, and the gradient on some of them by their rows."""
    if not program.batched:
        return {}
    loss, args = program.loss, program.args
    return {
        "items": loss.items(args),
        "gradient_on": lambda rows, key: jax.grad(loss)(x, loss.batch(args, rows, key)),
    }


@partial(jax.jit, static_argnames=("loss", "choice", "watch"))
def first_step(x: Array, args: Args, rules: Rules, *, loss: Loss, choice: MakesOptimizer, watch: Watch) -> Stepping:
    """Return what a step makes of a start ``x [d]``: asked for the primitives that it takes, which jit remembers."""
    program = program_of(loss, args, rules, (), choice, watch)
    return step(standing(x, program.optimizer.init(x)), jnp.int64(0), jnp.int32(0), program)
