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
from mnemo_jax.types import Kind, Outcome

PUSH = 1e-4  # box lengths off the saddle
TILE = 256  # saddles whose Hessians are written out at once
ENDS = ("minimum", "unlisted", "no_minimum", "left_box", "escaped", "out_of_steps", "non_finite")
MATCH = 1e-4  # box lengths between a flow's end and the minimum it stands for


class Pathways(NamedTuple):
    """The saddles of index one and where their unstable directions lead.

    Attributes:
        saddle: int64 ``[m]``, row of the catalogue.
        minima: int64 ``[m, 2]``, rows of the minima the flow reaches to either side, -1 where it reaches none listed.
        barrier: ``[m, 2]``, loss of the saddle above each; NaN where there is none.
        ends: ``[m, 2, d]``, where the flow ended.
        end: int8 ``[m, 2]``, at what, a number of `ENDS`: a listed minimum, one that is not listed, a listed point of
            another kind that leads nowhere down, or nowhere, and then why.
    """

    saddle: np.ndarray
    minima: np.ndarray
    barrier: np.ndarray
    ends: np.ndarray
    end: np.ndarray


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
    minima, others = _matched(canonical(ended.x, landscape), table, metric)
    inside = np.all((ended.x >= landscape.lower) & (ended.x <= landscape.upper) | np.array(landscape.periodic), axis=1)
    end = ends_of(ended.outcome, minima, others, inside).reshape(-1, 2)
    minima = np.where(end == ENDS.index("minimum"), minima.reshape(-1, 2), -1)
    height = np.where(minima >= 0, table.loss[saddle][:, None] - table.loss[minima], np.nan)
    return Pathways(saddle, minima, height, ended.x.reshape(len(saddle), 2, table.x.shape[1]), end)


def ends_of(outcome: np.ndarray, minima: np.ndarray, others: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return at what flows ended, numbers of `ENDS`.

    Args:
        outcome: of the flows ``[n]``.
        minima: row of the minimum at each end, -1 for none.
        others: row of a point of another kind there, -1 for none.
        inside: bool, whether the end lies in the box.
    """
    arrived = np.where(minima >= 0, "minimum", np.where(others >= 0, "no_minimum", "unlisted"))
    lost = np.where(inside, "out_of_steps", "left_box")
    lost = np.where(outcome == Outcome.ESCAPED, "escaped", lost)
    lost = np.where(outcome == Outcome.NON_FINITE, "non_finite", lost)
    words = np.where(outcome == Outcome.CONVERGED, arrived, lost)
    return np.array([ENDS.index(word) for word in words], np.int8)


def _matched(x: np.ndarray, table: Table, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the minimum and of the point of another kind at each ``x [n, d]``, -1 for none."""
    minimum = table.kind == Kind.MINIMUM
    return _nearest(x, np.flatnonzero(minimum), table, metric), _nearest(x, np.flatnonzero(~minimum), table, metric)


def _nearest(x: np.ndarray, rows: np.ndarray, table: Table, metric: Metric) -> np.ndarray:
    """Return which of the ``rows`` of a table lies at each ``x [n, d]``, -1 for none."""
    if not len(rows) or not len(x):
        return np.full(len(x), -1)
    away, nearest = metric.tree(table.x[rows]).query(metric.wrap(x))
    return np.where(away <= MATCH * metric.length, rows[nearest % len(rows)], -1)
