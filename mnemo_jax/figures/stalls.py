"""Stalls: how many last longer than a number of steps, by the critical point or the kind of point they were at."""

import warnings
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import CensoredData, ecdf

from mnemo_jax.figures import where, words
from mnemo_jax.figures.colours import HUES
from mnemo_jax.figures.style import INK, KIND_PLURALS, QUIET, page, styled
from mnemo_jax.record import Record
from mnemo_jax.tables import KINDS

TOP, ENOUGH = len(HUES), 5  # lines at most, and stalls from which there is one
WIDE = 30  # ratio of longest to shortest stall from which the axis is logarithmic
POINTS = 400  # of a curve
BAND = 20  # stalls from which a band of 95 % is drawn


@styled
def stalls(record: Record) -> Figure | None:
    """Draw the Kaplan-Meier estimate of the share of stalls longer than each length, for the places with most stalls.

    A place is a critical point, or a kind of them where there are many. Descents that ended in a stall are censored:
    they count up to where they ended, and a line that such stalls keep from falling to zero ends in a tick. Bands are
    95 % (Greenwood); they take the stalls of one start for independent. Of each start only the first few stalls are
    stored. None where no place has enough of them.
    """
    table = record.stalls(first=where.ROWS)
    place = _places(record, where.labels_of(table))
    names, number = np.unique(place, return_counts=True)
    top = np.lexsort((names, -number))[:TOP]
    top = top[number[top] >= ENOUGH]
    if not len(top):
        return None
    length, censored = table["length"].to_numpy(), table["censored"].to_numpy(zero_copy_only=False)
    note = _note(record, len(table), int(censored.sum()), int(np.sum(np.delete(number, top))))
    figure = page(record, "survival of stalls", note, 6.8, 4.2)
    axes = figure.add_subplot()
    for name, colour in zip(names[top], HUES, strict=False):
        _survival(axes, length[place == name], censored[place == name], name, color=colour)
    _frame(axes, length[np.isin(place, names[top])])
    return figure


def _places(record: Record, label: np.ndarray) -> np.ndarray:
    """Return for each stall the name of its place: a critical point, or their kind where there are too many."""
    rows, inverse = np.unique(label, return_inverse=True)
    names = [_name(record, int(row), len(rows) <= TOP) for row in rows]
    return np.array(names, str)[inverse]


def _name(record: Record, row: int, single: bool) -> str:
    if row < 0:
        return "flat regions"
    kind = KINDS[record.catalogue.kind[row]]
    name = f"{kind} {row}" if single else KIND_PLURALS[kind]
    return f"{name} of index {record.catalogue.index[row]}" if kind == "saddle" else name


def _note(record: Record, number: int, ended: int, rest: int) -> str:
    total, first = record.summary["stalls"]["total"], record.summary["starts"] > where.ROWS
    told = words.several(number, "stall")
    if first or number < total:
        of = f"each of the first {where.ROWS:,} starts" if first else "each start"
        told += f" stored, the first few of {of}, of {total:,} in all"
    told += f"; {ended:,} not over when the descent ended" if ended else ""
    left = f" {rest:,} at rarer places {'is' if rest == 1 else 'are'} not drawn." if rest else ""
    return f"{told}.{left} {words.starts(record)}."


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
    axes.xaxis.set_major_formatter(words.step_ticks())
    axes.yaxis.set_major_formatter(words.percent_ticks())
    axes.set_xlabel("length of the stall, steps")
    axes.set_ylabel("share of the stalls that last longer")
    axes.grid(axis="y", color=INK, alpha=0.08, linewidth=0.6)
    legend = axes.legend(title="stalls at", loc="upper left", bbox_to_anchor=(1.01, 1.0), alignment="left")
    legend.get_title().set_color(QUIET)
