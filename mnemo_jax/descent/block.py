"""A block of starts, followed to their ends on one device."""

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax import cycles, elementary, native
from mnemo_jax.calculus import RIGHT, Args, Loss, Watch, values
from mnemo_jax.descent.lane import Lane, Queue
from mnemo_jax.descent.program import MakesOptimizer, Program, Rules, program_of
from mnemo_jax.descent.rows import Ends, Log, Logs, Rows, StallLog, ends_of, logged, no_ends, told_ends, told_log
from mnemo_jax.descent.serving import Served, one_by_one, starts, together, waiting
from mnemo_jax.descent.step import first_step, standing, step
from mnemo_jax.descent.word import Scratch, Ways, scratch, word, words
from mnemo_jax.lanes import across
from mnemo_jax.types import Outcome, Tile

TRACING = Lock()
PROGRAMS: dict[Any, Callable[..., Any]] = {}
"""Those that have been asked for; to ask jax costs as much as a hundred short descents."""


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
    logs: Logs | None = None,
) -> tuple[Ends, StallLog, int]:
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
        logs: memory of earlier blocks' stall logs, for this one's; without it is made anew.

    Returns:
        on the host the ends, ``[size, ...]`` each; the stalls; and the number of segments, every one of ``tile.steps *
        tile.lanes`` lane-steps.
    """
    x0, logs = jnp.asarray(x0), logs or Logs()
    given = (logs.taken(x0), Queue(x0, size, first, root), args, rules, parts)
    fixed: dict[str, Any] = {"loss": loss, "choice": choice, "tile": tile, "watch": watch}
    program = _program(given, fixed)
    (rows, outcome, history), log, segments = program(*given, **fixed)
    told = told_ends(rows, outcome, history, int(size)), told_log(log), int(segments)
    logs.kept(x0, log.rows)
    return told


def _program(given: tuple[Any, ...], fixed: dict[str, Any]) -> Callable[..., Any]:
    """Return the program for blocks of such shapes, traced by the first who asks; devices ask at the same time."""
    leaves, tree = jax.tree.flatten(given)
    kind = tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves), tuple(fixed.values())
    with TRACING:
        if kind not in PROGRAMS:
            _, queue, args, rules, _ = given
            plain = is_native(queue.x0, args, rules, **fixed)
            program = COMPILED["native" if plain else str(queue.x0.dtype)]
            program.trace(*given, **fixed, plain=plain)
            PROGRAMS[kind] = partial(program, plain=plain)
        return PROGRAMS[kind]


def is_native(
    x0: Any, args: Args, rules: Rules, *, loss: Loss, choice: MakesOptimizer, tile: Tile, watch: Watch
) -> bool:
    """Return whether the program for blocks like ``x0 [n, d]`` is compiled whole (see `native`)."""
    if not (tile.native and tile.layout == "lanes_last") or watch.looks:
        return False
    start = jax.ShapeDtypeStruct(x0.shape[1:], x0.dtype)
    first = jax.make_jaxpr(partial(first_step, loss=loss, choice=choice, watch=watch))
    return native.is_plain(first(start, args, rules))


class _Carry(NamedTuple):
    """What is served, arrays to write over, segments run, and the stall log."""

    served: Served
    scratch: Scratch
    segments: Array
    log: Log


def _descend(
    memory: Rows,
    queue: Queue,
    args: Args,
    rules: Rules,
    parts: tuple[Args, ...],
    *,
    loss: Loss,
    choice: MakesOptimizer,
    tile: Tile,
    watch: Watch,
    plain: bool,
) -> tuple[tuple[Rows, Array, Array | None], Log, Array]:
    """Follow a block, as `descend` says; ``plain`` says that it is compiled whole.

    Returns:
        what `told_ends` and `told_log` take, the log in the ``memory`` given; and the segments.
    """
    x0, size, axis = queue.x0, queue.size, tile.axis
    program = program_of(loss, args, rules, parts, choice, watch)
    many = partial(across, layout=tile.layout, instead=elementary.INSTEAD if plain else {})
    ways = Ways(many, native.once, native.number_of) if plain else Ways(many, native.fused, jnp.count_nonzero)

    def segment(state: tuple[Lane, Scratch, Array, Log]) -> tuple[Lane, Scratch, Array, Log]:
        lanes, old, segments, log = state
        for looks in words(tile.steps):
            ended, old = word(lanes, old, looks, tile, program, ways)
            write = partial(logged, axis=axis, plain=plain)
            log = jax.lax.cond(ended.some, write, lambda log, _: log, log, ended)
            lanes = ended.lanes
        return lanes, old, segments + 1, log

    def serve(carry: _Carry) -> _Carry:
        """Run until enough lanes have stopped, and serve them."""
        lanes, old, segments, log = jax.lax.while_loop(
            lambda state: ~waiting(state[0], carry.served.taken, queue, tile, ways),
            segment,
            (carry.served.lanes, carry.scratch, carry.segments, carry.log),
        )
        own = ends_of(lanes, _periods(lanes, program, ways, axis), axis)
        now = carry.served._replace(lanes=lanes)
        serving = one_by_one if plain else together
        return _Carry(serving(now, own, queue, program, tile), old, segments, log)

    def going(carry: _Carry) -> Array:
        lanes, taken = carry.served.lanes, carry.served.taken
        return (taken < size) | (ways.number_of(lanes.outcome != Outcome.IDLE) > 0)

    def run(memory: Rows) -> _Carry:
        """Follow all starts, from lanes that are made in here: a program of many parts would run in jax's pool."""
        one = starts(size[None], queue, program, axis)
        idle = jax.tree.map(partial(jnp.repeat, repeats=tile.lanes, axis=axis), one)
        blank = watch.blank(x0.dtype)
        history = None if blank is None else jnp.broadcast_to(blank, (x0.shape[0], *blank.shape))
        true = size > -1  # as every number of starts
        old = scratch(true, idle.x) if plain else Scratch(true)
        carry = _Carry(Served(idle, jnp.int32(0), no_ends(x0), history), old, jnp.int32(0), Log(memory, jnp.int32(0)))
        done: _Carry = jax.lax.while_loop(going, serve, carry)
        return done

    carry = (native.native(run) if plain else run)(memory)
    ends = carry.served.ends
    x, outcome = ends.real[:, : x0.shape[1]], ends.whole[:, 0]
    at = many(program.value)(jnp.moveaxis(x, 0, axis)) if plain else values(x, args, loss=loss)
    return (ends, _valued(outcome, at), carry.served.history), carry.log, carry.segments


