"""Random bits, each computed once.

XLA computes entrywise operations anew for every loop that takes their results, and hashes have hundreds of them; not so
where they have a loop of their own (see `native.once`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax import native
from mnemo_jax.threefry import ON_WORDS


def _once(words: Array, *args: Array, name: str, **params: Any) -> Array:
    draw = partial(ON_WORDS[name], **params)
    made = jax.eval_shape(draw, words, *args)
    true = (words.ravel()[0] >> 1).astype(jnp.int32) >= 0  # which XLA does not know
    drawn: Array = native.once(true, lambda _: draw(words, *args), jnp.zeros(made.shape, made.dtype))[1]
    return drawn


INSTEAD: dict[str, Callable[..., Array]] = {
    name: partial(_once, name=name) for name in ("random_fold_in", "random_bits")
}
"""What is computed in native functions in place of XLA's primitives."""
