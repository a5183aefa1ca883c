"""Intervals against other libraries' numbers, brute force, and their coverage of known truths."""

import itertools

import numpy as np
import pytest
from scipy import stats

from mnemo_jax.estimates import gridded, independent, replicated, unseen, wilson

SEEDS = 400
SLACK = 0.022  # two standard errors of a coverage of 95 % seen over 400 seeds


def covers(interval, truth):
    return (interval[..., 0] <= truth) & (truth <= interval[..., 1])


# Shares of independent starts.


@pytest.mark.parametrize("total", [1, 2, 7, 40, 1000])
@pytest.mark.parametrize("confidence", [0.95, 0.99, 1 - 0.05 / 30])
def test_wilson_equals_scipys(total, confidence):
    counts = np.arange(total + 1)
    ours = wilson(counts, total, confidence)
    for count in counts[1:-1]:
        scipys = stats.binomtest(int(count), total).proportion_ci(confidence, method="wilson")
        np.testing.assert_allclose(ours[count], [scipys.low, scipys.high], rtol=1e-12)


@pytest.mark.parametrize("total", [1, 3, 10, 50, 1000, 10**9])
def test_wilson_at_no_start_and_at_all(total):
    none, every = wilson(np.array([0, total]), total)
    score = stats.binomtest(0, total).proportion_ci(method="wilson").high
    exact = stats.binomtest(0, total).proportion_ci(method="exact").high  # 1 - (alpha / 2)^(1/n)
    assert none[0] == 0.0
    np.testing.assert_allclose(none[1], max(score, exact), rtol=1e-9)
    assert every[1] == 1.0
    np.testing.assert_allclose(1 - every[0], max(score, exact), rtol=1e-6)


def test_the_rule_of_three():
    # Hanley and Lippman-Hand 1983: about 3 / n one-sided, so - ln(0.025) / n = 3.69 / n two-sided, or more
    high = wilson(np.array([0]), 10**6)[0, 1]
    assert 3.68e-6 < high < 3.9e-6


def test_intervals_hold_the_share_and_mirror():
    counts = np.arange(51)
    interval = wilson(counts, 50)
    assert np.all(covers(interval, counts / 50))
    np.testing.assert_allclose(interval[::-1], 1 - interval[:, ::-1], atol=1e-12)
    assert np.all(np.diff(interval, axis=0) > 0)


@pytest.mark.parametrize("share", [0.5, 0.2, 0.05, 0.004])
def test_wilson_coverage(share):
    total = 1000
    counts = np.array([np.random.default_rng(seed).binomial(total, share) for seed in range(10 * SEEDS)])
    seen = np.mean(covers(wilson(counts, total), share))
    assert abs(seen - 0.95) <= SLACK
    # and exactly, from the binomial itself: 95 % on average over shares near this one, as counts are whole
    each = wilson(np.arange(total + 1), total)
    exact = [
        stats.binom.pmf(np.arange(total + 1), total, p)[covers(each, p)].sum()
        for p in np.linspace(0.9, 1.1, 41) * share
    ]
    assert 0.94 < np.mean(exact) < 0.965
    assert np.min(exact) > 0.9


def test_simultaneous_intervals_hold_together():
    shares = np.array([0.4, 0.25, 0.15, 0.1, 0.05, 0.03, 0.015, 0.005])
    hits, single = [], []
    for seed in range(SEEDS):
        counts = np.random.default_rng(seed).multinomial(2000, shares)
        found = independent(counts, 2000)
        np.testing.assert_array_equal(found.share, counts / 2000)
        hits.append(np.all(covers(found.simultaneous, shares)))
        single.append(np.all(covers(found.interval, shares)))
    assert np.mean(hits) >= 0.95 - SLACK
    assert np.mean(single) < 0.9, "the test must be able to tell the two kinds of interval apart"


def test_simultaneous_is_bonferroni():
    counts = np.array([10, 20, 30, 40])
    found = independent(counts, 100)
    for count, interval in zip(counts, found.simultaneous, strict=True):
        scipys = stats.binomtest(int(count), 100).proportion_ci(1 - 0.05 / 4, method="wilson")
        np.testing.assert_allclose(interval, [scipys.low, scipys.high], rtol=1e-12)
    one = independent(np.array([10]), 100)
    np.testing.assert_array_equal(one.interval, one.simultaneous)
    assert independent(np.array([], int), 100).interval.shape == (0, 2)


# Shares from replicates.


def test_replicates_equal_scipys_t_interval():
    counts = np.random.default_rng(3).binomial(64, [0.1, 0.5, 0.3], (16, 3))
    found = replicated(counts, 64)
    for k, column in enumerate((counts / 64).T):
        np.testing.assert_allclose(found.share[k], column.mean())
        test = stats.ttest_1samp(column, 0.5)
        for interval, confidence in ((found.interval, 0.95), (found.simultaneous, 1 - 0.05 / 3)):
            np.testing.assert_allclose(interval[k], test.confidence_interval(confidence), rtol=1e-10)


