"""What a person sees in the terminal: progress while a run goes on, tables when it is done."""

import contextlib
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mnemo_jax.pipeline import Progress as Done
from mnemo_jax.record import Record
from mnemo_jax.tables import KINDS, tidy, word
from mnemo_jax.terminal_training import measures_table, trained
from mnemo_jax.types import Kind

ROWS = 20  # of the table of points, unless asked for more
MOST = 0.5  # of the starts, above which an outcome that says nothing of minima gets a word of advice
WIDE = 6  # coordinates shown, half as many in a narrow terminal
DOUBT = 1e-3  # chance below which an imbalance among members of an orbit is told to be none
NARROW = 100  # columns of a terminal
BOX = 32  # letters of a box
SPARE = ("smallest eigenvalue", "steps")  # columns of the table of points that a narrow terminal does without

# Into a file or a pipe tables keep their natural width.
NATURAL = 10_000
out = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else NATURAL)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[Done], None]]:
    """Show starts done, starts per second, lane efficiency and time left; yields the function to report to."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(compact=True),
    )
    bar = Progress(*columns, console=err, transient=err.is_terminal)

    def report(done: Done) -> None:
        if not bar.tasks:
            bar.start()
            bar.add_task("compiling", total=None, told="")
        elapsed = bar.tasks[0].elapsed or 0.0
        fresh = done.done - done.resumed
        rate = f", {fresh / elapsed:,.0f} starts/s" if fresh and elapsed else ""
        lanes = f", lanes {100 * done.useful / done.steps:.0f} % useful" if done.steps else ""
        told = f"{done.done:,} of {done.total:,} starts{rate}{lanes}"
        stage = done.stage if fresh or done.done == done.total else "compiling"
        bar.update(bar.task_ids[0], description=stage, total=done.total, completed=done.done, told=told)

    try:
        yield report
    finally:
        if bar.tasks:
            bar.stop()


def show(record: Record, top: int = ROWS) -> None:
    """Print a run's tables: the ``top`` points, outcomes, stalls, what may be missing, time, where the record is."""
    summary = record.summary
    out.print(Text(sentence(record), style="bold"))
    out.print()
    if summary["catalogue_size"]:
        out.print(_points(record, top))
    if summary.get("measures"):
        out.print(measures_table(summary, record.config["stop"]))
    out.print(_outcomes(summary))
    if summary["stalls"]["total"]:
        out.print(_stalls(summary["stalls"]))
    for line in notes(record):
        out.print(line)
    finished = f"{record.finished:%Y-%m-%d %H:%M} UTC" if record.finished else "at a time not noted"
    out.print(f"Finished {finished} on {record.provenance['device']}.")
    out.print(f"Time: {seconds(record.seconds())}.", soft_wrap=True)
    lanes = record.lane_steps()
    if lanes["total"]:
        out.print(f"Lane efficiency {lanes['useful'] / lanes['total']:.3f}; fingerprint {record.fingerprint[:16]}.")
    out.print(f"Record: {record.path}", soft_wrap=True)


def sentence(record: Record) -> str:
    """Return the run in one sentence."""
    told, count = f"{record.summary['name']}: {_starts(record.summary['starts'])}", record.shares.count
    if not count.any() and record.summary.get("measures"):
        return f"{told}: {trained(record.summary)}"
    if not record.config["record"]["catalogue"]:
        return f"{told}, whose ends were not judged"
    if not count.any():
        return f"{told}, none of which reached a critical point"
    at_minima = np.where(record.catalogue.kind == Kind.MINIMUM, count, 0)
    minima = np.count_nonzero(at_minima)
    if not minima:
        return f"{told} reached no minimum{_elsewhere(record)}"
    best = int(at_minima.argmax())
    low, high = record.shares.interval[best]
    interval = f" ({percent(low)} to {percent(high)} %)" if low == low else ""
    largest = f"the largest basin holds {percent(record.shares.share[best])} %{interval}"
    return f"{told} reached {minima:,} minim{'um' if minima == 1 else 'a'}; {largest}{_elsewhere(record)}"


def _starts(number: int) -> str:
    return f"{number:,} start{'' if number == 1 else 's'}"


OTHERS = {
    Kind.SADDLE: ("a saddle", "saddles"),
    Kind.MAXIMUM: ("a maximum", "maxima"),
    Kind.DEGENERATE: ("a degenerate point", "degenerate points"),
    Kind.KINK: ("a kink", "kinks"),
}


