"""Two-dimensional losses as contours, with critical points by kind and descents."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mnemo_jax.figures import where, words
from mnemo_jax.figures.marks import critical_points, legend
from mnemo_jax.figures.style import INK, page, styled
from mnemo_jax.record import Record

LEVELS = 24
LOW = 1.7  # above 1: more levels near the minima than equal areas would give them
NUMBERS = 300_000  # of contour lines
DESCENTS = 8  # drawn at most
DESCENT = "#8c1c4b"
ELEVATION = LinearSegmentedColormap.from_list(
    "elevation", ["#27476b", "#4a76a0", "#83a9c4", "#b9d0dc", "#e0e9e8", "#f6f4ec"]
)


@styled
def landscape(record: Record) -> Figure | None:
    """Draw the loss as filled contours, its critical points by kind, and some descents. None for other dimensions.

    Levels follow the quantiles of the loss over the picture, so that valleys and plateaus show.
    """
    if record.config["loss"]["dim"] != 2:
        return None
    figure, axes = plane(record, "the loss and its critical points", words.starts(record), 0.7)
    filled = elevation(axes, record)
    handles = critical_points(axes, record, record.catalogue.x)
    legend(axes, [("critical points", handles + descents(axes, record))])
    _bar(figure, axes, filled)
    return figure


def _bar(figure: Figure, axes: Axes, filled: ContourSet) -> None:
    """Draw the colour bar, its levels in equal steps, some of them told."""
    steps = np.asarray(filled.levels)
    told = steps[:: max(1, len(steps) // 6)]
    dust = 1e-2 * np.diff(told).min()
    bar = figure.colorbar(filled, ax=axes, location="bottom", pad=0.02, aspect=45, label="loss")
    bar.set_ticks(told.tolist(), labels=[words.number(0.0 if abs(value) < dust else value, 3) for value in told])
    bar.minorticks_off()
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)


def plane(record: Record, subject: str, note: str, below: float = 0.0) -> tuple[Figure, Axes]:
    """Return a page with axes for the two coordinates, equal in scale where the box is not too long for it.

    ``below`` is the room in inches that a colour bar takes.
    """
    low, high = where.box(record)
    ratio = float(np.clip((high - low)[1] / (high - low)[0], 0.5, 1.6))
    figure = page(record, subject, note, 6.6, 1.1 + below + 4.4 * ratio, layout="compressed")
    axes = figure.add_subplot()
    axes.set_aspect(ratio * (high - low)[0] / (high - low)[1])
    axes.set_xlabel("$x_1$")
    axes.set_ylabel("$x_2$", rotation=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure, axes


def picture(record: Record) -> tuple[np.ndarray, np.ndarray, np.ma.MaskedArray]:
    """Return both axes of the record's picture and the loss with rows along the second axis, as contours want it."""
    with np.load(record.path / "picture.npz") as file:
        return file["axis0"], file["axis1"], np.ma.masked_invalid(file["loss"].T)


def levels(loss: np.ndarray, number: int = LEVELS) -> np.ndarray:
    """Return up to ``number`` rising levels: quantiles of the loss over the picture, closer together for low ones."""
    values = loss[np.isfinite(loss)]
    places = 0.995 * np.linspace(0.0, 1.0, number) ** LOW
    rising = np.unique(np.quantile(values, places)) if len(values) else np.zeros(1)
    return rising if len(rising) > 2 else rising[0] + np.array([-1.0, 0.0, 1.0]) * max(abs(rising[0]), 1.0)


def elevation(axes: Axes, record: Record) -> ContourSet:
    """Fill the axes with the loss by height and return the contours for a colour bar."""
    x, y, loss = picture(record)
    steps = levels(loss.compressed())
    norm = BoundaryNorm(steps, ELEVATION.N, extend="max")
    filled = axes.contourf(x, y, loss, levels=steps, cmap=ELEVATION, norm=norm, extend="max")
    filled.set_rasterized(True)
    lines(axes, record, LEVELS)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    return filled


def lines(axes: Axes, record: Record, number: int) -> None:
    """Draw ``number`` contour lines of the loss, none where they would be too many to be told apart."""
    x, y, loss = picture(record)
    drawn = axes.contour(
        x, y, loss, levels=levels(loss.compressed(), number)[1:], colors=INK, linewidths=0.4, alpha=0.4
    )
    drawn.set_rasterized(True)
    if sum(np.size(path.vertices) for path in drawn.get_paths()) > NUMBERS:
        drawn.remove()


def descents(axes: Axes, record: Record) -> list[Artist]:
    """Draw the first descents from start to end; on a grid the first starts are neighbours, so none are drawn."""
    paths = [] if record.config["starts"]["kind"] == "grid" else record.paths()[:DESCENTS]
    for path in paths:
        shown = _broken(_inside(path, axes), where.box(record), where.periods(record))
        if not len(shown):
            continue
        axes.plot(*shown.T, color="white", linewidth=2.2, zorder=3.9, gid="descent")
        axes.plot(*shown.T, color=DESCENT, linewidth=1.1, zorder=4)
        axes.plot(*shown[0], "o", color=DESCENT, markersize=3.2, markeredgecolor="white", markeredgewidth=0.5, zorder=4)
    if not paths:
        return []
    label = words.several(len(paths), "descent")
    return [Line2D([], [], color=DESCENT, linewidth=1.1, marker="o", markevery=[0], markersize=3.5, label=label)]


def _inside(path: np.ndarray, axes: Axes) -> np.ndarray:
    """Return the path up to where it is far outside the axes, without steps too short to be seen."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    far = ~np.all(np.abs(path - (low + high) / 2) < 3 * (high - low), axis=1)
    path = path[: np.argmax(far) if far.any() else len(path)]
    travelled = np.cumsum(np.abs(np.diff(path, axis=0) / (high - low)).sum(axis=1)) // 1e-3
    return path[np.concatenate([[True], np.diff(travelled, prepend=0.0) > 0])] if len(path) else path


def _broken(path: np.ndarray, box: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Return the path brought into the box on closed axes, with a gap wherever it crosses an edge."""
    safe = np.where(period > 0, period, 1.0)
    path = np.where(period > 0, box[0] + np.mod(path - box[0], safe), path)
    jumps = np.flatnonzero(np.any((np.abs(np.diff(path, axis=0)) > period / 2) & (period > 0), axis=1))
    return np.insert(path, jumps + 1, np.nan, axis=0)
