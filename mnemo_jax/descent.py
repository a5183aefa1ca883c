"""The descent engine: a fixed number of lanes, refilled on the device, until a block of starts is done.

A block of starts lies in a queue. Every lane follows one start; all lanes run in lock step for ``tile.steps`` steps,
and once enough of them have stopped those write their results out and take the next starts of the queue. Nothing
crosses lanes, so the numbers of a start depend on the tile's shape alone, not on the block, the queue's order, the
number of devices or the company it kept.

What a step does is what a loop written by hand for one loss would do: gradient, stop rule, update. XLA on a CPU makes a
loop of its own of every array that a step returns, and computes the gradient again in each; so a step returns little,
and the rest is found out once a word of steps (see `stretch`).

Where a look at the full gradient is dear beside an update, as with batches of data, only every so many updates are
looked at (`Watch.every`); steps are counted in looks here then.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from mnemo_jax import cycles, native, stretch
from mnemo_jax.calculus import RIGHT, Args, Loss, Watch, values
from mnemo_jax.keys import Purpose, key
from mnemo_jax.lanes import across
from mnemo_jax.stretch import WORD, Stretch
from mnemo_jax.types import Either, Outcome, Tile

STORED = 4  # stalls of one start that are stored one by one; further ones are only counted


class MakesOptimizer(Protocol):
    """A hashable choice of optimizer; ``numbers`` are traced, so that other values need no compilation."""

    def build(self, numbers: Mapping[str, Array]) -> optax.GradientTransformationExtraArgs:
        """Return the optax transformation."""
        ...

    def needs_data(self) -> bool:
        """Whether its steps take batches of the loss's data."""
        ...


class Rules(NamedTuple):
    """The numbers of the stop rules and of stall tracking, all traced.

    Attributes:
        grad_tol: largest absolute gradient entry of a converged point; negative asks for a fixed budget.
        max_steps: int32, updates.
        centre, reach: ``[d]`` each; escaped when ``|x - centre| > reach`` in any coordinate.
        stall_below, stall_above: squared gradient norms that open and end a stall.
        numbers: those of the optimizer, as its learning rate, by their names.
    """

    grad_tol: Array
    max_steps: Array
    centre: Array
    reach: Array
    stall_below: Array
    stall_above: Array
    numbers: Mapping[str, Array]


class Lane(NamedTuple):
    """A start on its way.

    Attributes:
        x: ``[d]``.
        memory: the optimizer's state.
        steps: int32, updates applied so far.
        outcome: int32, an `Outcome`.
        slot: int32, which start of the block the lane follows; the block's size when it follows none.
        stretch: the stall tracking.
        limit: int32, updates it may make in the next word of looks.
        history: ``[looks, parts * functions]`` of what was measured at each look, None where nothing is.
    """

    x: Array
    memory: Any
    steps: Array
    outcome: Array
    slot: Array
    stretch: Stretch
    limit: Array
    history: Array | None


class Ends(NamedTuple):
    """Where the starts of a block ended, ``n`` starts first.

    Attributes:
        x: ``[n, d]`` end points.
        outcome, steps: int32 ``[n]``.
        stalls, stalled: int32 ``[n]``, number of ended stalls and steps spent in them.
        since: int32 ``[n]``, step at which the stretch of small gradients open at the end began, or -1.
        smallest, x_smallest: ``[n]`` and ``[n, d]``, smallest squared gradient norm of that stretch, and where.
        period: int32 ``[n]``, updates after which a cycle repeats itself, 0 for all that are none.
        history: ``[n, looks, parts * functions]``, NaN past the end of a descent; None where nothing is measured.
    """

    x: Either
    outcome: Either
    steps: Either
    period: Either
    stalls: Either
    stalled: Either
    since: Either
    smallest: Either
    x_smallest: Either
    history: Either = None


class StallLog(NamedTuple):
    """Ended stalls of a block in no particular order, the first ``count`` rows of each array.

    Attributes:
        slot, rank: int32, which start of the block, and which of its stalls (0 to 3).
        entry, length: int32, step at which the gradient became small, and steps until it had grown again.
        smallest, x: smallest squared gradient norm, and the point where that was ``[d]``.
        exit: ``[d]``, the point at which the gradient had grown again.
        count: int32.
    """

    slot: Either
    rank: Either
    entry: Either
    length: Either
    smallest: Either
    x: Either
    exit: Either
    count: Either


