"""What elementary functions are made of."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import Array

from mnemo_jax import native


def polynomial(coefficients: Sequence[float], z: Array) -> Array:
    """Return a polynomial at ``z``, the constant's coefficient first."""
    value = jnp.full_like(z, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * z + coefficient
    return value


def but_for(other: Array, own: Callable[..., Array], value: Array, *args: Array) -> Array:
    """Return ``value`` but for ``other`` entries, where it is ``own(*args)``: computed where there is one such."""

    def exact(value: Array, other: Array, *args: Array) -> Array:
        return jnp.where(other, own(*args), value)

    return native.once(jnp.any(other), exact, value, other, *args)[1]
