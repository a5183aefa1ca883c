"""One strict saddle, unbounded below: every escape ends far away."""

from typing import Annotated

import numpy as np
from pydantic import Field

from mnemo_jax.errors import UserError
from mnemo_jax.landscape import KnownPoint, Landscape
from mnemo_jax.losses.checks import Count, checked
from mnemo_jax.losses.quadratic import loss


@checked
def strict_saddle(dim: Annotated[int, Field(ge=2)] = 2, index: Count = 1) -> Landscape:
    """Return ``sum_stable x_i^2 / 2 - sum_unstable x_j^2 / 2`` on ``[-1, 1]^dim``.

    The last ``index`` coordinates are the unstable ones; gradient descent multiplies them by ``1 + learning rate`` and
    the others by ``1 - learning rate`` at every step. The loss function is the quadratic's, with negative curvatures.
    """
    if index >= dim:
        raise UserError(f"loss.args.index: {index} leaves no stable axis in {dim} dimensions; give 1 to {dim - 1}")
    return Landscape(
        loss=loss,
        dim=dim,
        lower=(-1.0,),
        upper=(1.0,),
        name="strict_saddle",
        formula="sum_stable x_i^2 / 2 - sum_unstable x_j^2 / 2",
        args={"curvatures": np.repeat([1.0, -1.0], [dim - index, index])},
        learning_rate=0.1,
        known=(KnownPoint((0.0,) * dim, 0.0, "saddle", index=index),),
    )
