"""The Mueller-Brown surface: three minima and the two saddles between them."""

import jax.numpy as jnp
from jax import Array

from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import checked
from mnemo_jax.losses.points import table

# Height, the three coefficients of the exponent, centre: one row per term of the published sum.
_TERMS = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)
_POINTS = (
    ((-0.5582236346330243, 1.4417258418046686), -146.699517209954, 0),
    ((0.6234994049308764, 0.028037758528685675), -108.16672411685236, 0),
    ((-0.05001082299820609, 0.4666941048719721), -80.76781812965903, 0),
    ((0.21248658200066198, 0.2929883251073678), -72.2489401123252, 1),
    ((-0.8220015587327321, 0.6243128028148713), -40.664843508657405, 1),
)


def loss(x: Array) -> Array:
    """Return ``sum_k A_k exp(a_k dx^2 + b_k dx dy + c_k dy^2)``, ``d`` measured from centre ``k``; ``x`` ``[2]``."""
    value = jnp.zeros((), x.dtype)
    for height, a, b, c, x0, y0 in _TERMS:
        dx, dy = x[0] - x0, x[1] - y0
        value = value + height * jnp.exp(a * dx**2 + b * dx * dy + c * dy**2)
    return value


@checked
def mueller_brown() -> Landscape:
    """Return the surface on ``[-1.5, 1.2] x [-0.2, 2]`` (Mueller & Brown 1979, Theoret. Chim. Acta 53, 75)."""
    return Landscape(
        loss=loss,
        dim=2,
        lower=(-1.5, -0.2),
        upper=(1.2, 2.0),
        name="mueller_brown",
        formula="sum_k A_k exp(a_k (x - x_k)^2 + b_k (x - x_k)(y - y_k) + c_k (y - y_k)^2)",
        learning_rate=1e-4,
        known=table(_POINTS),
    )
