"""The outcomes and kinds a run can report, and the tile the engine works in."""

from enum import IntEnum
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Gt, Le

from mnemo_jax.choices import choice

# An array of a NamedTuple that crosses from the devices to the host: jax's in traced code, numpy's outside it.
Either: TypeAlias = Any


class Outcome(IntEnum):
    """How a descent ended, as the loop saw it; a lane without a start is ``IDLE``.

    ``CYCLE`` is said of a descent that was out of steps and comes back, again and again, to where it is. A search for
    critical points ends as descents do, and at ``GRADIENT_FLAT`` points, where the gradient's norm has a minimum that
    is not zero.
    """

    RUNNING = 0
    CONVERGED = 1
    FINISHED = 2
    OUT_OF_STEPS = 3
    ESCAPED = 4
    NON_FINITE = 5
    IDLE = 6
    GRADIENT_FLAT = 7
    CYCLE = 8

    @property
    def word(self) -> str:
        """The outcome's name in tables and files."""
        return self.name.lower()


REPORTED = (
    Outcome.CONVERGED,
    Outcome.FINISHED,
    Outcome.OUT_OF_STEPS,
    Outcome.CYCLE,
    Outcome.ESCAPED,
    Outcome.NON_FINITE,
)
SOUGHT = (Outcome.CONVERGED, Outcome.GRADIENT_FLAT, Outcome.OUT_OF_STEPS, Outcome.ESCAPED, Outcome.NON_FINITE)


class Kind(IntEnum):
    """What a critical point is; independent of its nullity.

    ``DEGENERATE`` is left where even higher derivatives decide nothing, ``KINK`` where the loss is not twice
    differentiable, so that autodiff's Hessian says nothing.
    """

    MINIMUM = 0
    SADDLE = 1
    MAXIMUM = 2
    DEGENERATE = 3
    KINK = 4

    @property
    def word(self) -> str:
        """The kind's name in tables and files."""
        return self.name.lower()


@choice
class Tile:
    """The shape of the engine's inner program: it changes the last bits of results, so it is recorded.

    Attributes:
        lanes: starts followed at once on one device.
        steps: steps between two looks at which lanes have stopped.
        unroll: steps written out in the loop's body.
        layout: which axis of every array holds the lanes.
        refill: share of the lanes that must have stopped before they take new starts (changes no result).
        sample: every how many looks the smallest gradient of a stall is looked for, 1 to 4; of a stall's five looks or
            more at least one is among them.
        native: whether a CPU gets the steps between two looks as one compiled function (see `native`), where the loss
            and the optimizer allow it and lanes are last.
    """

    lanes: Annotated[int, Ge(1), Le(1 << 22)]
    steps: Annotated[int, Ge(1), Le(1 << 16)]
    unroll: Annotated[int, Ge(1), Le(64)] = 1
    layout: Literal["lanes_last", "lanes_first"] = "lanes_last"
    refill: Annotated[float, Gt(0), Le(1)] = 0.0625
    sample: Annotated[int, Ge(1), Le(4)] = 1
    native: bool = False

    @property
    def axis(self) -> int:
        """Which axis of every array holds the lanes, by its number."""
        return -1 if self.layout == "lanes_last" else 0