class _Program(NamedTuple):
    """What is computed at a point: loss and arguments, step rule, stop rules, what is measured on which data.

    ``batched`` says whether steps take batches.
    """

    loss: Loss
    args: Args
    optimizer: optax.GradientTransformationExtraArgs
    rules: Rules
    batched: bool
    watch: Watch
    parts: tuple[Args, ...]


def _gradient(x: Array, program: _Program) -> Array:
    gradient: Array = jax.grad(program.loss)(x, program.args)
    return gradient


def _square(x: Array, program: _Program) -> Array:
    """Return the squared gradient norm."""
    return jnp.sum(_gradient(x, program) ** 2)


class _Stepping(NamedTuple):
    """What a step changes: the point, the optimizer's state, the notes on small gradients (int64), the last gradient.

    The gradient is there to be read after the loop, and to be an array of its own inside it. In one dimension, where
    computing it costs no more than reading it, it is None. ``row`` (int32) is the history's that is written next, None
    where there is none.
    """

    x: Array
    memory: Any
    row: Array | None
    history: Array | None
    bits: Array
    gradient: Array | None


def _step(now: _Stepping, left: Array, ceiling: Array | float, number: Array, program: _Program) -> _Stepping:
    """Look at one lane's point and apply one update if its descent goes on.

    Args:
        now: the lane.
        left: int32, updates the lane may make in this word.
        ceiling: squared gradient norm above which it waits for the end of the word.
        number: int32, of the look in the word.
        program: what is computed.
    """
    gradient = _gradient(now.x, program)
    bits = _noted(now.bits, now.x, gradient, left, ceiling, number, program)
    return _Stepping(*_moved(*now[:4], gradient, bits, number, program), bits, gradient)


def _noted(
    bits: Array, x: Array, gradient: Array, left: Array, ceiling: Array | float, number: Array, program: _Program
) -> Array:
    """Return the word's bits with those of a look at a lane's point; they say whether its descent goes on."""
    rules, square = program.rules, jnp.sum(gradient**2)
    within = jnp.abs(x - rules.centre) <= rules.reach
    worst = jnp.max(jnp.where(within, jnp.abs(gradient), jnp.inf))
    goes = (worst > rules.grad_tol) & (worst < jnp.inf) & (number < left) & (square <= ceiling)
    return stretch.noted(bits, number, goes, square < rules.stall_below, square <= rules.stall_above)


def _moved(
    x: Array, memory: Any, row: Array | None, history: Array | None, gradient: Array, bits: Array, number: Array,
    program: _Program
) -> tuple[Any, ...]:
    """Apply one update, or as many as lie between two looks, to a lane that goes on by the ``bits`` of its look."""
    goes = stretch.goes(bits, number)
    new_x, new_memory = _update(x, memory, gradient, program)
    if program.watch.every > 1:

        def again(_: Array, point: tuple[Array, Any]) -> tuple[Array, Any]:
            return _update(*point, _gradient(point[0], program), program)

        new_x, new_memory = jax.lax.fori_loop(1, program.watch.every, again, (new_x, new_memory))
    return (
        jnp.where(goes, new_x, x),
        jax.tree.map(lambda new, old: jnp.where(goes, new, old), new_memory, memory),
        None if row is None else row + goes,
        None if history is None else _measured(x, row, history, program),
    )


def _update(x: Array, memory: Any, gradient: Array, program: _Program) -> tuple[Array, Any]:
    """Return point and optimizer's state after one update."""
    update, new = program.optimizer.update(
        gradient,
        memory,
        x,
        value=program.loss(x, program.args),
        grad=gradient,
        value_fn=lambda x: program.loss(x, program.args),
        **_batches(x, program),
    )
    return (x + update).astype(x.dtype), jax.tree.map(lambda new, old: new.astype(old.dtype), new, memory)


def _measured(x: Array, row: Array | None, history: Array, program: _Program) -> Array:
    """Return the history with what is measured at the lane's point."""
    return history.at[row].set(program.watch.measure(x, program.parts), mode="drop")


def _batches(x: Array, program: _Program) -> dict[str, Any]:
    """Return what steps on batches want: the number of items, and the gradient on some of them by their rows."""
    if not program.batched:
        return {}
    loss, args = program.loss, program.args
    return {
        "items": loss.items(args),
        "gradient_on": lambda rows, key: jax.grad(loss)(x, loss.batch(args, rows, key)),
    }


