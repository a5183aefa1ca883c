"""What is known of the landscapes of linear networks: every critical loss, and how many directions lead down from it.

The loss of weights ``W_1 ... W_L`` is half the mean squared error of ``x W_1 ... W_L`` as a copy of ``y``. What can be
learnt has *modes*: ``lambda_i``, the eigenvalues of ``Sigma_yx Sigma_xx^-1 Sigma_xy`` that are not 0, with eigenvectors
``f_i``. A linear change of the first layer and a rotation of the targets, which change no index, make ``Sigma_xx`` the
identity and ``Sigma_xy`` the diagonal matrix of ``sqrt(lambda_i)``.

At a critical point the network does what linear regression does on a subset ``I`` of modes, no more than the narrowest
layer has units, and nothing on the others; the loss exceeds regression's by half the sum of the others' ``lambda``
(Baldi & Hornik 1989, Neural Networks 2, fact 4). The Hessian there falls apart into blocks (derived here; brute force
in the tests agrees):

- each mode ``i`` in ``I`` and ``j`` outside it: one negative eigenvalue if ``lambda_j > lambda_i``, none if
  ``lambda_j < lambda_i``, a zero one if they are equal;
- with two layers, each unit to spare (``hidden - |I|`` of them) and each mode outside: one negative, one positive one.

So with two layers the index is ``sum_{i in I} #{j not in I: lambda_j > lambda_i} + (hidden - |I|) (modes - |I|)``, at
every critical point of that ``I``: neither another basis of the hidden units nor weights without effect change it. It
is 0 for the best points alone. With three layers or more units to spare add nothing to second order at the *balanced*
points, whose layers have equal singular values; the best modes, too few of them, are then a saddle of index 0. Where
layers are not balanced units to spare may add to the index; with three layers they add

    h_1 R_3 + h_2 R_1 + (modes - |I|) R_2 - R_1 R_2 - R_2 R_3 - R_1 R_3

for ``h_1`` and ``h_2`` units to spare and the ranks ``R_1``, ``R_2``, ``R_3`` of what the layers do beside ``I``: while
``A``, ``B``, ``C`` change them, ``A`` meets ``B W_3 + W_2 C``, of rank ``h_1 R_3 + R_2 (modes - |I|) - R_2 R_3``, each
dimension of which has one negative eigenvalue and one positive; and where that vanishes ``W_1 B`` meets ``C``, of rank
``R_1 (h_2 - R_2 - R_3)``.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mnemo_jax.landscape import KnownPoint

MOST = 1000  # subsets listed as known points
EQUAL = 1e-9  # relative difference up to which two modes are equally strong
NOTHING = 1e-10  # of the largest variance or strength, below which one is rounding


class LinearPoint(NamedTuple):
    """The critical points of one subset of modes.

    ``nullity`` is that of the balanced point; ``best`` says whether the loss is the least of all.
    """

    modes: tuple[int, ...]
    loss: float
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    nullity: int
    best: bool


class Regression(NamedTuple):
    """What there is to learn: ``maps [modes, inputs, outputs]``, of each mode, with ``powers [modes]``, ``lambda``.

    ``varying`` is the rank of the inputs' covariance, ``floor`` the loss of linear regression.
    """

    powers: np.ndarray
    maps: np.ndarray
    varying: int
    floor: float


def regression(xx: np.ndarray, xy: np.ndarray, own: float) -> Regression:
    """Return the modes of covariances, the strongest first.

    Args:
        xx: covariance of the inputs ``[inputs, inputs]``.
        xy: covariance of inputs and targets ``[inputs, outputs]``.
        own: trace of the targets' covariance.
    """
    variances, axes = np.linalg.eigh(xx)
    varies = variances > NOTHING * variances.max()
    whiten = axes[:, varies] / np.sqrt(variances[varies])
    left, strengths, right = np.linalg.svd(whiten.T @ xy, full_matrices=False)
    some = strengths > NOTHING * strengths.max()
    powers = strengths[some] ** 2
    maps = np.einsum("xk,k,ky->kxy", whiten @ left[:, some], strengths[some], right[some])
    return Regression(powers, maps, int(varies.sum()), max(0.5 * float(own - powers.sum()), 0.0))


def linear_points(
    widths: Sequence[int], powers: Sequence[float], *, floor: float = 0.0, varying: int | None = None
) -> list[LinearPoint]:
    """Return the critical points of a linear network, one per subset of modes, in order of their loss.

    Args:
        widths: inputs, units of one or more hidden layers, outputs.
        powers: ``lambda`` of each mode.
        floor: loss of linear regression.
        varying: rank of the inputs' covariance, all of them when None.
    """
    most = min(len(powers), *widths[1:-1])
    subsets = (modes for size in range(most + 1) for modes in itertools.combinations(range(len(powers)), size))
    rows = [_point(widths, np.asarray(powers), modes, floor, varying) for modes in subsets]
    return sorted(rows, key=lambda row: row.loss)


def _point(
    widths: Sequence[int], powers: np.ndarray, modes: tuple[int, ...], floor: float, varying: int | None
) -> LinearPoint:
    rank, others = len(modes), [j for j in range(len(powers)) if j not in modes]
    pairs = [powers[j] / powers[i] - 1.0 for i in modes for j in others]
    downhill, level = (sum(int(pair > EQUAL) for pair in pairs), sum(int(abs(pair) <= EQUAL) for pair in pairs))
    spare = (widths[1] - rank) * len(others) if len(widths) == 3 else 0
    upward = rank * ((varying or widths[0]) + widths[-1] - rank) - downhill - level + spare
    dim = sum(math.prod(pair) for pair in itertools.pairwise(widths))
    loss, index = floor + 0.5 * float(np.sum(powers[others])), downhill + spare
    best = rank == min(len(powers), *widths[1:-1]) and not downhill
    return LinearPoint(modes, loss, index, dim - index - upward, best)


def index_at(layers: Sequence[np.ndarray], xx: np.ndarray, xy: np.ndarray, zero: float = 1e-8) -> int:
    """Return the index of any critical point of two or three layers ``[inputs, outputs]``, balanced or not.

    Args:
        layers: the weights.
        xx: covariance of the inputs.
        xy: covariance of inputs and targets.
        zero: singular values of layers, and of layers times errors, up to which they are rounding.
    """
    product = np.linalg.multi_dot(layers)
    error, learnt = xx @ product - xy, regression(xx, xy, 0.0)
    done = np.einsum("kxy,xz,zy->k", learnt.maps, xx, product) / learnt.powers > 0.5
    pairs = learnt.powers[~done][None, :] / learnt.powers[done][:, None] - 1.0
    rank, others = int(done.sum()), int((~done).sum())
    spare = [layer.shape[1] - rank for layer in layers[:-1]]
    downhill = int(np.sum(pairs > EQUAL))
    if len(layers) == 2:
        return downhill + spare[0] * others
    one, two, three = (_rank(each, zero) for each in (error.T @ layers[0], layers[1], layers[2] @ error.T))
    two -= rank
    return downhill + spare[0] * three + spare[1] * one + others * two - one * two - two * three - one * three


def _rank(matrix: np.ndarray, zero: float) -> int:
    return int(np.sum(np.linalg.svd(matrix, compute_uv=False) > zero))


def balanced(widths: Sequence[int], product: np.ndarray) -> list[np.ndarray]:
    """Return layers ``[inputs, outputs]`` of equal singular values whose product is ``product``; spare units are 0."""
    left, strengths, right = np.linalg.svd(product)
    rank, depth = int(np.sum(strengths > NOTHING * strengths.max())), len(widths) - 1
    layers = [np.zeros(pair) for pair in itertools.pairwise(widths)]
    for layer in layers:
        layer[range(rank), range(rank)] = strengths[:rank] ** (1.0 / depth)
    return [left @ layers[0], *layers[1:-1], layers[-1] @ right]


def known(widths: Sequence[int], learnt: Regression) -> tuple[KnownPoint, ...]:
    """Return the balanced points of all subsets as known points, of the best alone where there are too many."""
    most = min(len(learnt.powers), *widths[1:-1])
    if sum(math.comb(len(learnt.powers), size) for size in range(most + 1)) > MOST:
        rows = [_point(widths, learnt.powers, tuple(range(most)), learnt.floor, learnt.varying)]
    else:
        rows = linear_points(widths, learnt.powers.tolist(), floor=learnt.floor, varying=learnt.varying)
    return tuple(_known(widths, learnt, row) for row in rows)


def _known(widths: Sequence[int], learnt: Regression, row: LinearPoint) -> KnownPoint:
    layers = balanced(widths, learnt.maps[list(row.modes)].sum(axis=0))
    x = np.concatenate([layer.ravel() for layer in layers])
    kind = "minimum" if row.best else "saddle"
    return KnownPoint(tuple(x.tolist()), row.loss, kind, row.index, row.nullity)  # type: ignore[arg-type]
