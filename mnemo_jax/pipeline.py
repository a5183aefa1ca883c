"""A run from plan to record: the one module that knows the order of the stages."""

import gc
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from jax import Array

from mnemo_jax import store, training
from mnemo_jax.calculus import Watch, measured, values
from mnemo_jax.catalogue import Table
from mnemo_jax.clock import Clock
from mnemo_jax.descent import follow, is_native
from mnemo_jax.errors import MnemoError
from mnemo_jax.finish import finish, gather, is_sure
from mnemo_jax.followed import Block, Part, collect, send
from mnemo_jax.initializers import Layered
from mnemo_jax.journal import note, note_end
from mnemo_jax.keys import root_of
from mnemo_jax.labelling import Labelled, label, sparing, unjudged
from mnemo_jax.plan import Plan
from mnemo_jax.prepare import Prepared, Warn, devices_for, prepare
from mnemo_jax.provenance import begun, folder_of
from mnemo_jax.record import Record, load
from mnemo_jax.starts import drawer
from mnemo_jax.tables import history_table, members_table, points_of, points_table, stalls_table, starts_table
from mnemo_jax.training import History

AHEAD = 2  # blocks sent to the devices before one is labelled: a device that is done with its part takes the next
PICTURED = 12  # descents of two-dimensional losses kept for figures
PICTURED_STEPS = 1 << 14  # of each at most: a figure shows no more


class Progress(NamedTuple):
    """How far a run is: starts done of all, of which ``resumed`` were there before; useful and total lane-steps."""

    stage: str
    done: int
    total: int
    resumed: int = 0
    useful: int = 0
    steps: int = 0


Report = Callable[[Progress], None]


def run(
    plan: Plan,
    out: Path,
    *,
    devices: int | None = None,
    fresh: bool = False,
    report: Report = lambda _: None,
    warn: Warn = lambda _: None,
    imported: float | None = None,
) -> Record:
    """Carry out a plan into its record's folder below ``out``, going on from what is there.

    Where a device has not the memory for the plan's lanes they are halved, and the warning says so.

    Args:
        plan: what to do.
        out: the folder that receives the run's folder.
        devices: number of local devices, all when None.
        fresh: whether to begin a new record where a finished or unfinished one exists.
        report: called after every block.
        warn: called with each warning, one sentence.
        imported: seconds the process spent on imports, for the table of times.

    Raises:
        UserError: the loss is not a pure scalar function, the folder cannot be written, or it holds an unfinished
            record of another version.
        MnemoError: a device has too little memory to go on with a record that was begun.
    """
    clock = Clock({} if imported is None else {"import": imported})
    while True:
        try:
            return _run(plan, out, devices, fresh, report, warn, clock)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            plan = _with_fewer_lanes(plan, folder_of(plan, out, fresh=False), warn)
        gc.collect()  # what failed still holds its arrays, in circles


