"""The descent engine: a fixed number of lanes, refilled on the device, until a block of starts is done.

A block of starts lies in a queue. Every lane follows one start; all lanes run in lock step for ``tile.steps`` steps,
and once enough of them have stopped those write their results out and take the next starts of the queue. Nothing
crosses lanes, so the numbers of a start depend on the tile's shape alone, not on the block, the queue's order, the
number of devices or the company it kept.
"""

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from mnemo_jax.calculus import Args, Loss
from mnemo_jax.keys import Purpose, key
from mnemo_jax.types import Either, Outcome, Tile

OPENING = 5  # steps a gradient must stay small before a stall opens
STORED = 4  # stalls of one start that are stored one by one; further ones are only counted


class MakesOptimizer(Protocol):
    """A hashable choice of optimizer; ``learning_rate`` is traced, so that other values need no compilation."""

    def build(self, learning_rate: Array | None) -> optax.GradientTransformationExtraArgs:
        """Return the optax transformation."""
        ...


class Rules(NamedTuple):
    """The numbers of the stop rules and of stall tracking, all traced.

    Attributes:
        grad_tol: largest absolute gradient entry of a converged point; negative asks for a fixed budget.
        max_steps: int32, updates.
        centre, reach: ``[d]`` each; escaped when ``|x - centre| > reach`` in any coordinate.
        stall_below, stall_above: squared gradient norms that open and end a stall.
        learning_rate: the optimizer's, or None where it has none of its own or a schedule.
    """

    grad_tol: Array
    max_steps: Array
    centre: Array
    reach: Array
    stall_below: Array
    stall_above: Array
    learning_rate: Array | None


class Stretch(NamedTuple):
    """The present stretch of small gradients of one lane, and the sums of its stalls so far.

    Attributes:
        since: int32, step at which the stretch began, -1 outside one.
        smallest: smallest squared gradient norm in it.
        x: ``[d]``, the point where that was.
        ended: int32, length of the stall that has just ended, else 0; the lane then waits until it is logged.
        count: int32, stalls ended so far.
        steps: int32, steps spent in them.
    """

    since: Array
    smallest: Array
    x: Array
    ended: Array
    count: Array  # type: ignore[assignment]
    steps: Array


class Lane(NamedTuple):
    """What the next step of one lane needs.

    Attributes:
        x: ``[d]``.
        memory: the optimizer's state.
        steps: int32, updates applied so far.
        outcome: int32, an `Outcome`.
        slot: int32, which start of the block the lane follows; the block's size when it follows none.
        stretch: the stall tracking.
    """

    x: Array
    memory: Any
    steps: Array
    outcome: Array
    slot: Array
    stretch: Stretch


class Ends(NamedTuple):
    """Where the starts of a block ended, ``n`` starts first.

    Attributes:
        x: ``[n, d]`` end points.
        outcome, steps: int32 ``[n]``.
        stalls, stalled: int32 ``[n]``, number of ended stalls and steps spent in them.
        since: int32 ``[n]``, step at which the stretch of small gradients open at the end began, or -1.
        smallest, x_smallest: ``[n]`` and ``[n, d]``, smallest squared gradient norm of that stretch, and where.
    """

    x: Either
    outcome: Either
    steps: Either
    stalls: Either
    stalled: Either
    since: Either
    smallest: Either
    x_smallest: Either


class StallLog(NamedTuple):
    """Ended stalls of a block in no particular order, the first ``count`` rows of each array.

    Attributes:
        slot, rank: int32, which start of the block, and which of its stalls (0 to 3).
        entry, length: int32, step at which the gradient became small, and steps until it had grown again.
        smallest, x: smallest squared gradient norm, and the point where that was ``[d]``.
        count: int32.
    """

    slot: Either
    rank: Either
    entry: Either
    length: Either
    smallest: Either
    x: Either
    count: Either


