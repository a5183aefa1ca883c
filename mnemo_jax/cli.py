"""The command ``mnemo``. Results go to stdout, progress and warnings to stderr; jax is imported where it is needed.

Exit codes: 0 done, 1 failed, 2 the user's mistake, 130 interrupted.
"""

import atexit
import errno
import functools
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from mnemo_jax.errors import MnemoError, UserError, did_you_mean
from mnemo_jax.newest import RUNS, candidates

BEGUN = time.perf_counter()

app = typer.Typer(
    name="mnemo",
    help="Map loss landscapes: every minimum reached, the share of starts it attracts, and where descents stall.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mnemo_jax {version('mnemo_jax')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options of the command itself."""


Config = Annotated[Path, typer.Argument(help="TOML file that says what to run.", show_default=False)]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Overrides such as optimizer.learning_rate=0.05", show_default=False)
]
Out = Annotated[Path, typer.Option(help="Folder that receives the run's folder.")]
Devices = Annotated[
    int | None, typer.Option(help="Local devices to use; on CPU one per core by default.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Top = Annotated[
    int | None,
    typer.Option(help="Most rows listed: 20, or 1000 with --json.", min=0, show_default=False),
]
Fresh = Annotated[bool, typer.Option(help="Begin a new record where one exists.")]


def _newest(path: Path) -> Path:
    """Return the folder that a path stands for, saying so where it was chosen."""
    if os.path.exists(path):  # of a path that is too long Path's own would raise an error
        return path
    found = candidates(path)
    if len(found) > 1:
        _warn(f"{path}: taking {found[0]}, the newest of {len(found)}")
    return found[0] if found else path


def _newest_of_each(paths: list[Path] | None) -> list[Path]:
    return [_newest(path) for path in paths or ()]


FOLDER = "Folder of a run, or the name it begins with for the newest such run."
Run = Annotated[Path, typer.Argument(help=FOLDER, show_default=False, callback=_newest)]
Runs = Annotated[list[Path], typer.Argument(help=FOLDER, show_default=False, callback=_newest_of_each)]


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn our errors into one sentence and an exit code."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except MnemoError as error:
            typer.echo(f"mnemo: {error}", err=True)
            raise typer.Exit(error.exit_code) from error
        except BrokenPipeError:
            os._exit(0)  # the reader of our output, such as head, has seen enough
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            typer.echo(f"mnemo: {str(error.filename)[:40]}…: is too long for a path", err=True)
            raise typer.Exit(UserError.exit_code) from error

    return wrapper


@app.command()
@guarded
def run(
    config: Config,
    overrides: Overrides = None,
    out: Out = RUNS,
    devices: Devices = None,
    json_: Json = False,
    fresh: Fresh = False,
    top: Top = None,
) -> None:
    """Carry out a config and print what was found. An unfinished record of it is gone on with."""
    from mnemo_jax import config as configs

    begun = datetime.now(UTC)
    read = configs.read(config, overrides or [])
    platform = _start_jax(devices)
    from mnemo_jax import pipeline, terminal

    plan = configs.plan(read, str(config), platform, overrides or [])
    imported = time.perf_counter() - BEGUN
    with terminal.progress() as report:
        record = pipeline.run(plan, out, devices=devices, fresh=fresh, report=report, warn=_warn, imported=imported)
    if record.finished and record.finished < begun:
        _warn("this run was finished before and is not computed again; --fresh would begin a new record")
    _shown(record, json_, top)


@app.command()
@guarded
def search(
    config: Config,
    overrides: Overrides = None,
    out: Out = RUNS,
    json_: Json = False,
    fresh: Fresh = False,
    top: Top = None,
) -> None:
    """Find the critical points of a config's loss, of every index, and say whether some are missing."""
    from dataclasses import replace

    from mnemo_jax import config as configs

    read = configs.read(config, overrides or [])
    read = replace(read, optimizer={"name": "sgd", "learning_rate": 1.0})  # a search follows no optimizer
    platform = _start_jax(1)
    from mnemo_jax import find

    plan = replace(configs.plan(read, str(config), platform, overrides or []), search=read.search)
    imported = time.perf_counter() - BEGUN
    _shown(find.run(plan, out, fresh=fresh, warn=_warn, imported=imported), json_, top)


@app.command()
@guarded
def sweep(
    config: Config,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Keys with values, key=a,b,c or key=linspace(a,b,n), and overrides.", show_default=False),
    ] = None,
    out: Out = RUNS,
    devices: Devices = None,
    json_: Json = False,
    fresh: Fresh = False,
) -> None:
    """Carry out a config with several values of some keys, the same starts in every cell, and compare them."""
    platform = _start_jax(devices)
    from mnemo_jax import sweep as sweeps
    from mnemo_jax import terminal_several

    asked = sweeps.read(config, overrides or [], platform)
    with terminal_several.progress() as report:
        told = sweeps.run(asked, out, devices=devices, fresh=fresh, report=report, warn=_warn)
    _print(told) if json_ else terminal_several.sweep(told)


