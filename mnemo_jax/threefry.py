"""Threefry (Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3) for keys that are drawn from in one go.

The bits are those of jax's own ``threefry2x32`` (with ``jax_threefry_partitionable``, its default). On a CPU jax writes
the twenty rounds of a hash as a loop over whole arrays, which go through memory five times for each of some six hashes
that a start takes. Written out they are entrywise operations, which XLA fuses with all around them: measured on one
core, a start of two coordinates takes 12 ns instead of 84.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.random import define_prng_impl, threefry_prng_impl

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)


@jax.jit
def hashed(key: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """Return the hash of two words under a ``key [2, ...]``; all are uint32."""
    # Operators of arrays would each be traced as a call, which takes more than twice as long.
    keys = (key[0], key[1], lax.bitwise_xor(lax.bitwise_xor(key[0], key[1]), PARITY))
    a, b = lax.add(first, keys[0]), lax.add(second, keys[1])
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            a = lax.add(a, b)
            turned = lax.bitwise_or(
                lax.shift_left(b, np.uint32(rotation)), lax.shift_right_logical(b, np.uint32(32 - rotation))
            )
            b = lax.bitwise_xor(turned, a)
        a = lax.add(a, keys[(group + 1) % 3])
        b = lax.add(b, lax.add(keys[(group + 2) % 3], np.uint32(group + 1)))
    return a, b


def _counted(key: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the hashes of the numbers 0, 1, ... of an array's entries."""
    if (size := math.prod(shape)) > 1 << 32:
        raise ValueError(f"{size} numbers are more than are drawn from one key")
    count = lax.iota(np.uint32, size).reshape(shape + (1,) * (key.ndim - 1))
    count = jnp.broadcast_to(count, shape + key.shape[1:])
    words = jnp.broadcast_to(key.reshape((2,) + (1,) * len(shape) + key.shape[1:]), (2, *count.shape))
    return hashed(words, jnp.zeros_like(count), count)


def _fold_in(key: Array, data: Array | int) -> Array:
    word = jnp.asarray(data, np.uint32)
    word = jnp.broadcast_to(word, jnp.broadcast_shapes(word.shape, key.shape[1:]))
    return jnp.stack(hashed(key, jnp.zeros_like(word), word))


def _split(key: Array, shape: tuple[int, ...]) -> Array:
    return jnp.stack(_counted(key, shape), axis=-1)


def _random_bits(key: Array, width: int, shape: tuple[int, ...]) -> Array:
    high, low = _counted(key, shape)
    if width == 64:
        return (high.astype(np.uint64) << np.uint64(32)) | low
    return (high ^ low).astype(f"uint{width}")


TAG = "written_out"  # of the type of such keys
THREEFRY = define_prng_impl(
    key_shape=(2,),
    seed=threefry_prng_impl.seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="threefry2x32_written_out",
    tag=TAG,
)
"""The kind of key, for `jax.random.key` and `jax.random.wrap_key_data`."""


def _same(words: Array, **_: Any) -> Array:
    return words


ON_WORDS: dict[str, Callable[..., Array]] = {
    "random_wrap": _same,
    "random_unwrap": _same,
    "random_fold_in": _fold_in,
    "random_bits": lambda words, *, bit_width, shape: _random_bits(words, bit_width, shape),
}
"""What jax's primitives on one such key do with its words ``[2]``, or those of many lanes ``[2, lanes]``."""
