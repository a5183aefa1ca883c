"""The six-hump camel: six minima in three pairs, two of them global."""

from jax import Array

from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import checked
from mnemo_jax.losses.points import table

# One of each pair (x, y), (-x, -y), polished to rounding; with the origin, all fifteen critical points.
_HALF = (
    ((0.08984201310031806, -0.7126564030207396), -1.0316284534898774, 0),
    ((1.703606714969981, -0.7960835686726251), -0.2154638243837187, 0),
    ((1.6071047529201974, 0.5686514548841314), 2.1042503103112575, 0),
    ((1.1092053368047865, -0.7682680925095399), 0.5437186009781853, 1),
    ((1.638067984189779, 0.22867406904439413), 2.2293571975307134, 1),
    ((1.2960702671671092, 0.6050843880386585), 2.2294708180298595, 1),
    ((1.2302298765166524, 0.16233458445899493), 2.496295351023577, 2),
)


def loss(x: Array) -> Array:
    """Return ``(4 - 2.1 x^2 + x^4 / 3) x^2 + x y + 4 (y^2 - 1) y^2`` at ``x`` of shape ``[2]``."""
    square, other = x[0] ** 2, x[1] ** 2
    return (4.0 - 2.1 * square + square**2 / 3.0) * square + x[0] * x[1] + 4.0 * (other - 1.0) * other


@checked
def six_hump_camel() -> Landscape:
    """Return the six-hump camel on ``[-2, 2] x [-1.2, 1.2]`` (Dixon & Szego 1978, Towards Global Optimisation 2)."""
    mirrored = tuple(((-x, -y), value, index) for (x, y), value, index in _HALF)
    return Landscape(
        loss=loss,
        dim=2,
        lower=(-2.0, -1.2),
        upper=(2.0, 1.2),
        name="six_hump_camel",
        formula="(4 - 2.1 x^2 + x^4 / 3) x^2 + x y + 4 (y^2 - 1) y^2",
        learning_rate=0.02,
        known=table((*_HALF, *mirrored, ((0.0, 0.0), 0.0, 1))),
    )
