"""The disconnectivity graph: which minima are joined below which loss."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from mnemo_jax.figures import words
from mnemo_jax.figures.fewer import Feet, feet
from mnemo_jax.figures.merging import Tree, tree_of, ways_of
from mnemo_jax.figures.style import INK, KIND_COLOURS, QUIET, page, styled
from mnemo_jax.found import CriticalPoints

MOST = 80  # feet, beyond which branches that are alike are drawn twice and of the rest the lowest
TOLD = 30  # minima up to which each has its label


@styled
def tree(found: CriticalPoints) -> Figure | None:
    """Draw the disconnectivity graph (Becker and Karplus 1997) of the minima in the box.

    Each minimum is the foot of a branch at its loss; branches meet at the loss of the lowest saddle that joins them.
    Of more than `MOST` minima those are left out that `fewer.feet` finds alike or high. None where no saddle joins two
    minima.
    """
    whole = tree_of(found)
    if not len(whole.children):
        return None
    shown = feet(whole, found.catalogue.loss, ways_of(found), MOST)
    drawn, number = shown.tree, len(shown.more)
    figure = page(found, "disconnectivity graph", _note(found, whole, shown), _width(number), 4.2)
    axes = figure.add_subplot()
    low, high = drawn.loss.min(), drawn.loss.max()
    margin = 0.06 * ((high - low) or max(abs(high), 1.0))
    top = high + margin
    axes.add_collection(
        LineCollection(branches(drawn, top), colors=INK, linewidths=float(np.clip(60 / number, 0.6, 1.0)))
    )
    axes.plot(
        drawn.place[:number], drawn.loss[:number], "o", color=KIND_COLOURS["minimum"], linestyle="none",
        markersize=np.clip(240 / number, 3.0, 5.5), markeredgewidth=0, zorder=3, clip_on=False, gid="minima",
    )  # fmt: skip
    edge = max(0.5, 0.02 * number)
    axes.set_xlim(-edge, number - 1 + edge)
    axes.set_ylim(low - margin * (2 if shown.more.any() else 1), top)  # with room for a second line of labels
    _labels(axes, shown)
    axes.set_ylabel("loss")
    return figure


def _width(number: int) -> float:
    return float(np.clip(0.24 * number, 4.8, 7.2))


def branches(drawn: Tree, top: float) -> list[np.ndarray]:
    """Return the lines ``[k, 2]`` of a tree: over each pair of nodes that is joined, and from the roots to ``top``."""
    number = len(drawn.leaves)
    lines = []
    for k, (a, b) in enumerate(drawn.children):
        x, y = drawn.place[[a, b]], drawn.loss[[a, b]]
        height = drawn.loss[number + k]
        lines.append(np.array([[x[0], y[0]], [x[0], height], [x[1], height], [x[1], y[1]]]))
    return lines + [np.array([[drawn.place[k], drawn.loss[k]], [drawn.place[k], top]]) for k in drawn.roots]


def _labels(axes: Axes, shown: Feet) -> None:
    """Write below each foot the label of its minimum, where there are few, and how many more it stands for."""
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    drawn, number = shown.tree, len(shown.more)
    few = number <= TOLD
    axes.set_xlabel("label of the minimum" if few else "minima, each branch's lowest to its left")
    for row, place, loss, more in zip(drawn.leaves, drawn.place, drawn.loss, shown.more, strict=False):
        told = [str(row)] * few + [f"+{more:,}"] * bool(more)
        axes.annotate(
            "\n".join(told), (place, loss), (0, -6), textcoords="offset points", ha="center", va="top",
            fontsize=7.5 if few else 6.0, rotation=0 if few else 90, color=INK if few else QUIET,
            annotation_clip=False, gid="label",
        )  # fmt: skip


def _note(found: CriticalPoints, whole: Tree, shown: Feet) -> str:
    drawn, total = shown.tree, len(whole.leaves)
    stand = len(shown.more) + int(shown.more.sum())
    joined = words.several(len(whole.children), "saddle")
    told = f"{words.kinds(total, 'minimum')} as feet, joined at {joined} of index 1."
    if stand < total:
        told = f"The lowest {stand:,} of {words.kinds(total, 'minimum')} as feet, joined at saddles of index 1."
    if shown.more.any():
        told += " Of branches that are alike two are drawn; +k below the second stands for k more minima like it."
    if len(drawn.roots) > 1:
        told += f" No listed saddle joins the {len(drawn.roots):,} separate parts, which go on to the top."
    return f"{told} {words.box(found)}"
