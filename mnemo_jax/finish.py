"""The end of a run: from all block files to the catalogue, the labels, the estimates and the fingerprint."""

import hashlib
import json
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mnemo_jax import estimates, orbits, store, training
from mnemo_jax.catalogue import Table, ambiguous, canonical_order, cluster, merge
from mnemo_jax.families import families
from mnemo_jax.judge import Judge
from mnemo_jax.labelling import renumbered
from mnemo_jax.picture import picture
from mnemo_jax.plan import Plan
from mnemo_jax.starts import SCRAMBLINGS, Grid, Sobol, Uniform, is_independent
from mnemo_jax.stopping import Until
from mnemo_jax.symmetry import zero_modes
from mnemo_jax.tables import FAMILIES, KINDS, OUTCOMES, points_of, points_table
from mnemo_jax.tally import Histograms
from mnemo_jax.types import REPORTED, Kind, Outcome

WAITING = 8  # parts of columns that may wait for their hashes
DURATIONS = (10, 100, 1000, 10_000)  # steps, at which the share of starts that stalled longer is given


class Found(NamedTuple):
    """What a run has found, still in memory.

    Attributes:
        catalogue: its distinct critical points in canonical order.
        labels: the rows of ``labels.parquet``.
        summary: outcomes, shares, estimates and the fingerprint.
    """

    catalogue: Table
    labels: pa.Table
    summary: dict[str, Any]


