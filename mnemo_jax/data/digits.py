"""Handwritten digits of 8 x 8 pixels, which come with scikit-learn."""

import numpy as np

from mnemo_jax.data.checks import checked
from mnemo_jax.data.items import Items, Pool


@checked
def digits() -> Pool:
    """Return 1,797 digits of 43 people, 64 pixels each in [0, 1], of 10 classes (Alpaydin & Kaynak 1998, UCI)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Pool(Items(bunch.data / 16.0, bunch.target.astype(np.int64)), classes=10, image=(8, 8))
