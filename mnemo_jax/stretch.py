"""The engine's record of small gradients: when a stall opens and ends, from a few bits a step.

A stall opens when the gradient norm has been below one level for `OPENING` looks and ends when it rises above another,
twice as high (a Schmitt trigger). The inner loop only notes two bits a look; once every `WORD` looks the bits of all
lanes are read at once. A stall shall end at the last look of a word: a lane whose gradient was small when the word
began waits where it rises above the upper level; another, whose stall begins and ends within the word, does the word
again, up to the look that ended it.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

OPENING = 5  # looks a gradient must stay small before a stall opens
WORD = 32  # looks between two readings
FULL = (1 << WORD) - 1
UNSEEN = -1  # the bits of a word before its first look
WENT, AGAIN, CLOSED = 32, 40, 48
"""Where a reading's parts begin in one int64, its length being the lowest: the higher two are 0 in most words."""


class Stretch(NamedTuple):
    """The present stretch of small gradients of one lane, and the sums of its stalls so far.

    Attributes:
        length: int32, looks it has lasted, 0 outside one.
        smallest: smallest squared gradient norm in it.
        x: ``[d]``, the point where that was.
        count: int32, stalls ended so far.
        steps: int32, steps spent in them.
    """

    length: Array
    smallest: Array
    x: Array
    count: Array  # type: ignore[assignment]
    steps: Array


def fresh(x: Array) -> Stretch:
    """Return the record of a lane that has not looked yet."""
    zero = jnp.zeros((), jnp.int32)
    return Stretch(zero, jnp.full((), jnp.inf, x.dtype), x, zero, zero)


def noted(bits: Array, look: Array, fit: Array, small: Array, low: Array) -> Array:
    """Return the bits (int64), `UNSEEN` before a word, with those of look number ``look`` noted.

    Bit ``look`` stays set where the gradient is below the lower level, bit ``WORD + look`` where it is above the upper
    one. Where a stop rule holds, and the lane is not ``fit`` to go on, both stay, which no gradient that is a number
    does. Bits are cleared, not set, as that is one instruction where the condition is a conjunction.
    """
    first = jnp.int64(1) << look.astype(jnp.int64)
    bits = jnp.where(fit & ~small, bits & ~first, bits)
    return jnp.where(fit & low, bits & ~(first << WORD), bits)


def held(left: Array, inside: Array) -> Array:
    """Return bits (int64) that, set beside those noted, stop a lane whose updates are used up or that is to wait.

    Args:
        left: int32, looks that may let it go on.
        inside: whether its gradient was small when the word began: it waits where that is above the upper level.
    """
    late = FULL & (-1 << jnp.clip(left, 0, WORD).astype(jnp.int64))
    return late << WORD | jnp.where(inside, jnp.int64(FULL), late)


def goes(bits: Array, look: Array) -> Array:
    """Return whether look number ``look`` let the lane go on, by bits noted and held."""
    own = jnp.int64((1 << WORD) + 1) << look.astype(jnp.int64)
    return (bits & own) != own


def gone(bits: Array, looks: int) -> Array:
    """Return how many of the word's ``looks`` looks let the lane go on, int32, by bits noted and held."""
    stopped = bits & (bits >> WORD) & ((1 << looks) - 1)
    return looks - lax.population_count(stopped).astype(jnp.int32)


class Reading(NamedTuple):
    """What a word of looks says of the present stretch.

    Attributes:
        length: int32, looks it has lasted after the word.
        ended: int32, length of the stall that ended at the last look, or 0.
        again: int32, look at which a stall ended with others after it, or 0.
        went: int32, looks of the word that let the lane go on.
    """

    length: Array
    ended: Array
    again: Array
    went: Array

    def packed(self) -> Array:
        """Return all of it in one int64: a stretch lasts or has ended."""
        closed, again, went = (number.astype(jnp.int64) for number in (self.ended > 0, self.again, self.went))
        number = jnp.maximum(self.length, self.ended).astype(jnp.int64)
        return number | went << WENT | again << AGAIN | closed << CLOSED


def read(bits: Array, length: Array, went: Array, last: Array, small: Array, low: Array) -> Reading:
    """Read a word of one lane.

    Args:
        bits: int64, from `noted`.
        length: int32, of the stretch before the word.
        went: int32, looks that let the lane go on.
        last: whether the lane has looked once more, at the point where it waits or has stopped.
        small: whether that look saw a gradient below the lower level.
        low: whether it saw none above the upper level.
    """
    one = jnp.int64(1)
    going = (one << went.astype(jnp.int64)) - 1
    smalls = bits & going
    smalls |= jnp.where(last & small, going + 1, 0)
    before = jnp.minimum(length, OPENING - 1).astype(jnp.int64)
    # Looks before the word take the lowest bits, the word's own follow.
    row = (smalls << (OPENING - 1)) | (((one << before) - 1) << (OPENING - 1 - before))
    runs = row & (row >> 1)
    runs &= (runs >> 2) & (row >> 4)  # bit p: looks p - 4 to p of the word were small, OPENING = 5 of them
    opening = runs & -runs  # of the first look at which a stall is open
    opened = length >= OPENING
    inside = opened | (runs != 0)
    begun = jnp.where(opened, length, OPENING - 1 - _number(opening))
    seen = went + last
    grown = begun + seen
    trailing = lax.clz(~(row << (64 - (OPENING - 1) - seen).astype(jnp.int64))).astype(jnp.int32)
    ends = (bits >> WORD) & going & -opening  # looks after the opening that were above the upper level
    again = jnp.where(opened | (runs == 0) | (ends == 0), 0, _number(ends & -ends))
    closed = inside & last & ~low & (again == 0)
    return Reading(
        length=jnp.where(closed, 0, jnp.where(inside, grown, trailing)),
        ended=jnp.where(closed, grown - 1, 0),
        again=again,
        went=went,
    )


def unpacked(word: Array) -> Reading:
    """Return what `Reading.packed` has packed."""
    number, closed = (word & FULL).astype(jnp.int32), word >> CLOSED > 0
    went, again = ((word >> begin & 0xFF).astype(jnp.int32) for begin in (WENT, AGAIN))
    return Reading(jnp.where(closed, 0, number), jnp.where(closed, number, 0), again, went)


def is_seldom(word: Array) -> Array:
    """Whether a packed reading says that a stall has ended, now or before the word's last look."""
    return word >> AGAIN > 0


def _number(bit: Array) -> Array:
    """Return the number of the only bit that is set, int32."""
    return lax.population_count(bit - 1).astype(jnp.int32)
