"""The look of all figures: colours, markers, sizes, words for numbers, and how a figure becomes files."""

import io
import textwrap
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mnemo_jax import store
from mnemo_jax.found import CriticalPoints
from mnemo_jax.record import Record

P = ParamSpec("P")
R = TypeVar("R")
Layout = Literal["constrained", "compressed"]
Results = Record | CriticalPoints  # of runs and of searches, which have name, config, catalogue and picture in common
INK, QUIET, FAINT = "#222222", "#6b6b6b", "#dddddd"
# Okabe and Ito (2008): told apart by colour-blind readers too; every kind has a marker of its own beside.
KIND_COLOURS = {
    "minimum": "#0072B2",
    "saddle": "#E69F00",
    "maximum": "#D55E00",
    "degenerate": "#CC79A7",
    "kink": "#009E73",
}
KIND_MARKERS = {"minimum": "o", "saddle": "X", "maximum": "^", "degenerate": "D", "kink": "*"}
KIND_PLURALS = {
    "minimum": "minima",
    "saddle": "saddles",
    "inflection": "inflections",
    "maximum": "maxima",
    "degenerate": "degenerate points",
    "kink": "kinks",
}
DPI = 200
SHARP, FINEST = 1.6, 400  # pixels for each cell of an image in a PNG, as far as that many an inch suffice

_RC: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so files are alike everywhere
    "font.size": 9.0,
    "text.color": INK,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": True,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "legend.title_fontsize": 8.0,
    "legend.handletextpad": 0.5,
    "lines.linewidth": 1.4,
    "contour.negative_linestyle": "solid",
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "svg.hashsalt": "mnemo_jax",
}


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function make or save figures in the house style; outside it matplotlib's settings are untouched."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with rc_context(_RC):
            return function(*args, **kwargs)

    return inside


def page(
    record: Results, subject: str, note: str, width: float, height: float, layout: Layout = "constrained"
) -> Figure:
    """Return an empty figure of ``width`` by ``height`` inches under the run's name and subject, above a quiet note."""
    return page_named(record.summary["name"], subject, note, width, height, layout)


def page_named(
    name: str, subject: str, note: str, width: float, height: float, layout: Layout = "constrained"
) -> Figure:
    """Return an empty figure as `page` does, under a name and a subject."""
    figure = Figure(figsize=(width, height), dpi=72.0, layout=layout)  # so that a pixel of its own is a point
    title = textwrap.shorten(f"{name}: {subject}", int(11 * width), placeholder=" …")
    left = 0.08 / width
    figure.suptitle(title, x=left, ha="left", fontsize=11, fontweight="bold")
    note = "\n".join(textwrap.fill(line, int(17 * width)) for line in note.splitlines())
    figure.supxlabel(note, x=left, ha="left", fontsize=7.5, color=QUIET)
    return figure


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write the figure as SVG and PNG, see `drawn`."""
    written = {stem.with_name(stem.name + suffix): suffix for suffix in (".svg", ".png")}
    for path, suffix in written.items():
        store.write_bytes(path, drawn(figure, suffix))
    return list(written)


@styled
def drawn(figure: Figure, suffix: str) -> bytes:
    """Return the figure as ``.svg``, which holds images as they are, or ``.png``; equal figures give equal bytes."""
    buffer = io.BytesIO()
    if suffix == ".svg":
        FigureCanvasSVG(figure).print_figure(buffer, format="svg", dpi=DPI, metadata={"Date": None})
    else:
        FigureCanvasAgg(figure).print_figure(buffer, format="png", dpi=_dpi(figure), metadata={"Software": None})
    return buffer.getvalue()


def _dpi(figure: Figure) -> int:
    """Return pixels an inch at which no cell of an image is lost, in steps of fifty."""
    images = [image for axes in figure.axes for image in axes.images]
    if not images:
        return DPI
    figure.draw_without_rendering()  # places the axes
    dense = [figure.dpi * np.divide(image.get_size()[::-1], image.get_window_extent().size) for image in images]
    return int(np.clip(50 * np.ceil(SHARP * np.max(dense) / 50), DPI, FINEST))
