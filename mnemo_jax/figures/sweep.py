"""Shares of basins and of outcomes along a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnemo_jax.figures import words
from mnemo_jax.figures.colours import HUES
from mnemo_jax.figures.style import INK, QUIET, page_named, styled

TOP = len(HUES)  # minima with a line of their own
PANELS = 6
DASHES: dict[str, Any] = {"cycle": "--", "escaped": ":", "out_of_steps": "-.", "non_finite": (0, (1, 3))}
# Of minima, each with a marker of its own: lines that coincide are all seen, the later ones through their gaps.
MINIMA: tuple[tuple[Any, str], ...] = (
    ("-", "o"), ((0, (5, 4)), "s"), ((0, (2, 4)), "^"), ((0, (8, 3, 2, 3)), "D"), ((0, (4, 6)), "v"),
    ((0, (2, 6)), "P"), ((0, (1, 7)), "X"),
)  # fmt: skip
STABLE = "stable up to here"
SEEN = 0.012  # of the axis, from which a band is seen beside its line
WIDE = 30.0  # ratio of the largest to the smallest value from which the axis is logarithmic


@styled
def shares(told: Mapping[str, Any]) -> Figure | None:
    """Draw shares against the last key of a sweep, a panel per value of the other keys; None without numbers.

    Bands are the 95 % intervals of each share; a vertical line is the learning rate up to which gradient descent is
    stable at the minimum of its colour, grey where it is that of several.
    """
    *_, key = told["axes"]
    values = told["axes"][key]
    if len(values) < 2 or not all(isinstance(value, int | float) for value in values):
        return None
    if not told["branches"]:  # as of trainings, whose ends are not judged
        return None
    rows = np.arange(len(told["cells"])).reshape(-1, len(values))
    panels = rows[:PANELS]
    note = _note(told, key, len(rows))
    figure = page_named(told["name"], f"shares along {key}", note, 6.6, 1.1 + 2.7 * len(panels))
    axes = figure.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axis, panel in zip(axes, panels, strict=True):
        cells = [told["cells"][cell] for cell in panel]
        _panel(axis, key, values, cells, _largest(told))
        others = {name: value for name, value in cells[0]["values"].items() if name != key}
        axis.set_title(", ".join(f"{name} = {value}" for name, value in others.items()))
        axis.set_ylabel("share of the starts")
    axes[-1].set_xlabel(key)
    axes[0].yaxis.set_major_formatter(words.percent_ticks())  # of all, which share it
    axes[0].legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), handlelength=3.4)
    return figure


def _note(told: Mapping[str, Any], key: str, panels: int) -> str:
    total = sum(told["cells"][0]["outcomes"].values())
    lines = [f"{words.several(total, 'start')} in each run, the same ones.{_bands(told)}"]
    if key == "optimizer.learning_rate":
        lines.append("Vertical lines: learning rates up to which minima are stable, 2 (1 + momentum) / eigenvalue.")
    if told["branches"] > TOP:
        lines.append(f"The {TOP} largest of {told['branches']:,} minima have lines.")
    if panels > PANELS:
        lines.append(f"The first {PANELS} of {panels} panels.")
    return " ".join(lines)


def _bands(told: Mapping[str, Any]) -> str:
    """Return what the bands are, where starts are a sample, and whether all are too narrow to be seen."""
    intervals = [minimum["interval"] for cell in told["cells"] for minimum in cell["minima"] if minimum["interval"]]
    top = max(share for cell in told["cells"] for share in _shares(cell))
    if not intervals:
        return ""
    thin = all(high - low < SEEN * top for low, high in intervals)
    return f" Bands: 95 % Wilson intervals{', narrower than the lines' if thin else ''}."


def _shares(cell: Mapping[str, Any]) -> list[float]:
    """Return the shares of the minima and of the other outcomes of a run."""
    total = sum(cell["outcomes"].values())
    others = [number / total for word, number in cell["outcomes"].items() if word in DASHES]
    return [minimum["share"] for minimum in cell["minima"]] + others


def _largest(told: Mapping[str, Any]) -> list[int]:
    shares = np.array([[minimum["share"] for minimum in cell["minima"]] for cell in told["cells"]])
    return [int(branch) for branch in np.sort(np.argsort(-shares.max(axis=0), kind="stable")[:TOP])]


def _panel(
    axes: Axes, key: str, values: Sequence[float], cells: Sequence[Mapping[str, Any]], largest: list[int]
) -> None:
    """Draw the lines of one panel."""
    for place, branch in enumerate(largest):
        minima = [cell["minima"][branch] for cell in cells]
        if all(minimum["interval"] for minimum in minima):
            low, high = np.array([minimum["interval"] for minimum in minima]).T
            axes.fill_between(values, low, high, color=HUES[place], alpha=0.3, linewidth=0)
        shares = [minimum["share"] for minimum in minima]
        dashes, marker = MINIMA[place]
        axes.plot(
            values, shares, color=HUES[place], linestyle=dashes, marker=marker, markersize=6.0 * 0.8**place,
            markeredgewidth=0,
            label=f"minimum {branch}",
        )  # fmt: skip
    for word in dict.fromkeys(word for cell in cells for word in cell["outcomes"] if word in DASHES):
        each = np.array([cell["outcomes"].get(word, 0) / sum(cell["outcomes"].values()) for cell in cells])
        near = np.convolve(each, np.ones(3), mode="same") > 0  # no line along zero
        axes.plot(
            values,
            np.where(near, each, np.nan),
            color=INK if word == "cycle" else QUIET,
            linestyle=DASHES[word],
            label=_said(word, cells),
        )
    if key == "optimizer.learning_rate":
        _stable(axes, values, cells, largest)
    axes.set_ylim(0, None)
    if min(values) > 0 and max(values) > WIDE * min(values):
        axes.set_xscale("log")


def _stable(axes: Axes, values: Sequence[float], cells: Sequence[Mapping[str, Any]], largest: list[int]) -> None:
    """Draw the learning rates up to which minima are stable."""
    of: dict[float, set[int]] = {}
    for place, branch in enumerate(largest):
        for rate in (cell["minima"][branch]["critical_learning_rate"] for cell in cells):
            if rate is not None and min(values) <= rate <= max(values):
                of.setdefault(round(rate, 9), set()).add(place)
    for rate, places in of.items():
        colour = HUES[min(places)] if len(places) == 1 else QUIET
        axes.axvline(rate, color=colour, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1, gid="stable")
    if of:
        axes.plot([], [], color=QUIET, linewidth=0.9, linestyle=(0, (4, 3)), label=STABLE)


def _said(word: str, cells: Sequence[Mapping[str, Any]]) -> str:
    """Return an outcome in words, cycles with their periods."""
    periods = sorted({int(period) for cell in cells for period in cell["periods"]})
    told = f" of {', '.join(map(str, periods[:5]))}" if word == "cycle" and periods else ""
    return word.replace("_", " ") + told
