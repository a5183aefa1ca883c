"""Final losses: at which losses descents ended, and the levels at which many did."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from mnemo_jax.figures import words
from mnemo_jax.figures.gathered import ZERO, Gathered, edges, floor, gathered
from mnemo_jax.figures.looks import final, measured
from mnemo_jax.figures.shares import ROW, cells
from mnemo_jax.figures.style import FAINT, INK, KIND_COLOURS, QUIET, page, styled
from mnemo_jax.figures.where import ROWS
from mnemo_jax.record import Record
from mnemo_jax.starts import DRAWN

BAR, LEVEL = "#8a8a8a", KIND_COLOURS["maximum"]


class Final(NamedTuple):
    """Losses at the end, ``loss [n]`` of those finite, their bins, the levels, and the number of starts read."""

    loss: np.ndarray
    edges: np.ndarray
    levels: Gathered
    read: int
    name: str


def final_of(record: Record) -> Final | None:
    """Return the final losses of a run on data, or of one that kept its end points; None for others."""
    names = measured(record)
    column = "train_loss" if "train_loss" in names else "loss" if record.config["record"].get("endpoints") else None
    if column is None:
        return None
    (loss,) = final(record, column, first=ROWS)
    read, loss = len(loss), loss[np.isfinite(loss)]
    if not len(loss):
        return None
    levels = gathered(loss, read)
    return Final(loss, edges(loss, levels), levels, read, column.replace("_", " "))


@styled
def final_losses(record: Record) -> Figure | None:
    """Draw the distribution of the final losses, and below it shares and 95 % intervals of levels where they gather.

    None for runs without measures on data whose ends were not kept.
    """
    found = final_of(record)
    if found is None:
        return None
    rows = len(found.levels.loss)
    height = 3.3 + (ROW * (rows + 1) + 0.55) * bool(rows)
    figure = page(record, "final losses", note(record, found), 6.8, height)
    ratios = [2.2, ROW * (rows + 1)][: 1 + bool(rows)]
    axes = figure.subplots(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0]
    _histogram(axes[0], found)
    if rows:
        _rows(axes[1], found)
    return figure


def note(record: Record, found: Final) -> str:
    """Return in words what is drawn, and what is not."""
    total, lost = record.summary["starts"], found.read - len(found.loss)
    told = f"{words.several(total, 'start')}"
    told += f", the first {found.read:,} of which are read" if found.read < total else ""
    told += f"; {lost:,} without a finite loss are left out" if lost else ""
    dust = 0.0 if found.levels.wide else ZERO * abs(found.loss).max()
    low, middle, high = (words.number(end, 4, dust) for end in np.quantile(found.loss, [0.05, 0.5, 0.95]))
    told += f". Median {middle}, 5 – 95 % from {low} to {high}"
    away = int(np.sum((found.loss < found.edges[0]) | (found.loss > found.edges[-1]))) - zeros(found)
    told += f". {away:,} lie outside the axis, up to {words.number(found.loss.max(), 3)}" if away else ""
    if zeros(found):
        told += f". {zeros(found):,} of exactly zero stand at its left end"
    if len(found.levels.loss):
        rest = len(found.loss) - int(found.levels.count.sum())
        told += ". Levels (triangles) are losses that many starts share, with 95 % Wilson intervals"
        told += "" if record.config["starts"]["kind"] in DRAWN else " as if starts had been drawn independently"
        told += f"; {rest:,} {'is' if rest == 1 else 'are'} at none of them" if rest else ""
    return told + "."


def zeros(found: Final) -> int:
    """Return how many losses are zero and have no place of their own on a logarithmic axis."""
    return int(np.sum(found.loss == 0)) if found.levels.wide else 0


def shares_of_bins(found: Final) -> np.ndarray:
    """Return the share of all starts in every bin, ``[bins]``."""
    loss = np.maximum(found.loss, floor(found.loss)) if found.levels.wide else found.loss
    return np.asarray(np.histogram(loss, found.edges)[0] / found.read)


def _histogram(axes: Axes, found: Final) -> None:
    share = shares_of_bins(found)
    axes.stairs(share, found.edges, fill=True, color=BAR, gid="final losses")
    top = 1.12 * share.max()
    if len(found.levels.loss):
        at = np.clip(found.levels.loss, found.edges[0], found.edges[-1])
        height = share[np.clip(np.searchsorted(found.edges, at) - 1, 0, len(share) - 1)]
        axes.plot(at, height + 0.045 * top, "v", color=LEVEL, markersize=5, clip_on=False, gid="levels")
    if found.levels.wide:
        axes.set_xscale("log")
        axes.set_xlim(found.edges[0], found.edges[-1])
    else:
        margin = 0.02 * (found.edges[-1] - found.edges[0])
        axes.set_xlim(found.edges[0] - margin, found.edges[-1] + margin)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: words.number(x, 4)))
    axes.set_ylim(0, top)
    axes.set_xlabel(f"{found.name} at the end")
    axes.set_ylabel("share of the starts")
    axes.yaxis.set_major_formatter(words.percent_ticks())
    axes.grid(axis="y", color=INK, alpha=0.08, linewidth=0.6)
    axes.set_axisbelow(True)


def _rows(axes: Axes, found: Final) -> None:
    """Draw a row for each level: its loss, share and interval."""
    levels = found.levels
    for place, (loss, count, share, interval) in enumerate(zip(*levels[:4], strict=True)):
        axes.axhline(place, color=FAINT, linewidth=0.5, zorder=0)
        axes.plot(interval, [place] * 2, "-|", color=LEVEL, markersize=8, markeredgewidth=1.2, clip_on=False)
        axes.plot(share, place, "v", color=LEVEL, markersize=5, zorder=3, clip_on=False, gid="share")
        digits = words.decimals(share, found.read) + 1
        told = "  –  ".join(f"{100 * end:.{digits}f}" for end in interval)
        cells(axes, place, words.number(loss, 5), f"{count:,}", f"{100 * share:.{digits}f} %", told, INK)
    axes.set_xlim(0, 1.04 * levels.interval.max())
    axes.set_ylim(len(levels.loss) - 0.4, -1.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(words.percent_ticks())
    axes.set_xlabel("share")
    cells(axes, -1, "level", "starts", "share", "95 % interval", QUIET)
