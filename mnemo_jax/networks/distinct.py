"""Distinct minima of networks: one for all that the symmetries of hidden units say are the same."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from mnemo_jax.catalogue import MERGE, Metric, Table, cells, cluster
from mnemo_jax.errors import UserError
from mnemo_jax.losses.layers import Activation, Layers
from mnemo_jax.networks.arrays import Arrays, joined, units
from mnemo_jax.networks.matching import match
from mnemo_jax.networks.symmetry import canonical, canonical_form, group

AXES = 8  # along which networks are looked up before all their invariants are compared
ROWS = 10_000  # pairs compared at once, which bounds memory


class Distinct(NamedTuple):
    """Distinct networks, in order of their losses.

    Attributes:
        label: int64 ``[n]``, which of them each network is.
        row: int64 ``[k]``, the network of lowest loss among those of a label, which stands for it.
        x: ``[k, d]``, its canonical representative.
        loss: ``[k]``.
        count: int64 ``[k]``, networks of the label.
    """

    label: np.ndarray
    row: np.ndarray
    x: np.ndarray
    loss: np.ndarray
    count: np.ndarray  # type: ignore[assignment]


def distinct(
    x: np.ndarray,
    loss: np.ndarray,
    layers: Layers,
    activation: Activation,
    tolerance: float,
    equal: float | None = None,
) -> Distinct:
    """Return which networks are the same up to symmetry: those joined by a chain of near ones of equal loss.

    Distances are between normal forms (`symmetry.normal`). Canonical representatives are compared first, then
    those of other labels, which noise on the order of units may have parted, after matching; so with one hidden layer
    no two nearer than half the tolerance are missed. The order of rows does not matter, but for what the matching of
    several hidden layers misses. Networks along a flat valley are one where they lie densely enough, and many where
    they do not.

    Args:
        x: networks ``[n, d]``.
        loss: their losses ``[n]``.
        layers: where their arrays lie.
        activation: of the hidden units.
        tolerance: distance up to which two are the same.
        equal: difference of losses up to which they may be; None for the tolerance times the largest loss, if above 1.

    Raises:
        UserError: the tolerance or ``equal`` is not positive, or there is no finite loss for each network.
    """
    loss = np.asarray(loss, np.float64)
    form = canonical_form(x, layers, activation, tolerance)
    points = joined(form)
    if loss.shape != (len(points),) or not np.isfinite(loss).all() or not np.isfinite(points).all():
        raise UserError(f"loss: must be {len(points)} finite numbers, one for each of as many finite networks")
    equal = tolerance * max(1.0, float(np.max(np.abs(loss), initial=0.0))) if equal is None else equal
    if not (tolerance > 0 and equal > 0):
        raise UserError(f"tolerance: it and equal must be positive, got {tolerance:g} and {equal:g}")
    label = _near(points, loss, tolerance, equal)
    pairs = _alike(form, group(layers, activation).signs, points, label, loss, tolerance, equal)
    most = 1
    while len(pairs):
        pairs = pairs[label[pairs[:, 0]] != label[pairs[:, 1]]]
        now = _place(np.sort(label[pairs], axis=1)) < most
        one, other = np.asarray(x)[pairs[now]].swapaxes(0, 1)
        near = match(one, other, layers, activation).after <= tolerance
        label, pairs, most = _joined(label, pairs[now][near]), pairs[~now], 4 * most
    label, row = _by_loss(label, loss)
    count = np.bincount(label, minlength=len(row))
    return Distinct(label, row, canonical(np.asarray(x)[row], layers, activation, tolerance), loss[row], count)


def _near(points: np.ndarray, loss: np.ndarray, tolerance: float, equal: float) -> np.ndarray:
    """Return cluster numbers ``[n]`` of points near and of equal loss, as the catalogue of landscapes has them."""
    blank = Table(*(np.zeros(len(points)) for _ in Table._fields))
    metric = Metric(np.zeros(points.shape[1]), np.zeros(points.shape[1]), tolerance / MERGE, equal / tolerance**2)
    return cluster(blank._replace(x=points, loss=loss), metric)


def _alike(
    form: Arrays, signs: bool, points: np.ndarray, label: np.ndarray, loss: np.ndarray, tolerance: float, equal: float
) -> np.ndarray:
    """Return the pairs ``[m, 2]`` of rows with other labels that some symmetry may make near, likeliest first.

    Of points closer than a quarter of the tolerance in a grid's cell one is enough.
    """
    if len(form) == 1 or not len(points):
        return np.empty((0, 2), np.int64)
    told = _invariants(form, signs)
    rows = np.unique(cells(np.c_[points, label], tolerance / (4 * np.sqrt(points.shape[1])))[0])
    turned = np.linalg.qr(np.random.default_rng(11).standard_normal((told.shape[1], min(AXES, told.shape[1]))))[0]
    a, b = rows[cKDTree(told[rows] @ turned).query_pairs(tolerance, output_type="ndarray").reshape(-1, 2)].T
    keep = (label[a] != label[b]) & (np.abs(loss[a] - loss[b]) <= equal)
    a, b = a[keep], b[keep]
    apart = np.concatenate([np.linalg.norm(told[a[k : k + ROWS]] - told[b[k : k + ROWS]], axis=1) for k in _parts(a)])
    order = np.argsort(apart, kind="stable")
    return np.stack([a, b], axis=1)[order[: np.searchsorted(apart[order], tolerance, side="right")]]


def _parts(rows: np.ndarray) -> range:
    return range(0, max(len(rows), 1), ROWS)


def _invariants(form: Arrays, signs: bool) -> np.ndarray:
    """Return numbers ``[n, m]`` of networks that no symmetry changes, no further apart than their nearest copies are.

    Sorted over the units of a layer are: each entry at the inputs and at the outputs, which no symmetry moves, by its
    size where there are signs; and the norm of what enters a unit from another hidden layer.
    """
    told = []
    for hidden in range(len(form) - 1):
        rows, inputs = units(form, hidden), form[hidden].weight.shape[1] + (form[hidden].bias is not None)
        enters = rows[:, :, :inputs] if hidden == 0 else np.linalg.norm(rows[:, :, :inputs], axis=2, keepdims=True)
        told.append(enters)
        if hidden == len(form) - 2:
            told.append(rows[:, :, inputs:])
    told = [np.sort(np.abs(entries) if signs else entries, axis=1) for entries in told]
    parts = [entries.reshape(len(entries), np.prod(entries.shape[1:], dtype=int)) for entries in told]
    return np.concatenate(parts if form[-1].bias is None else [*parts, form[-1].bias], axis=1)


def _place(codes: np.ndarray) -> np.ndarray:
    """Return how many equal rows of ``codes [m, 2]`` come before each."""
    _, number = np.unique(codes, axis=0, return_inverse=True)
    order = np.argsort(number, kind="stable")
    place = np.empty(len(codes), np.int64)
    place[order] = np.arange(len(codes)) - np.searchsorted(number[order], number[order])
    return place


def _joined(label: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return labels ``[n]`` of what pairs of rows join."""
    one, other = label[pairs].T
    number = int(label.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(pairs), np.int8), (one, other)), shape=(number, number))
    return connected_components(graph, directed=False)[1][label]


def _by_loss(label: np.ndarray, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels in order of their lowest loss, and the row that has it."""
    order = np.lexsort((loss, label))
    row = order[np.unique(label[order], return_index=True)[1]]
    rising = np.argsort(loss[row], kind="stable")
    rank = np.empty(len(row), np.int64)
    rank[rising] = np.arange(len(row))
    return rank[label], row[rising]
