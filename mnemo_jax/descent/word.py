"""A word of looks of all lanes, and what became of them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax import native, stretch
from mnemo_jax.descent.lane import Lane, held_back
from mnemo_jax.descent.program import Program
from mnemo_jax.descent.step import Point, Stepping, moved, noted, over, square
from mnemo_jax.stretch import WORD, Stretch
from mnemo_jax.types import Outcome, Tile

FEWEST = 4  # entries; to add up ten squares anew for each of ten entries takes a sixth of the time of descents


class Ways(NamedTuple):
    """How a program does what native functions do in ways of their own.

    Attributes:
        many: makes a function of many lanes of one for a lane.
        once: computes arrays that several others need, as `native.once` does.
        number_of: counts the lanes ``[lanes]`` of which something holds.
    """

    many: Callable[[Callable[..., Any]], Callable[..., Any]]
    once: native.Once
    number_of: Callable[[Array], Array]


class Ended(NamedTuple):
    """Lanes after a word of looks. What the smallest gradient was in a stall that has ended they say until the next.

    Attributes:
        lanes: the lanes.
        readings: int64 ``[lanes]``, what the word says of each (see `stretch.Reading`).
        some: whether a stall has ended in any of them, or did so within the word and the lane is to do it again.
    """

    lanes: Lane
    readings: Array
    some: Array

    @property
    def length(self) -> Array:
        """Length of the stall that has ended, int32 ``[lanes]``, 0 for none."""
        return stretch.unpacked(self.readings).ended


class Scratch(NamedTuple):
    """What one word leaves to the next to write over, as a native function would copy new arrays; else None.

    Attributes:
        true: true, which the compiler is not to know: what it tells to run always runs (see `native.once`).
        gradient, readings: what was computed in the last word.
    """

    true: Array
    gradient: Array | None = None
    readings: Array | None = None


def scratch(true: Array, x: Array) -> Scratch:
    """Return what the first word on lanes at ``x [d, lanes]`` of a native function writes over."""
    return Scratch(true, x, jnp.zeros(x.shape[-1:], jnp.int64))


def words(steps: int) -> list[int]:
    """Return the numbers of looks of the words that make up a segment."""
    return [min(WORD, steps - done) for done in range(0, steps, WORD)]


class _There(NamedTuple):
    """Where a lane is after a word, and what a lane that is to do the word again has from before."""

    x: Array
    memory: Any
    history: Array | None
    smallest: Array
    nearest: Array


def word(lanes: Lane, old: Scratch, looks: int, tile: Tile, program: Program, ways: Ways) -> tuple[Ended, Scratch]:
    """Run all lanes for a word of looks and find out what became of them."""
    many, once, past = ways.many, ways.once, lanes.stretch
    held = held_back(lanes, program)
    now, (smallest, nearest) = _stepped(lanes, held, old, looks, tile, program, ways)
    reading = many(lambda _, lane, now, held: _read(lane, now, held, looks, program))
    _, readings = once(old.true, reading, old.readings, lanes, now, held)
    some = ways.number_of(stretch.is_seldom(readings)) > 0
    outcome = many(partial(_outcome, looks=looks, program=program))
    read, outcomes = once(old.true, outcome, lanes.outcome, lanes.steps, now, readings)
    before = _There(lanes.x, lanes.memory, lanes.history, past.smallest, past.x)
    there = _There(now.point.x, now.point.memory, now.point.history, smallest, nearest)
    _, there = once(some | read, many(_back), there, before, readings)
    _, sums = once(some, many(_summed), (past.count, past.steps), readings)
    lanes = many(_settled)(lanes, outcomes, there, sums, readings)
    left = old if old.gradient is None else Scratch(old.true, now.gradient, readings)
    return Ended(lanes, readings, some), left


_State = tuple[Stepping, tuple[Array, Array]]


def _stepped(lanes: Lane, held: Array, old: Scratch, looks: int, tile: Tile, program: Program, ways: Ways) -> _State:
    """Run all lanes for a word of looks, or until ``held [lanes]`` stops them.

    Returns:
        the lanes, and the smallest squared gradient norm ``[lanes]`` of the present stretch and the looks at which it
        is sampled, the last of every ``tile.sample``, and where it was.
    """
    many, once = ways.many, ways.once
    point = Point(lanes.x, lanes.memory, None if lanes.history is None else lanes.steps, lanes.history)
    bits = jnp.full_like(held, stretch.UNSEEN)
    now = Stepping(point, bits, lanes.x if old.gradient is None else old.gradient)
    period = tile.sample if looks % tile.sample == 0 else 1

    def step(k: Array, state: _State, sampled: bool) -> _State:
        (point, bits, gradient), (smallest, nearest) = state
        slope = many(lambda _, x: program.gradient(x))
        look = many(lambda bits, x, own: noted(bits, x, own, k, program))
        _, gradient = once(old.true, slope, gradient, point.x)
        _, bits = once(old.true, look, bits, point.x, gradient)
        then = old.true
        if sampled:
            read, nearest = once(old.true, many(_nearer), nearest, smallest, point.x, gradient)
            read, smallest = once(old.true | read, many(_smaller), smallest, gradient)
            then |= read  # what follows may write over point and gradient only after these have read them
        updates = jnp.where(jnp.any(stretch.goes(bits | held, k)), program.watch.every, 1)
        move = many(lambda point, own, bits, held: moved(point, own, bits | held, k, updates, program))
        _, point = once(then, move, point, gradient, bits, held)
        return Stepping(point, bits, gradient), (smallest, nearest)

    def stride(state: _State, begin: Array) -> tuple[_State, None]:
        """Sample the last look: a lane that has stopped is still at the point where it has."""
        last = begin + period - 1
        if period > 1:
            state = jax.lax.fori_loop(begin, last, partial(step, sampled=False), state)
        return step(last, state, sampled=True), None

    begins = jnp.arange(0, looks, period, dtype=jnp.int32)
    smallest = jnp.where(lanes.stretch.length > 0, lanes.stretch.smallest, jnp.inf).astype(lanes.x.dtype)
    state, _ = jax.lax.scan(stride, (now, (smallest, lanes.stretch.x)), begins, unroll=tile.unroll)
    return state


def _nearer(nearest: Array, smallest: Array, x: Array, gradient: Array) -> Array:
    """Return where a lane's smallest gradient is, with its present one looked at."""
    return jnp.where(square(gradient, FEWEST) < smallest, x, nearest)


