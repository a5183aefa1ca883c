"""What is written of a descent's end and of its stalls: a row of numbers each, and the columns they are read as.

One row is written at a time on a CPU, whatever its width. Rows are float64, which holds all there is exactly.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax import native
from mnemo_jax.descent.lane import Lane
from mnemo_jax.descent.word import Ended
from mnemo_jax.types import Either, Outcome

STORED = 4  # stalls of one start that are stored one by one; further ones are only counted
CODES = 16  # more than there are outcomes; a cycle's period is written above its outcome
NUMBERS = 6  # of an end's row, beside its two points


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


def no_rows(x0: Array) -> Array:
    """Return the rows of starts ``x0 [n, d]`` that are not followed, and one more for lanes that follow none."""
    rows = jnp.concatenate([x0, x0, jnp.zeros((x0.shape[0], NUMBERS))], axis=1, dtype=jnp.float64)
    return jnp.concatenate([rows, jnp.zeros((1, rows.shape[1]))])


class Columns(NamedTuple):
    """What is known of each lane's start: points ``x`` and ``x_smallest [d, lanes]``, and numbers ``[lanes]``."""

    points: tuple[Array, Array]
    numbers: tuple[Array, ...]

    def row(self, k: Array) -> Array:
        """Return the row of lane ``k``, ``[1, 2 d + 6]``."""
        points = [jax.lax.dynamic_index_in_dim(x, k, 1, keepdims=False) for x in self.points]
        return _joined([*points, *(number[k][None] for number in self.numbers)])[None]

    def rows(self) -> Array:
        """Return the rows of all lanes, ``[lanes, 2 d + 6]``."""
        return _joined([*self.points, *(number[None] for number in self.numbers)]).T


def _joined(parts: list[Array]) -> Array:
    return jnp.concatenate([part.astype(jnp.float64) for part in parts])


def columns_of(lanes: Lane, period: Array, axis: int) -> Columns:
    """Return what is known of each lane's start, its lanes on ``axis``."""
    open_ = lanes.stretch
    since = jnp.where(open_.length > 0, lanes.steps + 1 - open_.length, -1)
    outcome = jnp.where(period > 0, Outcome.CYCLE + CODES * period, lanes.outcome)
    numbers = (outcome, lanes.steps, open_.count, open_.steps, since, open_.smallest)
    return Columns((jnp.moveaxis(lanes.x, axis, -1), jnp.moveaxis(open_.x, axis, -1)), numbers)


def ends(rows: Array, x0: Array) -> Ends:
    """Return the columns of the rows, in the precision of ``x0``."""
    dim = x0.shape[1]
    code, steps, stalls, stalled, since = rows[:-1, 2 * dim : -1].astype(jnp.int32).T
    return Ends(
        x=rows[:-1, :dim].astype(x0.dtype),
        outcome=code % CODES,
        steps=steps,
        period=code // CODES,
        stalls=stalls,
        stalled=stalled,
        since=since,
        smallest=rows[:-1, -1].astype(x0.dtype),
        x_smallest=rows[:-1, dim : 2 * dim].astype(x0.dtype),
    )


def no_log(x0: Array) -> StallLog:
    """Return the log of a block ``x0 [n, d]`` in which no stall has ended."""
    rows = STORED * x0.shape[0]
    number, point = jnp.zeros(rows, jnp.int32), jnp.zeros((rows, x0.shape[1]), x0.dtype)
    return StallLog(number, number, number, number, point[:, 0], point, point, jnp.int32(0))


def logged(log: StallLog, ended: Ended, axis: int, plain: bool) -> StallLog:
    """Return the log with the stalls that have just ended, up to four of a start; one by one in a native function."""
    lanes, rank = ended.lane, ended.lane.stretch.count - 1
    stored = (ended.length > 0) & (rank < STORED)
    entry = lanes.steps - ended.length  # the look that ended it was the one at the lane's point
    points = (jnp.moveaxis(x, axis, 0) for x in (ended.x, lanes.x))
    own = (lanes.slot, rank, entry, ended.length, ended.smallest, *points)
    if plain:

        def write(k: Array, log: StallLog) -> StallLog:
            pairs = zip(log[:-1], own, strict=True)
            written = [jax.lax.dynamic_update_index_in_dim(old, new[k], log.count, 0) for old, new in pairs]
            return StallLog._make([*written, log.count + 1])

        done: StallLog = native.each(stored, write, log)
        return done
    free = jnp.cumsum(stored.astype(jnp.int32))
    where = jnp.where(stored, log.count + free - 1, log.slot.shape[0])
    written = [old.at[where].set(new, mode="drop") for old, new in zip(log[:-1], own, strict=True)]
    return StallLog._make([*written, log.count + free[-1]])
