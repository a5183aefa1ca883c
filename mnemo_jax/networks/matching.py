"""Weight matching: the symmetric copy of one network that lies next to another.

Ainsworth, Hayase and Srinivasa (2022, Git Re-Basin, arXiv:2209.04836, algorithm 1) permute the hidden units of one
network, layer by layer, each time by a linear assignment that makes the inner product with the other network's
weights largest, until no layer improves. Here units are also turned in sign and scaled where the activation allows
it: the assignment is then of absolute inner products, and both networks are compared at scales at which what enters
each unit has norm 1.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

from mnemo_jax.errors import UserError
from mnemo_jax.losses.layers import Activation, Layer, Layers
from mnemo_jax.networks.arrays import Arrays, joined, units, with_units
from mnemo_jax.networks.symmetry import group, normal, plain

ROUNDING = 1e-12  # of the product of both norms: an inner product that grows by less has not grown


class Matching(NamedTuple):
    """Networks brought next to others.

    Attributes:
        x: ``[n, d]``, copies of the second networks, which compute the same, each unit at its partner's scale.
        before, after: ``[n]``, distances to the first networks in the normal form of `symmetry.normal`.
        sweeps: int64 ``[n]``, times that all hidden layers were gone through in the best attempt.
    """

    x: np.ndarray
    before: np.ndarray
    after: np.ndarray
    sweeps: np.ndarray


def match(
    a: np.ndarray, b: np.ndarray, layers: Layers, activation: Activation, attempts: int = 4, seed: int = 0
) -> Matching:
    """Bring each network ``b [n, d]`` next to ``a [n, d]`` of its row.

    With one hidden layer no other copy is nearer in normal form. With more, the copy is a local optimum of the
    search: an exact answer is as hard as a quadratic assignment. The first attempt begins at ``b`` as it is, others
    with its units shuffled; each goes through the layers in random orders.

    Args:
        a: where to.
        b: what is moved.
        layers: where the networks' arrays lie.
        activation: of the hidden units.
        attempts: how many; with one hidden layer one is made.
        seed: of the random orders; with the pair's row it makes its numbers.

    Raises:
        UserError: ``a`` and ``b`` are not ``[n, d]`` both, or no attempt is asked for.
    """
    if np.shape(a) != np.shape(b):
        raise UserError(f"b: has shape {list(np.shape(b))} and must have that of a, {list(np.shape(a))}")
    if attempts < 1:
        raise UserError(f"attempts: must be at least 1, got {attempts}")
    (fixed, scale), (moved, _) = normal(a, layers, activation), normal(b, layers, activation)
    hidden, signs = len(layers.widths) - 2, group(layers, activation).signs
    found, sweeps = [], np.zeros(len(a), np.int64)
    # One network's products are too small for threads: where cores are busy they wait for each other.
    with threadpool_limits(1, user_api="blas"):
        for row in range(len(a)):
            one, other = _row(fixed, row), _row(moved, row)
            best, sweeps[row] = _matched(one, other, signs, attempts if hidden > 1 else 1, (seed, row))
            found.append(best)
    near = _stacked(found) if found else moved
    return Matching(plain(near, layers, activation, scale), _distance(fixed, moved), _distance(fixed, near), sweeps)


def _matched(one: Arrays, other: Arrays, signs: bool, attempts: int, seed: tuple[int, int]) -> tuple[Arrays, int]:
    """Return the best of some attempts, and its sweeps; the earliest of equally good ones."""
    rng = np.random.default_rng(seed)
    best, most, told = other, -np.inf, 0
    for attempt in range(attempts):
        found, sweeps = _climb(one, other if attempt == 0 else _shuffled(other, rng), signs, rng)
        product = _product(one, found)
        if product > most + _rounding(one, other):
            best, most, told = found, product, sweeps
    return best, told


def _climb(one: Arrays, other: Arrays, signs: bool, rng: np.random.Generator) -> tuple[Arrays, int]:
    """Assign layer after layer until none improves."""
    sweeps, improved, least = 0, True, _rounding(one, other)
    while improved and len(one) > 1:
        sweeps, improved = sweeps + 1, False
        for hidden in rng.permutation(len(one) - 1):
            rows = units(other, hidden)
            alike = units(one, hidden)[0] @ rows[0].T
            worth = np.abs(alike) if signs else alike
            order = linear_sum_assignment(worth, maximize=True)[1]
            gain = worth[np.arange(len(order)), order].sum() - np.trace(alike)
            if gain > least:
                sign = np.where(signs & (alike[np.arange(len(order)), order] < 0), -1.0, 1.0)
                other, improved = with_units(other, hidden, rows[:, order] * sign[:, None]), True
    return other, sweeps


def _shuffled(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    for hidden in range(len(arrays) - 1):
        rows = units(arrays, hidden)
        arrays = with_units(arrays, hidden, rows[:, rng.permutation(rows.shape[1])])
    return arrays


def _product(one: Arrays, other: Arrays) -> float:
    return float(np.vdot(joined(one), joined(other)))


def _rounding(one: Arrays, other: Arrays) -> float:
    return ROUNDING * float(np.linalg.norm(joined(one)) * np.linalg.norm(joined(other)))


def _distance(one: Arrays, other: Arrays) -> np.ndarray:
    return np.linalg.norm(joined(one) - joined(other), axis=1)


def _row(arrays: Arrays, row: int) -> Arrays:
    return tuple(Layer(*(None if array is None else array[row : row + 1] for array in layer)) for layer in arrays)


def _stacked(networks: list[Arrays]) -> Arrays:
    """Return networks of one row each as one with all rows."""
    return tuple(
        Layer(*(None if array[0] is None else np.concatenate(array) for array in zip(*layer, strict=True)))
        for layer in zip(*networks, strict=True)
    )
