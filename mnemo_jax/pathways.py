"""Which minima a saddle joins: pushed off along its unstable direction, to either side, and left to the flow."""

from typing import NamedTuple

import numpy as np

from mnemo_jax.calculus import Args, Loss, hessians
from mnemo_jax.catalogue import Metric, Table
from mnemo_jax.flow import flowed
from mnemo_jax.landscape import Landscape
from mnemo_jax.polish import Scales
from mnemo_jax.symmetry import canonical, zero_modes
from mnemo_jax.tiles import in_tiles
from mnemo_jax.types import Kind

PUSH = 1e-4  # box lengths off the saddle
TILE = 256  # saddles whose Hessians are written out at once
MATCH = 1e-4  # box lengths between a flow's end and the minimum it stands for


class Pathways(NamedTuple):
    """The saddles of index one and where their unstable directions lead.

    Attributes:
        saddle: int64 ``[m]``, row of the catalogue.
        minima: int64 ``[m, 2]``, rows of the minima the flow reaches to either side, -1 where it reaches none listed.
        barrier: ``[m, 2]``, loss of the saddle above each; NaN where there is none.
        ends: ``[m, 2, d]``, where the flow ended.
        ended: bool ``[m, 2]``, whether it arrived at a minimum at all.
    """

    saddle: np.ndarray
    minima: np.ndarray
    barrier: np.ndarray
    ends: np.ndarray
    ended: np.ndarray


def pathways(
    table: Table, rows: np.ndarray, landscape: Landscape, args: Args, scales: Scales, metric: Metric, *, loss: Loss
) -> Pathways:
    """Return the pathways of the saddles of index one among the ``rows`` (bool) of a catalogue.

    Saddles with more zero eigenvalues than declared symmetries cause are left out.
    """
    sound = (table.index == 1) & (table.nullity == zero_modes(landscape))
    saddle = np.flatnonzero(rows & (table.kind == Kind.SADDLE) & sound)
    x = table.x[saddle]
    (matrices,) = in_tiles(lambda x: (hessians(x, args, loss=loss),), TILE, x)
    down = np.linalg.eigh(0.5 * (matrices + matrices.transpose(0, 2, 1)))[1][:, :, 0]
    push = PUSH * float(scales.length) * down
    sides = np.stack([x - push, x + push], axis=1).reshape(-1, table.x.shape[1])
    ended = flowed(sides, args, scales, loss=loss)
    minima = _matched(canonical(ended.x, landscape), table, metric)
    minima = np.where(ended.ended, minima, -1).reshape(-1, 2)
    height = np.where(minima >= 0, table.loss[saddle][:, None] - table.loss[minima], np.nan)
    ends = ended.x.reshape(len(saddle), 2, table.x.shape[1])
    return Pathways(saddle, minima, height, ends, ended.ended.reshape(-1, 2))


def _matched(x: np.ndarray, table: Table, metric: Metric) -> np.ndarray:
    """Return the row of the minimum at each ``x [n, d]``, -1 for none."""
    rows = np.flatnonzero(table.kind == Kind.MINIMUM)
    if not len(rows) or not len(x):
        return np.full(len(x), -1)
    away, nearest = metric.tree(table.x[rows]).query(metric.wrap(x))
    return np.where(away <= MATCH * metric.length, rows[nearest % len(rows)], -1)
