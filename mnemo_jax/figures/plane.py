"""Two-dimensional losses as contours, with critical points by kind and descents."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mnemo_jax.figures import marks, where, words
from mnemo_jax.figures.colours import ELEVATION, LEVELS, heights, levels
from mnemo_jax.figures.style import INK, Results, page, styled
from mnemo_jax.record import Record
from mnemo_jax.tables import DUST

NUMBERS = 300_000  # of contour lines
DESCENTS = 12  # drawn at most, as many as a run keeps for figures
DESCENT = "#8c1c4b"
DIRECT, THINNEST = 1.5, 0.35  # see `thinner`
BEYOND = "#ececec"  # where the loss is no number


@styled
def landscape(record: Record) -> Figure | None:
    """Draw the loss as filled contours, its critical points by kind, and some descents. None for other dimensions.

    Levels follow the quantiles of the loss over the picture, so that valleys and plateaus show. Critical points are
    those that descents met, numbers beside them their labels; points outside the window are told below.
    """
    if record.config["loss"]["dim"] != 2:
        return None
    window, x = where.window(record), record.catalogue.x
    note = words.sentences(f"{words.starts(record)}.", words.unknown(record), words.outside(record, window))
    figure, axes = plane(record, "the loss and the critical points met", note, window, 0.7)
    norm = elevation(axes, record)
    paths = descents(axes, record)
    handles = marks.critical_points(axes, record, x)
    marks.labels(axes, x, np.concatenate([np.empty((0, 2)), *paths]))
    marks.legend(axes, [("critical points", handles + _handle(len(paths)))])
    bar(figure, axes, norm, "loss")
    return figure


def plane(record: Results, subject: str, note: str, window: np.ndarray, below: float = 0.0) -> tuple[Figure, Axes]:
    """Return a page with axes over the window, equal in scale where it is not too long for it.

    ``below`` is the room in inches that a colour bar takes.
    """
    width, height = window[1] - window[0]
    ratio = float(np.clip(height / width, 0.5, 1.6))
    figure = page(record, subject, note, 6.6, 1.1 + below + 4.4 * ratio, layout="compressed")
    axes = figure.add_subplot()
    axes.set_aspect(ratio * width / height)
    axes.set_xlim(*window[:, 0])
    axes.set_ylim(*window[:, 1])
    axes.autoscale(False)
    axes.set_xlabel("$x_1$")
    axes.set_ylabel("$x_2$", rotation=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure, axes


def bar(figure: Figure, axes: Axes, norm: BoundaryNorm | None, name: str) -> None:
    """Draw the bar of the colours of heights, its levels in equal steps, some of them told; none without heights."""
    if norm is None:
        return
    told = norm.boundaries[:: max(1, round(len(norm.boundaries) / 6))]
    colours = ScalarMappable(norm, ELEVATION)
    drawn = figure.colorbar(colours, ax=axes, location="bottom", pad=0.02, aspect=45, label=name)
    dust = DUST * float(np.ptp(norm.boundaries))
    drawn.set_ticks(told.tolist(), labels=[words.number(value, 3, dust) for value in told])
    drawn.minorticks_off()
    drawn.outline.set_visible(False)
    drawn.ax.tick_params(length=0)


def picture(record: Results) -> tuple[np.ndarray, np.ndarray, np.ma.MaskedArray]:
    """Return both axes of the record's picture and the loss with rows along the second axis, as contours want it."""
    kept = where.picture(record)
    return kept["axis0"], kept["axis1"], np.ma.masked_invalid(kept["loss"].T)


def elevation(axes: Axes, record: Results) -> BoundaryNorm | None:
    """Fill the axes with the loss by height and return the heights for a bar; None with fewer than two heights."""
    x, y, loss = picture(record)
    axes.set_facecolor(BEYOND)
    if not loss.count():
        marks.nothing(axes)
        return None
    norm = heights(loss.compressed())
    filled = axes.contourf(x, y, loss, levels=norm.boundaries, cmap=ELEVATION, norm=norm, extend="max")
    filled.set_rasterized(True)
    lines(axes, record, LEVELS)
    return norm if np.ptp(loss) > 0 else None


def lines(axes: Axes, record: Results, number: int) -> None:
    """Draw ``number`` contour lines of the loss, none where they would be too many to be told apart."""
    x, y, loss = picture(record)
    if not loss.count():
        return
    drawn = axes.contour(
        x, y, loss, levels=levels(loss.compressed(), number)[1:], colors=INK, linewidths=0.4, alpha=0.4
    )
    drawn.set_rasterized(True)
    if sum(np.size(path.vertices) for path in drawn.get_paths()) > NUMBERS:
        drawn.remove()


def descents(axes: Axes, record: Record) -> list[np.ndarray]:
    """Draw some descents from start to end, those long enough to be seen, and return what is shown of their paths.

    Those that wind much are thinner and fainter: they would cover what they wind around.
    """
    shown = []
    for path in list(record.stored_paths().values())[:DESCENTS]:
        limits = np.array([axes.get_xlim(), axes.get_ylim()]).T
        points = broken(inside(path, limits), where.box(record), where.periods(record))
        if len(points) < 2:
            continue
        part = thinner(points, limits)
        halo = max(0.0, 2 * part - 1)  # of many windings it would be a pale patch
        axes.plot(*points.T, color="white", linewidth=2.2 * part, alpha=halo, zorder=3.9)
        axes.plot(*points.T, color=DESCENT, linewidth=1.1 * part, alpha=part, zorder=4, gid="descent")
        axes.plot(
            *points[0], "o", color=DESCENT, markersize=3.2, markeredgecolor="white", markeredgewidth=0.5, zorder=4
        )
        shown.append(points[~np.isnan(points[:, 0])])
    return shown


def _handle(number: int) -> list[Artist]:
    label = words.several(number, "descent")
    line = Line2D([], [], color=DESCENT, linewidth=1.1, marker="o", markevery=[0], markersize=3.5, label=label)
    return [line] if number else []


def thinner(path: np.ndarray, window: np.ndarray) -> float:
    """Return the part of its full width, and of its full ink, with which a descent ``[n, 2]`` is drawn, at most 1.

    Its length is compared with the distance from its start to its furthest point, both in units of the window
    ``[2, 2]``, gaps left out: to `DIRECT` times that distance a descent is drawn in full.
    """
    path = path / (window[1] - window[0])
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    reach = np.nanmax(np.linalg.norm(path - path[0], axis=1))
    return float(np.clip(np.sqrt(DIRECT * reach / max(np.nansum(steps), 1e-300)), THINNEST, 1.0))


def inside(path: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return the path up to where it is far outside the window ``[2, 2]``, without steps too short to be seen."""
    low, high = window
    far = ~np.all(np.abs(path - (low + high) / 2) < 3 * (high - low), axis=1)
    path = path[: np.argmax(far) if far.any() else len(path)]
    travelled = np.cumsum(np.abs(np.diff(path, axis=0) / (high - low)).sum(axis=1)) // 1e-3
    return path[np.concatenate([[True], np.diff(travelled, prepend=0.0) > 0])] if len(path) else path


def broken(path: np.ndarray, box: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Return the path brought into the box on closed axes, with a gap wherever it crosses an edge."""
    safe = np.where(period > 0, period, 1.0)
    path = np.where(period > 0, box[0] + np.mod(path - box[0], safe), path)
    jumps = np.flatnonzero(np.any((np.abs(np.diff(path, axis=0)) > period / 2) & (period > 0), axis=1))
    return np.insert(path, jumps + 1, np.nan, axis=0)
