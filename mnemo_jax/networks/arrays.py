"""Arrays of many networks at once, and all that a hidden unit has in one row: what enters it and what leaves it."""

import numpy as np

from mnemo_jax.errors import UserError
from mnemo_jax.losses.layers import Layer, Layers

Arrays = tuple[Layer, ...]


def split(x: np.ndarray, layers: Layers) -> Arrays:
    """Return the layers of points ``x [n, d]``: weights ``[n, inputs, outputs]``, biases ``[n, outputs]``, float64.

    Raises:
        UserError: ``x`` is of another shape.
    """
    x = np.asarray(x, np.float64)
    if x.ndim != 2 or x.shape[1] != layers.dim:
        raise UserError(f"x: has shape {list(x.shape)} and must be [n, {layers.dim}], one row for each network")
    return layers(x)


def joined(arrays: Arrays) -> np.ndarray:
    """Return the points ``[n, d]`` of layers: the inverse of `split`."""
    parts = (
        array.reshape(len(array), int(np.prod(array.shape[1:])))
        for layer in arrays
        for array in layer
        if array is not None
    )
    return np.concatenate(list(parts), axis=1)


def units(arrays: Arrays, hidden: int) -> np.ndarray:
    """Return the units ``[n, units, inputs + bias + outputs]`` of one hidden layer, counted from 0."""
    weight, bias = arrays[hidden]
    parts = [weight.swapaxes(1, 2), arrays[hidden + 1].weight]
    if bias is not None:
        parts.insert(1, bias[:, :, None])
    return np.concatenate(parts, axis=2)


def with_units(arrays: Arrays, hidden: int, rows: np.ndarray) -> Arrays:
    """Return the layers with the units of one hidden layer replaced; ``rows`` are as `units` returns them."""
    inputs = arrays[hidden].weight.shape[1]
    bias = None if arrays[hidden].bias is None else rows[:, :, inputs]
    made = list(arrays)
    made[hidden] = Layer(rows[:, :, :inputs].swapaxes(1, 2), bias)
    made[hidden + 1] = Layer(rows[:, :, inputs + (bias is not None) :], arrays[hidden + 1].bias)
    return tuple(made)
