"""A valley whose floor is a whole curve of minima."""

from jax import Array

from mnemo_jax.landscape import KnownPoint, Landscape
from mnemo_jax.losses.checks import Positive, checked


def loss(x: Array, bend: float, steepness: float) -> Array:
    """Return ``steepness (y - bend x^2)^2 / 2`` at ``x`` of shape ``[2]``."""
    return 0.5 * steepness * (x[1] - bend * x[0] ** 2) ** 2


@checked
def valley(bend: float = 1.0, steepness: Positive = 1.0) -> Landscape:
    """Return the valley on ``[-2, 2]^2``; ``bend = 0`` makes it straight.

    Every point of the floor ``y = bend x^2`` is a minimum with loss 0 and nullity 1, and there are no other critical
    points. No symmetry is declared, although the straight one has a translation: it is the test of an undeclared flat
    family. Five points of the floor are listed as known.
    """
    # The largest curvature in the box is at most steepness (1 + 4 b^2 x^2 + 2 b |y - b x^2|), |x|, |y| <= 2.
    curve = abs(bend)
    curvature = steepness * (1.0 + 16.0 * curve**2 + 2.0 * curve * (2.0 + 4.0 * curve))
    floor = [(at, bend * at**2) for at in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    return Landscape(
        loss=loss,
        dim=2,
        lower=(-2.0,),
        upper=(2.0,),
        name="valley",
        formula="steepness (y - bend x^2)^2 / 2",
        args={"bend": bend, "steepness": steepness},
        learning_rate=1.0 / curvature,
        known=tuple(KnownPoint(x, 0.0, "minimum", nullity=1) for x in floor),
    )
