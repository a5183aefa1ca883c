"""The quadratic: one minimum, a chosen condition number."""

from collections.abc import Sequence
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from mnemo_jax.landscape import KnownPoint, Landscape
from mnemo_jax.losses.checks import Count, Positive, checked


def loss(x: Array, curvatures: Array) -> Array:
    """Return ``sum_i curvatures_i x_i^2 / 2`` at ``x`` of shape ``[dim]``, ``curvatures`` of the same shape."""
    return 0.5 * jnp.sum(curvatures * x**2)


@checked
def quadratic(
    dim: Count = 2,
    condition: Annotated[float, Field(ge=1.0)] = 10.0,
    curvatures: Annotated[Sequence[Positive], Field(min_length=1)] | None = None,
) -> Landscape:
    """Return the quadratic on ``[-5, 5]^dim``.

    The curvatures run geometrically from 1 to ``condition``; given ``curvatures`` replace ``dim`` and ``condition``.
    Gradient descent contracts for every learning rate below ``2 / largest``; the one here is ``1 / largest``.
    """
    spread = np.geomspace(1.0, condition, dim) if curvatures is None else np.asarray(curvatures, float)
    return Landscape(
        loss=loss,
        dim=spread.size,
        lower=(-5.0,),
        upper=(5.0,),
        name="quadratic",
        formula="sum_i curvatures_i x_i^2 / 2",
        args={"curvatures": spread},
        learning_rate=float(1.0 / spread.max()),
        known=(KnownPoint((0.0,) * spread.size, 0.0, "minimum"),),
    )