def _smaller(smallest: Array, gradient: Array) -> Array:
    """Return the smallest squared gradient norm, with a lane's present one looked at."""
    squared = square(gradient, FEWEST)
    return jnp.where(squared < smallest, squared, smallest)


def _read(lane: Lane, now: Stepping, held: Array, looks: int, program: Program) -> Array:
    """Return what a word of looks says of a lane, packed."""
    rules, running = program.rules, lane.outcome == Outcome.RUNNING
    went = jnp.where(running, stretch.gone(now.bits | held, looks), 0)
    squared, last = square(now.gradient), running & (went < looks)
    small, low = squared < rules.stall_below, squared <= rules.stall_above
    return stretch.read(now.bits, lane.stretch.length, went, last, small, low).packed()


def _outcome(outcome: Array, steps: Array, now: Stepping, reading: Array, looks: int, program: Program) -> Array:
    """Return a lane's outcome after a word of looks."""
    said = stretch.unpacked(reading)
    last = (outcome == Outcome.RUNNING) & (said.went < looks) & (said.again == 0)
    worst = over(jnp.maximum, jnp.abs(now.gradient))
    return jnp.where(last, program.outcome(now.point.x, worst, steps + said.went), outcome)


def _back(there: _There, before: _There, reading: Array) -> _There:
    """Send a lane back to where the word began if it is to do it again, up to the look at which its stall ended."""
    again = stretch.unpacked(reading).again > 0
    return jax.tree.map(partial(jnp.where, again), before, there)


def _summed(sums: tuple[Array, Array], reading: Array) -> tuple[Array, Array]:
    """Return number and steps of a lane's stalls with that which has ended."""
    ended = stretch.unpacked(reading).ended
    return sums[0] + (ended > 0), sums[1] + ended


def _settled(lane: Lane, outcome: Array, there: _There, sums: tuple[Array, Array], reading: Array) -> Lane:
    """Return a lane after a word of looks."""
    said = stretch.unpacked(reading)
    again = said.again > 0
    length = jnp.where(again, lane.stretch.length, said.length)
    steps = lane.steps + jnp.where(again, 0, said.went)
    limit = jnp.where(again, said.again, WORD)
    after = Stretch(length, there.smallest, there.nearest, *sums)
    return Lane(there.x, there.memory, steps, outcome, lane.slot, after, limit, there.history)
