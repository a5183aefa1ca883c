"""Distinct points: clusters by distance and loss, and an order that does not depend on the starts."""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mnemo_jax.types import Kind

BITS = 16  # of a cell's hash, by which points are grouped before any are sorted
MERGE = 1e-6  # box lengths within which two polished points of equal loss are the same


class Table(NamedTuple):
    """Critical points, one row each, float64 unless said; a block's own table or the whole run's catalogue.

    Attributes:
        x: ``[n, d]``.
        loss, gradient: loss and gradient norm.
        eigenvalues: ``[n, d]`` of the Hessian, ascending; NaN at kinks.
        zero: size at or below which an eigenvalue counts as zero.
        index, nullity, kind: int32; ``kind`` a `Kind`.
        order: int32, order of the derivative that decided a degenerate point, 0 where none was needed or found.
        family: int32, 0 a single point, 1 points joined by a walk along their null space, 2 not separated.
        radius: distance within which Newton's method is expected to come here.
        step: the polish's last step, the error of ``x``.
        first: int64, smallest start number among the members; ``x`` is that start's polished point.
        count: int64, starts labelled with the point.
        spread: largest distance of a member's polished point from ``x``.
    """

    x: np.ndarray
    loss: np.ndarray
    gradient: np.ndarray
    eigenvalues: np.ndarray
    zero: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    nullity: np.ndarray
    kind: np.ndarray
    order: np.ndarray
    family: np.ndarray
    radius: np.ndarray
    step: np.ndarray
    first: np.ndarray
    count: np.ndarray  # type: ignore[assignment]
    spread: np.ndarray

    def take(self, rows: np.ndarray) -> "Table":
        """Return the rows asked for, in that order."""
        return Table(*(column[rows] for column in self))


