"""The loss itself in one and two dimensions, with its critical points by kind and descents."""

from typing import Any

import numpy as np

from mnemo_jax.figures import line as lines
from mnemo_jax.figures import plane, where, words
from mnemo_jax.figures.style import Results
from mnemo_jax.record import Record
from mnemo_jax.report import look, maps
from mnemo_jax.report.basins import band
from mnemo_jax.report.chart import Chart, digits, figure
from mnemo_jax.tables import word
from mnemo_jax.types import Kind

CURVE = 601  # points of a curve at most
PATH = 250  # points of a descent at most
DESCENTS = 12
FAINTEST = 0.5  # opacity of a descent, whose start must be seen
KEY = {
    "type": "scatter",
    "mode": "lines+markers",
    "x": [None],
    "y": [None],
    "line": {"color": "var(--path)", "width": 1.6},
    "marker": {"size": 6, "color": "var(--path)"},
    "name": "descents",
    "legendgroup": "descents",
    "legendrank": 1001,
    "hoverinfo": "skip",
}  # their line of the legend


def landscape(record: Record) -> Chart | None:
    """Draw the loss with the critical points that descents met; None in more than two dimensions."""
    return {1: _curve, 2: _plane}.get(record.config["loss"]["dim"], lambda _: None)(record)


def _plane(record: Record) -> Chart:
    shown, x = where.window(record), record.catalogue.x
    rows = np.flatnonzero(within(x, shown))
    paths = _descents(record, shown)
    marks = look.marks(record, rows, x[rows, 0], x[rows, 1])
    told = "Contours of the loss, closer together for low values, and the critical points that descents met"
    told += f", with {words.several(len(paths), 'descent')} from start (dot) to end" if paths else ""
    away = words.outside(record, shown)
    return maps.over_loss(
        record,
        shown,
        [*paths, *[KEY] * bool(paths), *marks],
        title="The loss and the critical points met",
        caption=words.sentences(f"{told}.", look.legend(record, rows), maps.unknown(record), away),
        alt=f"A contour map of the loss over the box with {_counts(record, rows)}. {_where(record, rows)}",
    )


def within(x: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return which of the points ``[n, d]`` lie in a window ``[2, d]``, edges included whatever rounding did."""
    dust = 1e-6 * (shown[1] - shown[0])
    return np.asarray(np.all((x >= shown[0] - dust) & (x <= shown[1] + dust), axis=1))


def _counts(record: Record, rows: np.ndarray) -> str:
    dim = record.catalogue.x.shape[1]
    kinds, numbers = np.unique(record.catalogue.kind[rows], return_counts=True)
    told = [words.kinds(int(n), word(int(kind), dim)) for kind, n in zip(kinds, numbers, strict=True)]
    return ", ".join(told) or "no critical point"


def _where(record: Record, rows: np.ndarray) -> str:
    table = record.catalogue
    minima = [row for row in rows if table.kind[row] == Kind.MINIMUM][:6]
    return " ".join(
        f"Minimum {row} at {look.point(table.x[row])}, loss {look.loss(record, table.loss[row])}." for row in minima
    )


def _descents(record: Record, shown: np.ndarray) -> list[dict[str, Any]]:
    """Return a trace for each of some descents long enough to be seen; those that wind much are thinner and fainter."""
    traces: list[dict[str, Any]] = []
    for number, path in list(record.stored_paths().items())[:DESCENTS]:
        points = plane.broken(plane.inside(path, shown), where.box(record), where.periods(record))
        if len(points) > 1:
            part = plane.thinner(points, shown)
            points = points[np.unique(np.linspace(0, len(points) - 1, PATH).astype(int))]
            traces.append(_descent(number, len(path) - 1, points, part))
    return traces


def _descent(number: int, steps: int, points: np.ndarray, part: float) -> dict[str, Any]:
    """Return the line of a descent, in ``part`` of its full width and ink."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": digits(points[:, 0]),
        "y": digits(points[:, 1]),
        "line": {"color": "var(--path)", "width": round(1.6 * part, 3)},
        "opacity": round(max(part, FAINTEST), 3),
        "marker": {"size": [6] + [0] * (len(points) - 1), "color": "var(--path)", "opacity": 1},
        "name": "descents",
        "legendgroup": "descents",
        "showlegend": False,
        "hovertemplate": f"start {number}<br>{words.several(steps, 'step')}<extra></extra>",
    }


def _curve(record: Record) -> Chart:
    kept, table = where.picture(record), record.catalogue
    shown = where.window(record)
    rows = np.flatnonzero(within(table.x, shown))
    curve, numbers = curve_of(kept)
    strip, keys = band(record)
    marks = look.marks(record, rows, table.x[rows, 0], table.loss[rows])
    low, high = limits(record, kept)
    below = "; the band below has the colour of the minimum that a start there reached" if strip else ""
    return Chart(
        name="landscape",
        title="The loss, the critical points met, the labels reached",
        caption=words.sentences(
            f"The loss over the box and the critical points that descents met{below}.",
            "Numbers are labels.",
            maps.unknown(record),
            words.outside(record, shown),
        ),
        alt=f"The curve of the loss with {_counts(record, rows)}. {_where(record, rows)}",
        figure=figure(
            [curve, *marks, *strip, *keys],
            xaxis={"title": {"text": "x"}, "range": shown[:, 0].tolist(), "anchor": "y2" if strip else "y"},
            yaxis={"title": {"text": "loss"}, "range": [low, high], "domain": [0.1 if strip else 0, 1]}
            | {"showticklabels": bool(np.isfinite(kept["loss"]).any() or len(rows))},
            yaxis2={"domain": [0, 0.06], "showticklabels": False, "ticks": "", "showgrid": False, "fixedrange": True},
        ),
        numbers=numbers,
        height=460,
    )


def curve_of(kept: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the loss of a picture of one variable as a curve, and its numbers."""
    step = max(1, (len(kept["axis0"]) - 1) // (CURVE - 1))
    numbers = {"x": kept["axis0"][::step], "loss": kept["loss"][::step]}
    curve = {
        "type": "scatter",
        "mode": "lines",
        "x": digits(numbers["x"]),
        "y": digits(numbers["loss"]),
        "line": {"color": "var(--ink)", "width": 1.8},
        "name": "loss",
        "showlegend": False,
        "hovertemplate": "x %{x:.5g}<br>loss %{y:.5g}<extra></extra>",
    }
    return curve, numbers


def limits(record: Results, kept: dict[str, np.ndarray]) -> tuple[float, float]:
    """Return from where to where the loss is shown; high walls are cut so that the critical points stand apart."""
    inside = kept["loss"][within(kept["axis0"][:, None], where.box(record)) & np.isfinite(kept["loss"])]
    if not len(inside):
        return -1.0, 1.0
    low, high, critical = float(inside.min()), float(inside.max()), record.catalogue.loss
    if len(critical) and np.ptp(critical) > 0:
        high = min(high, float(critical.max() + lines.WALLS * np.ptp(critical)))
    margin = 0.08 * ((high - low) or 1.0)
    return low - margin, high + margin
