"""Steps: how long descents took, by outcome and by the label they reached."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from mnemo_jax.figures import where, words
from mnemo_jax.figures.colours import palette
from mnemo_jax.figures.style import FAINT, INK, QUIET, page, styled
from mnemo_jax.record import Record
from mnemo_jax.types import REPORTED

BINS = 60
WIDE = 12  # ratio of most steps to those of the quickest tenth from which the axis is logarithmic
RARE = 5e-3  # of the starts, on each side, that the axis may leave out where they lie far from all others
FACTOR = 1.1  # more steps, for which a logarithmic axis tells the share, so that areas are shares
MARGIN = 0.02  # of the axis, on each side
TOP, ENOUGH = 12, 10  # labels with a row of their own, starts from which a label has one
OUTCOME_COLOURS = {
    "converged": "#0072B2",
    "finished": "#56B4E9",
    "out_of_steps": "#E69F00",
    "cycle": "#CC79A7",
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
    number = table["steps"].to_numpy()
    if not np.ptp(extent(number)):
        return None
    wide = extent(number)[1] > WIDE * max(np.quantile(number, 0.1), 1)
    number = np.maximum(number, int(wide))  # a start that is a critical point already takes none
    top = np.argsort(-record.shares.count, kind="stable")[:TOP]
    top = np.sort(top[record.shares.count[top] >= ENOUGH])
    edges = edges_of(number, wide)
    rows = 1 + bool(len(top))
    height = 2.9 + (rows - 1) * (0.75 + 0.2 * len(top))
    figure = page(record, "steps of the descents", _note(record, number, edges), 6.6, height)
    ratios = [2.0, 0.25 + 0.2 * len(top)][:rows]
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    _scale(axes[0], edges, wide)
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
        least, most = f"{away.min():,} to " if np.ptp(away) else "", words.several(away.max(), "step")
        note += f" {words.several(len(away), 'descent')} outside the axis took {least}{most}."
    return note


def extent(number: np.ndarray) -> tuple[int, int]:
    """Return from where to where most numbers lie: all of them, unless a few lie far from all others."""
    low, high = int(number.min()), int(number.max())
    fewest, most = (int(n) for n in np.quantile(number, [RARE, 1 - RARE], method="nearest"))
    return (fewest, most) if high - low > 2 * (most - fewest) else (low, high)


def edges_of(number: np.ndarray, wide: bool) -> np.ndarray:
    """Return edges of bins between whole steps, equally wide, or as nearly in equal ratios as whole steps allow."""
    low, high = extent(number)
    width = np.diff((np.geomspace if wide else np.linspace)(low, high + 1, BINS + 1))
    edges = low - 0.5 + np.concatenate([[0.0], np.cumsum(np.ceil(width - 1e-6))])
    return edges[: np.searchsorted(edges, high + 0.5) + 1]


def _scale(axes: Axes, edges: np.ndarray, wide: bool) -> None:
    """Set the axis of steps, with room beside the outermost bins for whole markers."""
    if wide:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if edges[-1] < 1e4 * edges[0] else (1.0,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        margin = (edges[-1] / edges[0]) ** MARGIN
        axes.set_xlim(edges[0] / margin, edges[-1] * margin)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 2.5, 5, 10], integer=True))
        margin = MARGIN * (edges[-1] - edges[0])
        axes.set_xlim(edges[0] - margin, edges[-1] + margin)
    axes.xaxis.set_major_formatter(words.step_ticks())


def _histogram(axes: Axes, table: pa.Table, number: np.ndarray, edges: np.ndarray) -> None:
    """Draw the share of the starts in every bin of steps, stacked by outcome."""
    wide = axes.get_xscale() == "log"
    weight = np.log(FACTOR) / np.diff(np.log(edges)) if wide else np.ones(len(edges) - 1)
    names = pa.array([outcome.word for outcome in REPORTED])
    ended = pc.index_in(table["outcome"].cast(pa.string()), value_set=names).to_numpy()
    floor = np.zeros(len(weight))
    for code, outcome in enumerate(REPORTED):
        height = np.histogram(number[ended == code], edges)[0] * weight / len(number)
        if height.any():
            name = outcome.word.replace("_", " ")
            axes.stairs(
                floor + height, edges, baseline=floor, fill=True, color=OUTCOME_COLOURS[outcome.word], label=name
            )
            floor = floor + height
    axes.set_ylim(0, 1.06 * floor.max())
    axes.yaxis.set_major_formatter(words.percent_ticks())
    axes.set_ylabel("share of the starts" + f"\nper factor {FACTOR} in steps" * wide)
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
