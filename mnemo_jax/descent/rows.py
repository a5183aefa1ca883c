"""What is written of a descent's end and of its stalls."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax import native
from mnemo_jax.descent.lane import Lane
from mnemo_jax.descent.word import Ended
from mnemo_jax.types import Either, Outcome

STORED = 4  # stalls of one start that are stored one by one; further ones are only counted


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


def ends_of(lanes: Lane, period: Array, axis: int) -> Ends:
    """Return what is written of each lane's start, ``[lanes, ...]``, from lanes on ``axis``."""
    open_ = lanes.stretch
    return Ends(
        x=jnp.moveaxis(lanes.x, axis, 0),
        outcome=jnp.where(period > 0, Outcome.CYCLE, lanes.outcome).astype(jnp.int32),
        steps=lanes.steps,
        period=period,
        stalls=open_.count,
        stalled=open_.steps,
        since=jnp.where(open_.length > 0, lanes.steps + 1 - open_.length, -1),
        smallest=open_.smallest,
        x_smallest=jnp.moveaxis(open_.x, axis, 0),
    )


def no_ends(x0: Array) -> Ends:
    """Return the ends of starts ``x0 [n, d]`` before one of them has ended."""
    number = x0.shape[0]
    return Ends._make([x0, *_apart(number, 6), jnp.zeros(number, x0.dtype), jnp.ones_like(x0), None])


def _apart(number: int, arrays: int) -> list[Array]:
    """Return int32 arrays ``[number]``, each of one number of its own: XLA makes equal ones once, and copies that."""
    return [jnp.full(number, k, jnp.int32) for k in range(arrays)]


def packed(ends: Ends) -> Array:
    """Return ends as rows ``[n, 2 d + 7]``: one row is written at a time on a CPU, whatever its width.

    They are float64, which holds all there is exactly.
    """
    columns = [column[:, None] if column.ndim == 1 else column for column in ends if column is not None]
    return jnp.concatenate([column.astype(jnp.float64) for column in columns], axis=1)


def unpacked(rows: Array, like: Ends) -> Ends:
    """Return the ends that rows hold, in the shapes and kinds of ``like``."""
    widths = [column.shape[1] if column.ndim == 2 else 1 for column in like if column is not None]
    parts = jnp.split(rows, np.cumsum(widths)[:-1], axis=1)
    pairs = zip(parts, like, strict=False)
    return Ends(*(part.reshape(column.shape).astype(column.dtype) for part, column in pairs))


def written(old: Any, new: Any, k: Array, row: Array) -> Any:
    """Return arrays with row ``row`` of each replaced by row ``k`` of the new ones."""
    return jax.tree.map(lambda a, b: jax.lax.dynamic_update_index_in_dim(a, b[k], row, 0), old, new)


def no_log(x0: Array) -> StallLog:
    """Return the log of a block ``x0 [n, d]`` in which no stall has ended."""
    rows = STORED * x0.shape[0]
    points = [jnp.full((rows, x0.shape[1]), k, x0.dtype) for k in (1, 2)]
    return StallLog._make([*_apart(rows, 4), jnp.zeros(rows, x0.dtype), *points, jnp.int32(0)])


def logged(log: StallLog, ended: Ended, axis: int, plain: bool) -> StallLog:
    """Return the log with the stalls that have just ended, up to four of a start; one by one in a native function."""
    lanes, rank = ended.lane, ended.lane.stretch.count - 1
    stored = (ended.length > 0) & (rank < STORED)
    entry = lanes.steps - ended.length  # the look that ended it was the one at the lane's point
    points = (jnp.moveaxis(x, axis, 0) for x in (ended.x, lanes.x))
    own = (lanes.slot, rank, entry, ended.length, ended.smallest, *points)
    if plain:

        def write(k: Array, log: StallLog) -> StallLog:
            return StallLog._make([*written(log[:-1], own, k, log.count), log.count + 1])

        done: StallLog = native.each(stored, write, log)
        return done
    free = jnp.cumsum(stored.astype(jnp.int32))
    where = jnp.where(stored, log.count + free - 1, log.slot.shape[0])
    rows = [old.at[where].set(new, mode="drop") for old, new in zip(log[:-1], own, strict=True)]
    return StallLog._make([*rows, log.count + free[-1]])
