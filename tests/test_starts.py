"""Starts: number ``i`` is a pure function of the seed and ``i``, of the law asked for, and mistakes are told."""

import itertools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from mnemo_jax.errors import UserError
from mnemo_jax.keys import Purpose, key
from mnemo_jax.landscape import Landscape
from mnemo_jax.starts import SCRAMBLINGS, Grid, Normal, Points, Sobol, Uniform, count, drawer, is_independent


def loss(x):
    return jnp.sum(x**2)


SQUARE = Landscape(loss=loss, dim=2, lower=(-1.0, 2.0), upper=(3.0, 2.5))
UNIT = Landscape(loss=loss, dim=2, lower=0.0, upper=1.0)
LINE = Landscape(loss=loss, dim=1, lower=0.0, upper=1.0)
GIVEN = tuple((float(i), -0.5 * i) for i in range(40))
FAMILIES = {
    "uniform": Uniform(count=40),
    "normal": Normal(count=40, mean=(1.0, -1.0), scale=0.5),
    "grid": Grid(shape=(5, 8)),
    "sobol": Sobol(count=64),
    "points": Points(x=GIVEN),
}
MANY = 20_000

EACH = list(FAMILIES)


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def uniform():
    with jax.enable_x64(True):
        return np.asarray(drawer(Uniform(count=MANY), UNIT, 3)(0, MANY))


@pytest.fixture(scope="module")
def normal():
    with jax.enable_x64(True):
        return np.asarray(drawer(Normal(count=MANY), UNIT, 3)(0, MANY))


def drawn(starts, first, n, seed=7, landscape=SQUARE):
    return np.asarray(drawer(starts, landscape, seed)(first, n))


# One number, one start.


