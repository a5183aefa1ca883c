"""Orders of many items that are never written out: which item stands at a place is computed from the place.

A sort of all items for every start and epoch would cost more than the steps of a small network. A Feistel network
(Luby and Rackoff 1988, SIAM J. Comput. 17, 373) is a permutation whatever its round function is; places that it
sends beyond the last item it sends on, until they are items (cycle walking, Black and Rogaway 2002).
"""

import jax
import jax.numpy as jnp
from jax import Array, lax

ROUNDS = 24  # so that all orders of seven items are equally frequent; with 8, as ciphers have, they are not


def rows(key: Array, batch: Array, size: int, items: int) -> Array:
    """Return the items ``[size]`` of batch number ``batch`` when epochs of ``items`` are cut into batches of ``size``.

    Every epoch has an order of its own, and an epoch's last batch takes the first items of the next epoch where
    ``size`` does not divide ``items``.
    """
    place = (batch % items) * size + jnp.arange(size)  # `items` batches are `size` epochs: no count overflows
    epoch = batch // items * size + place // items
    words = jax.vmap(lambda e: jax.random.bits(jax.random.fold_in(key, e), (2,), jnp.uint32))(epoch)
    return permuted((place % items).astype(jnp.uint32), words, items).astype(jnp.int32)


def permuted(place: Array, words: Array, items: int) -> Array:
    """Return where places ``[n]`` below ``items`` go, in the order that ``words [n, 2]`` (uint32) stand for."""
    bits = max(2, (items - 1).bit_length())

    def outside(state: Array) -> Array:
        return jnp.any(state >= items)

    def walk(state: Array) -> Array:
        return jnp.where(state >= items, _feistel(state, words, bits), state)

    return lax.while_loop(outside, walk, _feistel(place, words, bits))


def _feistel(place: Array, words: Array, bits: int) -> Array:
    """Return a permutation of the numbers of ``bits`` bits: each half changed by the other in turn."""
    low = bits // 2
    high, rest = jnp.uint32((1 << (bits - low)) - 1), jnp.uint32((1 << low) - 1)

    def twice(number: Array, halves: tuple[Array, Array]) -> tuple[Array, Array]:
        left, right = halves
        first, second = (_mixed(words[:, 0] + 2 * number + k) ^ words[:, 1] for k in jnp.arange(2, dtype=jnp.uint32))
        left ^= _mixed(right + first) & high
        return left, right ^ (_mixed(left + second) & rest)

    left, right = lax.fori_loop(jnp.uint32(0), jnp.uint32(ROUNDS // 2), twice, (place >> low, place & rest))
    return (left << low) | right


def _mixed(word: Array) -> Array:
    """Return 32 bits in which every bit of ``word`` has had its say (MurmurHash3's finalizer, Appleby 2011)."""
    word = (word ^ (word >> 16)) * jnp.uint32(0x85EBCA6B)
    word = (word ^ (word >> 13)) * jnp.uint32(0xC2B2AE35)
    return word ^ (word >> 16)