@app.command()
@guarded
def compare(
    config: Config,
    overrides: Overrides = None,
    out: Out = RUNS,
    devices: Devices = None,
    json_: Json = False,
    fresh: Fresh = False,
) -> None:
    """Hold the optimizers of a config's [compare] table against the gradient flow, start by start."""
    platform = _start_jax(devices)
    from mnemo_jax import compare as comparisons
    from mnemo_jax import terminal_several

    asked = comparisons.read(config, overrides or [], platform)
    with terminal_several.progress() as report:
        told = comparisons.run(asked, out, devices=devices, fresh=fresh, report=report, warn=_warn)
    _print(told) if json_ else terminal_several.compare(told)


@app.command()
@guarded
def escape(
    config: Config,
    overrides: Overrides = None,
    out: Out = RUNS,
    devices: Devices = None,
    json_: Json = False,
    fresh: Fresh = False,
    both: Annotated[bool, typer.Option("--both", help="In float32 and in float64, side by side.")] = False,
) -> None:
    """Measure how long descents take to leave a saddle, and hold it against the law."""
    from mnemo_jax import config as configs

    precisions = ["precision=float64", "precision=float32"] if both else [None]
    words = [[*(overrides or []), *([one] if one else [])] for one in precisions]
    read = [configs.read(config, own) for own in words]
    platform = _start_jax(devices)
    from mnemo_jax import escape as escapes
    from mnemo_jax import terminal

    plans = [escapes.plan(one, str(config), platform, own) for one, own in zip(read, words, strict=True)]
    imported = time.perf_counter() - BEGUN
    found: list[Any] = []
    for plan, escaping in plans:
        with terminal.progress() as report:
            found.append(
                escapes.run(
                    plan,
                    escaping,
                    out,
                    devices=devices,
                    fresh=fresh,
                    report=report,
                    warn=_warn,
                    imported=None if found else imported,
                )
            )
    _escapes(found, json_)


def _escapes(found: Any, json_: bool) -> None:
    from mnemo_jax import terminal_escape

    _print({"escapes": [one.json() for one in found]}) if json_ else terminal_escape.show(found)


@app.command()
@guarded
def claims(
    folder: Annotated[Path, typer.Argument(help="Folder of claims, a TOML file each.", show_default=False)],
    size: Annotated[str, typer.Option(help="smoke, standard or full: the numbers of runs.")] = "smoke",
    only: Annotated[
        list[str] | None, typer.Option(help="Run this claim alone; may be repeated.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that receives the folder of records.")] = RUNS,
    devices: Devices = None,
    json_: Json = False,
    fresh: Fresh = False,
    lock: Annotated[bool, typer.Option("--lock", help="Fix the claims as they are now; runs nothing.")] = False,
) -> None:
    """Test a folder's claims and write the page of verdicts. What is recorded already is not run again."""
    from mnemo_jax.claims import carry_out
    from mnemo_jax.claims.claim import Size
    from mnemo_jax.claims.verdict import Verdict

    if lock:
        typer.echo(str(carry_out.lock(folder)))
        return
    if size not in (sizes := get_args(Size)):
        raise UserError(f"--size {size}: no such size{did_you_mean(size, sizes)}")
    _start_jax(devices)
    from mnemo_jax import terminal_claims
    from mnemo_jax.report.claims import claims_page
    from mnemo_jax.report.page import write

    with terminal_claims.progress() as report:
        own, told, home = carry_out.carry_out(folder, out, size, only or [], fresh, report)
    (words, verdicts), page = carry_out.write(own, told, home), home / "report.html"
    write(page, claims_page(own, told, size))
    if json_:
        _print({"claims": words["claims"]})
    else:
        terminal_claims.show(own, told, verdicts, page)
    if any(one.verdict in (None, Verdict.INVALID) for one in told if not only or one.claim.id in only):
        raise typer.Exit(1)


@app.command(name="list")
@guarded
def list_(
    out: Annotated[Path | None, typer.Argument(help="Folder of runs; runs/ when none.", show_default=False)] = None,
) -> None:
    """List the runs, searches, sweeps, comparisons and claims in a folder."""
    if out and not out.is_dir():
        raise UserError(f"{out}: no such folder")
    from mnemo_jax import terminal_list

    terminal_list.show(out or RUNS)


@app.command()
@guarded
def show(run: Run, json_: Json = False, top: Top = None) -> None:
    """Print what a run, a search, a sweep or a comparison found."""
    from mnemo_jax import terminal_several
    from mnemo_jax.found import opened, several

    if found := several(run):
        name, told = found
        _print(told) if json_ else terminal_several.TABLES[name](told)
    else:
        _shown(opened(run), json_, top)


