"""Losses of two weights with data, each with one kind of saddle at a known place."""

import jax.numpy as jnp
import numpy as np
from jax import Array

import mnemo_jax as mnemo

ITEMS = 16
SEED = 7  # of the data; it is the same for all starts and all claims


def product_loss(x: Array, target: Array) -> Array:
    """Return the mean over items of ``(target - x_1 x_2)^2 / 2``: a linear network of two weights in a row."""
    return 0.5 * jnp.mean((target - x[0] * x[1]) ** 2)


def product() -> mnemo.Landscape:
    """Return a network of two weights whose noisy targets have mean 1 and standard deviation 1.

    At the saddle, the origin, the gradient of every single item is zero; the escape rate is 1.
    """
    draw = np.random.default_rng(SEED).normal(size=ITEMS)
    target = 1.0 + (draw - draw.mean()) / draw.std()
    return mnemo.Landscape(
        loss=product_loss,
        dim=2,
        lower=(-0.5,),
        upper=(0.5,),
        name="product",
        args={"target": target},
        data=("target",),
    )


def principal_loss(x: Array, item: Array) -> Array:
    """Return the mean over items of ``|x|^4 / 4 - (item x)^2 / 2``, least along the first principal component."""
    return jnp.mean(0.25 * jnp.sum(x**2) ** 2 - 0.5 * (item[:, 0] * x[0] + item[:, 1] * x[1]) ** 2)


def principal() -> mnemo.Landscape:
    """Return the search for the principal component of items whose second moments are 2 and 1 along the axes.

    At the saddle (0, 1), the second component, the gradients of single items do not vanish; the escape rate is 1. The
    box has its centre there, and ends along the way out alone.
    """
    draw = np.random.default_rng(SEED).normal(size=(ITEMS, 2))
    whitened = draw @ np.linalg.inv(np.linalg.cholesky(draw.T @ draw / ITEMS)).T
    return mnemo.Landscape(
        loss=principal_loss,
        dim=2,
        lower=(-0.5, -999.0),
        upper=(0.5, 1001.0),
        name="principal",
        args={"item": whitened * np.sqrt([2.0, 1.0])},
        data=("item",),
    )