def _outcome(x: Array, worst: Array, steps: Array, rules: Rules) -> Array:
    """Return the outcome at a lane's point with that largest gradient entry; the first rule that holds names it."""
    code = {outcome: jnp.int32(outcome) for outcome in Outcome}
    spent = jnp.where(rules.grad_tol < 0, code[Outcome.FINISHED], code[Outcome.OUT_OF_STEPS])
    outcome = jnp.where(steps >= rules.max_steps, spent, code[Outcome.RUNNING])
    outcome = jnp.where(worst <= rules.grad_tol, code[Outcome.CONVERGED], outcome)
    outcome = jnp.where(jnp.any(jnp.abs(x - rules.centre) > rules.reach), code[Outcome.ESCAPED], outcome)
    return jnp.where(worst < jnp.inf, outcome, code[Outcome.NON_FINITE])


def _nearer(x: Array, smallest: Array, nearest: Array, program: _Program) -> tuple[Array, Array]:
    """Return the smaller squared gradient norm, and where it is."""
    square = _square(x, program)
    smaller = square < smallest
    return jnp.where(smaller, square, smallest), jnp.where(smaller, x, nearest)


def _last_gradient(now: _Stepping, program: _Program) -> Array:
    """Return the gradient at the point of a lane that has not moved since its last look."""
    return _gradient(now.x, program) if now.gradient is None else now.gradient


class _Ended(NamedTuple):
    """A lane after a word of looks: the lane, and the stall that ended in it (length 0 for none)."""

    lane: Lane
    length: Array
    smallest: Array
    x: Array


class _Last(NamedTuple):
    """What a lane's last look of a word saw: looks that let it go on, squared norm and largest entry of the gradient."""

    went: Array
    square: Array
    worst: Array


def _last_look(lane: Lane, now: _Stepping, looks: int, program: _Program) -> _Last:
    running = lane.outcome == Outcome.RUNNING
    gradient = _last_gradient(now, program)
    went = jnp.where(running, stretch.gone(now.bits, looks), 0)
    return _Last(went, jnp.sum(gradient**2), jnp.max(jnp.abs(gradient)))


def _blank(dtype: Any) -> tuple[_Last, tuple[stretch.Reading, Array]]:
    """Return what `_last_look` and `_read` find of nothing."""
    zero = jnp.zeros((), jnp.int32)
    return _Last(zero, zero.astype(dtype), zero.astype(dtype)), (stretch.Reading(zero, zero, zero), zero)


def _read(lane: Lane, now: _Stepping, seen: _Last, looks: int, program: _Program) -> tuple[stretch.Reading, Array]:
    """Return what a word of looks says of a lane's stretch, and its outcome."""
    rules, running = program.rules, lane.outcome == Outcome.RUNNING
    last = running & (seen.went < looks)  # then it has not moved since its last look
    small, low = seen.square < rules.stall_below, seen.square <= rules.stall_above
    word = stretch.read(now.bits, lane.stretch.length, seen.went, last, small, low)
    return word, jnp.where(last, _outcome(now.x, seen.worst, lane.steps + seen.went, rules), lane.outcome)


def _settle(
    lane: Lane,
    now: _Stepping,
    smallest: Array,
    nearest: Array,
    seen: _Last,
    read: tuple[stretch.Reading, Array],
    looks: int,
) -> _Ended:
    """Return a lane after a word of looks, or send it back to where the word began."""
    (word, outcome), old = read, lane.stretch
    last = (lane.outcome == Outcome.RUNNING) & (seen.went < looks)
    smaller = last & (seen.square < smallest)
    smallest, nearest = jnp.where(smaller, seen.square, smallest), jnp.where(smaller, now.x, nearest)
    after = Stretch(
        length=word.length,
        smallest=jnp.where(word.length > 0, smallest, jnp.inf).astype(smallest.dtype),
        x=nearest,
        count=old.count + (word.ended > 0),
        steps=old.steps + word.ended,
    )
    there = Lane(now.x, now.memory, lane.steps + seen.went, outcome, lane.slot, after, jnp.int32(WORD), now.history)
    back = lane._replace(limit=word.again)
    lane = jax.tree.map(partial(jnp.where, word.again > 0), back, there)
    return _Ended(lane, word.ended, smallest, nearest)


