"""Exclusive or: the four corners of a square, those across from each other alike."""

import numpy as np

from mnemo_jax.data.checks import checked
from mnemo_jax.data.items import Items, Pool


@checked
def xor(signed: bool = False, classes: bool = False) -> Pool:
    """Return the four corners of the square and 1 where the two coordinates differ, else 0.

    Args:
        signed: whether the corners are those of [-1, 1]^2, else of [0, 1]^2.
        classes: whether 0 and 1 are two classes, else a number ``[4, 1]``.
    """
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    differ = np.array([0, 1, 1, 0], np.int64)
    inputs = 2.0 * corners - 1.0 if signed else corners
    return Pool(Items(inputs, differ), classes=2) if classes else Pool(Items(inputs, differ[:, None].astype(float)))