@pytest.mark.parametrize("name", EACH)
def test_any_cut_into_blocks_gives_the_same_bytes(name):
    starts = FAMILIES[name]
    number = count(starts, SQUARE)
    whole = drawn(starts, 0, number)
    assert whole.shape == (number, 2)
    assert whole.dtype == np.float64
    for cuts in (range(0, number + 1, 8), (0, 3, 11, number)):
        parts = [drawn(starts, a, b - a) for a, b in itertools.pairwise(cuts)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("name", EACH)
def test_numbers_past_the_last_repeat_it(name):
    starts = FAMILIES[name]
    number = count(starts, SQUARE)
    padded = drawn(starts, number - 3, 8)
    np.testing.assert_array_equal(padded[2:], np.broadcast_to(padded[2], (6, 2)))
    np.testing.assert_array_equal(padded[:3], drawn(starts, 0, number)[-3:])


@pytest.mark.parametrize("name", ["uniform", "normal", "sobol"])
def test_seeds_give_other_starts(name):
    # also seeds that agree in their lower 32 bits, and the largest one
    draws = [drawn(FAMILIES[name], 0, 40, seed).tobytes() for seed in (0, 1, 1 + 2**32, 2**63 - 1)]
    assert len(set(draws)) == 4


def test_start_numbers_beyond_32_bits_are_their_own():
    starts = Uniform(count=2**40)
    firsts = (5, 5 + 2**32, 5 + 2**33, 2**40 - 8)
    rows = [drawn(starts, first, 8) for first in firsts]
    assert len(np.unique(np.concatenate(rows), axis=0)) == 32
    later = drawn(starts, 5 + 2**32 + 3, 8)
    np.testing.assert_array_equal(later[:5], rows[1][3:])


def test_a_start_is_drawn_from_the_key_folded_as_documented():
    # DESIGN section 10: fold in the purpose, the number's high and low words, and the step
    for number in (0, 9, 2**32 + 9, 2**39 + 1):
        folded = jax.random.key(7)
        for word in (0, number >> 32, number & 0xFFFFFFFF, 0):
            folded = jax.random.fold_in(folded, jnp.uint32(word))
        expected = jax.random.uniform(folded, (2,), jnp.float64)
        np.testing.assert_array_equal(drawn(Uniform(count=2**40), number, 1, landscape=UNIT)[0], expected)


# The laws.


def test_uniform_moments(uniform):
    n = len(uniform)
    assert np.all((uniform >= 0) & (uniform < 1))
    assert np.max(np.abs(uniform.mean(axis=0) - 1 / 2)) < 4 * math.sqrt(1 / 12 / n)
    # var (u - 1/2)^2 = 1/80 - 1/144
    assert np.max(np.abs(((uniform - 0.5) ** 2).mean(axis=0) - 1 / 12)) < 4 * math.sqrt((1 / 80 - 1 / 144) / n)
    for column in uniform.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3


def test_normal_moments(normal):
    n = len(normal)
    assert np.max(np.abs(normal.mean(axis=0))) < 4 / math.sqrt(n)
    assert np.max(np.abs((normal**2).mean(axis=0) - 1)) < 4 * math.sqrt(2 / n)
    assert np.max(np.abs((normal**4).mean(axis=0) - 3)) < 4 * math.sqrt(96 / n)  # E z^8 - 9 = 96
    for column in normal.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3


@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_axes_and_neighbouring_starts_are_uncorrelated(law, request):
    x = request.getfixturevalue(law)
    n = len(x)
    assert abs(np.corrcoef(x.T)[0, 1]) < 4 / math.sqrt(n)
    for column in x.T:
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 4 / math.sqrt(n)


def test_the_landscapes_box_unless_the_starts_name_another(uniform):
    unit = uniform[:40]
    np.testing.assert_allclose(drawn(Uniform(count=40), 0, 40, 3), [-1, 2] + unit * [4, 0.5], rtol=1e-15)
    own = Uniform(count=40, lower=(0.0, -10.0), upper=1.0)
    np.testing.assert_allclose(drawn(own, 0, 40, 3), [0, -10] + unit * [1, 11], rtol=1e-14)
    half = Uniform(count=40, upper=9.0)
    np.testing.assert_allclose(drawn(half, 0, 40, 3), [-1, 2] + unit * [10, 7], rtol=1e-15)


def test_normal_mean_and_scale_per_axis_or_one_for_all(normal):
    z = normal[:40]
    one = drawn(Normal(count=40, mean=5.0, scale=(0.0, 2.0)), 0, 40, 3)
    np.testing.assert_allclose(one, 5 + z * [0, 2], rtol=1e-14)
    np.testing.assert_array_equal(one[:, 0], 5.0)


def test_grid_cells_are_the_centres_in_c_order():
    cube = Landscape(loss=loss, dim=3, lower=(0.0, -1.0, 10.0), upper=(1.0, 1.0, 13.0))
    x = drawn(Grid(shape=(2, 4, 3)), 0, 24, landscape=cube)
    axes = [(0.25, 0.75), (-0.75, -0.25, 0.25, 0.75), (10.5, 11.5, 12.5)]
    np.testing.assert_allclose(x, list(itertools.product(*axes)), rtol=1e-15)


# Sobol.


def test_sobol_equals_scipys_scramblings():
    x = drawn(Sobol(count=16 * 8), 0, 128, seed=11)

    def scipys(bits):
        engines = [qmc.Sobol(2, bits=bits, rng=np.random.default_rng([11, k])) for k in range(SCRAMBLINGS)]
        return np.concatenate([[-1, 2] + engine.random_base2(3) * [4, 0.5] for engine in engines])

    # how many binary digits the points have is the implementation's choice
    assert any(np.array_equal(x, scipys(bits)) for bits in (30, 32, 53, 64))


def test_each_scrambling_is_a_net():
    # (0, m, s)-nets in base 2: every column has one point in each of 2^m equal intervals (Owen 1997)
    x = drawn(Sobol(count=16 * 32), 0, 512, landscape=UNIT).reshape(16, 32, 2)
    cells = np.sort(np.floor(32 * x), axis=1)
    np.testing.assert_array_equal(cells, np.broadcast_to(np.arange(32.0)[:, None], (16, 32, 2)))
    # and in two dimensions one in each box of sides 2^-a and 2^(a-5)
    for a in range(6):
        boxes = np.floor(x[..., 0] * 2**a) * 2 ** (5 - a) + np.floor(x[..., 1] * 2 ** (5 - a))
        assert all(len(set(row)) == 32 for row in boxes)
    assert len(np.unique(x.reshape(-1, 2), axis=0)) == 512


@pytest.mark.parametrize("number", [1, 7, 15, 17, 24, 48, 80, 100, 1000, 12345, 16 * 3, 16 * 1023])
def test_sobol_takes_sixteen_times_a_power_of_two(number):
    with pytest.raises(UserError, match=rf"starts.count: {number} is not 16 times a power of two") as caught:
        count(Sobol(count=number), SQUARE)
    below, above = map(int, re.findall(r"take (\d+) or (\d+)", str(caught.value))[0])
    for advised in (below, above):
        assert count(Sobol(count=advised), SQUARE) == advised
        assert math.log2(advised / 16).is_integer()
    assert below <= max(number, 16) < above


@pytest.mark.parametrize("power", range(0, 24, 5))
def test_sobol_counts_that_fit(power):
    assert count(Sobol(count=16 << power), SQUARE) == 16 << power


# Points.


def test_points_from_files_and_from_x_are_the_same(tmp_path):
    points = np.array(GIVEN)
    np.save(tmp_path / "p.npy", points)
    np.savetxt(tmp_path / "p.csv", points, delimiter=",", fmt="%.17g")
    np.savetxt(tmp_path / "p.txt", points, fmt="%.17g", header="x y")
    for name in ("p.npy", "p.csv", "p.txt"):
        starts = Points(path=str(tmp_path / name))
        assert count(starts, SQUARE) == 40
        np.testing.assert_array_equal(drawn(starts, 0, 40), points)
    np.testing.assert_array_equal(drawn(Points(x=GIVEN), 0, 40), points)


def test_points_on_a_line_may_be_a_list_of_numbers(tmp_path):
    np.save(tmp_path / "p.npy", np.arange(5))
    (tmp_path / "p.txt").write_text("0\n1\n2\n3\n4\n")
    for name in ("p.npy", "p.txt"):
        starts = Points(path=str(tmp_path / name))
        np.testing.assert_array_equal(drawn(starts, 0, 5, landscape=LINE), np.arange(5.0)[:, None])


def test_one_point_is_a_row(tmp_path):
    (tmp_path / "p.csv").write_text("1.5,2.5\n")
    np.testing.assert_array_equal(drawn(Points(path=str(tmp_path / "p.csv")), 0, 1), [[1.5, 2.5]])


# Mistakes.


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        (Uniform(count=3, lower=(0.0, 0.0, 0.0)), ["starts.lower", "3 values for 2 axes"]),
        (Uniform(count=3, upper=(1.0, 1.0, 1.0)), ["starts.upper", "3 values for 2 axes"]),
        (Uniform(count=3, lower=5.0), ["starts.lower", "empty", "5.0"]),
        (Uniform(count=3, lower=(0.0, 2.5)), ["starts.lower", "empty", "2.5"]),
        (Uniform(count=3, lower=math.nan), ["starts.lower", "finite", "nan"]),
        (Normal(count=3, mean=(0.0, 0.0, 0.0)), ["starts.mean", "3 values for 2 axes"]),
        (Normal(count=3, scale=(1.0, 1.0, 1.0)), ["starts.scale", "3 values for 2 axes"]),
        (Normal(count=3, scale=(1.0, -0.5)), ["starts.scale", "-0.5", "negative"]),
        (Grid(shape=(3,)), ["starts.shape", "1 numbers for 2 axes"]),
        (Grid(shape=(3, 3, 3)), ["starts.shape", "3 numbers for 2 axes"]),
        (Points(), ["starts", "path or x"]),
        (Points(path="p.npy", x=GIVEN), ["starts", "path or x"]),
        (Points(x=()), ["starts.x: holds no points"]),
        (Points(x=((),)), ["points of shape (1, 0)", "2 coordinates"]),
        (Points(x=((1.0,), (2.0,))), ["points of shape (2, 1)", "2 coordinates"]),
    ],
)
def test_starts_that_do_not_fit_the_landscape(starts, words):
    with pytest.raises(UserError) as caught:
        drawer(starts, SQUARE, 0)
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