def _fresh(x: Array, slot: Array, memory: Any, size: Array, watch: Watch) -> Lane:
    """Return a lane at the start of its descent; idle when the queue had none left for it."""
    outcome = jnp.where(slot < size, Outcome.RUNNING, Outcome.IDLE).astype(jnp.int32)
    zero, history = jnp.zeros((), jnp.int32), watch.blank(x.dtype)
    return Lane(x, memory, zero, outcome, slot, stretch.fresh(x), jnp.int32(WORD), history)


def _memory(optimizer: optax.GradientTransformationExtraArgs, x: Array, root: Array, first: Array, index: Array) -> Any:
    """Return the optimizer's first state, random keys in it replaced by those of start ``first + index``."""
    purposes = {"rng_key": Purpose.NOISE, "key": Purpose.NOISE, "batch_key": Purpose.BATCH, "augment_key": Purpose.AUGMENT}

    def own(path: Any, leaf: Array) -> Array:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return key(root, Purpose.NOISE, first + index)
        name = getattr(path[-1], "name", "")
        if name in purposes and leaf.dtype == jnp.uint32:
            return jax.random.key_data(key(root, purposes[name], first + index))
        return leaf

    return jax.tree_util.tree_map_with_path(own, optimizer.init(x))


class _Carry(NamedTuple):
    """Lanes, starts taken so far, segments run, and what was found: rows of `_rows`, histories, and the stall log."""

    lanes: Lane
    taken: Array
    segments: Array
    rows: Array
    history: Array | None
    log: StallLog


# Wide vectors are 10 to 20 % faster where a CPU has them; last bits may change.
OPTIONS = {"xla_cpu_prefer_vector_width": 512}


def descend(
    x0: Array,
    size: Array,
    first: Array,
    root: Array,
    args: Args,
    rules: Rules,
    parts: tuple[Args, ...] = (),
    *,
    loss: Loss,
    choice: MakesOptimizer,
    tile: Tile,
    watch: Watch = Watch(),  # noqa: B008 - it is frozen
) -> tuple[Ends, StallLog, Array]:
    """Follow a block of starts to their ends on one device.

    Args:
        x0: ``[n, d]`` start points in the run's precision.
        size: int32, how many of them are to be followed; the rest fill up the block.
        first: int64, number of the first start.
        root: the run's random key.
        args: the loss's arguments.
        rules: stop rules and stall levels.
        parts: arguments of the loss with the data that is measured on, one for each part.
        loss: the loss on flat points.
        choice: the optimizer.
        tile: shape of the inner program.
        watch: how often descents are looked at, and what is measured then.

    Returns:
        the ends, ``[n, ...]`` each; the stall log, ``[4 n, ...]``; and the number of segments, int32, every one of
        ``tile.steps * tile.lanes`` lane-steps.
    """
    plain = tile.native and tile.layout == "lanes_last"
    if plain:
        traced = partial(_traced, loss=loss, choice=choice, watch=watch)
        plain = native.is_plain(traced, jax.ShapeDtypeStruct(x0.shape[1:], x0.dtype), args, rules, parts)
    how = "native" if plain else str(x0.dtype)
    done: tuple[Ends, StallLog, Array] = COMPILED[how](
        x0, size, first, root, args, rules, parts, loss=loss, choice=choice, tile=tile, watch=watch, plain=plain
    )
    return done


