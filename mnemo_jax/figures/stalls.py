"""Stalls: how many last longer than a number of steps, by the critical point they were at."""

import warnings
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter
from scipy.stats import CensoredData, ecdf

from mnemo_jax.figures import where, words
from mnemo_jax.figures.style import INK, QUIET, basin_colour, page, styled
from mnemo_jax.record import Record
from mnemo_jax.tables import KINDS

TOP, ENOUGH = 6, 5  # places with a line of their own, stalls from which a place has one
FLAT = "#5a5a5a"
WIDE = 30  # ratio of longest to shortest stall from which the axis is logarithmic
POINTS = 400  # of a curve
BAND = 20  # stalls from which a band of 95 % is drawn


@styled
def stalls(record: Record) -> Figure | None:
    """Draw the Kaplan-Meier estimate of the share of stalls longer than each length, for the places with most stalls.

    Descents that ended in a stall are censored: they count up to where they ended, and a line that such stalls keep
    from falling to zero ends in a tick. Bands are 95 % (Greenwood); they take the stalls of one start for independent.
    None without stalls.
    """
    table = where.stalls(record)
    if not len(table):
        return None
    label = where.labels_of(table)
    length, censored = table["length"].to_numpy(), table["censored"].to_numpy(zero_copy_only=False)
    figure = page(record, "survival of stalls", _note(record, len(label), int(censored.sum())), 6.8, 4.2)
    axes = figure.add_subplot()
    places, number = np.unique(label, return_counts=True)
    order = np.lexsort((places, -number))
    own = order[:TOP][number[order[:TOP]] >= ENOUGH]
    for rank, place in enumerate(places[own]):
        colour = basin_colour(rank) if place >= 0 else FLAT
        at = label == place
        _survival(axes, length[at], censored[at], _name(record, int(place)), color=colour)
    rest = ~np.isin(label, places[own])
    if rest.any():
        name = words.several(len(places) - len(own), "other place" if len(own) else "place")
        _survival(axes, length[rest], censored[rest], name, color=FLAT, linestyle="--")
    _frame(axes, length)
    return figure


def _note(record: Record, number: int, ended: int) -> str:
    told = words.several(number, "stall") + (f", {ended:,} of them not over when the descent ended" if ended else "")
    return f"{told}. {words.starts(record)}"


def _name(record: Record, place: int) -> str:
    if place < 0:
        return "flat region"
    return f"{KINDS[record.catalogue.kind[place]]} {place}, index {record.catalogue.index[place]}"


def _survival(axes: Axes, length: np.ndarray, censored: np.ndarray, name: str, **line: Any) -> None:
    """Draw one survival curve with its band."""
    name = f"{name}  ({len(length):,}{', none ended' if censored.all() else ''})"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the band is undefined where nothing is left
        survival = ecdf(CensoredData.right_censored(length, censored)).sf
        band = survival.confidence_interval()
    keep = np.unique(np.linspace(0, len(survival.quantiles) - 1, POINTS).astype(int))
    at = np.concatenate([[0.0], survival.quantiles[keep]])
    axes.step(at, np.concatenate([[1.0], survival.probabilities[keep]]), where="post", label=name, **line)
    if len(length) >= BAND:
        low, high = (np.concatenate([[1.0], side.probabilities[keep]]) for side in (band.low, band.high))
        axes.fill_between(at, low, high, step="post", color=line["color"], alpha=0.18, linewidth=0)
    if survival.probabilities[-1] > 0:
        axes.plot(at[-1], survival.probabilities[-1], "|", color=line["color"], markersize=9, markeredgewidth=1.6)


def _frame(axes: Axes, length: np.ndarray) -> None:
    low, high = float(length.min()), float(length.max())
    if high / max(low, 1.0) > WIDE:
        axes.set_xscale("log")
        axes.set_xlim(max(low - 1, 1), 1.1 * high)
    else:
        axes.set_xlim(0, 1.04 * high)
    axes.set_ylim(0, 1.03)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.set_xlabel("length of the stall, steps")
    axes.set_ylabel("share of the stalls that last longer")
    axes.grid(axis="y", color=INK, alpha=0.08, linewidth=0.6)
    legend = axes.legend(title="stalls at", loc="upper left", bbox_to_anchor=(1.01, 1.0), alignment="left")
    legend.get_title().set_color(QUIET)
