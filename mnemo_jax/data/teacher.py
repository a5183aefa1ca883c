"""A random network as the teacher: targets that a network of its shape can learn exactly."""

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from mnemo_jax.arguments import Count, NotNegative, Seed
from mnemo_jax.data.checks import checked
from mnemo_jax.data.draws import stream
from mnemo_jax.data.items import Items, Pool

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "sigmoid": lambda z: 0.5 * (1.0 + np.tanh(0.5 * z)),
    "relu": lambda z: np.maximum(z, 0.0),
    "gelu": lambda z: 0.5 * z * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (z + 0.044715 * z**3))),
    "linear": lambda z: z,
}
"""As `mnemo_jax.losses.layers.ACTIVATIONS`, in numpy, so that equal seeds give equal targets on every device."""


@checked
def teacher(
    items: Count = 1000,
    widths: Annotated[tuple[Count, ...], Field(min_length=2, strict=False)] = (10, 5, 1),
    activation: Literal["tanh", "sigmoid", "relu", "gelu", "linear"] = "tanh",
    scale: NotNegative = 1.0,
    noise: NotNegative = 0.0,
    seed: Seed = 0,
) -> Pool:
    """Return standard normal inputs and what a random network without biases makes of them.

    Args:
        items: how many.
        widths: the teacher's inputs, units of each hidden layer, outputs; its last layer is linear.
        activation: of its hidden units.
        scale: its weights are normal with standard deviation ``scale / sqrt(inputs of the layer)``.
        noise: standard deviation of the normal noise on the targets, in test items too; a data set's ``target_noise``
            leaves them clean.
        seed: of network, inputs and noise.
    """
    draw, network = stream("items", seed), stream("network", seed)
    inputs = draw.normal(size=(items, widths[0]))
    out = inputs
    for place, (fan_in, fan_out) in enumerate(pairwise(widths)):
        out = out @ (scale / np.sqrt(fan_in) * network.normal(size=(fan_in, fan_out)))
        out = ACTIVATIONS[activation](out) if place < len(widths) - 2 else out
    return Pool(Items(inputs, out + noise * draw.normal(size=out.shape)))
