"""A run from plan to record: the one module that knows the order of the stages."""

import gc
import platform as host
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from jax import Array

from mnemo_jax import store, training
from mnemo_jax.calculus import Args, Loss, Watch, calls_lapack, loss_of, measured, parts_of, typical_norms, values
from mnemo_jax.catalogue import Metric, Table
from mnemo_jax.clock import Clock
from mnemo_jax.descent import Ends, Logs, Rules, StallLog, descend, first_step, follow, is_native
from mnemo_jax.devices import Devices
from mnemo_jax.errors import MnemoError, UserError
from mnemo_jax.finish import finish, gather, is_sure
from mnemo_jax.initializers import Layered
from mnemo_jax.journal import note, note_end
from mnemo_jax.keys import root_of
from mnemo_jax.labelling import Block, Judge, Labelled, Stalls, label, sparing, unjudged
from mnemo_jax.landscape import DENSE, Landscape
from mnemo_jax.plan import Plan, watch_of
from mnemo_jax.polish import Scales
from mnemo_jax.record import Record, load
from mnemo_jax.starts import Draw, Uniform, drawer
from mnemo_jax.stopping import FLOOR_EPS
from mnemo_jax.stretch import OPENING
from mnemo_jax.tables import history_table, members_table, points_of, points_table, stalls_table, starts_table
from mnemo_jax.training import History

AHEAD = 2  # blocks sent to the devices before one is labelled: a device that is done with its part takes the next
SCALE_STARTS = 4096  # uniform in the box, whose gradients set the landscape's gradient scale
HESSIAN_STARTS = 64  # whose Hessians set its curvature
FEWER = 16  # times fewer of both where Hessians are not written out
STALL = 0.01  # of the gradient scale, below which a stall opens; it ends above twice that
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
Warn = Callable[[str], None]


class Prepared(NamedTuple):
    """A plan with its loss in the run's precision, its scales measured and its rules as numbers."""

    plan: Plan
    loss: Loss
    args: Args
    draw: Draw
    rules: Rules
    judge: Judge
    devices: Devices
    logs: Logs
    watch: Watch = Watch()
    parts: tuple[Args, ...] = ()

    @property
    def fixed(self) -> dict[str, Any]:
        """What programs of descents are compiled for."""
        choice = self.plan.optimizer.traced()
        return {"loss": self.loss, "choice": choice, "tile": self.plan.tile, "watch": self.watch}


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
            begin(plan, folder, workers)
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


def folder_of(plan: Plan, out: Path, fresh: bool) -> Path:
    """Return the record's folder: NAME-HASH, or the last or a new one of NAME-HASH-2, -3, ... after ``fresh``."""
    base = out / f"{plan.name}-{plan.digest()}"
    names = [base]
    while (following := out / f"{base.name}-{len(names) + 1}").exists():
        names.append(following)
    if fresh and base.exists():
        return following
    return names[-1]


def _provenance(plan: Plan, devices: Devices) -> dict[str, Any]:
    device = devices.devices[0]
    return {
        "schema": store.SCHEMA,
        "versions": {name: version(name) for name in ("mnemo_jax", "jax", "jaxlib", "optax", "numpy")},
        "platform": device.platform,
        "device": device.device_kind,
        "precision": plan.precision,
        "python": host.python_version(),
        "machine": host.machine(),
        "git": _git(),
        "begun": datetime.now(UTC).isoformat(),
    }


