"""The record of a claim: what was fixed before its first run, and every run of every regime, failures too.

Layout of a claim's folder::

    fixed.json           the claim, its hash, that of the experiment's module, the size, and hashes and seeds of earlier
                         runs; written before the first run
    rows/00-name.parquet the runs of a regime or control, a row each; its presence says that it is done
    rows/00-name.json    its note and illustrations
    runs/                records of the engine's runs
"""

import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pydantic import TypeAdapter

from mnemo_jax import store
from mnemo_jax.claims.claim import Claim, Control, Regime, Set, fixed
from mnemo_jax.claims.measurement import MOST, Heat, Illustration, Measurement, Rows, Series, thin

COLUMNS = ("value", "other", "cluster", "ended", "other_ended", "valid", "case")


class Kept(NamedTuple):
    """The runs of a regime or control as they were recorded."""

    rows: Rows
    note: str
    illustrations: tuple[Illustration, ...]


def begin(folder: Path, claim: Claim, own: Set, size: str, code: str, fresh: bool) -> str | None:
    """Begin a claim's record or go on with it; return why its runs say nothing of the claim as it now is, or None.

    Args:
        folder: of the claim's record.
        claim: what was fixed.
        own: the set it is of.
        size: of the runs.
        code: hash of the module with the experiment, "" where it cannot be told.
        fresh: whether to begin anew; hashes and seeds of earlier runs stay, so that no changed claim has their seeds.
    """
    path, now = folder / "fixed.json", fixed(claim, own)
    before = store.read_json(path) if path.exists() else {}
    looked = before.get("looked", [])
    if any(folder.glob("rows/*.parquet")):  # else nothing has been looked at since
        if not fresh:
            return _changed(before, now, code)
        looked = [*looked, {"hash": before["hash"], "seed": before["claim"]["seed"]}]
    if any(one["seed"] == claim.seed and one["hash"] != now for one in looked):
        return f"its file has changed since it was run with seed {claim.seed}; give it a seed that no run has used"
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    words = {"hash": now, "code": code, "size": size, "claim": TypeAdapter(Claim).dump_python(claim, mode="json")}
    store.write_json(path, words | {"comparisons": own.comparisons, "looked": looked})
    return None


def _changed(before: dict[str, Any], now: str, code: str) -> str | None:
    """Return what has changed since a record was begun, None for nothing."""
    if before["hash"] != now:
        return (
            f"it was run as fixed in {before['hash'][:12]}, and its file has changed since (now {now[:12]}); "
            "--fresh runs it again, which needs a seed that no run before has used"
        )
    if code and before.get("code", "") not in ("", code):
        return "the module of its experiment has changed since it was run; --fresh runs it again"
    return None


def keep(folder: Path, number: int, part: Regime | Control, found: Measurement) -> None:
    """Write the runs of a regime or control, the columns last: their presence says that all is there."""
    rows = found.rows()
    columns = {name: getattr(rows, name) for name in COLUMNS if getattr(rows, name) is not None}
    path = _path(folder, number, part)
    words = {"note": found.note, "illustrations": [asdict(_thinned(one)) for one in found.illustrations]}
    store.write_json(path.with_suffix(".json"), words)
    store.write_table(path, pa.table(columns))


def kept(folder: Path, number: int, part: Regime | Control) -> Kept | None:
    """Return what was recorded of a regime or control, None where it is not done."""
    path = _path(folder, number, part)
    if not path.exists():
        return None
    table = store.read_table(path)
    columns = {name: table[name].to_numpy() if name in table.column_names else None for name in COLUMNS}
    case = columns.pop("case")
    words = store.read_json(path.with_suffix(".json"))
    rows: Any = columns
    own = None if case is None else tuple(case.tolist())
    return Kept(Rows(case=own, **rows), words["note"], tuple(map(_illustration, words["illustrations"])))


def _path(folder: Path, number: int, part: Regime | Control) -> Path:
    word = re.sub(r"[^a-z0-9]+", "-", part.name.lower()).strip("-")[:60]
    return folder / "rows" / f"{number:02d}-{word}.parquet"


def _thinned(one: Illustration) -> Illustration:
    """Return an illustration whose series have at most `MOST` points, evenly taken."""
    return replace(one, series=tuple(thin(series, MOST) for series in one.series))


def _illustration(words: dict[str, Any]) -> Illustration:
    series = tuple(Series(**one) for one in words.pop("series"))
    heat = words.pop("heat")
    return Illustration(**words, series=series, heat=heat and Heat(**heat))
