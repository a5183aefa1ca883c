"""What a person sees of several runs side by side: a sweep's cells, and optimizers against the gradient flow."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from mnemo_jax.pipeline import Progress
from mnemo_jax.terminal import coordinates, err, out, percent
from mnemo_jax.terminal_training import ends_of

COLUMNS = 6  # minima with a column of their own in a sweep's table
ROWS = 40  # minima listed


@contextmanager
def progress() -> Iterator[Any]:
    """Yield the function to report to; it says which run is under way and how far it is."""
    with err.status("compiling") as status:

        def report(name: str, done: Progress) -> None:
            status.update(f"{name}: {done.stage}, {done.done:,} of {done.total:,} starts")

        yield report


def sweep(told: Mapping[str, Any]) -> None:
    """Print a sweep: a row per cell, then the minima and what learning rates they bear."""
    cells = told["cells"]
    out.print(Text(_sweep_sentence(told), style="bold"))
    out.print()
    shares = np.array([[minimum["share"] for minimum in cell["minima"]] for cell in cells]).reshape(len(cells), -1)
    largest = np.sort(np.argsort(-shares.max(axis=0, initial=0), kind="stable")[:COLUMNS]).tolist()
    outcomes = [word for word in _words(cells) if word != "converged"]
    columns = [*told["axes"], *(f"minimum {branch}" for branch in largest), *outcomes, "periods", "changed"]
    if not any(cell["periods"] for cell in cells):
        columns.remove("periods")
    if measured := any(cell["measures"] for cell in cells):
        out.print(_measures(told["axes"], cells))
    if measured and not told["branches"]:  # the ends of networks are not told apart
        out.print(f"Records: {told['folder']}", soft_wrap=True)
        return
    table = _table("Cells", columns, left=len(told["axes"]))
    for cell in cells:
        table.add_row(*_cell_row(cell, largest, outcomes, "periods" in columns))
    out.print(table)
    if told["branches"] > len(largest):
        out.print(f"{told['branches'] - len(largest)} more minima have no column; --json has them all.")
    if any(cell["same_starts"] for cell in cells):
        out.print("Changed: starts that end elsewhere than in the neighbouring cell (one value back), 95 % interval.")
    if any(cell["same_starts"] is False for cell in cells):
        out.print("Where cells follow other starts than their neighbours no changes are counted.")
    out.print(_minima(cells))
    out.print(f"Records: {told['folder']}", soft_wrap=True)


def _measures(axes: Sequence[str], cells: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of what was measured at the end of each cell's descents on data."""
    ends = [ends_of(cell["measures"]) for cell in cells]
    table = _table("At the end, median over starts (5 – 95 %)", [*axes, *ends[0]], left=len(axes))
    for cell, own in zip(cells, ends, strict=True):
        table.add_row(*map(_value, cell["values"].values()), *own.values())
    return table


def _sweep_sentence(told: Mapping[str, Any]) -> str:
    axes = " and ".join(f"{len(values)} values of {key}" for key, values in told["axes"].items())
    found = f", {told['branches']:,} minima" if told["branches"] or not told["cells"][0]["measures"] else ""
    return f"{told['name']}: {axes}, {len(told['cells'])} runs{found}"


def _words(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the outcomes that any cell has, in the order in which they were met."""
    return list(dict.fromkeys(word for cell in cells for word in cell["outcomes"]))


def _cell_row(cell: Mapping[str, Any], largest: list[int], outcomes: list[str], periods: bool) -> list[str]:
    total = sum(cell["outcomes"].values())
    row = [_value(value) for value in cell["values"].values()]
    row += [_share(cell["minima"][branch]["share"]) for branch in largest]
    row += [_share(cell["outcomes"].get(word, 0) / total) for word in outcomes]
    if periods:
        row.append(", ".join(cell["periods"]))
    change = cell["change"]
    return [*row, "" if change is None else _share(change["changed"], change["changed_interval"])]


def _minima(cells: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of minima, each as it is in the last cell it was followed to."""
    table = _table("Minima", ["minimum", "x", "loss", "largest eigenvalue", "stable below rate"], left=2)
    for branch in range(min(ROWS, max(len(cell["minima"]) for cell in cells))):
        known = [cell["minima"][branch] for cell in cells if branch < len(cell["minima"])]
        place = next((minimum for minimum in reversed(known) if minimum["x"] is not None), None)
        if place:
            rate = place["critical_learning_rate"]
            table.add_row(
                str(branch),
                coordinates(np.array(place["x"])),
                f"{place['loss']:.8g}",
                f"{place['largest_eigenvalue']:.5g}",
                "" if rate is None else f"{rate:.5g}",
            )
    return table


def compare(told: Mapping[str, Any]) -> None:
    """Print a comparison: a row per optimizer, the flow first."""
    flow = told["flow"]
    out.print(Text(_compare_sentence(told), style="bold"))
    out.print()
    columns = ["optimizer", "other minimum", "95 % interval", "undecided", "mean steps", "mean gradients"]
    table = _table("Against the gradient flow", columns, left=1)
    table.add_row(flow["name"], "", "", _share(flow["undecided"]), *_cost(flow))
    for arm in told["optimizers"]:
        interval = arm["differ_interval"]
        told_interval = "" if interval is None else f"{percent(interval[0])} – {percent(interval[1])} %"
        table.add_row(arm["name"], _share(arm["differ"]), told_interval, _share(arm["undecided"]), *_cost(arm))
    out.print(table)
    confirmed = flow["confirmed"]
    out.print(
        f"The flow was followed again, at a tolerance of {confirmed['rtol']:g}, from {confirmed['starts']:,} of the "
        f"starts: {confirmed['differ']:,} ended elsewhere."
    )
    out.print("Undecided: the optimizer or the flow reached no minimum.")
    out.print(f"Records: {told['folder']}", soft_wrap=True)


def _compare_sentence(told: Mapping[str, Any]) -> str:
    worst = max(told["optimizers"], key=lambda arm: arm["differ"])
    return (
        f"{told['name']}: {told['starts']:,} starts; {worst['name']} leads {percent(worst['differ'])} % of them to "
        "another minimum than the gradient flow" + (", the most" if len(told["optimizers"]) > 1 else "")
    )


def _cost(arm: Mapping[str, Any]) -> tuple[str, str]:
    gradients = arm["mean_gradients"]
    return f"{arm['mean_steps']:,.1f}", "" if gradients is None else f"{gradients:,.1f}"


def _share(share: float, interval: Sequence[float] | None = None) -> str:
    told = f" ({percent(interval[0])} – {percent(interval[1])} %)" if interval else ""
    return f"{percent(share)} %{told}"


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(title: str, columns: Sequence[str], left: int) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for number, name in enumerate(columns):
        table.add_column(
            name.replace("_", " ") if "." not in name else name, justify="left" if number < left else "right"
        )
    return table


TABLES = {"sweep.json": sweep, "compare.json": compare}
"""What prints the table of several runs, by the file in their folder that holds it."""
