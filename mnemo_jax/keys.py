"""Random keys, counted: which numbers a start sees never depends on who computes it."""

from enum import IntEnum

import jax
from jax import Array


class Purpose(IntEnum):
    """What a key is for; keys of two purposes are never equal."""

    START = 0
    NOISE = 1
    BATCH = 2
    AUGMENT = 3


def key(root: Array, purpose: Purpose, number: Array, step: int | Array = 0) -> Array:
    """Return the key of start ``number`` (int64 scalar) at ``step`` for one purpose.

    It is folded four times and only ever drawn from: folding a key that is also drawn from would repeat its words.
    """
    return jax.random.fold_in(stem(root, purpose, number), step)


def stem(root: Array, purpose: Purpose, number: Array) -> Array:
    """Return what the keys of start ``number`` for one purpose are folded from, by step; never drawn from itself."""
    folded = jax.random.fold_in(root, int(purpose))
    folded = jax.random.fold_in(folded, (number >> 32).astype("uint32"))
    return jax.random.fold_in(folded, (number & 0xFFFFFFFF).astype("uint32"))
