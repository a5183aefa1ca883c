"""Keys of our own against jax's: the same numbers, whatever is asked of them."""

from functools import partial

import jax
import numpy as np
import pytest

from mnemo_jax import native
from mnemo_jax.elementary import INSTEAD
from mnemo_jax.keys import Purpose, key, root_of, worded
from mnemo_jax.lanes import across, draws_on_words

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


def noisy(words, count, x):
    own = jax.random.fold_in(worded(words), count)
    return x + jax.random.normal(own, x.shape, x.dtype), jax.random.bits(own, (2, 3), "uint32")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lanes_draw_what_each_would_draw(dtype):
    words = np.asarray(jax.random.key_data(jax.vmap(lambda k: key(root_of(1), Purpose.NOISE, k))(np.arange(50))))
    count, x = np.arange(50, dtype=np.int32), np.linspace(-1, 1, 150).reshape(50, 3).astype(dtype)
    normal, bits = jax.vmap(noisy)(words, count, x)
    assert draws_on_words(jax.make_jaxpr(noisy)(words[0], count[0], x[0]))
    for instead in ({}, INSTEAD):
        many = across(noisy, "lanes_last", instead)
        found, drawn = jax.jit(native.native(many) if instead else many)(words.T, count, x.T)
        same(np.moveaxis(drawn, -1, 0), bits)
        np.testing.assert_allclose(found.T, normal, rtol=0, atol=32 * np.finfo(dtype).eps)


def test_keys_that_are_not_ours_are_left_to_jax():
    def theirs(words, x):
        return x + jax.random.normal(jax.random.wrap_key_data(words))

    words, x = np.arange(8, dtype=np.uint32).reshape(2, 4), np.zeros(4)
    assert not draws_on_words(jax.make_jaxpr(theirs)(words[:, 0], x[0]))
    same(jax.jit(across(theirs, "lanes_last"))(words, x), jax.vmap(theirs)(words.T, x))

    for root in (root_of(5), jax.random.key(5)):
        given = partial(lambda root, number: jax.random.key_data(jax.random.fold_in(root, number)), root)
        same(jax.jit(across(given, "lanes_last"))(np.arange(4)).T, jax.vmap(given)(np.arange(4)))


def test_keys_of_many_and_keys_within_are_left_to_jax():
    many = jax.random.split(jax.random.key(7), 2)
    others = jax.random.split(jax.random.key(7, impl="rbg"), 3)

    @jax.jit
    def within(x):
        return sum(jax.vmap(lambda key: jax.random.normal(key, x.shape))(keys).sum(0) for keys in (many, others)) + x

    def epochs(words, count):
        return jax.vmap(lambda e: jax.random.bits(jax.random.fold_in(worded(words), e), (2,)))(count + np.arange(3))

    x, words = np.arange(8.0).reshape(2, 4), np.arange(8, dtype=np.uint32).reshape(2, 4)
    np.testing.assert_allclose(jax.jit(across(within, "lanes_last"))(x).T, jax.vmap(within)(x.T), rtol=1e-12)
    count = np.arange(4)
    found = jax.jit(across(epochs, "lanes_last", INSTEAD))(words, count)
    same(np.moveaxis(found, -1, 0), jax.vmap(epochs)(words.T, count))
