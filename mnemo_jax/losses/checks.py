"""Arguments of the loss builders, checked against their annotations: one sentence for a person, no traceback."""

from collections.abc import Callable

from mnemo_jax.arguments import Count, Positive, Seed, checker
from mnemo_jax.landscape import Landscape

__all__ = ["Count", "Positive", "Seed", "checked"]


def checked(builder: Callable[..., Landscape]) -> Callable[..., Landscape]:
    """Return ``builder`` with its arguments checked; an unknown, wrong-typed or out-of-range one raises `UserError`."""
    return checker("loss", beside="dim")(builder)
