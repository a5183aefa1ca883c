"""The Hessian's signs from products with vectors, against matrices of known spectrum and dense eigenvalues."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from mnemo_jax.errors import UserError
from mnemo_jax.spectrum import curvature, density


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def form(x, matrix):
    return 0.5 * x @ matrix @ x


def matrix_of(spectrum):
    q = np.linalg.qr(np.random.default_rng(len(spectrum)).standard_normal((len(spectrum),) * 2))[0]
    return jnp.asarray(q @ np.diag(spectrum) @ q.T)


def network(sizes, number, seed=0):
    """Return loss, weights and data of a tanh network on random labels."""
    draw = np.random.default_rng(seed)
    layers = [(jnp.asarray(draw.standard_normal((a, b)) / np.sqrt(a)), jnp.zeros(b)) for a, b in pairwise(sizes)]
    data = tuple(jnp.asarray(draw.standard_normal((number, size))) for size in (sizes[0], sizes[-1]))
    flat, unravel = ravel_pytree(layers)

    def loss(x, inputs, targets):
        *hidden, (w, b) = unravel(x)
        for weights, bias in hidden:
            inputs = jnp.tanh(inputs @ weights + bias)
        return jnp.mean((inputs @ w + b - targets) ** 2)

    return loss, flat, data


@pytest.mark.parametrize(
    ("spectrum", "index", "word"),
    [
        (np.linspace(0.2, 3.0, 300), 0, "minimum"),
        # three equal ones: a vector alone sees them once
        (np.concatenate([[-2.0, -2.0, -2.0, -1.0, -0.5], np.linspace(0.3, 5.0, 295)]), 5, "saddle"),
        (np.concatenate([[-1e-3], np.linspace(0.5, 2.0, 199)]), 1, "saddle"),
        (-np.linspace(0.5, 2.0, 40), 40, "maximum"),
        # what higher derivatives do along the flat directions no Hessian tells
        (np.concatenate([np.zeros(20), np.linspace(0.5, 2.0, 180)]), 0, "undecided"),
        (np.zeros(100), 0, "undecided"),
        (np.repeat([0.0, 1.0], 100), 0, "undecided"),
        # a vector has no more than two parts that the Hessian tells apart; the third product finds rounding alone
        (np.ones(100), 0, "minimum"),
        (np.repeat([-1.0, 1.0], [5, 95]), 5, "saddle"),
    ],
)
def test_matrices_of_known_spectrum(spectrum, index, word):
    found = curvature(form, jnp.zeros(len(spectrum)), matrix_of(spectrum))
    assert (found.index, found.decided, found.word) == (index, True, word)
    np.testing.assert_allclose(found.negative, np.sort(spectrum[spectrum < -1e-9]), rtol=1e-3)
    assert found.lowest_bound <= spectrum.min() + 1e-9
    assert found.highest <= spectrum.max() + 1e-9


@pytest.mark.parametrize(
    ("spectrum", "word"),
    [
        (np.linspace(0.2, 3.0, 300), "minimum"),
        (-np.linspace(0.2, 3.0, 300), "maximum"),
        (np.concatenate([-np.linspace(0.1, 3.0, 150), np.linspace(0.1, 3.0, 150)]), "saddle"),
        (np.zeros(300), "undecided"),
    ],
)
def test_a_kind_takes_one_search(spectrum, word):
    found = curvature(form, jnp.zeros(300), matrix_of(spectrum), count=False)
    assert (found.word, found.products) == (word, 64)
    assert found.lowest_bound <= spectrum.min() + 1e-9
    assert found.highest_bound >= spectrum.max() - 1e-9


def test_directions_taken_out_do_not_come_back():
    """Rounding must not let them, as eigenvalues of zero that no number of products would tell from negative ones."""
    spectrum = np.concatenate([-np.linspace(0.5, 1.0, 5), np.linspace(1.0, 2.0, 995)])
    found = curvature(form, jnp.zeros(1000), matrix_of(spectrum))
    assert (found.index, found.decided, found.products) == (5, True, 128)


def test_a_hessian_that_is_not_finite_is_an_error():
    with pytest.raises(UserError, match="not finite"):
        curvature(lambda x: jnp.sum(x**2 / 0.0), jnp.ones(10))


def test_what_few_products_cannot_tell_is_undecided():
    """An eigenvalue of 1e-6 among those up to 1 is no sure sign of a minimum after 32 products."""
    spectrum = np.geomspace(1e-6, 1.0, 2000)
    found = curvature(form, jnp.zeros(2000), matrix_of(spectrum), products=32, most=32)
    assert (found.index, found.decided, found.word) == (0, False, "undecided")


@pytest.mark.parametrize("sizes", [[6, 10, 2], [10, 20, 10, 2]])
def test_networks_agree_with_dense_eigenvalues(sizes):
    loss, x, data = network(sizes, 50)
    values = np.linalg.eigvalsh(np.asarray(jax.hessian(loss)(x, *data)))
    zero = 1e-3 * np.abs(values).max()
    found = curvature(loss, x, *data, zero=zero)
    assert found.decided
    assert found.index == np.sum(values < -zero)
    np.testing.assert_allclose(found.negative, values[: found.index], atol=1e-2 * np.abs(values).max())
    np.testing.assert_allclose([found.lowest, found.highest], values[[0, -1]], rtol=1e-6)


def test_density_of_a_known_spectrum():
    """Half the eigenvalues at 1, half at 3: two bumps of mass 1/2, within four standard errors."""
    spectrum = np.repeat([1.0, 3.0], 200)
    at = np.linspace(0.0, 4.0, 401)
    curve, error = density(form, jnp.zeros(400), matrix_of(spectrum), at=at, width=0.1, products=10, probes=32)
    low = at < 2.0
    step = at[1] - at[0]
    assert np.sum(curve) * step == pytest.approx(1.0, abs=1e-6)
    assert abs(np.sum(curve[low]) * step - 0.5) < 4 * np.max(error) * 0.25
    assert at[np.argmax(np.where(low, curve, 0.0))] == pytest.approx(1.0, abs=0.011)
