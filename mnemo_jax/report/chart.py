"""A chart: a figure of plotly's with what it shows in words and its numbers, as a page draws it."""

import html
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go


class Cells(NamedTuple):
    """Numbers on a grid: those of a map that the chart draws.

    Attributes:
        trace: number of the heatmap or contour among the chart's traces.
        corner: what stands where the row of x and the column of y meet.
        key: where the trace has the numbers: ``z``, or ``customdata`` where those drawn are others.
        words: what the numbers stand for, where they are places in it.
    """

    trace: int
    corner: str
    key: Literal["z", "customdata"] = "z"
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure in a page.

    Attributes:
        name: its id in the page and in the names of its files; letters, digits and hyphens.
        title: what it shows, a few words.
        caption: what it shows and how to read it, in sentences.
        alt: its findings in words, for those who do not see it.
        figure: what plotly draws; colours may be custom properties of the page, ``var(--ink)``.
        numbers: what it is drawn from, by column, or the cells of a map.
        height: in pixels.
        ratio: of a map, height over width of the area inside its axes; ``height`` is that of what stands around it.
    """

    name: str
    title: str
    caption: str
    alt: str
    figure: go.Figure
    numbers: Mapping[str, Sequence[Any] | np.ndarray] | Cells
    height: int = 380
    ratio: float | None = None

    @property
    def size(self) -> str:
        """The style of the element in which it is drawn."""
        return f"--height:{self.height}px;--ratio:{self.ratio or 0:.4f}"

    @property
    def told(self) -> dict[str, Any]:
        """What the page's script needs to draw it and to write its numbers, as plain values."""
        figure = self.figure.to_plotly_json()
        layout = {key: value for key, value in figure["layout"].items() if key != "template"}
        return {"data": figure["data"], "layout": layout, "numbers": _numbers(self.numbers)}


def figure(traces: Sequence[Mapping[str, Any]], **layout: Any) -> go.Figure:
    """Return a figure of traces, each with its ``type``, and a layout; plotly checks every name and value."""
    return go.Figure(data=[dict(trace) for trace in traces], layout=layout)


def text(words: str) -> str:
    """Return words as plotly shows them: it reads a few tags in texts, which words from outside must not become."""
    return html.escape(words, quote=False)


def lines(words: str, most: int = 30) -> str:
    """Return words as plotly shows them, in as few lines of at most so many letters as can be, and these even.

    Plotly breaks no lines itself; 30 letters fit an axis on a phone.
    """
    wraps = [textwrap.wrap(words, width, break_long_words=False) for width in range(1, most + 1)]
    return "<br>".join(map(text, next(wrap for wrap in wraps if len(wrap) == len(wraps[-1]))))


def log_axis(low: float, high: float) -> dict[str, Any]:
    """Return the ticks of a logarithmic axis from ``low`` to ``high``: 1, 2, 5 over few decades, powers over many."""
    decades = math.log10(high / low)
    if decades < 2.5:
        return {"type": "log", "dtick": "D2", "tickformat": "~r"}
    return {"type": "log", "dtick": max(1, math.ceil(decades / 8))}


def digits(values: Any, number: int = 6) -> list[Any]:
    """Return numbers rounded to as many significant digits as can be seen, as plain lists."""
    values = np.asarray(values, float)
    known = np.isfinite(values) & (values != 0)
    power = np.where(known, number - 1 - np.floor(np.log10(np.abs(np.where(known, values, 1.0)))), 0.0)
    scale = 10.0 ** np.clip(power, -300, 300)
    return np.where(known, np.round(np.where(known, values, 0.0) * scale) / scale, values).tolist()


def _numbers(numbers: Mapping[str, Sequence[Any] | np.ndarray] | Cells) -> dict[str, Any]:
    if isinstance(numbers, Cells):
        return numbers._asdict()
    lengths = {name: len(column) for name, column in numbers.items()}
    assert len(set(lengths.values())) <= 1, f"columns differ in length: {lengths}"
    return {"names": list(numbers), "columns": list(numbers.values())}
