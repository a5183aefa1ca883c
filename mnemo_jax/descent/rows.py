"""What is written of a descent's end and of its stalls."""

from collections import defaultdict
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import dynamic_index_in_dim as index
from jax.lax import dynamic_update_index_in_dim as update

from mnemo_jax import native
from mnemo_jax.descent.lane import Lane
from mnemo_jax.descent.word import Ended
from mnemo_jax.types import Outcome

STORED = 4  # stalls of one start that are stored one by one; further ones are only counted


class Ends(NamedTuple):
    """Where the starts of a block ended, ``n`` starts first.

    Attributes:
        x: ``[n, d]`` end points.
        outcome, steps: int32 ``[n]``.
        period: int32 ``[n]``, updates after which a cycle repeats itself, 0 for all that are none.
        stalls, stalled: int32 ``[n]``, number of ended stalls and steps spent in them.
        since: int32 ``[n]``, step at which the stretch of small gradients open at the end began, or -1.
        smallest, x_smallest: ``[n]`` and ``[n, d]``, smallest squared gradient norm of that stretch, and where.
        history: ``[n, looks, parts * functions]``, NaN past the end of a descent; None where nothing is measured.
    """

    x: np.ndarray
    outcome: np.ndarray
    steps: np.ndarray
    period: np.ndarray
    stalls: np.ndarray
    stalled: np.ndarray
    since: np.ndarray
    smallest: np.ndarray
    x_smallest: np.ndarray
    history: np.ndarray | None = None


class StallLog(NamedTuple):
    """Ended stalls of a block in no particular order, up to four of a start.

    Attributes:
        slot, rank: int32, which start of the block, and which of its stalls (0 to 3).
        entry, length: int32, step at which the gradient became small, and steps until it had grown again.
        smallest, x: smallest squared gradient norm, and the point where that was ``[d]``.
        exit: ``[d]``, the point at which the gradient had grown again.
    """

    slot: np.ndarray
    rank: np.ndarray
    entry: np.ndarray
    length: np.ndarray
    smallest: np.ndarray
    x: np.ndarray
    exit: np.ndarray


class Rows(NamedTuple):
    """Records on the device, few arrays because each of them costs every record that is written.

    Attributes:
        real: ``[n, 2 d + 1]``, two points and a number.
        whole: int32 ``[n, ...]``.
    """

    real: Array
    whole: Array


class Log(NamedTuple):
    """The first ``written`` rows are stalls that have ended; whatever is in the others is read by nobody."""

    rows: Rows
    written: Array


def ends_of(lanes: Lane, period: Array, axis: int) -> Rows:
    """Return what is written of each lane's start, with the lanes on ``axis``."""
    open_ = lanes.stretch
    outcome = jnp.where(period > 0, Outcome.CYCLE, lanes.outcome).astype(jnp.int32)
    since = jnp.where(open_.length > 0, lanes.steps + 1 - open_.length, -1)
    smallest = jnp.where(open_.length > 0, open_.smallest, jnp.inf).astype(open_.smallest.dtype)
    whole = (outcome, lanes.steps, period, open_.count, open_.steps, since)
    return _rows(lanes.x, open_.x, smallest, whole, axis)


def told_ends(rows: Rows, outcome: Array, history: Array | None, number: int) -> Ends:
    """Return on the host the first ends that rows of `ends_of` hold, with the ``outcome [n]`` known better by now."""
    x, nearest, smallest = _parted(np.asarray(rows.real))
    _, steps, period, stalls, stalled, since = np.asarray(rows.whole).T
    measured = None if history is None else np.asarray(history)
    ends = Ends(x, np.asarray(outcome), steps, period, stalls, stalled, since, smallest, nearest, measured)
    told: Ends = jax.tree.map(lambda column: column[:number], ends)
    return told


def no_ends(x0: Array) -> Rows:
    """Return the rows of starts ``x0 [n, d]`` before one of them has ended."""
    number, dim = x0.shape
    return Rows(jnp.zeros((number, 2 * dim + 1), x0.dtype), jnp.zeros((number, 6), jnp.int32))


