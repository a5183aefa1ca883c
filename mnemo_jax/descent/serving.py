"""Lanes that have stopped write out what they found and take the next starts of the queue."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import dynamic_index_in_dim as index
from jax.lax import dynamic_update_index_in_dim as update

from mnemo_jax import native
from mnemo_jax.descent.lane import Lane, Queue, fresh
from mnemo_jax.descent.program import Program
from mnemo_jax.descent.rows import Rows, chosen, put, written
from mnemo_jax.descent.word import Ways
from mnemo_jax.lanes import across
from mnemo_jax.types import Outcome, Tile


class Served(NamedTuple):
    """Lanes, starts taken from the queue so far, and what is written.

    Attributes:
        lanes: the lanes.
        taken: int32, starts taken from the queue.
        ends: those of the block.
        history: ``[n, looks, measures]``, None where nothing is measured.
    """

    lanes: Lane
    taken: Array
    ends: Rows
    history: Array | None


def waiting(lanes: Lane, taken: Array, queue: Queue, tile: Tile, ways: Ways) -> Array:
    """Whether enough lanes wait to be served; once the queue is empty, all of them."""
    enough = max(1, round(tile.refill * tile.lanes))
    return ways.number_of(lanes.outcome != Outcome.RUNNING) >= jnp.where(taken < queue.size, enough, tile.lanes)


def one_by_one(now: Served, own: Rows, queue: Queue, program: Program, tile: Tile) -> Served:
    """Serve the lanes that have stopped, of which ``own`` is written, in a native function without histories.

    What a lane without a start writes to the last row is written over.
    """
    lanes, x0 = now.lanes, queue.x0
    stopped, where = _stopped(now, queue)

    def serve(k: Array, state: tuple[Any, ...]) -> tuple[Any, ...]:
        taken, ends, x, slot = state
        ends = written(ends, own, k, index(where, k, keepdims=False))
        x = update(x, index(x0, queue.row(taken), keepdims=False), k, -1)
        slot = update(slot, jnp.minimum(taken, queue.size), k, -1)
        return taken + 1, ends, x, slot

    taken, ends, x, slot = native.each(stopped, serve, (now.taken, now.ends, lanes.x, lanes.slot))

    def taking(lane: Lane, stopped: Array) -> Lane:
        new = fresh(lane.x, lane.slot, queue, program)
        return jax.tree.map(partial(jnp.where, stopped), new, lane)

    done = taken > -1  # only then may lanes be written over
    _, lanes = native.once(done, across(taking, tile.layout), lanes._replace(x=x, slot=slot), stopped)
    return Served(lanes, jnp.minimum(taken, queue.size), ends, None)


def together(now: Served, own: Rows, queue: Queue, program: Program, tile: Tile) -> Served:
    """Serve lanes that have stopped, of which ``own`` is written, up to half of all lanes: writing is dear."""
    lanes, axis, most = now.lanes, tile.axis, max(1, tile.lanes // 2)
    stopped, where = _stopped(now, queue)
    place = jnp.cumsum(stopped.astype(jnp.int32)) - 1
    served = stopped & (place < most)
    numbers = jnp.arange(tile.lanes, dtype=jnp.int32)
    which = jnp.zeros(most, jnp.int32).at[jnp.where(served, place, most)].set(numbers, mode="drop")
    where = jnp.where(served, where, queue.x0.shape[0])[which]
    ends, history = put(now.ends, chosen(own, which, axis), where, axis), now.history
    if history is not None and lanes.history is not None:
        history = history.at[where].set(jnp.moveaxis(lanes.history, axis, 0)[which], mode="drop")
    new = starts(jnp.where(served, jnp.minimum(now.taken + place, queue.size), lanes.slot), queue, program, axis)

    def taking(new: Array, old: Array) -> Array:
        return jnp.where(served if axis == -1 else served.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)

    taken = jnp.minimum(now.taken + jnp.minimum(place[-1] + 1, most), queue.size)
    return Served(jax.tree.map(taking, new, lanes), taken, ends, history)


def starts(slots: Array, queue: Queue, program: Program, axis: int) -> Lane:
    """Return lanes at the starts ``slots [lanes]`` of the queue, their lanes on ``axis``."""
    made: Lane = jax.vmap(lambda slot: fresh(queue.x0[queue.row(slot)], slot, queue, program), out_axes=axis)(slots)
    return made


def _stopped(now: Served, queue: Queue) -> tuple[Array, Array]:
    """Return which lanes can be served, and which row each writes: the last one where it followed no start."""
    idle = now.lanes.outcome == Outcome.IDLE
    stopped = (now.lanes.outcome != Outcome.RUNNING) & ~(idle & (now.taken >= queue.size))
    return stopped, jnp.where(idle, queue.x0.shape[0], now.lanes.slot)
