"""Sines and cosines as native functions compute them, against those of a wider number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mnemo_jax import native
from mnemo_jax.elementary import sines
from mnemo_jax.lanes import across

WIDE = np.finfo(np.longdouble).eps < 1e-18  # else there is nothing to compare with that is more exact


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def arguments(dtype):
    """Return numbers of all sizes, among them multiples of a right angle, where nearly all digits cancel."""
    draw = np.random.default_rng(0)
    turns = np.concatenate([np.arange(-2000, 2000), 997 * np.arange(1000)]) * (np.pi / 2)
    sizes = 10.0 ** draw.uniform(-20, 6.2, 8000) * draw.choice([-1, 1], 8000)
    return np.concatenate([draw.uniform(-10, 10, 8000), turns, sizes, [0.0]]).astype(dtype)


@pytest.mark.skipif(not WIDE, reason="long double is no wider than double")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_last_digit(name, dtype):
    x = arguments(dtype)
    found = np.asarray(jax.jit(sines.INSTEAD[name])(x))
    exact = getattr(np, name)(x.astype(np.longdouble))
    unit = np.spacing(np.abs(exact).astype(dtype)).astype(np.longdouble)
    assert found.dtype == dtype
    assert np.max(np.abs(found - exact) / np.maximum(unit, np.finfo(dtype).smallest_subnormal)) < 0.8


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_large_numbers_and_zeros_are_left_to_xla_one_by_one(name):
    x = np.array([1.0, 2.0e6, -1.0e300, np.inf, np.nan, -0.0, 0.0, 3.0])
    own = np.asarray(jax.jit(getattr(lax, name))(x))
    found = np.asarray(jax.jit(sines.INSTEAD[name])(x))
    np.testing.assert_array_equal(found[1:7], own[1:7])
    np.testing.assert_array_equal(np.signbit(found), np.signbit(own))
    alone = np.asarray(jax.jit(sines.INSTEAD[name])(x[[0, 7]]))
    np.testing.assert_array_equal(found[[0, 7]], alone)


def test_the_company_changes_no_bit():
    def gradient(x):
        return jax.grad(lambda x: jnp.sum(jnp.sin(3 * x) * jnp.cos(x[0])))(x)

    x = np.random.default_rng(1).uniform(-5, 5, (3, 64))
    run = jax.jit(native.native(across(gradient, "lanes_last", sines.INSTEAD)))
    found = np.asarray(run(x))
    np.testing.assert_allclose(found, np.asarray(jax.vmap(gradient)(x.T)).T, rtol=0, atol=1e-14)
    other = x.copy()
    other[:, 7] = 1e9
    again = np.asarray(run(other))
    same = np.arange(64) != 7
    np.testing.assert_array_equal(found[:, same], again[:, same])
    np.testing.assert_allclose(again[:, 7], np.asarray(gradient(other[:, 7])), rtol=1e-12)
