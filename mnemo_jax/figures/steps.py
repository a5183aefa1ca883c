"""Steps: how long descents took, by outcome and by the label they reached."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from mnemo_jax.figures import where, words
from mnemo_jax.figures.style import FAINT, INK, QUIET, basin_colour, page, styled
from mnemo_jax.record import Record
from mnemo_jax.types import REPORTED

BINS = 60
WIDE = 30  # ratio of most to fewest steps from which the axis is logarithmic
TOP, ENOUGH = 12, 10  # labels with a row of their own, starts from which a label has one
OUTCOME_COLOURS = {
    "converged": "#0072B2",
    "finished": "#56B4E9",
    "out_of_steps": "#E69F00",
    "escaped": "#D55E00",
    "non_finite": "#444444",
}


@styled
def steps(record: Record) -> Figure | None:
    """Draw the distribution of steps over all starts, stacked by outcome, and quantiles for the largest basins.

    The dot is the median, the thick line holds the middle half, the thin one the middle nine tenths. None where all
    descents took the same number of steps.
    """
    table = where.rows(record)
    number = np.maximum(table["steps"].to_numpy(), 1)  # a start that is a critical point already takes none
    if not np.ptp(number):
        return None
    top = np.argsort(-record.shares.count, kind="stable")[:TOP]
    top = np.sort(top[record.shares.count[top] >= ENOUGH])
    note = words.starts(record) + (
        "" if len(table) == record.summary["starts"] else f". The first {len(table):,} are drawn."
    )
    figure = page(record, "steps of the descents", note, 6.6, 2.9 + (0.75 + 0.2 * len(top)) * bool(len(top)))
    rows = 1 + bool(len(top))
    ratios = [2.0, 0.25 + 0.2 * len(top)][:rows]
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    _histogram(axes[0], table, number)
    if len(top):
        _quantiles(axes[1], record, where.labels_of(table), number, top)
    axes[-1].set_xlabel("steps")
    return figure


def _histogram(axes: Axes, table: pa.Table, number: np.ndarray) -> None:
    """Draw the share of the starts by steps, stacked by outcome."""
    edges = _edges(number)
    wide = edges[-1] / edges[0] > WIDE
    if wide:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    width = np.diff(np.log(edges)) if wide else np.diff(edges)
    weight = np.median(width) / width / len(number)  # bins are whole steps, so narrow ones differ in width
    names = pa.array([outcome.word for outcome in REPORTED])
    ended = pc.index_in(table["outcome"].cast(pa.string()), value_set=names).to_numpy()
    floor = np.zeros(len(width))
    for code, outcome in enumerate(REPORTED):
        height = np.histogram(number[ended == code], edges)[0] * weight
        if height.any():
            name = outcome.word.replace("_", " ")
            axes.stairs(
                floor + height, edges, baseline=floor, fill=True, color=OUTCOME_COLOURS[outcome.word], label=name
            )
            floor = floor + height
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.06 * floor.max())
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.set_ylabel("share of the starts")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, handlelength=1.0, columnspacing=1.2)


def _edges(number: np.ndarray) -> np.ndarray:
    """Return edges of bins between whole steps, in equal ratios where the numbers differ widely."""
    low, high = int(number.min()), int(number.max())
    space = np.geomspace if high / low > WIDE else np.linspace
    return np.unique(np.round(space(low, high + 1, min(BINS, high - low + 1) + 1))) - 0.5


def _quantiles(axes: Axes, record: Record, label: np.ndarray, number: np.ndarray, top: np.ndarray) -> None:
    """Draw a row of quantiles for each label of ``top``."""
    ranks = where.ranks(record)
    for place, row in enumerate(top):
        of = number[label == row]
        if not len(of):
            continue
        low, left, middle, right, high = np.quantile(of, [0.05, 0.25, 0.5, 0.75, 0.95])
        colour = basin_colour(int(ranks[row]))
        axes.plot([low, high], [place, place], color=colour, linewidth=1.2)
        axes.plot([left, right], [place, place], color=colour, linewidth=4.5, solid_capstyle="butt")
        axes.plot(middle, place, "o", color="white", markeredgecolor=INK, markersize=5, markeredgewidth=1.0, zorder=4)
    loss = record.catalogue.loss
    axes.set_yticks(range(len(top)), [f"{row}   {words.number(float(loss[row]), 5)}" for row in top])
    axes.set_ylim(len(top) - 0.4, -0.6)
    axes.set_title("label and loss: median, middle half and nine tenths", fontsize=8, color=QUIET)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
