"""Words of looks against the trigger itself, look by look."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnemo_jax.stretch import OPENING, UNSEEN, WORD, goes, gone, held, noted, read


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def trigger(length, looks):
    """Return length and ended length after each look ``(small, low)``."""
    for small, low in looks:
        stays = low if length >= OPENING else small
        ended = length if length >= OPENING and not stays else 0
        length = length + 1 if stays else 0
        yield length, ended


def word(looks, went):
    """Return the bits of a word of which the first ``went`` looks let the lane go on."""
    bits = jnp.int64(UNSEEN)
    for k in range(WORD):
        small, low = looks[min(k, went)]
        bits = noted(bits, jnp.int32(k), jnp.array(k < went), jnp.array(small), jnp.array(low))
    return bits


def random_looks(random, number):
    """Return looks that stay where they are for a while, as gradients do."""
    level, looks = random.integers(3), []
    for _ in range(number):
        if random.random() < 0.2:
            level = random.integers(3)
        looks.append((level == 0, level <= 1))
    return looks


def expected(length, looks, went, last):
    """Return what `read` is to say; ``again`` is asked for where a stall ends before the last look."""
    for number, (after, ended) in enumerate(trigger(length, looks[: went + last])):
        if ended:
            return (0, ended, 0) if number == went else (None, 0, number)
        length = after
    return length, 0, 0


@pytest.mark.parametrize("seed", range(4))
def test_words_say_what_the_trigger_does(seed):
    random = np.random.default_rng(seed)
    cases = []
    while len(cases) < 150:
        went = int(random.integers(0, WORD + 1))
        looks = random_looks(random, WORD + 1)
        length = int(random.integers(0, 12))
        if length and not all(low for _, low in looks[:went]):
            continue  # a lane that was small before waits at the first look above
        cases.append((looks, length, went, went < WORD))
    bits = jnp.stack([word(looks, went) for looks, _, went, _ in cases])
    length, went = (jnp.array([case[k] for case in cases], jnp.int32) for k in (1, 2))
    small, low = (jnp.array([looks[went][k] for looks, _, went, _ in cases]) for k in (0, 1))
    np.testing.assert_array_equal(gone(bits, WORD), went)
    found = read(bits, length, went, jnp.array([case[3] for case in cases]), small, low)
    kinds = set()
    for k, (looks, before, steps, last) in enumerate(cases):
        after, ended, again = expected(before, looks, steps, last)
        assert found.again[k] == again
        if not again:
            assert (found.length[k], found.ended[k]) == (after, ended)
        kinds.add((ended > 0, again > 0, before >= OPENING))
    assert len(kinds) >= 4, "stalls that ended, words done again, and neither"


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("left", [0, 1, 9, WORD - 1, WORD, 1000])
def test_lanes_go_on_unless_a_rule_or_what_holds_them_stops_them(left, inside):
    random = np.random.default_rng(left)
    looks = np.arange(WORD, dtype=np.int32)
    fit, low = random.random(WORD) < 0.8, random.random(WORD) < 0.7
    small = low & (random.random(WORD) < 0.5)
    bits = jnp.int64(UNSEEN)
    for k in looks:
        bits = noted(bits, k, *map(jnp.array, (fit[k], small[k], low[k])))
    bits |= held(jnp.int32(left), jnp.array(inside))
    expected = fit & (looks < left) & (low | (not inside))
    np.testing.assert_array_equal([goes(bits, k) for k in looks], expected)
    assert [int(gone(bits, n)) for n in (1, 12, WORD)] == [expected[:n].sum() for n in (1, 12, WORD)]
