"""Units of networks: how many are distinct, how many are dead, how many directions a layer's weights have."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax.errors import UserError
from mnemo_jax.losses.layers import ACTIVATIONS, Activation, Layer, Layers, affine
from mnemo_jax.networks.symmetry import group


class Ranks(NamedTuple):
    """Effective ranks of weights, ``[n, layers]``; 0 for weights that are all zero.

    Attributes:
        entropy: exponential of the entropy of the singular values' shares of their sum (Roy and Vetterli 2007,
            EUSIPCO, 606).
        stable: squared Frobenius norm over squared spectral norm (Rudelson and Vershynin 2007, J. ACM 54, 21).
    """

    entropy: Array
    stable: Array


@partial(jax.jit, static_argnames=("layers", "activation"))
def distinct_units(x: Array, layers: Layers, activation: Activation, tolerance: float = 1e-6) -> Array:
    """Return the number of distinct units, int32 ``[n, hidden layers]``, of networks ``x [n, d]``.

    Two units of a layer are alike when what enters them (weights and bias) is, up to what the activation's symmetries
    do to it: up to sign for tanh, linear and sigmoid with biases; for rectifiers and linear units at norm 1. Alike is
    a difference of norm up to the tolerance times the largest norm in the layer; a chain of units alike counts once.
    Units that differ only in weights from units that are alike themselves count as distinct.
    """
    kind = group(layers, activation)

    def one(layer: Layer) -> Array:
        enters = layer.weight.T if layer.bias is None else jnp.c_[layer.weight.T, layer.bias]
        if kind.scales:
            norm = jnp.linalg.norm(enters, axis=1, keepdims=True)
            enters = enters / jnp.where(norm > 0, norm, 1.0)
        reach = tolerance * jnp.max(jnp.linalg.norm(enters, axis=1))
        gaps = [jnp.linalg.norm(enters[:, None] - s * enters[None], axis=2) for s in ((1, -1) if kind.signs else (1,))]
        return _components(jnp.min(jnp.stack(gaps), axis=0) <= reach)

    return jax.vmap(lambda point: jnp.array([one(layer) for layer in layers(point)[:-1]], jnp.int32))(x)


def _components(alike: Array) -> Array:
    """Return into how many parts a symmetric relation ``[h, h]`` divides its elements."""
    for _ in range(max(len(alike) - 1, 1).bit_length()):  # each time chains of twice the length
        alike = (alike.astype(jnp.float32) @ alike.astype(jnp.float32)) > 0
    return jnp.sum(jnp.argmax(alike, axis=1) == jnp.arange(len(alike)))


def dead_units(x: Array, layers: Layers, activation: Activation, inputs: Array) -> Array:
    """Return the number of rectifiers that no item activates, int32 ``[n, hidden layers]``, of networks ``x [n, d]``.

    Args:
        x: the networks.
        layers: where their arrays lie.
        activation: ``relu`` or ``maximum``.
        inputs: ``[items, inputs]``.

    Raises:
        UserError: another activation, whose units are never exactly off.
    """
    if activation not in ("relu", "maximum"):
        raise UserError(f"activation: {activation!r} has no dead units; relu and maximum have")
    return _dead(x, inputs, layers, activation)


@partial(jax.jit, static_argnames=("layers", "activation"))
def _dead(x: Array, inputs: Array, layers: Layers, activation: Activation) -> Array:
    def one(point: Array) -> Array:
        number, values = [], inputs
        for layer in layers(point)[:-1]:
            enters = affine(layer, values)
            number.append(jnp.sum(jnp.all(enters <= 0, axis=0)))
            values = ACTIVATIONS[activation](enters)
        return jnp.array(number, jnp.int32)

    return jax.vmap(one)(x)


@partial(jax.jit, static_argnames=("layers",))
def effective_ranks(x: Array, layers: Layers) -> Ranks:
    """Return the effective ranks of each layer's weights, biases left out, of networks ``x [n, d]``."""

    def one(weight: Array) -> Ranks:
        values = jnp.linalg.svd(weight, compute_uv=False)
        total, top = jnp.sum(values), values[0]
        share = values / jnp.where(total > 0, total, 1.0)
        entropy = jnp.exp(-jnp.sum(jax.scipy.special.xlogy(share, share)))
        stable = jnp.sum((values / jnp.where(top > 0, top, 1.0)) ** 2)
        return Ranks(jnp.where(total > 0, entropy, 0.0), stable)

    def all_(point: Array) -> Ranks:
        return jax.tree.map(lambda *parts: jnp.stack(parts), *(one(layer.weight) for layer in layers(point)))

    return jax.vmap(all_)(x)
