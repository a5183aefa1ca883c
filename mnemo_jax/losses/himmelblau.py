"""Himmelblau's function: four minima of equal loss."""

from jax import Array

from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import checked
from mnemo_jax.losses.points import table

# All nine critical points of this quartic (9 = 3^2 is the most it can have), polished to rounding.
_POINTS = (
    ((3.0, 2.0), 0.0, 0),
    ((-2.805118086952745, 3.131312518250573), 0.0, 0),
    ((-3.779310253377747, -3.2831859912861696), 0.0, 0),
    ((3.5844283403304917, -1.8481265269644036), 0.0, 0),
    ((3.385154183607021, 0.07385187983774928), 13.31192627040559, 1),
    ((0.08667750455539634, 2.8842547011747763), 67.71915008752613, 1),
    ((-3.0730257507643897, -0.08135304428796751), 104.01516291755811, 1),
    ((-0.12796134673068005, -1.9537149802445766), 178.33723920192745, 1),
    ((-0.2708445906673476, -0.9230385564799815), 181.6165215225827, 2),
)


def loss(x: Array) -> Array:
    """Return ``(x^2 + y - 11)^2 + (x + y^2 - 7)^2`` at ``x`` of shape ``[2]``."""
    return (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2


@checked
def himmelblau() -> Landscape:
    """Return Himmelblau's function on ``[-5, 5]^2`` (Himmelblau 1972, Applied Nonlinear Programming)."""
    return Landscape(
        loss=loss,
        dim=2,
        lower=(-5.0,),
        upper=(5.0,),
        name="himmelblau",
        formula="(x^2 + y - 11)^2 + (x + y^2 - 7)^2",
        learning_rate=0.005,
        known=table(_POINTS),
    )
