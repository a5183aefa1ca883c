"""The critical points that a search found: over the loss, and their index against their loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mnemo_jax.figures import where, words
from mnemo_jax.figures.index import MANY, correlation, means
from mnemo_jax.found import CriticalPoints
from mnemo_jax.report import catalogue, look, maps, pathways, projection
from mnemo_jax.report.chart import Cells, Chart, digits, figure
from mnemo_jax.report.landscape import curve_of, limits, within
from mnemo_jax.report.table import Cell, Column, Table
from mnemo_jax.tables import KINDS, tidy, word
from mnemo_jax.types import Kind

ROWS = 200  # of the catalogue
BINS = 60  # of losses, and of indices at most, where many points are counted


def points(found: CriticalPoints) -> Chart | None:
    """Draw the loss and the critical points in the box, in two dimensions with pathways; None in more dimensions."""
    return {1: _line, 2: _plane}.get(found.config["loss"]["dim"], lambda _: None)(found)


def _plane(found: CriticalPoints) -> Chart:
    shown, x = where.window(found), found.catalogue.x
    rows = np.flatnonzero(found.inside_box & within(x, shown))
    ways = pathways.drawn(found)
    led = " Lines lead from each saddle of index 1 to the minima on its two sides, drawn straight." if ways else ""
    return maps.over_loss(
        found,
        shown,
        [*ways, *look.marks(found, rows, x[rows, 0], x[rows, 1])],
        title="The loss and its critical points",
        caption=words.sentences(
            "Contours of the loss, closer together for low values.",
            words.box(found),
            maps.unknown(found),
            look.legend(found, rows) + led,
        ),
        alt=f"A contour map of the loss over the box. {words.box(found)}",
    )


def _line(found: CriticalPoints) -> Chart:
    table, kept = found.catalogue, where.picture(found)
    rows = np.flatnonzero(found.inside_box)
    curve, numbers = curve_of(kept)
    return Chart(
        name="landscape",
        title="The loss and its critical points",
        caption=words.sentences("The loss over the box.", words.box(found), maps.unknown(found), "Numbers are labels."),
        alt=f"The curve of the loss. {words.box(found)}",
        figure=figure(
            [curve, *look.marks(found, rows, table.x[rows, 0], table.loss[rows])],
            xaxis={"title": {"text": "x"}, "range": where.window(found)[:, 0].tolist()},
            yaxis={"title": {"text": "loss"}, "range": list(limits(found, kept))},
        ),
        numbers=numbers,
        height=440,
    )


def index(found: CriticalPoints) -> Chart | None:
    """Draw the share of negative eigenvalues of each point in the box against its loss; None with fewer than two."""
    table, dim = found.catalogue, found.catalogue.x.shape[1]
    rows = np.flatnonzero(found.inside_box & (table.kind != Kind.KINK))
    if len(rows) < 2:
        return None
    loss, share = table.loss[rows], table.index[rows] / dim
    rank = correlation(loss, share)
    told = f" Spearman's rank correlation is {words.number(rank, 3)}." if np.isfinite(rank) else ""
    mean = _means(loss, share) if len(rows) >= MANY else []
    many = len(rows) > projection.MOST
    marks, numbers = _counted(loss, share, dim) if many else _single(found, rows, loss, share)
    mark = "points counted in bins of the loss" if many else "a mark a point"
    return Chart(
        name="index",
        title="Index against loss",
        caption=f"The part of the Hessian's eigenvalues that are negative, by the loss of the point; {mark}. "
        f"{words.box(found)}{told}{' Line: means over bins of the loss.' if mean else ''}",
        alt=f"{len(rows):,} critical points by loss and index.{told}",
        figure=figure(
            [*marks, *mean],
            xaxis={"title": {"text": "loss of the critical point"}},
            yaxis={"title": {"text": "index / dimension"}, "range": [-0.06, 1.06]}
            | ({"tickvals": (np.arange(dim + 1) / dim).tolist(), "tickformat": ".3~g"} if dim <= 10 else {}),
        ),
        numbers=numbers,
        height=400,
    )


def _single(
    found: CriticalPoints, rows: np.ndarray, loss: np.ndarray, share: np.ndarray
) -> tuple[list[dict[str, Any]], Mapping[str, Any] | Cells]:
    kinds = [KINDS[kind] for kind in found.catalogue.kind[rows]]
    numbers = {"label": rows, "loss": loss, "index": found.catalogue.index[rows], "kind": kinds}
    return look.marks(found, rows, loss, share, told=0), numbers


def _counted(loss: np.ndarray, share: np.ndarray, dim: int) -> tuple[list[dict[str, Any]], Mapping[str, Any] | Cells]:
    edges = (np.arange(min(dim, BINS) + 2) - 0.5) / min(dim, BINS)
    count, x, y = np.histogram2d(loss, share, [np.linspace(loss.min(), loss.max(), BINS + 1), edges])
    return [projection.cells(count, x, y)], Cells(0, "index / dimension \\ loss")


def _means(loss: np.ndarray, share: np.ndarray) -> list[dict[str, Any]]:
    at, mean, spread = means(loss, share).T
    up, down = np.minimum(spread, 1.0 - mean), np.minimum(spread, mean)
    bars = {"type": "data", "symmetric": False, "array": digits(up), "arrayminus": digits(down), "width": 3}
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": digits(at),
        "y": digits(mean),
        "name": "mean and deviation",
    }
    look_ = {"line": {"color": "var(--ink)", "width": 1.2}, "marker": {"size": 4}}
    return [line | look_ | {"error_y": bars | {"color": "var(--ink)", "thickness": 1}}]


def table(found: CriticalPoints) -> Table | None:
    """Return the points of lowest loss as a table; None without any."""
    listed = sorted(found.points(ROWS), key=lambda p: p["label"])
    if not listed:
        return None
    orbits = any(p["orbit"] > 1 for p in listed)
    columns = [
        *catalogue.PLACE,
        Column("largest eigenvalue"),
        Column("radius", meaning="within it Newton's method is expected to come to the point and to no other"),
        Column("searches", meaning="that came to the point"),
        *([Column("orbit", meaning="points it stands for by the declared symmetries")] if orbits else []),
    ]
    size = found.summary["catalogue_size"]
    more = f"The {len(listed):,} of lowest loss, of {size:,}; catalogue.parquet in the record has all."
    return Table(
        name="points",
        caption="The catalogue",
        columns=columns,
        rows=[_row(found, p, orbits) for p in listed],
        note=more if size > len(listed) else "",
        sort=(0, "ascending"),
    )


def _row(found: CriticalPoints, p: dict[str, Any], orbits: bool) -> list[Cell]:
    largest, radius = float(p["eigenvalues"][-1]), float(p["radius"])
    nothing = Cell("", "")
    return [
        *catalogue.place(found, p),
        nothing if p["kind"] == "kink" else Cell(f"{tidy(largest, p['zero']):.5g}".replace("-", "−"), largest),
        Cell(f"{radius:.2g}", radius) if radius else nothing,
        Cell(f"{int(p['count']):,}", int(p["count"])),
        *([Cell(f"{int(p['orbit']):,}", int(p["orbit"]))] if orbits else []),
    ]


def counts(found: CriticalPoints) -> dict[str, int]:
    """Return how many points of each kind lie in the box, by the word for one or several."""
    told = {}
    for kind in range(len(KINDS)):
        number = int(np.sum((found.catalogue.kind == kind) & found.inside_box))
        if number or kind == Kind.MINIMUM:
            name = word(kind, found.catalogue.x.shape[1])
            told[words.kinds(number, name).split(" ", 1)[1]] = number
    return told
