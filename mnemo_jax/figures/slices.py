"""Slices of the loss through networks: heights over a plane, with points and paths in it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from mnemo_jax.figures import marks, words
from mnemo_jax.figures.colours import ELEVATION, heights
from mnemo_jax.figures.plane import BEYOND, DESCENT, bar
from mnemo_jax.figures.style import INK, page_named, styled

PATHS = 40  # from which on paths are drawn paler
STEPS = (
    (2.0, (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)),
    (4.0, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)),
    (8.0, (1.0, 2.0, 5.0)),
    (np.inf, (1.0,)),
)
"""Levels in each power of ten on a logarithmic scale, by the number of powers up to which they are taken."""
LOWEST = 0.005  # part of the slice below the lowest level of a logarithmic scale
DEEP = 1e-11  # of the highest loss, below which there is no level


@styled
def slice_(
    name: str,
    s: np.ndarray,
    t: np.ndarray,
    loss: np.ndarray,
    *,
    points: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    paths: Sequence[np.ndarray] = (),
    share: np.ndarray | None = None,
    subject: str = "a slice of the loss",
    about: str = "",
    log: bool = False,
) -> Figure:
    """Draw the loss on a plane as filled contours, with marked points and paths.

    Args:
        name: what the figure is about.
        s: ``[m]``, places along the first axis.
        t: ``[k]``, places along the second.
        loss: ``[k, m]``, as `slices.slice_of` returns it.
        points: places ``[n, 2]`` of marked points; those outside are told in the note.
        names: of the points, their numbers when None.
        paths: places ``[steps, 2]`` of descents, from start to end.
        share: part of the variance along each axis ``[2]``, where they are principal components.
        subject: what the slice is.
        about: what else is to be said of it, before the rest of the note.
        log: whether levels are those of a logarithmic scale; losses not above zero are then grey.
    """
    s, t = np.asarray(s), np.asarray(t)
    shown = np.ma.masked_invalid(np.where(np.asarray(loss) > 0, loss, np.nan) if log else loss)
    norm = _powers(shown.compressed()) if log else heights(shown.compressed())
    points = np.empty((0, 2)) if points is None else np.asarray(points)
    ratio = float(np.clip(np.ptp(t) / np.ptp(s), 0.5, 1.6))
    note = " ".join(filter(None, (about, _note(points, s, t, share is not None))))
    figure = page_named(name, subject, note, 6.6, 1.8 + 4.4 * ratio, layout="compressed")
    axes = figure.add_subplot()
    axes.set_aspect(ratio * np.ptp(s) / np.ptp(t))
    axes.set_facecolor(BEYOND)
    for drawn in (
        axes.contourf(s, t, shown, levels=norm.boundaries, cmap=ELEVATION, norm=norm, extend="both" if log else "max"),
        axes.contour(s, t, shown, levels=norm.boundaries, colors=INK, linewidths=0.4, alpha=0.35),
    ):
        drawn.set_rasterized(True)
    axes.set_xlim(s[0], s[-1])
    axes.set_ylim(t[0], t[-1])
    axes.autoscale(False)
    axes.spines[["left", "bottom"]].set_visible(False)
    _axis_names(axes, share)
    handles = [*_paths(axes, paths), *_points(axes, points, names, paths)]
    marks.legend(axes, [("", handles)] if handles else [])
    bar(figure, axes, norm, "loss")
    return figure


def _note(points: np.ndarray, s: np.ndarray, t: np.ndarray, projected: bool) -> str:
    """Return what is not to be seen: points outside, and that others lie off the plane."""
    low, high = np.array([s[0], t[0]]), np.array([s[-1], t[-1]])
    away = int(np.sum(np.any((points < low) | (points > high), axis=1)))
    told = f"{words.several(away, 'network')} {'lies' if away == 1 else 'lie'} outside the window. " if away else ""
    off = "The loss is that on the plane; networks and descents lie off it and are drawn where they project to."
    return told + off * projected


def _powers(loss: np.ndarray) -> BoundaryNorm:
    """Return round levels at nearly equal ratios over positive losses, open below and above."""
    low, high = (float(np.quantile(loss, LOWEST)), float(loss.max())) if len(loss) else (0.1, 1.0)
    low = max(low, DEEP * high)
    powers = np.log10(high / low)
    steps = next(steps for most, steps in STEPS if powers <= most)
    whole = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    levels = np.outer(whole, steps).ravel()
    inside = levels[(levels >= low) & (levels <= high)]
    return BoundaryNorm(inside if len(inside) > 2 else low * np.array([0.5, 1.0, 2.0]), ELEVATION.N, extend="both")


def _axis_names(axes: Axes, share: np.ndarray | None) -> None:
    """Name the axes, with their shares of the variance where they are known."""
    # A line of its own for the share keeps the upright name inside of low figures.
    for label, order, row, gap in ((axes.set_xlabel, "first", 0, " "), (axes.set_ylabel, "second", 1, "\n")):
        if share is None:
            label(f"along the {order} direction")
        else:
            label(f"{order} principal component,{gap}{100 * float(share[row]):.3g} % of the variance")


def _paths(axes: Axes, paths: Sequence[np.ndarray]) -> list[Artist]:
    """Draw paths from start to end, as those of descents in the plane."""
    pale = float(np.clip(PATHS / max(len(paths), 1), 0.15, 1.0))
    for path in map(np.asarray, paths):
        axes.plot(*path.T, color="white", linewidth=2.2, zorder=3.9, alpha=pale, gid="halo")
        axes.plot(*path.T, color=DESCENT, linewidth=1.1, zorder=4, alpha=pale, gid="path")
        axes.plot(
            *path[0], "o", color=DESCENT, markersize=3.2, markeredgecolor="white", markeredgewidth=0.5, zorder=4,
            alpha=pale,
        )  # fmt: skip
    label = words.several(len(paths), "descent")
    line = Line2D([], [], color=DESCENT, linewidth=1.1, marker="o", markevery=[0], markersize=3.5, label=label)
    return [line] if len(paths) else []


def _points(axes: Axes, points: np.ndarray, names: Sequence[str] | None, paths: Sequence[np.ndarray]) -> list[Artist]:
    """Draw the points with their names."""
    shown = points[marks.within(axes, points)]
    if not len(shown):
        return []
    axes.scatter(
        shown[:, 0],
        shown[:, 1],
        s=40,
        color=INK,
        edgecolor="white",
        linewidth=0.9,
        zorder=5,
        clip_on=False,
        gid="points",
    )
    if names is None:
        marks.labels(axes, points, np.concatenate([np.empty((0, 2)), *paths]))
    else:
        _names(axes, points, names)
    style: dict[str, Any] = {"marker": "o", "color": INK, "markersize": 6.5, "markeredgecolor": "white"}
    return [Line2D([], [], linestyle="none", label=words.several(len(shown), "network"), **style)]


def _names(axes: Axes, points: np.ndarray, names: Sequence[str]) -> None:
    """Write the names above the points in the window, below those at its upper edge."""
    low, high = axes.get_ylim()
    for row in map(int, np.flatnonzero(marks.within(axes, points))):
        side = -1 if points[row, 1] > high - 0.07 * (high - low) else 1
        axes.annotate(
            names[row], points[row], (0, 11 * side), textcoords="offset points", ha="center", va="center_baseline",
            fontsize=7.5, zorder=7, annotation_clip=False, gid="label",
            path_effects=[withStroke(linewidth=2.2, foreground="white", alpha=0.85)],
        )  # fmt: skip
