"""Labels that have nothing to do with the inputs: what is learnt of them is memorised."""

from typing import Annotated

import numpy as np
from pydantic import Field

from mnemo_jax.arguments import Count, Seed
from mnemo_jax.data.checks import checked
from mnemo_jax.data.draws import stream
from mnemo_jax.data.items import Items, Pool


@checked
def random_labels(
    items: Count = 100, dim: Count = 20, classes: Annotated[int, Field(ge=2)] = 2, seed: Seed = 0
) -> Pool:
    """Return standard normal inputs ``[items, dim]`` with classes uniform and independent of them."""
    draw = stream("items", seed)
    inputs = draw.normal(size=(items, dim))
    return Pool(Items(inputs, draw.integers(0, classes, items, dtype=np.int64)), classes=classes)
