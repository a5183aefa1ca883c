"""Clusters, merges and their order depend on the points alone, not on the order in which they came."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

from mnemo_jax import store
from mnemo_jax.catalogue import MERGE, Metric, Table, ambiguous, canonical_order, cells, cluster, merge
from mnemo_jax.tables import FAMILIES, KINDS, points_of, points_table

PLANE = Metric(np.array([-1.0, -1.0]), np.zeros(2), 1.0, 1.0)
TORUS = Metric(np.array([-1.0, -1.0]), np.array([2.0, 2.0]), 1.0, 1.0)
CYLINDER = Metric(np.array([-1.0, -1.0]), np.array([2.0, 0.0]), 1.0, 1.0)


def table(x, loss=0.0, first=None, step=0.0, count=1, spread=0.0, family=0):
    x = np.asarray(x, dtype=np.float64)
    x = x.reshape(-1, 1) if x.ndim == 1 else x
    n, d = x.shape

    def number(value, dtype=np.float64):
        return np.broadcast_to(np.asarray(value, dtype), n).copy()

    return Table(
        x=x,
        loss=number(loss),
        gradient=number(1e-15),
        eigenvalues=np.ones((n, d)),
        zero=number(1e-12),
        index=number(0, np.int32),
        nullity=number(0, np.int32),
        kind=number(0, np.int32),
        order=number(0, np.int32),
        family=number(family, np.int32),
        radius=number(0.1),
        step=number(step),
        first=np.arange(n, dtype=np.int64) if first is None else np.asarray(first, np.int64),
        count=number(count, np.int64),
        spread=number(spread),
    )


def partition(groups):
    """Return a grouping as the set of its groups of row numbers."""
    return {frozenset(np.flatnonzero(groups == g).tolist()) for g in np.unique(groups)}


def line(*x):
    return Metric(np.array([-1.0]), np.zeros(1), 1.0, 1.0), table(np.array(x))


@pytest.fixture(scope="module")
def crowd():
    """Return 600 polished points of 60 critical points, some of equal loss, with the point each belongs to."""
    rng = np.random.default_rng(1)
    centres = rng.uniform(-1, 1, (60, 2))
    losses = rng.integers(0, 20, 60) / 10
    own = rng.integers(0, 60, 600)
    x = centres[own] + 1e-9 * rng.standard_normal((600, 2))
    loss = losses[own] + 1e-15 * rng.standard_normal(600)
    return table(x, loss, first=rng.permutation(600), count=rng.integers(1, 50, 600), step=1e-12), own


# Distances.


def test_the_short_way_round():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 500, 2))
    for metric in (PLANE, TORUS, CYLINDER):
        turns = [np.array(t) * metric.period for t in itertools.product((-1, 0, 1), repeat=2)]
        shortest = np.min([np.linalg.norm(a - b + t, axis=1) for t in turns], axis=0)
        np.testing.assert_allclose(metric.between(a, b), shortest, atol=1e-14)
        np.testing.assert_allclose(metric.between(a, b + 3 * metric.period), shortest, atol=1e-13)
        found, _ = metric.tree(b).query(metric.wrap(a))
        every = np.min([np.linalg.norm(a[:, None] - b + t, axis=2) for t in turns], axis=0)
        np.testing.assert_allclose(found, every.min(axis=1), atol=1e-13)


def test_wrapped_coordinates_lie_below_their_period():
    ends = np.array([[-1.0, 5.0], [1.0, 5.0], [-1.0 - 1e-17, -5.0], [np.nextafter(-1, -2), 0.0], [1e9, 0.0]])
    found = CYLINDER.wrap(ends)
    assert np.all((found[:, 0] >= 0) & (found[:, 0] < 2))
    np.testing.assert_array_equal(found[:, 1], ends[:, 1])
    assert TORUS.tree(ends).n == 5


# Clusters.


def test_cells_by_brute_force():
    x = np.round(np.random.default_rng(2).uniform(-1, 1, (400, 3)), 1)
    x[:5] = [[0.0, 0.0, 0.0], [-0.0, 0.0, 0.0], [-1e-9, 0.0, 0.0], [0.3, 0.3, 0.3], [0.3, 0.3, 0.3]]
    first, inverse = cells(x, 0.3)
    seen: dict[tuple[int, ...], list[int]] = {}
    for row, point in enumerate(x):
        seen.setdefault(tuple(int(np.floor(c / 0.3)) for c in point), []).append(row)
    assert sorted(first) == sorted(rows[0] for rows in seen.values())
    for rows in seen.values():
        assert len(set(inverse[rows])) == 1
        assert first[inverse[rows[0]]] == rows[0]


def test_more_cells_than_buckets():
    own = np.random.default_rng(3).integers(0, 200_000, 300_000)
    first, inverse = cells(own[:, None] + 0.5, 1.0)
    np.testing.assert_array_equal(first, np.sort(np.unique(own, return_index=True)[1]))
    np.testing.assert_array_equal(own[first][inverse], own)


def test_clusters_are_the_points_they_came_from(crowd):
    rows, own = crowd
    assert partition(cluster(rows, PLANE)) == partition(own)


def test_clusters_do_not_depend_on_the_order_of_rows(crowd):
    rows, own = crowd
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(own))
        assert partition(cluster(rows.take(order), PLANE)) == partition(own[order])


def test_clusters_by_brute_force():
    # gaps on a line from 0.3 to 1.5 merge radii, every fourth loss another
    size = MERGE
    rng = np.random.default_rng(3)
    x = np.cumsum(rng.uniform(0.3, 1.5, 500)) * size
    loss = (rng.integers(0, 4, 500) == 0).astype(float)
    step = np.where(rng.random(500) < 0.2, 0.2 * size, 0.0)
    metric, _ = line(0.0)
    expected = list(range(500))
    for a, b in itertools.combinations(range(500), 2):
        if abs(x[a] - x[b]) <= size + step[a] + step[b] and loss[a] == loss[b]:
            old, new = expected[b], expected[a]
            expected = [new if e == old else e for e in expected]
    assert 20 < len(set(expected)) < 480
    assert partition(cluster(table(x, loss, step=step), metric)) == partition(np.array(expected))


@pytest.mark.parametrize(
    ("gap", "rise", "step", "merged"),
    [
        (0.9e-6, 0.0, 0.0, True),
        (1.1e-6, 0.0, 0.0, False),
        (0.9e-6, 1e-9, 0.0, False),  # equal only within curvature * radius^2 = 1e-12 and rounding
        (0.9e-6, 0.9e-12, 0.0, True),
        (3e-6, 0.0, 1.1e-6, True),  # as far as the last steps of both polishes leave open
        (3e-6, 0.0, 0.9e-6, False),
    ],
)
def test_near_and_of_equal_loss(gap, rise, step, merged):
    metric, rows = line(0.25, 0.25 + gap)
    rows = rows._replace(loss=np.array([0.5, 0.5 + rise]), step=np.full(2, step))
    groups = cluster(rows, metric)
    assert (groups[0] == groups[1]) == merged


def test_lengths_scale_the_radius():
    for length in (1e-3, 1e5):
        metric = Metric(np.array([-length]), np.zeros(1), length, 1.0 / length**2)
        groups = cluster(table(length * np.array([0.1, 0.1 + 0.9e-6, 0.5, 0.5 + 1.1e-6])), metric)
        assert partition(groups) == {frozenset({0, 1}), frozenset({2}), frozenset({3})}


def test_links_make_chains():
    metric, rows = line(*(0.1 + 0.9e-6 * np.arange(50)))
    assert len(np.unique(cluster(rows, metric))) == 1


def test_a_seam_parts_nothing():
    edge = 1.0 - 1e-7
    corners = np.array([[-edge, -edge], [-edge, edge], [edge, -edge], [edge, edge], [0.0, edge], [0.0, -edge]])
    assert partition(cluster(table(corners), TORUS)) == {frozenset({0, 1, 2, 3}), frozenset({4, 5})}
    assert partition(cluster(table(corners), CYLINDER)) == {
        frozenset({0, 2}),
        frozenset({1, 3}),
        frozenset({4}),
        frozenset({5}),
    }
    assert len(np.unique(cluster(table(corners), PLANE))) == 6


def test_a_single_row_is_a_cluster():
    np.testing.assert_array_equal(cluster(table([[0.1, 0.2]]), TORUS), [0])


def test_clusters_at_the_radius_do_not_depend_on_the_order_of_rows():
    # two points in one cell of a quarter of the radius, a third within the radius of one of them only
    x = np.array([0.01e-6, 0.2e-6, 1.1e-6])
    metric, _ = line(0.0)
    found = {frozenset(partition(cluster(table(x[list(p)]), metric))) for p in ([0, 1, 2], [1, 0, 2])}
    assert {len(groups) for groups in found} in ({1}, {2})


def test_points_of_other_loss_in_one_cell():
    metric, rows = line(0.1e-6, 0.2e-6)
    groups = cluster(rows._replace(loss=np.array([0.0, 1.0])), metric)
    assert groups[0] != groups[1]


# Merges.


def test_merged_rows(crowd):
    rows, own = crowd
    merged, new = merge(rows, own, PLANE)
    assert partition(new) == partition(own)
    assert np.all(np.diff(merged.first) > 0)
    for number in range(len(merged.x)):
        members = np.flatnonzero(new == number)
        representative = members[np.argmin(rows.first[members])]
        assert merged.first[number] == rows.first[members].min()
        assert merged.count[number] == rows.count[members].sum()
        np.testing.assert_array_equal(merged.x[number], rows.x[representative])
        assert merged.loss[number] == rows.loss[representative]
        distances = np.linalg.norm(rows.x[members] - rows.x[representative], axis=1)
        np.testing.assert_allclose(merged.spread[number], distances.max(), rtol=1e-12)
    assert merged.count.dtype == np.int64


def test_spread_goes_the_short_way_round():
    rows = table([[0.999, 0.0], [-0.999, 0.0], [0.998, 0.0]], first=[4, 2, 9], spread=[0.0, 0.0, 0.01])
    merged, _ = merge(rows, np.zeros(3, int), TORUS)
    np.testing.assert_array_equal(merged.x, [[-0.999, 0.0]])
    np.testing.assert_allclose(merged.spread, [0.003 + 0.01])


@pytest.mark.parametrize("blocks", [2, 7, 40])
def test_merges_of_merges_are_merges_of_all(crowd, blocks):
    rows, _ = crowd
    whole, _ = merge(rows, cluster(rows, PLANE), PLANE)
    for seed in range(3):
        where = np.random.default_rng(seed).integers(0, blocks, len(rows.x))
        parts = [rows.take(np.flatnonzero(where == b)) for b in range(blocks)]
        parts = [merge(part, cluster(part, PLANE), PLANE)[0] for part in parts]
        joined = Table(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        again, new = merge(joined, cluster(joined, PLANE), PLANE)
        assert len(new) == sum(len(part.x) for part in parts)
        for name, expected in whole._asdict().items():
            if name != "spread":
                np.testing.assert_array_equal(getattr(again, name), expected, err_msg=name)
        # the way over a block's own representative is at least as long
        assert np.all(again.spread >= whole.spread - 1e-15)
        assert np.all(again.spread <= 3 * whole.spread + 1e-15)


# The canonical order.


def test_order_by_loss_then_by_coordinates():
    rows = table([[0.5, 0.0], [0.2, 0.9], [0.2, -0.9], [-0.7, 0.3], [0.0, 0.0]], loss=[1.0, 1.0, 1.0, 2.0, -3.0])
    np.testing.assert_array_equal(canonical_order(rows, PLANE), [4, 2, 1, 0, 3])


def test_order_does_not_depend_on_the_order_of_rows():
    # a lattice: many points of equal loss and of equal coordinates, all known up to rounding only
    grid = np.stack(np.meshgrid(*[np.linspace(-0.9, 0.9, 6)] * 2, indexing="ij"), -1).reshape(-1, 2)
    loss = np.round(np.sum(grid**2, axis=1), 6)
    orders = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        order = rng.permutation(36)
        noisy = table(grid + 1e-11 * rng.standard_normal(grid.shape), loss + 1e-13 * rng.standard_normal(36)).take(
            order
        )
        orders.add(tuple(order[canonical_order(noisy, PLANE)].tolist()))
    assert orders == {tuple(np.lexsort((grid[:, 1], grid[:, 0], loss)).tolist())}


def test_order_near_a_value_that_rounding_would_part():
    # equal losses and coordinates on either side of any grid's border still tie
    rng = np.random.default_rng(0)
    for value in rng.uniform(-1, 1, 200):
        noise = 1e-13 * rng.standard_normal(2)
        rows = table(np.array([[value + noise[0], 0.5], [value - noise[0], -0.5]]), loss=value + noise)
        np.testing.assert_array_equal(canonical_order(rows, PLANE), [1, 0])


def test_order_of_nothing():
    assert canonical_order(table(np.empty((0, 2))), PLANE).shape == (0,)


def test_order_of_points_tied_through_a_third():
    rows = table([[0.0, 0.0], [1.8e-6, 0.0], [0.9e-6, 0.5]], loss=[0.0, 0.0, 1.0])
    assert len(np.unique(cluster(rows, PLANE))) == 3
    swapped = [1, 0, 2]
    one, two = canonical_order(rows, PLANE), np.array(swapped)[canonical_order(rows.take(swapped), PLANE)]
    np.testing.assert_array_equal(one, two)


def test_ambiguous_by_brute_force():
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (200, 2))
    rows = table(x, spread=10 ** rng.uniform(-6, -1, 200), family=rng.integers(0, 3, 200))
    for metric in (PLANE, TORUS):
        gaps = np.stack([metric.between(x, np.broadcast_to(point, x.shape)) for point in x])
        np.fill_diagonal(gaps, np.inf)
        expected = np.flatnonzero((rows.spread > gaps.min(axis=1) / 10) & (rows.family == 0))
        assert 5 < len(expected) < 60
        np.testing.assert_array_equal(ambiguous(rows, metric), expected)


def test_a_single_point_is_not_ambiguous():
    assert ambiguous(table([[0.0, 0.0]], spread=1.0), PLANE).shape == (0,)


# Tables as Arrow columns.


@pytest.fixture(scope="module")
def every_kind():
    """Return a table in which every kind and every family occurs, with the NaN eigenvalues of kinks."""
    rng = np.random.default_rng(5)
    n = 3 * len(KINDS)
    rows = table(rng.uniform(-1, 1, (n, 4)), rng.standard_normal(n), count=rng.integers(0, 2**40, n))
    kind = np.tile(np.arange(len(KINDS), dtype=np.int32), 3)
    eigenvalues = rng.standard_normal((n, 4))
    eigenvalues[kind == KINDS.index("kink")] = np.nan
    return rows._replace(
        kind=kind,
        eigenvalues=eigenvalues,
        family=np.repeat(np.arange(3, dtype=np.int32), len(KINDS)),
        first=rng.integers(0, 2**62, n),
        index=rng.integers(0, 4, n).astype(np.int32),
    )


def equal_tables(one, two):
    for name, column in one._asdict().items():
        assert getattr(two, name).dtype == column.dtype, name
        np.testing.assert_array_equal(getattr(two, name), column, err_msg=name)


def test_tables_survive_arrow_and_parquet(every_kind, tmp_path):
    arrow = points_table(every_kind)
    assert arrow.column("kind").to_pylist() == [KINDS[k] for k in every_kind.kind]
    assert arrow.column("family").to_pylist() == [FAMILIES[k] for k in every_kind.family]
    equal_tables(points_of(arrow), every_kind)
    store.write_table(tmp_path / "points.parquet", arrow)
    equal_tables(points_of(store.read_table(tmp_path / "points.parquet")), every_kind)


@pytest.mark.parametrize("rows", [0, 1])
def test_small_tables_survive(every_kind, tmp_path, rows):
    part = every_kind.take(np.arange(rows))
    equal_tables(points_of(points_table(part)), part)
    store.write_table(tmp_path / "points.parquet", points_table(part))
    equal_tables(points_of(store.read_table(tmp_path / "points.parquet")), part)


def test_tables_of_several_pieces_survive(every_kind):
    parts = [every_kind.take(np.arange(a, b)) for a, b in ((0, 4), (4, 4), (4, 15))]
    equal_tables(points_of(pa.concat_tables(map(points_table, parts))), every_kind)
