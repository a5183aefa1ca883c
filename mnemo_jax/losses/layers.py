"""Where the weights and biases of a network lie in a point, and what the network makes of its inputs."""

from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Ge, MinLen
from jax import Array

from mnemo_jax.choices import choice


class Layer(NamedTuple):
    """One layer's arrays: ``weight [inputs, outputs]``, and ``bias [outputs]`` or None for a layer without."""

    weight: Any
    bias: Any = None


@choice
class Layers:
    """Which coordinates of a point are which array: layer by layer, the weight row by row and then the bias.

    Attributes:
        widths: inputs, units of each hidden layer, outputs.
        bias: whether units have biases.
    """

    widths: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(2)]
    bias: bool = True

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return sum((inputs + self.bias) * outputs for inputs, outputs in self.pairs)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of each layer."""
        return tuple(zip(self.widths[:-1], self.widths[1:], strict=True))

    def __call__(self, x: Any) -> tuple[Layer, ...]:
        """Return the layers that points ``x [..., d]`` stand for: weights ``[..., inputs, outputs]``."""
        layers, begin = [], 0
        for inputs, outputs in self.pairs:
            middle = begin + inputs * outputs
            end = middle + outputs * self.bias
            weight = x[..., begin:middle].reshape(*x.shape[:-1], inputs, outputs)
            layers.append(Layer(weight, x[..., middle:end] if self.bias else None))
            begin = end
        return tuple(layers)


def flat(layers: tuple[Layer, ...]) -> Array:
    """Return the point ``[d]`` that stands for layers: the inverse of calling `Layers`."""
    return jnp.concatenate([jnp.ravel(array) for layer in layers for array in layer if array is not None])


Activation = Literal["tanh", "sigmoid", "relu", "maximum", "gelu", "linear"]
ACTIVATIONS: dict[str, Any] = {
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "maximum": lambda z: jnp.maximum(z, 0),
    "gelu": jax.nn.gelu,
    "linear": lambda z: z,
}
"""Activations by name; ``relu`` and ``maximum`` differ in their derivative at 0 alone, which is 0 and 1/2."""


def outputs(layers: tuple[Layer, ...], inputs: Array, activation: Activation) -> Array:
    """Return a network's outputs ``[n, outputs]`` for ``inputs [n, inputs]``; the last layer is linear."""
    for layer in layers[:-1]:
        inputs = ACTIVATIONS[activation](affine(layer, inputs))
    return affine(layers[-1], inputs)


def affine(layer: Layer, inputs: Array) -> Array:
    """Return what enters the units ``[n, outputs]`` of a layer for ``inputs [n, inputs]``."""
    product = inputs @ layer.weight
    return product if layer.bias is None else product + layer.bias[None]
