"""The Styblinski-Tang function: a tilted double well along every axis."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import Count, checked
from mnemo_jax.losses.points import line, product


def loss(x: Array) -> Array:
    """Return ``sum_i (x_i^4 - 16 x_i^2 + 5 x_i) / 2`` at ``x`` of shape ``[dim]``."""
    return 0.5 * jnp.sum(x**4 - 16.0 * x**2 + 5.0 * x)


@checked
def styblinski_tang(dim: Count = 2) -> Landscape:
    """Return the function on ``[-5, 5]^dim`` (Styblinski & Tang 1990, Neural Networks 3(4)).

    Up to six dimensions all ``3^dim`` critical points are known, beyond only the global minimum.
    """
    rows = line(
        lambda x: 0.5 * (x**4 - 16 * x**2 + 5 * x),
        lambda x: 2 * x**3 - 16 * x + 2.5,
        lambda x: 6 * x**2 - 16,
        np.array([-2.9, 0.15, 2.75]),
    )
    return Landscape(
        loss=loss,
        dim=dim,
        lower=(-5.0,),
        upper=(5.0,),
        name="styblinski_tang",
        formula="sum_i (x_i^4 - 16 x_i^2 + 5 x_i) / 2",
        learning_rate=0.01,
        known=product(rows, dim),
    )