def _git() -> str | None:
    """Return the revision of the working directory, with a plus when it has changes; None outside git."""
    import subprocess

    def ask(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=5).stdout.strip()

    try:
        return ask("rev-parse", "HEAD") + ("+" if ask("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def begin(plan: Plan, folder: Path, devices: Devices) -> None:
    """Write config and provenance, or check that the record there can be gone on with.

    Raises:
        UserError: it was begun by another version, precision or kind of device.
    """
    now = _provenance(plan, devices)
    path = folder / "provenance.json"
    if not path.exists():
        store.write_json(folder / "config.json", plan.resolved())
        if plan.table is not None:
            store.write_json(folder / "table.json", plan.table)
        store.write_json(path, now)
        return
    then = store.read_json(path)
    if then["schema"] > store.SCHEMA:
        raise UserError(f"{folder}: has schema {then['schema']}, and this mnemo_jax reads up to {store.SCHEMA}")
    pairs = [
        (f"{name} {then['versions'].get(name)}", f"{now['versions'][name]}")
        for name in ("mnemo_jax", "jax")
        if then["versions"].get(name) != now["versions"][name]
    ]
    pairs += [
        (f"{key} {then[key]}", now[key])
        for key in ("platform", "device", "precision", "schema")
        if then[key] != now[key]
    ]
    if pairs:
        changed = ", ".join(f"{old}, now {new}" for old, new in pairs)
        raise UserError(f"{folder}: was begun with {changed}; bytes would differ, so use --fresh for a new record")


def devices_for(plan: Plan, number: int | None) -> Devices:
    """Return the devices for a plan's programs, after checking that its loss is a pure scalar function."""
    loss, args = loss_of(plan.landscape, jnp.dtype(plan.precision))
    x, one = (jax.ShapeDtypeStruct(shape, plan.precision) for shape in ((plan.landscape.dim,), ()))
    numbers: Any = dict.fromkeys(plan.optimizer.numbers(), one)
    centre: Any = None if _centre(plan.landscape) is None else x
    rules: Any = Rules(one, jax.ShapeDtypeStruct((), jnp.int32), centre, x, one, one, numbers)  # type: ignore[arg-type]
    step = partial(first_step, loss=loss, choice=plan.optimizer.traced(), watch=watch_of(plan))
    return Devices(number, linear_algebra=calls_lapack(step, x, args, rules))


def prepare(plan: Plan, devices: Devices, warn: Warn = lambda _: None) -> Prepared:
    """Measure the landscape's scales over the first starts and turn the stop rules into numbers."""
    landscape, dtype = plan.landscape, jnp.dtype(plan.precision)
    loss, args = loss_of(landscape, dtype)
    part = _part(plan, devices)
    draw = drawer(plan.starts, landscape, plan.seed, part)
    exact_loss, exact_args = loss_of(landscape, jnp.float64) if plan.precision == "float32" else (loss, args)
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    # The box's own gradients and curvatures: starts in a cloud around a saddle would make every descent a stall.
    number = SCALE_STARTS // (FEWER if landscape.dim > DENSE else 1)
    centre = _centre(landscape)
    x = np.asarray(drawer(Uniform(count=number), landscape, plan.seed, part)(0, number))
    gradient, curvature = typical_norms(x, x[: number // (SCALE_STARTS // HESSIAN_STARTS)], exact_args, loss=exact_loss)
    scales = Scales(jnp.float64(0.5 * np.max(high - low)), gradient, curvature)
    tolerance = _grad_tol(plan, float(gradient), warn)
    below = np.asarray((STALL * np.asarray(gradient)) ** 2, dtype)
    rules = Rules(
        grad_tol=jnp.asarray(tolerance if tolerance > 0 else -1.0, dtype),
        max_steps=jnp.int32((plan.stop.max_steps or 0) // (plan.stop.check_every or 1)),
        centre=None if centre is None else jnp.asarray(centre, dtype),
        reach=jnp.asarray(plan.stop.escape_radius * 0.5 * (high - low), dtype),
        stall_below=jnp.asarray(below),
        stall_above=jnp.asarray(4 * below),
        numbers={key: jnp.asarray(value, dtype) for key, value in plan.optimizer.numbers().items()},
    )
    period = np.where(landscape.periodic, high - low, 0.0)
    metric = Metric(low, period, float(scales.length), float(curvature))
    judge = Judge(landscape, exact_loss, exact_args, scales, metric, devices, tolerance)
    parts = parts_of(landscape, dtype) if landscape.measured else ()
    return Prepared(plan, loss, args, draw, rules, judge, devices, Logs(), watch_of(plan), parts)


def _centre(landscape: Landscape) -> np.ndarray | None:
    """Return the centre of the box ``[d]``, None for the origin."""
    centre = 0.5 * (np.asarray(landscape.lower) + np.asarray(landscape.upper))
    return centre if np.any(centre) else None


def _part(plan: Plan, devices: Devices) -> int:
    """Return the size of the part of a block that each device takes."""
    return -(-plan.block // len(devices))


def _grad_tol(plan: Plan, scale: float, warn: Warn) -> float:
    """Return the gradient tolerance in force, warning when the one asked for is below what rounding allows."""
    floor = FLOOR_EPS * float(jnp.finfo(plan.precision).eps) * scale
    asked = plan.stop.grad_tol
    if asked is None:
        return 1e-8 if plan.precision == "float64" else floor
    if 0 < asked < floor:
        warn(
            f"stop.grad_tol: {asked:g} is below {floor:.2g}, the rounding of this loss's gradients in "
            f"{plan.precision}; descents may run to the last step"
        )
    return asked


def _blocks(prepared: Prepared, folder: Path, clock: Clock, report: Report, warn: Warn) -> None:
    """Compute every block that is not there yet; the next ones descend while one is written, or labelled already."""
    plan, beside = prepared.plan, _beside(prepared)
    todo = list(_missing(plan, folder, warn))
    resumed = plan.count - sum(min(plan.block, plan.count - number * plan.block) for number in todo)
    progress = Progress("descent", resumed, plan.count, resumed)
    report(progress)

    pending: deque[list[Future[Part]]] = deque()
    coming = (_begin(prepared, number) for number in todo)

    def send(most: int) -> None:
        """Send blocks to the devices until so many are there."""
        pending.extend(islice(coming, most - len(pending)))

    seen = _seen(prepared, folder) if plan.catalogue and todo and todo[0] else None
    send(AHEAD if beside else 1)
    if beside and todo and plan.catalogue:
        prepared.judge.get_ready()
    with ThreadPoolExecutor(1, thread_name_prefix="mnemo-writer") as writer:
        writing: Future[None] | None = None
        for number in todo:
            block, useful, total = _collect(prepared, number, pending.popleft())
            clock.lap("descent")
            if beside:
                send(AHEAD)
            labelled = label(block, prepared.judge, seen) if plan.catalogue else unjudged(block, prepared.judge)
            if number == 0:
                seen = sparing(labelled.table, prepared.judge)
            clock.lap("labelling")
            if not beside:
                send(1)
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


Part = tuple[Ends, StallLog, int]


def _begin(prepared: Prepared, number: int) -> list[Future[Part]]:
    """Send a block of starts to the devices, an equal part to each; returns at once."""
    plan = prepared.plan
    first, size, part = _extent(prepared, number)
    root = root_of(plan.seed)

    def work(k: int, device: jax.Device) -> Part:
        own, start = min(max(size - k * part, 0), part), first + k * part
        given = (np.int32(own), np.int64(start), root, prepared.args, prepared.rules, prepared.parts)
        followed, number, *others = jax.device_put(given, device)
        x0 = prepared.draw(number, part).astype(plan.precision)
        ends, log, segments = descend(
            jax.device_put(x0, device),
            followed,
            number,
            *others,
            **prepared.fixed,
            logs=prepared.logs,
        )
        log = log._replace(slot=log.slot.astype(np.int64) + start)
        return *_in_steps(ends, log, prepared.watch.every), segments

    return prepared.devices.each(work)


def _in_steps(ends: Ends, log: StallLog, every: int) -> tuple[Ends, StallLog]:
    """Return ends and stalls with steps counted in updates; the engine counts looks."""
    if every == 1:
        return ends, log
    return (
        ends._replace(
            steps=ends.steps * every,
            stalled=ends.stalled * every,
            period=ends.period * every,
            since=np.where(ends.since >= 0, ends.since * every, ends.since),
        ),
        log._replace(entry=log.entry * every, length=log.length * every),
    )


def _extent(prepared: Prepared, number: int) -> tuple[int, int, int]:
    """Return a block's first start, its number of starts, and the size of the part that each device takes."""
    plan = prepared.plan
    first = number * plan.block
    return first, min(plan.block, plan.count - first), _part(plan, prepared.devices)


def descend_block(prepared: Prepared, number: int) -> tuple[Block, int, int]:
    """Follow one block of starts; return it with its useful and total lane-steps."""
    return _collect(prepared, number, _begin(prepared, number))


def _ready(pending: list[Future[Part]]) -> list[Part]:
    """Wait for a block, awake often enough for Ctrl-C to be heard."""
    while wait(pending, timeout=0.1).not_done:
        pass
    return [future.result() for future in pending]


def _collect(prepared: Prepared, number: int, pending: list[Future[Part]]) -> tuple[Block, int, int]:
    """Bring a block together on the host; return it with its useful and total lane-steps."""
    parts, every = _ready(pending), prepared.watch.every
    ends = jax.tree.map(_joined, *(part[0] for part in parts))
    length = ends.steps - ends.since
    length *= (ends.since >= 0) & (length >= OPENING * every)
    block = Block(
        first=number * prepared.plan.block,
        x=ends.x.astype(np.float64, copy=False),
        outcome=ends.outcome,
        steps=ends.steps,
        period=ends.period,
        stalls=_ended([log for _, log, _ in parts]),
        count=ends.stalls,
        stalled=ends.stalled,
        open_length=length,
        open_smallest=ends.smallest,
        open_x=ends.x_smallest,
        history=ends.history,
    )
    useful = int(np.sum(ends.steps, dtype=np.int64)) + len(ends.steps) * every
    segments = sum(part[2] for part in parts)
    return block, useful, segments * prepared.plan.tile.lanes * prepared.plan.tile.steps * every


def _joined(*columns: np.ndarray) -> np.ndarray:
    """Return parts of a column one after the other; each point as one item, as numpy copies few numbers slowly."""
    first = columns[0]
    if first.ndim != 2:
        return np.concatenate(columns)
    item = np.dtype((np.void, first.shape[1] * first.itemsize))
    return np.concatenate([column.view(item) for column in columns]).view(first.dtype)


def _ended(logs: list[StallLog]) -> Stalls:
    """Return the ended stalls of a block."""
    log = jax.tree.map(_joined, *logs)
    return Stalls(
        start=log.slot,
        rank=log.rank,
        entry=log.entry,
        length=log.length,
        smallest=np.sqrt(log.smallest.astype(np.float64)),
        x=log.x.astype(np.float64),
        exit=log.exit.astype(np.float64),
        censored=np.zeros(len(log.slot), bool),
    )


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
