"""The monkey saddle: a degenerate critical point with three ways down."""

from jax import Array

from mnemo_jax.landscape import KnownPoint, Landscape
from mnemo_jax.losses.checks import checked


def loss(x: Array) -> Array:
    """Return ``x^3 - 3 x y^2`` at ``x`` of shape ``[2]``."""
    return x[0] ** 3 - 3.0 * x[0] * x[1] ** 2


@checked
def monkey_saddle() -> Landscape:
    """Return the monkey saddle on ``[-1, 1]^2``; unbounded below, so descents escape.

    The Hessian vanishes at the origin (nullity 2, index 0); the third-order terms make it a saddle.
    """
    return Landscape(
        loss=loss,
        dim=2,
        lower=(-1.0,),
        upper=(1.0,),
        name="monkey_saddle",
        formula="x^3 - 3 x y^2",
        learning_rate=0.05,
        known=(KnownPoint((0.0, 0.0), 0.0, "saddle", index=0, nullity=2),),
    )
