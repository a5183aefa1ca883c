"""Edge tracking: along the boundary between two basins to the saddle that its points descend to.

A pair of points on either side of a boundary, brought close by bisection, descends side by side: along the boundary
both go the same way, across it they part. Bisected again and again, the pair follows the boundary's own descent to
where that ends (Skufca, Yorke and Eckhardt 2006, Phys. Rev. Lett. 96, 174101; Battelino et al. 1988, Physica D 32).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.calculus import Args, Loss
from mnemo_jax.catalogue import Metric, Table, cluster, merge
from mnemo_jax.judge import Judge
from mnemo_jax.labelling import table_of
from mnemo_jax.rays import Asked
from mnemo_jax.symmetry import canonical
from mnemo_jax.tiles import in_tiles
from mnemo_jax.types import Either, Kind

ALONG = 127  # parts of the segment between two minima, at whose ends labels are asked for
CUT = 0.48  # where a bracket is cut: in its middle a saddle may lie by symmetry, as in that of an even number of parts
EACH = 3  # boundary pairs tracked for two basins, those of lowest loss
CLOSE, APART = 1e-8, 1e-4  # box lengths to which a pair is brought together, and at which it is again
WALK = 4096  # steps side by side, at most, between two bisections; 1, 2, 4, ... at first, where points move fast
ROUNDS = 100
PARTED = 10.0  # times as far apart as they were, where that is further
STILL = 1e-6  # box lengths, by which an edge point that has settled moves in a round
TILE = 256


class Brackets(NamedTuple):
    """Pairs of points ``low`` and ``high [n, d]`` with their labels ``a`` and ``b [n]``, int64."""

    low: np.ndarray
    high: np.ndarray
    a: np.ndarray
    b: np.ndarray

    def take(self, rows: np.ndarray) -> "Brackets":
        """Return the rows asked for."""
        return Brackets(*(column[rows] for column in self))


class Edges(NamedTuple):
    """What edge tracking came to, ``n`` boundary pairs and ``m`` distinct critical points.

    Attributes:
        pair: int64 ``[n, 2]``, labels of the basins on either side when tracking began.
        path: ``[k, n, d]``, the edge points after every bisection, from where they were found on their boundary.
        lost: bool ``[n]``, whether the pair came to lie on one side of the boundary; its path ends before that.
        point: int64 ``[n]``, row of ``table`` that the end was polished to, -1 for none and where it was lost.
        table: the ``m`` points.
    """

    pair: np.ndarray
    path: np.ndarray
    lost: np.ndarray
    point: np.ndarray
    table: Table


def edges(asked: Asked, rows: np.ndarray, judge: Judge, rate: float) -> Edges:
    """Track the boundary between every two of the minima whose basins touch to where it leads.

    Touching basins are looked for along the segments between the minima. All pairs are followed at once.

    Args:
        asked: tells labels; its descents must be gradient descent, as the steps between bisections are.
        rows: labels of the minima.
        judge: polishes and classifies points.
        rate: learning rate of the steps side by side.
    """
    found = bisected(asked, touching(asked, rows, judge.metric), judge.metric.length)
    path, lost = tracked(asked, found, judge, rate)
    row = np.full(len(lost), -1)
    points, row[~lost] = _polished(path[-1][~lost], judge)
    return Edges(np.stack([found.a, found.b], axis=1), path, lost, row, points)


def touching(asked: Asked, rows: np.ndarray, metric: Metric) -> Brackets:
    """Return brackets of the boundaries between basins of minima that the segments between the ``rows`` cross.

    For every two basins those `EACH` brackets are kept that come first in the order of the segments' lengths.
    """
    first, second = np.triu_indices(len(rows), 1)
    x = asked.table.x[rows]
    origin, gap = x[first], metric.gap(x[second], x[first])
    order = np.argsort(np.linalg.norm(gap, axis=1), kind="stable")
    x = origin[order, None] + np.linspace(0, 1, ALONG + 1)[:, None] * gap[order, None]
    label = asked.labels(x.reshape(-1, x.shape[-1])).reshape(x.shape[:2])
    minimum = np.append(asked.table.kind == Kind.MINIMUM, False)
    change = (label[:, 1:] != label[:, :-1]) & minimum[label[:, 1:]] & minimum[label[:, :-1]]
    segment, place = np.nonzero(change)
    low, high = np.sort(np.stack([label[segment, place], label[segment, place + 1]]), axis=0)
    flip = low != label[segment, place]
    ends = np.stack([x[segment, place], x[segment, place + 1]])
    found = Brackets(np.where(flip[:, None], ends[1], ends[0]), np.where(flip[:, None], ends[0], ends[1]), low, high)
    return found.take(_first_of_each(low, high, EACH))


def _first_of_each(a: np.ndarray, b: np.ndarray, most: int) -> np.ndarray:
    """Return the rows that are among the first ``most`` with their pair of labels."""
    seen: dict[tuple[int, int], int] = {}
    kept = []
    for row, pair in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        seen[pair] = seen.get(pair, 0) + 1
        if seen[pair] <= most:
            kept.append(row)
    return np.array(kept, np.int64)


def bisected(asked: Asked, found: Brackets, length: float) -> Brackets:
    """Return brackets brought together to `CLOSE` box lengths; a third label between makes a new far end.

    Descents from the boundary itself end at its saddle, or are too slow for the stop rules: a bracket of two minima
    closer than `APART` stays as it is then.
    """
    low, high, b = found.low.copy(), found.high.copy(), found.b.copy()
    slow = np.zeros(len(b), bool)
    while len(go := np.flatnonzero(~slow & (_width(low, high) > CLOSE * length))):
        middle = low[go] + CUT * (high[go] - low[go])
        label = asked.labels(middle)
        minimum = np.append(asked.table.kind == Kind.MINIMUM, False)
        slow[go] = ~minimum[label] & minimum[b[go]] & (_width(low[go], high[go]) <= APART * length)
        own, other = label == found.a[go], (label != found.a[go]) & ~slow[go]
        low[go[own]] = middle[own]
        high[go[other]], b[go[other]] = middle[other], label[other]
    return Brackets(low, high, found.a, b)


def _width(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.linalg.norm(high - low, axis=1)


def tracked(asked: Asked, found: Brackets, judge: Judge, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Follow the boundary from brackets; return the edge points' paths ``[k, n, d]`` and which were lost."""
    length = judge.metric.length
    now = Brackets(*(column.copy() for column in found))
    going, lost = np.ones(len(now.a), bool), np.zeros(len(now.a), bool)
    path = [0.5 * (now.low + now.high)]
    for number in range(ROUNDS):
        if not len(go := np.flatnonzero(going)):
            break
        steps = min(WALK, 1 << number)
        walked = _side_by_side(now.low[go], now.high[go], judge, rate, steps)
        before, after = asked.labels(np.concatenate([walked.low, walked.high])).reshape(2, -1)
        still = (before == now.a[go]) & (after != now.a[go])  # on either side of the boundary
        full = (walked.steps[still] < steps) | (steps == WALK)
        lost[go[~still]] = True
        go = go[still]
        pair = bisected(asked, Brackets(walked.low[still], walked.high[still], now.a[go], after[still]), length)
        for column, new in zip(now, pair, strict=True):
            column[go] = new
        path.append(0.5 * (now.low + now.high))
        moved = np.linalg.norm(path[-1] - path[-2], axis=1)[go]
        going[go] = ~full | (moved > STILL * length + _width(pair.low, pair.high))
        going &= ~lost
    return np.stack(path), lost


