"""Critical points as markers with their labels, and the legends that name kinds and basins."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from mnemo_jax.figures import words
from mnemo_jax.figures.colours import BASINS, NO_LABEL, palette
from mnemo_jax.figures.style import INK, KIND_COLOURS, KIND_MARKERS, QUIET, Results
from mnemo_jax.record import Record
from mnemo_jax.tables import KINDS, word

REACHED = "label reached, share"  # heading of a legend
NAMED = 12  # labels with a line of their own in a legend
FEWER = 6  # of them where basins have the colour of their loss
TOLD = 40  # critical points up to which their labels stand beside them
ROOM = 15.0  # points around a label, enough to look no further
_ORDER = ("minimum", "kink", "degenerate", "maximum", "saddle")  # in legends
_SIZES = {"X": 1.15, "*": 1.7, "D": 0.75, "^": 1.1}
_SIDES = 10.0 * np.array([[1, 0], [0, -1], [0, 1], [-1, 0], [0.8, 0.8], [0.8, -0.8], [-0.8, 0.8], [-0.8, -0.8]])


def critical_points(
    axes: Axes, record: Results, at: np.ndarray, crowded: int = 40, colour: str | None = None
) -> list[Artist]:
    """Draw every critical point at ``at [n, 2]``, a marker and a colour for each kind, and return legend handles.

    All have one ``colour`` where it is given, as in figures in which colours are labels. Points at NaN are left out;
    those that stand for a flat family are hollow. Markers of a kind shrink where there are more than ``crowded`` of it,
    and rarer kinds lie on top, so that few are seen among many.
    """
    table = record.catalogue
    shown = within(axes, at)
    handles: list[Artist] = []
    for kind in _ORDER:
        for flat in (False, True):
            rows = np.flatnonzero(shown & (table.kind == KINDS.index(kind)) & ((table.family > 0) == flat))
            if len(rows):
                own = colour or KIND_COLOURS[kind]
                _scatter(axes, at[rows], kind, own, flat, 60.0 * np.clip(crowded / len(rows), 0.02, 1.0))
                handles.append(_handle(kind, own, flat, len(rows), word(KINDS.index(kind), table.x.shape[1])))
    return handles


def within(axes: Axes, at: np.ndarray) -> np.ndarray:
    """Return which of the points ``[n, 2]`` lie in the axes, edges included whatever rounding did to them."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    dust = 1e-6 * (high - low)
    return np.asarray(np.all((at >= low - dust) & (at <= high + dust), axis=1))


def _scatter(axes: Axes, at: np.ndarray, kind: str, colour: str, flat: bool, size: float) -> PathCollection:
    marker = KIND_MARKERS[kind]
    small = size < 20
    return axes.scatter(
        at[:, 0], at[:, 1], s=size * _SIZES.get(marker, 1.0), marker=marker,
        facecolor="white" if flat else colour, edgecolor=colour if flat else "white",
        linewidth=1.6 if flat else 0.0 if small else 0.9, zorder=5 + 1 / len(at),
        clip_on=False, gid=f"critical points: {kind}", rasterized=len(at) > 1000,
    )  # fmt: skip


def _handle(kind: str, colour: str, flat: bool, count: int, name: str) -> Line2D:
    marker = KIND_MARKERS[kind]
    return Line2D(
        [], [], linestyle="none", marker=marker, markersize=7.0 * np.sqrt(_SIZES.get(marker, 1.0)),
        markerfacecolor="white" if flat else colour, markeredgecolor=colour if flat else "white",
        markeredgewidth=1.6 if flat else 0.6, label=words.families(count, name) if flat else words.kinds(count, name),
    )  # fmt: skip


def labels(axes: Axes, at: np.ndarray, avoid: np.ndarray, names: np.ndarray | None = None) -> None:
    """Write the label beside each of few points ``[n, 2]`` in the axes, clear of them and of ``avoid [m, 2]``.

    Labels are ``names``, the numbers of the rows when None.
    """
    rows = np.flatnonzero(within(axes, at))
    if len(rows) > TOLD:
        return
    names = np.arange(len(at)) if names is None else names
    place = axes.transData.transform(np.concatenate([at[rows], avoid]))
    for k, row in enumerate(rows):
        spots = place[k] + _SIDES
        room = np.linalg.norm(spots[:, None] - np.delete(place, k, axis=0), axis=2).min(axis=1, initial=ROOM)
        spot = spots[np.argmax(room)]
        place = np.concatenate([place, spot[None]])
        axes.annotate(
            str(names[row]), at[row], spot - place[k], textcoords="offset points", ha="center", va="center_baseline",
            fontsize=7.5, zorder=7, annotation_clip=False, gid="label",
            path_effects=[withStroke(linewidth=2.2, foreground="white", alpha=0.85)],
        )  # fmt: skip


def nothing(axes: Axes) -> None:
    """Write at the top of the axes that the loss is finite nowhere in them."""
    axes.text(
        0.5, 0.96, "no finite loss", transform=axes.transAxes, ha="center", va="top", fontsize=11, color=QUIET,
        zorder=2, gid="nothing",
    )  # fmt: skip


def reached_handles(record: Record, paler: float = 0.0) -> list[Artist]:
    """Return a legend patch for each of the labels most reached, one for the rest, and one for starts without a label.

    The kind is told where it is no minimum.
    """
    shares, colours = record.shares, palette(record, paler)
    total = record.summary["starts"]
    reached = np.flatnonzero(shares.count > 0)
    named = NAMED if len(reached) <= BASINS else FEWER
    top = np.sort(reached[np.argsort(-shares.count[reached], kind="stable")][:named])
    handles: list[Artist] = [
        Patch(facecolor=colours[row], label=f"{_name(record, row)}   {words.percent(shares.share[row], total)}")
        for row in top
    ]
    if len(top) < len(reached):
        rest = (shares.count.sum() - shares.count[top].sum()) / total
        told = f"{len(reached) - len(top):,} more   {words.percent(rest, total)}"
        handles.append(Line2D([], [], linestyle="none", label=told))
    none = total - int(shares.count.sum())
    if none:
        handles.append(Patch(facecolor=NO_LABEL, label=f"no label   {words.percent(none / total, total)}"))
    return handles


def _name(record: Record, row: int) -> str:
    kind = KINDS[record.catalogue.kind[row]]
    return str(row) if kind == "minimum" else f"{row} ({kind})"


def legend(axes: Axes, parts: Sequence[tuple[str, list[Artist]]], right: float = 1.02) -> None:
    """Write one legend to the right of the axes, each part under its heading."""
    handles: list[Artist] = []
    for heading, part in parts:
        if part:
            handles += [Line2D([], [], linestyle="none", label=" ")] * bool(handles)
            handles += [Line2D([], [], linestyle="none", label=heading), *part]
    if handles:
        drawn = axes.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(right, 1.0), borderaxespad=0.0, handlelength=1.2,
            handleheight=0.9, labelspacing=0.4,
        )  # fmt: skip
        headings = {heading for heading, _ in parts}
        for text in drawn.get_texts():
            text.set_color(QUIET if text.get_text() in headings else INK)
