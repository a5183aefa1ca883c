"""One start of a run followed again: alone, in float64, every step kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import TypeAdapter

from mnemo_jax import config as configs
from mnemo_jax import escape, pipeline, store
from mnemo_jax.descent import follow
from mnemo_jax.devices import Devices
from mnemo_jax.errors import UserError
from mnemo_jax.labelling import Judge
from mnemo_jax.plan import Plan
from mnemo_jax.record import Record, load
from mnemo_jax.stopping import Escaping
from mnemo_jax.symmetry import canonical
from mnemo_jax.types import Kind, Outcome, Tile

SHOWN = 60  # steps of a path that are printed, spaced evenly in the logarithm of the step


def follow_again(run: Path, number: int) -> dict[str, Any]:
    """Follow start ``number`` of a run in float64 and return its path, its end and whether the run agrees.

    Raises:
        UserError: the run has no such start, or its loss was made in Python and cannot be made again here.
    """
    record = load(run)
    if number >= record.summary["starts"]:
        raise UserError(f"{run}: has {record.summary['starts']:,} starts, numbered from 0; there is no {number}")
    with jax.enable_x64(True), Devices(1) as workers:
        prepared = pipeline.prepare(_plan(record, workers), workers)
        x0 = prepared.draw(number, 1)
        paths, outcomes = follow(
            x0,
            number,
            jax.random.key(prepared.plan.seed),
            prepared.args,
            prepared.rules,
            loss=prepared.loss,
            choice=prepared.plan.optimizer.traced(),
        )
        path, outcome = paths[0], Outcome(int(outcomes[0]))
        rows = np.unique(np.round(np.geomspace(1, len(path), min(SHOWN, len(path)))).astype(int)) - 1
        value = jax.vmap(jax.value_and_grad(prepared.loss), in_axes=(0, None))
        losses, gradients = map(np.asarray, value(jnp.asarray(path[rows]), prepared.args))
        if outcome != Outcome.ESCAPED and not np.isfinite(losses[-1]):
            outcome = Outcome.NON_FINITE  # as the engine says of a loss that is no number where its gradient is one
        found = prepared.judge.points(path[-1:], np.array([outcome == Outcome.CONVERGED]))
        end = None
        if not found.left[0]:
            end = _end(record, found, prepared.judge)
    told = {
        "start": number,
        "outcome": outcome.word,
        "steps": len(path) - 1,
        "path": [
            {"step": row, "loss": loss, "gradient": np.linalg.norm(gradient), "x": path[row]}
            for row, loss, gradient in zip(rows.tolist(), losses, gradients, strict=True)
        ],
        "end": end,
    }
    return store.strict(told | {"differs": _differs(record, number, told)})


def _plan(record: Record, workers: Devices) -> Plan:
    table = store.read_json(record.path / "table.json") if (record.path / "table.json").exists() else None
    if table is None:
        raise UserError(f"{record.path}: its loss was made in Python; follow it there with mnemo_jax.descent.follow")
    plan = configs.plan(configs.parse(table, str(record.path)), str(record.path), record.provenance["platform"])
    if "escape" in record.config:
        plan = escape.turned(plan, TypeAdapter(Escaping).validate_json(json.dumps(table["escape"])), workers).plan
    return replace(plan, precision="float64", tile=Tile(lanes=1, steps=1))


def _end(record: Record, found: Any, judge: Judge) -> dict[str, Any]:
    where = canonical(found.x, judge.landscape)
    distance = judge.metric.between(record.catalogue.x, where) if len(record.catalogue.x) else np.array([np.inf])
    near = int(np.argmin(distance))
    label = near if distance[near] <= 1e-5 * judge.metric.length else None
    return {
        "x": where[0],
        "loss": found.loss[0],
        "kind": Kind(int(found.kind[0])).word,
        "index": int(found.index[0]),
        "label": label,
    }


def _differs(record: Record, number: int, told: dict[str, Any]) -> str | None:
    """Return how the run's row for the start differs, in words; None when it agrees."""
    rows = record.starts("start", "outcome", "label").slice(number, 1).to_pylist()[0]
    label = told["end"]["label"] if told["end"] and told["outcome"] in ("converged", "finished") else None
    if rows["outcome"] != told["outcome"]:
        return f"{rows['outcome'].replace('_', ' ')}, not {told['outcome'].replace('_', ' ')}"
    return None if rows["label"] == label else f"label {rows['label']}, not {label}"
