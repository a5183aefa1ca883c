"""The disconnectivity graph: which minima are joined below which loss."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from mnemo_jax.figures import words
from mnemo_jax.figures.merging import Tree, tree_of
from mnemo_jax.figures.style import INK, KIND_COLOURS, page, styled
from mnemo_jax.found import CriticalPoints

TOLD = 30  # minima up to which each has its label


@styled
def tree(found: CriticalPoints) -> Figure | None:
    """Draw the disconnectivity graph (Becker and Karplus 1997) of the minima in the box.

    Each minimum is the foot of a branch at its loss; branches meet at the loss of the lowest saddle that joins them.
    None where no saddle joins two minima.
    """
    drawn = tree_of(found)
    number = len(drawn.leaves)
    if not len(drawn.children):
        return None
    figure = page(found, "disconnectivity graph", _note(found, drawn), _width(number), 4.2)
    axes = figure.add_subplot()
    low, high = drawn.loss.min(), drawn.loss.max()
    margin = 0.06 * ((high - low) or max(abs(high), 1.0))
    top = high + margin
    axes.add_collection(
        LineCollection(branches(drawn, top), colors=INK, linewidths=float(np.clip(60 / number, 0.15, 1.0)))
    )
    axes.plot(
        drawn.place[:number], drawn.loss[:number], "o", color=KIND_COLOURS["minimum"], linestyle="none",
        markersize=np.clip(240 / number, 2.0, 5.5), markeredgewidth=0, zorder=3, clip_on=False, gid="minima",
    )  # fmt: skip
    edge = max(0.5, 0.02 * number)
    axes.set_xlim(-edge, number - 1 + edge)
    axes.set_ylim(low - margin, top)
    _labels(axes, drawn)
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


def _labels(axes: Axes, drawn: Tree) -> None:
    """Write the labels of few minima below them."""
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    number = len(drawn.leaves)
    if number > TOLD:
        axes.set_xlabel(f"{number:,} minima, each branch's lowest to its left")
        return
    axes.set_xlabel("label of the minimum")
    for row, place, loss in zip(drawn.leaves, drawn.place, drawn.loss, strict=False):
        axes.annotate(
            str(row), (place, loss), (0, -6), textcoords="offset points", ha="center", va="top", fontsize=7.5,
            annotation_clip=False, gid="label",
        )  # fmt: skip


def _note(found: CriticalPoints, drawn: Tree) -> str:
    number, roots = len(drawn.leaves), len(drawn.roots)
    joined = words.several(len(drawn.children), "saddle")
    told = f"{words.kinds(number, 'minimum')} as feet, joined at {joined} of index 1."
    if roots > 1:
        told += f" No listed saddle joins the {roots:,} separate parts, which go on to the top."
    return f"{told} {words.box(found)}"
