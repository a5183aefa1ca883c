"""Sweeps: one config carried out with several values of some keys, the same starts in every cell.

Each cell is a run with a record of its own, so that a sweep that was killed goes on where it was, and each is compared
with its neighbour start by start: a change of a share is known much better than the share itself.
"""

import hashlib
import itertools
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from mnemo_jax import config as configs
from mnemo_jax import estimates, pipeline, store
from mnemo_jax.branches import Branches
from mnemo_jax.errors import UserError
from mnemo_jax.judge import Judge
from mnemo_jax.plan import Plan
from mnemo_jax.prepare import Warn, devices_for, prepare
from mnemo_jax.record import Record
from mnemo_jax.stability import critical_rate
from mnemo_jax.starts import is_independent

MOST = 1000  # cells of a sweep
RANGES: dict[str, Callable[..., np.ndarray]] = {"linspace": np.linspace, "geomspace": np.geomspace}


class Cell(NamedTuple):
    """One cell: its values by their keys, and its plan."""

    values: dict[str, Any]
    plan: Plan


class Sweep(NamedTuple):
    """What a sweep is: its axes, the last varying fastest, and its cells in that order."""

    name: str
    axes: dict[str, list[Any]]
    cells: list[Cell]

    def neighbour(self, number: int) -> int | None:
        """Return the cell one step back on the last axis on which that is possible, None for the first cell."""
        sizes = [len(values) for values in self.axes.values()]
        place = np.array(np.unravel_index(number, sizes))
        if not place.any():
            return None
        place[np.flatnonzero(place)[-1]] -= 1
        return int(np.ravel_multi_index(tuple(place), sizes))

    def digest(self) -> str:
        """Return the first eight hex digits of the SHA-256 of the cells' own hashes."""
        return hashlib.sha256("".join(cell.plan.digest() for cell in self.cells).encode()).hexdigest()[:8]


def read(path: Path, overrides: Sequence[str], platform: str) -> Sweep:
    """Return the sweep of a config's ``[sweep]`` table and of those overrides that list several values.

    An override ``key=a,b,c`` lists values, ``key=linspace(a,b,n)`` and ``key=geomspace(a,b,n)`` make ``n`` of them; an
    override of a key in ``[sweep]``, of one value too, takes its place.

    Raises:
        UserError: nothing is swept, or a cell is no config that can be carried out.
    """
    listed = dict(map(_listed, overrides))
    plain = [text for text in overrides if _listed(text)[1] is None]
    whole: dict[str, list[Any] | None] = {**dict(_axes(configs.read(path, plain).sweep)), **listed}
    axes = {key: values for key, values in whole.items() if values is not None}
    if not axes:
        raise UserError(
            f"{path}: nothing to sweep; give key=a,b,c or a [sweep] table such as optimizer.momentum = [0, 0.9]"
        )
    for key, listing in axes.items():
        if twice := [value for value in listing if listing.count(value) > 1]:
            raise UserError(f"{path}: sweep.{key}: {twice[0]!r} is there twice")
    if (number := int(np.prod([len(values) for values in axes.values()]))) > MOST:
        raise UserError(f"{path}: {number:,} cells are more than {MOST:,}")
    cells = []
    for values in itertools.product(*axes.values()):
        own = [f"{key}={_text(value)}" for key, value in zip(axes, values, strict=True)]
        config = replace(configs.read(path, [*plain, *own]), sweep={}, until=None)
        cells.append(Cell(dict(zip(axes, values, strict=True)), configs.plan(config, str(path), platform, own)))
    return Sweep(cells[0].plan.name, axes, cells)