@partial(jax.jit, keep_unused=True)  # on the device of x0
def no_log(x0: Array) -> Rows:
    """Return memory for the log of a block ``x0 [n, d]``."""
    rows, dim = STORED * x0.shape[0], x0.shape[1]
    return Rows(jnp.zeros((rows, 2 * dim + 1), x0.dtype), jnp.zeros((rows, 4), jnp.int32))


class Logs:
    """Memory of stall logs, from block to block: each has room for four stalls of every start, and few are written."""

    def __init__(self) -> None:
        self._free: defaultdict[Any, list[Rows]] = defaultdict(list)

    def taken(self, x0: Array) -> Rows:
        """Return memory for a block ``x0 [n, d]``, on its device."""
        free = self._free[self._kind(x0)]
        return free.pop() if free else no_log(x0)

    def kept(self, x0: Array, rows: Rows) -> None:
        """Keep what such a block has been given."""
        self._free[self._kind(x0)].append(rows)

    @staticmethod
    def _kind(x0: Array) -> Any:
        return x0.shape, x0.dtype, x0.device


def logged(log: Log, ended: Ended, axis: int, plain: bool) -> Log:
    """Return the log with the stalls that have just ended, up to four of a start; one by one in a native function."""
    lanes, past, length = ended.lanes, ended.lanes.stretch, ended.length
    rank = past.count - 1
    stored = (length > 0) & (rank < STORED)
    entry = lanes.steps - length  # the look that ended it was the one at the lane's point
    own = _rows(past.x, lanes.x, past.smallest, (lanes.slot, rank, entry, length), axis)
    if plain:

        def write(k: Array, log: Log) -> Log:
            return Log(written(log.rows, own, k, log.written), log.written + 1)

        done: Log = native.each(stored, write, log)
        return done
    free = jnp.cumsum(stored.astype(jnp.int32))
    where = jnp.where(stored, log.written + free - 1, log.rows.real.shape[0])
    return Log(put(log.rows, own, where, axis), log.written + free[-1])


def told_log(log: Log) -> StallLog:
    """Return on the host the stalls that a log holds."""
    count, most = int(log.written), log.rows.real.shape[0]
    first = _first(log.rows, number=min(most, 1 << count.bit_length()))
    x, leaving, smallest = _parted(np.asarray(first.real)[:count])
    slot, rank, entry, length = np.asarray(first.whole)[:count].T
    return StallLog(slot, rank, entry, length, smallest, x, leaving)


@partial(jax.jit, static_argnames="number")
def _first(rows: Rows, *, number: int) -> Rows:
    """Return the first rows, so that no more than these leave the device."""
    return Rows(rows.real[:number], rows.whole[:number])


def _rows(x: Array, y: Array, number: Array, whole: tuple[Array, ...], axis: int) -> Rows:
    """Return rows of two points, a number and whole ones, ``axis`` being that of the rows in all of these."""
    along = 0 if axis == -1 else 1
    return Rows(
        jnp.concatenate([x, y, jnp.expand_dims(number, along)], axis=along),
        jnp.stack(whole, axis=along).astype(jnp.int32),
    )


def _parted(real: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dim = real.shape[1] // 2
    return real[:, :dim], real[:, dim:-1], real[:, -1]


def written(old: Rows, new: Rows, k: Array, row: Array) -> Rows:
    """Return rows with number ``row`` replaced by number ``k`` of the new ones, which are on the last axis."""
    row = row.astype(jnp.uint32)  # jax looks for negative numbers in others
    return jax.tree.map(lambda a, b: update(a, index(b, k, 1, keepdims=False), row, 0), old, new)


def put(old: Rows, new: Rows, where: Array, axis: int) -> Rows:
    """Return rows with the new ones, which are on ``axis``, written to ``where``, or nowhere if that is no row."""
    return jax.tree.map(lambda a, b: a.at[where].set(jnp.moveaxis(b, axis, 0), mode="drop"), old, new)


def chosen(rows: Rows, which: Array, axis: int) -> Rows:
    """Return some of the rows on ``axis``."""
    return Rows(*(jnp.take(array, which, axis=axis) for array in rows))
