"""The tables a person reads."""

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Measured, fastest
from benchmarks.rest import Row
from benchmarks.workloads import Workload


def engines(workload: Workload, number: int, entries: Sequence[Measured]) -> Table:
    """Return one workload's table, a row per competitor, the faster of each one's variants."""
    rows = fastest(entries)
    ours = next((row for row in rows if row.competitor.name == "ours" and row.seconds), None)
    words = ", ".join(f"{key} {value}" for key, value in workload.optimizer.items() if key != "name")
    rule = f"{workload.optimizer['name']} {words}, {workload.precision}"
    table = Table(title=f"{workload.name}: {number:,} starts, {rule}", title_justify="left")
    for heading, justify in COLUMNS.items():
        table.add_column(heading, justify=justify)
    for row in rows:
        table.add_row(*cells(row, ours, number), style="bold" if row is ours else None)
    return table


COLUMNS: dict[str, Literal["left", "right"]] = {
    "": "left",
    "M lane-steps/s": "right",
    "range": "right",
    "ours is": "right",
    "starts/s": "right",
    "starts": "right",
    "steps each": "right",
    "same end": "right",
    "same steps": "right",
    "note": "left",
}


def cells(row: Measured, ours: Measured | None, number: int) -> list[str]:
    """Return one competitor's row as words."""
    if row.missing:
        return [row.competitor.title, *[""] * (len(COLUMNS) - 2), row.missing]
    same, comparable = row.agreement, row.competitor.same_rule
    return [
        " ".join(filter(None, (row.competitor.title, row.variant))),
        digits(row.rate / 1e6) if comparable else "",
        f"{digits(row.rates.min() / 1e6)}–{digits(row.rates.max() / 1e6)}" if comparable else "",
        f"{ours.ratio(row):.2f}x" if ours and row is not ours else "",
        digits(row.starts_rate),
        f"{row.starts:,}",
        f"{row.useful / row.starts - 1:,.1f}",
        f"{same.same_place:.2%}" if same else "",
        f"{same.same_steps:.2%}" if same else "",
        "; ".join(filter(None, notes(row, number))),
    ]


def notes(row: Measured, number: int) -> Iterator[str]:
    """Yield what a reader must know of a row."""
    yield row.competitor.differs
    if row.starts < number:
        yield f"measured on {row.starts:,} starts"
    if row.agreement and row.competitor.same_rule and not row.agreement.same_ends:
        yield "ENDS DIFFER"


def rest(rows: Sequence[Row]) -> Table:
    """Return the table of what else was measured."""
    table = Table()
    for heading in ("", "on", "value", "unit", "target"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for row in rows:
        table.add_row(row.measure, row.on, digits(row.value), row.unit, row.target)
    return table


def digits(number: float) -> str:
    """Return a number with three digits or, from a thousand on, all of them."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def show(table: Table) -> None:
    """Print a table, as wide as it is."""
    Console(width=180).print(table)