@pytest.mark.parametrize("share", [0.9, 0.3, 0.05])
def test_replicates_coverage(share):
    hits = []
    for seed in range(SEEDS):
        counts = np.random.default_rng(seed).binomial(256, share, (16, 1))
        hits.append(covers(replicated(counts, 256).interval[0], share))
    assert abs(np.mean(hits) - 0.95) <= SLACK


def test_replicates_hold_together():
    shares = np.array([0.4, 0.3, 0.2, 0.07, 0.03])
    hits = []
    for seed in range(SEEDS):
        counts = np.random.default_rng(seed).multinomial(512, shares, 16)
        hits.append(np.all(covers(replicated(counts, 512).simultaneous, shares)))
    assert np.mean(hits) >= 0.95 - SLACK


@pytest.mark.parametrize("count", [0, 1, 4])
def test_equal_replicates_are_not_certain(count):
    low, high = replicated(np.full((16, 1), count), 4).interval[0]
    assert high - low > 0


# Shares on a grid.


def by_hand(labels, number, periodic):
    """Return cells that are certain and cells that may belong to each label, one cell after the other."""
    low, high = np.zeros(number), np.zeros(number)
    for cell in np.ndindex(labels.shape):
        around = set()
        for axis, shift in itertools.product(range(labels.ndim), (-1, 1)):
            place = list(cell)
            place[axis] += shift
            if periodic[axis]:
                place[axis] %= labels.shape[axis]
            elif not 0 <= place[axis] < labels.shape[axis]:
                continue
            around.add(int(labels[tuple(place)]))
        own = int(labels[cell])
        for label in {own, *around} - {-1}:
            high[label] += 1
        if own >= 0 and around <= {own}:
            low[own] += 1
    return np.stack([low, high], axis=1) / labels.size


@pytest.mark.parametrize("shape", [(1,), (2,), (9,), (5, 7), (2, 6), (1, 5), (4, 3, 5)])
def test_bounds_by_brute_force(shape):
    rng = np.random.default_rng(0)
    for periodic in itertools.product((False, True), repeat=len(shape)):
        for _ in range(5):
            labels = rng.integers(-1, 3, shape)
            labels[rng.random(shape) < 0.5] = 0  # large patches too
            found = gridded(labels, 3, periodic)
            np.testing.assert_allclose(found.share, [np.mean(labels == k) for k in range(3)], atol=1e-15)
            np.testing.assert_allclose(found.interval, by_hand(labels, 3, periodic), atol=1e-15)
            np.testing.assert_array_equal(found.simultaneous, found.interval)


def test_one_label_everywhere_is_certain():
    np.testing.assert_array_equal(gridded(np.zeros((4, 4), int), 1, (False, False)).interval, [[1.0, 1.0]])


def centres(cells):
    axis = (np.arange(cells) + 0.5) / cells
    return np.meshgrid(axis, axis, indexing="ij")


@pytest.mark.parametrize("cells", [8, 13, 32, 100])
def test_bounds_hold_the_area_of_discs(cells):
    x, y = centres(cells)
    rng = np.random.default_rng(cells)
    for _ in range(50):
        radius, a, b = rng.uniform(0.15, 0.3), *rng.uniform(0.3, 0.7, 2)
        inside = ((x - a) ** 2 + (y - b) ** 2 < radius**2).astype(int)
        found = gridded(inside, 2, (False, False)).interval
        area = np.pi * radius**2
        assert covers(found[1], area)
        assert covers(found[0], 1 - area)
        # the boundary, 2 pi r, runs through a strip of uncertain cells about two wide on either side
        assert found[1, 1] - found[1, 0] < 4 * 2 * np.pi * radius / cells


@pytest.mark.parametrize("cells", [8, 13, 32, 100])
def test_bounds_hold_the_area_of_half_planes(cells):
    x, y = centres(cells)
    rng = np.random.default_rng(cells)
    for _ in range(50):
        # below the line y = c + s (x - 1/2), which leaves the unit square at its sides only: area c
        c, s = rng.uniform(0.3, 0.7), rng.uniform(-0.5, 0.5)
        labels = (y < c + s * (x - 0.5)).astype(int)
        found = gridded(labels, 2, (False, False)).interval
        assert covers(found[1], c)
        assert covers(found[0], 1 - c)


@pytest.mark.parametrize("cells", [9, 24, 60])
def test_bounds_hold_the_area_of_discs_across_a_seam(cells):
    x, y = centres(cells)
    rng = np.random.default_rng(cells)
    for _ in range(50):
        a, b = rng.uniform(0, 1, 2)
        far = [np.minimum(np.abs(u - v), 1 - np.abs(u - v)) for u, v in ((x, a), (y, b))]
        found = gridded((np.hypot(*far) < 0.3).astype(int), 2, (True, True)).interval
        assert covers(found[1], np.pi * 0.09)
        # rolled by any number of cells, a torus is the same torus
        rolled = np.roll((np.hypot(*far) < 0.3).astype(int), (3, 5), (0, 1))
        np.testing.assert_array_equal(gridded(rolled, 2, (True, True)).interval, found)


