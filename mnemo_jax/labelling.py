"""From the ends of a block's descents to its own small table of critical points and a local label per start.

Most starts of a block end where others do. A few are polished first, one per cell of a fine grid; another is given a
point that is known without a polish when Newton's method is certain enough to take it there: it lies within the point's
radius of quadratic convergence and no further away than the gradient there explains. All others are polished
themselves, and stalls are treated alike. What the first block of a run has shown later ones know from the beginning.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mnemo_jax.catalogue import Table, cells, cluster, merge
from mnemo_jax.critical import Point
from mnemo_jax.exits import directions
from mnemo_jax.followed import Block, Stalls
from mnemo_jax.judge import Judge
from mnemo_jax.orbits import finite
from mnemo_jax.reach import certain, is_few, known, reach_of
from mnemo_jax.symmetry import canonical
from mnemo_jax.types import Kind, Outcome

NAMED = 4096  # starts, the first of a run, whose nearest critical point is named when they did not converge
CELL = 1e-4  # box lengths, the grid on which ends are grouped before the polish
FIRST_ENDS = 4096  # of a block's, which show the points that most of the others are at
FIRST_STALLS = 256


class Members(NamedTuple):
    """Where a block's starts ended before declared symmetries were undone, one row for each distinct point.

    Attributes:
        x: ``[m, d]``.
        point: int64, row of the block's table that it is an image of.
        count: int64, starts that ended there.
    """

    x: np.ndarray
    point: np.ndarray
    count: np.ndarray  # type: ignore[assignment]


class Labelled(NamedTuple):
    """A block with its points.

    Attributes:
        table: the block's distinct points, in order of their smallest start number.
        point: int32 ``[n]``, row of the table each start's end stands for, -1 for none. It is a label where the
            descent converged or finished, and the nearest critical point otherwise.
        final: int32 ``[n]``, steps of the final approach to a minimum.
        stalls: the stalls, without the final approaches.
        at: int32, row of the table each stall was at, -1 in a flat region.
        direction: int8, which way each stall ended (see `exits`), 0 for none.
        members: the images of the points, None where no finite symmetry is declared.
    """

    table: Table
    point: np.ndarray
    final: np.ndarray
    stalls: Stalls
    at: np.ndarray
    direction: np.ndarray
    members: Members | None = None


def label(block: Block, judge: Judge, seen: Table | None = None) -> Labelled:
    """Return the block's table of critical points and which of them each start and each stall belongs to.

    Args:
        block: descents.
        judge: of the landscape.
        seen: points that an earlier block's ends have shown (see `sparing`); they are in this block's table too.
    """
    sure = block.outcome == Outcome.CONVERGED
    ended = sure | (block.outcome == Outcome.FINISHED)
    collected = _Collected(judge, seen)
    point = collected.ends(block, sure, ended)
    named = slice(0, max(NAMED - block.first, 0))
    stopped = np.isin(block.outcome[named], (Outcome.OUT_OF_STEPS, Outcome.NON_FINITE))
    lost = np.flatnonzero(stopped & np.all(np.isfinite(block.x[named]), axis=1))
    point[lost] = collected.nearest(block.x[lost], block.first + lost)
    # Nearly every descent ends in a stretch of small gradients: those at a minimum are no stalls, nor worth a polish.
    block = block._replace(stalls=_stalls(block, ~(ended & collected.minima(point))))
    at = collected.stalls(block.stalls)
    away = block.stalls.exit - collected.x(at)
    table, new = collected.table()
    members = collected.members(point[ended & (point >= 0)], new) if finite(judge.landscape) else None
    point, at = renumbered(point, new), renumbered(at, new)
    direction = np.zeros(len(at), np.int8)
    if not judge.landscape.symmetries:  # else points stand for their images
        direction = directions(table.x, table.index, at, away, judge.args, loss=judge.loss)
    return _count(table, point, ended, block, at, direction)._replace(members=members)


def sparing(table: Table, judge: Judge) -> Table | None:
    """Return the rows of an earlier block's table that spare later ones polishes, None where none do."""
    rows = np.flatnonzero(reach_of(as_points(table)).radius > 0)
    few = is_few(len(rows), judge.landscape.dim)
    return table.take(rows) if few and not judge.landscape.symmetries else None


def unjudged(block: Block, judge: Judge) -> Labelled:
    """Return the block without points: every descent that ended counts as arrived, no stall as being anywhere."""
    ended = np.isin(block.outcome, (Outcome.CONVERGED, Outcome.FINISHED))
    stalls = _stalls(block, ~ended)
    none = np.full(len(stalls.start), -1, np.int32)
    return Labelled(
        table=_Collected(judge).table()[0],
        point=np.full(len(block.x), -1, np.int32),
        final=block.open_length * ended,
        stalls=stalls,
        at=none,
        direction=np.zeros(len(none), np.int8),
    )