def step(lane: Lane, loss: Loss, args: Args, optimizer: optax.GradientTransformationExtraArgs, rules: Rules) -> Lane:
    """Look at one lane's point, decide whether its descent ends there, and apply one update if it goes on."""
    value, gradient = jax.value_and_grad(loss)(lane.x, args)
    worst = jnp.max(jnp.abs(gradient))
    outcome = _outcome(lane, worst, rules)
    stretch = _follow(lane, jnp.sum(gradient**2), rules)
    update, memory = optimizer.update(
        gradient, lane.memory, lane.x, value=value, grad=gradient, value_fn=lambda x: loss(x, args)
    )
    active = (lane.outcome == Outcome.RUNNING) & (lane.stretch.ended == 0)
    going = active & (outcome == Outcome.RUNNING)
    return Lane(
        x=jnp.where(going, (lane.x + update).astype(lane.x.dtype), lane.x),
        memory=jax.tree.map(lambda new, old: jnp.where(going, new, old).astype(old.dtype), memory, lane.memory),
        steps=lane.steps + going,
        outcome=jnp.where(active, outcome, lane.outcome),
        slot=lane.slot,
        stretch=jax.tree.map(lambda new, old: jnp.where(active, new, old), stretch, lane.stretch),
    )


def _outcome(lane: Lane, worst: Array, rules: Rules) -> Array:
    """Return the outcome at the lane's point; the first rule that holds names it."""
    code = {outcome: jnp.int32(outcome) for outcome in Outcome}
    spent = jnp.where(rules.grad_tol < 0, code[Outcome.FINISHED], code[Outcome.OUT_OF_STEPS])
    outcome = jnp.where(lane.steps >= rules.max_steps, spent, code[Outcome.RUNNING])
    outcome = jnp.where(worst <= rules.grad_tol, code[Outcome.CONVERGED], outcome)
    outcome = jnp.where(jnp.any(jnp.abs(lane.x - rules.centre) > rules.reach), code[Outcome.ESCAPED], outcome)
    return jnp.where(worst < jnp.inf, outcome, code[Outcome.NON_FINITE])


def _follow(lane: Lane, square: Array, rules: Rules) -> Stretch:
    """Advance the stall tracking by one gradient (Schmitt trigger: opens below one level, ends above another)."""
    old = lane.stretch
    none, outside = jnp.int32(0), jnp.int32(-1)
    inside = old.since >= 0
    length = lane.steps - old.since
    opened = inside & (length >= OPENING)
    stays = jnp.where(opened, square <= rules.stall_above, square < rules.stall_below)
    ended = jnp.where(opened & ~stays, length, none)
    smaller = stays & ~(inside & (old.smallest <= square))
    return Stretch(
        since=jnp.where(stays, jnp.where(inside, old.since, lane.steps), jnp.where(ended > 0, old.since, outside)),
        smallest=jnp.where(smaller, square, old.smallest),
        x=jnp.where(smaller, lane.x, old.x),
        ended=ended,
        count=old.count + (ended > 0),
        steps=old.steps + ended,
    )


def _fresh(x: Array, slot: Array, memory: Any, size: Array) -> Lane:
    """Return a lane at the start of its descent; idle when the queue had none left for it."""
    zero = jnp.zeros((), jnp.int32)
    return Lane(
        x=x,
        memory=memory,
        steps=zero,
        outcome=jnp.where(slot < size, Outcome.RUNNING, Outcome.IDLE).astype(jnp.int32),
        slot=slot,
        stretch=Stretch(since=zero - 1, smallest=jnp.zeros((), x.dtype), x=x, ended=zero, count=zero, steps=zero),
    )


def _memory(optimizer: optax.GradientTransformationExtraArgs, x: Array, noise: Array) -> Any:
    """Return the optimizer's first state, any random key in it replaced by the lane's own."""

    def own(path: Any, leaf: Array) -> Array:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return noise
        if getattr(path[-1], "name", "") in ("rng_key", "key") and leaf.dtype == jnp.uint32:
            return jax.random.key_data(noise)
        return leaf

    return jax.tree_util.tree_map_with_path(own, optimizer.init(x))


class _Carry(NamedTuple):
    lanes: Lane
    taken: Array
    segments: Array
    ends: Ends
    log: StallLog


