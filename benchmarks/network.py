"""A small network as a loss: 2 inputs, 4 tanh units, 1 output, mean squared error on 32 points."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.landscape import Landscape

POINTS = 32


def data() -> np.ndarray:
    """Return the points ``[32, 3]``: two inputs in [-1, 1], and their product times two as the target."""
    inputs = np.random.default_rng(0).uniform(-1.0, 1.0, (POINTS, 2))
    return np.column_stack([inputs, 2.0 * inputs[:, 0] * inputs[:, 1]])


def loss(x: Array, table: Array) -> Array:
    """Return the mean squared error of the weights ``x [17]``: w ``[2, 4]``, b ``[4]``, v ``[4]`` and c."""
    hidden = jnp.tanh(table[:, :2] @ x[:8].reshape(2, 4) + x[8:12])
    return jnp.mean((hidden @ x[12:16] + x[16] - table[:, 2]) ** 2)


def network() -> Landscape:
    """Return the network's landscape; weights start uniform in [-1, 1]."""
    return Landscape(loss=loss, dim=17, lower=(-1.0,), upper=(1.0,), name="network", args={"table": data()})