COMPILED = {
    how: jax.jit(
        _descend,
        static_argnames=("loss", "choice", "tile", "watch", "plain"),
        donate_argnames=("memory",),
        compiler_options=native.WIDE | options,
    )
    for how, options in {"native": native.OPTIONS, "float32": RIGHT, "float64": {}}.items()
}
"""Programs with native parts must do without a library's sums, and so must those in float32 (see `RIGHT`)."""


def _periods(lanes: Lane, program: Program, ways: Ways, axis: int) -> Array:
    """Return the period of each lane that is out of steps and goes round in a cycle, int32, 0 for none."""

    def update(x: Array, memory: Any) -> tuple[Array, Any]:
        after = step(standing(x, memory), jnp.int64(0), jnp.int32(0), program)
        return after.point.x, after.point.memory

    def returns(lanes: Lane) -> Array:
        reach = jnp.max(program.rules.reach)
        return cycles.period(ways.many(update), lanes.x, lanes.memory, reach, axis)

    late = lanes.outcome == Outcome.OUT_OF_STEPS
    none = jnp.zeros_like(lanes.steps)
    if program.batched:  # batches lead nowhere twice
        return none
    return jnp.where(late, jax.lax.cond(ways.number_of(late) > 0, returns, lambda _: none, lanes), 0)


def _valued(outcome: Array, value: Array) -> Array:
    """Call ends non-finite where the loss is no number although its gradient is, as log's of a negative one."""
    stopped = (outcome == Outcome.CONVERGED) | (outcome == Outcome.FINISHED) | (outcome == Outcome.OUT_OF_STEPS)
    return jnp.where(stopped & ~jnp.isfinite(value), jnp.int32(Outcome.NON_FINITE), outcome)