# What was not seen.


def multinomials(shares, total, seeds=SEEDS):
    """Yield what is estimated from a sample of each seed, and the exact mass that the sample left unseen."""
    for seed in range(seeds):
        count = np.random.default_rng(seed).multinomial(total, shares)
        yield unseen(count[count > 0], total), shares[count == 0].sum()


ZIPF = 1 / np.arange(1.0, 3001.0) / np.sum(1 / np.arange(1.0, 3001.0))


@pytest.mark.parametrize("shares", [np.full(1000, 1e-3), ZIPF], ids=["equal", "zipf"])
def test_unseen_mass_has_no_more_bias_than_good_found(shares):
    # Good 1953: E f1/N - E U_N = sum p^2 (1 - p)^(N - 1)
    total = 1000
    errors = np.array([found.mass - mass for found, mass in multinomials(shares, total)])
    bias = np.sum(shares**2 * (1 - shares) ** (total - 1))
    assert abs(errors.mean() - bias) < 3 * errors.std() / np.sqrt(SEEDS)


@pytest.mark.parametrize(
    ("shares", "total"),
    [(np.full(2000, 1 / 2000), 1000), (np.full(1000, 1e-3), 1000), (np.full(300, 1 / 300), 1000), (ZIPF, 5000)],
    ids=["sparse", "even", "dense", "zipf"],
)
def test_estys_interval_covers_the_unseen_mass(shares, total):
    hits = [covers(np.array(found.interval), mass) for found, mass in multinomials(shares, total)]
    assert abs(np.mean(hits) - 0.95) <= SLACK


@pytest.mark.parametrize(
    ("rare", "mean"),
    [
        (20, 0.2),
        (50, 0.05),
        (1, 1),
        (5, 1),
        (5, 3),
        (30, 4),
        (199, 5),
    ],
)
def test_few_singletons_cover_the_unseen_mass(rare, mean):
    # so many rare points, each reached by so many of a thousand starts on average, and one that takes the rest
    shares = np.append(np.full(rare, mean / 1000), 1 - rare * mean / 1000)
    pairs = list(multinomials(shares, 1000, 5 * SEEDS))
    hits = [covers(np.array(found.interval), mass) for found, mass in pairs]
    assert np.mean([found.mass * 1000 for found, _ in pairs]) < 10
    assert np.mean(hits) >= 0.95 - SLACK


@pytest.mark.parametrize("once", range(10))
def test_few_singletons_have_garwoods_upper_limit(once):
    found = unseen(np.array([1] * once + [50]), 2000)
    # Garwood 1936: the Poisson mean under which at most as many are seen with probability 2.5 %
    upper = stats.chi2.ppf(0.975, 2 * (once + 1)) / 2
    np.testing.assert_allclose(found.interval[1], upper / 2000, rtol=1e-10)
    np.testing.assert_allclose(stats.poisson.cdf(once, upper), 0.025, rtol=1e-10)
    assert found.mass == once / 2000


def test_estys_interval_by_hand():
    # f1 = 20, f2 = 5, N = 100: 0.2 -+ 1.959964 sqrt((0.2 * 0.8 + 2 * 5 / 100) / 100)
    found = unseen(np.array([1] * 20 + [2] * 5 + [70]), 100)
    np.testing.assert_allclose(found.interval, [0.2 - 0.0999389, 0.2 + 0.0999389], atol=1e-6)


@pytest.mark.parametrize(
    ("count", "points"),
    [
        ([1, 1, 1, 2, 2, 5], 7.0),  # 6 + 3 * 2 / (2 * 3)
        ([0, 1, 1, 4, 2, 5, 2, 4, 1, 2], 9.75),  # the example of scikit-bio 0.6's chao1
        ([4, 7], 2.0),
        ([1], 1.0),
        ([], 0.0),
    ],
)
def test_chao1_by_hand(count, points):
    assert unseen(np.array(count, int), 100).points_estimate == points


def test_nothing_reached_leaves_nearly_all_unsaid():
    found = unseen(np.array([], int), 3)
    assert found.mass == 0.0
    assert found.interval == (0.0, 1.0)  # 3.69 / 3 is more than all
    assert unseen(np.ones(5, int), 5).mass == 1.0


def test_all_singletons_leave_room_below_one():
    found = unseen(np.ones(1000, int), 1000)
    assert found.mass == 1.0
    # No start has come twice: the mass seen may be as large as Garwood's limit for a count of zero, -ln(0.025) = 3.689.
    assert found.interval == pytest.approx((1 + np.log(0.025) / 1000, 1.0))


def test_the_number_of_points_counts_those_asked_for():
    count, minimum = np.array([500, 1, 1, 1]), np.array([True, True, True, False])
    assert unseen(count, 503, minimum).points_estimate == 3 + 2 * 1 / 2
    assert unseen(count, 503, minimum).mass == 3 / 503