def _axes(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Yield the dotted keys of a ``[sweep]`` table with their values."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _axes(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value:
            yield prefix + key, value
        else:
            raise UserError(f"sweep.{prefix}{key}: {json.dumps(value)} is no list of values")


def _listed(override: str) -> tuple[str, list[Any] | None]:
    """Return an override's key and its values, None where it has only one."""
    key, _, text = (part.strip() for part in override.partition("="))
    name, bracket, inside = text.partition("(")
    if name in RANGES and bracket and text.endswith(")"):
        return key, _range(override, name, inside[:-1].split(","))
    parts = _split(text)
    if len(parts) > 1 and not all(parts):
        raise UserError(f"override {override}: a value between the commas is missing")
    return key, [_value(part) for part in parts] if len(parts) > 1 else None


def _range(override: str, name: str, parts: list[str]) -> list[float]:
    """Return the values of ``linspace(a,b,n)`` or ``geomspace(a,b,n)``."""
    try:
        low, high, number = (kind(part) for kind, part in zip((float, float, int), parts, strict=True))
    except ValueError:
        low, high, number = 0.0, 0.0, 0
    if number < 2 or not np.isfinite([low, high]).all() or (name == "geomspace" and not low * high > 0):
        positive = " of one sign" if name == "geomspace" else ""
        told = f"write {name}(from, to, n) with two numbers{positive} and a whole number n of at least 2"
        raise UserError(f"override {override}: {told}")
    return [float(f"{value:.12g}") for value in RANGES[name](low, high, number)]


def _split(text: str) -> list[str]:
    """Return the parts between the commas that are outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote or character in "'\"":
            quote = "" if character == quote else quote or character
        else:
            depth += (character in "[{(") - (character in "]})")
        if character == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _text(value: Any) -> str:
    """Return a value as an override writes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_text(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def run(
    sweep: Sweep,
    out: Path,
    *,
    devices: int | None = None,
    fresh: bool = False,
    report: Callable[[str, pipeline.Progress], None] = lambda *_: None,
    warn: Warn = lambda _: None,
) -> dict[str, Any]:
    """Carry out every cell into a folder below ``out`` and return the sweep's table as plain values, strict JSON.

    Args:
        sweep: the cells.
        out: the folder that receives the sweep's, ``NAME-sweep-HASH``.
        devices: number of local devices, all when None.
        fresh: whether cells that are finished are carried out again.
        report: called with the cell's values in words, and its progress.
        warn: called with each warning, one sentence.
    """
    folder = out / f"{sweep.name}-sweep-{sweep.digest()}"
    gathered = _Gathered(sweep)
    with jax.enable_x64(True), devices_for(sweep.cells[0].plan, 1) as workers:
        for number, cell in enumerate(sweep.cells):
            tell = partial(report, f"cell {number + 1} of {len(sweep.cells)}")
            record = pipeline.run(cell.plan, folder, devices=devices, fresh=fresh, report=tell, warn=warn)
            gathered.add(number, record, prepare(cell.plan, workers).judge)
        table = store.strict(gathered.table())
    store.write_json(folder / "sweep.json", table)
    return table | {"folder": str(folder)}


class _Gathered:
    """What is known of the cells so far; start by start only as long as a neighbour still wants it."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.branches = Branches()
        self.judges: list[Judge] = []
        self.records: list[Record] = []
        self.starts: dict[int, np.ndarray] = {}
        self.counts: list[np.ndarray] = []
        self.same: list[bool | None] = []
        self.changes: list[tuple[int, np.ndarray, np.ndarray, int] | None] = []

    def add(self, number: int, record: Record, judge: Judge) -> None:
        """Add the next cell."""
        before = self.sweep.neighbour(number)
        self.branches.add(record, judge, before, None if before is None else self.judges[before])
        self.judges.append(judge)
        self.records.append(record)
        own = self.branches.of_starts(number, record)
        self.counts.append(np.bincount(own[own >= 0], minlength=len(self.branches)))
        self.changes.append(None)
        cells = self.sweep.cells
        self.same.append(None if before is None else _same_starts(cells[before].plan, cells[number].plan))
        if before is not None and self.same[-1]:
            old, size = self.starts[before], len(self.branches)
            moved = old != own
            gained = np.bincount(own[moved & (own >= 0)], minlength=size)
            lost = np.bincount(old[moved & (old >= 0)], minlength=size)
            self.changes[-1] = (before, gained, lost, int(moved.sum()))
        wanted = {self.sweep.neighbour(later) for later in range(number + 1, len(self.sweep.cells))}
        self.starts = {key: kept for key, kept in (*self.starts.items(), (number, own)) if key in wanted}

    def table(self) -> dict[str, Any]:
        """Return the sweep as plain values."""
        return {
            "name": self.sweep.name,
            "axes": self.sweep.axes,
            "branches": len(self.branches),
            "cells": [self._cell(number) for number in range(len(self.records))],
        }

    def _cell(self, number: int) -> dict[str, Any]:
        record, cell = self.records[number], self.sweep.cells[number]
        total, size = record.summary["starts"], len(self.branches)
        counts = np.pad(self.counts[number], (0, size - len(self.counts[number])))
        sample = is_independent(cell.plan.starts)
        shares = estimates.independent(counts, total)
        return {
            "values": cell.values,
            "record": record.path.name,
            "outcomes": {word: count for word, count in record.outcomes.items() if count},
            "periods": record.summary["periods"],
            "measures": record.summary.get("measures", {}),
            "minima": [
                {
                    "branch": branch,
                    "count": counts[branch],
                    "share": shares.share[branch],
                    "interval": shares.interval[branch] if sample else None,
                    **self._place(number, branch),
                }
                for branch in range(size)
            ],
            "change": self._change(number, size, total, sample),
            "same_starts": self.same[number],
        }

    def _place(self, number: int, branch: int) -> dict[str, Any]:
        """Return where a branch is in a cell, what is known of it there, and the learning rate it bears."""
        known, judge = self.branches.x[number], self.judges[number]
        if branch >= len(known) or not np.all(np.isfinite(known[branch])):
            return {"x": None, "loss": None, "largest_eigenvalue": None, "critical_learning_rate": None, "label": None}
        point = judge.points(known[branch : branch + 1], np.zeros(1, bool))
        largest = float(point.eigenvalues[0, -1])
        labels = np.flatnonzero(self.branches.numbers[number] == branch)
        return {
            "x": known[branch],
            "loss": float(point.loss[0]),
            "largest_eigenvalue": largest,
            "critical_learning_rate": critical_rate(self.sweep.cells[number].plan.optimizer, largest),
            "label": int(labels[0]) if len(labels) else None,
        }

    def _change(self, number: int, size: int, total: int, sample: bool) -> dict[str, Any] | None:
        """Return how a cell differs from its neighbour, from starts followed in both."""
        change = self.changes[number]
        if change is None:
            return None
        before, gained, lost, moved = change
        gained, lost = (np.pad(column, (0, size - len(column))) for column in (gained, lost))
        difference, interval = estimates.paired(gained, lost, total)
        return {
            "from": self.sweep.cells[before].values,
            "changed": moved / total,
            "changed_interval": estimates.wilson(np.array([moved]), total)[0] if sample else None,
            "difference": difference,
            "difference_interval": interval if sample else None,
        }


def _same_starts(one: Plan, other: Plan) -> bool:
    """Whether two plans follow the same starts."""
    a, b = (plan.resolved() for plan in (one, other))
    drawn = ("dim", "lower", "upper")
    return (a["starts"], a["seed"]) == (b["starts"], b["seed"]) and all(a["loss"][k] == b["loss"][k] for k in drawn)
