"""Stalls: how many last longer than a number of steps, by the place they were at, and the law of their long ones."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from mnemo_jax.dwells import Dwells, Place, analyse_stalls
from mnemo_jax.figures import words
from mnemo_jax.figures.colours import HUES
from mnemo_jax.figures.style import INK, QUIET, page, styled
from mnemo_jax.record import Record
from mnemo_jax.stall_report import plain_learning_rate, point
from mnemo_jax.survival import thinned

TOP, ENOUGH = len(HUES), 5  # lines at most, and stalls from which there is one
WIDE = 30  # ratio of longest to shortest stall from which the axis is logarithmic
POINTS = 400  # of a curve
APART = 0.012  # of the axis, by which crosses at censored stalls are apart
LAW = "law of escape"
MANY, LEFT = 50, 5  # stalls from which a place is held against the law, and left at risk up to which its curve is


@styled
def stalls(record: Record) -> Figure | None:
    """Draw the Kaplan-Meier estimate of the share of stalls longer than each length, at the places with most stalls.

    Descents that ended in a stall are censored: they count up to there, at a cross. Bands are 95 %, and know which
    stalls are of one start. For plain gradient descent the curves beyond their medians are drawn again, against the law
    of escape from a cloud of starts that is smooth across the saddle: of those still there the part
    ``prod 1 / (1 + learning_rate * rate)`` stays a step longer, the product over the point's unstable directions. None
    where there are fewer than five stalls.
    """
    told = analyse_stalls(record, (), top=TOP)
    if told.overall.stalls < ENOUGH:
        return None
    shown = [place for place in told.places if place.stalls >= ENOUGH]
    lines = list(zip(shown, HUES, strict=False))
    if len(told.places) + told.further > 1:
        lines.append((told.overall, QUIET))
    held = [(place, colour, decay) for place, colour in lines if (decay := _decay(record, place)) is not None]
    rest = rest_told(told, shown)
    note = _note(record, told.overall, rest, bool(held))
    figure = page(record, "survival of stalls", note, 9.6 if held else 6.8, 4.3 if held else 4.2)
    left, *right = figure.subplots(1, 1 + bool(held), squeeze=False)[0]
    _frame(left, [place for place, _ in lines])
    for place, colour in lines:
        overall = place is told.overall
        _survival(
            left, place, name_of(record, place, overall), color=colour, zorder=2.5 if overall else 3, linewidth=1.2
        )
        if not overall or len(lines) == 1:
            _crosses(left, place, colour)
    for axes in right:
        _law(axes, held)
    handles = [handle for axes in figure.axes for handle in axes.get_legend_handles_labels()[0]]
    legend = figure.axes[-1].legend(
        handles=handles, title="stalls at", loc="upper left", bbox_to_anchor=(1.01, 1.0), alignment="left"
    )
    legend.get_title().set_color(QUIET)
    return figure


def _decay(record: Record, place: Place) -> float | None:
    """Return by how much a step the logarithm of the share of long stalls falls by the law; None where it says nothing.

    It speaks of plain gradient descent at points without zero eigenvalues, and is held against many stalls alone.
    """
    rate = plain_learning_rate(record)
    if rate is None or place.label is None or place.stalls < MANY or place.median.steps is None:
        return None
    eigenvalues = record.catalogue.eigenvalues[place.label]
    if record.catalogue.nullity[place.label] or not eigenvalues[0] < 0:
        return None
    return float(np.log1p(rate * -eigenvalues[eigenvalues < 0]).sum())


def name_of(record: Record, place: Place, overall: bool) -> str:
    """Return what to call a place, or all of them together."""
    if overall or place.label is None:
        return "all places" if overall else "flat regions"
    at = point(record, place.label)
    name = f"{at['at']} {place.label}"
    if at["nullity"]:
        return f"{name}, nullity {at['nullity']}"
    return f"{name}, index {at['index']}" if at["at"] == "saddle" and record.config["loss"]["dim"] > 2 else name


def rest_told(told: Dwells, shown: list[Place]) -> str:
    """Return in a sentence how many stalls were at places that have no line; nothing where all of them have."""
    rest, places = told.overall.stalls - sum(place.stalls for place in shown), len(told.places) + told.further
    if not rest:
        return ""
    if not shown:
        return f"They were at {words.several(places, 'place')}, none with {ENOUGH} stalls or more: one line for all."
    own = "at a rarer place has no line of its own" if rest == 1 else "at rarer places have no lines of their own"
    return f"{rest:,} {own}."


def _note(record: Record, overall: Place, rest: str, law: bool) -> str:
    total, censored = record.summary["stalls"]["total"], sum(overall.censored.values())
    told = words.several(overall.stalls, "stall")
    if overall.stalls < total:
        told += f" stored, the first few of each start, of {total:,} in all"
    told += f", {censored:,} of them (crosses) not over when the descent ended" if censored else ""
    told += f". {rest}" if rest else "."
    if law:
        told += (
            " Right: the stalls longer than the median of their place, and the law for descents that a "
            "smooth cloud of starts brings there; nothing is fitted."
        )
    return f"{told} {words.starts(record)}."


def _survival(axes: Axes, place: Place, name: str, **line: Any) -> None:
    """Draw one survival curve with its band, and ticks where stalls were censored."""
    told, rows = place.survival, thinned(place.survival, POINTS)
    at, share = (np.concatenate([[first], column[rows]]) for first, column in ((0, told.at), (1.0, told.share)))
    ended = "" if told.ended.any() else ", none ended"
    axes.step(at, share, where="post", label=f"{name}  ({place.stalls:,}{ended})", **line)
    low, high = np.concatenate([[[1.0, 1.0]], place.band[rows]]).T
    axes.fill_between(at, low, high, step="post", color=line["color"], alpha=0.16, linewidth=0, zorder=1)


def _crosses(axes: Axes, place: Place, colour: str) -> None:
    """Mark where stalls were censored, the last of them and no two too near to each other to be told apart."""
    told = place.survival
    rows = np.flatnonzero(told.censored)
    x = axes.transAxes.inverted().transform(axes.transData.transform(np.stack([told.at[rows], told.share[rows]], 1)))
    kept: list[int] = []
    for k in range(len(rows))[::-1]:
        if not kept or x[kept[-1], 0] - x[k, 0] > APART:
            kept.append(k)
    at = rows[kept]
    axes.plot(
        told.at[at], told.share[at], "+", color=colour, markersize=6.5, markeredgewidth=1.1, zorder=4, gid="crosses"
    )


def _frame(axes: Axes, places: list[Place]) -> None:
    """Set the axes to hold the curves of the places."""
    low = float(min(place.survival.at[0] for place in places))
    high = float(max(place.survival.at[-1] for place in places))
    if high / max(low, 1.0) > WIDE:
        axes.set_xscale("log")
        axes.set_xlim(max(low - 1, 1), 1.1 * high)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 300 * low else (1.0,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, 1.04 * high)
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=True))
    axes.set_ylim(0, 1.03)
    axes.xaxis.set_major_formatter(words.step_ticks())
    axes.yaxis.set_major_formatter(words.percent_ticks())
    axes.set_xlabel("length of the stall, steps")
    axes.set_ylabel("share of the stalls that last longer")
    axes.grid(axis="y", color=INK, alpha=0.08, linewidth=0.6)


def _law(axes: Axes, held: list[tuple[Place, str, float]]) -> None:
    """Draw the shares beyond the median against steps in units of the law, which then is one straight line for all."""
    furthest, lowest = 1.0, 0.5
    for place, colour, decay in held:
        told = place.survival
        first = int(np.argmax(told.share <= 0.5))  # the median
        rows = first + np.flatnonzero((told.at_risk[first:] >= LEFT) & (told.share[first:] > 0))
        passed, share = (told.at[rows] - told.at[first]) * decay, told.share[rows] / told.share[first]
        axes.step(passed, share, where="post", color=colour, linewidth=1.2)
        furthest, lowest = max(furthest, float(passed[-1])), min(lowest, float(share[-1]))
    axes.plot(
        [0, furthest], [1, np.exp(-furthest)], color=INK, linewidth=1.0, linestyle=(0, (4, 3)), zorder=4, label=LAW
    )
    axes.set_yscale("log")
    axes.set_xlim(0, 1.04 * furthest)
    axes.set_ylim(0.7 * lowest, 1.2)
    axes.yaxis.set_major_formatter(words.percent_ticks())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel(r"steps beyond the median $\times\ \Sigma_k\,\ln(1 + \eta\,|\lambda_k|)$")
    axes.set_ylabel("share of those longer than the median")
    axes.grid(axis="y", color=INK, alpha=0.08, linewidth=0.6)
