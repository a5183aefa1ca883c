"""The graph of minima and the saddles between them, for landscapes that no map shows."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from mnemo_jax.figures import words
from mnemo_jax.figures.fewer import Groups, cut, groups
from mnemo_jax.figures.merging import Ways, minima_of, tree, ways_of
from mnemo_jax.figures.style import KIND_COLOURS, QUIET, page, styled
from mnemo_jax.found import CriticalPoints

MOST = 32  # minima, beyond which those that are alike are drawn once and of the rest the lowest
FEW = 40  # points in up to two dimensions whose map says all
EQUAL = 1e-6  # of the largest barrier, within which all are equal
ROOM = 80  # characters of all labels beside each other, beyond which they are turned
WIDE = 0.2  # half the width of a loop, in distances of marks
TELL = 12  # ways up to which it is written how many saddles each stands for
DETOUR = "#cfcfcf"
BARRIERS = LinearSegmentedColormap.from_list("barriers", colormaps["plasma"](np.linspace(0.76, 0.0, 64)))  # no yellow


@styled
def pathways(found: CriticalPoints) -> Figure | None:
    """Draw minima at their loss, in the order of the tree, and an edge over each saddle of index one between two.

    The colour is the barrier, the loss of the saddle above the higher of both minima; edges with a lower way round are
    grey. Of more than `MOST` minima those that are alike (`fewer.groups`) are one mark, and the lowest marks are drawn.
    None where a map shows as much, and where no saddle joins two minima in the box.
    """
    rows, ways = minima_of(found), ways_of(found)
    if found.config["loss"]["dim"] <= 2 and found.inside_box.sum() <= FEW:
        return None
    kept = np.isin(ways.minima, rows).all(axis=1) & (ways.minima[:, 0] != ways.minima[:, 1])
    if not kept.any():
        return None
    whole = groups(rows, found.catalogue.loss, Ways(*(column[kept] for column in ways)), MOST)
    shown = cut(whole, MOST)
    barrier = shown.ways.loss - found.catalogue.loss[shown.ways.minima].max(axis=1)
    note = _note(found, ways, kept, whole, shown, barrier)
    figure = page(found, "minima and the saddles that join them", note, _width(len(shown.rows)), 4.6)
    axes = figure.add_subplot()
    order = tree(shown.rows, found.catalogue.loss, whole.ways)
    place = dict(zip(order.leaves.tolist(), order.place, strict=False))
    lines = _edges(axes, found, place, shown, barrier)
    _minima(axes, found, place, shown)
    _frame(axes, found, shown)
    if _differ(barrier):
        bar = figure.colorbar(lines, ax=axes, pad=0.02, aspect=35, label="barrier")
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
    return figure


def _width(number: int) -> float:
    return float(np.clip(0.4 * number, 4.8, 7.2))


def _differ(barrier: np.ndarray) -> bool:
    return len(barrier) > 0 and bool(np.ptp(barrier) > EQUAL * np.abs(barrier).max())


def _edges(
    axes: Axes, found: CriticalPoints, place: dict[int, float], shown: Groups, barrier: np.ndarray
) -> LineCollection:
    """Draw each edge from minimum over saddle to minimum: those with a lower way round first, low barriers last."""
    order = np.lexsort((-barrier, shown.lowest))
    lines = []
    for way in order:
        a, b = shown.ways.minima[way]
        x, y = [place[a], place[b]], [found.catalogue.loss[a], found.catalogue.loss[b]]
        height = shown.ways.loss[way]
        lines.append(_loop(x[0], y[0], height) if a == b else _tent(x, y, height))
        if len(order) <= TELL and shown.saddles[way] > 1:
            _told(axes, 0.5 * (x[0] + x[1]), height, f"×{shown.saddles[way]:,}", 4, "bottom")
    lowest = shown.lowest[order]
    width = float(np.clip(60 / max(1, lowest.sum()), 0.8, 1.2))
    drawn = LineCollection(
        lines, cmap=BARRIERS, norm=Normalize(*(np.quantile(barrier, [0, 1]) if len(barrier) else (0, 1))),
        linewidths=np.where(lowest, width, 0.5), joinstyle="round", zorder=2, gid="edges",
        rasterized=len(lines) > 2000,
    )  # fmt: skip
    colours = BARRIERS(drawn.norm(barrier[order])) if _differ(barrier) else [QUIET] * len(lines)
    drawn.set_color([colour if low else DETOUR for colour, low in zip(colours, lowest, strict=True)])
    axes.add_collection(drawn)
    return drawn


def _tent(x: list[float], y: list[float], height: float) -> np.ndarray:
    """Return the line ``[3, 2]`` from a minimum over a saddle half-way to another minimum."""
    return np.array([[x[0], y[0]], [0.5 * (x[0] + x[1]), height], [x[1], y[1]]])


def _loop(x: float, y: float, height: float) -> np.ndarray:
    """Return the line ``[n, 2]`` from a mark up to a saddle and back: to another minimum of the same group."""
    turn = np.linspace(0.0, np.pi, 61)
    return np.column_stack([x - WIDE * np.sin(2 * turn), y + (height - y) * np.sin(turn)])


def _minima(axes: Axes, found: CriticalPoints, place: dict[int, float], shown: Groups) -> None:
    """Draw a mark for each group, a larger one for more than one minimum, and write its label or their number."""
    x, y = np.array([place[row] for row in shown.rows.tolist()]), found.catalogue.loss[shown.rows]
    for several, size in ((False, 4.5), (True, 6.5)):
        of = (shown.members > 1) == several
        if of.any():  # the layout would make room for an empty line at the origin
            axes.plot(
                x[of], y[of], "o", color=KIND_COLOURS["minimum"], linestyle="none", markersize=size,
                markeredgecolor="white", markeredgewidth=0.5, zorder=4, clip_on=False, gid="minima",
            )  # fmt: skip
    texts = [f"×{n:,}" if n > 1 else str(row) for row, n in zip(shown.rows, shown.members, strict=True)]
    turned = len(texts) * max(map(len, texts)) > ROOM
    for text, at, loss in zip(texts, x, y, strict=True):
        _told(axes, at, loss, text, -6, "top", turned)


def _told(axes: Axes, x: float, y: float, text: str, above: float, side: str, turned: bool = False) -> None:
    """Write beside a point, clear of lines."""
    axes.annotate(
        text, (x, y), (0, above), textcoords="offset points", ha="center", va=side, fontsize=7.0,
        rotation=90 if turned else 0, annotation_clip=False, gid="label", zorder=5,
        path_effects=[withStroke(linewidth=2.0, foreground="white", alpha=0.9)],
    )  # fmt: skip


def _frame(axes: Axes, found: CriticalPoints, shown: Groups) -> None:
    number, loss = len(shown.rows), found.catalogue.loss[shown.rows]
    low, high = loss.min(), max(loss.max(), shown.ways.loss.max(initial=-np.inf))
    margin = 0.08 * ((high - low) or max(abs(high), 1.0))
    axes.set_ylim(low - margin, high + margin)
    edge = max(0.5, 0.02 * number)
    axes.set_xlim(-edge, number - 1 + edge)
    axes.set_ylabel("loss")
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    several = shown.members.max() > 1
    axes.set_xlabel(f"minima in the order of the tree, with their labels{' or numbers' if several else ''}")


def _note(
    found: CriticalPoints, ways: Ways, kept: np.ndarray, whole: Groups, shown: Groups, barrier: np.ndarray
) -> str:
    minima, saddles = int(whole.members.sum()), words.kinds(int(kept.sum()), "saddle")
    told = f"{words.kinds(minima, 'minimum')} and {saddles} of index 1 that join two of them."
    if len(shown.rows) < len(whole.rows):
        told = (
            f"The lowest {int(shown.members.sum()):,} of {words.kinds(minima, 'minimum')}, and those "
            f"{int(shown.saddles.sum()):,} of {saddles} of index 1 that join two of them."
        )
    if shown.members.max() > 1:
        told += " Minima alike in loss and in their saddles to others are one mark, ×k for k of them."
    told += " The barrier is the loss of the saddle above the higher of both minima"
    told += "." if _differ(barrier) or not len(barrier) else f", {words.number(barrier[0], dust=found.dust)} for all."
    told += "" if shown.lowest.all() else " Grey: a lower way leads round."
    same = int(np.sum(ways.minima[:, 0] == ways.minima[:, 1]))
    rest = int(np.sum(~kept)) - same
    if same:
        told += f" Not drawn: {words.kinds(same, 'saddle')} with the same minimum, or none, to both sides."
    if rest:
        told += f" Not drawn: {words.kinds(rest, 'saddle')} with a side that leads to no minimum in the box."
    return f"{told} {words.box(found)}"
