"""Keys of our own against jax's: the same numbers, whatever is asked of them."""

import jax
import numpy as np
import pytest

from mnemo_jax.keys import Purpose, key, root_of, worded

SEEDS = (0, 7, 2**31, 2**40 + 3, -5)


def same(ours, theirs):
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.fixture(autouse=True)
def wide():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_those_of_jax(seed):
    ours, theirs = root_of(seed), jax.random.key(seed)
    same(jax.random.key_data(ours), jax.random.key_data(theirs))
    for fold in (0, 1, 2**32 - 1):
        a, b = jax.random.fold_in(ours, fold), jax.random.fold_in(theirs, fold)
        same(jax.random.key_data(a), jax.random.key_data(b))
        same(jax.random.key_data(jax.random.split(a, (2, 3))), jax.random.key_data(jax.random.split(b, (2, 3))))
        for width in (8, 16, 32, 64):
            for shape in ((), (5,), (3, 0), (2, 3, 4)):
                same(jax.random.bits(a, shape, f"uint{width}"), jax.random.bits(b, shape, f"uint{width}"))
        same(jax.random.normal(a, (7,)), jax.random.normal(b, (7,)))


def test_keys_of_starts_are_folded_from_the_root():
    theirs = jax.random.key(3)
    number = 5 * 2**32 + 11
    for word in (int(Purpose.NOISE), 5, 11, 9):
        theirs = jax.random.fold_in(theirs, word)
    made = key(root_of(3), Purpose.NOISE, np.int64(number), 9)
    same(jax.random.key_data(made), jax.random.key_data(theirs))
    same(jax.random.uniform(worded(jax.random.key_data(made)), (4,)), jax.random.uniform(theirs, (4,)))


def test_more_numbers_than_can_be_counted_are_refused():
    with pytest.raises(ValueError, match="more than are drawn from one key"):
        jax.jit(lambda k: jax.random.bits(k, (2**17, 2**16))).lower(root_of(0))
