"""Levels of the loss: how many minima lie at each, and how many starts end there."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

from mnemo_jax.figures import words
from mnemo_jax.figures.style import INK, KIND_COLOURS, QUIET, page, styled
from mnemo_jax.record import Record
from mnemo_jax.types import Kind

EQUAL = 1e-6  # of the range of all minima, within which losses are one level
SINGLE = 60  # levels up to which each has a line of its own
TOLD = 16  # levels up to which the number of minima stands beside
WIDTH = 1 / 50  # of the range of all levels, standard deviation by which more than `SINGLE` are smoothed
CELLS = 2000  # of the range, in which shares are added up before
MINIMA, STARTS = KIND_COLOURS["minimum"], "#8a8a8a"


class Levels(NamedTuple):
    """Distinct losses of the minima, ascending, with the number of minima and the share of the starts at each."""

    loss: np.ndarray
    minima: np.ndarray
    share: np.ndarray


def levels_of(record: Record) -> Levels:
    """Return the levels of the record's minima."""
    rows = np.flatnonzero(record.catalogue.kind == Kind.MINIMUM)
    rows = rows[np.argsort(record.catalogue.loss[rows], kind="stable")]
    loss = record.catalogue.loss[rows]
    if not len(rows):
        return Levels(loss, np.empty(0, int), np.empty(0))
    equal = max(EQUAL * np.ptp(loss), EQUAL * abs(loss[0]), record.dust)
    group = np.concatenate([[0], np.cumsum(np.diff(loss) > equal)])
    share = np.bincount(group, record.shares.share[rows])
    return Levels(loss[np.unique(group, return_index=True)[1]], np.bincount(group), share)


@styled
def levels(record: Record) -> Figure | None:
    """Draw minima and starts by level of the loss: share at each level, or smoothed for many, and added up from below.

    Starts lie above minima where low levels are reached more often than their number says. None with one level.
    """
    found = levels_of(record)
    if len(found.loss) < 2:
        return None
    minima = words.kinds(int(found.minima.sum()), "minimum")
    single = len(found.loss) <= SINGLE
    note = f"{minima} at {words.several(len(found.loss), 'level')}. {words.starts(record)}."
    if len(found.loss) <= TOLD and found.minima.max() > 1:
        note += " ×2: two minima at that level, and so on."
    if not single:
        note += f"\nUpper curves are smoothed, by a Gaussian of standard deviation {_width(found)}."
    figure = page(record, "levels of the loss", note, 6.4, 4.6)
    each, total = figure.subplots(2, 1, sharex=True)
    _each(each, found) if single else _smooth(each, found)
    _total(total, found)
    for axes in (each, total):
        axes.yaxis.set_major_formatter(words.percent_ticks())
        axes.grid(axis="y", color=INK, alpha=0.08, linewidth=0.6)
        axes.set_axisbelow(True)
    each.tick_params(labelbottom=True)
    each.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    total.set_xlabel("loss of the minimum")
    figure.align_ylabels()
    return figure


def _each(axes: Axes, found: Levels) -> None:
    """Draw a line for the share of the starts at each level and a dot for that of the minima."""
    part = found.minima / found.minima.sum()
    axes.vlines(found.loss, 0, found.share, color=STARTS, linewidth=5 if len(found.loss) < 30 else 2.5, label="starts")
    axes.plot(
        found.loss, part, "o", color=MINIMA, markersize=5, markeredgecolor="white", label="minima", zorder=4,
        clip_on=False,
    )  # fmt: skip
    axes.set_ylim(0, 1.2 * max(part.max(), found.share.max()))
    axes.set_ylabel("share at the level")
    if len(found.loss) <= TOLD:
        for x, top, number in zip(found.loss, np.maximum(part, found.share), found.minima, strict=True):
            told = f"×{number}" if number > 1 else ""
            axes.annotate(told, (x, top), (0, 6), textcoords="offset points", ha="center", fontsize=7, color=QUIET)


def _smooth(axes: Axes, found: Levels) -> None:
    """Draw the shares of starts and minima as densities over the loss, smoothed.

    Bins would hold now one level more and now one less where levels are evenly spaced, and show dips that are not
    there; a Gaussian wider than the spacing of `SINGLE` levels does not.
    """
    margin = 0.5 * np.ptp(found.loss) / (len(found.loss) - 1)  # mirrored there, evenly spaced levels go on evenly
    edges = np.linspace(found.loss[0] - margin, found.loss[-1] + margin, CELLS + 1)
    starts, minima = (density(found.loss, share, edges) for share in (found.share, found.minima / found.minima.sum()))
    axes.stairs(starts, edges, fill=True, color=STARTS, alpha=0.55, label="starts")
    axes.stairs(minima, edges, color=MINIMA, linewidth=1.4, label="minima")
    axes.set_ylim(0, 1.1 * max(starts.max(), minima.max()))
    axes.set_ylabel(f"share per {_width(found)} of loss")


def _width(found: Levels) -> str:
    return words.number(WIDTH * np.ptp(found.loss), 2, 0.0)


def density(loss: np.ndarray, share: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the share per `WIDTH` of the range in equal cells, smoothed, nothing lost beyond the outermost edges."""
    width = WIDTH * (len(edges) - 1)
    return np.asarray(gaussian_filter1d(width * np.histogram(loss, edges, weights=share)[0], width, mode="reflect"))


def _total(axes: Axes, found: Levels) -> None:
    """Draw the shares added up from the lowest level."""
    margin = 0.04 * np.ptp(found.loss)
    edges = np.concatenate([[found.loss[0] - margin], found.loss, [found.loss[-1] + margin]])
    for values, colour in ((found.share, STARTS), (found.minima / found.minima.sum(), MINIMA)):
        axes.stairs(np.concatenate([[0], np.cumsum(values)]), edges, baseline=None, color=colour, linewidth=1.6)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.04)
    axes.set_ylabel("share at or below")
