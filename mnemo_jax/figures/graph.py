"""The graph of minima and the saddles between them, for landscapes that no map shows."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from mnemo_jax.figures import words
from mnemo_jax.figures.merging import Tree, Ways, tree_of, ways_of
from mnemo_jax.figures.style import KIND_COLOURS, QUIET, page, styled
from mnemo_jax.found import CriticalPoints

MOST = 300  # minima
FEW = 40  # points in up to two dimensions whose map says all
TOLD = 40  # minima up to which their labels are written
EQUAL = 1e-6  # of the largest barrier, within which all are equal
BARRIERS = LinearSegmentedColormap.from_list("barriers", colormaps["plasma"](np.linspace(0.76, 0.0, 64)))  # no yellow


@styled
def pathways(found: CriticalPoints) -> Figure | None:
    """Draw minima at their loss, in the order of the tree, and an edge over each saddle of index one between two.

    The colour is the barrier, the loss of the saddle above the higher of both minima. None where a map shows as much,
    where no saddle joins two minima in the box, and for more than `MOST` minima.
    """
    drawn, ways = tree_of(found), ways_of(found)
    if len(drawn.leaves) > MOST or (found.config["loss"]["dim"] <= 2 and found.inside_box.sum() <= FEW):
        return None
    place = dict(zip(drawn.leaves.tolist(), drawn.place, strict=False))
    kept = np.array([a != b and a in place and b in place for a, b in ways.minima.tolist()], bool)
    if not kept.any():
        return None
    edges = Ways(*(column[kept] for column in ways))
    barrier = edges.loss - found.catalogue.loss[edges.minima].max(axis=1)
    figure = page(found, "minima and the saddles that join them", _note(found, drawn, ways, kept, barrier), 7.2, 4.6)
    axes = figure.add_subplot()
    lines = _edges(axes, found, place, edges, barrier)
    number = len(drawn.leaves)
    axes.plot(
        drawn.place[:number], drawn.loss[:number], "o", color=KIND_COLOURS["minimum"], linestyle="none",
        markersize=4.5 if number <= 100 else 3.0, markeredgecolor="white", markeredgewidth=0.4, zorder=4, clip_on=False,
        gid="minima",
    )  # fmt: skip
    _frame(axes, drawn, edges.loss)
    if _differ(barrier):
        bar = figure.colorbar(lines, ax=axes, pad=0.02, aspect=35, label="barrier")
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
    return figure


def _differ(barrier: np.ndarray) -> bool:
    return bool(np.ptp(barrier) > EQUAL * np.abs(barrier).max())


def _edges(
    axes: Axes, found: CriticalPoints, place: dict[int, float], edges: Ways, barrier: np.ndarray
) -> LineCollection:
    """Draw each edge from minimum over saddle to minimum, low barriers on top."""
    lines = []
    order = np.argsort(-barrier, kind="stable")
    for way in order:
        a, b = edges.minima[way]
        x = np.array([place[a], 0.5 * (place[a] + place[b]), place[b]])
        y = np.array([found.catalogue.loss[a], edges.loss[way], found.catalogue.loss[b]])
        lines.append(np.stack([x, y], axis=1))
    drawn = LineCollection(
        lines, cmap=BARRIERS, norm=Normalize(barrier.min(), barrier.max()), alpha=0.9 if len(lines) <= 60 else 0.75,
        linewidths=float(np.clip(100 / len(lines), 0.3, 1.2)), joinstyle="round", zorder=2, gid="edges",
        rasterized=len(lines) > 2000,
    )  # fmt: skip
    if _differ(barrier):
        drawn.set_array(barrier[order])
    else:
        drawn.set_color(QUIET)
    axes.add_collection(drawn)
    return drawn


def _frame(axes: Axes, drawn: Tree, saddles: np.ndarray) -> None:
    number = len(drawn.leaves)
    low, high = drawn.loss[:number].min(), max(saddles.max(), drawn.loss[:number].max())
    margin = 0.06 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    edge = max(0.5, 0.02 * number)
    axes.set_xlim(-edge, number - 1 + edge)
    axes.set_ylabel("loss")
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    if number > TOLD:
        axes.set_xlabel("minima in the order of the tree")
        return
    axes.set_xlabel("minima in the order of the tree, with their labels")
    for row, place, loss in zip(drawn.leaves, drawn.place, drawn.loss, strict=False):
        axes.annotate(
            str(row), (place, loss), (0, -6), textcoords="offset points", ha="center", va="top", fontsize=7.5,
            annotation_clip=False, gid="label", zorder=5,
            path_effects=[withStroke(linewidth=2.0, foreground="white", alpha=0.9)],
        )  # fmt: skip


def _note(found: CriticalPoints, drawn: Tree, ways: Ways, kept: np.ndarray, barrier: np.ndarray) -> str:
    saddles = words.kinds(int(kept.sum()), "saddle")
    told = f"{words.kinds(len(drawn.leaves), 'minimum')} and {saddles} of index 1 that join two of them."
    told += " The barrier is the loss of the saddle above the higher of both minima"
    told += "." if _differ(barrier) else f", {words.number(float(barrier[0]), dust=found.dust)} for all."
    same = int(np.sum(ways.minima[:, 0] == ways.minima[:, 1]))
    rest = int(np.sum(~kept)) - same
    if same:
        told += f" Not drawn: {words.kinds(same, 'saddle')} with the same minimum, or none, to both sides."
    if rest:
        told += f" Not drawn: {words.kinds(rest, 'saddle')} with a side that leads to no minimum in the box."
    return f"{told} {words.box(found)}"
