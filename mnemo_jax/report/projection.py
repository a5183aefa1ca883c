"""Landscapes of more than two dimensions: points on the two directions along which they differ most."""

from typing import Any, NamedTuple

import numpy as np

from mnemo_jax.figures import colours, words
from mnemo_jax.figures.style import Results
from mnemo_jax.figures.where import labels_of
from mnemo_jax.record import Record
from mnemo_jax.report import look, theme
from mnemo_jax.report.chart import Cells, Chart, digits, figure
from mnemo_jax.store import matrix
from mnemo_jax.types import Kind

MOST = 2000  # points drawn one by one; more are counted in cells
CELLS = 80  # of an axis
TOP = 20  # points marked among many
ENDS = 3000  # end points drawn
HEIGHT = 520


class Plane(NamedTuple):
    """The plane of the first two principal components: its origin ``[d]``, axes ``[2, d]``, and their parts ``[2]``."""

    origin: np.ndarray
    axes: np.ndarray
    part: np.ndarray


def principal(x: np.ndarray) -> Plane:
    """Return the plane along which points ``[n, d]`` vary most; the largest entry of an axis is positive."""
    origin = x.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    axes = vectors[:, ::-1][:, :2].T
    axes *= np.sign(axes[[0, 1], np.abs(axes).argmax(axis=1)])[:, None]
    return Plane(origin, axes, values[::-1][:2] / max(values.sum(), np.finfo(float).tiny))


def points(record: Results) -> Chart | None:
    """Draw the catalogue on its first two principal components; None in up to two dimensions and for one point."""
    x = record.catalogue.x
    if x.shape[1] <= 2 or len(x) < 3:
        return None
    plane = principal(x)
    at = (x - plane.origin) @ plane.axes.T
    many = len(x) > MOST
    traces, numbers = (_counted if many else _single)(record, at)
    which = "of most starts" if isinstance(record, Record) else "of lowest loss"
    how = f"{len(x):,} points counted in cells, {TOP} {which} marked" if many else "A mark for each point"
    return Chart(
        name="projection",
        title="The critical points on their principal components",
        caption=f"{how}. The plane is the one along which the catalogue's points vary most; it holds "
        f"{100 * plane.part.sum():.3g} % of their variance in {x.shape[1]} dimensions.",
        alt=f"{len(x):,} critical points on two axes that hold {100 * plane.part.sum():.3g} % of their variance.",
        figure=figure(traces, **_axes(plane)),
        numbers=numbers,
        height=HEIGHT,
    )


def _single(record: Results, at: np.ndarray) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows = np.arange(len(at))
    traces = look.marks(record, rows, at[:, 0], at[:, 1])
    if not look.hues(record):
        traces = [_by_loss(record, trace) for trace in traces]
    return traces, {"label": rows, "pc1": at[:, 0], "pc2": at[:, 1], "loss": record.catalogue.loss}


def _by_loss(record: Results, trace: dict[str, Any]) -> dict[str, Any]:
    """Return the marks of minima in the colour of their loss, others as they are."""
    if trace["marker"].get("symbol") != look.SYMBOLS["minimum"] or "hovertext" not in trace:
        return trace
    loss = record.catalogue.loss[record.catalogue.kind == Kind.MINIMUM]
    steps = colours.levels(loss, 12)
    bar = {
        "title": {"text": "loss", "font": {"size": 12}},
        "tickvals": list(range(0, len(steps), 3)),
        "outlinewidth": 0,
        "thickness": 9,
    }
    bar["ticktext"] = [words.number(float(v), 3, record.dust) for v in steps[::3]]
    scale = {"colorscale": theme.heights(), "cmin": 0, "cmax": 1.2 * (len(steps) - 1), "colorbar": bar}
    height = digits(np.interp(loss, steps, np.arange(len(steps))), 4)
    return trace | {"marker": trace["marker"] | scale | {"color": height}}


def _counted(record: Results, at: np.ndarray) -> tuple[list[dict[str, Any]], Cells]:
    count, x, y = np.histogram2d(at[:, 0], at[:, 1], CELLS)
    order = np.argsort(-record.shares.count if isinstance(record, Record) else record.catalogue.loss, kind="stable")
    top = order[:TOP]
    return [cells(count, x, y), *look.marks(record, top, at[top, 0], at[top, 1], told=0)], Cells(0, "pc2 \\ pc1")


def cells(count: np.ndarray, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return numbers of points ``[n, m]`` in cells with edges ``x [n + 1], y [m + 1]``; empty ones are left out."""
    return {
        "type": "heatmap",
        "x": digits((x[1:] + x[:-1]) / 2),
        "y": digits((y[1:] + y[:-1]) / 2),
        "z": [[int(n) or None for n in row] for row in count.T],
        "colorscale": [[p, colour] for (p, _), (_, colour) in zip(theme.heights(), theme.heights()[::-1], strict=True)],
        "colorbar": {"title": {"text": "points", "font": {"size": 12}}},
        "hovertemplate": "%{z} points<extra></extra>",
    }


def ends(record: Record) -> Chart | None:
    """Draw the end points of the first starts on the catalogue's principal components; None where none were kept."""
    x = record.catalogue.x
    if x.shape[1] <= 2 or len(x) < 3 or not record.config["record"]["endpoints"]:
        return None
    table = record.starts("x", "label", first=ENDS)
    plane, label = principal(x), labels_of(table)
    at = (matrix(table["x"]) - plane.origin) @ plane.axes.T
    own = look.hues(record)
    colours_of = "in the colour of the label reached" if own else "blue at a point of the catalogue"
    told = [f"label {k}" if k >= 0 else "no label" for k in label.tolist()]
    colour = ["var(--none)" if k < 0 else own.get(k, theme.hue(4)) for k in label.tolist()]
    drawn = {
        "type": "scatter",
        "mode": "markers",
        "x": digits(at[:, 0]),
        "y": digits(at[:, 1]),
        "marker": {"size": 5, "opacity": 0.6, "color": colour},
        "hovertext": told,
        "hovertemplate": "%{hovertext}<extra></extra>",
        "showlegend": False,
    }
    return Chart(
        name="ends",
        title="End points on the same axes",
        caption=f"Where {words.several(len(at), 'descent')} ended, {colours_of}; grey: no label.",
        alt=f"{int(np.sum(label >= 0)):,} of {len(at):,} end points lie at points of the catalogue.",
        figure=figure([drawn], **_axes(plane)),
        numbers={"start": np.arange(len(at)), "label": label, "pc1": at[:, 0], "pc2": at[:, 1]},
        height=HEIGHT,
    )


def _axes(plane: Plane) -> dict[str, Any]:
    names = [f"principal component {k + 1} ({100 * part:.3g} %)" for k, part in enumerate(plane.part)]
    return {
        axis: {"title": {"text": name}, "showgrid": False} for axis, name in zip(("xaxis", "yaxis"), names, strict=True)
    }
