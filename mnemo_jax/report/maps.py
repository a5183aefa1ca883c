"""What the charts of a plane have in common: its window, axes of equal scale, the loss as heights."""

from typing import Any

import numpy as np

from mnemo_jax.figures import colours, where, words
from mnemo_jax.figures.style import Results
from mnemo_jax.report import theme
from mnemo_jax.report.chart import Cells, Chart, digits, figure

POINTS = 121  # of the loss's picture along each axis, enough for smooth contours
LEVELS = 16  # contours
AROUND = 100  # pixels above and below the axes
BELOW = 56  # pixels of a bar below them
BAR = 7  # numbers beside the bar of heights at most


def ratio(shown: np.ndarray) -> float:
    """Return height over width at which a window ``[2, 2]`` is drawn."""
    width, height = shown[1] - shown[0]
    return float(np.clip(height / width, 0.5, 1.6))


def axes(shown: np.ndarray, below: int = 0) -> dict[str, Any]:
    """Return both axes of a plane, equal in scale where the window is not too long for it, ``below`` pixels free."""
    width, height = shown[1] - shown[0]
    equal = {"scaleanchor": "x", "constrain": "domain"} if 0.5 <= height / width <= 1.6 else {}
    plain = {"showgrid": False, "constrain": "domain", "constraintoward": "top"}
    return {
        "margin": {"l": 52, "r": 20, "t": 44, "b": AROUND - 44 + below},
        "xaxis": plain
        | {"constraintoward": "center"}
        | {"title": {"text": "x<sub>1</sub>"}, "range": shown[:, 0].tolist()},
        "yaxis": plain | equal | {"title": {"text": "x<sub>2</sub>"}, "range": shown[:, 1].tolist()},
    }


def contours(record: Results) -> dict[str, Any]:
    """Return the loss as filled contours. Levels follow its quantiles, so that valleys and plateaus show.

    What is drawn is the number of levels below each place, in between in proportion to the loss; ``customdata`` is the
    loss itself.
    """
    kept = where.picture(record)
    step = max(1, (len(kept["axis0"]) - 1) // (POINTS - 1))
    x, y, loss = kept["axis0"][::step], kept["axis1"][::step], kept["loss"][::step, ::step].T
    steps = colours.levels(loss[np.isfinite(loss)], LEVELS)
    height = np.where(np.isfinite(loss), np.interp(loss, steps, np.arange(len(steps))), np.nan)
    told = np.unique(np.linspace(0, len(steps) - 1, BAR).round().astype(int))
    ticks = [words.number(float(steps[k]), 3, 1e-9 * float(np.ptp(steps))) for k in told]
    heights = len(np.unique(loss[np.isfinite(loss)])) > 1  # a bar of one height, or of none, would be made up
    return {
        "type": "contour",
        "x": digits(x),
        "y": digits(y),
        "z": digits(height, 4),
        "customdata": digits(loss),
        "autocontour": False,
        "contours": {"start": 0, "end": len(steps) - 1, "size": 1},
        "zmin": 0,
        "zmax": len(steps) - 1,
        "line": {"width": 0.5, "color": "var(--contour)"},
        "colorscale": theme.heights(),
        "showscale": heights,
        "colorbar": bar("loss") | {"tickvals": told.tolist(), "ticktext": ticks},
        "hovertemplate": "x₁ %{x:.4g}<br>x₂ %{y:.4g}<br>loss %{customdata:.5g}<extra></extra>",
    }


def unknown(record: Results) -> str:
    """Return what a reader must know of a picture of the loss that is not finite all over, or has one height."""
    return words.unknown(record, "Blank")


def bar(name: str) -> dict[str, Any]:
    """Return the bar of a map's colours, `BELOW` its axes: beside them it would take a phone's width."""
    return {
        "orientation": "h",
        "y": 0,
        "yref": "container",
        "yanchor": "bottom",
        "len": 1.0,
        "thickness": 9,
        "outlinewidth": 0,
        "title": {"text": name, "side": "bottom", "font": {"size": 12}},
    }


def over_loss(
    record: Results, shown: np.ndarray, traces: list[dict[str, Any]], *, title: str, caption: str, alt: str
) -> Chart:
    """Return the chart of the landscape: ``traces`` over the contours of the loss in a window ``[2, 2]``."""
    heights = contours(record)
    nothing = {"text": "no finite loss", "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.97, "showarrow": False}
    known = any(value == value for row in heights["customdata"] for value in row)
    return Chart(
        name="landscape",
        title=title,
        caption=caption,
        alt=alt,
        figure=figure([heights, *traces], annotations=[] if known else [nothing], **axes(shown, BELOW)),
        numbers=Cells(0, "x2 \\ x1", "customdata"),
        height=AROUND + BELOW,
        ratio=ratio(shown),
    )
