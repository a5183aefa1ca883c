"""Measures of boundaries against closed forms, loops and the literature."""

from collections import Counter
from math import comb, log

import numpy as np
import pytest

from mnemo_jax.blocks import block_numbers, interval, resampled
from mnemo_jax.boundaries import basin_entropy, entropies, fractality, on_boundary, smooth_entropy
from mnemo_jax.uncertainty import changes, uncertainty


def centres(size):
    return (np.arange(size) + 0.5) / size - 0.5


def half_plane(size, angle=0.4):
    x = centres(size)
    return (np.cos(angle) * x[:, None] + np.sin(angle) * x > 0.03).astype(int)


def disc(size):
    x = centres(size)
    return (np.hypot(x[:, None], x) < 0.3).astype(int)


def sectors(size, number=3):
    x = centres(size)
    turn = np.arctan2(x[None] - 0.02, x[:, None] + 0.03) / (2 * np.pi) + 0.53
    return (np.floor(turn * number) % number).astype(int)


def squares(size, side):
    place = np.arange(size) // side
    return place[:, None] * 100 + place


def newton(size, steps=40):
    """Return which root of z^3 = 1 Newton's method reaches from each point of [-2, 2]^2."""
    x = 4 * centres(size)
    z = x[:, None] + 1j * x
    for _ in range(steps):
        z = z - (z**3 - 1) / (3 * z**2)
    return np.argmin(np.abs(z[..., None] - np.exp(2j * np.pi * np.arange(3) / 3)), axis=-1)


