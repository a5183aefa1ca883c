"""Beale's function: a flat valley between steep corners."""

from jax import Array

from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import checked
from mnemo_jax.losses.points import table

_POINTS = (
    ((3.0, 0.5), 0.0, 0),
    ((0.0, 1.0), 14.203125, 1),
    ((0.10053793732415833, -2.6445135850231254), 9.86451228475556, 1),
)


def loss(x: Array) -> Array:
    """Return ``(1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2`` at ``x`` of shape ``[2]``."""
    u, v = x[0], x[1]
    return (1.5 - u + u * v) ** 2 + (2.25 - u + u * v**2) ** 2 + (2.625 - u + u * v**3) ** 2


@checked
def beale() -> Landscape:
    """Return Beale's function on ``[-4.5, 4.5]^2`` (Beale 1958).

    The corners are a million times steeper than the floor, so no fixed step suits the whole box: the one here never
    diverges and takes some two million steps to the minimum; 1e-4 takes 400,000 and diverges from about 2 % of the
    starts. About 4 starts in 10 never arrive: they creep down the valley ``y -> 1, x -> -infinity``, whose loss tends
    to 0.45.
    """
    return Landscape(
        loss=loss,
        dim=2,
        lower=(-4.5,),
        upper=(4.5,),
        name="beale",
        formula="(1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2",
        learning_rate=2e-5,
        max_steps=4_000_000,
        known=table(_POINTS),
    )
