"""A block of starts on its way over the devices, and its descents as they come back."""

from concurrent.futures import Future, wait
from typing import NamedTuple

import jax
import numpy as np

from mnemo_jax.descent import Ends, StallLog, descend
from mnemo_jax.keys import root_of
from mnemo_jax.prepare import Prepared, part_size
from mnemo_jax.stretch import OPENING


class Stalls(NamedTuple):
    """Stalls of a block, one row each, ordered by start and then by time.

    Attributes:
        start: int64, start number.
        rank: int32, which of the start's stalls.
        entry, length: int32, step at which the gradient became small, and steps it stayed so.
        smallest: smallest gradient norm.
        x: ``[n, d]``, where that was.
        exit: ``[n, d]``, where the gradient had grown again, NaN for a stall that did not end.
        censored: whether the descent ended in it.
    """

    start: np.ndarray
    rank: np.ndarray
    entry: np.ndarray
    length: np.ndarray
    smallest: np.ndarray
    x: np.ndarray
    exit: np.ndarray
    censored: np.ndarray


class Block(NamedTuple):
    """A block's descents as they leave the devices, start numbers ``first ..``; everything numpy, points float64.

    Attributes:
        first: number of the first start.
        x: ``[n, d]`` end points.
        outcome, steps, period: int32 ``[n]``; the period of a cycle, 0 for all that are none.
        stalls: the ended ones, in no order.
        count, stalled: int32 ``[n]``, number of ended stalls of each start, and steps in them.
        open_length: int32 ``[n]``, steps of the stretch of small gradients open at the end, 0 for none.
        open_smallest, open_x: ``[n]`` and ``[n, d]``, smallest squared gradient norm of that stretch, and where.
        history: ``[n, looks, measures]`` of what was measured on the way, None for nothing.
    """

    first: int
    x: np.ndarray
    outcome: np.ndarray
    steps: np.ndarray
    period: np.ndarray
    stalls: Stalls
    count: np.ndarray  # type: ignore[assignment]
    stalled: np.ndarray
    open_length: np.ndarray
    open_smallest: np.ndarray
    open_x: np.ndarray
    history: np.ndarray | None = None


Part = tuple[Ends, StallLog, int]


def send(prepared: Prepared, number: int) -> list[Future[Part]]:
    """Send a block of starts to the devices, an equal part to each; returns at once."""
    plan, root = prepared.plan, root_of(prepared.plan.seed)
    first, part = number * plan.block, part_size(plan, prepared.devices)
    size = min(plan.block, plan.count - first)

    def work(k: int, device: jax.Device) -> Part:
        own, start = min(max(size - k * part, 0), part), first + k * part
        given = (np.int32(own), np.int64(start), root, prepared.args, prepared.rules, prepared.parts)
        followed, number, *others = jax.device_put(given, device)
        x0 = prepared.draw(number, part).astype(plan.precision)
        ends, log, segments = descend(
            jax.device_put(x0, device),
            followed,
            number,
            *others,
            **prepared.fixed,
            logs=prepared.logs,
        )
        log = log._replace(slot=log.slot.astype(np.int64) + start)
        return *_in_steps(ends, log, prepared.watch.every), segments

    return prepared.devices.each(work)


def _in_steps(ends: Ends, log: StallLog, every: int) -> tuple[Ends, StallLog]:
    """Return ends and stalls with steps counted in updates; the engine counts looks."""
    if every == 1:
        return ends, log
    return (
        ends._replace(
            steps=ends.steps * every,
            stalled=ends.stalled * every,
            period=ends.period * every,
            since=np.where(ends.since >= 0, ends.since * every, ends.since),
        ),
        log._replace(entry=log.entry * every, length=log.length * every),
    )


def descend_block(prepared: Prepared, number: int) -> tuple[Block, int, int]:
    """Follow one block of starts; return it with its useful and total lane-steps."""
    return collect(prepared, number, send(prepared, number))


def _ready(pending: list[Future[Part]]) -> list[Part]:
    """Wait for a block, awake often enough for Ctrl-C to be heard."""
    while wait(pending, timeout=0.1).not_done:
        pass
    return [future.result() for future in pending]


def collect(prepared: Prepared, number: int, pending: list[Future[Part]]) -> tuple[Block, int, int]:
    """Bring a block together on the host; return it with its useful and total lane-steps."""
    parts, every = _ready(pending), prepared.watch.every
    ends = jax.tree.map(_joined, *(part[0] for part in parts))
    length = ends.steps - ends.since
    length *= (ends.since >= 0) & (length >= OPENING * every)
    block = Block(
        first=number * prepared.plan.block,
        x=ends.x.astype(np.float64, copy=False),
        outcome=ends.outcome,
        steps=ends.steps,
        period=ends.period,
        stalls=_ended([log for _, log, _ in parts]),
        count=ends.stalls,
        stalled=ends.stalled,
        open_length=length,
        open_smallest=ends.smallest,
        open_x=ends.x_smallest,
        history=ends.history,
    )
    useful = int(np.sum(ends.steps, dtype=np.int64)) + len(ends.steps) * every
    segments = sum(part[2] for part in parts)
    return block, useful, segments * prepared.plan.tile.lanes * prepared.plan.tile.steps * every


def _joined(*columns: np.ndarray) -> np.ndarray:
    """Return parts of a column one after the other; each point as one item, as numpy copies few numbers slowly."""
    first = columns[0]
    if first.ndim != 2:
        return np.concatenate(columns)
    item = np.dtype((np.void, first.shape[1] * first.itemsize))
    return np.concatenate([column.view(item) for column in columns]).view(first.dtype)


def _ended(logs: list[StallLog]) -> Stalls:
    """Return the ended stalls of a block."""
    log = jax.tree.map(_joined, *logs)
    return Stalls(
        start=log.slot,
        rank=log.rank,
        entry=log.entry,
        length=log.length,
        smallest=np.sqrt(log.smallest.astype(np.float64)),
        x=log.x.astype(np.float64),
        exit=log.exit.astype(np.float64),
        censored=np.zeros(len(log.slot), bool),
    )
