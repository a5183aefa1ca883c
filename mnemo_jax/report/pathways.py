"""Saddles between minima: which they join, and how high the barriers are."""

from typing import Any

import numpy as np

from mnemo_jax.figures import words
from mnemo_jax.figures.fewer import Groups, cut, groups
from mnemo_jax.figures.merging import Ways, minima_of, tree, ways_of
from mnemo_jax.figures.points import images
from mnemo_jax.figures.where import box, periods
from mnemo_jax.found import CriticalPoints
from mnemo_jax.report import look
from mnemo_jax.report.chart import Chart, digits, figure
from mnemo_jax.report.table import Cell, Column, Table
from mnemo_jax.terminal_search import LED

MOST = 32  # minima, beyond which those that are alike are one mark and of the rest the lowest are drawn
ROWS = 200  # of the table


def pathways(found: CriticalPoints) -> Chart | None:
    """Draw minima at their loss in the order of the tree, and a line over each saddle between two of them.

    None where no saddle joins two minima in the box.
    """
    rows, ways = minima_of(found), ways_of(found)
    kept = np.isin(ways.minima, rows).all(axis=1) & (ways.minima[:, 0] != ways.minima[:, 1])
    if not kept.any():
        return None
    whole = groups(rows, found.catalogue.loss, Ways(*(column[kept] for column in ways)), MOST)
    shown = cut(whole, MOST)
    order = tree(shown.rows, found.catalogue.loss, whole.ways)
    place = dict(zip(order.leaves.tolist(), order.place.tolist(), strict=False))
    numbers = {
        "saddle": ways.saddle,
        "loss": ways.loss,
        "minimum": ways.minima[:, 0],
        "other_minimum": ways.minima[:, 1],
    }
    return Chart(
        name="barriers",
        title="Minima and the saddles that join them",
        caption=_caption(whole, shown, int(kept.sum())),
        alt=f"{words.kinds(int(whole.members.sum()), 'minimum')}, joined by "
        f"{words.kinds(int(kept.sum()), 'saddle')} of index 1.",
        figure=figure(
            [*_lines(found, shown, place), *_saddles(found, shown, place), _minima(found, shown, place)],
            xaxis={"showticklabels": False, "ticks": "", "showgrid": False}
            | {"title": {"text": "minima in the order of the tree"}, "range": [-0.6, len(shown.rows) - 0.4]},
            yaxis={"title": {"text": "loss"}},
        ),
        numbers=numbers,
        height=440,
    )


def _caption(whole: Groups, shown: Groups, saddles: int) -> str:
    told = f"Each line leads from a minimum over a saddle of index 1 to another; {saddles:,} join two minima of the box"
    told += (
        f". The lowest {len(shown.rows):,} marks of {len(whole.rows):,}" if len(shown.rows) < len(whole.rows) else ""
    )
    told += ". Minima alike in loss and saddles are one mark, ×k for k of them" if shown.members.max() > 1 else ""
    return told + ("." if shown.lowest.all() else ". Grey: a lower way leads round.")