def gather(plan: Plan, folder: Path, judge: Judge) -> Found:
    """Return what the blocks of a plan's starts, all of them there, found together."""
    names = [f"{number:06d}.parquet" for number in range(-(-plan.count // plan.block))]
    tables = [points_of(store.read_table(folder / "points" / name)) for name in names]
    catalogue, new = merged(tables, judge)
    kept = np.sort(np.argsort(catalogue.first, kind="stable")[: plan.catalogue])
    order = kept[canonical_order(catalogue.take(kept), judge.metric)]
    number = np.full(len(catalogue.x), -1)
    number[order] = np.arange(len(order))
    labels = number[new]  # of every row of every block's table, in order of blocks
    catalogue = catalogue.take(order)
    sizes = [len(table.x) for table in tables]
    blocks = np.repeat(np.arange(len(names), dtype=np.int32), sizes)
    points = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
    local = np.split(labels, np.cumsum(sizes)[:-1])
    view = _Rows(plan, folder, names, local, len(catalogue.x))
    summary = _summary(plan, catalogue, view, judge.grad_tol)
    if orbits.finite(plan.landscape):
        summary["balance"] = _balance(plan, [folder / "members" / name for name in names], local, catalogue, judge)
    summary["ambiguous"] = ambiguous(catalogue, judge.metric).tolist()
    summary["scales"] = {name: float(value) for name, value in judge.scales._asdict().items()}
    return Found(
        catalogue=catalogue,
        labels=store.table({"block": blocks, "point": points, "label": store.nullable(labels)}, null=("label",)),
        summary=summary | {"fingerprint": _fingerprint(view, catalogue, summary)},
    )


def is_sure(until: Until, summary: dict[str, Any]) -> bool:
    """Whether shares and unseen mass are known as well as was asked."""
    low, high = summary["shares"]["interval"].T
    unseen = summary["unseen"]["interval"]
    return bool(np.all(high - low <= 2 * until.half_width)) and unseen is not None and unseen[1] <= until.unseen


def finish(plan: Plan, folder: Path, found: Found, judge: Judge) -> None:
    """Write catalogue, labels and summary; the summary, which says that the run is done, last."""
    store.write_table(folder / "catalogue.parquet", points_table(found.catalogue))
    store.write_table(folder / "labels.parquet", found.labels)
    picture(plan, folder, found.catalogue.x, judge)
    store.write_json(folder / "summary.json", found.summary)


def merged(tables: list[Table], judge: Judge) -> tuple[Table, np.ndarray]:
    """Merge the blocks' tables, flat families into one entry each; return the new row of every old one."""
    whole = Table(*(np.concatenate(columns) for columns in zip(*tables, strict=True)))
    if not len(whole.x):
        return whole, np.empty(0, np.int64)
    merged, new = merge(whole, cluster(whole, judge.metric), judge.metric)
    groups, how = families(merged, judge.args, judge.scales, judge.metric, zero_modes(judge.landscape), loss=judge.loss)
    merged = merged._replace(family=how)
    merged, again = merge(merged, groups, judge.metric)
    return merged, again[new]


class _Hashes:
    """SHA-256 of every column by itself, so that it does not matter where one block ends and the next begins.

    A column has one type in all blocks.

    They are computed in a thread of their own, in which Python's lock is not held.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Any] = {}
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="mnemo-hashes")
        self.begun = deque[Future[None]]()

    def add(self, **columns: np.ndarray) -> None:
        """Append one block's part of each column, which nobody may change any more."""
        if len(self.begun) == WAITING:  # so that memory stays flat
            self.begun.popleft().result()
        self.begun.append(self.thread.submit(self._append, columns))

    def digests(self) -> dict[str, str]:
        """Return the digest of each column; nothing can be added any more."""
        self.thread.shutdown()
        for part in self.begun:
            part.result()
        return {name: digest.hexdigest() for name, digest in sorted(self.columns.items())}

    def _append(self, columns: dict[str, np.ndarray]) -> None:
        for name, values in columns.items():
            self.columns.setdefault(name, hashlib.sha256()).update(np.ascontiguousarray(values))


def _read(folder: Path, names: list[str]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield starts and stalls of each block, the next one's read in a thread meanwhile."""

    def tables(name: str) -> tuple[pa.Table, pa.Table]:
        starts = store.read_table(folder / "starts" / name, without=("x", "loss"))
        return starts, store.read_table(folder / "stalls" / name, without=("x", "smallest"))

    with ThreadPoolExecutor(1, thread_name_prefix="mnemo-reader") as reader:
        futures = (reader.submit(tables, name) for name in names)
        following = next(futures, None)
        while following is not None:
            now, following = following, next(futures, None)
            yield now.result()


class _Rows:
    """What the summary needs of all starts, gathered block by block so that memory stays flat."""

    def __init__(self, plan: Plan, folder: Path, names: list[str], labels: list[np.ndarray], size: int) -> None:
        self.outcomes = dict.fromkeys((outcome.word for outcome in REPORTED), 0)
        self.counts = np.zeros(size, np.int64)
        self.steps = Histograms(size)
        self.totals = dict.fromkeys(("starts", "stalls", "steps", "stalling"), 0)
        self.observed: dict[str, list[np.ndarray]] = {name: [] for name in plan.observables}
        self.measures = training.names(plan.landscape)
        self.measured: dict[str, list[np.ndarray]] = {}
        self.replicates = np.zeros((SCRAMBLINGS, size), np.int64) if isinstance(plan.starts, Sobol) else None
        self.cells: list[np.ndarray] = []
        self.hashes = _Hashes()
        self.periods: Counter[int] = Counter()
        self.uncatalogued = 0
        self.stalls = _Stalls(size, self.hashes)
        for (starts, stalls), local in zip(_read(folder, names), labels, strict=True):
            self._add(plan, starts, local)
            self.stalls.add(stalls, local)

    def _add(self, plan: Plan, table: pa.Table, local: np.ndarray) -> None:
        codes = store.codes(table["outcome"], OUTCOMES)
        point = store.numbers(table["point"], null=-1)
        named = renumbered(point, local)
        ended = (codes == Outcome.CONVERGED) | (codes == Outcome.FINISHED)
        label = named if ended.all() else np.where(ended, named, -1)
        outcomes = np.bincount(codes, minlength=len(OUTCOMES))
        for outcome in REPORTED:
            self.outcomes[outcome.word] += int(outcomes[outcome])
        self.uncatalogued += int(np.sum(ended & (point >= 0) & (named < 0)))
        self.counts += np.bincount(label + 1, minlength=len(self.counts) + 1)[1:]
        steps = store.numbers(table["steps"])
        self.steps.add(label, steps)
        self.totals["starts"] += len(label)
        self.totals["steps"] += int(steps.sum(dtype=np.int64))
        self.totals["stalls"] += int(store.numbers(table["stalls"]).sum(dtype=np.int64))
        self.totals["stalling"] += int(np.sum(store.numbers(table["stalls"]) > 0))
        if self.replicates is not None:
            which = store.numbers(table["start"]) // (plan.count // SCRAMBLINGS)
            np.add.at(self.replicates, (which[label >= 0], label[label >= 0]), 1)
        if isinstance(plan.starts, Grid):
            self.cells.append(label)
        period = store.numbers(table["period"], null=0)
        self.periods.update(period[period > 0].tolist())
        counted = {name: store.numbers(table[name]) for name in ("stalls", "stalled", "final")}
        counted["period"] = period
        self.hashes.add(starts_outcome=codes, starts_steps=steps, starts_point=named, **counted)
        for name in (name for name in table.column_names if training.is_told(name, self.measures)):
            self.measured.setdefault(name, []).append(store.numbers(table[name]).astype(np.float64))
            self.hashes.add(**{f"measure_{name}": self.measured[name][-1]})
        for name, parts in self.observed.items():
            values = store.numbers(table[name]).astype(np.float64)
            self.hashes.add(**{f"observable_{name}": values})
            parts.append(_moments(values, label, len(self.counts)))


def _moments(values: np.ndarray, label: np.ndarray, size: int) -> np.ndarray:
    """Return number, sum, smallest and largest of the values per label ``[4, size]``."""
    inside = label >= 0
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(low, label[inside], values[inside])
    np.maximum.at(high, label[inside], values[inside])
    number = np.bincount(label[inside], minlength=size)
    return np.stack([number, np.bincount(label[inside], values[inside], minlength=size), low, high])


class _Stalls:
    """Stalls counted by the critical point they were at (the last row: a flat region)."""

    def __init__(self, size: int, hashes: _Hashes) -> None:
        self.hashes = hashes
        self.number = np.zeros(size + 1, np.int64)
        self.censored = np.zeros(size + 1, np.int64)
        self.length = np.zeros(size + 1, np.int64)
        self.longest = np.zeros(size + 1, np.int64)
        self.exits: Counter[tuple[int, int]] = Counter()
        self.histogram = Histograms(size + 1)
        self.longer = np.zeros(len(DURATIONS), np.int64)

    def add(self, table: pa.Table, local: np.ndarray) -> None:
        """Count one block's stalls."""
        size = len(self.number) - 1
        point = store.numbers(table["point"], null=-1)
        at = renumbered(point, local)
        at = np.where(at >= 0, at, size)
        length = store.numbers(table["length"])
        self.number += np.bincount(at, minlength=size + 1)
        self.censored += np.bincount(at[store.numbers(table["censored"])], minlength=size + 1)
        self.length += np.bincount(at, length, minlength=size + 1).astype(np.int64)
        np.maximum.at(self.longest, at, length)
        self.histogram.add(at, length)
        direction = store.numbers(table["direction"], null=0)
        self.exits.update(zip(at.tolist(), direction.tolist(), strict=True))
        start = store.numbers(table["start"])
        self.hashes.add(
            stall_start=start, stall_entry=store.numbers(table["entry"]), stall_length=length, stall_point=at
        )
        self.hashes.add(stall_direction=direction)
        for k, duration in enumerate(DURATIONS):
            self.longer[k] += len(np.unique(start[length > duration]))


def _summary(plan: Plan, catalogue: Table, rows: _Rows, grad_tol: float) -> dict[str, Any]:
    shares = _shares(plan, rows)
    unseen = _unseen(plan, catalogue, rows)
    medians = rows.steps.medians()
    return {
        "schema": store.SCHEMA,
        "name": plan.name,
        "seed": plan.seed,
        "starts": plan.count,
        "grad_tol": grad_tol,
        "outcomes": rows.outcomes,
        "periods": {str(period): count for period, count in sorted(rows.periods.items())},
        "catalogue_size": len(catalogue.x),
        "uncatalogued": rows.uncatalogued,
        "unlabelled": rows.outcomes["converged"]
        + rows.outcomes["finished"]
        - int(rows.counts.sum())
        - rows.uncatalogued,
        "shares": {
            "count": rows.counts,
            "share": shares.share,
            "interval": shares.interval,
            "interval_simultaneous": shares.simultaneous,
            "median_steps": medians,
        },
        "interval_meaning": _meaning(plan),
        "unseen": {
            "mass": unseen.mass,
            "interval": unseen.interval,
            "minima_estimate": unseen.points_estimate,
            "reason": unseen.reason,
        },
        "stalls": _stall_summary(plan, catalogue, rows),
        "observables": {name: _observable(parts) for name, parts in rows.observed.items()},
        "steps": rows.totals["steps"],
    } | (
        {"measures": training.summary({name: np.concatenate(parts) for name, parts in rows.measured.items()})}
        if rows.measured
        else {}
    )


def _meaning(plan: Plan) -> str:
    if isinstance(plan.starts, Sobol):
        return "95 % t intervals over 16 independent scramblings"
    if isinstance(plan.starts, Grid):
        return "bounds from cells whose neighbours have another label; no confidence intervals"
    if is_independent(plan.starts):
        return "95 % Wilson intervals, exact ones at none and at all"
    return "shares of the points given, which are no sample: no intervals"


def _shares(plan: Plan, rows: _Rows) -> estimates.Shares:
    if rows.replicates is not None:
        return estimates.replicated(rows.replicates, plan.count // SCRAMBLINGS)
    if isinstance(plan.starts, Grid):
        labels = np.concatenate(rows.cells).reshape(plan.starts.sizes(plan.landscape.dim))
        return estimates.gridded(labels, len(rows.counts), plan.landscape.periodic)
    if is_independent(plan.starts):
        return estimates.independent(rows.counts, plan.count)
    nothing = np.full((len(rows.counts), 2), np.nan)
    return estimates.Shares(rows.counts / plan.count, nothing, nothing)


def _unseen(plan: Plan, catalogue: Table, rows: _Rows) -> estimates.Unseen:
    if not is_independent(plan.starts):
        return estimates.Unseen(None, None, None, "starts are not drawn independently")
    if not plan.catalogue:
        return estimates.Unseen(None, None, None, "record.catalogue is 0, so that no end was judged")
    if rows.uncatalogued:
        return estimates.Unseen(None, None, None, "the catalogue is full, so that not all points are told apart")
    if np.any(catalogue.family == FAMILIES.index("not_separated")):
        return estimates.Unseen(None, None, None, "a flat family is not separated into points")
    return estimates.unseen(rows.counts, plan.count, catalogue.kind == Kind.MINIMUM)


def _stall_summary(plan: Plan, catalogue: Table, rows: _Rows) -> dict[str, Any]:
    stalls = rows.stalls
    median = stalls.histogram.medians()
    share = estimates.independent(np.array([rows.totals["stalling"], *stalls.longer]), plan.count)
    if not (is_independent(plan.starts) or isinstance(plan.starts, Sobol)):  # no sample, no interval
        share = share._replace(interval=np.full_like(share.interval, np.nan))
    places: list[dict[str, Any]] = []
    elsewhere = "flat region" if plan.catalogue else "not judged"
    for row in np.flatnonzero(stalls.number):
        flat = row == len(catalogue.x)
        places.append(
            {
                "at": elsewhere if flat else KINDS[catalogue.kind[row]],
                "label": None if flat else int(row),
                "index": None if flat else int(catalogue.index[row]),
                "escape_rate": None if flat or catalogue.index[row] == 0 else float(-catalogue.eigenvalues[row, 0]),
                "stalls": int(stalls.number[row]),
                "censored": int(stalls.censored[row]),
                "median_length": int(median[row]),
                "mean_length": float(stalls.length[row] / stalls.number[row]),
                "longest": int(stalls.longest[row]),
                "exits": {f"{way:+d}": n for (at, way), n in sorted(stalls.exits.items()) if at == row and way},
            }
        )
    places.sort(key=lambda place: -place["stalls"])
    return {
        "total": rows.totals["stalls"],
        "starts": rows.totals["stalling"],
        "share": float(share.share[0]),
        "interval": share.interval[0],
        "longer_than": [
            {"steps": steps, "starts": int(n), "share": float(s), "interval": i}
            for steps, n, s, i in zip(DURATIONS, stalls.longer, share.share[1:], share.interval[1:], strict=True)
        ],
        "places": places,
    }


def _observable(parts: list[np.ndarray]) -> dict[str, np.ndarray]:
    whole = np.stack(parts)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = whole[:, 1].sum(axis=0) / whole[:, 0].sum(axis=0)
    return {"mean": mean, "smallest": whole[:, 2].min(axis=0), "largest": whole[:, 3].max(axis=0)}


def _balance(
    plan: Plan, files: list[Path], labels: list[np.ndarray], catalogue: Table, judge: Judge
) -> dict[str, Any] | None:
    """Return whether members of orbits attract equally many starts, None where the starts themselves may differ."""
    if not (isinstance(plan.starts, Uniform) and plan.starts.lower is None and plan.starts.upper is None):
        return None
    tables = [store.read_table(file) for file in files if file.exists()]
    if len(tables) < len(files):  # blocks of a version that kept no members
        return None
    x = np.concatenate([store.matrix(table["x"]) for table in tables])
    label = np.concatenate([local[store.numbers(table["point"])] for local, table in zip(labels, tables, strict=True)])
    count = np.concatenate([store.numbers(table["count"]) for table in tables])
    x = judge.metric.lower + judge.metric.wrap(x) if np.any(judge.metric.period > 0) else x
    found = orbits.balance(x, label, catalogue.x, plan.landscape, count)
    return found and found._asdict()


def _fingerprint(rows: _Rows, catalogue: Table, summary: dict[str, Any]) -> str:
    """Return SHA-256 over the starts' columns in order, the catalogue and the estimates.

    The catalogue's spread and ambiguity, which depend on how starts were cut into blocks, stay outside, and so do
    sums of observables, which are rounded in the order of blocks.
    """
    columns = _Hashes()
    columns.add(**{f"catalogue_{k}": column for k, column in catalogue._asdict().items() if k != "spread"})
    columns.add(**{f"shares_{k}": column for k, column in summary["shares"].items()})
    told = {key: value for key, value in summary.items() if key not in ("ambiguous", "observables", "shares")}
    whole = {**rows.hashes.digests(), **columns.digests(), "estimates": store.strict(told)}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