def _count(
    table: Table, point: np.ndarray, ended: np.ndarray, block: Block, at: np.ndarray, direction: np.ndarray
) -> Labelled:
    """Count starts per point, and tell final approaches to minima from stalls.

    A stretch still open at the end is the approach to a minimum where the start's end, or else the point at which the
    gradient was smallest, stands for one.
    """
    labelled = ended & (point >= 0)
    held = point if labelled.all() else point[labelled]
    table = table._replace(count=np.bincount(held, minlength=len(table.x)).astype(np.int64))
    minimum = np.append(table.kind == Kind.MINIMUM, False)  # row -1: none
    arrived = labelled & minimum.take(point)
    stalls, place = block.stalls, block.stalls.start - block.first
    arrived[place[stalls.censored & minimum[at] & ~labelled[place]]] = True
    stays = ~(stalls.censored & arrived[place])
    return Labelled(
        table=table,
        point=point,
        final=block.open_length * arrived,
        stalls=Stalls(*(column[stays] for column in stalls)),
        at=at[stays],
        direction=direction[stays],
    )


def _stalls(block: Block, chosen: np.ndarray) -> Stalls:
    """Return the stalls that have ended, and as censored ones the stretches that are open at ends ``chosen [n]``."""
    rows = np.flatnonzero(chosen & (block.open_length > 0) & (block.outcome != Outcome.NON_FINITE))
    still = Stalls(
        start=block.first + rows,
        rank=block.count[rows],
        entry=block.steps[rows] - block.open_length[rows],
        length=block.open_length[rows],
        smallest=np.sqrt(block.open_smallest[rows].astype(np.float64)),
        x=block.open_x[rows].astype(np.float64),
        exit=np.full((len(rows), block.x.shape[1]), np.nan),
        censored=np.ones(len(rows), bool),
    )
    stalls = Stalls(*(np.concatenate(columns) for columns in zip(block.stalls, still, strict=True)))
    order = np.lexsort((stalls.rank, stalls.start))
    return Stalls(*(column[order] for column in stalls))


