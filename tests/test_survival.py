"""Kaplan-Meier estimates of stall lengths: against scipy, published numbers, brute force, and known truth."""

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf

from mnemo_jax import estimates
from mnemo_jax.survival import alone, band, kaplan_meier, median, moments, spread, survival, thinned


def clustered(starts, seed, spread=2.0):
    """Return lengths, whether censored, and starts of stalls: all of a start share a chance to end at each step.

    The chance is beta-distributed, so that ``P(length > 5 + k)`` over all stalls is ``E (1 - p)^(k + 1)``.
    """
    random = np.random.default_rng([seed, starts])
    number = random.integers(1, 5, starts)
    start = np.repeat(np.arange(starts), number)
    chance = random.beta(spread, 10 * spread, starts)[start]
    length = 4 + random.geometric(chance)
    limit = 4 + random.geometric(0.03, len(start))
    return np.minimum(length, limit), length > limit, start


def truth(length, spread=2.0):
    """Return the share longer than ``length`` of the stalls that `clustered` draws: a product of beta moments."""
    k = np.arange(length - 4)
    return np.prod((10 * spread + k) / (11 * spread + k))


@pytest.mark.parametrize("seed", range(5))
def test_shares_equal_scipys(seed):
    length, censored, _ = clustered(200, seed)
    told = kaplan_meier(length, censored)
    theirs = ecdf(CensoredData.right_censored(length, censored)).sf
    np.testing.assert_array_equal(told.at, theirs.quantiles)
    np.testing.assert_allclose(told.share, theirs.probabilities, rtol=1e-13, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_bands_of_independent_stalls_equal_scipys(seed):
    length, censored, _ = clustered(200, seed)
    told = kaplan_meier(length, censored | (length == length.max()))  # where the share is 0 scipy has no band
    theirs = ecdf(CensoredData.right_censored(length, censored | (length == length.max()))).sf
    limits = theirs.confidence_interval(method="log-log")
    each = np.stack([limits.low.probabilities, limits.high.probabilities], axis=1)
    np.testing.assert_allclose(band(told, alone(told)), each, rtol=1e-12)


def test_the_first_trial_with_a_survival_curve():
    """Remission under 6-mercaptopurine, weeks (Freireich et al. 1963); numbers of Kalbfleisch and Prentice (2002)."""
    ended, still = [6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    told = kaplan_meier(np.array(ended + still), np.repeat([False, True], [len(ended), len(still)]))
    rows = np.searchsorted(told.at, [6, 7, 10, 13, 16, 22, 23])
    np.testing.assert_allclose(told.share[rows], [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], atol=5e-4)
    error = told.share * np.sqrt(told.greenwood)
    np.testing.assert_allclose(error[rows], [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], atol=5e-5)
    assert median(told, band(told, alone(told))) == (23, 13, None)


@pytest.mark.parametrize("seed", range(3))
def test_one_stall_a_start_is_greenwood(seed):
    length, censored, _ = clustered(150, seed)
    told = kaplan_meier(length, censored)
    found = spread(told, moments(told, length, censored, np.random.default_rng(seed).permutation(len(length))))
    np.testing.assert_allclose(found.variance, told.greenwood, rtol=1e-9)
    np.testing.assert_allclose(found.left, alone(told).left)


def influence(told, length, censored):
    """Return how each stall moves ``log share`` at each length ``[n, m]``, length by length as the definition says."""
    moved = np.zeros((len(length), len(told.at)))
    for k, at in enumerate(told.at):
        there = length >= at
        ends = (length == at) & ~censored
        left = told.at_risk[k] - told.ended[k]
        moved[:, k] = (there * told.ended[k] / told.at_risk[k] - ends) / left if left else np.nan
    return -np.cumsum(moved, axis=1)


def test_stalls_of_a_start_are_added_before_they_are_squared():
    length, censored, start = clustered(60, 0)
    told = kaplan_meier(length, censored)
    moved = influence(told, length, censored)
    each = np.stack([moved[start == s].sum(axis=0) for s in range(60)])
    expected = np.where(told.share > 0, np.sum(each**2, axis=0), np.inf)
    found = spread(told, moments(told, length, censored, start))
    np.testing.assert_allclose(found.variance, expected, rtol=1e-9)
    assert found.variance[20] > 1.2 * told.greenwood[20]  # stalls of a start are alike here


def test_parts_with_whole_starts_add_up():
    length, censored, start = clustered(80, 1)
    told = kaplan_meier(length, censored)
    whole = moments(told, length, censored, start)
    shuffled = np.random.default_rng(0).permutation(len(start))
    parts = [shuffled[start[shuffled] % 3 == k] for k in range(3)]
    summed = sum(moments(told, length[p], censored[p], start[p]) for p in parts)
    np.testing.assert_allclose(summed, whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("starts", "worst"), [(15, 0.91), (60, 0.925)])
def test_bands_cover_the_truth_as_often_as_they_say(starts, worst):
    """Greenwood's band, which takes the stalls of a start for independent, does not."""
    seeds, at = 400, np.array([7, 10, 16, 25])
    expected = np.array([truth(length, 0.4) for length in at])
    hits, naive, medians = np.zeros(4), np.zeros(4), 0
    middle = next(length for length in range(5, 200) if truth(length, 0.4) <= 0.5)
    for seed in range(seeds):
        length, censored, start = clustered(starts, seed, 0.4)
        told = kaplan_meier(length, censored)
        row = np.searchsorted(told.at, at, side="right") - 1
        both = [band(told, s) for s in (spread(told, moments(told, length, censored, start)), alone(told))]
        hit = [(row >= 0) & (b[row, 0] <= expected) & (expected <= b[row, 1]) for b in both]
        hits, naive = hits + hit[0], naive + hit[1]
        _, low, high = median(told, both[0])
        medians += (low is not None and low <= middle) and (high is None or middle <= high)
    assert np.all(hits / seeds > worst)
    assert np.all(hits / seeds < 0.98)
    assert medians / seeds > worst
    if starts > 50:
        assert np.all(naive / seeds < 0.9)


def test_where_no_stall_has_ended_the_limit_is_exact():
    told = kaplan_meier(np.array([5, 5, 9, 9, 9, 30]), np.array([True, True, False, False, False, True]))
    low, high = band(told, alone(told))[0]
    assert told.share[0] == 1
    assert high == 1
    assert low**4 == pytest.approx(0.025)  # four stalls are left, and all longer
    twice = moments(
        told, np.repeat(told.at, [2, 3, 1]), np.array([1, 1, 0, 0, 0, 1], bool), np.array([0, 1, 2, 2, 3, 3])
    )
    assert spread(told, twice).left[0] == pytest.approx(4**2 / (2**2 + 2**2))  # of two starts


def test_where_no_stall_is_left_the_upper_limit_stays():
    told = kaplan_meier(np.array([5, 6, 7, 8]), np.zeros(4, bool))
    limits = band(told, alone(told))
    assert told.share[-1] == 0
    assert limits[-1].tolist() == [0.0, limits[-2, 1]]
    assert 0.5 < limits[-1, 1] < 1
    only = kaplan_meier(np.array([5]), np.array([False]))
    assert band(only, alone(only)).tolist() == [[0.0, 1.0]]


def test_medians_are_where_the_curve_reaches_one_half():
    told = survival(np.array([5, 10, 20]), np.array([1, 1, 2]), np.array([0, 0, 0]))
    assert median(told, np.array([[0.4, 1.0], [0.1, 0.9], [0.0, 0.3]])) == (10, 5, 20)
    assert median(told, np.full((3, 2), np.nan)) == (10, None, None)
    still = kaplan_meier(np.array([5, 6, 7]), np.ones(3, bool))
    assert median(still, band(still, alone(still))).steps is None


def test_no_stalls_at_all():
    told = kaplan_meier(np.empty(0, np.int64), np.empty(0, bool))
    assert [len(column) for column in told] == [0] * 6
    assert band(told, alone(told)).shape == (0, 2)
    assert median(told, band(told, alone(told))) == (None, None, None)
    assert len(thinned(told, 10)) == 0


@pytest.mark.parametrize("all_ended", [True, False])
def test_thinned_curves_keep_both_ends_and_the_tail(all_ended):
    random = np.random.default_rng(0)
    length = 4 + random.geometric(1e-3, 100_000)
    told = kaplan_meier(length, (random.random(len(length)) < 0.1) & (not all_ended))
    rows = thinned(told, 100)
    assert 60 < len(rows) <= 102
    assert (rows[0], rows[-1]) == (0, len(told.at) - 1)
    share = np.append(1.0, told.share[rows])
    assert np.max(share[:-1] - share[1:]) < 0.05
    assert np.sum(told.share[rows] < 1e-3) > 10
    few = kaplan_meier(length[:50], np.zeros(50, bool))
    assert thinned(few, 100).tolist() == list(range(len(few.at)))


def test_confidence_is_the_estimates():
    told = kaplan_meier(*clustered(100, 0)[:2])
    np.testing.assert_array_equal(band(told, alone(told)), band(told, alone(told), estimates.CONFIDENCE))
    wide = band(told, alone(told), 0.99)
    inside = (told.share < 1) & (told.share > 0)
    assert np.all((wide[inside, 0] < told.share[inside]) & (told.share[inside] < wide[inside, 1]))
    assert np.all(wide[inside, 0] < band(told, alone(told))[inside, 0])
