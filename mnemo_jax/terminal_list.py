"""What a person sees of a folder of records: a row for each, with what tells it from the others."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mnemo_jax import store
from mnemo_jax.errors import UserError
from mnemo_jax.newest import SEVERAL, VERDICTS, unfinished, written
from mnemo_jax.terminal import fitted, out, shortened

SPARE = ("seed", "precision", "points", "loss", "what")  # columns that a narrow terminal does without
LOSS = 40  # letters of a loss


def show(folder: Path) -> None:
    """Print the records in a folder."""
    rows = [row for path in sorted(folder.glob("*/")) if (row := _row(path))]
    names = ["run", "what", "loss", "optimizer", "precision", "seed", "starts", "points", "state", "written (UTC)"]
    left = ("run", "what", "loss", "optimizer", "precision", "state", "written (UTC)")
    out.print(fitted("", rows, names, SPARE, left, folding="run") if rows else f"No runs in {folder}.")


def _row(path: Path) -> dict[str, str] | None:
    """Return a record's row, None for a folder that is none."""
    if not (path / "provenance.json").exists():
        return _several(path)
    row = {"run": str(path), "written (UTC)": _day(path)}
    try:
        if store.newer_schema(path) is not None:
            return row | {"state": "needs a newer mnemo_jax"}
        config = store.read_json(path / "config.json")
        row |= {"loss": _loss(config["loss"]), "seed": str(config["seed"])}
        row |= {"optimizer": _optimizer(config.get("optimizer", {})), "precision": config["precision"]}
        if not (path / "summary.json").exists():
            return row | _unfinished(path, config)
        summary = store.read_json(path / "summary.json")
        row |= {"points": f"{summary['catalogue_size']:,}", "state": "done"}
        if "searches" in summary:
            return row | {"what": "search", "starts": f"{summary['searches']:,}", "optimizer": ""}
        what = "escape" if (path / "escape.json").exists() else "run"
        return row | {"what": what, "starts": f"{summary['starts']:,}"}
    except (UserError, KeyError, TypeError, ValueError, AttributeError):
        return row | {"state": "damaged"}


def _several(path: Path) -> dict[str, str] | None:
    """Return the row of a folder of several records, None for one that holds none."""
    parts = len(list(path.glob("*/provenance.json")))
    state = f"done, {parts} run{'' if parts == 1 else 's'}" if parts else "done"
    what = next((word for name, word in (*SEVERAL.items(), (VERDICTS, "claims")) if (path / name).exists()), None)
    if what is None and (begun := unfinished(path)):
        what, state = SEVERAL[begun], "unfinished"
    if what is None:
        return None
    return {"run": str(path), "what": what, "state": state, "written (UTC)": _day(path)}


def _day(path: Path) -> str:
    return f"{datetime.fromtimestamp(written(path), UTC):%Y-%m-%d %H:%M}"


def _loss(table: Mapping[str, Any]) -> str:
    """Return a loss's name, expression or function; a built-in one is a function in records made in Python."""
    told = str(next((table[key] for key in ("name", "expression", "path", "function") if table.get(key)), ""))
    return shortened(told.removeprefix("mnemo_jax.losses.").removesuffix(":loss"), LOSS)


def _optimizer(table: Mapping[str, Any]) -> str:
    """Return an optimizer's name and learning rate, and its other numbers by name."""
    told = {key: f"{value:g}" for key, value in table.items() if isinstance(value, float) or type(value) is int}
    first = f"{table.get('name', '')} {told.pop('learning_rate', '')}".strip()
    return ", ".join([first, *(f"{key} {value}" for key, value in told.items())])


def _unfinished(run: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the starts done and the state of an unfinished run."""
    done = sum(store.rows(block) or 0 for block in (run / "starts").glob("*.parquet"))
    total = _total(config["starts"])
    return {"starts": f"{done:,}", "state": f"unfinished, {100 * done // total} %" if total else "unfinished"}


def _total(starts: Mapping[str, Any]) -> int | None:
    """Return the number of starts that a resolved config asks for; that of a file of points is not written there."""
    match starts:
        case {"count": int(count)}:
            return count
        case {"shape": list(shape)}:
            return math.prod(shape)
        case {"x": list(x)}:
            return len(x)
    return None