def renumbered(rows: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the ``new`` number of each row, int32, -1 for none."""
    return np.append(new, -1).astype(np.int32).take(rows)


class _Those(NamedTuple):
    """Points ``x [n, d]`` that may be at known ones, with gradients of at most ``slope``, one or ``[n]``.

    ``start [n]`` are their start numbers, None where those are larger than any known point's.
    """

    x: np.ndarray
    slope: Any
    start: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "_Those":
        """Return the rows asked for, in that order."""
        slope = self.slope[rows] if np.ndim(self.slope) else self.slope
        return _Those(self.x[rows], slope, None if self.start is None else self.start[rows])


class _Collected:
    """Points judged so far, before they are merged; rows are appended in the order of calls."""

    def __init__(self, judge: Judge, seen: Table | None = None) -> None:
        self.judge = judge
        nothing = np.empty((0, judge.landscape.dim))
        self.parts = [(judge.points(nothing, np.empty(0, bool)), np.empty(0, np.int64))]
        self.rows = 0
        self.reached = np.empty(0, np.int64)  # by ends of descents before
        if seen is not None:
            self.reached = self.add(as_points(seen), seen.first)[seen.count > 0]

    def add(self, points: Point, number: np.ndarray) -> np.ndarray:
        """Append those points that did not leave; return their rows, -1 for the others."""
        keep = ~points.left
        rows = np.where(keep, self.rows + np.cumsum(keep) - 1, -1)
        self.parts.append((Point(*(column[keep] for column in points)), number[keep]))
        self.rows += int(keep.sum())
        return rows

    def cells(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Group points ``x [n, d]`` by cells of the grid on which ends are grouped, as `catalogue.cells` does."""
        return cells(x, CELL * self.judge.metric.length)

    def x(self, rows: np.ndarray) -> np.ndarray:
        """Return the points in ``rows`` as they were polished, ``[n, d]``, NaN for none."""
        x = np.concatenate([points.x for points, _ in self.parts])
        return np.where((rows >= 0)[:, None], x[rows], np.nan) if len(x) else np.full((len(rows), x.shape[1]), np.nan)

    def minima(self, rows: np.ndarray) -> np.ndarray:
        """Return whether the points in ``rows`` are minima as far as Hessians tell, False for none."""
        kinds = [points.kind == Kind.MINIMUM for points, _ in self.parts]
        return np.concatenate([*kinds, [False]]).take(rows)

    def ends(self, block: Block, sure: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Judge the ends of the descents that ``ended``, one for many where that is certain; return -1 for others.

        ``sure`` are those that converged.
        """
        x = block.x
        steepest = self.judge.grad_tol * np.sqrt(x.shape[1])
        slope = steepest if sure.all() else np.where(sure, steepest, np.nan)

        def judged(those: np.ndarray) -> np.ndarray:
            first, cell = self.cells(x[those])
            leaders = those[first]
            points = self.judge.points(x[leaders], sure[leaders])
            rows, reach = self.add(points, block.first + leaders)[cell], reach_of(points).take(cell)
            gap = np.sum((x[those] - reach.x) ** 2, axis=1)
            there = sure[those] & certain(gap, steepest, reach.radius, reach.curvature)
            there[first] = True
            if not there.all():
                rest = those[~there]
                rows[~there] = self.add(self.judge.points(x[rest], sure[rest]), block.first + rest)
            return rows

        # Where the first are at too many points to compare others with, all are grouped together.
        few = len(self.reached) or is_few(len(self.cells(x[np.flatnonzero(ended)[:FIRST_ENDS]])[0]), x.shape[1])
        return self._in_turn(_Those(x, slope), ended, FIRST_ENDS if few else len(x), judged, self.reached)

    def stalls(self, stalls: Stalls) -> np.ndarray:
        """Judge the points of stalls at which gradients were smallest, one for many where that is certain."""

        def judged(those: np.ndarray) -> np.ndarray:
            return self.nearest(stalls.x[those], stalls.start[those], kinks=False)

        those = _Those(stalls.x, stalls.smallest, stalls.start)
        return self._in_turn(those, np.bool_(True), FIRST_STALLS, judged, np.arange(self.rows))

    def _in_turn(
        self, those: "_Those", wanted: Any, first: int, judged: Callable[[np.ndarray], np.ndarray], among: np.ndarray
    ) -> np.ndarray:
        """Return the rows of points, -1 for none: of those ``wanted`` that are at no known one by ``judged``.

        They are compared with the points ``among`` all rows. The ``first`` of those that are left are judged before the
        others, which may be at these.
        """
        rows = self._known(those, among)
        rest = np.flatnonzero(wanted & (rows < 0))
        if len(rest):
            rows[rest[:first]] = judged(rest[:first])
            rest = rest[first:]
        if len(rest):
            rows[rest] = self._known(those.take(rest), np.arange(self.rows))
            rest = rest[rows[rest] < 0]
            rows[rest] = judged(rest)
        return rows

    def _known(self, those: "_Those", among: np.ndarray) -> np.ndarray:
        """Return to which of the points ``among`` all rows Newton's method surely goes from each, -1 for none.

        None either for a start before the point's: a point's smallest start is judged by itself, wherever blocks end.
        """
        if not len(those.x):
            return np.empty(0, np.int32)
        points, number = self.all()
        reach = reach_of(points)
        rows = among[reach.radius[among] > 0]
        rows = rows[np.argsort(number[rows], kind="stable")]
        if not is_few(len(rows), those.x.shape[1]):
            rows = rows[self.cells(reach.x[rows])[0]]
        found = renumbered(known(those.x, those.slope, reach.take(rows)), rows)
        if those.start is not None:
            found[those.start < np.append(number, -1).take(found)] = -1
        return found

    def nearest(self, x: np.ndarray, number: np.ndarray, kinks: bool = True) -> np.ndarray:
        """Judge points that are not the ends of converged descents, each by itself."""
        if not len(x):
            return np.empty(0, np.int64)
        rows = self.add(self.judge.points(x, np.zeros(len(x), bool)), number)
        lost = rows < 0
        if kinks and lost.any():
            rows[lost] = self.add(self.judge.tips(x[lost]), number[lost])
        return rows

    def all(self) -> tuple[Point, np.ndarray]:
        """Return all points collected, symmetries not undone, and the numbers of their starts."""
        points = Point(*(np.concatenate(columns) for columns in zip(*(p for p, _ in self.parts), strict=True)))
        return points, np.concatenate([n for _, n in self.parts])

    def members(self, rows: np.ndarray, new: np.ndarray) -> Members:
        """Count the starts whose ends are in ``rows`` by distinct point; ``new`` is the number of each row's point."""
        apart = table_of(*self.all())
        if not len(rows):
            return Members(apart.x[:0], rows, rows)
        distinct, which = merge(apart, cluster(apart, self.judge.metric), self.judge.metric)
        pairs, count = np.unique(np.column_stack([which[rows], new[rows]]), axis=0, return_counts=True)
        return Members(distinct.x[pairs[:, 0]], pairs[:, 1], count)

    def table(self) -> tuple[Table, np.ndarray]:
        """Return the distinct points and, per row collected, the number of its point."""
        points, number = self.all()
        table = table_of(points._replace(x=canonical(points.x, self.judge.landscape)), number)
        if not len(number):
            return table, np.empty(0, np.int64)
        merged, new = merge(table, cluster(table, self.judge.metric), self.judge.metric)
        return self.judge.decide(merged), new


def as_points(table: Table) -> Point:
    """Return the points of a table's rows."""
    number = len(table.x)
    own = {name: getattr(table, name) for name in Point._fields if name in Table._fields}
    return Point(**own, moved=np.zeros(number), left=np.zeros(number, bool))


def table_of(points: Point, number: np.ndarray) -> Table:
    """Return points as table rows that stand for themselves; ``number`` holds their start numbers."""
    size = len(number)
    none = np.zeros(size, np.int32)
    return Table(
        x=points.x,
        loss=points.loss,
        gradient=points.gradient,
        eigenvalues=points.eigenvalues,
        zero=points.zero,
        index=points.index,
        nullity=points.nullity,
        kind=points.kind,
        order=none,
        family=none,
        radius=points.radius,
        step=points.step,
        first=number.astype(np.int64),
        count=np.ones(size, np.int64),
        spread=np.zeros(size),
    )
