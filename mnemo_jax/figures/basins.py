"""The map of basins of two-dimensional losses: every place coloured by the label of the start there."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnemo_jax.figures import where, words
from mnemo_jax.figures.marks import basin_handles, legend, within
from mnemo_jax.figures.plane import lines, plane
from mnemo_jax.figures.style import INK, basin_colours, styled
from mnemo_jax.record import Record
from mnemo_jax.types import Kind

PIXELS = 400  # per axis of a map of random starts
FEW = 1000  # starts below which each is drawn as a dot
CROWDED = 500  # minima above which none are marked
PALER = 0.25  # white mixed into the colours of basins, so that lines and minima stand out


@styled
def basins(record: Record) -> Figure | None:
    """Draw the starts by the label they reached, on a grid cell by cell, else by the nearest start.

    Contours of the loss and the minima lie on top; starts without a label are grey. None for other dimensions.
    """
    if record.config["loss"]["dim"] != 2:
        return None
    image = where.grid(record)
    found = where.places(record) if image is None else None
    if image is None and found is None:
        return None
    figure, axes = plane(record, "basins, the label each start reached", words.starts(record))
    lines(axes, record, 14)
    if image is not None:
        _map(axes, where.ranks_of(record, image), where.box(record))
    elif found is not None and len(found[0]) < FEW:
        _dots(axes, found[0], where.ranks_of(record, found[1]), where.box(record))
    elif found is not None:
        window = where.window(record, found[0])
        _map(axes, _nearest(record, *found, window), window)
    _minima(axes, record)
    legend(axes, [("basins: label, share", basin_handles(record, PALER))])
    return figure


def _nearest(record: Record, x: np.ndarray, label: np.ndarray, window: np.ndarray) -> np.ndarray:
    low, high = window
    centres = low + (np.indices((PIXELS, PIXELS)).reshape(2, -1).T + 0.5) / PIXELS * (high - low)
    ranks = where.nearest(centres, x, where.ranks_of(record, label), where.periods(record))
    return ranks.reshape(PIXELS, PIXELS)


def _map(axes: Axes, ranks: np.ndarray, window: np.ndarray) -> None:
    """Draw ranks ``[n, m]`` as pixels over the window, the first index along the first coordinate."""
    (left, bottom), (right, top) = window
    colours = basin_colours(ranks, PALER).transpose(1, 0, 2)
    aspect = axes.get_aspect()
    axes.imshow(colours, extent=(left, right, bottom, top), origin="lower", interpolation="nearest", gid="basins")
    axes.set_aspect(aspect)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _dots(axes: Axes, x: np.ndarray, ranks: np.ndarray, box: np.ndarray) -> None:
    """Draw every start as a dot."""
    size = np.clip(4000 / len(x), 14, 40)
    axes.scatter(x[:, 0], x[:, 1], s=size, c=basin_colours(ranks), linewidths=0, clip_on=False, gid="starts")
    low, high = np.minimum(box[0], x.min(axis=0)), np.maximum(box[1], x.max(axis=0))
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])


def _minima(axes: Axes, record: Record) -> None:
    """Mark the minima, with their labels where these fit."""
    x = record.catalogue.x
    rows = np.flatnonzero((record.catalogue.kind == Kind.MINIMUM) & within(axes, x))
    if len(rows) > CROWDED:
        return
    told = len(rows) <= 30
    size = (4.0 + 4.5 * max(len(str(rows.max(initial=0))), 2)) ** 2 if told else 60.0 * min(40 / len(rows), 1.0)
    axes.scatter(
        x[rows, 0],
        x[rows, 1],
        s=size,
        color="white",
        edgecolor=INK,
        linewidth=0.8 if size > 10 else 0.3,
        zorder=5,
        gid="minima",
        clip_on=False,
    )
    for row in rows if told else []:
        axes.annotate(str(row), x[row], ha="center", va="center_baseline", fontsize=7.5, zorder=6)
