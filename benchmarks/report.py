"""The results as files: JSON with every number, a table in Markdown, and the figure."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.figure import draw
from benchmarks.machine import sentence
from benchmarks.measure import Measured, fastest
from benchmarks.rest import Row
from benchmarks.table import digits
from benchmarks.workloads import Workload

OURS = "ours"


class Done(NamedTuple):
    """All that was measured on one workload with one number of starts."""

    workload: Workload
    number: int
    entries: list[Measured]


def save(folder: Path, machine: dict[str, Any], done: Sequence[Done], rest: Sequence[Row]) -> None:
    """Write ``benchmarks.json``, ``benchmarks.md`` and the figure into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "machine": machine,
        "engines": [plain(one, entry) for one in done for entry in one.entries],
        "rest": [row._asdict() for row in rest],
    }
    (folder / "benchmarks.json").write_text(json.dumps(values, indent=1))
    (folder / "benchmarks.md").write_text(markdown(machine, done, rest))
    if done:
        draw([(f"{one.workload.name}, {one.number:,} starts", fastest(one.entries)) for one in done], folder)


def plain(one: Done, entry: Measured) -> dict[str, Any]:
    """Return one variant's numbers as plain values."""
    return {
        "workload": one.workload.name,
        "starts": one.number,
        "optimizer": dict(one.workload.optimizer),
        "grad_tol": one.workload.grad_tol,
        "max_steps": one.workload.max_steps,
        "precision": one.workload.precision,
        "competitor": entry.competitor.name,
        "variant": entry.variant,
        "differs": entry.competitor.differs,
        "missing": entry.missing,
        "followed": entry.starts,
        "useful": entry.useful,
        "total": entry.total,
        "seconds": entry.seconds,
        "agreement": entry.agreement and entry.agreement._asdict(),
    }


def markdown(machine: dict[str, Any], done: Sequence[Done], rest: Sequence[Row]) -> str:
    """Return both tables in Markdown under a line that says what machine it was."""
    titles = {entry.competitor.name: entry.competitor.title for one in done for entry in one.entries}
    titles.pop(OURS, None)
    head = ["", "mnemo_jax, M lane-steps/s", *titles.values()]
    rows = [head, ["---"] * len(head), *(summary(one, list(titles)) for one in done)] if done else []
    told = [[row.measure, row.on, digits(row.value), row.unit, row.target] for row in rest]
    also = [["", "on", "value", "unit", "target"], ["---"] * 5, *told] if told else []
    return "\n".join([sentence(machine), "", *map(line, rows), "", *map(line, also), ""])


def summary(one: Done, names: Sequence[str]) -> list[str]:
    """Return one workload's row: our rate, and how many times each competitor's it is."""
    best = {entry.competitor.name: entry for entry in fastest(one.entries)}
    ours = best.get(OURS)
    cells = [f"{one.workload.name}, {one.number:,}", digits(ours.rate / 1e6) if ours and ours.seconds else ""]
    for name in names:
        other = best.get(name)
        if ours and ours.seconds and other and other.seconds:
            cells.append(f"{digits(ours.ratio(other))}x")
        else:
            cells.append(other.missing if other else "")
    return cells


def line(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