def _elsewhere(record: Record) -> str:
    """Return how many starts ended at points that are no minima, by kind."""
    told, line = "", record.catalogue.x.shape[1] == 1
    for kind, (one, more) in OTHERS.items():
        one, more = ("an inflection", "inflections") if line and kind == Kind.SADDLE else (one, more)
        count = record.shares.count[record.catalogue.kind == kind]
        if count.any():
            told += f"; {_starts(count.sum())} ended at {one if np.count_nonzero(count) == 1 else more}"
    return told


ADVICE = {
    "non_finite": "Most descents met a loss or gradient that is no number: look at the loss over the whole box, or "
    "take a smaller learning rate; `mnemo point {record} 0` shows one.",
    "escaped": "Most descents escaped: the loss falls without end there, or the learning rate is too large for its "
    "curvature; `mnemo point {record} 0` shows one.",
    "out_of_steps": "Most descents ran out of steps: raise stop.max_steps or the learning rate, or lower the demand of "
    "stop.grad_tol.",
}


KINKED = (
    "The loss has kinks: near them gradients do not become small, and descents jump to and fro however many steps they "
    "have; a smaller learning rate makes the jumps smaller."
)


def notes(record: Record) -> list[str]:
    """Return what else a reader must know, a sentence each."""
    summary, unseen = record.summary, record.summary["unseen"]
    judged = bool(record.config["record"]["catalogue"])
    often = [name for name in ADVICE if summary["outcomes"].get(name, 0) > MOST * summary["starts"]]
    lines = [ADVICE[name].format(record=shlex.quote(str(record.path))) for name in often]
    if "out_of_steps" in often and judged and np.any(record.catalogue.kind == Kind.KINK):
        lines.append(KINKED)
    most = record.config["starts"].get("count", 0)
    if summary["starts"] < most:
        lines.append(f"Ended after {summary['starts']:,} of at most {most:,} starts, as sure as `until` asks.")
    if unseen["mass"] is None and judged:
        lines.append(f"Unseen points: no estimate, since {unseen['reason']}.")
    elif unseen["mass"] is not None and record.shares.count.sum():
        low, high = unseen["interval"]
        chance = f"{percent(unseen['mass'])} % ({percent(low)} to {percent(high)} %)"
        chance = chance if unseen["mass"] else f"at most {percent(high)} % (95 % confidence)"
        lines.append(
            f"Unseen points: the next start reaches a new one with probability {chance}; "
            f"at least {unseen['minima_estimate']:,.0f} minima can be reached."
        )
    if summary["unlabelled"] and judged:
        lines.append(f"{summary['unlabelled']:,} descents stopped where the polish found no critical point nearby.")
    if summary["uncatalogued"]:
        lines.append(f"{summary['uncatalogued']:,} starts reached points beyond the catalogue's size: uncatalogued.")
    if summary["ambiguous"]:
        lines.append(f"Labels {summary['ambiguous'][:10]} are wide against the gap to their neighbours: ambiguous.")
    outside = int((~record.inside_box & (record.shares.count > 0)).sum())
    if outside:
        lines.append(f"{outside:,} of the points that starts reached lie outside the box.")
    points = record.points(ROWS)
    if any(p["kind"] == "saddle" and not p["index"] and len(p["x"]) > 1 for p in points):
        lines.append("A saddle of index 0 is one by higher derivatives: they go down along its null space.")
    families = [p["family"] for p in points]
    if "joined" in families:
        lines.append("A flat family is one row: its points are joined by a walk along the null space.")
    if "not_separated" in families:
        lines.append("A family not separated is one row: points of equal loss and nullity that may be several.")
    lines += balanced(summary.get("balance"))
    return [*lines, f"Intervals: {summary['interval_meaning']}."] if judged else lines


def balanced(balance: Mapping[str, Any] | None) -> list[str]:
    """Return a sentence on whether members of orbits were met equally often, none where that was not tested."""
    if not balance or balance["p"] is None:
        return []
    fair = balance["p"] > DOUBT
    doubt = "" if fair else ": that is no chance, look at the loss and the symmetries declared"
    told = f"Members of {balance['orbits']:,} orbit{'' if balance['orbits'] == 1 else 's'} were{'' if fair else ' not'}"
    return [f"{told} met equally often, p = {balance['p']:.2g} at least (chi-square){doubt}."]


