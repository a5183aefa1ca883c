"""The search for every critical point: where to look from, round after round, until nothing new is found."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax import estimates, faces, orbits
from mnemo_jax.audit import Audit, audit, void
from mnemo_jax.calculus import Args, Loss, values
from mnemo_jax.catalogue import Table, canonical_order
from mnemo_jax.finish import merged
from mnemo_jax.followed import Block, Stalls
from mnemo_jax.judge import Judge
from mnemo_jax.labelling import label
from mnemo_jax.pathways import ENDS, Pathways, pathways
from mnemo_jax.seek import sought
from mnemo_jax.stopping import Seeking
from mnemo_jax.symmetry import zero_modes
from mnemo_jax.tiles import in_tiles
from mnemo_jax.types import Kind, Outcome

WAYS = ("uniform", "descent", "height", "midpoint", "flow", "climb", "given")
NEIGHBOURS = 6  # minima whose midpoints with a minimum are looked at
PAIRS = 2048  # of neighbouring minima in one round
LINE = 16  # points of the line between two minima, of which the highest is looked at
STEPS = 200  # of the descents along which searches start
STEP = 0.01  # box lengths
TILE = 1024  # descents followed at once
CLIMBS = 4096  # searches of index-k saddle dynamics in one round
LOST = 64  # searches that arrived nowhere, around whose ends a kink is looked for
AGAIN = 4  # times the points known, uniform searches of a further round
AXES = 4  # coordinates of a point in a sentence
RARE = 1e-3  # unseen mass above which uniform searches go on


class Looked(NamedTuple):
    """The searches, one row each.

    Attributes:
        way: int8, where it started from, a number of `WAYS`.
        x: ``[n, d]``, where it ended.
        outcome, steps: int32.
        gradient, kernel: as in `Sought`.
        label: int64, row of the catalogue, -1 for none.
    """

    way: np.ndarray
    x: np.ndarray
    outcome: np.ndarray
    steps: np.ndarray
    gradient: np.ndarray
    kernel: np.ndarray
    label: np.ndarray

    def uniform(self, size: int) -> tuple[np.ndarray, int]:
        """Return how many searches from uniform points came to each of ``size`` points, and how many there were."""
        rows = self.way == WAYS.index("uniform")
        return np.bincount(self.label[rows & (self.label >= 0)], minlength=size), int(rows.sum())


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a search found.

    Attributes:
        catalogue: the critical points in canonical order; ``count`` is the number of searches that came there.
        inside: bool ``[n]``, which lie in the box.
        members: int64 ``[n]``, points each row stands for by declared symmetries.
        looked: the searches.
        pathways: which minima the saddles of index one join.
        audit: whether points are missing.
        unseen: by kind's word, what further uniform searches may find.
        balance: whether members of orbits attract equally many uniform searches, None where that says nothing.
    """

    catalogue: Table
    inside: np.ndarray
    members: np.ndarray
    looked: Looked
    pathways: Pathways
    audit: Audit
    unseen: dict[str, estimates.Unseen]
    balance: orbits.Balance | None


