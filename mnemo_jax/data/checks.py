"""Arguments of the data sources, checked against their annotations: one sentence for a person, no traceback."""

from collections.abc import Callable

from mnemo_jax.arguments import checker
from mnemo_jax.data.items import Pool


def checked(source: Callable[..., Pool]) -> Callable[..., Pool]:
    """Return ``source`` with its arguments checked; an unknown, wrong-typed or out-of-range one raises `UserError`."""
    return checker("data")(source)