def _descend(
    x0: Array,
    size: Array,
    first: Array,
    root: Array,
    args: Args,
    rules: Rules,
    parts: tuple[Args, ...],
    *,
    loss: Loss,
    choice: MakesOptimizer,
    tile: Tile,
    watch: Watch,
    plain: bool,
) -> tuple[Ends, StallLog, Array]:
    """Follow a block, as `descend` says; ``plain`` says that the steps between two looks are compiled whole."""
    axis = -1 if tile.layout == "lanes_last" else 0
    program = _Program(loss, args, choice.build(rules.numbers), rules, choice.needs_data(), watch, parts)

    def start(slot: Array) -> Lane:
        index = jnp.minimum(slot, x0.shape[0] - 1)
        x = x0[index]
        return _fresh(x, slot, _memory(program.optimizer, x, root, first, index), size, watch)

    starts = jax.vmap(start, out_axes=axis)

    def segment(state: tuple[Lane, Array, StallLog]) -> tuple[Lane, Array, StallLog]:
        lanes, segments, log = state
        for looks in _words(tile.steps):
            word = partial(_word, looks=looks, tile=tile, program=program, once=native.once if plain else native.fused)
            ended = (native.native(word) if plain else word)(lanes)
            log = jax.lax.cond(
                jnp.any(ended.length > 0), partial(_write_log, axis=axis), lambda log, _: log, log, ended
            )
            lanes = ended.lane
        return lanes, segments + 1, log

    def serve(carry: _Carry) -> _Carry:
        """Run until enough lanes have stopped, write what they found, and give them the next starts."""
        lanes, segments, log = jax.lax.while_loop(
            lambda state: ~_waiting(state[0], carry.taken < size, tile),
            segment,
            (carry.lanes, carry.segments, carry.log),
        )
        idle = lanes.outcome == Outcome.IDLE
        stopped = (lanes.outcome != Outcome.RUNNING) & ~(idle & (carry.taken >= size))
        if plain and carry.history is None:
            late = lanes.outcome == Outcome.OUT_OF_STEPS
            period = jax.lax.cond(jnp.any(late), returns, lambda lanes: jnp.zeros_like(lanes.steps), lanes)
            period = jnp.where(late, period, 0)
            lanes, taken, rows = native.native(one_by_one)(lanes, carry.taken, carry.rows, stopped, period)
            return _Carry(lanes, taken, segments, rows, None, log)
        place = jnp.cumsum(stopped.astype(jnp.int32)) - 1
        # A barrier, or XLA counts anew in each array that the lanes are made of.
        place, served = jax.lax.optimization_barrier((place, stopped & (place < most)))
        chosen = jnp.zeros(most, jnp.int32).at[jnp.where(served, place, most)].set(numbers, mode="drop")
        where = jnp.where(served & ~idle, lanes.slot, x0.shape[0])[chosen]
        late = lanes.outcome == Outcome.OUT_OF_STEPS
        round_ = jnp.any(late) & (not program.batched)  # batches lead nowhere twice
        period = jax.lax.cond(round_, returns, lambda lanes: jnp.zeros_like(lanes.steps), lanes)
        rows = carry.rows.at[where].set(_rows(lanes, jnp.where(late, period, 0), axis)[chosen], mode="drop")
        history = carry.history
        if history is not None and lanes.history is not None:
            history = history.at[where].set(jnp.moveaxis(lanes.history, axis, 0)[chosen], mode="drop")
        fresh = starts(jnp.where(served, jnp.minimum(carry.taken + place, size), lanes.slot))
        lanes = jax.tree.map(partial(_where, served, axis), fresh, lanes)
        taken = jnp.minimum(carry.taken + jnp.minimum(place[-1] + 1, most), size)
        return _Carry(lanes, taken, segments, rows, history, log)

    def one_by_one(lanes: Lane, taken: Array, rows: Array, stopped: Array, period: Array) -> tuple[Lane, Array, Array]:
        """Serve the lanes that have stopped, one after the other."""

        def following(k: Array) -> Array:
            return jax.lax.while_loop(lambda k: (k < tile.lanes) & ~stopped[jnp.minimum(k, tile.lanes - 1)], lambda k: k + 1, k)

        def work(state: tuple[Array, ...]) -> tuple[Array, ...]:
            k, taken, rows, x, slot = state
            lane = jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, k, -1, keepdims=False), lanes)
            rows = jax.lax.dynamic_update_slice(rows, _row(lane, period[k])[None], (lane.slot, jnp.int32(0)))
            new = x0[jnp.minimum(taken, x0.shape[0] - 1)]
            x = jax.lax.dynamic_update_index_in_dim(x, new, k, -1)
            slot = jax.lax.dynamic_update_index_in_dim(slot, jnp.minimum(taken, size), k, -1)
            return following(k + 1), taken + 1, rows, x, slot

        state = (following(jnp.int32(0)), taken, rows, lanes.x, lanes.slot)
        _, taken, rows, x, slot = jax.lax.while_loop(lambda state: state[0] < tile.lanes, work, state)

        def fresh(x: Array, slot: Array, stopped: Array, lane: Lane) -> Lane:
            index = jnp.minimum(slot, x0.shape[0] - 1)
            new = _fresh(x, slot, _memory(program.optimizer, x, root, first, index), size, watch)
            return jax.tree.map(partial(jnp.where, stopped), new, lane)

        return across(fresh, "lanes_last")(x, slot, stopped, lanes), jnp.minimum(taken, size), rows

    def returns(lanes: Lane) -> Array:
        """Return the period of each lane that goes round in a cycle, 0 for none."""

        def step(x: Array, memory: Any) -> tuple[Array, Any]:
            after = _step(_standing(x, memory), jnp.int32(1), jnp.inf, jnp.int32(0), program)
            return after.x, after.memory

        return cycles.period(across(step, tile.layout), lanes.x, lanes.memory, jnp.max(rules.reach), axis)

    most = max(1, tile.lanes // 2)  # lanes served at once: writing is dear, and seldom have more stopped
    numbers = jnp.arange(tile.lanes, dtype=jnp.int32)
    idle = starts(jnp.broadcast_to(size, tile.lanes))
    blank = watch.blank(x0.dtype)
    history = None if blank is None else jnp.broadcast_to(blank, (x0.shape[0], *blank.shape))
    carry = _Carry(idle, jnp.int32(0), jnp.int32(0), _no_rows(x0), history, _no_log(x0))
    carry = jax.lax.while_loop(lambda c: (c.taken < size) | jnp.any(c.lanes.outcome != Outcome.IDLE), serve, carry)
    ends = _valued(_ends(carry.rows[:-1], x0), loss, args)._replace(history=carry.history)
    return ends, carry.log, carry.segments


COMPILED = {
    how: jax.jit(
        _descend, static_argnames=("loss", "choice", "tile", "watch", "plain"), compiler_options=OPTIONS | options
    )
    for how, options in {"native": native.OPTIONS, "float32": RIGHT, "float64": {}}.items()
}
"""Programs with native parts must do without a library's sums, and so must those in float32 (see `RIGHT`)."""


@partial(jax.jit, static_argnames=("loss", "choice", "watch"))
def _traced(
    x: Array, args: Args, rules: Rules, parts: tuple[Args, ...], *, loss: Loss, choice: MakesOptimizer, watch: Watch
) -> Any:
    """Return what a step makes of a start ``x [d]``, in the primitives it takes; jit remembers them."""
    program = _Program(loss, args, choice.build(rules.numbers), rules, choice.needs_data(), watch, parts)
    history = program.watch.blank(x.dtype)
    row = None if history is None else jnp.int32(0)
    now = _standing(x, program.optimizer.init(x))._replace(row=row, history=history)
    return _step(now, jnp.int32(1), jnp.inf, jnp.int32(0), program)


def _standing(x: Array, memory: Any) -> _Stepping:
    """Return a lane before a step of which no history is kept."""
    return _Stepping(x, memory, None, None, jnp.int64(0), x)


def _words(steps: int) -> list[int]:
    """Return the numbers of looks of the words that make up a segment."""
    return [min(WORD, steps - done) for done in range(0, steps, WORD)]


def _word(lanes: Lane, looks: int, tile: Tile, program: _Program, once: native.Once) -> _Ended:
    """Run all lanes for a word of looks and find out what became of them."""
    rules, many = program.rules, partial(across, layout=tile.layout)
    alive = jnp.any(lanes.outcome == Outcome.RUNNING)
    left = jnp.minimum(rules.max_steps - lanes.steps, lanes.limit)
    left = jnp.where(lanes.outcome == Outcome.RUNNING, left, 0)
    ceiling = jnp.where(lanes.stretch.length > 0, rules.stall_above, jnp.inf)
    gradient = lanes.x if rules.centre.size > 1 else None
    bits = jnp.zeros(left.shape, jnp.int64)
    row = None if lanes.history is None else lanes.steps
    now = _Stepping(lanes.x, lanes.memory, row, lanes.history, bits, gradient)
    period = tile.sample if looks % tile.sample == 0 else 1

    def step(k: Array, now: _Stepping) -> _Stepping:
        def noted(bits: Array, x: Array, gradient: Array | None, *own: Array) -> Array:
            gradient = _gradient(x, program) if gradient is None else gradient
            return _noted(bits, x, gradient, *own, k, program)

        def moved(point: tuple[Any, ...], gradient: Array | None, bits: Array) -> tuple[Any, ...]:
            gradient = _gradient(point[0], program) if gradient is None else gradient
            return _moved(*point, gradient, bits, k, program)

        gradient = now.gradient
        if gradient is not None:
            gradient = once(alive, many(lambda _, x: _gradient(x, program)), gradient, now.x)
        bits = once(alive, many(noted), now.bits, now.x, gradient, left, ceiling)
        point = once(alive, many(moved), now[:4], gradient, bits)
        return _Stepping(*point, bits, gradient)

    def stride(state: tuple[_Stepping, Array, Array], begin: Array) -> tuple[tuple[_Stepping, Array, Array], None]:
        now, smallest, nearest = state
        smallest, nearest = nearer(now.x, smallest, nearest)
        if period == 1:
            return (step(begin, now), smallest, nearest), None
        now = jax.lax.fori_loop(begin, begin + period, step, now)
        return (now, smallest, nearest), None

    nearer = many(lambda x, smallest, nearest: _nearer(x, smallest, nearest, program))
    begins = jnp.arange(0, looks, period, dtype=jnp.int32)
    (now, smallest, nearest), _ = jax.lax.scan(
        stride, (now, lanes.stretch.smallest, lanes.stretch.x), begins, unroll=tile.unroll
    )
    seen, read = (jax.tree.map(lambda leaf: jnp.zeros((tile.lanes,), leaf.dtype), like) for like in _blank(lanes.x.dtype))
    seen = once(alive, many(lambda _, *own: _last_look(*own, looks, program)), seen, lanes, now)
    read = once(alive, many(lambda _, *own: _read(*own, looks, program)), read, lanes, now, seen)
    ended: _Ended = many(partial(_settle, looks=looks))(lanes, now, smallest, nearest, seen, read)
    return ended


def _valued(ends: Ends, loss: Loss, args: Args) -> Ends:
    """Call ends non-finite where the loss is no number although its gradient is, as log's of a negative one."""
    value = values(ends.x, args, loss=loss)
    stopped = (ends.outcome == Outcome.CONVERGED) | (ends.outcome == Outcome.FINISHED)
    stopped |= ends.outcome == Outcome.OUT_OF_STEPS
    return ends._replace(outcome=jnp.where(stopped & ~jnp.isfinite(value), jnp.int32(Outcome.NON_FINITE), ends.outcome))


def _waiting(lanes: Lane, queued: Array, tile: Tile) -> Array:
    """Whether enough lanes wait to be served; once the queue is empty, all of them."""
    stopped = lanes.outcome != Outcome.RUNNING
    enough = jnp.sum(stopped) >= max(1, round(tile.refill * tile.lanes))
    return jnp.where(queued, enough, jnp.all(stopped))


def _where(choose: Array, axis: int, new: Array, old: Array) -> Array:
    """Choose per lane between two arrays whose lanes lie on ``axis``."""
    return jnp.where(choose if axis == -1 else choose.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)


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
        jnp.zeros((rows, x0.shape[1]), x0.dtype),
        jnp.int32(0),
    )