class _Waves:
    """Searches so far, wave by wave, and the points they found."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        low, high = np.asarray(judge.landscape.lower), np.asarray(judge.landscape.upper)
        self.centre = 0.5 * (low + high)
        self.tables: list[Table] = []
        self.looked: list[Looked] = []
        self.size = 0

    def look(self, way: str, x: np.ndarray, index: np.ndarray | None = None) -> None:
        """Search from points ``x [n, d]``; with ``index [n]`` for points of that index."""
        judge, what = self.judge, np.ones(x.shape, bool) if index is None else index
        how = "seek" if index is None else "climb"
        found = sought(x, what, self.centre, judge.args, judge.scales, loss=judge.loss, how=how)
        # Far round a closed axis a loss is computed to fewer digits.
        ring = faces.closed(judge.landscape)
        found = found._replace(x=np.where(ring, judge.metric.lower + judge.metric.wrap(found.x), found.x))
        arrived = found.outcome == Outcome.CONVERGED
        # A few of the first searches that arrived nowhere tell whether the loss has kinks.
        lost = ~arrived & (np.cumsum(~arrived) <= (LOST if not self.tables else 0))
        outcome = np.where(arrived, Outcome.CONVERGED, np.where(lost, Outcome.OUT_OF_STEPS, Outcome.ESCAPED))
        ends = found.x.copy()
        ends[lost] = _descended(judge, ends[lost], np.full(lost.sum(), STEPS))
        labelled = label(_block(self.size, ends, outcome.astype(np.int32), found.steps), judge)
        self.tables.append(labelled.table)
        ways = np.full(len(x), WAYS.index(way), np.int8)
        self.looked.append(
            Looked(
                ways,
                found.x,
                found.outcome,
                found.steps,
                found.gradient,
                found.kernel,
                np.where(arrived, labelled.point, -1),
            )
        )
        self.size += len(x)

    def together(self) -> tuple[Table, Looked]:
        """Return the catalogue of all waves in canonical order, and their searches with labels in it."""
        whole, new = merged(self.tables, self.judge)
        order = canonical_order(whole, self.judge.metric)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        looked = Looked(*(np.concatenate(columns) for columns in zip(*self.looked, strict=True)))
        sizes = [len(table.x) for table in self.tables]
        offset = np.repeat(np.cumsum([0, *sizes[:-1]]), [len(wave.way) for wave in self.looked])
        labels = np.where(looked.label >= 0, rank[new[looked.label + offset]], -1) if len(new) else looked.label
        return whole.take(order), looked._replace(label=labels)


def _block(first: int, x: np.ndarray, outcome: np.ndarray, steps: np.ndarray) -> Block:
    """Return searches as a block of descents without stalls."""
    none = np.zeros(len(x), np.int32)
    stalls = Stalls(*(np.empty((0, *shape)) for shape in ((), (), (), (), (), x.shape[1:], x.shape[1:], ())))
    whole = {name: getattr(stalls, name).astype(np.int64) for name in ("start", "rank", "entry", "length")}
    stalls = stalls._replace(**whole, censored=np.empty(0, bool))
    return Block(
        first,
        x,
        outcome,
        steps,
        period=none,
        stalls=stalls,
        count=none,
        stalled=none,
        open_length=none,
        open_smallest=np.zeros(len(x)),
        open_x=x,
    )


def search(judge: Judge, seeking: Seeking, seed: int, starts: np.ndarray | None = None) -> Search:
    """Find the critical points of a landscape.

    Args:
        judge: the landscape, its loss in float64 and its scales.
        seeking: from where to look.
        seed: root of the random numbers.
        starts: ``[n, d]``, points to look from instead of those the first round would take.
    """
    landscape, waves = judge.landscape, _Waves(judge)
    draw = np.random.default_rng([seed, 0])
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    if starts is not None:
        waves.look("given", starts)
    else:
        waves.look("uniform", draw.uniform(low, high, (seeking.count, landscape.dim)))
        waves.look("descent", _along(judge, draw, seeking.along))
        waves.look("height", _heights(judge, draw, seeking.heights))
    edge, unsaid = _border(judge, seed)
    state = _State(*waves.together(), judge, edge, unsaid)
    for _ in range(seeking.rounds):
        _again(waves, state, seeking, draw, uniform=starts is None)
        before, state = state, _State(*waves.together(), judge, edge, unsaid)
        if state.inside.sum() == before.inside.sum():
            break
    table, looked = state.table, state.looked
    uniform = looked.way == WAYS.index("uniform")
    return Search(
        catalogue=table._replace(
            count=np.bincount(looked.label[looked.label >= 0], minlength=len(table.x)),
            radius=np.minimum(table.radius, _nearest(table, judge)),
        ),
        inside=state.inside,
        members=state.members,
        looked=looked,
        pathways=state.paths,
        audit=state.audit,
        unseen=_unseen(table, looked),
        balance=orbits.balance(looked.x[uniform], looked.label[uniform], table.x, landscape),
    )


def _border(judge: Judge, seed: int) -> tuple[faces.Edge | None, str | None]:
    """Return the boundary's points where the audit needs them, and what, but for the points, leaves it void."""
    landscape, space = judge.landscape, (judge.landscape, judge.args)
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    x = np.random.default_rng([seed, 3]).uniform(low, high, (faces.SAMPLED, landscape.dim))
    unknown = np.isnan(np.asarray(values(x, judge.args, loss=judge.loss)))
    if unknown.any():
        at = ", ".join(f"{value:.4g}" for value in x[np.argmax(unknown)][:AXES])
        return None, f"the loss is no number in a part of the box, as at x = ({at}{', …' * (len(low) > AXES)})"
    leak = None if faces.closed(landscape).all() else faces.leak(*space, seed, loss=judge.loss)
    if leak is None:
        return None, None
    if landscape.dim > faces.DIMS:
        return None, f"{leak}, and sides are searched in up to {faces.DIMS} dimensions"
    return faces.edges(*space, judge.scales, seed, loss=judge.loss), None


