"""Random keys, counted: which numbers a start sees never depends on who computes it."""

from enum import IntEnum

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.threefry import THREEFRY

WORD = 0xFFFFFFFF


class Purpose(IntEnum):
    """What a key is for; keys of two purposes are never equal."""

    START = 0
    NOISE = 1
    BATCH = 2
    AUGMENT = 3


def root_of(seed: int) -> Array:
    """Return the key that all random numbers of a run with this seed come from: that of ``jax.random.key(seed)``.

    It is, in either width of integers, that of 64 bits.
    """
    return worded(jnp.asarray([seed >> 32 & WORD, seed & WORD], np.uint32))


def worded(words: Array) -> Array:
    """Return the key that words (uint32 ``[2]``, as `jax.random.key_data` gives them) stand for."""
    return jax.random.wrap_key_data(words, impl=THREEFRY)


def key(root: Array, purpose: Purpose, number: Array, step: int | Array = 0) -> Array:
    """Return the key of start ``number`` (int64 scalar) at ``step`` for one purpose.

    It is folded four times and only ever drawn from: folding a key that is also drawn from would repeat its words.
    """
    return jax.random.fold_in(stem(root, purpose, number), step)


def stem(root: Array, purpose: Purpose, number: Array) -> Array:
    """Return what the keys of start ``number`` for one purpose are folded from, by step; never drawn from itself."""
    folded = jax.random.fold_in(root, int(purpose))
    folded = jax.random.fold_in(folded, (number >> 32).astype("uint32"))
    return jax.random.fold_in(folded, (number & WORD).astype("uint32"))