CODES = 16  # more than there are outcomes; a cycle's period is written above its outcome
NUMBERS = 6  # of a row of `_rows`, beside its two points


def _rows(lanes: Lane, period: Array, axis: int) -> Array:
    """Return what is known of each lane's start as rows ``[lanes, 2 d + 6]`` of float64, which holds it all exactly.

    One row is written at a time on a CPU, whatever its width.
    """
    open_ = lanes.stretch
    since = jnp.where(open_.length > 0, lanes.steps + 1 - open_.length, -1)
    points = (jnp.moveaxis(x, axis, -1) for x in (lanes.x, open_.x))
    outcome = jnp.where(period > 0, Outcome.CYCLE + CODES * period, lanes.outcome)
    numbers = (outcome, lanes.steps, open_.count, open_.steps, since, open_.smallest)
    columns = [*points, *(number[None] for number in numbers)]
    return jnp.concatenate([column.astype(jnp.float64) for column in columns]).T


def _row(lane: Lane, period: Array) -> Array:
    """Return what is known of one lane's start, ``[2 d + 6]``, as `_rows` does of all."""
    open_ = lane.stretch
    since = jnp.where(open_.length > 0, lane.steps + 1 - open_.length, -1)
    outcome = jnp.where(period > 0, Outcome.CYCLE + CODES * period, lane.outcome)
    numbers = (outcome, lane.steps, open_.count, open_.steps, since, open_.smallest)
    return jnp.concatenate([x.astype(jnp.float64) for x in (lane.x, open_.x, *(n[None] for n in numbers))])


