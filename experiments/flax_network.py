"""A network written with Flax NNX as a loss: ``mnemo run configs/networks/flax.toml`` trains it from many starts."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx


class Network(nnx.Module):
    """Two layers on the 64 pixels of a digit."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(64, 32, rngs=rngs)
        self.out = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Return the logits ``[n, 10]``."""
        return self.out(nnx.relu(self.hidden(inputs)))


GRAPH, STATE = nnx.split(Network(nnx.Rngs(0)), nnx.Param)


def parameters() -> nnx.State:
    """Return the arrays that are trained, as an example of their shapes."""
    return STATE


def loss(state: nnx.State, inputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Return the mean cross-entropy."""
    logits = nnx.merge(GRAPH, state)(inputs)
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()


def accuracy(state: nnx.State, inputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Return the share of digits told right."""
    return jnp.mean(jnp.argmax(nnx.merge(GRAPH, state)(inputs), axis=1) == targets)