@app.command()
@guarded
def stalls(
    run: Run,
    json_: Json = False,
    longer: Annotated[
        str | None,
        typer.Option(help="Steps at which shares of starts are given: 10,100,1000,10000.", show_default=False),
    ] = None,
    top: Top = None,
) -> None:
    """Print where a run's descents stalled, for how long, and which side they left by."""
    from mnemo_jax import dwells
    from mnemo_jax.finish import DURATIONS
    from mnemo_jax.record import load

    steps = DURATIONS if longer is None else _whole_numbers("--longer", longer)
    record = load(run)
    told = dwells.analyse_stalls(record, steps, dwells.TOP if top is None else top)
    if json_:
        from mnemo_jax.stall_report import report

        _print(report(record, told))
    else:
        from mnemo_jax import terminal, terminal_stalls

        terminal_stalls.show(record, told, terminal.ROWS if top is None else top)


@app.command()
@guarded
def figures(runs: Runs) -> None:
    """Draw the figures of runs, searches, sweeps or comparisons into their folders, as SVG and PNG."""
    from mnemo_jax.figures import draw, draw_search, draw_several
    from mnemo_jax.found import opened
    from mnemo_jax.record import Record

    for run in runs:
        paths = draw_several(run)
        if paths is None:
            record = opened(run)
            paths = draw(record) if isinstance(record, Record) else draw_search(record)
        for path in paths:
            typer.echo(str(path))


@app.command()
@guarded
def report(
    runs: Runs,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; report.html in the record's folder when none.", show_default=False),
    ] = None,
) -> None:
    """Write the page of a run or a search, one HTML file to publish that refers to nothing outside itself."""
    from mnemo_jax.report import report as write_page

    if out and len(runs) > 1:
        raise UserError(f"--out {out}: is one file, and there are {len(runs)} records")
    for run in runs:
        typer.echo(str(write_page(run, out)))


@app.command()
@guarded
def boundary(
    run: Run,
    json_: Json = False,
    edges: Annotated[bool, typer.Option("--edges/--no-edges", help="Look for distances and edges too.")] = True,
    minima: Annotated[int, typer.Option(help="Minima looked at, those of largest share.", min=1)] = 16,
) -> None:
    """Say how entangled a run's basins are. How fractal a grid's map, how far minima from it, which saddles on it."""
    from mnemo_jax.record import load

    record = load(run)
    _start_jax(1)
    from mnemo_jax.figures import draw_boundary
    from mnemo_jax.run_boundary import boundary_of, told
    from mnemo_jax.terminal import err

    with err.status("following descents from near the boundary" if edges else "measuring the grid"):
        found = boundary_of(record, edges, minima)
        paths = draw_boundary(record, found)
    if json_:
        _print(told(record, found) | {"figures": [str(path) for path in paths]})
    else:
        from mnemo_jax import terminal_boundary

        terminal_boundary.show(record, found, paths)


@app.command()
@guarded
def networks(
    run: Run,
    json_: Json = False,
    starts: Annotated[int, typer.Option(help="Ends looked at, those of the first starts.", min=1)] = 100,
    curvature: Annotated[int, typer.Option(help="Ends whose curvature is computed.", min=0)] = 4,
    pairs: Annotated[int, typer.Option(help="Pairs of ends between which barriers are looked for.", min=0)] = 10,
) -> None:
    """Look at a run's trained networks. Gradients, units, distinct ends, curvature, barriers, sharpness."""
    from mnemo_jax.record import load

    record = load(run)
    _start_jax(1)
    from mnemo_jax.figures import draw_networks
    from mnemo_jax.run_networks import networks_of, write
    from mnemo_jax.terminal import err

    with err.status("reading") as status:
        told = networks_of(record, starts, curvature, pairs, report=status.update)
        write(record, told)
        paths = draw_networks(record)
    if json_:
        _print(told | {"figures": [str(path) for path in paths]})
    else:
        from mnemo_jax import terminal_networks

        terminal_networks.show(record.summary["name"], told, paths)


