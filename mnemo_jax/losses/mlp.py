"""Multilayer perceptrons as losses on data."""

from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from mnemo_jax.choices import choice
from mnemo_jax.data import Data, Items
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import Count, checked
from mnemo_jax.losses.layers import Activation, Layer, Layers, outputs

Measure = Literal["squared_error", "cross_entropy"]


@choice
class Network:
    """The loss of a network on data, ``network(layers, inputs, targets, ridge)``; equal choices compile once.

    With ``squared_error`` it is the mean over items of half the squared distance from outputs to targets, classes
    being unit vectors; with ``cross_entropy`` the mean of minus the log of the softmax of the right class. ``ridge / 2``
    times the sum of all squared weights (biases not) is added.
    """

    activation: Activation
    measure: Measure

    def __call__(self, layers: tuple[Layer, ...], inputs: Array, targets: Array, ridge: Array) -> Array:
        """Return the loss."""
        squares = sum(jnp.sum(layer.weight**2) for layer in layers)
        return jnp.mean(self.errors(layers, inputs, targets)) + 0.5 * ridge * squares

    def errors(self, layers: tuple[Layer, ...], inputs: Array, targets: Array) -> Array:
        """Return the loss of each item ``[n]``."""
        out = outputs(layers, inputs, self.activation)
        if self.measure == "cross_entropy":
            own = jax.nn.one_hot(targets, out.shape[-1], dtype=out.dtype)
            return jax.nn.logsumexp(out, axis=-1) - jnp.sum(own * out, axis=-1)
        wanted = jax.nn.one_hot(targets, out.shape[-1], dtype=out.dtype) if targets.ndim == 1 else targets
        return 0.5 * jnp.sum((out - wanted) ** 2, axis=-1)