def _no_rows(x0: Array) -> Array:
    """Return the rows of starts that are not followed, and one for lanes that follow none."""
    rows = jnp.concatenate([x0, x0, jnp.zeros((x0.shape[0], NUMBERS))], axis=1, dtype=jnp.float64)
    return jnp.concatenate([rows, jnp.zeros((1, rows.shape[1]))])


def _ends(rows: Array, x0: Array) -> Ends:
    """Return the columns of the rows, in the precision of ``x0``."""
    dim = x0.shape[1]
    code, steps, stalls, stalled, since = rows[:, 2 * dim : -1].astype(jnp.int32).T
    return Ends(
        x=rows[:, :dim].astype(x0.dtype),
        outcome=code % CODES,
        steps=steps,
        period=code // CODES,
        stalls=stalls,
        stalled=stalled,
        since=since,
        smallest=rows[:, -1].astype(x0.dtype),
        x_smallest=rows[:, dim : 2 * dim].astype(x0.dtype),
    )


def _write_log(log: StallLog, ended: _Ended, axis: int) -> StallLog:
    """Append the stalls that have just ended, up to four of a start."""
    lanes, rank = ended.lane, ended.lane.stretch.count - 1
    stored = (ended.length > 0) & (rank < STORED)
    free = jnp.cumsum(stored.astype(jnp.int32))
    where = jnp.where(stored, log.count + free - 1, log.slot.shape[0])
    entry = lanes.steps - ended.length  # the look that ended it was the one at the lane's point
    points = (jnp.moveaxis(x, axis, 0) for x in (ended.x, lanes.x))
    rows = (lanes.slot, rank, entry, ended.length, ended.smallest, *points)
    written = [old.at[where].set(new, mode="drop") for old, new in zip(log[:-1], rows, strict=True)]
    return StallLog(*written, count=log.count + free[-1])  # type: ignore[misc]


