"""Griewank's function: a shallow bowl under a product of cosines, with thousands of minima."""

import jax.numpy as jnp
from jax import Array

from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import Count, checked
from mnemo_jax.losses.points import Row, table

# The four next lowest minima in two dimensions, near (+-pi, +-pi sqrt 2).
_NEXT = ((3.1400226338955397, 4.438444480920714), 0.007396040334115117)


def loss(x: Array) -> Array:
    """Return ``1 + sum_i x_i^2 / 4000 - prod_i cos(x_i / sqrt i)`` at ``x`` of shape ``[dim]``, i from 1."""
    root = jnp.sqrt(jnp.arange(1, x.shape[0] + 1, dtype=x.dtype))
    return 1.0 + jnp.sum(x**2) / 4000.0 - jnp.prod(jnp.cos(x / root))


@checked
def griewank(dim: Count = 2) -> Landscape:
    """Return Griewank's function on ``[-600, 600]^dim`` (Griewank 1981, J. Optim. Theory Appl. 34).

    In many dimensions the product of cosines vanishes almost everywhere and what is left is the bowl, of curvature
    1 / 2000: gradient descent then needs tens of thousands of steps.
    """
    rows: list[Row] = [((0.0,) * dim, 0.0, 0)]
    if dim == 2:
        (x, y), value = _NEXT
        rows += [((sx * x, sy * y), value, 0) for sx in (1.0, -1.0) for sy in (1.0, -1.0)]
    return Landscape(
        loss=loss,
        dim=dim,
        lower=(-600.0,),
        upper=(600.0,),
        name="griewank",
        formula="1 + sum_i x_i^2 / 4000 - prod_i cos(x_i / sqrt i)",
        learning_rate=1.0,
        known=table(rows),
    )
