"""A search from plan to record."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mnemo_jax import estimates, store
from mnemo_jax.calculus import values
from mnemo_jax.catalogue import cells
from mnemo_jax.clock import Clock
from mnemo_jax.errors import UserError
from mnemo_jax.found import CriticalPoints
from mnemo_jax.journal import note_end
from mnemo_jax.judge import Judge
from mnemo_jax.pathways import ENDS, Pathways
from mnemo_jax.picture import picture
from mnemo_jax.plan import Plan
from mnemo_jax.prepare import Warn, devices_for, prepare
from mnemo_jax.provenance import begun, folder_of
from mnemo_jax.search import WAYS, Looked, Search, search
from mnemo_jax.stopping import Seeking
from mnemo_jax.tables import KINDS, OUTCOMES, points_table
from mnemo_jax.types import SOUGHT, Outcome

FLAT = 20  # gradient-flat points listed
CELL = 1e-3  # box lengths, within which they count as one


def run(
    plan: Plan,
    out: Path,
    *,
    fresh: bool = False,
    warn: Warn = lambda _: None,
    starts: np.ndarray | None = None,
    imported: float | None = None,
) -> CriticalPoints:
    """Search a plan's landscape and leave the record below ``out``; a finished one is returned as it is.

    Args:
        plan: the landscape, seed and ``search``.
        out: the folder that receives the record's folder.
        fresh: whether to begin a new record where one exists.
        warn: called with each warning, one sentence.
        starts: ``[n, d]``, points to look from instead of those of the first round.
        imported: seconds the process spent on imports.
    """
    clock = Clock({} if imported is None else {"import": imported})
    with jax.enable_x64(True), devices_for(plan, 1) as workers:
        seeking = plan.search or Seeking()
        if starts is None and not seeking.count + seeking.along + seeking.heights:
            raise UserError("search: count, along and heights are all 0, so that nothing would be looked at")
        folder = folder_of(plan, out, fresh)
        if (folder / "summary.json").exists():
            return CriticalPoints(folder)
        with store.locked(folder):
            store.sweep(folder)
            with begun(plan, folder, workers):
                judge = prepare(plan, workers, warn).judge
            clock.lap("preparation")
            found = search(judge, seeking, plan.seed, starts)
            clock.lap("search")
            _write(plan, folder, found, judge)
            clock.lap("writing")
            note_end(folder, clock.taken())
    return CriticalPoints(folder)


def _write(plan: Plan, folder: Path, found: Search, judge: Judge) -> None:
    """Write catalogue, searches, pathways and summary, the last of which says that the search is done."""
    store.write_table(folder / "catalogue.parquet", points_table(found.catalogue))
    store.write_table(folder / "searches.parquet", _searches(found.looked))
    store.write_table(folder / "pathways.parquet", _pathways(found.pathways))
    picture(plan, folder, found.catalogue.x, judge)
    summary = _summary(plan, found, judge)
    store.write_json(folder / "summary.json", summary | {"fingerprint": _fingerprint(found, summary)})


def _searches(looked: Looked) -> pa.Table:
    return pa.table(
        {
            "way": store.words(looked.way, list(WAYS)),
            "outcome": store.words(looked.outcome, OUTCOMES),
            "steps": pa.array(looked.steps),
            "gradient": pa.array(looked.gradient),
            "kernel": pa.array(looked.kernel),
            "label": store.nullable(looked.label),
            "x": store.vectors(looked.x),
        }
    )


def _pathways(paths: Pathways) -> pa.Table:
    return pa.table(
        {
            "saddle": pa.array(paths.saddle),
            "minimum0": store.nullable(paths.minima[:, 0]),
            "minimum1": store.nullable(paths.minima[:, 1]),
            "barrier0": pa.array(paths.barrier[:, 0], mask=np.isnan(paths.barrier[:, 0])),
            "barrier1": pa.array(paths.barrier[:, 1], mask=np.isnan(paths.barrier[:, 1])),
            "end0": store.words(paths.end[:, 0], list(ENDS)),
            "end1": store.words(paths.end[:, 1], list(ENDS)),
        }
    )


def _summary(plan: Plan, found: Search, judge: Judge) -> dict[str, Any]:
    looked, table = found.looked, found.catalogue
    count, total = looked.uniform(len(table.x))
    nothing = np.full((len(table.x), 2), np.nan)
    none = estimates.Shares(np.full(len(table.x), np.nan), nothing, nothing)
    shares = estimates.independent(count, total) if total else none
    return {
        "schema": store.SCHEMA,
        "name": plan.name,
        "seed": plan.seed,
        "searches": len(looked.way),
        "ways": {word: int(np.sum(looked.way == k)) for k, word in enumerate(WAYS)},
        "outcomes": {outcome.word: int(np.sum(looked.outcome == outcome)) for outcome in SOUGHT},
        "catalogue_size": len(table.x),
        "kinds": {word: int(np.sum(table.kind == k)) for k, word in enumerate(KINDS)},
        "shares": shares._asdict() | {"interval_simultaneous": shares.simultaneous},
        "inside_box": found.inside,
        "orbits": found.members,
        "balance": found.balance and found.balance._asdict(),
        "audit": asdict(found.audit),
        "gradient_flat": _flat(looked, judge),
        "unseen": {word: unseen._asdict() for word, unseen in found.unseen.items()},
        "scales": {name: float(value) for name, value in judge.scales._asdict().items()},
    }


def _flat(looked: Looked, judge: Judge) -> dict[str, Any]:
    """Return how many searches ended at gradient-flat points, and where most of them did."""
    rows = np.flatnonzero(looked.outcome == Outcome.GRADIENT_FLAT)
    first, cell = cells(looked.x[rows], CELL * judge.metric.length)
    place = _places(looked.x[rows[first]], judge)[cell]  # ends around the border of two cells are in both
    _, first, count = np.unique(place, return_index=True, return_counts=True)
    most = np.argsort(-count, kind="stable")[:FLAT]
    at = rows[first[most]]
    loss = np.asarray(values(looked.x[at], judge.args, loss=judge.loss)) if len(at) else np.empty(0)
    points = [
        {"x": looked.x[row], "loss": f, "gradient": looked.gradient[row], "kernel": looked.kernel[row], "searches": n}
        for row, f, n in zip(at, loss, count[most], strict=True)
    ]
    return {"searches": len(rows), "places": len(first), "points": points}


def _places(x: np.ndarray, judge: Judge) -> np.ndarray:
    """Return a number per point ``x [n, d]``, equal for those that a chain of short steps joins."""
    near = judge.metric.tree(x).query_pairs(CELL * judge.metric.length, output_type="ndarray") if len(x) else x
    pairs = np.asarray(near, np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(x), len(x)))
    return np.asarray(connected_components(graph, directed=False)[1])


def _fingerprint(found: Search, summary: dict[str, Any]) -> str:
    """Return SHA-256 over the catalogue, the searches and the summary."""
    digest = hashlib.sha256()
    for columns in (found.catalogue, found.looked, found.pathways):
        for column in columns:
            digest.update(np.ascontiguousarray(column).tobytes())
    digest.update(json.dumps(store.strict(summary), sort_keys=True).encode())
    return digest.hexdigest()
