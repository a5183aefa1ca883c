"""Networks that compute the same: hidden units in another order, with another sign or at another scale.

Permuting the units of a hidden layer changes nothing. With an odd activation neither does turning the signs of all
that enters and leaves a unit (Hecht-Nielsen 1990; Sussmann 1992, Neural Networks 5, 589: for tanh these are all there
are, but for networks with units that could be left out). The sigmoid is ``(1 + tanh(z / 2)) / 2``, so that it has the
same signs where the next layer's biases take up what is left: ``sigma(-z) = 1 - sigma(z)``. Rectifiers have positive
scales: what enters a unit times ``s``, what leaves it divided by ``s``. Linear units have signs and scales; that any
invertible matrix may stand between two linear layers is not undone here.
"""

from math import factorial, prod
from typing import NamedTuple

import numpy as np

from mnemo_jax.losses.layers import Activation, Layer, Layers
from mnemo_jax.networks.arrays import Arrays, joined, split, units, with_units
from mnemo_jax.symmetry import first_sign, ordered

TIE = 1e-7  # size of weights within which units count as equal when they are put in order


class Group(NamedTuple):
    """What may be done to hidden units beside permuting them.

    Attributes:
        signs: turning their signs.
        scales: scaling what enters by a positive number, and what leaves by its inverse.
        shifts: whether turning a sign shifts the next layer's biases.
    """

    signs: bool
    scales: bool
    shifts: bool


def group(layers: Layers, activation: Activation) -> Group:
    """Return the group of the networks' symmetries."""
    shifts = activation == "sigmoid" and layers.bias
    return Group(activation in ("tanh", "linear") or shifts, activation in ("relu", "maximum", "linear"), shifts)


def copies(layers: Layers, activation: Activation) -> int:
    """Return how many networks there are of one by permutations and signs: the product of all ``h! 2^h`` or ``h!``.

    So many have a network no two of whose units are equal and none of which is zero; with scales (`scales`) each of
    them stands for a continuum.
    """
    two = 1 + group(layers, activation).signs
    return prod(factorial(width) * two**width for width in layers.widths[1:-1])


def scales(layers: Layers, activation: Activation) -> int:
    """Return the dimension of the family that scales make of a network: its number of hidden units, or 0."""
    return sum(layers.widths[1:-1]) * group(layers, activation).scales


def canonical(x: np.ndarray, layers: Layers, activation: Activation, tie: float = TIE) -> np.ndarray:
    """Return the representatives ``[n, d]`` of networks ``x [n, d]``, which compute the same.

    Layer by layer from the inputs: each unit is scaled, where it may be, until what enters it (weights and bias) has
    norm 1, then the first of its entries that is not zero is made positive, and then units are sorted by their entries,
    those that enter first. A penalty on the weights is not the same at another scale.

    With one hidden layer all networks of an orbit get the same representative up to rounding. With more they do where
    in no hidden layer but the last two units have the same entering arrays (up to sign and scale) or only zeros there:
    such ties are broken by what leaves, which the next layer's symmetries change.

    Args:
        x: the networks.
        layers: where their arrays lie.
        activation: of the hidden units.
        tie: size of weights within which entries count as equal or zero.
    """
    return _plain(canonical_form(x, layers, activation, tie), group(layers, activation))


def canonical_form(x: np.ndarray, layers: Layers, activation: Activation, tie: float = TIE) -> Arrays:
    """Return the representatives of `canonical` in their `normal` form, in which distances are meant."""
    arrays, _ = normal(x, layers, activation)
    for hidden in range(len(arrays) - 1):
        rows = units(arrays, hidden)
        if group(layers, activation).signs:
            rows = rows * first_sign(rows, tie)
        arrays = with_units(arrays, hidden, ordered(rows, tie))
    return arrays


def normal(x: np.ndarray, layers: Layers, activation: Activation) -> tuple[Arrays, list[np.ndarray]]:
    """Return networks in a form that the finite group only permutes and turns the signs of, and the scales undone.

    What enters a unit has norm 1 where there are scales (what leaves it, where nothing enters); sigmoids are told by
    the biases that the same network of ``tanh(z / 2) / 2`` has. Distances between such forms are the group's own: they
    are the same for two networks and for both changed alike.

    Returns:
        the layers, and for each hidden layer the scale ``[n, units]`` of what entered.
    """
    arrays = split(x, layers)
    kind, undone = group(layers, activation), []
    for hidden in range(len(arrays) - 1):
        scale = _scale(arrays, hidden) if kind.scales else np.ones((len(x), layers.widths[hidden + 1]))
        arrays = rescaled(arrays, hidden, 1.0 / scale)
        undone.append(scale)
    return (_shifted(arrays, 0.5) if kind.shifts else arrays), undone


def plain(arrays: Arrays, layers: Layers, activation: Activation, scale: list[np.ndarray]) -> np.ndarray:
    """Return the points ``[n, d]`` that a `normal` form stands for at these scales."""
    for hidden, factor in enumerate(scale):
        arrays = rescaled(arrays, hidden, factor)
    return _plain(arrays, group(layers, activation))


def _plain(arrays: Arrays, kind: Group) -> np.ndarray:
    return joined(_shifted(arrays, -0.5) if kind.shifts else arrays)


def rescaled(arrays: Arrays, hidden: int, scale: np.ndarray) -> Arrays:
    """Return the layers with what enters one's units times ``scale [n, units]``, and what leaves them divided by it."""
    rows, inputs = units(arrays, hidden), arrays[hidden].weight.shape[1] + (arrays[hidden].bias is not None)
    factors = np.where(np.arange(rows.shape[2]) < inputs, scale[:, :, None], 1.0 / scale[:, :, None])
    return with_units(arrays, hidden, rows * factors)


def _scale(arrays: Arrays, hidden: int) -> np.ndarray:
    """Return the norm of what enters each unit; where that is zero, one over the norm of what leaves it."""
    rows, inputs = units(arrays, hidden), arrays[hidden].weight.shape[1] + (arrays[hidden].bias is not None)
    enters, leaves = (np.linalg.norm(part, axis=2) for part in (rows[:, :, :inputs], rows[:, :, inputs:]))
    other = 1.0 / np.where(leaves > 0, leaves, 1.0)
    return np.where(enters > 0, enters, other)


def _shifted(arrays: Arrays, part: float) -> Arrays:
    """Return the layers with the sum of what leaves each hidden layer, times ``part``, added to the next biases."""
    later = [Layer(layer.weight, layer.bias + part * layer.weight.sum(axis=1)) for layer in arrays[1:]]
    return (arrays[0], *later)
