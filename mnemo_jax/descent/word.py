"""A word of looks of all lanes, and what became of them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax import native, stretch
from mnemo_jax.descent.lane import Lane
from mnemo_jax.descent.program import Program
from mnemo_jax.descent.step import Point, Stepping, moved, noted, over, total
from mnemo_jax.stretch import WORD, Reading, Stretch
from mnemo_jax.types import Outcome, Tile

Many = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes a function of many lanes of one for a lane."""


class Ended(NamedTuple):
    """A lane after a word of looks: the lane, and the stall that ended in it (length 0 for none)."""

    lane: Lane
    length: Array
    smallest: Array
    x: Array


class _Last(NamedTuple):
    """Looks of a word that let a lane go on, and what the last one saw: the gradient's squared norm, largest entry."""

    went: Array
    square: Array
    worst: Array

    def stopped(self, lane: Lane, looks: int) -> Array:
        """Whether the lane waits or has stopped; then it has not moved since that look."""
        return (lane.outcome == Outcome.RUNNING) & (self.went < looks)


class Scratch(NamedTuple):
    """What one word leaves to the next to write over, as a native function would copy new arrays; else None.

    Attributes:
        true: true, which the compiler is not to know: what it tells to run always runs (see `native.once`).
        gradient, seen, reading, outcome: what was computed in the last word.
    """

    true: Array
    gradient: Array | None = None
    seen: _Last | None = None
    reading: Reading | None = None
    outcome: Array | None = None


def scratch(true: Array, x: Array) -> Scratch:
    """Return what the first word on lanes at ``x [d, lanes]`` of a native function writes over."""
    whole, real = (jnp.zeros(x.shape[-1:], dtype) for dtype in (jnp.int32, x.dtype))
    return Scratch(true, x, _Last(whole, real, real), Reading(whole, whole, whole), whole)


def words(steps: int) -> list[int]:
    """Return the numbers of looks of the words that make up a segment."""
    return [min(WORD, steps - done) for done in range(0, steps, WORD)]


def word(
    lanes: Lane, old: Scratch, looks: int, tile: Tile, program: Program, many: Many, once: native.Once
) -> tuple[Ended, Scratch]:
    """Run all lanes for a word of looks and find out what became of them."""
    true = old.true
    now, smallest, nearest = _stepped(lanes, old, looks, tile, program, many, once)
    last = many(lambda _, lane, now: _last(lane, now, looks))
    _, seen = once(true, last, old.seen, lanes, now)
    read = many(lambda _, lane, now, seen: _read(lane, now, seen, looks, program))
    _, (reading, outcome) = once(true, read, (old.reading, old.outcome), lanes, now, seen)
    ended: Ended = many(partial(_settled, looks=looks))(lanes, now, smallest, nearest, seen, reading, outcome)
    return ended, old if old.gradient is None else Scratch(true, now.gradient, seen, reading, outcome)


_State = tuple[Stepping, tuple[Array, Array]]


