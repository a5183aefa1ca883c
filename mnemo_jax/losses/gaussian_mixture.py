"""A mixture of Gaussian pits, drawn from a seed."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import Count, Seed, checked


def loss(x: Array, centres: Array, widths: Array, weights: Array) -> Array:
    """Return ``-sum_k weights_k exp(-|x - centres_k|^2 / (2 widths_k^2))`` at ``x`` of shape ``[dim]``.

    ``centres`` has shape ``[components, dim]``, ``widths`` and ``weights`` have shape ``[components]``.
    """
    distances = jnp.sum((x[None, :] - centres) ** 2, axis=1)
    return -jnp.sum(weights * jnp.exp(-0.5 * distances / widths**2))


@checked
def gaussian_mixture(dim: Count = 2, components: Count = 12, seed: Seed = 0) -> Landscape:
    """Return a random mixture on ``[-1, 1]^dim``: centres uniform in the box, weights uniform in [0.5, 1].

    Widths are uniform in ``[0.15, 0.25] sqrt(dim)``; where pits overlap there are fewer minima than components. The
    learning rate is the inverse of ``sum_k weights_k / widths_k^2``, a bound of the Hessian everywhere, so descent is
    monotone.
    """
    draw = np.random.default_rng(seed)
    centres = draw.uniform(-1.0, 1.0, (components, dim))
    widths = draw.uniform(0.15, 0.25, components) * np.sqrt(dim)
    weights = draw.uniform(0.5, 1.0, components)
    return Landscape(
        loss=loss,
        dim=dim,
        lower=(-1.0,),
        upper=(1.0,),
        name="gaussian_mixture",
        formula="-sum_k weights_k exp(-|x - centres_k|^2 / (2 widths_k^2))",
        args={"centres": centres, "widths": widths, "weights": weights},
        learning_rate=float(1.0 / np.sum(weights / widths**2)),
    )
