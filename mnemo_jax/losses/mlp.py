"""Multilayer perceptrons as losses on data."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from mnemo_jax.choices import choice
from mnemo_jax.data import Data, DataSet, arrays
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import Count, checked
from mnemo_jax.losses.data import data_of
from mnemo_jax.losses.layers import Activation, Layers, outputs

Measure = Literal["squared_error", "cross_entropy"]
Ridge = Annotated[float, Field(ge=0.0)]
Hidden = Sequence[Count]
DEFAULT = DataSet(name="xor")
RATE = 0.1  # of plain gradient descent, stable where no curvature is above 20


@choice
class Network:
    """The loss of a network on data, ``network(x, inputs, targets, ridge)``; equal choices compile once.

    With ``squared_error`` it is the mean over items of half the squared distance from outputs to targets, classes
    being unit vectors; with ``cross_entropy`` the mean of minus the log of the softmax of the right class. Half of
    ``ridge`` times the sum of all squared weights (biases not) is added.
    """

    layers: Layers
    activation: Activation
    measure: Measure

    def __call__(self, x: Array, inputs: Array, targets: Array, ridge: Array) -> Array:
        """Return the loss at a point ``x [dim]``."""
        squares = sum(jnp.sum(layer.weight**2) for layer in self.layers(x))
        return self.error(x, inputs, targets) + 0.5 * ridge * squares

    def error(self, x: Array, inputs: Array, targets: Array) -> Array:
        """Return the loss without ridge."""
        out = self.outputs(x, inputs)
        wanted = _wanted(targets, out)
        if self.measure == "cross_entropy":
            return -jnp.mean(jnp.sum(wanted * jax.nn.log_softmax(out), axis=-1))
        return 0.5 * jnp.mean(jnp.sum((out - wanted) ** 2, axis=-1))

    def outputs(self, x: Array, inputs: Array) -> Array:
        """Return the outputs ``[n, outputs]`` for ``inputs [n, inputs]``."""
        return outputs(self.layers(x), inputs, self.activation)


@choice
class Error:
    """The loss of a network on data without ridge."""

    network: Network

    def __call__(self, x: Array, inputs: Array, targets: Array, ridge: Array) -> Array:
        """Return it."""
        del ridge
        return self.network.error(x, inputs, targets)


@choice
class Accuracy:
    """Share of items whose class a network tells: the largest output, or the side of 1/2 that a single one is on."""

    network: Network

    def __call__(self, x: Array, inputs: Array, targets: Array, ridge: Array) -> Array:
        """Return it; outputs that are not finite tell none."""
        del ridge
        out = self.network.outputs(x, inputs)
        if out.shape[-1] == 1:
            right = (out[:, 0] > 0.5) == (targets.reshape(len(out)) > 0.5)
        else:
            right = jnp.argmax(out, axis=-1) == jnp.argmax(_wanted(targets, out), axis=-1)
        return jnp.mean((right & jnp.all(jnp.isfinite(out), axis=-1)).astype(out.dtype))


def _wanted(targets: Array, out: Array) -> Array:
    """Return what outputs ``[n, k]`` should be: classes as unit vectors, other targets as they are."""
    if jnp.issubdtype(targets.dtype, jnp.integer):
        return jax.nn.one_hot(targets, out.shape[-1], dtype=out.dtype)
    return targets


@checked
def mlp(
    data: Any = None,
    hidden: Hidden = (2,),
    activation: Activation = "tanh",
    measure: Measure | None = None,
    bias: bool = True,
    ridge: Ridge = 0.0,
) -> Landscape:
    """Return the loss of a multilayer perceptron on data.

    The box is that of a common start: a weight within ``sqrt(3 / inputs)`` of zero, so that its variance is one over
    the inputs of its layer (LeCun et al. 1998), a bias within ``1 / sqrt(inputs)``.

    Args:
        data: a `DataSet`, its table or `Data`; ``xor`` unless given.
        hidden: units of each hidden layer.
        activation: of the hidden units; the outputs are linear.
        measure: ``squared_error``, or ``cross_entropy``, the default for more than two classes.
        bias: whether units have biases.
        ridge: weight decay, as a term of the loss.
    """
    data = data_of(data, DEFAULT)
    classes = data.classes
    measure = measure or ("cross_entropy" if classes else "squared_error")
    if measure == "cross_entropy" and not classes:
        raise UserError(f"loss.args.measure: cross_entropy needs classes, and the targets of {data.name} are numbers")
    wide = classes or data.train.targets.shape[1]
    layers = Layers(widths=(data.train.inputs.shape[1], *hidden, wide), bias=bias)
    return _landscape(data, Network(layers=layers, activation=activation, measure=measure), ridge)


def _landscape(data: Data, loss: Network, ridge: float) -> Landscape:
    """Return the landscape of a network on data, with what is measured along its descents."""
    layers = loss.layers
    measures: dict[str, Any] = {"loss": Error(network=loss)}
    if data.classes or (data.train.targets.shape[1] == 1 and set(np.unique(data.train.targets)) <= {0.0, 1.0}):
        measures["accuracy"] = Accuracy(network=loss)
    half = np.concatenate([np.full((i + layers.bias) * o, i**-0.5) for i, o in layers.pairs])
    weight = np.concatenate([np.repeat([3**0.5, 1.0], (i * o, layers.bias * o)) for i, o in layers.pairs])
    box = half * weight
    return Landscape(
        loss=loss,
        dim=layers.dim,
        lower=tuple((-box).tolist()),
        upper=tuple(box.tolist()),
        name="mlp",
        formula=f"{loss.measure.replace('_', ' ')} of a {'-'.join(map(str, layers.widths))} {loss.activation} network",
        args={**arrays(data.train), "ridge": ridge},
        learning_rate=RATE,
        layers=layers,
        data=("inputs", "targets"),
        measures=measures,
        held_out={part: arrays(items) for part, items in data.held_out.items()},
    )
