"""A network written with Equinox as a loss: ``mnemo run configs/networks/equinox.toml`` trains it from many starts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

MODEL = eqx.nn.MLP(64, 10, width_size=32, depth=1, key=jax.random.key(0))
PARAMETERS, STATIC = eqx.partition(MODEL, eqx.is_inexact_array)


def parameters() -> eqx.nn.MLP:
    """Return the arrays that are trained, as an example of their shapes."""
    return PARAMETERS


def logits(arrays: eqx.nn.MLP, inputs: jax.Array) -> jax.Array:
    """Return the outputs ``[n, 10]``."""
    return jax.vmap(eqx.combine(arrays, STATIC))(inputs)


def loss(arrays: eqx.nn.MLP, inputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Return the mean cross-entropy."""
    return optax.softmax_cross_entropy_with_integer_labels(logits(arrays, inputs), targets).mean()


def accuracy(arrays: eqx.nn.MLP, inputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Return the share of digits told right."""
    return jnp.mean(jnp.argmax(logits(arrays, inputs), axis=1) == targets)
