"""Ackley's function: a wide bowl full of pits, with a kink at the bottom."""

import jax.numpy as jnp
from jax import Array

from mnemo_jax.landscape import KnownPoint, Landscape
from mnemo_jax.losses.checks import Count, checked


def loss(x: Array) -> Array:
    """Return ``20 + e - 20 exp(-0.2 sqrt(mean x^2)) - exp(mean cos(2 pi x))`` at ``x`` of shape ``[dim]``."""
    bowl = -20.0 * jnp.exp(-0.2 * jnp.sqrt(jnp.mean(x**2)))
    return bowl - jnp.exp(jnp.mean(jnp.cos(2.0 * jnp.pi * x))) + 20.0 + jnp.e


@checked
def ackley(dim: Count = 2) -> Landscape:
    """Return Ackley's function on ``[-32.768, 32.768]^dim`` (Ackley 1987; d-dimensional: Baeck 1996).

    The global minimum, the origin, is the tip of a cone: the gradient there is undefined (autodiff returns NaN) and has
    norm ``4 / sqrt(dim)`` all around it, so gradient descent with a fixed learning rate hovers and never converges.
    """
    return Landscape(
        loss=loss,
        dim=dim,
        lower=(-32.768,),
        upper=(32.768,),
        name="ackley",
        formula="20 + e - 20 exp(-0.2 sqrt(mean x^2)) - exp(mean cos(2 pi x))",
        learning_rate=0.008 * dim,
        known=(KnownPoint((0.0,) * dim, 0.0, "kink"),),
    )
