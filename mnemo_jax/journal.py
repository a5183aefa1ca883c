"""The journal of a record: a line of JSON for whatever was done, with the seconds it took, as it happened."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAME = "journal.jsonl"


def note(folder: Path, entry: dict[str, Any]) -> None:
    """Append an entry; a journal that cannot be written is done without."""
    with suppress(OSError), open(folder / NAME, "a") as file:
        file.write("\n" + json.dumps(entry))  # first, so that a line cut short by a kill spoils no other


def note_end(folder: Path, seconds: dict[str, float]) -> None:
    """Append that the record is finished."""
    note(folder, {"finished": datetime.now(UTC).isoformat(), "seconds": seconds})


def entries(folder: Path) -> list[dict[str, Any]]:
    """Return the entries; a line cut short by a kill is left out."""
    values = []
    for line in (folder / NAME).read_text().splitlines() if (folder / NAME).exists() else []:
        with suppress(ValueError):
            values.append(json.loads(line))
    return values


def finished(folder: Path) -> datetime | None:
    """Return when the record was finished, None where the journal was lost."""
    times = [entry["finished"] for entry in entries(folder) if "finished" in entry]
    return datetime.fromisoformat(times[-1]) if times else None


def seconds(folder: Path) -> dict[str, float]:
    """Return wall-clock seconds by stage, summed over the sessions that made the record."""
    total: dict[str, float] = {}
    for entry in entries(folder):
        for stage, spent in entry.get("seconds", {}).items():
            total[stage] = total.get(stage, 0.0) + spent
    return total
