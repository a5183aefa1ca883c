"""The catalogue of a run and its outcomes as tables that a reader sorts."""

from collections.abc import Mapping
from typing import Any

from mnemo_jax.figures.style import Results
from mnemo_jax.record import Record
from mnemo_jax.report import look
from mnemo_jax.report.table import Cell, Column, Table
from mnemo_jax.tables import KINDS, tidy, word
from mnemo_jax.terminal import percent

ROWS = 200  # of the catalogue
COORDINATES = 6  # of a point
PLACE = (
    Column("label", "left", "number in the catalogue, in the order of losses"),
    Column("x", "left"),
    Column("loss"),
    Column("kind", "left"),
    Column("index", meaning="negative eigenvalues of the Hessian"),
    Column("smallest eigenvalue"),
)  # what `place` fills


def catalogue(record: Record) -> Table | None:
    """Return the points with most starts as a table, the largest share first; None without any."""
    points = sorted(record.points(ROWS), key=lambda p: (-p["count"], p["label"]))
    if not points:
        return None
    size = record.summary["catalogue_size"]
    interval = "bounds" if record.config["starts"]["kind"] == "grid" else "95 % interval"
    columns = [
        *PLACE,
        Column("starts"),
        Column("share"),
        Column(interval),
        Column("median steps"),
    ]
    more = f"The {len(points):,} with most starts, of {size:,}; catalogue.parquet in the record has all."
    return Table(
        name="points",
        caption="Critical points that descents met",
        columns=columns,
        rows=[_row(record, p) for p in points],
        note=more if size > len(points) else "",
        sort=(7, "descending"),
    )


def _row(record: Record, p: Mapping[str, Any]) -> list[Cell]:
    low, high = (float(end) for end in p["interval"])
    steps = int(p["median_steps"])
    return [
        *place(record, p),
        Cell(f"{int(p['count']):,}", int(p["count"])),
        Cell(f"{percent(p['share'])} %", float(p["share"])),
        Cell(look.between(low, high), low if low == low else ""),
        Cell(f"{steps:,}", steps) if steps >= 0 else Cell("", ""),
    ]


def place(record: Results, p: Mapping[str, Any]) -> list[Cell]:
    """Return the cells of any point: label, x, loss, kind, index and smallest eigenvalue."""
    kink, smallest = p["kind"] == "kink", float(p["eigenvalues"][0])
    own = look.hues(record).get(p["label"], "")
    kind = word(KINDS.index(p["kind"]), len(p["x"])) + (f", nullity {p['nullity']}" if p["nullity"] else "")
    kind += "" if p["inside_box"] else ", outside"
    nothing = Cell("", "")
    return [
        Cell(str(p["label"]), int(p["label"]), colour=own),
        Cell(look.point(p["x"], COORDINATES), float(p["x"][0])),
        Cell(look.loss(record, p["loss"]), float(p["loss"])),
        Cell(kind),
        nothing if kink else Cell(str(p["index"]), int(p["index"])),
        nothing if kink else Cell(f"{tidy(smallest, p['zero']):.5g}".replace("-", "−"), smallest),
    ]


def outcomes(told: Mapping[str, int], total: int, noun: str) -> Table:
    """Return how many descents or searches, the ``noun``, ended in which way."""
    rows = [
        [Cell(name.replace("_", " ")), Cell(f"{count:,}", count), Cell(f"{percent(count / total)} %", count / total)]
        for name, count in told.items()
        if count or name == "converged"
    ]
    columns = [Column("outcome", "left"), Column(noun), Column("share")]
    return Table(name="outcomes", caption=f"How {noun} ended", columns=columns, rows=rows)