def cantor(level):
    """Return labels of 3^level cells with a boundary at Cantor's set: gaps carry the parity of their generation."""
    label, place = np.zeros(3**level, int), np.arange(3**level)
    for k in range(level):
        label = np.where((label == 0) & (place // 3 ** (level - 1 - k) % 3 == 1), 1 + k % 2, label)
    return label


@pytest.fixture(scope="module")
def fractal():
    return newton(600)


def entropy_of(labels):
    total = len(labels)
    return -sum(n / total * log(n / total) for n in Counter(labels).values())


def test_entropies_are_those_of_counts():
    random = np.random.default_rng(0)
    labels = random.integers(-1, 5, (50, 30))
    labels[7] = 3
    inside = random.random((50, 30)) < 0.5
    found, masked = entropies(labels), entropies(labels, inside)
    for row, keep, whole, part in zip(labels, inside, found, masked, strict=True):
        assert whole == pytest.approx(entropy_of(row.tolist()), abs=1e-12)
        assert part == pytest.approx(entropy_of(row[keep].tolist()), abs=1e-12)
    assert found[7] == masked[7] == 0.0  # exactly, as zero says that there is no boundary


def test_basin_entropy_is_the_mean_over_boxes():
    labels = np.random.default_rng(1).integers(-1, 2, (23, 31))
    labels[:10, :10] = 1
    found = basin_entropy(labels, box=4)
    boxes = [labels[i : i + 4, j : j + 4].ravel().tolist() for i in range(0, 20, 4) for j in range(0, 28, 4)]
    values = np.array([entropy_of(box) for box in boxes])
    assert (found.boxes, found.boundary_boxes) == (len(boxes), np.sum(values > 0))
    assert found.basin == pytest.approx(values.mean(), rel=1e-12)
    assert found.boundary == pytest.approx(values[values > 0].mean(), rel=1e-12)


def test_intervals_of_basin_entropy_cover_what_independent_cells_have():
    """A box of 16 fair coins has a mean entropy known in closed form."""
    parts = np.arange(1, 16) / 16
    each = -(parts * np.log(parts) + (1 - parts) * np.log(1 - parts))
    exact = sum(comb(16, k) / 2**16 * each[k - 1] for k in range(1, 16))
    covered = 0
    for seed in range(60):
        low, high = basin_entropy(np.random.default_rng(seed).integers(0, 2, (40, 40)), box=4).basin_interval
        covered += low <= exact <= high
    assert 0.85 <= covered / 60 < 1


@pytest.mark.parametrize(
    ("dim", "published"), [(1, 0.499999), (2, 0.4395093), (3, 0.39609176), (4, 0.36319428), (5, 0.33722572)]
)
def test_smooth_entropy_is_the_published_one(dim, published):
    assert smooth_entropy(dim) == pytest.approx(published, abs=1.001e-6)


def test_smooth_entropy_is_that_of_cut_balls():
    """Points of a ball in four dimensions, cut by planes at uniform distances."""
    random = np.random.default_rng(2)
    x = random.standard_normal((200_000, 4))
    first = (x / np.linalg.norm(x, axis=1, keepdims=True) * random.random((200_000, 1)) ** 0.25)[:, 0]
    share = np.searchsorted(np.sort(first), np.linspace(-1, 1, 2001)) / 200_000
    share = share[(share > 0) & (share < 1)]
    values = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert smooth_entropy(4) == pytest.approx(values.sum() / 2001, abs=2e-3)


SMOOTH = {
    "half plane": half_plane(300),
    "disc": disc(300),
    "three sectors": sectors(300),
    "seven sectors": sectors(300, 7),
    "squares": squares(300, 30),
    "line": (np.arange(2000) > 700).astype(int),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_smooth_boundaries_are_called_smooth(name, seed):
    found = fractality(SMOOTH[name], seed=seed)
    assert found.verdict == "smooth", found
    assert found.reason is None


def test_fractal_boundaries_are_called_fractal(fractal):
    for labels in (fractal, cantor(8), np.random.default_rng(0).integers(0, 3, (200, 200))):
        found = fractality(labels)
        assert found.verdict == "fractal"
        assert found.deviation > 4


def test_balls_hold_two_labels_and_leave_the_global_generator_alone():
    before = str(np.random.get_state())
    found = on_boundary(disc(200), (False, False), 8, seed=3)
    assert len(found) == 4000
    assert found.min() > 0  # no empty place in the mean
    np.testing.assert_array_equal(found, on_boundary(disc(200), (False, False), 8, seed=3))
    assert before == str(np.random.get_state())


def test_balls_cross_ends_that_meet():
    """The first row has a label of its own: balls about its middle exist only where the axis closes."""
    labels = np.zeros((60, 60), int)
    labels[0] = 1
    open_, closed = (on_boundary(labels, (ends, True), 4) for ends in (False, True))
    assert open_.max() < 0.35 < 0.45 < closed.max()  # at most 5 and 9 of about 50 cells


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.ones((300, 300), int), "one label alone"),
        (np.arange(900).reshape(30, 30) % 2, "30 cells along an axis are too few"),
        (np.where(np.arange(90_000).reshape(300, 300) == 3, 1, 0), "random balls hold more than one label"),
    ],
)
def test_what_cannot_be_decided_says_why(labels, said):
    found = fractality(labels)
    assert found.verdict == "undecided"
    assert said in found.reason


@pytest.mark.parametrize("periodic", [(False, False), (True, False), (True, True)])
def test_changes_are_those_of_a_loop(periodic):
    labels = np.random.default_rng(5).choice([0, 1], (17, 14), p=[0.8, 0.2])
    most = 3
    found = changes(labels, most, periodic)
    expected = np.full(labels.shape, most + 1)
    for i, j in np.ndindex(labels.shape):
        for away in range(most, 0, -1):
            for di, dj in ((away, 0), (-away, 0), (0, away), (0, -away)):
                k, m = i + di, j + dj
                if periodic[0]:
                    k %= 17
                if periodic[1]:
                    m %= 14
                if 0 <= k < 17 and 0 <= m < 14 and labels[k, m] != labels[i, j]:
                    expected[i, j] = min(expected[i, j], away)
    keep = tuple(slice(None) if closed else slice(most, -most) for closed in periodic)
    np.testing.assert_array_equal(found, expected[keep])


@pytest.mark.parametrize("angle", [0.0, 0.4, 0.7, 1.2])
def test_straight_boundaries_have_the_exponent_one(angle):
    found = uncertainty(half_plane(400, angle))
    assert found.window == (1, 20)
    assert found.exponent == pytest.approx(1.0, abs=2e-3)
    assert found.share[0] == pytest.approx(2 / 360, rel=0.01)  # one cell on either side in every row, or every column