def _points(record: Record, top: int) -> Table:
    points = sorted(record.points(top), key=lambda p: (-p["count"], p["label"]))
    size, shown = record.summary["catalogue_size"], len(points)
    title = "Critical points" if size == shown else f"Critical points ({shown} of {size:,}, by share; --top shows more)"
    interval = "bounds" if record.config["starts"]["kind"] == "grid" else "95 % interval"
    names = ["label", "x", "loss", "kind", "index", "smallest eigenvalue", "share", interval, "steps"]
    rows = [dict(zip(names, _cells(p, record.dust), strict=True)) for p in points]
    return fitted(title, rows, names, SPARE, left=("x", "kind"), folding="x")


def _cells(p: Mapping[str, Any], dust: float) -> tuple[str, ...]:
    """Return a point's row of the table of points, in which losses below ``dust`` are zero."""
    low, high = p["interval"]
    return (
        str(p["label"]),
        coordinates(p["x"]),
        f"{tidy(p['loss'], dust):.8g}",
        word(KINDS.index(p["kind"]), len(p["x"])) + (f", nullity {p['nullity']}" if p["nullity"] else ""),
        "" if p["kind"] == "kink" else str(p["index"]),
        f"{tidy(p['eigenvalues'][0], p['zero']):.5g}" if p["kind"] != "kink" else "",
        f"{percent(p['share'])} %",
        f"{percent(low)} – {percent(high)} %" if low == low else "",
        f"{p['median_steps']:,}" if p["median_steps"] >= 0 else "",
    )


def fitted(
    title: str,
    rows: Sequence[Mapping[str, str]],
    names: Sequence[str],
    spare: Sequence[str] = (),
    left: Sequence[str] = (),
    folding: str = "",
) -> Table:
    """Return a table of those columns that the terminal has room for, and a caption on those left out.

    Args:
        title: what stands above it.
        rows: cells by the names of columns.
        names: all columns.
        spare: those to do without, the first one first.
        left: those set flush left.
        folding: the one that may fold.
    """
    for number in range(len(spare) + 1):
        table = Table(
            title=title, title_justify="left", caption_justify="left", box=None, pad_edge=False, header_style="dim"
        )
        shown = [name for name in names if name not in spare[:number]]
        for name in shown:
            table.add_column(name, justify="left" if name in left else "right", no_wrap=name != folding)
        for row in rows:
            table.add_row(*(row.get(name, "") for name in shown))
        if fits(table):
            break
    if number:
        *most, last = (f"the {name}" for name in spare[:number])
        table.caption = f"A wider terminal shows {', '.join(most)}{' and ' * bool(most)}{last} too."
    return table


def fits(table: Table) -> bool:
    """Whether no column of a table has to fold."""
    return out.measure(table, options=out.options.update(max_width=NATURAL)).maximum <= out.width