@partial(jax.jit, static_argnames=("loss", "choice", "tile"))
def descend(
    x0: Array,
    size: Array,
    first: Array,
    root: Array,
    args: Args,
    rules: Rules,
    *,
    loss: Loss,
    choice: MakesOptimizer,
    tile: Tile,
) -> tuple[Ends, StallLog, Array]:
    """Follow a block of starts to their ends on one device.

    Args:
        x0: ``[n, d]`` start points in the run's precision.
        size: int32, how many of them are to be followed; the rest fill up the block.
        first: int64, number of the first start.
        root: the run's random key.
        args: the loss's arguments.
        rules: stop rules and stall levels.
        loss: the loss on flat points.
        choice: the optimizer.
        tile: shape of the inner program.

    Returns:
        the ends, ``[n, ...]`` each; the stall log, ``[4 n, ...]``; and the number of segments, int32, every one of
        ``tile.steps * tile.lanes`` lane-steps.
    """
    axis = -1 if tile.layout == "lanes_last" else 0
    optimizer = choice.build(rules.learning_rate)
    one_step = jax.vmap(
        partial(step, loss=loss, args=args, optimizer=optimizer, rules=rules), in_axes=axis, out_axes=axis
    )

    def start(slot: Array) -> Lane:
        index = jnp.minimum(slot, x0.shape[0] - 1)
        x = x0[index]
        return _fresh(x, slot, _memory(optimizer, x, key(root, Purpose.NOISE, first + index)), size)

    starts = jax.vmap(start, out_axes=axis)

    def segment(state: tuple[Lane, Array]) -> tuple[Lane, Array]:
        lanes, count = state
        lanes, _ = jax.lax.scan(lambda s, _: (one_step(s), None), lanes, length=tile.steps, unroll=tile.unroll)
        return lanes, count + 1

    def serve(carry: _Carry) -> _Carry:
        """Run until enough lanes have stopped, write what they found, and give them the next starts."""
        lanes, segments = jax.lax.while_loop(
            lambda state: ~_waiting(state[0], carry.taken < size, tile), segment, (carry.lanes, carry.segments)
        )
        log = jax.lax.cond(
            jnp.any(lanes.stretch.ended > 0), partial(_write_log, axis=axis), lambda log, _: log, carry.log, lanes
        )
        lanes = lanes._replace(stretch=_closed(lanes.stretch))
        stopped = lanes.outcome != Outcome.RUNNING
        ends = _write_ends(carry.ends, lanes, stopped, axis)
        free = jnp.cumsum(stopped.astype(jnp.int32))
        fresh = starts(jnp.where(stopped, jnp.minimum(carry.taken + free - 1, size), lanes.slot))
        lanes = jax.tree.map(partial(_where, stopped, axis), fresh, lanes)
        return _Carry(lanes, jnp.minimum(carry.taken + free[-1], size), segments, ends, log)

    idle = starts(jnp.broadcast_to(size, tile.lanes))
    carry = _Carry(idle, jnp.int32(0), jnp.int32(0), _no_ends(x0), _no_log(x0))
    carry = jax.lax.while_loop(lambda c: (c.taken < size) | jnp.any(c.lanes.outcome != Outcome.IDLE), serve, carry)
    return _valued(carry.ends, loss, args), carry.log, carry.segments


def _valued(ends: Ends, loss: Loss, args: Args) -> Ends:
    """Call ends non-finite where the loss is no number although its gradient is, as log's of a negative one."""
    value = jax.vmap(loss, in_axes=(0, None))(ends.x, args)
    stopped = (ends.outcome == Outcome.CONVERGED) | (ends.outcome == Outcome.FINISHED)
    stopped |= ends.outcome == Outcome.OUT_OF_STEPS
    return ends._replace(outcome=jnp.where(stopped & ~jnp.isfinite(value), jnp.int32(Outcome.NON_FINITE), ends.outcome))


def _waiting(lanes: Lane, queued: Array, tile: Tile) -> Array:
    """Whether enough lanes wait to be served; once the queue is empty, all of them or any with a stall to log."""
    stopped = lanes.outcome != Outcome.RUNNING
    logging = lanes.stretch.ended > 0
    enough = jnp.sum(stopped | logging) >= max(1, round(tile.refill * tile.lanes))
    return jnp.where(queued, enough, jnp.all(stopped) | jnp.any(logging))


def _where(choose: Array, axis: int, new: Array, old: Array) -> Array:
    """Choose per lane between two arrays whose lanes lie on ``axis``."""
    return jnp.where(choose if axis == -1 else choose.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)


def _closed(stretch: Stretch) -> Stretch:
    """Forget the stalls that were logged, so that their lanes go on."""
    ended = stretch.ended > 0
    return stretch._replace(since=jnp.where(ended, jnp.int32(-1), stretch.since), ended=jnp.zeros_like(stretch.ended))