def _with_fewer_lanes(plan: Plan, folder: Path, warn: Warn) -> Plan:
    """Return the plan with half the lanes, after taking away the folder in which nothing has been computed.

    Raises:
        MnemoError: blocks of starts are there, whose last bits other lanes would not give; or one lane is left.
    """
    lanes = plan.tile.lanes
    if any(folder.glob("starts/*.parquet")):
        raise MnemoError(
            f"{folder}: the device ran out of memory; free some, or run the config with a smaller tile.lanes"
        )
    if lanes == 1:
        raise MnemoError(
            "tile.lanes: not even one lane fits into the device's memory; use a smaller network or data set"
        )
    warn(f"tile.lanes: {lanes} lanes do not fit into the device's memory; going on with {lanes // 2}")
    shutil.rmtree(folder, ignore_errors=True)
    return replace(plan, tile=replace(plan.tile, lanes=lanes // 2))


def _run(plan: Plan, out: Path, devices: int | None, fresh: bool, report: Report, warn: Warn, clock: Clock) -> Record:
    """Carry out a plan as `run` says, with the lanes it has."""
    with jax.enable_x64(True), devices_for(plan, devices) as workers:
        folder = folder_of(plan, out, fresh)
        if (folder / "summary.json").exists():
            return load(folder)
        drawer(plan.starts, plan.landscape, plan.seed)  # mistakes in the starts come before the folder
        with store.locked(folder):
            store.sweep(folder)
            with begun(plan, folder, workers):
                prepared = prepare(plan, workers, warn)
            clock.lap("preparation")
            for part in plan.looks():
                prepared = prepared._replace(plan=part)
                _blocks(prepared, folder, clock, report, warn)
                report(Progress("catalogue", part.count, plan.count))
                found = gather(part, folder, prepared.judge)
                clock.lap("catalogue")
                if plan.until is None or is_sure(plan.until, found.summary):
                    break
            _paths(prepared, folder)
            clock.lap("paths")
            finish(part, folder, found, prepared.judge)
            clock.lap("catalogue")
            note_end(folder, clock.taken())
        return load(folder)


def _blocks(prepared: Prepared, folder: Path, clock: Clock, report: Report, warn: Warn) -> None:
    """Compute every block that is not there yet; the next ones descend while one is written, or labelled already."""
    plan, beside = prepared.plan, _beside(prepared)
    todo = list(_missing(plan, folder, warn))
    resumed = plan.count - sum(min(plan.block, plan.count - number * plan.block) for number in todo)
    progress = Progress("descent", resumed, plan.count, resumed)
    report(progress)

    pending: deque[list[Future[Part]]] = deque()
    coming = (send(prepared, number) for number in todo)

    def fill(most: int) -> None:
        """Send blocks to the devices until so many are there."""
        pending.extend(islice(coming, most - len(pending)))

    seen = _seen(prepared, folder) if plan.catalogue and todo and todo[0] else None
    fill(AHEAD if beside else 1)
    if beside and todo and plan.catalogue:
        prepared.judge.get_ready()
    with ThreadPoolExecutor(1, thread_name_prefix="mnemo-writer") as writer:
        writing: Future[None] | None = None
        for number in todo:
            block, useful, total = collect(prepared, number, pending.popleft())
            clock.lap("descent")
            if beside:
                fill(AHEAD)
            labelled = label(block, prepared.judge, seen) if plan.catalogue else unjudged(block, prepared.judge)
            if number == 0:
                seen = sparing(labelled.table, prepared.judge)
            clock.lap("labelling")
            if not beside:
                fill(1)
            files = _files(prepared, number, block, labelled)
            if writing is not None:
                writing.result()  # one block at a time waits to be written
                report(progress)
            clock.lap("writing")
            entry = {"block": number, "useful": useful, "total": total, "seconds": clock.taken()}
            writing = writer.submit(_write, folder, files, entry)
            progress = progress._replace(
                done=progress.done + len(block.x), useful=progress.useful + useful, steps=progress.steps + total
            )
        if writing is not None:
            writing.result()
            report(progress)
            clock.lap("writing")


def _seen(prepared: Prepared, folder: Path) -> Table | None:
    """Return the first block's points, as far as they spare those of others a polish.

    It is the first block always, so that files do not depend on where a run was interrupted.
    """
    return sparing(points_of(store.read_table(folder / "points" / "000000.parquet")), prepared.judge)


def _beside(prepared: Prepared) -> bool:
    """Whether starts may descend while others' ends are labelled, which on a CPU takes linear algebra.

    Theirs must have none then (see `devices`), as native programs have not, nor drawing but layer by layer. A GPU's
    memory may not hold both.
    """
    plan, devices = prepared.plan, prepared.devices
    if not devices.apart or devices.platform != "cpu" or isinstance(plan.starts, Layered):
        return False
    x0 = jax.ShapeDtypeStruct((1, plan.landscape.dim), plan.precision)
    return is_native(x0, prepared.args, prepared.rules, **prepared.fixed)


def _missing(plan: Plan, folder: Path, warn: Warn) -> Iterator[int]:
    for number in range(-(-plan.count // plan.block)):
        path = folder / "starts" / f"{number:06d}.parquet"
        if path.exists() and not store.is_whole(path):
            warn(f"{path}: is damaged, and its starts are followed again")
            path.rename(path.with_suffix(".damaged"))
        if not path.exists():
            yield number


def _files(prepared: Prepared, number: int, block: Block, labelled: Labelled) -> dict[str, pa.Table]:
    """Return a block's files by their names, the one that says it is done last."""
    name = f"{number:06d}.parquet"
    observed, files = _observe(prepared, block.x), dict[str, pa.Table]()
    if prepared.parts:
        history = _history(prepared, block)
        observed |= training.columns(history, block.steps, prepared.plan.stop)
        if prepared.watch.looks:
            files[f"history/{name}"] = history_table(history, block.first, block.steps)
    judge = prepared.judge
    losses = values(block.x, judge.args, loss=judge.loss) if prepared.plan.recording.endpoints else None
    files |= {f"points/{name}": points_table(labelled.table), f"stalls/{name}": stalls_table(labelled)}
    if labelled.members is not None:
        files[f"members/{name}"] = members_table(labelled.members)
    starts = starts_table(block, labelled, observed, None if losses is None else np.asarray(losses))
    return files | {f"starts/{name}": starts}


def _write(folder: Path, files: dict[str, pa.Table], entry: dict[str, Any]) -> None:
    """Write a block's files in their order, and its line of the journal."""
    for name, table in files.items():
        store.write_table(folder / name, table)
    note(folder, entry)


def _history(prepared: Prepared, block: Block) -> History:
    """Return what was measured on a block's descents; at start and end alone where every step is looked at."""
    names = training.names(prepared.plan.landscape)
    if block.history is not None:
        return History(names, block.history, np.arange(prepared.watch.looks) * prepared.watch.every)
    x0 = prepared.draw(block.first, len(block.x))
    functions = tuple(prepared.plan.landscape.measured.values())
    ends = [measured(x, prepared.parts, functions=functions, unravel=prepared.loss.unravel) for x in (x0, block.x)]
    return History(names, np.stack(ends, axis=1), np.array([0, prepared.plan.stop.max_steps or 0]))


def _observe(prepared: Prepared, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return each observable ``[n]`` at the end points ``x [n, d]``."""
    observables = prepared.plan.observables
    return {name: np.asarray(_observed(x, function=function)) for name, function in observables.items()}


@partial(jax.jit, static_argnames=("function",))
def _observed(x: Array, *, function: Callable[..., Any]) -> Array:
    return jax.vmap(function)(x)


def _paths(prepared: Prepared, folder: Path) -> None:
    """Follow some starts once more and keep every point: those that figures draw, then the first ones asked for."""
    plan = prepared.plan
    most = jnp.int32(min(int(prepared.rules.max_steps), PICTURED_STEPS))
    short = prepared._replace(rules=prepared.rules._replace(max_steps=most))
    paths = {start: _followed(short, start, 1)[0] for start in _pictured(plan)}
    if asked := min(plan.recording.paths, plan.count):
        paths |= dict(enumerate(_followed(prepared, 0, asked)))
    if paths:
        start, x = np.array(list(paths)), list(paths.values())
        length = np.array([len(path) for path in x])
        store.write_npz(folder / "paths.npz", {"start": start, "length": length, "x": np.concatenate(x)})


def _pictured(plan: Plan) -> list[int]:
    """Return a few starts from all over the run, as neighbours in number are neighbours in space on a grid."""
    number = min(PICTURED, plan.count) if plan.landscape.dim == 2 else 0
    part = np.random.default_rng(plan.seed).random(number)  # even steps would follow a grid's diagonal
    return [int((k + part[k]) * plan.count / number) for k in range(number)]


def _followed(prepared: Prepared, first: int, number: int) -> list[np.ndarray]:
    """Return the paths of ``number`` starts from ``first`` on."""
    plan = prepared.plan
    paths, _ = follow(
        prepared.draw(first, number).astype(plan.precision),
        first,
        root_of(plan.seed),
        prepared.args,
        prepared.rules,
        loss=prepared.loss,
        choice=plan.optimizer.traced(),
        watch=Watch(every=prepared.watch.every),
    )
    return paths
