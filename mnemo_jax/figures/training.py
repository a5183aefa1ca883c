"""Training: what was measured on each part of the data along the descents, single runs, median and band."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mnemo_jax.figures import looks, words
from mnemo_jax.figures.looks import Looks, looks_of, quantiles, sampled, spread, thinned
from mnemo_jax.figures.style import INK, KIND_COLOURS, page, styled
from mnemo_jax.record import Record
from mnemo_jax.training import LOSSES

RUN, MEDIAN, BEST = "#8a8a8a", KIND_COLOURS["minimum"], KIND_COLOURS["maximum"]
FIRST = 10  # of the steps the first part, by which accuracies climb from chance and which sets no end of their axis
MANY = 20  # lines of single runs from which they are drawn as pixels


@styled
def training(record: Record) -> Figure | None:
    """Draw every measure of every part of the data over the steps: single runs, the median and the middle nine tenths.

    Columns are parts, rows are measures; a row has one axis, logarithmic for a loss over decades. A dot stands on the
    median where the median start had its best look. None where nothing was measured on the way.
    """
    found = looks_of(record)
    if found is None:
        return None
    rows, columns = len(found.measures), len(found.parts)
    figure = page(
        record,
        "training",
        note(record, found, len(sampled(found)), found.measures),
        max(6.0, 1.4 + 2.7 * columns),
        1.35 + 1.95 * rows,
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    best = looks.best_step(record)
    for m, row in enumerate(grid):
        for p, axes in enumerate(row):
            _panel(axes, found, p, m, None if best is None else best[0])
        _height(row[0], found, m)
    for p, part in enumerate(found.parts):
        grid[0, p].set_title(part)
        grid[-1, p].set_xlabel("steps")
    _steps(grid[0, 0], found)
    handles = [Line2D([], [], color=RUN, linewidth=0.8), *grid[0, 0].get_legend_handles_labels()[0]]
    names = ["single starts", "5 – 95 % of the starts", "median", f"best {best[1]}" if best else ""]
    figure.legend(handles, names[: len(handles)], loc="outside upper right", ncols=4, columnspacing=1.4)
    return figure


def note(record: Record, found: Looks, shown: int, measures: Sequence[str]) -> str:
    """Return how many starts there are, that ``shown`` are drawn, and what is to be known of the measures drawn."""
    count, total = found.values.shape[2], record.summary["starts"]
    told = f"{words.several(total, 'start')}"
    told += f", the first {count:,} of which are read" if count < total else ""
    told += f"; {shown:,} of them are drawn as lines" if shown < count else ", a line each"
    told += f". Median and 5 – 95 % are over {'all' if count == total else 'these'} starts"
    early = int(np.sum(found.ended < found.step[-1]))
    told += f"; {early:,} ended earlier and count with their last value from there on" if early else ""
    if not looks.late(found) and not all(measure.endswith(LOSSES) for measure in measures):
        told += ". Axes of accuracies hold the band from a tenth of the steps on"
    best = looks.best_step(record)
    told += f". The median start had its best {best[1]} at step {best[0]:,.0f}" if best else ""
    return told + "."


def _panel(axes: Axes, found: Looks, part: int, measure: int, best: float | None) -> None:
    shown, values = thinned(found), found.values[part, measure]
    step, rows = found.step[shown], sampled(found)
    lines = [np.stack([step, row], axis=1) for row in values[rows][:, shown]]
    axes.add_collection(
        LineCollection(
            lines, colors=RUN, linewidths=0.5, alpha=float(np.clip(12 / len(rows), 0.08, 0.6)), zorder=1,
            rasterized=len(rows) > MANY, gid="runs",
        )
    )  # fmt: skip
    low, middle, high = quantiles(values[:, shown])
    axes.fill_between(step, low, high, color=MEDIAN, alpha=0.22, linewidth=0, zorder=2, label="band")
    axes.plot(step, middle, color=MEDIAN, zorder=3, label="median", gid="median")
    if best is not None and best >= step[0]:
        at = np.interp(best, step, middle)
        axes.axvline(best, color=BEST, linewidth=0.7, linestyle=(0, (2, 2)), zorder=2)
        axes.plot(
            best, at, "o", color=BEST, markersize=5, markeredgecolor="white", zorder=4, clip_on=False, label="best",
            gid="best",
        )  # fmt: skip
    axes.grid(axis="y", color=INK, alpha=0.08, linewidth=0.6)
    axes.set_axisbelow(True)


def _steps(axes: Axes, found: Looks) -> None:
    """Set the axis of steps."""
    step = found.step[thinned(found)]
    if looks.late(found):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(words.step_ticks())
    axes.set_xlim(step[0], step[-1])


def _height(axes: Axes, found: Looks, measure: int) -> None:
    """Set the axis of a measure that its row shares."""
    name = found.measures[measure]
    axes.set_ylabel(name.replace("_", " "))
    wide, (low, high) = height_of(found, measure)
    if wide:
        axes.set_yscale("log")
        if high < 300 * low:
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: words.number(y, 2)))
            axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(low, high)
    if name.endswith("accuracy"):
        axes.yaxis.set_major_formatter(words.percent_ticks())


def height_of(found: Looks, measure: int) -> tuple[bool, tuple[float, float]]:
    """Return whether the axis of a measure is logarithmic, and its ends, which hold the bands of all parts.

    Of measures other than losses the first tenth of the steps, in which they climb from chance, counts only where the
    axis of steps is logarithmic.
    """
    loss = found.measures[measure].endswith(LOSSES)
    first = 0 if loss or looks.late(found) else len(found.step) // FIRST
    bands = np.concatenate([quantiles(part[measure, :, first:]) for part in found.values], axis=1)
    bands = bands[np.isfinite(bands)]
    if loss and spread(bands, looks.FEWER):
        low, high = float(bands[bands > 0].min()), float(bands.max())
        margin = (high / low) ** 0.04
        return True, (low / margin, high * margin)
    low, high = (float(bands.min()), float(bands.max())) if len(bands) else (0.0, 1.0)
    margin = 0.04 * ((high - low) or abs(low) or 1.0)
    return False, (low - margin, high + margin)
