"""The map of basins of two-dimensional losses: every place coloured by the label of the start there."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from mnemo_jax.figures import marks, where, words
from mnemo_jax.figures.colours import BASINS, heights, palette
from mnemo_jax.figures.plane import bar, lines, plane
from mnemo_jax.figures.style import INK, styled
from mnemo_jax.record import Record
from mnemo_jax.types import Kind

PIXELS = 400  # per axis of a map of random starts
FEW = 1000  # starts below which each is drawn as a dot
TOLD, CROWDED = 30, 500  # points up to which labels are told, and above which none are marked
PALER = 0.25  # white mixed into the colours of basins, so that lines and minima stand out


@styled
def basins(record: Record) -> Figure | None:
    """Draw the starts by the label they reached, on a grid cell by cell, else by the nearest start.

    Few basins have a colour each and contours of the loss on top; many have the colour of the loss that they lead to
    and lines between them. Starts without a label are grey. None for other dimensions or when no start has a label.
    """
    reached = record.shares.count > 0
    if record.config["loss"]["dim"] != 2 or not reached.any():
        return None
    image = where.grid(record)
    found = where.places(record) if image is None else None
    if image is None and found is None:
        return None
    few, window = reached.sum() <= BASINS, _window(record, found)
    note = [words.starts(record) + "."]
    if found is not None and len(found[0]) >= FEW:
        image = _nearest(record, *found, window)
        white = ", white where none is near" if np.any(image == -2) else ""
        note.append(f"Places have the colour of the nearest start{white}.")
    elif found is not None:
        note.append("Dots are starts, rings critical points.")
    note.append(words.outside(record, window))
    figure, axes = plane(record, "basins, the label each start reached", " ".join(note), window, 0.0 if few else 0.7)
    if image is not None:
        _map(axes, record, image)
        _discs(axes, record)
    elif found is not None:
        _dots(axes, record, *found)
    marks.legend(axes, [(marks.REACHED, marks.reached_handles(record, PALER if image is not None else 0.0))])
    if few:
        lines(axes, record, 14)
    else:
        bar(figure, axes, heights(record.catalogue.loss[reached]), "loss of the point reached")
    return figure


def _window(record: Record, found: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """Return the box ``[2, 2]`` that is drawn: of the starts, and with few of them of the loss too."""
    box = where.box(record)
    if found is None:
        return box
    x = found[0]
    if len(x) >= FEW:
        return where.spread(record, x)
    return np.stack([np.minimum(box[0], x.min(axis=0)), np.maximum(box[1], x.max(axis=0))])


def _nearest(record: Record, x: np.ndarray, label: np.ndarray, window: np.ndarray) -> np.ndarray:
    low, high = window
    centres = low + (np.indices((PIXELS, PIXELS)).reshape(2, -1).T + 0.5) / PIXELS * (high - low)
    return where.nearest(centres, x, label, where.periods(record)).reshape(PIXELS, PIXELS)


def _map(axes: Axes, record: Record, label: np.ndarray) -> None:
    """Draw labels ``[n, m]`` as pixels all over the axes, the first index along the first coordinate."""
    extent = (*axes.get_xlim(), *axes.get_ylim())
    aspect = axes.get_aspect()
    colours = palette(record, PALER)[label].transpose(1, 0, 2)
    axes.imshow(colours, extent=extent, origin="lower", interpolation="none", gid="basins")
    axes.set_aspect(aspect)
    if np.sum(record.shares.count > 0) > BASINS:
        _borders(axes, label, extent)


def _borders(axes: Axes, label: np.ndarray, extent: tuple[float, float, float, float]) -> None:
    """Draw a line between neighbouring pixels of different labels ``[n, m]``."""
    left, right, bottom, top = extent
    segments = []
    for axis in (0, 1):
        first = np.argwhere(np.diff(label, axis=axis))
        first[:, axis] += 1
        segments.append(np.stack([first, first + np.eye(2, dtype=int)[1 - axis]], axis=1))
    ends = np.array([left, bottom]) + np.concatenate(segments) / label.shape * np.array([right - left, top - bottom])
    axes.add_collection(LineCollection(list(ends), colors="white", linewidths=0.35, rasterized=True), autolim=False)


def _dots(axes: Axes, record: Record, x: np.ndarray, label: np.ndarray) -> None:
    """Draw every start as a dot, and labelled rings around points, in which a start that lies there is seen."""
    size = np.clip(4000 / len(x), 14, 40)
    axes.scatter(x[:, 0], x[:, 1], s=size, c=palette(record)[label], linewidths=0, clip_on=False, gid="starts")
    points = record.catalogue.x
    rows = np.flatnonzero(_told(record) & marks.within(axes, points))
    if len(rows) <= CROWDED:
        axes.scatter(
            points[rows, 0], points[rows, 1], s=90, facecolor="none", edgecolor=INK, linewidth=0.8, zorder=5,
            clip_on=False, gid="points",
        )  # fmt: skip
    marks.labels(axes, points[rows], x, rows)


def _told(record: Record) -> np.ndarray:
    """Return which points are marked, bool ``[n]``: the minima, and others that starts reached."""
    return np.asarray((record.catalogue.kind == Kind.MINIMUM) | (record.shares.count > 0))


def _discs(axes: Axes, record: Record) -> None:
    """Mark points by discs, with their labels where these fit."""
    x = record.catalogue.x
    rows = np.flatnonzero(_told(record) & marks.within(axes, x))
    if len(rows) > CROWDED:
        return
    told = len(rows) <= TOLD
    size = (4.0 + 4.5 * max(len(str(rows.max(initial=0))), 2)) ** 2 if told else 60.0 * min(40 / len(rows), 1.0)
    axes.scatter(
        x[rows, 0], x[rows, 1], s=size, color="white", edgecolor=INK, linewidth=0.8 if size > 10 else 0.3, zorder=5,
        gid="points", clip_on=False,
    )  # fmt: skip
    for row in rows if told else []:
        axes.annotate(str(row), x[row], ha="center", va="center_baseline", fontsize=7.5, zorder=6)
