"""A finished run's plan made anew, to compute more of the same, and its catalogue's points found again."""

import json
from dataclasses import replace

import numpy as np
from pydantic import TypeAdapter

from mnemo_jax import config as configs
from mnemo_jax import escape, store
from mnemo_jax.catalogue import Metric, Table
from mnemo_jax.devices import Devices
from mnemo_jax.errors import UserError
from mnemo_jax.plan import Plan
from mnemo_jax.record import Record
from mnemo_jax.stopping import Escaping

MATCH = 1e-5  # box lengths between a point and the catalogue's that it is


def plan_of(record: Record, workers: Devices, instead: str) -> Plan:
    """Return the plan of a record's run, in float64.

    Args:
        record: the record.
        workers: what makes the starts of a run that begins at a saddle.
        instead: what the user can do where the run's loss was made in Python, for the error.

    Raises:
        UserError: the run's loss was made in Python and cannot be made again here, or is not what it was.
    """
    table = store.read_json(record.path / "table.json") if (record.path / "table.json").exists() else None
    if table is None:
        raise UserError(f"{record.path}: its loss was made in Python; {instead}")
    plan = configs.plan(configs.parse(table, str(record.path)), str(record.path), record.provenance["platform"])
    if "escape" in record.config:
        plan = escape.turned(plan, TypeAdapter(Escaping).validate_json(json.dumps(table["escape"])), workers).plan
    return replace(plan, precision="float64")


def matched(x: np.ndarray, table: Table, metric: Metric) -> np.ndarray:
    """Return the row of the table that each canonical point ``x [n, d]`` is, int64 ``[n]``, -1 for none."""
    if not len(table.x) or not len(x):
        return np.full(len(x), -1)
    away, row = metric.tree(table.x).query(metric.wrap(x))
    return np.where(away <= MATCH * metric.length, row, -1)
