"""Eigenvalues of the Hessian at the critical points, point by point or by index."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.ndimage import gaussian_filter1d

from mnemo_jax.figures import words
from mnemo_jax.figures.style import FAINT, INK, KIND_COLOURS, KIND_PLURALS, QUIET, page, styled
from mnemo_jax.found import CriticalPoints
from mnemo_jax.tables import KINDS, word

FEW = 40  # points up to which each has a row
ROWS = 13  # of densities at most; neighbouring indices share one where there are more
WIDE = 300.0  # ratio of the largest to the typical small eigenvalue from which the axis is logarithmic
CELLS, SMOOTH = 400, 2.5  # of the axis, and standard deviation in cells
ROW = 0.19  # inches
BELOW, MIXED, ABOVE = KIND_COLOURS["minimum"], KIND_COLOURS["saddle"], KIND_COLOURS["maximum"]


@styled
def spectra(found: CriticalPoints) -> Figure | None:
    """Draw the eigenvalues of the Hessian at the critical points in the box.

    A row of ticks for each of few points in the order of their losses; for many the density of the eigenvalues of all
    points of an index, smoothed, each to its own height. Kinks have no Hessian. None where no point has one.
    """
    table = found.catalogue
    rows = np.flatnonzero(found.inside_box & np.all(np.isfinite(table.eigenvalues), axis=1))
    if not len(rows):
        return None
    single = len(rows) <= FEW
    values = table.eigenvalues[rows]
    groups = [] if single else grouped(table.index[rows])
    count = len(rows) if single else 2.2 * len(groups)
    figure = page(found, "eigenvalues of the Hessian", _note(found, len(rows), single), 6.6, 1.6 + ROW * max(count, 4))
    axes = figure.add_subplot()
    _scale(axes, values)
    axes.axvline(0.0, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    if single:
        _ticks(axes, found, rows)
    else:
        _densities(axes, values, table.index[rows], groups)
    axes.set_xlabel("eigenvalue")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure


def grouped(index: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last index of each row: one for each that occurs, or equal ranges of them for many."""
    present = np.unique(index)
    if len(present) <= ROWS:
        return [(int(k), int(k)) for k in present]
    width = -(-(int(present[-1]) - int(present[0]) + 1) // ROWS)
    firsts = range(int(present[0]), int(present[-1]) + 1, width)
    ranges = [(first, first + width - 1) for first in firsts]
    return [(a, b) for a, b in ranges if np.any((index >= a) & (index <= b))]


def threshold(values: np.ndarray) -> float | None:
    """Return the size below which the axis is linear, a power of ten; None where all of it can be."""
    size = np.abs(values[np.isfinite(values)])
    largest = size.max(initial=0.0)
    size = size[size > 1e-9 * largest]  # zero to rounding
    if not len(size) or largest <= WIDE * np.quantile(size, 0.1):
        return None
    return float(10.0 ** np.floor(np.log10(np.quantile(size, 0.02))))


def _scale(axes: Axes, values: np.ndarray) -> None:
    """Set the axis of eigenvalues, symmetric-logarithmic where their range asks for it."""
    linear = threshold(values)
    if linear is not None:
        axes.set_xscale("symlog", linthresh=linear, linscale=0.6)
    forth = axes.get_xaxis().get_transform()
    low, high = forth.transform(np.array([min(values.min(), 0.0), max(values.max(), 0.0)]))
    margin = 0.04 * ((high - low) or 1.0)
    axes.set_xlim(*forth.inverted().transform(np.array([low - margin, high + margin])))
    if linear is not None:
        _thin(axes)


def _thin(axes: Axes) -> None:
    """Keep about eight ticks of a logarithmic axis, zero among them."""
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    for stride in range(1, 10):
        kept = [t for t in ticks if t == 0 or round(np.log10(abs(t))) % stride == 0]
        if len(kept) <= 9:
            break
    axes.set_xticks(kept)
    axes.minorticks_off()


def _ticks(axes: Axes, found: CriticalPoints, rows: np.ndarray) -> None:
    """Draw the eigenvalues of each point as ticks in the colour of its kind, label to the left, loss to the right."""
    table = found.catalogue
    for place, row in enumerate(rows):
        colour = KIND_COLOURS[KINDS[table.kind[row]]]
        axes.axhline(place, color=FAINT, linewidth=0.5, zorder=0)
        axes.plot(
            table.eigenvalues[row], np.full(table.x.shape[1], place), "|", color=colour, markersize=9,
            markeredgewidth=2.0, zorder=3, gid="eigenvalues",
        )  # fmt: skip
        loss = words.number(float(table.loss[row]), 5, found.dust)
        axes.annotate(
            loss, (1.0, place), (50, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="center", fontsize=7.5, annotation_clip=False,
        )  # fmt: skip
    axes.annotate(
        "loss", (1.0, len(rows) - 0.1), (50, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="right", va="center", fontsize=8, color=QUIET, annotation_clip=False,
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), [str(row) for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_ylabel("label")
    kinds = [kind for kind in KIND_COLOURS if np.any(table.kind[rows] == KINDS.index(kind))]
    handles = [
        Line2D([], [], linestyle="none", marker="|", markersize=9, markeredgewidth=2.0, color=KIND_COLOURS[kind],
               label=KIND_PLURALS[word(KINDS.index(kind), table.x.shape[1])])
        for kind in kinds
    ]  # fmt: skip
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, handletextpad=0.1)


def _densities(axes: Axes, values: np.ndarray, index: np.ndarray, groups: list[tuple[int, int]]) -> None:
    """Draw a smoothed histogram of the eigenvalues for each group of indices, lowest index below."""
    dim = values.shape[1]
    forth = axes.get_xaxis().get_transform()
    low, high = forth.transform(np.array(axes.get_xlim()))
    edges = np.linspace(low, high, CELLS + 1)
    shown = forth.inverted().transform(0.5 * (edges[1:] + edges[:-1]))
    for place, (first, last) in enumerate(groups):
        of = (index >= first) & (index <= last)
        height = gaussian_filter1d(np.histogram(forth.transform(values[of].ravel()), edges)[0].astype(float), SMOOTH)
        colour = BELOW if last == 0 else ABOVE if first == dim else MIXED
        axes.fill_between(
            shown, place, place + 0.82 * height / height.max(), color=colour, alpha=0.75, linewidth=0, zorder=2,
            gid="density",
        )  # fmt: skip
        axes.axhline(place, color=FAINT, linewidth=0.5, zorder=0)
        axes.annotate(
            words.several(int(of.sum()), "point"), (1.0, place + 0.2), (6, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", fontsize=7.5, annotation_clip=False,
        )  # fmt: skip
    names = [str(a) if a == b else f"{a}–{b}" for a, b in groups]
    axes.set_yticks([place + 0.2 for place in range(len(groups))], names)
    axes.set_ylim(-0.15, len(groups))
    axes.set_ylabel("index")
    axes.yaxis.label.set_color(INK)


def _note(found: CriticalPoints, number: int, single: bool) -> str:
    how = (
        "A row for each point, a tick for each eigenvalue, points ordered by loss."
        if single
        else "Density of the eigenvalues of all points of an index, smoothed, each row to its own height."
    )
    kinks = int(np.sum(found.inside_box)) - number
    told = (
        f" {words.kinds(kinks, 'kink')} without a Hessian {'is' if kinks == 1 else 'are'} not drawn." if kinks else ""
    )
    return f"{how} The dashed line is zero. {words.box(found)}{told}"
