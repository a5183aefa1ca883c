"""Gaussian blobs: classes whose items lie around centres of their own."""

from typing import Annotated

import numpy as np
from pydantic import Field

from mnemo_jax.arguments import Count, NotNegative, Seed
from mnemo_jax.data.checks import checked
from mnemo_jax.data.draws import stream
from mnemo_jax.data.items import Items, Pool


@checked
def blobs(
    items: Count = 1000,
    dim: Count = 2,
    classes: Annotated[int, Field(ge=2)] = 3,
    spread: NotNegative = 1.0,
    distance: NotNegative = 5.0,
    seed: Seed = 0,
) -> Pool:
    """Return items of classes that take turns, normal around the centres of their classes.

    ``spread`` is the standard deviation of every coordinate around the centre, ``distance`` that of the centres'
    coordinates around 0, so that two centres are about ``distance sqrt(2 dim)`` apart.
    """
    draw, targets = stream("items", seed), np.arange(items) % classes
    centres = distance * draw.normal(size=(classes, dim))
    inputs = centres[targets] + spread * draw.normal(size=(items, dim))
    return Pool(Items(inputs, targets.astype(np.int64)), classes=classes)
