"""How far minima are from the boundaries of their basins, and where edges lead, over the loss in the plane."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from mnemo_jax.figures import marks, where, words
from mnemo_jax.figures.boundary import PALER, key, paint
from mnemo_jax.figures.colours import BASINS
from mnemo_jax.figures.plane import bar, elevation, plane
from mnemo_jax.figures.style import KIND_COLOURS, KIND_MARKERS, styled
from mnemo_jax.rays import Distances
from mnemo_jax.record import Record
from mnemo_jax.run_boundary import Boundary
from mnemo_jax.tables import KINDS

TRACK, RADIUS = "#8c1c4b", "#0b5d7a"
SAMPLES = 20  # of each straight piece of a line that labels keep clear of


@styled
def edges(record: Record, found: Boundary) -> Figure | None:
    """Draw around each minimum the circle that no found boundary enters, and the tracks of edges to their saddles.

    Below them is the map of a grid, the loss of other starts. None in other dimensions, or without edges.
    """
    if record.config["loss"]["dim"] != 2 or found.distances is None or found.edges is None or found.saddles is None:
        return None
    if not np.isfinite(found.distances.distance).any() and not len(found.edges.pair):
        return None
    image = where.grid(record)
    few = image is not None and np.sum(record.shares.count > 0) <= BASINS
    window = where.window(record) if image is None else where.box(record)
    figure, axes = plane(record, "distances and edges", _note(found), window, 0.0 if few else 0.7)
    if image is None:
        bar(figure, axes, elevation(axes, record), "loss")
    else:
        paint(axes, record, image)
        key(figure, axes, record)
    handles = [*_circles(axes, record, found.distances), *_tracks(axes, found.edges.path)]
    points = _points(axes, record, found)
    basins = marks.reached_handles(record, PALER) if few else []
    marks.legend(axes, [("boundary", handles), ("critical points", points), (marks.REACHED, basins)])
    return figure


def _circles(axes: Axes, record: Record, away: Distances) -> list[Artist]:
    """Draw the circles, and from their centres the ray to the place on the boundary."""
    known = np.flatnonzero(np.isfinite(away.distance))
    for row in known:
        centre, radius = record.catalogue.x[away.label[row]], away.distance[row]
        for colour, width in (("white", 2.6), (RADIUS, 1.3)):
            line: dict[str, Any] = {"edgecolor": colour, "linewidth": width, "facecolor": "none"}
            axes.add_patch(Circle(tuple(centre), radius, zorder=3, gid="circle", **line))
        axes.plot(*np.stack([centre, away.x[row]]).T, color=RADIUS, linewidth=1.0, zorder=3.1, gid="ray")
    style: dict[str, Any] = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "markeredgecolor": RADIUS}
    label = "nearest boundary found,\nan upper bound"
    return [Line2D([], [], linestyle="none", label=label, **style)] if len(known) else []


def _tracks(axes: Axes, path: np.ndarray) -> list[Artist]:
    """Draw the ways ``[k, n, 2]`` of edge points from where they were found on the boundary."""
    for track in path.swapaxes(0, 1):
        axes.plot(*track.T, color="white", linewidth=2.4, zorder=3.4, solid_capstyle="round")
        axes.plot(*track.T, color=TRACK, linewidth=1.2, zorder=3.5, gid="track")
        axes.plot(*track[0], "o", color=TRACK, markersize=3.2, markeredgecolor="white", markeredgewidth=0.5, zorder=3.6)
    label = words.several(path.shape[1], "edge tracked", "edges tracked")
    line = Line2D([], [], color=TRACK, linewidth=1.2, marker="o", markevery=[0], markersize=3.5, label=label)
    return [line] if path.shape[1] else []


def _points(axes: Axes, record: Record, found: Boundary) -> list[Artist]:
    """Draw the minima looked at and the points that edges lead to, with their labels; a new one has a plus."""
    assert found.distances is not None
    assert found.saddles is not None
    away, saddles = found.distances, found.saddles
    x = np.concatenate([record.catalogue.x[away.label], saddles.table.x])
    kind = np.concatenate([record.catalogue.kind[away.label], saddles.table.kind])
    names = np.array([*map(str, away.label), *(str(label) if label >= 0 else "+" for label in saddles.label)])
    shown = marks.within(axes, x)
    handles: list[Artist] = []
    for number, name in enumerate(KINDS):
        rows = np.flatnonzero(shown & (kind == number))
        if len(rows):
            style: dict[str, Any] = {"marker": KIND_MARKERS[name], "color": KIND_COLOURS[name]}
            axes.scatter(
                x[rows, 0], x[rows, 1], s=60, edgecolor="white", linewidth=0.9, zorder=5, gid=f"points: {name}", **style
            )
            style |= {"markersize": 7, "markeredgecolor": "white", "label": words.kinds(len(rows), name)}
            handles.append(Line2D([], [], linestyle="none", **style))
    marks.labels(axes, x, _lines(axes), names)
    return handles


def _lines(axes: Axes) -> np.ndarray:
    """Return points ``[n, 2]`` along the rays and tracks drawn, which labels keep clear of."""
    part = np.linspace(0, 1, SAMPLES)[:, None, None]
    drawn = [np.asarray(line.get_xydata()) for line in axes.lines if line.get_gid() in ("ray", "track")]
    return np.concatenate([np.empty((0, 2)), *((a[:-1] + part * np.diff(a, axis=0)).reshape(-1, 2) for a in drawn)])


def _note(found: Boundary) -> str:
    told, all_ = found.minima
    note = "" if told == all_ else f"The {told:,} minima of largest share, of {all_:,}. "
    kind = (
        "the run’s own gradient descent" if found.own else f"gradient descent, learning rate {found.learning_rate:.3g}"
    )
    note += f"Circles: basins of the run’s optimizer. Edges: basins of {kind}."
    points = len(found.distances.label) + len(found.saddles.label) if found.distances and found.saddles else 0
    if found.saddles is not None and np.any(found.saddles.label < 0) and points <= marks.TOLD:
        note += " A plus marks points that the run had not met."
    return note
