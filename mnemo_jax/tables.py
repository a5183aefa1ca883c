"""The columns of a record's Parquet files, and the way back to arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from mnemo_jax import store
from mnemo_jax.catalogue import Table
from mnemo_jax.followed import Block
from mnemo_jax.labelling import Labelled, Members
from mnemo_jax.store import codes, matrix, nullable, vectors, words
from mnemo_jax.training import History
from mnemo_jax.types import Kind, Outcome

OUTCOMES = [outcome.word for outcome in Outcome]
KINDS = [kind.word for kind in Kind]
FAMILIES = ["single", "joined", "not_separated"]
TOP = 1000  # points of a catalogue that are listed, unless more are asked for
DUST = 1e-12  # of what numbers are compared with, below which they are rounding noise around zero
_VECTORS = ("x", "eigenvalues")
_WORDS = {"kind": KINDS, "family": FAMILIES}


def starts_table(
    block: Block, labelled: Labelled, observed: dict[str, np.ndarray], losses: np.ndarray | None
) -> pa.Table:
    """Return the rows of a block's starts.

    Columns: ``start`` (its number), ``outcome``, ``steps``, ``period`` (updates in which a cycle repeats itself, null
    for none), ``point`` (row of the block's points, null for none), ``stalls`` and ``stalled`` (number and total steps,
    those the descent ended in included), ``final`` (steps of the final approach to a minimum), ``x`` and ``loss`` at
    the end when end points are kept, and the observables.
    """
    place = labelled.stalls.start[labelled.stalls.censored] - block.first
    still = labelled.stalls.length[labelled.stalls.censored]
    count, stalled = block.count.copy(), block.stalled.copy()
    count[place] += 1  # a start can end in one stall only
    stalled[place] += still
    columns = {
        "start": block.first + np.arange(len(block.x), dtype=np.int64),
        "outcome": words(block.outcome, OUTCOMES),
        "steps": block.steps,
        "period": store.column(block.period, null=block.period == 0),
        "point": nullable(labelled.point),
        "stalls": count,
        "stalled": stalled,
        "final": labelled.final,
    }
    if losses is not None:
        columns |= {"x": vectors(block.x), "loss": losses}
    return store.table(columns | observed, null=("period", "point"))


def history_table(history: History, first: int, steps: np.ndarray) -> pa.Table:
    """Return a row per start and look: ``start``, ``step``, and a column for each measure."""
    looks = np.searchsorted(history.step, steps) + 1
    there = np.arange(len(history.step)) < looks[:, None]
    start, look = np.nonzero(there)
    columns = {"start": first + start, "step": history.step[look].astype(np.int32)}
    return store.table(columns | {name: history.values[there][:, k] for k, name in enumerate(history.names)})


def stalls_table(labelled: Labelled) -> pa.Table:
    """Return the rows of a block's stalls, without the points where they ended.

    ``point`` is the row of the block's points, null in a flat region; ``direction`` is null where none can be told.
    """
    rows = labelled.stalls._asdict()
    del rows["exit"]
    columns = {name: vectors(values) if name == "x" else values for name, values in rows.items()}
    direction = store.column(labelled.direction, null=labelled.direction == 0)
    columns |= {"point": nullable(labelled.at), "direction": direction}
    return store.table(columns, null=("point", "direction"))


def members_table(members: Members) -> pa.Table:
    """Return the rows of the images that a block's points stand for: ``x``, ``point`` and ``count``."""
    return store.table({"x": vectors(members.x), "point": members.point, "count": members.count})


def points_table(table: Table) -> pa.Table:
    """Return a table of critical points as Arrow columns, kinds and families as words."""
    columns = {}
    for name, values in table._asdict().items():
        if name in _WORDS:
            columns[name] = words(values, _WORDS[name])
        else:
            columns[name] = vectors(values) if name in _VECTORS else values
    return store.table(columns)


def listed(table: Table, count: np.ndarray, top: int, more: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the ``top`` points of a catalogue with the largest ``count [n]`` as plain values, in canonical order.

    ``more`` are further columns ``[n, ...]``.
    """
    rows = np.sort(np.argsort(-count, kind="stable")[:top])
    return [
        {
            "label": int(row),
            "x": table.x[row],
            "loss": table.loss[row],
            "kind": KINDS[table.kind[row]],
            "index": table.index[row],
            "nullity": table.nullity[row],
            "eigenvalues": table.eigenvalues[row],
            "zero": table.zero[row],
            "order": table.order[row],
            "family": FAMILIES[table.family[row]],
            "gradient": table.gradient[row],
        }
        | {name: column[row] for name, column in more.items()}
        for row in rows
    ]


def dust(loss: np.ndarray, scales: Mapping[str, float]) -> float:
    """Return the size below which losses are rounding noise around zero: `DUST` of the spread of all ``loss [n]``.

    Losses that only rounding spreads, as those of minima that are all zero, are compared with that rounding.
    """
    rounding = 64 * np.finfo(float).eps * scales["hessian"] * scales["length"] ** 2
    spread = float(np.ptp(loss)) if len(loss) else 0.0
    return DUST * spread if spread > rounding else float(rounding)


def word(kind: int, dim: int) -> str:
    """Return a kind's word; neither a minimum nor a maximum, a point of one variable is an inflection, no saddle."""
    return "inflection" if kind == Kind.SADDLE and dim == 1 else KINDS[kind]


def tidy(value: float, dust: float = DUST) -> float:
    """Return the value for a person to read, rounding noise around zero as zero."""
    return 0.0 if abs(value) < dust else value


def points_of(arrow: pa.Table) -> Table:
    """Return the critical points of an Arrow table made by `points_table`."""
    columns = {}
    for name in Table._fields:
        stored = arrow.column(name)
        if name in _WORDS:
            columns[name] = codes(stored, _WORDS[name])
        else:
            columns[name] = matrix(stored) if name in _VECTORS else store.numbers(stored)
    return Table(**columns)