def _nearest(table: Table, judge: Judge) -> np.ndarray:
    """Return the distance from each point to the next listed one, up to the box's length."""
    if len(table.x) < 2:
        return np.full(len(table.x), judge.metric.length)
    away, _ = judge.metric.tree(table.x).query(judge.metric.wrap(table.x), k=2)
    return np.minimum(away[:, 1], judge.metric.length)


class _State:
    """What is known after a round; pathways and audit are worked out when asked for."""

    def __init__(self, table: Table, looked: Looked, judge: Judge, edge: faces.Edge | None, unsaid: str | None) -> None:
        self.table, self.looked, self.judge, self.edge, self.unsaid = table, looked, judge, edge, unsaid
        low, high = np.asarray(judge.landscape.lower), np.asarray(judge.landscape.upper)
        self.inside = np.all((table.x >= low) & (table.x <= high) | faces.closed(judge.landscape), axis=1)

    @cached_property
    def members(self) -> np.ndarray:
        """Return the number of points each row stands for by declared symmetries, int64."""
        return orbits.sizes(self.table.x, self.judge.landscape)

    @cached_property
    def paths(self) -> Pathways:
        """Return the pathways over the saddles in the box."""
        judge = self.judge
        space = (judge.landscape, judge.args, judge.scales, judge.metric)
        return pathways(self.table, self.inside, *space, loss=judge.loss)

    @cached_property
    def audit(self) -> Audit:
        """Return what the numbers of points say."""
        if self.unsaid:
            return void(self.unsaid)
        landscape = self.judge.landscape
        return audit(self.table, self.inside, self.members, faces.closed(landscape), self.edge, zero_modes(landscape))


def _again(waves: _Waves, state: _State, seeking: Seeking, draw: np.random.Generator, uniform: bool) -> None:
    """Look again from where something may be missing."""
    judge, table = state.judge, state.table
    known = table.take(np.flatnonzero(state.inside))
    low, high = np.asarray(judge.landscape.lower), np.asarray(judge.landscape.upper)
    waves.look("midpoint", _between(judge, known))
    waves.look("flow", state.paths.ends[state.paths.end == ENDS.index("unlisted")])
    if uniform and _rarest(table, state.looked) > RARE:
        waves.look("uniform", draw.uniform(low, high, (max(seeking.count, AGAIN * len(known.x)), len(low))))
    if state.audit.verdict == "missing":
        waves.look("climb", *_climbs(judge, known, draw))


def _along(judge: Judge, draw: np.random.Generator, number: int) -> np.ndarray:
    """Return random points along descents, evenly spread over their steps."""
    landscape = judge.landscape
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    x = draw.uniform(low, high, (number, landscape.dim))
    if not number:
        return x
    return _descended(judge, x, draw.integers(0, STEPS, number))


