"""The Goldstein-Price function: four minima on a surface that spans six decades."""

from jax import Array

from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import checked
from mnemo_jax.losses.points import table

_POINTS = (
    ((0.0, -1.0), 3.0, 0),
    ((-0.6, -0.4), 30.0, 0),
    ((1.8, 0.2), 84.0, 0),
    ((1.2, 0.8), 840.0, 0),
    ((-0.4, -0.6), 35.0, 1),
    ((1.2, -0.2), 99.0, 1),
    ((1.4, 0.6), 980.0, 1),
    ((0.6, 0.4), 990.0, 1),
    ((0.8, 0.2), 1155.0, 2),
)


def loss(x: Array) -> Array:
    """Return the product of the two bracketed polynomials in `goldstein_price` at ``x`` of shape ``[2]``."""
    u, v = x[0], x[1]
    first = 19.0 - 14.0 * u + 3.0 * u**2 - 14.0 * v + 6.0 * u * v + 3.0 * v**2
    second = 18.0 - 32.0 * u + 12.0 * u**2 + 48.0 * v - 36.0 * u * v + 27.0 * v**2
    return (1.0 + (u + v + 1.0) ** 2 * first) * (30.0 + (2.0 * u - 3.0 * v) ** 2 * second)


@checked
def goldstein_price() -> Landscape:
    """Return the function on ``[-2, 2]^2`` (Goldstein & Price 1971, Math. Comp. 25).

    The steep corners allow only a small learning rate; descents take up to 2 * 10^5 steps.

    ``[1 + (x + y + 1)^2 (19 - 14 x + 3 x^2 - 14 y + 6 x y + 3 y^2)]
    [30 + (2 x - 3 y)^2 (18 - 32 x + 12 x^2 + 48 y - 36 x y + 27 y^2)]``
    """
    return Landscape(
        loss=loss,
        dim=2,
        lower=(-2.0,),
        upper=(2.0,),
        name="goldstein_price",
        formula="[1 + (x + y + 1)^2 (19 - 14 x + 3 x^2 - 14 y + 6 x y + 3 y^2)]"
        " [30 + (2 x - 3 y)^2 (18 - 32 x + 12 x^2 + 48 y - 36 x y + 27 y^2)]",
        learning_rate=1e-6,
        max_steps=400_000,
        known=table(_POINTS),
    )
