"""The double well x^4 - 4 x^2 + 1 of the lesson, and its tilted form."""

import numpy as np
from jax import Array

from mnemo_jax.landscape import KnownPoint, Landscape
from mnemo_jax.losses.checks import checked


def loss(x: Array, tilt: float) -> Array:
    """Return ``x^4 - 4 x^2 + 1 + tilt x`` at ``x`` of shape ``[1]``."""
    return x[0] ** 4 - 4.0 * x[0] ** 2 + 1.0 + tilt * x[0]


@checked
def double_well(tilt: float = 0.0) -> Landscape:
    """Return the double well; a non-zero tilt makes one of the two minima the lower one."""
    # Critical points are the real roots of 4 x^3 - 8 x + tilt, polished so that x is right to rounding.
    roots = np.roots([4.0, 0.0, -8.0, tilt])
    roots = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
    for _ in range(3):
        roots = roots - (4 * roots**3 - 8 * roots + tilt) / (12 * roots**2 - 8)
    known = tuple(
        KnownPoint(
            (float(x),),
            float(x**4 - 4 * x**2 + 1 + tilt * x),
            "minimum" if 12 * x**2 > 8 else "maximum",
            index=int(12 * x**2 < 8),
        )
        for x in roots
    )
    return Landscape(
        loss=loss,
        dim=1,
        lower=(-3.0,),
        upper=(3.0,),
        name="double_well",
        formula="x^4 - 4 x^2 + 1 + tilt x",
        args={"tilt": tilt},
        learning_rate=0.01,
        known=known,
    )
