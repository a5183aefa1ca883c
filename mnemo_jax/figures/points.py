"""Critical points that a search found, over the loss in one and two dimensions."""

from itertools import product

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from mnemo_jax.figures import marks, where, words
from mnemo_jax.figures.line import limit
from mnemo_jax.figures.merging import Ways, ways_of
from mnemo_jax.figures.plane import bar, elevation, plane
from mnemo_jax.figures.style import INK, QUIET, page, styled
from mnemo_jax.found import CriticalPoints
from mnemo_jax.picture import MARGIN

HEADING = "critical points"
PATHWAY = "#8c1c4b"
SAMPLES = 30  # of a pathway, that labels keep clear of


@styled
def points(found: CriticalPoints) -> Figure | None:
    """Draw the loss and the critical points in the box by kind, in two dimensions with the pathways over saddles.

    Numbers beside points are their labels. A pathway is drawn as straight lines from a saddle of index one to the two
    minima it joins, the short way round on closed axes. None in more dimensions.
    """
    return {1: _line, 2: _plane}.get(found.config["loss"]["dim"], lambda _: None)(found)


def _line(found: CriticalPoints) -> Figure:
    picture, window, table = where.picture(found), where.window(found), found.catalogue
    x, loss = picture["axis0"], picture["loss"]
    note = words.sentences(words.box(found), words.unknown(found))
    figure = page(found, "the loss and its critical points", note, 7.2, 3.8)
    axes = figure.add_subplot()
    axes.plot(x, loss, color=INK, linewidth=1.5, zorder=3)
    axes.set_xlim(*window[:, 0])
    limit(axes, x, loss, where.box(found)[:, 0], table.loss[found.inside_box])
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.06 * (high - low), high)  # for labels below minima
    axes.set_xlabel("x")
    axes.set_ylabel("loss")
    at = _inside(found, np.stack([table.x[:, 0], table.loss], axis=1))
    handles = marks.critical_points(axes, found, at)
    marks.labels(axes, at, np.stack([x, loss], axis=1)[np.isfinite(loss)])
    marks.legend(axes, [(HEADING, handles)])
    return figure


def _plane(found: CriticalPoints) -> Figure:
    ways, at = ways_of(found), _inside(found, found.catalogue.x)
    window = _window(found)
    beyond = _beyond(found, ways)
    figure, axes = plane(found, "the loss and its critical points", _note(found, ways), window, 0.7)
    norm = elevation(axes, found)
    _frame(axes, found)
    lines = _pathways(axes, found, ways)
    axes.plot(
        *found.catalogue.x[beyond].T, "o", color="white", markeredgecolor=PATHWAY, markersize=3.0, linestyle="none",
        markeredgewidth=0.8, zorder=4.5, gid="beyond",
    )  # fmt: skip
    handles = marks.critical_points(axes, found, at)
    part = np.linspace(0.0, 1.0, SAMPLES)[:, None]
    marks.labels(axes, at, np.concatenate([np.empty((0, 2)), *(a + part * (b - a) for a, b in lines)]))
    shown = bool(marks.within(axes, found.catalogue.x[beyond]).any())
    marks.legend(axes, [(HEADING, handles + _handles(len(lines) > 0, shown))])
    bar(figure, axes, norm, "loss")
    return figure


def _window(found: CriticalPoints) -> np.ndarray:
    """Return the box with a margin ``[2, 2]``, as far as the picture goes."""
    low, high = where.box(found)
    shown = where.window(found)
    margin = MARGIN * (high - low)
    return np.stack([np.maximum(shown[0], low - margin), np.minimum(shown[1], high + margin)])


def _inside(found: CriticalPoints, at: np.ndarray) -> np.ndarray:
    """Return the points ``[n, 2]`` with NaN for those that lie outside the box."""
    return np.where(found.inside_box[:, None], at, np.nan)


def _beyond(found: CriticalPoints, ways: Ways) -> np.ndarray:
    """Return the rows of the minima outside the box to which pathways lead."""
    rows = np.unique(ways.minima[ways.minima >= 0])
    return rows[~found.inside_box[rows]]


def _frame(axes: Axes, found: CriticalPoints) -> None:
    """Draw the edge of the box where the picture shows more."""
    low, high = where.box(found)
    if np.all(where.periods(found) > 0):
        return
    axes.add_patch(
        Rectangle(
            tuple(low), *(high - low), fill=False, edgecolor=QUIET, linewidth=0.7, linestyle=(0, (4, 3)), zorder=2
        )
    )


def _pathways(axes: Axes, found: CriticalPoints, ways: Ways) -> list[np.ndarray]:
    """Draw the pathways and return their lines ``[2, 2]``."""
    box, period, x = where.box(found), where.periods(found), found.catalogue.x
    lines = [
        line
        for saddle, minima in zip(ways.saddle, ways.minima, strict=True)
        for minimum in minima[minima >= 0]
        for line in images(x[saddle], x[minimum], box, period)
    ]
    width = float(np.clip(40 / max(len(lines), 1), 0.5, 1.0))
    for colour, extra, order in (("white", width, 3.8), (PATHWAY, 0.0, 3.9)):
        drawn = LineCollection(lines, colors=colour, linewidths=width + extra, zorder=order, gid="pathways")
        drawn.set_rasterized(len(lines) > 1000)
        axes.add_collection(drawn, autolim=False)
    return lines


def images(start: np.ndarray, end: np.ndarray, box: np.ndarray, period: np.ndarray) -> list[np.ndarray]:
    """Return the straight line ``[2, d]`` between points ``[d]``, the short way round, and its images in the box.

    A line that crosses the border of closed axes goes on at the other side, where its image is; the parts of both that
    lie outside the box are for the axes to cut.
    """
    safe = np.where(period > 0, period, 1.0)
    turns = np.where(period > 0, np.round((end - start) / safe), 0.0)
    line = np.stack([start, end - turns * period])
    shifts = product(*[(0.0, turn * size) if turn else (0.0,) for turn, size in zip(turns, period, strict=True)])
    moved = [line + np.array(shift) for shift in shifts]
    low, high = box
    return [m for m in moved if np.all((m.max(axis=0) >= low) & (m.min(axis=0) <= high) | (period == 0))]


def _handles(pathways: bool, beyond: bool) -> list[Artist]:
    line: Artist = Line2D([], [], color=PATHWAY, linewidth=1.0, label="pathways")
    dot: Artist = Line2D(
        [], [], linestyle="none", marker="o", markersize=3.5, color="white", markeredgecolor=PATHWAY,
        label="minima outside the box\nthat pathways reach",
    )  # fmt: skip
    return [line] * pathways + [dot] * beyond


def _note(found: CriticalPoints, ways: Ways) -> str:
    told = words.sentences(words.box(found), words.unknown(found))
    if len(ways.saddle):
        told += " Lines lead from each saddle of index 1 to the minima on its two sides, drawn straight."
    lost = int(np.sum(ways.minima < 0))
    return told + (f" {words.several(lost, 'side leads', 'sides lead')} to no listed minimum." if lost else "")