def _outcomes(summary: Mapping[str, Any]) -> Table:
    table = Table(title="Outcomes", title_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("outcome")
    table.add_column("starts", justify="right")
    table.add_column("share", justify="right")
    for name, count in summary["outcomes"].items():
        if count or name == "converged":
            table.add_row(name.replace("_", " "), f"{count:,}", f"{percent(count / summary['starts'])} %")
    return table


def _stalls(stalls: Mapping[str, Any]) -> Table:
    low, high = stalls["interval"]
    interval = "" if low is None else f", {percent(low)} – {percent(high)} %"
    title = f"Stalls: {stalls['total']:,}, of {_starts(stalls['starts'])} ({percent(stalls['share'])} %{interval})"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    stored = sum(place["stalls"] for place in stalls["places"])
    if stored != stalls["total"]:
        table.caption = f"Rows count {stored:,} stalls: only the first four of a start are stored one by one."
        table.caption_justify = "left"
    for name in ("at", "label", "index", "escape rate", "stalls", "open at the end", "median steps", "longest"):
        table.add_column(name, justify="left" if name == "at" else "right")
    for place in stalls["places"][:10]:
        table.add_row(
            place["at"],
            "" if place["label"] is None else str(place["label"]),
            "" if place["index"] is None else str(place["index"]),
            "" if place["escape_rate"] is None else f"{place['escape_rate']:.4g}",
            f"{place['stalls']:,}",
            f"{place['censored']:,}",
            f"{place['median_length']:,}",
            f"{place['longest']:,}",
        )
    if len(stalls["places"]) > 10:
        table.add_row(f"and {len(stalls['places']) - 10:,} more")
    return table


def coordinates(x: Any) -> str:
    """Return a point's first coordinates, and how many there are where that is not all."""
    shown = WIDE if out.width > NARROW else WIDE // 2
    first = ["not finite" if value is None else f"{tidy(value):.6g}" for value in x[:shown]]
    return ", ".join(first) + (f", … ({len(x)})" if len(x) > shown else "")


def percent(share: float) -> str:
    """Return a share in percent, never rounded to 0 or 100 unless it is that."""
    percent = 100 * share
    digits = 2
    while digits < 12 and 0 < percent < 100 and float(f"{percent:.{digits}f}") in (0.0, 100.0):
        digits += 1
    return f"{percent:.{digits}f}" if percent not in (0, 100) else f"{percent:.0f}"


def seconds(spent: Mapping[str, float]) -> str:
    """Return the time spent in all and, in brackets, by stage."""
    parts = [f"{stage} {time:.2f} s" for stage, time in spent.items() if stage != "total" and time >= 0.005]
    return f"{spent.get('total', 0.0):.2f} s ({', '.join(parts)})"


def arrow(answer: pa.Table) -> None:
    """Print an Arrow table, its first thousand rows; a column a line where they are too wide for the terminal."""
    columns = [column.to_pylist() for column in answer.slice(0, 1000).columns]
    rows = [["" if value is None else str(value) for value in row] for row in zip(*columns, strict=True)]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for field in answer.schema:
        left = pa.types.is_string(field.type) or pa.types.is_nested(field.type)
        table.add_column(field.name, justify="left" if left else "right")
    for row in rows:
        table.add_row(*row)
    if fits(table):
        out.print(table)
    else:
        for row in rows:
            facts(dict(zip(answer.column_names, row, strict=True)))
            out.print()
    if len(answer) > 1000:
        err.print(f"({len(answer):,} rows, 1,000 shown; --json prints all)")


def path(told: Mapping[str, Any]) -> None:
    """Print the path of one start."""
    out.print(Text(f"start {told['start']}: {told['outcome'].replace('_', ' ')} after {told['steps']:,} steps", "bold"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("step", "loss", "gradient norm", "x"):
        table.add_column(name, justify="left" if name == "x" else "right")
    for row in told["path"]:
        numbers = _number(row["loss"], ".10g"), _number(row["gradient"], ".3e")
        table.add_row(f"{row['step']:,}", *numbers, coordinates(row["x"]))
    out.print(table)
    end = told["end"]
    if end is None:
        out.print("No critical point nearby.")
    else:
        label = f"label {end['label']}, " if end["label"] is not None else ""
        out.print(f"Ends at {label}{end['kind']} of index {end['index']}, loss {end['loss']:.10g}")
    if told["differs"]:
        out.print(f"The run says otherwise for this start: {told['differs']}.")


def _number(value: float | None, spec: str) -> str:
    """Return a number in words; strict JSON has none for what is not finite."""
    return "not finite" if value is None else format(value, spec)


def losses(rows: Sequence[dict[str, Any]]) -> None:
    """Print the built-in losses."""
    names = ["name", "formula", "arguments", "box", "learning rate"]
    told = [row | {"box": shortened(row["box"], BOX), "learning rate": _rate(row)} for row in rows]
    out.print(fitted("", told, names, ("box", "arguments"), names, folding="formula"))


def one_loss(row: Mapping[str, Any]) -> None:
    """Print what is known of one built-in loss."""
    facts({key.replace("_", " "): value for key, value in row.items()} | {"learning rate": _rate(row)})


def _rate(row: Mapping[str, Any]) -> str:
    """Return a built-in loss's learning rate, empty for none."""
    return "" if row["learning_rate"] is None else f"{row['learning_rate']:.4g}"


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many letters, for tables."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def tuned(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print measured tile settings, the fastest first, and that one as TOML."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    short = {"million_steps_per_second": "M steps/s", "lane_efficiency": "useful"}
    for name in rows[0]:
        table.add_column(short.get(name, name), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(f"{value:,.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    err.print(table)
    best = rows[0]
    err.print("The fastest, for the config:")
    out.print("[tile]")
    for key in ("lanes", "steps", "unroll", "layout", "refill", "sample", "native"):
        out.print(f"{key} = {json.dumps(best[key])}")


def facts(told: Mapping[str, Any]) -> None:
    """Print facts, one a line."""
    width = max(map(len, told))
    for name, value in told.items():
        out.print(f"{name:<{width}}  {value}", soft_wrap=True)