PATH_CHUNK = 512  # steps of a path between two looks from the host


@partial(jax.jit, static_argnames=("loss", "choice", "watch"), compiler_options=RIGHT)
def _path_chunk(
    lanes: Lane, args: Args, rules: Rules, *, loss: Loss, choice: MakesOptimizer, watch: Watch
) -> tuple[Lane, Array]:
    program = _Program(loss, args, choice.build(rules.numbers), rules, choice.needs_data(), watch, ())

    def forward(lane: Lane, _: None) -> tuple[Lane, Array]:
        running = lane.outcome == Outcome.RUNNING
        left = jnp.where(running, rules.max_steps - lane.steps, 0)
        now = _step(_standing(lane.x, lane.memory), left, jnp.inf, jnp.int32(0), program)
        went = stretch.gone(now.bits, 1)
        steps = lane.steps + went
        stopped = running & (went == 0)
        worst = jnp.max(jnp.abs(_last_gradient(now, program)))
        outcome = jnp.where(stopped, _outcome(now.x, worst, steps, rules), lane.outcome)
        return lane._replace(x=now.x, memory=now.memory, steps=steps, outcome=outcome), now.x

    return jax.vmap(lambda lane: jax.lax.scan(forward, lane, length=PATH_CHUNK))(lanes)


@partial(jax.jit, static_argnames=("choice",))
def _path_starts(x0: Array, first: Array, root: Array, rules: Rules, *, choice: MakesOptimizer) -> Lane:
    optimizer = choice.build(rules.numbers)

    def start(x: Array, slot: Array) -> Lane:
        return _fresh(x, slot, _memory(optimizer, x, root, first, slot), jnp.int32(x0.shape[0]), Watch())

    return jax.vmap(start)(x0, jnp.arange(x0.shape[0], dtype=jnp.int32))


def follow(
    x0: Array,
    first: int,
    root: Array,
    args: Args,
    rules: Rules,
    *,
    loss: Loss,
    choice: MakesOptimizer,
    watch: Watch = Watch(),  # noqa: B008 - it is frozen
) -> tuple[list[np.ndarray], np.ndarray]:
    """Follow a few starts ``x0 [n, d]``, numbered from ``first``, and keep every point on the way that is looked at.

    Returns:
        per start its path ``[looks, d]``, and the outcomes ``[n]``. The program is not the engine's, so that
        paths may differ from its ends in the last bits.
    """
    lanes = _path_starts(x0, jnp.int64(first), root, rules, choice=choice)
    chunks = [np.asarray(x0)[:, None]]
    while bool(jnp.any(lanes.outcome == Outcome.RUNNING)):
        lanes, x = _path_chunk(lanes, args, rules, loss=loss, choice=choice, watch=watch)
        chunks.append(np.asarray(x))
    x = np.concatenate(chunks, axis=1)
    return [path[: n + 1] for path, n in zip(x, np.asarray(lanes.steps), strict=True)], np.asarray(lanes.outcome)
