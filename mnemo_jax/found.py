"""The record of a search for critical points, read from its folder."""

from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mnemo_jax import journal, store
from mnemo_jax.catalogue import Table
from mnemo_jax.errors import UserError
from mnemo_jax.newest import SEVERAL, unfinished
from mnemo_jax.record import Record, load
from mnemo_jax.tables import KINDS, TOP, dust, listed, points_of


class CriticalPoints:
    """The critical points of a landscape; nothing is read before it is asked for.

    Attributes:
        path: the folder.
        summary: outcomes of the searches, audit, gradient-flat points and estimates as plain values.
        config: the resolved config.
        provenance: versions, device and precision.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not is_search(self.path):
            raise UserError(f"{path}: is not the folder of a finished search")
        self.summary, self.config, self.provenance = store.words_of(self.path)

    @cached_property
    def catalogue(self) -> Table:
        """The distinct critical points in canonical order; row number is label, ``count`` the searches that came."""
        return points_of(store.read_table(self.path / "catalogue.parquet"))

    @cached_property
    def dust(self) -> float:
        """The size below which a loss is rounding noise around zero, by the spread of the catalogue's losses."""
        return dust(self.catalogue.loss, self.summary["scales"])

    @cached_property
    def inside_box(self) -> np.ndarray:
        """Whether each point of the catalogue lies in the box, bool ``[n]``."""
        return np.array(self.summary["inside_box"], bool)

    @property
    def audit(self) -> dict[str, Any]:
        """Whether points are missing: ``verdict``, ``sum``, ``expected``, ``message`` and what they rest on."""
        return dict(self.summary["audit"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all results; equal for equal bytes."""
        return str(self.summary["fingerprint"])

    @cached_property
    def finished(self) -> datetime | None:
        """When the search was finished, None where its journal was lost."""
        return journal.finished(self.path)

    def seconds(self) -> dict[str, float]:
        """Return wall-clock seconds by stage."""
        return journal.seconds(self.path)

    def searches(self) -> pa.Table:
        """Return one row per search: ``way``, ``outcome``, ``steps``, ``gradient``, ``kernel``, ``label``, ``x``."""
        return store.read_table(self.path / "searches.parquet")

    def pathways(self) -> pa.Table:
        """Return a row per saddle of index one: ``saddle``, and for both sides ``minimum0``, ``barrier0``, ``end0``.

        ``end0`` says at what the flow ended: a minimum, or why at none that is listed.
        """
        return store.read_table(self.path / "pathways.parquet")

    def points(self, top: int = TOP) -> list[dict[str, Any]]:
        """Return the catalogue as plain values, its first ``top`` points, which are those of lowest loss."""
        table, shares = self.catalogue, self.summary["shares"]
        more = {name: shares[name] for name in ("share", "interval", "interval_simultaneous")}
        more |= {"inside_box": self.inside_box, "orbit": self.summary["orbits"], "radius": table.radius}
        first = -np.arange(len(table.x))
        return listed(table, first, top, {"count": table.count} | more)

    def json(self, top: int = TOP) -> dict[str, Any]:
        """Return everything `mnemo search --json` prints, as plain values that are strict JSON."""
        apart = ("shares", "inside_box", "orbits")
        summary = {key: value for key, value in self.summary.items() if key not in apart}
        whole = {"catalogue": self.points(top), "pathways": self.pathways().to_pylist()}
        return store.strict(summary | whole | {"seconds": self.seconds(), "record": str(self.path)})

    def __repr__(self) -> str:
        kinds = np.bincount(self.catalogue.kind, minlength=len(KINDS))
        told = ", ".join(f"{number:,} {word}" for number, word in zip(kinds, KINDS, strict=True) if number)
        return f"CriticalPoints({str(self.path)!r}: {told or 'none'}; {self.audit['verdict']})"


def is_search(folder: Path) -> bool:
    """Whether a folder holds the record of a finished search."""
    return (folder / "summary.json").exists() and (folder / "pathways.parquet").exists()


def opened(folder: Path) -> Record | CriticalPoints:
    """Return the record of a finished run or search from its folder.

    Raises:
        UserError: as by `load`.
    """
    return CriticalPoints(folder) if is_search(folder) else load(folder)


def several(folder: Path) -> tuple[str, dict[str, Any]] | None:
    """Return the file with the table of a sweep's or a comparison's folder, and the table; None for other folders.

    Raises:
        UserError: it is unfinished.
    """
    for name in SEVERAL:
        if (folder / name).exists():
            return name, store.read_json(folder / name) | {"folder": str(folder)}
    if unfinished(folder):
        raise UserError(f"{folder}: is an unfinished sweep or comparison; run its config again to go on")
    return None