class Metric(NamedTuple):
    """How far apart points of a landscape are.

    Attributes:
        lower: ``[d]``.
        period: ``[d]``, 0 on axes that do not close.
        length: half the longest side of the box.
        curvature: the landscape's Hessian scale.
    """

    lower: np.ndarray
    period: np.ndarray
    length: float
    curvature: float

    def between(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return distances ``[n]`` between points ``[n, d]``, the short way round on closed axes."""
        return np.sqrt(np.sum(self.gap(a, b) ** 2, axis=-1))

    def gap(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the differences ``a - b``, ``[n, d]``, the short way round on closed axes."""
        gap = a - b
        safe = np.where(self.period > 0, self.period, 1.0)
        return np.where(self.period > 0, gap - safe * np.round(gap / safe), gap)

    def wrap(self, x: np.ndarray) -> np.ndarray:
        """Return points ``[n, d]`` with closed axes counted from 0 to below their period."""
        safe = np.where(self.period > 0, self.period, 1.0)
        wrapped = np.mod(x - self.lower, safe)
        wrapped = np.where(wrapped < safe, wrapped, 0.0)  # rounding can land exactly on the period
        return np.where(self.period > 0, wrapped, x)

    def tree(self, x: np.ndarray) -> Any:
        """Return a k-d tree of points ``[n, d]`` under this distance; query it with wrapped points."""
        from scipy.spatial import cKDTree  # takes a tenth of a second to import

        return cKDTree(self.wrap(x), boxsize=self.period if np.any(self.period > 0) else None)


def cells(x: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Group points ``[n, d]`` by the cell of a grid they lie in.

    Returns:
        the smallest row number of each cell's members, rising, and per point the number of its cell. Cells are told
        apart by a 64-bit hash; two that collide would be one group, which callers tell by its members' distance.
    """
    multipliers = np.random.default_rng(7).integers(1, 2**63, size=x.shape[1], dtype=np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
    codes = np.floor(x / size).astype(np.int64).astype(np.uint64)
    hashed = np.zeros(len(x), np.uint64)
    for column, multiplier in zip(codes.T, list(np.atleast_1d(multipliers)), strict=True):
        hashed = (hashed ^ column) * multiplier
        hashed ^= hashed >> np.uint64(29)
    # The first of a cell is mostly the first of its bucket too; only what is in another's bucket has to be sorted.
    rows, bucket = np.arange(len(x)), (hashed >> np.uint64(64 - BITS)).astype(np.int64)
    leader = np.zeros(1 << BITS, np.int64)
    leader[bucket[::-1]] = rows[::-1]  # assigned last to first, so that the first of each bucket stays
    leader = leader[bucket]
    other = np.flatnonzero(hashed != hashed[leader])
    _, first, inverse = np.unique(hashed[other], return_index=True, return_inverse=True)
    leader[other] = other[first][inverse]
    first = np.flatnonzero(leader == rows)
    number = np.empty(len(x), np.int64)
    number[first] = np.arange(len(first))
    return first, number[leader]


def candidates(x: np.ndarray, rows: np.ndarray, reach: np.ndarray, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of row numbers that hold every pair ``(i, j)``, ``i`` in ``rows``, no further apart than ``reach``.

    Points are compared by their projection on one random direction, closed axes laid out as circles: no two points are
    nearer than their projections. A k-d tree is slow where many points share coordinates, as minima on a lattice do.
    """
    safe = np.where(metric.period > 0, metric.period, 1.0)
    angle = 2 * np.pi * x / safe
    flat = np.where(metric.period > 0, np.sin(angle) * safe / (2 * np.pi), x)
    round_ = np.where(metric.period > 0, np.cos(angle) * safe / (2 * np.pi), 0.0)
    direction = np.random.default_rng(3).standard_normal(2 * x.shape[1])
    place = np.concatenate([flat, round_], axis=1) @ (direction / np.linalg.norm(direction))
    order = np.argsort(place, kind="stable")
    low = np.searchsorted(place[order], place[rows] - reach, side="left")
    number = np.searchsorted(place[order], place[rows] + reach, side="right") - low
    offset = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return np.repeat(rows, number), order[np.repeat(low, number) + offset]


def cluster(table: Table, metric: Metric) -> np.ndarray:
    """Return the cluster number ``[n]`` of each point: linked when near *and* of equal loss, in any order of rows.

    Two points are near within a millionth of the box length and both their errors. Kinks need not have equal losses.
    """
    # Sorted by place, so that no choice below depends on the order of rows.
    order = np.argsort(table.x @ np.random.default_rng(5).standard_normal(table.x.shape[1]), kind="stable")
    x, step, loss, kink = table.x[order], table.step[order], table.loss[order], table.kind[order] == Kind.KINK
    size, root = MERGE * metric.length, 4.0 * np.sqrt(table.x.shape[1])
    rounding = 64 * np.finfo(float).eps * (np.abs(loss) + metric.curvature * metric.length**2)
    blurred = step > size

    def linked(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        reach = size + step[a] + step[b]
        equal = np.abs(loss[a] - loss[b]) <= metric.curvature * reach**2 + rounding[a]
        equal |= kink[a] & kink[b]  # the slope there may be of any size
        keep = equal & (metric.between(x[a], x[b]) <= reach)
        return a[keep], b[keep]

    # Coincident points would make quadratically many pairs: they are linked to the first of their cell instead.
    some, links = [], []
    for rows, cell_size in ((~blurred, size / root), (blurred, float(np.max(step, initial=0.0)) / root)):
        members = np.flatnonzero(rows)
        if len(members):
            first, cell = cells(x[members], cell_size)
            a, b = linked(members, members[first][cell])
            links.append((a, b))
            some.append(np.setdiff1d(members, a[a != b]))  # firsts of cells, and members that were not linked to theirs
    few = np.sort(np.concatenate(some)) if some else np.empty(0, np.int64)
    wide = size + step[few] + float(np.max(step[few], initial=0.0))
    reach = np.where(blurred[few], wide, 3.0 * size)
    a, b = candidates(x[few], np.arange(len(few)), reach, metric)
    links.append(linked(few[a[a != b]], few[b[a != b]]))
    a, b = (np.concatenate(ends) for ends in zip(*links, strict=True))
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(x), len(x)))
    groups = np.empty(len(x), np.int64)
    groups[order] = connected_components(graph, directed=False)[1]
    return groups


def merge(table: Table, groups: np.ndarray, metric: Metric) -> tuple[Table, np.ndarray]:
    """Merge the rows of each group into one, kept in order of their smallest start number.

    Returns:
        the merged table and, per old row, the number of its new one.
    """
    by_start = np.lexsort((table.first, groups))
    _, begin = np.unique(groups[by_start], return_index=True)
    rows = by_start[begin]  # in each group the row with the smallest start number
    order = np.argsort(table.first[rows], kind="stable")
    number = np.empty(len(rows), np.int64)
    number[order] = np.arange(len(rows))
    new = number[np.searchsorted(groups[rows], groups)]
    merged = table.take(rows[order])
    spread = np.zeros(len(rows))
    np.maximum.at(spread, new, metric.between(table.x, merged.x[new]) + table.spread)
    count = np.bincount(new, weights=table.count, minlength=len(rows)).astype(np.int64)
    return merged._replace(spread=spread, count=count), new


def canonical_order(table: Table, metric: Metric) -> np.ndarray:
    """Return the rows in canonical order: by loss, ties by coordinates.

    Values closer than rounding tie as chains, not by rounding to a grid, whose cell borders would part equal values.
    """
    rounding = 1e-9 * np.maximum(np.abs(table.loss), 1e-3 * metric.curvature * metric.length**2)
    rank = _refined(np.zeros(len(table.x), np.int64), table.loss, rounding)
    for column in table.x.T:
        rank = _refined(rank, column, np.full(len(column), MERGE * metric.length))
    return np.argsort(rank, kind="stable")


def _refined(rank: np.ndarray, values: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Return ranks that order rows of equal ``rank`` by values; those that follow within the tolerance stay equal."""
    order = np.lexsort((values, rank))
    apart = (np.diff(rank[order]) > 0) | (np.diff(values[order]) > tolerance[order][1:])
    finer = np.empty(len(values), np.int64)
    finer[order] = np.concatenate([[0], np.cumsum(apart)]) if len(values) else []
    return finer


def ambiguous(table: Table, metric: Metric) -> np.ndarray:
    """Return the rows whose cluster is wider than a tenth of the gap to the next point: labels there may mix."""
    wide = np.flatnonzero((table.spread > 0) & (table.family == 0))
    a, b = candidates(table.x, wide, 10.0 * table.spread[wide], metric)
    near = (a != b) & (metric.between(table.x[a], table.x[b]) < 10.0 * table.spread[a])
    return np.unique(a[near])