def _stepped(
    lanes: Lane, old: Scratch, looks: int, tile: Tile, program: Program, many: Many, once: native.Once
) -> tuple[Stepping, Array, Array]:
    """Run all lanes for a word of looks.

    Returns:
        the lanes, and the smallest squared gradient norm ``[lanes]`` of every ``tile.sample`` looks, and where it was.
    """
    rules = program.rules
    left = jnp.minimum(rules.max_steps - lanes.steps, lanes.limit)
    left = jnp.where(lanes.outcome == Outcome.RUNNING, left, 0)
    ceiling = jnp.where(lanes.stretch.length > 0, rules.stall_above, jnp.inf)
    point = Point(lanes.x, lanes.memory, None if lanes.history is None else lanes.steps, lanes.history)
    bits = jnp.zeros(left.shape, jnp.int64)
    now = Stepping(point, bits, lanes.x if old.gradient is None else old.gradient)
    period = tile.sample if looks % tile.sample == 0 else 1

    def step(k: Array, state: _State, sampled: bool) -> _State:
        (point, bits, gradient), least = state
        slope = many(lambda _, x: program.gradient(x))
        look = many(lambda bits, x, own, left, above: noted(bits, x, own, left, above, k, program))
        _, gradient = once(old.true, slope, gradient, point.x)
        _, bits = once(old.true, look, bits, point.x, gradient, left, ceiling)
        then = old.true
        if sampled:
            smallest, nearest = least
            read, nearest = once(old.true, many(_nearer), nearest, smallest, point.x, gradient)
            read, smallest = once(old.true | read, many(_smaller), smallest, gradient)
            then |= read  # what follows may write over point and gradient only after these have read them
            least = smallest, nearest
        updates = jnp.where(jnp.any(stretch.goes(bits, k)), program.watch.every, 1)
        move = many(lambda point, own, bits: moved(point, own, bits, k, updates, program))
        _, point = once(then, move, point, gradient, bits)
        return Stepping(point, bits, gradient), least

    def stride(state: _State, begin: Array) -> tuple[_State, None]:
        state = step(begin, state, sampled=True)
        rest = partial(step, sampled=False)
        return (jax.lax.fori_loop(begin + 1, begin + period, rest, state) if period > 1 else state), None

    begins = jnp.arange(0, looks, period, dtype=jnp.int32)
    state = (now, (lanes.stretch.smallest, lanes.stretch.x))
    (now, least), _ = jax.lax.scan(stride, state, begins, unroll=tile.unroll)
    return now, *least


def _nearer(nearest: Array, smallest: Array, x: Array, gradient: Array) -> Array:
    """Return where a lane's smallest gradient is, with its present one looked at."""
    return jnp.where(total(gradient**2) < smallest, x, nearest)


def _smaller(smallest: Array, gradient: Array) -> Array:
    """Return the smallest squared gradient norm, with a lane's present one looked at."""
    square = total(gradient**2)
    return jnp.where(square < smallest, square, smallest)


def _last(lane: Lane, now: Stepping, looks: int) -> _Last:
    went = jnp.where(lane.outcome == Outcome.RUNNING, stretch.gone(now.bits, looks), 0)
    return _Last(went, total(now.gradient**2), over(jnp.maximum, jnp.abs(now.gradient)))


def _read(lane: Lane, now: Stepping, seen: _Last, looks: int, program: Program) -> tuple[Reading, Array]:
    """Return what a word of looks says of a lane's stretch, and its outcome."""
    rules, last = program.rules, seen.stopped(lane, looks)
    small, low = seen.square < rules.stall_below, seen.square <= rules.stall_above
    reading = stretch.read(now.bits, lane.stretch.length, seen.went, last, small, low)
    outcome = program.outcome(now.point.x, seen.worst, lane.steps + seen.went)
    return reading, jnp.where(last, outcome, lane.outcome)


def _settled(
    lane: Lane,
    now: Stepping,
    smallest: Array,
    nearest: Array,
    seen: _Last,
    reading: Reading,
    outcome: Array,
    looks: int,
) -> Ended:
    """Return a lane after a word of looks, or send it back to where the word began."""
    old, point = lane.stretch, now.point
    smaller = seen.stopped(lane, looks) & (seen.square < smallest)
    smallest, nearest = jnp.where(smaller, seen.square, smallest), jnp.where(smaller, point.x, nearest)
    after = Stretch(
        length=reading.length,
        smallest=jnp.where(reading.length > 0, smallest, jnp.inf).astype(smallest.dtype),
        x=nearest,
        count=old.count + (reading.ended > 0),
        steps=old.steps + reading.ended,
    )
    steps = lane.steps + seen.went
    there = Lane(point.x, point.memory, steps, outcome, lane.slot, after, jnp.int32(WORD), point.history)
    back = lane._replace(limit=reading.again)
    lane = jax.tree.map(partial(jnp.where, reading.again > 0), back, there)
    return Ended(lane, reading.ended, smallest, nearest)
