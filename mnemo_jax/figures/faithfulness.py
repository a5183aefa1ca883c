"""Optimizers beside the gradient flow: how many starts they lead elsewhere at what cost, and which."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mnemo_jax.figures import where, words
from mnemo_jax.figures.colours import HUES, NO_LABEL
from mnemo_jax.figures.style import INK, KIND_COLOURS, QUIET, page_named, styled
from mnemo_jax.record import Record

PIXELS = 300  # per axis of a map of random starts
PANELS = 9
ROW = 0.28  # inches
LIT = "#111111"
PALER = 0.55


@styled
def costs(told: Mapping[str, Any]) -> Figure:
    """Draw for each optimizer the share of starts it leads to another minimum than the flow, with 95 % intervals."""
    arms = told["optimizers"]
    confirmed = told["flow"]["confirmed"]
    note = (
        f"{words.several(told['starts'], 'start')}, the same for all. Lines: 95 % Wilson intervals; hollow: undecided, "
        "the optimizer or the flow reached no minimum. Gradients: the mean number a start; the flow took "
        f"{told['flow']['mean_gradients']:,.0f}. Followed again at a tolerance of {confirmed['rtol']:g} from "
        f"{confirmed['starts']:,} of the starts, {confirmed['differ']:,} of its ends were others."
    )
    figure = page_named(
        told["name"], "starts led to another minimum than by the flow", note, 6.8, 1.7 + ROW * len(arms)
    )
    axes = figure.add_subplot()
    for row, arm in enumerate(arms):
        if arm["differ_interval"]:
            axes.plot(arm["differ_interval"], [row, row], color=KIND_COLOURS["minimum"], linewidth=1.2)
        axes.plot(arm["differ"], row, "o", color=KIND_COLOURS["minimum"], markersize=5, clip_on=False)
        if arm["undecided"]:
            axes.plot(arm["undecided"], row, "o", color=QUIET, markerfacecolor="none", markersize=5, clip_on=False)
        cost = "" if arm["mean_gradients"] is None else f"{arm['mean_gradients']:,.0f}"
        _beside(axes, row, words.percent(arm["differ"], told["starts"]), cost, INK)
    _beside(axes, -0.8, "share", "gradients", QUIET)
    axes.set_yticks(range(len(arms)), [arm["name"] for arm in arms])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlim(0, None)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.set_xlabel("share of the starts")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def _beside(axes: Axes, row: float, share: str, cost: str, colour: str) -> None:
    """Write a row of the two columns to the right of the axes."""
    for place, text in ((1.1, share), (1.24, cost)):
        axes.text(
            place, row, text, transform=axes.get_yaxis_transform(), va="center", ha="right", fontsize=8, color=colour
        )


@styled
def maps(told: Mapping[str, Any]) -> Figure | None:
    """Draw the flow's basins, and beside them each optimizer's with the starts that it leads elsewhere lit.

    None where the starts are not in the plane or cannot be made again.
    """
    folder = Path(told["folder"])
    flow = Record(folder / told["flow"]["record"])
    if flow.config["loss"]["dim"] != 2:
        return None
    arms = told["optimizers"][: PANELS - 1]
    truth = _image(flow, told["flow"]["branch_of_label"])
    if truth is None:
        return None
    box, columns = where.box(flow), min(3, len(arms) + 2)  # with the flow's and the legend's
    rows = math.ceil((len(arms) + 2) / columns)
    ratio = float(np.clip((box[1, 1] - box[0, 1]) / (box[1, 0] - box[0, 0]), 0.4, 1.6))
    note = "Per cents: starts led to another minimum than by the flow."
    figure = page_named(
        told["name"], "basins of the flow and of optimizers", note, 7.2, 1.0 + rows * (0.35 + 2.2 * ratio)
    )
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    _panel(panels[0], truth, None, box, "gradient flow", len(told["minima"]))
    for axes, arm in zip(panels[1:], arms, strict=False):
        image = _image(Record(folder / arm["record"]), arm["branch_of_label"])
        title = f"{arm['name']}: {100 * arm['differ']:.2f} %"
        if image is not None:
            _panel(axes, image, (image != truth) & (image >= 0) & (truth >= 0), box, title, len(told["minima"]))
    for place, axes in enumerate(panels[: len(arms) + 1]):
        below = place + columns > len(arms)  # nothing but the legend, or nothing, lies there
        axes.tick_params(labelbottom=below)
        axes.set_xlabel("$x_1$" if below else "")
        axes.set_ylabel("" if place % columns else "$x_2$", rotation=0)
    for axes in panels[len(arms) + 1 :]:
        axes.set_axis_off()
    keys = _keys(told)
    legend = panels[len(arms) + 1].legend(
        handles=keys, title="minimum reached", loc="upper left", alignment="left", borderaxespad=0.0, fontsize=7,
        ncols=1 if (len(arms) + 2) % columns == 0 or len(keys) < 6 else 2,
    )  # fmt: skip
    legend.set_in_layout(False)  # it reaches over the panels that are not used, and must not widen its own
    return figure


def _keys(told: Mapping[str, Any]) -> list[Patch]:
    """Return a patch for each minimum, at most one for each hue, for none, and for starts led elsewhere."""
    number = len(told["minima"])
    hues = [_paler(hue) for hue in (*HUES, NO_LABEL)]
    keys = [Patch(facecolor=hues[k], label=_key(told, k)) for k in range(min(number, len(HUES)))]
    return [
        *keys,
        Patch(facecolor=hues[-1], label="none"),
        Patch(facecolor=LIT, label="another than\nby the flow"),
    ]


def _paler(hue: str) -> tuple[float, float, float]:
    red, green, blue = (PALER + (1 - PALER) * part for part in to_rgb(hue))
    return red, green, blue


def _key(told: Mapping[str, Any], hue: int) -> str:
    """Return which minimum has a hue, or which ones where there are more minima than hues."""
    numbers = range(hue, len(told["minima"]), len(HUES))
    if len(numbers) > 1:
        return ", ".join(map(str, numbers[:3])) + (", …" if len(numbers) > 3 else "")
    x = ", ".join(words.number(value, 3) for value in told["minima"][hue])
    return f"{hue} at ({x})"


def _image(record: Record, branches: list[int]) -> np.ndarray | None:
    """Return the branch at each pixel ``[n, m]``, of a grid its cells, else of the nearest start; -1 for none."""
    numbers = np.array([*branches, -1, -1])  # the last two: no label, no start
    grid = where.grid(record)
    if grid is not None:
        return numbers[grid]
    found = where.places(record)
    if found is None:
        return None
    low, high = where.box(record)
    centres = low + (np.indices((PIXELS, PIXELS)).reshape(2, -1).T + 0.5) / PIXELS * (high - low)
    return numbers[where.nearest(centres, *found, where.periods(record)).reshape(PIXELS, PIXELS)]


def _panel(axes: Axes, image: np.ndarray, lit: np.ndarray | None, box: np.ndarray, title: str, minima: int) -> None:
    hues = np.array([_paler(HUES[number % len(HUES)]) for number in range(minima)] + [_paler(NO_LABEL)])
    pixels = hues[image]
    if lit is not None:
        pixels[lit] = to_rgb(LIT)
    extent = (box[0, 0], box[1, 0], box[0, 1], box[1, 1])
    axes.imshow(pixels.transpose(1, 0, 2), origin="lower", extent=extent, interpolation="nearest", aspect="auto")
    axes.set_title(title, fontsize=8, color=INK)
    axes.spines[["left", "bottom"]].set_visible(False)
