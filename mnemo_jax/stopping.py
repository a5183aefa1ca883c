"""When a descent stops, when a whole run does, how far a search goes, and which saddle an escape experiment leaves."""

from typing import Annotated

from annotated_types import Ge, Gt, Le
from pydantic import FiniteFloat

from mnemo_jax.choices import choice


@choice
class Stop:
    """The stop rules of one descent; the first that holds at step ``t`` names the outcome.

    Attributes:
        grad_tol: converged when the largest absolute entry of the gradient is at most this. None takes 1e-8 in
            float64 and 64 eps times the landscape's gradient scale in float32; 0 asks for a fixed number of steps,
            after which the outcome is *finished*.
        max_steps: updates after which a descent is out of steps; None takes the landscape's own number for its own
            learning rate, 20,000 where it has none.
        epochs: passes over the data in place of ``max_steps``, for optimizers that take batches.
        check_every: updates from one look at the whole gradient, and at what is measured, to the next; None takes
            1, or an epoch where batches take every item once.
        patience: a descent on data counts as stopped early after this many looks without a better ``watch``; it goes on
            all the same, and what was measured there is kept beside what was measured at the end. None never stops.
        watch: the measure that early stopping and the best look go by, ``validation_loss`` when None.
        escape_radius: *escaped* when a coordinate is further from the box's centre than this many half-widths.
    """

    grad_tol: Annotated[FiniteFloat, Ge(0)] | None = None
    max_steps: Annotated[int, Ge(0), Le(2**31 - 2)] | None = None
    epochs: Annotated[FiniteFloat, Gt(0)] | None = None
    check_every: Annotated[int, Ge(1)] | None = None
    patience: Annotated[int, Ge(1)] | None = None
    watch: str | None = None
    escape_radius: Annotated[float, Gt(0)] = 1000.0


@choice
class Until:
    """How sure a run must be before it ends with fewer starts than it may take; both must hold.

    Attributes:
        half_width: every point's share is known to within this, half its interval's width.
        unseen: the unseen mass is at most this, at the upper end of its interval.
    """

    half_width: Annotated[float, Gt(0), Le(1)] = 1.0
    unseen: Annotated[float, Gt(0), Le(1)] = 1.0


@choice
class Seeking:
    """``[search]``: from where critical points are looked for.

    Attributes:
        count: searches from uniform points of the box.
        along: from points along descents.
        heights: from points of the box whose losses are spread evenly over the heights met.
        rounds: how often, at most, it is looked again: from points between minima, from the ends of flows off saddles,
            from further uniform points while these still find new ones, and, where the audit misses points, by
            index-k saddle dynamics from around the known ones.
    """

    count: Annotated[int, Ge(0), Le(10_000_000)] = 4096
    along: Annotated[int, Ge(0), Le(10_000_000)] = 1024
    heights: Annotated[int, Ge(0), Le(10_000_000)] = 1024
    rounds: Annotated[int, Ge(0), Le(100)] = 8


@choice
class Escaping:
    """``[escape]``: which saddle descents shall leave, and from where around it they start.

    Attributes:
        at: a point near the saddle, one number or one per axis; it is polished first.
        radius: a descent has escaped where its distance from the saddle along an unstable eigenvector exceeds this.
        cloud: standard deviation of the normal starts around the saddle, in every direction; 0 is exactly on it.
        offset: by how much the cloud's centre is moved along the stable eigenvectors, one number or one per stable
            direction in order of their eigenvalues.
        steps: updates a descent may take; None takes twice those by which all escape, 20,000 where the law is never.
    """

    at: FiniteFloat | tuple[FiniteFloat, ...]
    radius: Annotated[FiniteFloat, Gt(0)]
    cloud: Annotated[FiniteFloat, Ge(0)] = 0.0
    offset: FiniteFloat | tuple[FiniteFloat, ...] = 0.0
    steps: Annotated[int, Ge(1), Le(2**31 - 2)] | None = None


LOOK = 1 << 14
"""Starts at which such a run is looked at first; then at twice as many, and so on."""

MAX_STEPS = 20_000
FLOOR_EPS = 64  # gradients of a loss of scale s are rounding noise below about this many eps * s
