"""Flat families: critical points that are not isolated, such as the floor of a valley, become one entry each.

Points of nullity one are joined when a walk along the null space, corrected by Newton's method after every step,
passes them. What the walk does not join, and points of higher nullity, are grouped by loss, index and nullity and
said to be not separated.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.calculus import Args, Loss, hessian
from mnemo_jax.catalogue import Metric, Table
from mnemo_jax.polish import Scales
from mnemo_jax.types import Kind

STEPS = 2048  # of a walk, each way
STEP = 1.0 / 256  # box lengths
WALKS = 8  # per group; what they leave is said to be not separated
SINGLE, JOINED, NOT_SEPARATED = 0, 1, 2


@partial(jax.jit, static_argnames=("loss",))
def walk(x0: Array, args: Args, scales: Scales, *, loss: Loss) -> tuple[Array, Array]:
    """Walk from ``x0 [d]``, of nullity one, both ways along its null space.

    Returns:
        the points ``[2 * STEPS, d]`` in order, and which of them are critical points still, bool.
    """
    h = STEP * scales.length

    def null_and_inverse(x: Array) -> tuple[Array, Array]:
        matrix = hessian(loss)(x, args)
        values, vectors = jnp.linalg.eigh(0.5 * (matrix + matrix.T))
        flat = jnp.argmin(jnp.abs(values))
        inverse = jnp.where(jnp.arange(x.size) == flat, 0.0, 1.0 / values)
        return vectors[:, flat], (vectors * inverse) @ vectors.T

    def forward(state: tuple[Array, Array, Array], __: None) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        x, direction, good = state
        null = null_and_inverse(x)[0]
        direction = null * jnp.where(null @ direction < 0, -1.0, 1.0)
        y = x + h * direction
        for _ in range(3):  # the predictor is off by the curvature times h^2, Newton squares that each time
            y = y - null_and_inverse(y)[1] @ jax.grad(loss)(y, args)
        critical = jnp.linalg.norm(jax.grad(loss)(y, args)) <= 1e-8 * scales.gradient
        good = good & critical & (jnp.linalg.norm(y - x) < 2.0 * h)
        y = jnp.where(good, y, x)
        return (y, direction, good), (y, good)

    null, _ = null_and_inverse(x0)
    ways = [jax.lax.scan(forward, (x0, side * null, jnp.array(True)), length=STEPS)[1] for side in (-1.0, 1.0)]
    (behind, ok_behind), (ahead, ok_ahead) = ways
    return jnp.concatenate([behind[::-1], ahead]), jnp.concatenate([ok_behind[::-1], ok_ahead])


def families(
    table: Table, args: Args, scales: Scales, metric: Metric, expected: int, *, loss: Loss
) -> tuple[np.ndarray, np.ndarray]:
    """Group the rows of a merged table that belong to one flat family.

    Args:
        table: distinct points.
        args: the loss's arguments.
        scales: the landscape's.
        loss: the loss on flat points.
        metric: its distance.
        expected: zero modes that declared symmetries cause; points with no more are isolated up to symmetry.

    Returns:
        a group number per row, and per row 0 (a single point), 1 (joined by walks) or 2 (not separated).
    """
    groups = np.arange(len(table.x))
    how = np.zeros(len(table.x), np.int32)
    flat = np.flatnonzero((table.nullity > expected) & (table.kind != Kind.KINK))
    for rows in _alike(table, flat, metric):
        if len(rows) < 2:
            continue
        rest = rows
        if table.nullity[rows[0]] == 1:
            rest = _joined(table, rows, args, scales, metric, loss, groups, how)
        if len(rest) > 1:
            groups[rest] = rest[0]
            how[rest] = NOT_SEPARATED
    return groups, how


def _alike(table: Table, rows: np.ndarray, metric: Metric) -> list[np.ndarray]:
    """Split rows into classes of equal index, nullity and loss, each in order of start number."""
    if not len(rows):
        return []
    order = rows[np.lexsort((table.loss[rows], table.nullity[rows], table.index[rows]))]
    tolerance = 1e-9 * (np.abs(table.loss[order]) + metric.curvature * metric.length**2)
    breaks = (
        (np.diff(table.index[order]) != 0)
        | (np.diff(table.nullity[order]) != 0)
        | (np.diff(table.loss[order]) > tolerance[1:])
    )
    classes = np.split(order, np.flatnonzero(breaks) + 1)
    return [rows[np.argsort(table.first[rows], kind="stable")] for rows in classes]


def _joined(
    table: Table,
    rows: np.ndarray,
    args: Args,
    scales: Scales,
    metric: Metric,
    loss: Loss,
    groups: np.ndarray,
    how: np.ndarray,
) -> np.ndarray:
    """Walk from the first rows left, several times; return the rows that no walk passed."""
    for _ in range(WALKS):
        if len(rows) < 2:
            return rows[:0]
        way, good = walk(table.x[rows[0]], args, scales, loss=loss)
        way = np.concatenate([table.x[rows[:1]], np.asarray(way)[np.asarray(good)]])
        near = metric.tree(way).query(metric.wrap(table.x[rows]))[0] <= STEP * metric.length
        if near.sum() > 1:
            groups[rows[near]] = rows[0]
            how[rows[near]] = JOINED
        rows = rows[~near]
    return rows
