"""Rastrigin's function: a bowl with a minimum near every integer point."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import Count, checked
from mnemo_jax.losses.points import line, product


def loss(x: Array) -> Array:
    """Return ``sum_i x_i^2 + 10 (1 - cos(2 pi x_i))`` at ``x`` of shape ``[dim]``."""
    return jnp.sum(x**2 + 10.0 * (1.0 - jnp.cos(2.0 * jnp.pi * x)))


@checked
def rastrigin(dim: Count = 2) -> Landscape:
    """Return Rastrigin's function on ``[-5.12, 5.12]^dim`` (Rastrigin 1974; d-dimensional: Muehlenbein et al. 1991).

    Up to two dimensions all critical points of the box are known (21 per axis), beyond only the global minimum.
    """
    # One Newton step of the slope 2 x + 20 pi sin(2 pi x) from the integers and the half integers.
    stiffness = 40.0 * np.pi**2
    integers, halves = np.arange(-5.0, 6.0), np.arange(-4.5, 5.0)
    guesses = np.concatenate([integers * stiffness / (stiffness + 2), halves * stiffness / (stiffness - 2)])
    rows = line(
        lambda x: x**2 + 10 * (1 - np.cos(2 * np.pi * x)),
        lambda x: 2 * x + 20 * np.pi * np.sin(2 * np.pi * x),
        lambda x: 2 + stiffness * np.cos(2 * np.pi * x),
        guesses,
    )
    return Landscape(
        loss=loss,
        dim=dim,
        lower=(-5.12,),
        upper=(5.12,),
        name="rastrigin",
        formula="sum_i x_i^2 + 10 (1 - cos(2 pi x_i))",
        learning_rate=0.002,
        known=product(rows, dim),
    )