class _Walked(NamedTuple):
    low: Either
    high: Either
    steps: Either


def _side_by_side(low: np.ndarray, high: np.ndarray, judge: Judge, rate: float, most: int) -> _Walked:
    """Descend from both points of each pair ``[n, d]`` until they are `APART`, or for ``most`` steps."""
    far = np.maximum(APART * judge.metric.length, PARTED * _width(low, high))
    return in_tiles(lambda a, b, r: _walked(a, b, r, judge.args, rate, most, loss=judge.loss), TILE, low, high, far)


@partial(jax.jit, static_argnames=("loss",))
def _walked(low: Array, high: Array, far: Array, args: Args, rate: float, most: int, *, loss: Loss) -> _Walked:
    grad = jax.grad(loss)

    def step(now: _Walked) -> _Walked:
        low, high = (x - rate * grad(x, args) for x in (now.low, now.high))
        return _Walked(low, high, now.steps + 1)

    def walk(low: Array, high: Array, far: Array) -> _Walked:
        def near(now: _Walked) -> Array:
            return (jnp.linalg.norm(now.high - now.low) < far) & (now.steps < most)

        return jax.lax.while_loop(near, step, _Walked(low, high, jnp.int32(0)))

    return jax.vmap(walk)(low, high, far)


def _polished(x: np.ndarray, judge: Judge) -> tuple[Table, np.ndarray]:
    """Return the distinct critical points at ``x [n, d]``, and the row of each, -1 for none."""
    points = judge.points(x, np.zeros(len(x), bool))
    kept = np.flatnonzero(~points.left)
    row = np.full(len(x), -1)
    table = table_of(type(points)(*(column[kept] for column in points)), kept)
    table = table._replace(x=canonical(table.x, judge.landscape))
    if len(kept):
        table, row[kept] = merge(table, cluster(table, judge.metric), judge.metric)
        table = judge.decide(table)
    return table, row
