"""One start of a run followed again: alone, in float64, every step kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mnemo_jax import store
from mnemo_jax.anew import matched, plan_of
from mnemo_jax.calculus import Watch
from mnemo_jax.descent import follow
from mnemo_jax.devices import Devices
from mnemo_jax.errors import UserError
from mnemo_jax.judge import Judge
from mnemo_jax.keys import root_of
from mnemo_jax.prepare import prepare
from mnemo_jax.record import Record, load
from mnemo_jax.symmetry import canonical
from mnemo_jax.types import Kind, Outcome, Tile

INSTEAD = "follow it there with mnemo_jax.descent.follow"
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
        prepared = prepare(replace(plan_of(record, workers, INSTEAD), tile=Tile(lanes=1, steps=1)), workers)
        x0, every = prepared.draw(number, 1), prepared.watch.every
        paths, outcomes = follow(
            x0,
            number,
            root_of(prepared.plan.seed),
            prepared.args,
            prepared.rules,
            loss=prepared.loss,
            choice=prepared.plan.optimizer.traced(),
            watch=Watch(every=every),
        )
        path, outcome = paths[0], Outcome(int(outcomes[0]))
        rows = np.unique(np.round(np.geomspace(1, len(path), min(SHOWN, len(path)))).astype(int)) - 1
        value = jax.vmap(jax.value_and_grad(prepared.loss), in_axes=(0, None))
        losses, gradients = map(np.asarray, value(jnp.asarray(path[rows]), prepared.args))
        if outcome != Outcome.ESCAPED and not np.isfinite(losses[-1]):
            outcome = Outcome.NON_FINITE  # as the engine says of a loss that is no number where its gradient is one
        end = None
        if prepared.plan.catalogue:
            found = prepared.judge.points(path[-1:], np.array([outcome == Outcome.CONVERGED]))
            end = None if found.left[0] else _end(record, found, prepared.judge)
    told = {
        "start": number,
        "outcome": outcome.word,
        "steps": (len(path) - 1) * every,
        "path": [
            {"step": row * every, "loss": loss, "gradient": np.linalg.norm(gradient), "x": path[row]}
            for row, loss, gradient in zip(rows.tolist(), losses, gradients, strict=True)
        ],
        "end": end,
    }
    return store.strict(told | {"differs": _differs(record, number, told)})


def _end(record: Record, found: Any, judge: Judge) -> dict[str, Any]:
    where = canonical(found.x, judge.landscape)
    label = int(matched(where, record.catalogue, judge.metric)[0])
    return {
        "x": where[0],
        "loss": found.loss[0],
        "kind": Kind(int(found.kind[0])).word,
        "index": int(found.index[0]),
        "label": label if label >= 0 else None,
    }


def _differs(record: Record, number: int, told: dict[str, Any]) -> str | None:
    """Return how the run's row for the start differs, in words; None when it agrees."""
    rows = record.starts("start", "outcome", "label").slice(number, 1).to_pylist()[0]
    label = told["end"]["label"] if told["end"] and told["outcome"] in ("converged", "finished") else None
    if rows["outcome"] != told["outcome"]:
        return f"{rows['outcome'].replace('_', ' ')}, not {told['outcome'].replace('_', ' ')}"
    return None if rows["label"] == label else f"label {rows['label']}, not {label}"
