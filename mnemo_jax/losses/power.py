"""The powers x^k: one critical point at the origin, degenerate from k = 3 on."""

from dataclasses import dataclass
from typing import Annotated

from jax import Array
from pydantic import Field

from mnemo_jax.landscape import KnownPoint, Landscape
from mnemo_jax.losses.checks import checked


@dataclass(frozen=True)
class Power:
    """The loss ``x^k``, ``x`` of shape ``[1]``.

    The exponent is part of the function and no traced argument: only an integer power is exact and differentiable to
    every order at 0. Equal exponents are equal functions, so they share one compilation.
    """

    k: int

    def __call__(self, x: Array) -> Array:
        """Return ``x^k``."""
        return x[0] ** self.k


@checked
def power(k: Annotated[int, Field(ge=2, le=20)] = 4) -> Landscape:
    """Return ``x^k`` on ``[-1, 1]``: a minimum at 0 for even ``k``, an inflection (unbounded below) for odd ``k``.

    From ``k = 3`` on the second derivative vanishes at 0 and gradient descent approaches it only as
    ``t^(-1 / (k - 2))``.
    """
    return Landscape(
        loss=Power(k),
        dim=1,
        lower=(-1.0,),
        upper=(1.0,),
        name="power",
        formula=f"x^{k}",
        learning_rate=1.0 / (k * (k - 1)),
        max_steps=2_000_000,
        known=(KnownPoint((0.0,), 0.0, "saddle" if k % 2 else "minimum", index=0, nullity=int(k > 2)),),
    )