def _no_ends(x0: Array) -> Ends:
    size = x0.shape[0]
    number = jnp.zeros(size, jnp.int32)
    return Ends(x0, number, number, number, number, number, jnp.zeros(size, x0.dtype), x0)


def _no_log(x0: Array) -> StallLog:
    rows = STORED * x0.shape[0]
    number = jnp.zeros(rows, jnp.int32)
    return StallLog(
        number,
        number,
        number,
        number,
        jnp.zeros(rows, x0.dtype),
        jnp.zeros((rows, x0.shape[1]), x0.dtype),
        jnp.int32(0),
    )


def _write_ends(ends: Ends, lanes: Lane, stopped: Array, axis: int) -> Ends:
    """Write what the stopped lanes found to their slots; idle lanes' slots lie outside and are dropped."""
    done = stopped & (lanes.outcome != Outcome.IDLE)
    where = jnp.where(done, lanes.slot, ends.x.shape[0])
    rows = Ends(
        jnp.moveaxis(lanes.x, axis, 0),
        lanes.outcome,
        lanes.steps,
        lanes.stretch.count,
        lanes.stretch.steps,
        lanes.stretch.since,
        lanes.stretch.smallest,
        jnp.moveaxis(lanes.stretch.x, axis, 0),
    )
    return jax.tree.map(lambda old, new: old.at[where].set(new, mode="drop", unique_indices=False), ends, rows)


def _write_log(log: StallLog, lanes: Lane, axis: int) -> StallLog:
    """Append the stalls that have just ended, up to four of a start."""
    stretch = lanes.stretch
    stored = (stretch.ended > 0) & (stretch.count <= STORED)
    free = jnp.cumsum(stored.astype(jnp.int32))
    where = jnp.where(stored, log.count + free - 1, log.slot.shape[0])
    rows = (
        lanes.slot,
        stretch.count - 1,
        stretch.since,
        stretch.ended,
        stretch.smallest,
        jnp.moveaxis(stretch.x, axis, 0),
    )
    written = [old.at[where].set(new, mode="drop") for old, new in zip(log[:-1], rows, strict=True)]
    return StallLog(*written, count=log.count + free[-1])  # type: ignore[misc]


PATH_CHUNK = 512  # steps of a path between two looks from the host


@partial(jax.jit, static_argnames=("loss", "choice"))
def _path_chunk(lanes: Lane, args: Args, rules: Rules, *, loss: Loss, choice: MakesOptimizer) -> tuple[Lane, Array]:
    optimizer = choice.build(rules.learning_rate)

    def forward(lane: Lane, _: None) -> tuple[Lane, Array]:
        lane = step(lane, loss, args, optimizer, rules)
        return lane._replace(stretch=_closed(lane.stretch)), lane.x

    return jax.vmap(lambda lane: jax.lax.scan(forward, lane, length=PATH_CHUNK))(lanes)


@partial(jax.jit, static_argnames=("choice",))
def _path_starts(x0: Array, first: Array, root: Array, rules: Rules, *, choice: MakesOptimizer) -> Lane:
    optimizer = choice.build(rules.learning_rate)

    def start(x: Array, slot: Array) -> Lane:
        noise = key(root, Purpose.NOISE, first + slot)
        return _fresh(x, slot, _memory(optimizer, x, noise), jnp.int32(x0.shape[0]))

    return jax.vmap(start)(x0, jnp.arange(x0.shape[0], dtype=jnp.int32))


def follow(
    x0: Array, first: int, root: Array, args: Args, rules: Rules, *, loss: Loss, choice: MakesOptimizer
) -> tuple[list[np.ndarray], np.ndarray]:
    """Follow a few starts ``x0 [n, d]``, numbered from ``first``, and keep every point on the way.

    Returns:
        per start its path ``[steps + 1, d]``, and the outcomes ``[n]``. The program is not the engine's, so that
        paths may differ from its ends in the last bits.
    """
    lanes = _path_starts(x0, jnp.int64(first), root, rules, choice=choice)
    chunks = [np.asarray(x0)[:, None]]
    while bool(jnp.any(lanes.outcome == Outcome.RUNNING)):
        lanes, x = _path_chunk(lanes, args, rules, loss=loss, choice=choice)
        chunks.append(np.asarray(x))
    x = np.concatenate(chunks, axis=1)
    return [path[: n + 1] for path, n in zip(x, np.asarray(lanes.steps), strict=True)], np.asarray(lanes.outcome)