def _lines(found: CriticalPoints, shown: Groups, place: dict[int, float]) -> list[dict[str, Any]]:
    """Return the lines over saddles, those with a lower way round apart."""
    traces = []
    for lowest, colour in ((False, "var(--line)"), (True, "var(--path)")):
        of = np.flatnonzero(shown.lowest == lowest)
        x, y = [], []
        for way in of:
            a, b = shown.ways.minima[way].tolist()
            middle = 0.5 * (place[a] + place[b]) + 0.3 * (a == b)
            x += [place[a], middle, place[b], None]
            y += [*digits([found.catalogue.loss[a], shown.ways.loss[way], found.catalogue.loss[b]]), None]
        line = {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": {"color": colour, "width": 1.5}}
        name = "lowest ways" if lowest else "a lower way leads round"
        traces += [line | {"name": name, "hoverinfo": "skip", "showlegend": not shown.lowest.all()}] * bool(len(of))
    return traces


def _saddles(found: CriticalPoints, shown: Groups, place: dict[int, float]) -> list[dict[str, Any]]:
    ways = shown.ways
    told = []
    for saddle, pair, loss, number in zip(ways.saddle, ways.minima, ways.loss, shown.saddles, strict=True):
        sides = [f"above {row}: {look.loss(found, loss - found.catalogue.loss[row])}" for row in pair.tolist()]
        several = [f"stands for {number:,} saddles"] if number > 1 else []
        told.append("<br>".join([f"<b>saddle {saddle}</b>", f"loss  {look.loss(found, loss)}", *sides, *several]))
    middle = [0.5 * (place[a] + place[b]) + 0.3 * (a == b) for a, b in ways.minima.tolist()]
    marker = {"symbol": "x", "size": 7, "color": "var(--ink)", "line": {"color": "var(--paper)", "width": 1}}
    drawn = {"type": "scatter", "mode": "markers", "x": middle, "y": digits(ways.loss), "marker": marker}
    return [drawn | {"hovertext": told, "hovertemplate": "%{hovertext}<extra></extra>", "showlegend": False}]


def _minima(found: CriticalPoints, shown: Groups, place: dict[int, float]) -> dict[str, Any]:
    rows = shown.rows.tolist()
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [place[row] for row in rows],
        "y": digits(found.catalogue.loss[rows]),
        "text": [f"×{n:,}" if n > 1 else str(row) for row, n in zip(rows, shown.members, strict=True)],
        "textposition": "bottom center",
        "cliponaxis": False,
        "marker": {"size": 11, "color": look.colours(found, rows), "line": {"color": "var(--paper)", "width": 1}},
        "hovertext": [look.said(found, row) for row in rows],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "showlegend": False,
    }


def drawn(found: CriticalPoints) -> list[dict[str, Any]]:
    """Return the pathways on a map, straight from each saddle of index one to the minima on its two sides."""
    ways, edge, period, at = ways_of(found), box(found), periods(found), found.catalogue.x
    x: list[float | None] = []
    y: list[float | None] = []
    for saddle, pair in zip(ways.saddle, ways.minima, strict=True):
        for minimum in pair[pair >= 0]:
            for image in images(at[saddle], at[minimum], edge, period):
                x += [*digits(image[:, 0]), None]
                y += [*digits(image[:, 1]), None]
    line = {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": {"color": "var(--path)", "width": 1.4}}
    return [line | {"name": "pathways", "hoverinfo": "skip", "legendrank": 1001}] if x else []


def table(found: CriticalPoints) -> Table | None:
    """Return the saddles of index one with the minima they join, the lowest barriers first; None without any."""
    paths = found.pathways().to_pylist()
    if not paths:
        return None
    paths.sort(key=lambda p: (min(v for v in (p["barrier0"], p["barrier1"], np.inf) if v is not None), p["saddle"]))
    barrier = "loss of the saddle above that minimum"
    columns = [Column("saddle"), Column("loss"), Column("minimum"), Column("barrier", meaning=barrier)]
    columns += [Column("other minimum"), Column("other barrier", meaning=barrier)]
    return Table(
        name="pathways",
        caption="Pathways: saddles of index one and the minima they join",
        columns=columns,
        rows=[_row(found, p) for p in paths[:ROWS]],
        note=f"The {ROWS} lowest barriers of {len(paths):,}." if len(paths) > ROWS else "",
        sort=None,
    )


def _row(found: CriticalPoints, p: dict[str, Any]) -> list[Cell]:
    loss = float(found.catalogue.loss[p["saddle"]])
    return [
        Cell(str(p["saddle"]), p["saddle"]),
        Cell(look.loss(found, loss), loss),
        *_side(found, p, 0),
        *_side(found, p, 1),
    ]


def _side(found: CriticalPoints, p: dict[str, Any], side: int) -> list[Cell]:
    label, barrier = p[f"minimum{side}"], p[f"barrier{side}"]
    if label is None:
        return [Cell(LED[p[f"end{side}"]], ""), Cell("", "")]
    return [Cell(str(label), label, colour=look.hues(found).get(label, "")), Cell(f"{barrier:.6g}", barrier)]