def _descended(judge: Judge, x: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return where normalised gradient descent with a step of 1/100 of the box is after so many steps from each."""
    length, least = STEP * judge.metric.length, 1e-2 * judge.scales.gradient
    program = partial(_walked, loss=judge.loss)
    return in_tiles(lambda x, steps: (program(x, steps, judge.args, length, least),), TILE, x, steps)[0]


@partial(jax.jit, static_argnames=("loss",))
def _walked(x: Array, steps: Array, args: Args, length: float, least: Array, *, loss: Loss) -> Array:
    """Return where points ``x [n, d]`` are after ``steps [n]``; gradients below ``least`` shorten a step."""

    def step(_: int, x: Array) -> Array:
        gradient = jax.grad(loss)(x, args)
        move = length * gradient / jnp.maximum(jnp.linalg.norm(gradient), least)
        return jnp.where(jnp.isfinite(move), x - move, x)

    return jax.vmap(lambda x, steps: jax.lax.fori_loop(0, steps, step, x))(x, steps)


def _heights(judge: Judge, draw: np.random.Generator, number: int) -> np.ndarray:
    """Return points of the box whose losses are spread evenly between the lowest and the highest of many."""
    landscape = judge.landscape
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    x = draw.uniform(low, high, (8 * number, landscape.dim))
    if not number:
        return x
    loss = np.asarray(values(x, judge.args, loss=judge.loss))
    finite = np.flatnonzero(np.isfinite(loss))
    if not len(finite):
        return x[:number]
    order = finite[np.argsort(loss[finite])]
    wanted = draw.uniform(loss[order[0]], loss[order[-1]], number)
    return x[order[np.minimum(np.searchsorted(loss[order], wanted), len(order) - 1)]]


def _between(judge: Judge, table: Table) -> np.ndarray:
    """Return midpoints of neighbouring minima, and the highest points of the lines between them."""
    metric = judge.metric
    x = table.x[table.kind == Kind.MINIMUM]
    if len(x) < 2:
        return np.empty((0, table.x.shape[1]))
    _, near = metric.tree(x).query(metric.wrap(x), k=min(len(x), NEIGHBOURS + 1))
    pairs = np.unique(np.sort(np.stack([np.repeat(np.arange(len(x)), near.shape[1]), near.ravel()], 1), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]][:PAIRS]
    a, b = x[pairs[:, 0]], x[pairs[:, 1]]
    safe = np.where(metric.period > 0, metric.period, 1.0)
    way = b - a - np.where(metric.period > 0, safe * np.round((b - a) / safe), 0.0)
    part = (np.arange(LINE) + 0.5) / LINE
    line = a[:, None] + part[:, None] * way[:, None]
    heights = np.asarray(values(line.reshape(-1, x.shape[1]), judge.args, loss=judge.loss)).reshape(len(a), LINE)
    return np.concatenate([a + 0.5 * way, line[np.arange(len(a)), np.argmax(heights, axis=1)]])


def _climbs(judge: Judge, table: Table, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return points around every known one and the indices, one below or above its own, to look for from there."""
    dim = table.x.shape[1]
    known = np.flatnonzero(table.kind != Kind.KINK)
    if not len(known):
        return np.empty((0, dim)), np.empty(0, np.int32)
    rows = np.repeat(known, max(1, min(CLIMBS // (2 * len(known)), 4 * dim)))
    index = np.concatenate([table.index[rows] - 1, table.index[rows] + 1]).astype(np.int32)
    rows = np.tile(rows, 2)
    push = draw.standard_normal((len(rows), dim))
    push *= judge.metric.length * draw.uniform(0.01, 0.5, (len(rows), 1)) / np.linalg.norm(push, axis=1, keepdims=True)
    keep = (index >= 0) & (index <= dim)
    return (table.x[rows] + push)[keep], index[keep]


def _rarest(table: Table, looked: Looked) -> float:
    """Return the upper limit of the unseen mass of uniform searches, 1 where none started so."""
    count, total = looked.uniform(len(table.x))
    interval = estimates.unseen(count, total).interval if total else None
    return interval[1] if interval else 1.0


def _unseen(table: Table, looked: Looked) -> dict[str, estimates.Unseen]:
    """Return, by kind, what further uniform searches may find; searches are a sample of nothing but themselves."""
    count, total = looked.uniform(len(table.x))
    if not total:
        reason = "no searches started at random"
        return {kind.word: estimates.Unseen(None, None, None, reason) for kind in Kind}
    return {kind.word: estimates.unseen(count[table.kind == kind], total) for kind in Kind}