@app.command()
@guarded
def query(
    sql: Annotated[
        str, typer.Argument(help="SQL over views such as starts, catalogue and searches.", show_default=False)
    ],
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of runs and searches, or names; all in runs/ when none.", callback=_newest_of_each
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Ask a question in SQL (DuckDB) over the files of runs and searches. "DESCRIBE starts" lists a view's columns.

    Runs have the views starts, stalls and catalogue, those on data also history; searches have searches, pathways and
    catalogue.
    """
    from mnemo_jax.query import ask
    from mnemo_jax.store import strict

    answer = ask(sql, runs)
    if json_:
        _print(strict(answer.to_pylist()))
    else:
        from mnemo_jax import terminal

        terminal.arrow(answer)


@app.command()
@guarded
def point(
    run: Run,
    number: Annotated[int, typer.Argument(help="Start number.", show_default=False, min=0)],
    json_: Json = False,
) -> None:
    """Follow one start again, in float64, and print its path."""
    _start_jax(1)
    from mnemo_jax import terminal
    from mnemo_jax.again import follow_again

    told = follow_again(run, number)
    _print(told) if json_ else terminal.path(told)


@app.command()
@guarded
def tune(config: Config, overrides: Overrides = None, devices: Devices = None) -> None:
    """Measure a config's tile settings and print the best. They come as a [tile] table, for this machine."""
    from mnemo_jax import config as configs

    read = configs.read(config, overrides or [])
    platform = _start_jax(devices)
    from mnemo_jax import terminal
    from mnemo_jax.tune import measure

    terminal.tuned(measure(configs.plan(read, str(config), platform, overrides or []), devices))


@app.command()
@guarded
def losses(
    name: Annotated[str | None, typer.Argument(help="One of them; all when none.", show_default=False)] = None,
    json_: Json = False,
) -> None:
    """List the built-in losses. Each with formula, arguments, box and learning rate."""
    from mnemo_jax import terminal
    from mnemo_jax.losses import table

    rows = {row["name"]: row for row in table()}
    if name is None:
        _print([*rows.values()]) if json_ else terminal.losses([*rows.values()])
    elif name in rows:
        _print(rows[name]) if json_ else terminal.one_loss(rows[name])
    else:
        raise UserError(f"no built-in loss is called {name!r}{did_you_mean(name, rows)}")


@app.command()
@guarded
def schema() -> None:
    """Print the JSON schema of config files, for editors."""
    from mnemo_jax.config import schema as config_schema

    _print(config_schema())


@app.command()
@guarded
def doctor(devices: Devices = None, json_: Json = False) -> None:
    """Print versions, devices, precision and what a run here would use."""
    _start_jax(devices)
    from mnemo_jax import terminal
    from mnemo_jax.doctor import examine

    told = examine(devices)
    _print(told) if json_ else terminal.facts(told)


def _start_jax(devices: int | None) -> str:
    """Set jax up for this process, before its devices are made; return the platform it will use."""
    if devices is not None and devices < 1:
        raise UserError(f"--devices {devices}: give 1 or more")
    import jax

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        jax.config.update("jax_num_cpu_devices", devices or cores)
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # see mnemo_jax/devices.py
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(home / "mnemo_jax" / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        platform = str(jax.devices()[0].platform)
    except RuntimeError as error:
        raise UserError(f"jax finds no device: {str(error).splitlines()[0]}") from error
    if platform == "cpu" and devices and devices > cores:
        _warn(f"--devices {devices}: more than this machine's {cores} cores; they take turns, and compile each")
    return platform


def _warn(sentence: str) -> None:
    typer.echo(f"mnemo: {sentence}", err=True)


def _shown(record: Any, json_: bool, top: int | None) -> None:
    from mnemo_jax import terminal
    from mnemo_jax.escapes import Escapes, is_escape
    from mnemo_jax.record import Record
    from mnemo_jax.tables import TOP

    if is_escape(record):
        _escapes([Escapes(record)], json_)
    elif json_:
        _print(record.json(TOP if top is None else top))
    elif isinstance(record, Record):
        terminal.show(record, terminal.ROWS if top is None else top)
    else:
        from mnemo_jax import terminal_search

        terminal_search.show(record, terminal.ROWS if top is None else top)


def _whole_numbers(name: str, told: str) -> list[int]:
    """Return whole numbers from a list such as ``10,100``; digits may be grouped as in ``1_000``."""
    try:
        return [int(number) for number in told.split(",")]
    except ValueError as error:
        raise UserError(f"{name} {told}: give whole numbers separated by commas, such as 10,100,1000") from error


def _print(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, allow_nan=False, default=_plain))


def _plain(value: Any) -> Any:
    """Return what SQL has and JSON has not: a decimal, as sums of whole numbers are, as a number, the rest as words."""
    if not isinstance(value, Decimal):
        return str(value)
    return int(value) if value == int(value) else float(value)


def _interrupted(*_: Any) -> None:
    """End at once on Ctrl-C: what is written is whole, and an exception could be lost in a callback of a library's."""
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{show_cursor}\nmnemo: interrupted; the same command goes on where it was\n")
    sys.stderr.flush()
    os._exit(130)


def main() -> None:
    """Run the command."""
    signal.signal(signal.SIGINT, _interrupted)
    # A million objects of the modules imported outlive the command: to search them for garbage, over and over while
    # programs are traced and once more at the end, takes a second.
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)
    app()
