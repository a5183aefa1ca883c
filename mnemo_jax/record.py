"""A finished run, read from its folder."""

import html
import reprlib
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mnemo_jax import journal, store
from mnemo_jax.catalogue import Table
from mnemo_jax.errors import UserError, did_you_mean
from mnemo_jax.newest import SEVERAL, VERDICTS
from mnemo_jax.tables import KINDS, TOP, dust, listed, points_of, tidy


class Shares(NamedTuple):
    """Shares of the catalogue's points, row by row as in the catalogue.

    Attributes:
        count: int64 ``[n]``, starts with the label.
        share: ``[n]``, of all starts.
        interval, interval_simultaneous: ``[n, 2]``, at 95 % each and for all together; NaN where the starts are no
            sample.
        median_steps: int64 ``[n]``, -1 without starts.
    """

    count: np.ndarray  # type: ignore[assignment]
    share: np.ndarray
    interval: np.ndarray
    interval_simultaneous: np.ndarray
    median_steps: np.ndarray


class Record:
    """The record of a finished run; nothing is read before it is asked for.

    Attributes:
        path: the folder.
        summary: outcomes, estimates and stalls as plain values.
        config: the resolved config.
        provenance: versions, device and precision.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.summary, self.config, self.provenance = store.words_of(self.path)

    @cached_property
    def catalogue(self) -> Table:
        """The distinct critical points in canonical order; row number is label."""
        return points_of(store.read_table(self.path / "catalogue.parquet"))

    @cached_property
    def dust(self) -> float:
        """The size below which a loss is rounding noise around zero, by the spread of the catalogue's losses."""
        return dust(self.catalogue.loss, self.summary["scales"])

    @cached_property
    def shares(self) -> Shares:
        """Counts, shares and intervals per point of the catalogue."""
        told = self.summary["shares"]
        size = self.summary["catalogue_size"]
        each, together = (np.array(told[key], float).reshape(size, 2) for key in ("interval", "interval_simultaneous"))
        return Shares(
            count=np.array(told["count"], np.int64),
            share=np.array(told["share"], float),
            interval=each,
            interval_simultaneous=together,
            median_steps=np.array(told["median_steps"], np.int64),
        )

    @property
    def outcomes(self) -> dict[str, int]:
        """Number of starts by outcome."""
        return dict(self.summary["outcomes"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all results; equal for equal bytes."""
        return str(self.summary["fingerprint"])

    @cached_property
    def inside_box(self) -> np.ndarray:
        """Whether each point of the catalogue lies in the box up to rounding, bool ``[n]``."""
        if not len(self.catalogue.x):
            return np.empty(0, bool)
        low, high = (np.array(self.config["loss"][key]) for key in ("lower", "upper"))
        slack = 1e-9 * (high - low)
        return np.all((self.catalogue.x >= low - slack) & (self.catalogue.x <= high + slack), axis=1)

    def blocks(self, first: int | None = None) -> Iterator[tuple[int, Path]]:
        """Yield number and file of every block of starts, or of the blocks that hold the ``first`` so many starts."""
        needed = None if first is None else max(1, -(-first // self.config["record"]["block"]))
        for path in sorted((self.path / "starts").glob("*.parquet"))[:needed]:
            yield int(path.stem), path

    def starts(self, *columns: str, first: int | None = None) -> pa.Table:
        """Return one row per start in order of their numbers, with ``label`` and ``near``, as an Arrow table.

        ``label`` is the catalogue number of the point a start reached, ``near`` that of the critical point nearest to
        where a start gave up (first 4096 starts of a run); both null for none.

        Args:
            columns: names of the columns wanted; all when there are none.
            first: how many starts, from the first on; only their blocks are read. All when None.
        """
        return pa.concat_tables(self.start_blocks(*columns, first=first), promote_options="permissive").slice(0, first)

    def start_blocks(self, *columns: str, first: int | None = None) -> Iterator[pa.Table]:
        """Yield the rows of `starts` a whole block at a time, for runs that do not fit into memory."""
        for block, path in self.blocks(first):
            table = self._labelled(store.read_table(path), block)
            for column in columns:
                if column not in table.column_names:
                    raise UserError(f"starts: no column {column!r}{did_you_mean(str(column), table.column_names)}")
            yield table.select(list(columns)) if columns else table

    def history(self, first: int | None = None) -> pa.Table | None:
        """Return one row per start and look, ``start``, ``step`` and what was measured, None where nothing was.

        With ``first`` only those of the first so many starts, and only their blocks are read.
        """
        files = [self.path / "history" / path.name for _, path in self.blocks(first)]
        if not files or not files[0].exists():
            return None
        table = pa.concat_tables((store.read_table(file) for file in files), promote_options="permissive")
        return table if first is None else table.filter(pc.less(table["start"], first))

    def stalls(self, first: int | None = None) -> pa.Table:
        """Return one row per stored stall, with ``label`` of the critical point it was at (null: a flat region).

        With ``first`` only those of the first so many starts, and only their blocks are read.
        """
        table = pa.concat_tables(self.stall_blocks(first), promote_options="permissive")
        return table if first is None else table.filter(pc.less(table["start"], first))

    def stall_blocks(self, first: int | None = None) -> Iterator[pa.Table]:
        """Yield the rows of `stalls` a whole block at a time, for runs that do not fit into memory."""
        for block, path in self.blocks(first):
            table = store.read_table(self.path / "stalls" / path.name)
            yield table.drop_columns("point").append_column("label", self._label(table["point"], block))

    def paths(self) -> list[np.ndarray]:
        """Return the full paths of the first starts, ``[steps + 1, d]`` each: as many as the config's ``record.paths``.

        `stored_paths` also has those that figures draw.
        """
        stored = self.stored_paths()
        return [stored[start] for start in range(min(self.config["record"]["paths"], self.summary["starts"]))]

    def stored_paths(self) -> dict[int, np.ndarray]:
        """Return every full path in the record, ``[steps + 1, d]`` each, by the number of its start.

        In two dimensions a few starts from all over the run come first, which figures draw, whatever the config asks;
        of those the first 16,384 steps.
        """
        path = self.path / "paths.npz"
        if not path.exists():
            return {}
        file = store.read_npz(path)
        paths = np.split(file["x"], np.cumsum(file["length"])[:-1])
        return dict(zip(file["start"].tolist(), paths, strict=True))

    def picture(self) -> dict[str, np.ndarray]:
        """Return the loss on a grid, as kept for figures in one and two dimensions: ``axis0``, ``axis1``, ``loss``."""
        return store.read_npz(self.path / "picture.npz")

    @cached_property
    def _labels(self) -> pa.Table:
        return store.read_table(self.path / "labels.parquet")

    @cached_property
    def _label_offsets(self) -> np.ndarray:
        blocks = self._labels["block"].to_numpy()
        return np.searchsorted(blocks, np.arange(len(list(self.blocks())) + 1))

    def _label(self, point: pa.ChunkedArray, block: int) -> pa.Array:
        begin, end = self._label_offsets[block : block + 2]
        return self._labels["label"].slice(begin, end - begin).combine_chunks().take(point.combine_chunks())

    def _labelled(self, table: pa.Table, block: int) -> pa.Table:
        label = self._label(table["point"], block)
        ended = pc.is_in(table["outcome"].cast(pa.string()), value_set=pa.array(["converged", "finished"]))
        none = pa.scalar(None, label.type)
        table = table.append_column("label", pc.if_else(ended, label, none))
        return table.append_column("near", pc.if_else(ended, none, label)).drop_columns("point")

    def to_pandas(self) -> Any:
        """Return the starts as a pandas data frame (pandas must be installed)."""
        return self.starts().to_pandas()

    @cached_property
    def finished(self) -> datetime | None:
        """When the run was finished, None where its journal was lost."""
        return journal.finished(self.path)

    def seconds(self) -> dict[str, float]:
        """Return wall-clock seconds by stage, summed over the sessions that made the record."""
        return journal.seconds(self.path)

    def lane_steps(self) -> dict[str, int]:
        """Return lane-steps that moved a start (``useful``) and all that were computed (``total``)."""
        blocks = {entry["block"]: entry for entry in journal.entries(self.path) if "block" in entry}
        return {key: sum(entry[key] for entry in blocks.values()) for key in ("useful", "total")}

    def points(self, top: int = TOP) -> list[dict[str, Any]]:
        """Return the catalogue as plain values, the ``top`` points with most starts, in canonical order."""
        more = {"inside_box": self.inside_box, "first_start": self.catalogue.first}
        return listed(self.catalogue, self.shares.count, top, self.shares._asdict() | more)

    def json(self, top: int = TOP) -> dict[str, Any]:
        """Return everything `mnemo show --json` prints, as plain values that are strict JSON."""
        lanes = self.lane_steps()
        summary = {key: value for key, value in self.summary.items() if key != "shares"}
        return store.strict(
            summary
            | {
                "catalogue": self.points(top),
                "lane_steps": lanes,
                "lane_efficiency": lanes["useful"] / max(lanes["total"], 1),
                "seconds": self.seconds(),
                "record": str(self.path),
            }
        )

    def __repr__(self) -> str:
        minima = int(np.sum(self.catalogue.kind == KINDS.index("minimum")))
        starts, size = self.summary["starts"], self.summary["catalogue_size"]
        return f"Record({str(self.path)!r}: {starts:,} starts, {size:,} critical points of which {minima:,} minima)"

    def _repr_html_(self) -> str:
        """Return the catalogue as a table for notebooks."""
        head = ["label", "kind", "index", "loss", "share", "95 % interval", "x"]
        rows = []
        for point in self.points(20):
            low, high = point["interval"]
            x = ", ".join(f"{tidy(v):.6g}" for v in point["x"][:6]) + (", …" if len(point["x"]) > 6 else "")
            share = f"{100 * point['share']:.3f} %"
            cells = [
                point["label"],
                point["kind"],
                point["index"],
                f"{tidy(point['loss'], self.dust):.8g}",
                share,
                f"{100 * low:.3f} – {100 * high:.3f} %",
                x,
            ]
            rows.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
        top = "".join(f"<th>{name}</th>" for name in head)
        title = html.escape(f"{self.summary['name']}: {self.summary['starts']:,} starts")
        return f"<b>{title}</b><table><thead><tr>{top}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def load(run: str | Path) -> Record:
    """Return the record of a finished run from its folder.

    Raises:
        UserError: there is no such record, it is unfinished, or a newer mnemo_jax wrote it.
    """
    try:
        folder = Path(run)
    except TypeError as error:
        raise UserError(f"{reprlib.repr(run)}: is not the path of a folder") from error
    if not (folder / "provenance.json").exists():
        raise UserError(f"{folder}: {_instead(folder)}")
    if (folder / "searches.parquet").exists():
        raise UserError(f"{folder}: is the record of a search, which `mnemo show` prints; in Python use CriticalPoints")
    if not (folder / "summary.json").exists():
        done = len(list((folder / "starts").glob("*.parquet")))
        raise UserError(f"{folder}: is unfinished ({done} blocks are there); run its config again to go on")
    return Record(folder)


def _instead(folder: Path) -> str:
    """Return what a path is that is not the folder of a run."""
    if folder.is_file():
        return "is a file; `mnemo run` carries out a config, and prints the folder of its record"
    if (folder / VERDICTS).exists():
        return "is a folder of claims, which its report.html shows"
    if any((folder / name).exists() for name in SEVERAL):
        return "is a folder of several runs; `mnemo show` and `mnemo figures` tell of them together"
    return "is not the folder of a run"
