"""Logarithms, powers and the inverse of the error function as native functions compute them, against exact ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy import special

from mnemo_jax import native
from mnemo_jax.elementary import INSTEAD
from mnemo_jax.lanes import across

WIDE = np.finfo(np.longdouble).eps < 1e-18  # else there is nothing to compare with that is more exact
DRAW = np.random.default_rng(0)
SIZES = 10.0 ** DRAW.uniform(-300, 300, 20_000)
NEAR_ONE = np.concatenate([DRAW.uniform(0.5, 2.0, 40_000), 1.0 + DRAW.uniform(-1e-3, 1e-3, 20_000), [1.0]])
SMALL = 10.0 ** DRAW.uniform(-18, -1e-9, 20_000)
POWERS = {
    "any": (np.concatenate([SIZES, NEAR_ONE]), DRAW.uniform(-1.1, 1.1, 80_001)),
    "far": (10.0 ** DRAW.uniform(-5, 5, 60_000), DRAW.uniform(-60, 60, 60_000)),
    "decay": (np.full(60_000, 0.999), np.arange(60_000.0)),
}
ODD = np.array([0.0, -0.0, -1.0, -2.5, 1e-310, np.inf, -np.inf, np.nan, 1.0, 2.0, 0.3])


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def units(found, exact):
    """Return the largest error in units of the last place."""
    return float(np.max(np.abs(found - exact) / np.spacing(np.abs(exact).astype(found.dtype)).astype(np.longdouble)))


@pytest.mark.skipif(not WIDE, reason="long double is no wider than double")
@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("log", np.concatenate([SIZES, NEAR_ONE[NEAR_ONE != 1.0]])),
        ("log1p", np.concatenate([DRAW.uniform(-0.999, 3.0, 40_000), SMALL, -SMALL, SIZES[SIZES < 1e300]])),
    ],
)
def test_last_digit_of_logarithms(name, x):
    found = np.asarray(jax.jit(INSTEAD[name])(x))
    assert units(found, getattr(np, name)(x.astype(np.longdouble))) < 0.9


@pytest.mark.skipif(not WIDE, reason="long double is no wider than double")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", POWERS)
def test_last_digits_of_powers(name, dtype):
    x, y = (np.clip(values, -1e30, 1e30).astype(dtype) if dtype == "float32" else values for values in POWERS[name])
    x = np.maximum(x, np.finfo(dtype).tiny)
    found = np.asarray(jax.jit(INSTEAD["pow"])(x, y))
    assert found.dtype == dtype
    with np.errstate(over="ignore", under="ignore"):
        exact = np.power(x.astype(np.longdouble), y.astype(np.longdouble))
    limits = np.finfo(dtype)
    inside = (exact > 2 * limits.tiny) & (exact < limits.max / 2)
    assert inside.mean() > 0.01
    assert units(found[inside], exact[inside]) < 0.9
    own = np.asarray(jax.jit(lax.pow)(x, y))
    np.testing.assert_allclose(found[~inside], own[~inside], rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", ["log", "log1p"])
def test_odd_numbers_are_left_to_xla(name):
    found, own = (np.asarray(jax.jit(function)(ODD)) for function in (INSTEAD[name], getattr(lax, name)))
    np.testing.assert_allclose(found, own, rtol=1e-15, atol=1e-300)  # XLA's log1p takes 1e-310 for zero
    np.testing.assert_array_equal(np.signbit(found), np.signbit(own))


def test_odd_powers_are_left_to_xla():
    x, y = (grid.ravel() for grid in np.meshgrid(ODD, np.append(ODD, [3.0, 1e308, -1e308])))
    found, own = (np.asarray(jax.jit(function)(x, y)) for function in (INSTEAD["pow"], lax.pow))
    np.testing.assert_allclose(found, own, rtol=1e-15)
    np.testing.assert_array_equal(np.signbit(found[own == own]), np.signbit(own[own == own]))


def test_powers_in_native_functions_take_whole_exponents_and_numbers_that_are_the_same_for_all():
    count, rate = np.arange(64, dtype=np.int32), 0.9

    def bias(count, x):
        return 1.0 - rate**count + jnp.log1p(x**2.5)

    x = DRAW.uniform(0.1, 5.0, 64)
    found = np.asarray(jax.jit(native.native(across(bias, "lanes_last", INSTEAD)))(count, x))
    np.testing.assert_allclose(found, 1.0 - 0.9**count + np.log1p(x**2.5), rtol=1e-14)
    alone = x.copy()
    alone[3] = -1.0
    again = np.asarray(jax.jit(native.native(across(bias, "lanes_last", INSTEAD)))(count, alone))
    assert np.isnan(again[3])
    np.testing.assert_array_equal(np.delete(again, 3), np.delete(found, 3))


def test_inverse_error_function():
    x = np.concatenate([DRAW.uniform(-1.0, 1.0, 60_000), SMALL, 1.0 - SMALL[SMALL > 1e-6]])
    found = np.asarray(jax.jit(INSTEAD["erf_inv"])(x))
    np.testing.assert_allclose(found, special.erfinv(x), rtol=1e-11)  # the polynomials take 1 - x^2, rounded
    np.testing.assert_allclose(found[:100_000], np.asarray(jax.jit(lax.erf_inv)(x))[:100_000], rtol=1e-14)
    found, own = (np.asarray(jax.jit(function)(ODD)) for function in (INSTEAD["erf_inv"], lax.erf_inv))
    np.testing.assert_allclose(found, own, rtol=1e-15)
    np.testing.assert_array_equal(np.signbit(found[own == own]), np.signbit(own[own == own]))
