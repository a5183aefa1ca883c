"""When a descent stops."""

from typing import Annotated

from annotated_types import Ge, Gt, Le
from pydantic.dataclasses import dataclass as choice


@choice(frozen=True, kw_only=True, config={"extra": "forbid"})
class Stop:
    """The stop rules of one descent; the first that holds at step ``t`` names the outcome.

    Attributes:
        grad_tol: converged when the largest absolute entry of the gradient is at most this. None takes 1e-8 in
            float64 and 64 eps times the landscape's gradient scale in float32; 0 asks for a fixed number of steps,
            after which the outcome is *finished*.
        max_steps: updates after which a descent is out of steps; None takes the landscape's own number for its own
            learning rate, 20,000 where it has none.
        escape_radius: *escaped* when a coordinate is further from the box's centre than this many half-widths.
    """

    grad_tol: Annotated[float, Ge(0)] | None = None
    max_steps: Annotated[int, Ge(0), Le(2**31 - 2)] | None = None
    escape_radius: Annotated[float, Gt(0)] = 1000.0


MAX_STEPS = 20_000
FLOOR_EPS = 64  # gradients of a loss of scale s are rounding noise below about this many eps * s