@pytest.mark.parametrize("labels", [disc(500), sectors(500)])
def test_curved_and_forked_boundaries_have_the_exponent_one(labels):
    found = uncertainty(labels)
    assert found.exponent == pytest.approx(1.0, abs=0.02)
    low, high = found.exponent_interval
    assert low < 1 < high
    assert found.dimension(2)[0] == pytest.approx(2 - found.exponent)


def test_exponent_of_cantors_boundary():
    """Its box dimension is ln 2 / ln 3, so that the exponent is 1 - ln 2 / ln 3; noise has the exponent 0."""
    found = uncertainty(cantor(9))
    exact = 1 - log(2) / log(3)
    assert found.exponent == pytest.approx(exact, abs=0.02)
    low, high = found.exponent_interval
    assert low < exact < high
    assert found.window[1] >= 100 * found.window[0]
    assert uncertainty(np.random.default_rng(0).integers(0, 4, (200, 200))).exponent == pytest.approx(0, abs=0.01)


def test_exponent_of_newtons_method(fractal):
    """The boundary of the roots of z^3 = 1 has a box dimension of about 1.42 (Epureanu and Greenside 1998)."""
    found = uncertainty(fractal)
    dimension, (low, high) = found.dimension(2)
    assert dimension == pytest.approx(1.42, abs=0.03)
    assert low < 1.42 < high
    assert high - low < 0.1
    assert found.spread <= found.allowed


def test_no_exponent_where_the_slope_is_not_constant():
    """A speckled corner and a straight boundary: the one's share is constant, the other's grows as the error."""
    labels = half_plane(400, 0.0)
    labels[30:70, 30:70] = np.random.default_rng(0).integers(0, 2, (40, 40))
    found = uncertainty(labels)
    assert found.window is None
    assert np.isnan(found.exponent)
    assert "not constant" in found.reason
    assert found.spread > found.allowed


@pytest.mark.parametrize(
    ("labels", "said"),
    [(np.zeros((400, 400), int), "no label changes"), (half_plane(150), "less than a decade")],
)
def test_no_exponent_says_why(labels, said):
    found = uncertainty(labels)
    assert found.window is None
    assert said in found.reason
    assert uncertainty(np.zeros((30, 400), int)) is None


def test_one_boundary_point_has_no_interval():
    found = uncertainty((np.arange(1000) > 300).astype(int))
    assert found.exponent == pytest.approx(1.0, abs=1e-9)
    assert np.isnan(found.exponent_interval).all()


def test_shares_respect_closed_axes():
    labels = half_plane(400, 0.0)
    closed = uncertainty(labels, (True, True))
    np.testing.assert_allclose(closed.share, 4 * closed.error / 400, rtol=1e-12)  # two boundaries, two sides each
    np.testing.assert_array_equal(uncertainty(np.roll(labels, 77, 0), (True, True)).share, closed.share)


@pytest.mark.parametrize("shape", [(7,), (1000,), (40, 33), (20, 20, 20), (6, 6, 6, 6)])
def test_blocks_are_alike_and_hold_every_cell(shape):
    number = block_numbers(shape)
    sizes = np.bincount(number.ravel())
    along = [min(size, int(4096 ** (1 / len(shape)) + 1e-9), 16) for size in shape]
    assert number.shape == shape
    assert len(sizes) == np.prod(along) <= 4096
    assert sizes.min() >= np.prod([size // blocks for size, blocks in zip(shape, along, strict=True)])
    assert sizes.max() <= np.prod([-(-size // blocks) for size, blocks in zip(shape, along, strict=True)])


def test_resampled_totals_have_the_mean_and_spread_of_sums():
    sums = np.random.default_rng(0).standard_normal((256, 1)) + 3
    samples = resampled(sums, np.ones(256, bool))
    assert samples.mean() == pytest.approx(sums.sum(), rel=0.01)
    assert samples.std() == pytest.approx(16 * sums.std(), rel=0.1)
    low, high = interval(samples[:, 0])
    assert (high - low) / (2 * 1.96) == pytest.approx(16 * sums.std(), rel=0.1)
    assert np.isnan(resampled(sums, np.arange(256) < 7)).all()
