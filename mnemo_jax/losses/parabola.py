"""The parabola x^2 - 4 x + 5 of the lesson."""

from jax import Array

from mnemo_jax.landscape import KnownPoint, Landscape
from mnemo_jax.losses.checks import checked


def loss(x: Array) -> Array:
    """Return ``x^2 - 4 x + 5`` at ``x`` of shape ``[1]``."""
    return x[0] ** 2 - 4.0 * x[0] + 5.0


@checked
def parabola() -> Landscape:
    """Return the parabola on ``[-1, 5]``; its one minimum is at 2, with loss 1."""
    return Landscape(
        loss=loss,
        dim=1,
        lower=(-1.0,),
        upper=(5.0,),
        name="parabola",
        formula="x^2 - 4 x + 5",
        learning_rate=0.1,
        known=(KnownPoint((2.0,), 1.0, "minimum"),),
    )
