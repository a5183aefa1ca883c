"""How long descents took, by outcome and by the label they reached."""

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mnemo_jax.figures import where, words
from mnemo_jax.figures.steps import ENOUGH, FACTOR, TOP, WIDE, edges_of, extent
from mnemo_jax.record import Record
from mnemo_jax.report import look
from mnemo_jax.report.chart import Chart, digits, figure
from mnemo_jax.types import REPORTED

COLOURS = {
    "converged": "var(--hue-4)",
    "finished": "var(--hue-0)",
    "out_of_steps": "var(--hue-1)",
    "cycle": "var(--hue-3)",
    "escaped": "var(--hue-5)",
    "non_finite": "var(--quiet)",
}
FEW = 10  # steps that have a tick each
PARTS = (0.05, 0.25, 0.5, 0.75, 0.95)


def steps(record: Record) -> Chart | None:
    """Draw the steps of all descents by outcome, and their quantiles by label; None where all took the same number."""
    table = record.starts("outcome", "steps", "label", first=where.ROWS)
    number = table["steps"].to_numpy()
    if not np.ptp(extent(number)):
        return None
    wide = bool(extent(number)[1] > WIDE * max(np.quantile(number, 0.1), 1))
    number = np.maximum(number, int(wide))
    edges = edges_of(number, wide)
    counts = _counts(table, number, edges)
    rows = _quantiles(record, where.labels_of(table), number)
    share = "share of the starts" + f" per factor {FACTOR}" * wide
    floor = 0.36 if rows else 0.0
    return Chart(
        name="steps",
        title="Steps of the descents",
        caption=_caption(record, number, edges, bool(rows)),
        alt=f"Half of the descents took at most {words.several(int(np.median(number)), 'step')}, "
        f"nine tenths at most {int(np.quantile(number, 0.9)):,}.",
        figure=figure(
            [*_histogram(counts, edges, len(number), wide), *(trace for row in rows for trace in row)],
            xaxis=_axis(edges, wide) | {"anchor": "y2" if rows else "y"},
            yaxis={"title": {"text": share}, "ticksuffix": " %", "rangemode": "tozero", "domain": [floor, 1.0]},
            yaxis2={"title": {"text": "label"}, "type": "category", "autorange": "reversed", "showgrid": False}
            | {"domain": [0.0, floor - 0.06 if rows else 0.0], "ticks": "", "tickmode": "linear", "dtick": 1},
        ),
        numbers={"from": np.ceil(edges[:-1]), "to": np.floor(edges[1:])} | counts,
        height=330 + (40 + 22 * len(rows)) * bool(rows),
    )


def _caption(record: Record, number: np.ndarray, edges: np.ndarray, rows: bool) -> str:
    told = f"{words.starts(record)}: how many steps they took, stacked by outcome"
    told += "; below by label, dot: median, thick: middle half, thin: middle nine tenths" if rows else ""
    if len(number) < record.summary["starts"]:
        told += f". The first {len(number):,} are drawn"
    away = int(np.sum((number < edges[0]) | (number > edges[-1])))
    return told + (f". {words.several(away, 'descent')} outside the axis, up to {number.max():,}." if away else ".")


def _counts(table: pa.Table, number: np.ndarray, edges: np.ndarray) -> dict[str, np.ndarray]:
    """Return how many starts ended in every bin of steps, by outcome that occurs there."""
    names = [outcome.word for outcome in REPORTED]
    ended = pc.index_in(table["outcome"].cast(pa.string()), value_set=pa.array(names)).to_numpy()
    found = {name: np.histogram(number[ended == code], edges)[0] for code, name in enumerate(names)}
    return {name: count for name, count in found.items() if count.any()}


def _histogram(counts: dict[str, np.ndarray], edges: np.ndarray, total: int, wide: bool) -> list[dict[str, Any]]:
    """Return the share of the starts in every bin, as stacked steps."""
    weight = np.log(FACTOR) / np.diff(np.log(edges)) if wide else np.ones(len(edges) - 1)
    told = [f"{int(np.ceil(a)):,} to {int(np.floor(b)):,} steps" for a, b in pairwise(edges)]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": edges.tolist(),
            "y": digits(100 * np.append(share := count * weight / total, share[-1])),
            "stackgroup": "outcomes",
            "line": {"shape": "hv", "width": 0.5, "color": COLOURS[name]},
            "fillcolor": COLOURS[name],
            "name": name.replace("_", " "),
            "showlegend": True,
            "hovertext": [f"{words.several(int(n), 'start')}, {t}" for n, t in zip(count, told, strict=True)] + [""],
            "hovertemplate": "%{hovertext}<extra></extra>",
        }
        for name, count in counts.items()
    ]


def _axis(edges: np.ndarray, wide: bool) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": {"text": "steps"}}
    if not wide:
        axis |= {"dtick": 1} if np.ptp(edges) <= FEW else {}  # no ticks between whole steps
        return axis | {"range": [float(edges[0]), float(edges[-1])], "tickformat": ",~s" if edges[-1] > 1e5 else ",d"}
    ends = np.log10(edges[[0, -1]])
    return axis | {
        "type": "log",
        "range": ends.tolist(),
        "dtick": "D2" if np.ptp(ends) < 1.5 else 1,
        "tickformat": ",~r",
    }


def _quantiles(record: Record, label: np.ndarray, number: np.ndarray) -> list[list[dict[str, Any]]]:
    """Return the marks of each of the largest basins that has enough starts."""
    top = np.argsort(-record.shares.count, kind="stable")[:TOP]
    rows = []
    for row in np.sort(top[record.shares.count[top] >= ENOUGH]).tolist():
        of = number[label == row]
        if len(of):
            rows.append(_row(record, row, np.quantile(of, PARTS)))
    return rows


def _row(record: Record, row: int, found: np.ndarray) -> list[dict[str, Any]]:
    (colour,) = look.colours(record, [row])
    told = ", ".join(f"{n:,.0f}" for n in found)
    line = {"type": "scatter", "yaxis": "y2", "showlegend": False}
    line |= {"hovertemplate": f"{look.name_of(record, row)}<br>steps {told}<br>(5, 25, 50, 75, 95 %)<extra></extra>"}
    ends = [(found[[0, 4]], 1.5), (found[[1, 3]], 6)]
    drawn = [
        line | {"mode": "lines", "x": x.tolist(), "y": [str(row)] * 2, "line": {"width": width, "color": colour}}
        for x, width in ends
    ]
    dot = {"mode": "markers", "x": [float(found[2])], "y": [str(row)]}
    edge = {"width": 2, "color": colour}
    return [*drawn, line | dot | {"marker": {"size": 9, "color": "var(--paper)", "line": edge}}]
