"""Steps: how long descents took, by outcome and by the label they reached."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mnemo_jax.figures import where, words
from mnemo_jax.figures.colours import palette
from mnemo_jax.figures.style import FAINT, INK, QUIET, page, styled
from mnemo_jax.record import Record
from mnemo_jax.types import REPORTED

BINS = 60
WIDE = 12  # ratio of most to fewest steps from which the axis is logarithmic
RARE = 2.5e-3  # of the starts, on each side, that the axis may leave out where they lie far from all others
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

    The dot is the median, the thick line holds the middle half, the thin one the middle nine tenths. None where nearly
    all descents took the same number of steps.
    """
    table = record.starts("outcome", "steps", "label", first=where.ROWS)
    number = np.maximum(table["steps"].to_numpy(), 1)  # a start that is a critical point already takes none
    if not np.ptp(_range(number)):
        return None
    top = np.argsort(-record.shares.count, kind="stable")[:TOP]
    top = np.sort(top[record.shares.count[top] >= ENOUGH])
    edges = _edges(number)
    rows = 1 + bool(len(top))
    height = 2.9 + (rows - 1) * (0.75 + 0.2 * len(top))
    figure = page(record, "steps of the descents", _note(record, number, edges), 6.6, height)
    ratios = [2.0, 0.25 + 0.2 * len(top)][:rows]
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    _histogram(axes[0], table, number, edges)
    if len(top):
        _quantiles(axes[1], record, where.labels_of(table), number, top)
    axes[-1].set_xlabel("steps")
    return figure


def _note(record: Record, number: np.ndarray, edges: np.ndarray) -> str:
    note = words.starts(record) + "."
    if len(number) < record.summary["starts"]:
        note += f" The first {len(number):,} are drawn."
    away = number[(number < edges[0]) | (number > edges[-1])]
    if len(away):
        between = f"{away.min():,} to {away.max():,}" if np.ptp(away) else f"{away[0]:,}"
        note += f" {words.several(len(away), 'descent')} outside the axis took {between} steps."
    return note


def _range(number: np.ndarray) -> tuple[int, int]:
    """Return from where to where most numbers lie: all of them, unless a few lie far from all others."""
    low, high = int(number.min()), int(number.max())
    fewest, most = (int(n) for n in np.quantile(number, [RARE, 1 - RARE], method="nearest"))
    return (fewest, most) if high - low > 2 * (most - fewest) else (low, high)


def _edges(number: np.ndarray) -> np.ndarray:
    """Return edges of bins between whole steps, in equal ratios where the numbers differ widely."""
    low, high = _range(number)
    space = np.geomspace if high / low > WIDE else np.linspace
    return np.unique(np.round(space(low, high + 1, min(BINS, high - low + 1) + 1))) - 0.5


def _histogram(axes: Axes, table: pa.Table, number: np.ndarray, edges: np.ndarray) -> None:
    """Draw the share of the starts by steps, stacked by outcome."""
    wide = edges[-1] / edges[0] > WIDE
    if wide:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if edges[-1] < 1e4 * edges[0] else (1.0,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
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
    axes.yaxis.set_major_formatter(words.percent_ticks())
    axes.set_ylabel("share of the starts")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, handlelength=1.0, columnspacing=1.2)


def _quantiles(axes: Axes, record: Record, label: np.ndarray, number: np.ndarray, top: np.ndarray) -> None:
    """Draw a row of quantiles for each label of ``top``."""
    colours = palette(record)
    for place, row in enumerate(top):
        of = number[label == row]
        if not len(of):
            continue
        low, left, middle, right, high = np.quantile(of, [0.05, 0.25, 0.5, 0.75, 0.95])
        axes.plot([low, high], [place, place], color=QUIET, linewidth=1.0)
        axes.plot([left, right], [place, place], color=QUIET, linewidth=3.5, solid_capstyle="butt")
        axes.plot(middle, place, "o", color=colours[row], markeredgecolor=INK, markersize=6.5, zorder=4)
    axes.set_yticks(range(len(top)), top.astype(str))
    axes.set_ylim(len(top) - 0.4, -0.6)
    axes.set_ylabel("label")
    axes.set_title("median, middle half and middle nine tenths by label", fontsize=8, color=QUIET)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
