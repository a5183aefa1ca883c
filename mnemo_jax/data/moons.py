"""Two half circles that reach into each other."""

import numpy as np

from mnemo_jax.arguments import Count, NotNegative, Seed
from mnemo_jax.data.checks import checked
from mnemo_jax.data.draws import stream
from mnemo_jax.data.items import Items, Pool


@checked
def moons(items: Count = 1000, noise: NotNegative = 0.1, seed: Seed = 0) -> Pool:
    """Return points on two half circles of radius 1, of two classes that alternate, in the plane.

    Class 0 lies on the upper half around (0, 0), class 1 on the lower half around (1, 1/2), at uniform angles;
    ``noise`` is the standard deviation of the normal noise on both coordinates.
    """
    draw, targets = stream("items", seed), np.arange(items) % 2
    angle = draw.uniform(0.0, np.pi, items)
    up, down = np.stack([np.cos(angle), np.sin(angle)], 1), np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], 1)
    inputs = np.where(targets[:, None] == 0, up, down) + noise * draw.normal(size=(items, 2))
    return Pool(Items(inputs, targets.astype(np.int64)), classes=2)