FILES = {
    "missing.npy": None,
    "missing.txt": None,
    "text.npy": b"1 2\n3 4\n",
    "words.csv": b"x,y\n1,2\n",
    "ragged.csv": b"1,2\n3\n",
    "binary.txt": b"\xff\xfe\x00\x01",
    "columns.csv": b"1,2,3\n4,5,6\n",
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_hold_no_points(tmp_path, name):
    if FILES[name] is not None:
        (tmp_path / name).write_bytes(FILES[name])
    with pytest.raises(UserError, match=r"^starts") as caught:
        drawer(Points(path=str(tmp_path / name)), SQUARE, 0)
    assert "columns" in name or name in str(caught.value)


@pytest.mark.parametrize("name", ["empty.npy", "words.npy", "complex.npy", "empty.txt"])
def test_files_whose_contents_are_no_numbers(tmp_path, name):
    for file, values in (("words.npy", ["a", "b"]), ("complex.npy", [[1j, 2.0]])):
        np.save(tmp_path / file, np.array(values))
    for file in ("empty.npy", "empty.txt"):
        (tmp_path / file).write_bytes(b"")
    with pytest.raises(UserError, match=r"^starts.path: (cannot read|.*holds complex numbers|holds no points)"):
        drawer(Points(path=str(tmp_path / name)), SQUARE, 0)


def test_rows_of_unequal_length():
    with pytest.raises(UserError, match=r"^starts"):
        drawer(Points(x=((1.0, 2.0), (3.0,))), SQUARE, 0)


@pytest.mark.parametrize(
    "starts",
    [Uniform(count=3, lower=-math.inf), Normal(count=3, mean=math.nan), Normal(count=3, scale=math.inf)],
)
def test_starts_are_finite(starts):
    with pytest.raises(UserError, match=r"^starts"):
        drawer(starts, SQUARE, 0)


def test_a_folder_is_no_file_of_points(tmp_path):
    with pytest.raises(UserError, match=r"^starts.path: .* is not the folder of a finished run"):
        drawer(Points(path=str(tmp_path)), SQUARE, 0)


def test_only_draws_are_independent():
    assert {name for name, starts in FAMILIES.items() if is_independent(starts)} == {"uniform", "normal"}


# Keys.


def words(keys):
    """Return the two words of each key as one 64-bit number."""
    data = np.asarray(jax.random.key_data(keys), np.uint64)
    return (data[..., 0] << np.uint64(32)) | data[..., 1]


@pytest.fixture(scope="module")
def all_keys():
    """Return the words of the keys of every purpose, of numbers in three ranges and eight steps."""
    with jax.enable_x64(True):
        numbers = jnp.concatenate([jnp.arange(40), 2**32 + jnp.arange(40), 2**33 + jnp.arange(40)])
        grid = jax.vmap(jax.vmap(key, (None, None, None, 0)), (None, None, 0, None))
        return {p: words(grid(jax.random.key(5), p, numbers, jnp.arange(8))) for p in Purpose}


def test_keys_of_other_purposes_numbers_and_steps_differ(all_keys):
    every = np.concatenate([k.ravel() for k in all_keys.values()])
    assert len(every) == 4 * 120 * 8
    assert len(np.unique(every)) == len(every)


def test_no_key_is_a_word_drawn_from_another(all_keys):
    root = jax.random.key(5)
    # The trap: a folded key repeats the words drawn from the key it was folded from.
    drawn_words = np.asarray(jax.random.bits(root, (8,), jnp.uint64))
    folded = words(jax.vmap(jax.random.fold_in, (None, 0))(root, jnp.arange(8)))
    np.testing.assert_array_equal(drawn_words, folded)
    # Keys made by `key` never do: not of the draw of any start, as many words as starts have coordinates.
    numbers = jnp.concatenate([jnp.arange(40), 2**32 + jnp.arange(40), 2**33 + jnp.arange(40)])
    for purpose in Purpose:
        keys = jax.vmap(lambda n, purpose=purpose: key(root, purpose, n))(numbers)
        bits = jax.vmap(lambda k: jax.random.bits(k, (64,), jnp.uint64))(keys)
        for other in all_keys.values():
            assert not np.intersect1d(np.asarray(bits), other).size
