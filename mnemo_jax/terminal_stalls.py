"""What a person sees of a run's stalls: the places, how long, which side was left by, and the final approaches."""

from collections.abc import Sequence
from math import floor, log10

from rich.table import Table
from rich.text import Text

from mnemo_jax.dwells import Dwells, Place
from mnemo_jax.record import Record
from mnemo_jax.sides import Side
from mnemo_jax.stall_counts import PARTS
from mnemo_jax.stall_report import notes, point
from mnemo_jax.terminal import fits, fitted, out, percent

ENDS = 3  # labels told beside a side
SPARE = ("index", "starts", "longest", "growth", "escape rate", "open at the end")  # what a narrow terminal lacks


def show(record: Record, dwells: Dwells, top: int) -> None:
    """Print the tables of a run's stalls, the ``top`` places with most of them, and what else a reader must know."""
    out.print(Text(sentence(record, dwells), style="bold"))
    out.print()
    shown = dwells.places[:top]
    if dwells.overall.stalls:
        out.print(_places(record, dwells, shown))
        out.print(_longer(dwells, shown))
    if any(place.sides for place in shown):
        out.print(_sides(shown))
    if len(dwells.finals.label):
        out.print(_finals(dwells, top))
    for line in notes(record, dwells):
        out.print(line)
    out.print(f"Record: {record.path}", soft_wrap=True)


def sentence(record: Record, dwells: Dwells) -> str:
    """Return the stalls of a run in one sentence."""
    stalls, starts = record.summary["stalls"], record.summary["starts"]
    name, total = record.summary["name"], stalls["total"]
    if not total:
        return f"{name}: none of {_several(starts, 'start')} stalled"
    interval = "" if stalls["interval"][0] is None else f", {' to '.join(map(percent, stalls['interval']))} %"
    told = f"{name}: {_several(total, 'stall')} of {stalls['starts']:,} of {_several(starts, 'start')}"
    median = dwells.overall.median.steps
    half = "more than half outlast what was seen" if median is None else f"half are over after {median:,} steps"
    return f"{told} ({percent(stalls['share'])} %{interval}); {half}"


def _several(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _places(record: Record, dwells: Dwells, shown: list[Place]) -> Table:
    names = ["at", "label", "index", "escape rate", "growth", "stalls", "starts", "open at the end", "median steps"]
    names += ["95 % interval", "longest"]
    rows = [_point(record, place) | _lengths(place) for place in shown]
    number = len(dwells.places) + dwells.further
    if number > len(shown):
        rows.append({"at": f"and {number - len(shown):,} more"})
    if number > 1:
        rows.append({"at": "all places"} | _lengths(dwells.overall))
    return fitted("Places", rows, names, SPARE, left=("at",))


def _point(record: Record, place: Place) -> dict[str, str]:
    at = point(record, place.label)
    told = {"at": at["at"] + (f", nullity {at['nullity']}" if at["nullity"] else "")}
    if place.label is not None:
        told |= {"label": str(at["label"]), "index": str(at["index"])}
    if at["escape_rate"] is not None:
        told["escape rate"] = f"{at['escape_rate']:.4g}"
    if at["growth"] is not None:
        told["growth"] = f"{at['growth']:.5g}"
    return told


def _lengths(place: Place) -> dict[str, str]:
    steps, low, high = place.median
    return {
        "stalls": f"{place.stalls:,}",
        "starts": f"{place.starts:,}",
        "open at the end": f"{sum(place.censored.values()):,}",
        "median steps": "not reached" if steps is None else f"{steps:,}",
        "95 % interval": "" if low is None else f"{low:,} – " + ("" if high is None else f"{high:,}"),
        "longest": f"{place.longest:,}",
    }


def _longer(dwells: Dwells, shown: list[Place]) -> Table:
    """Return the table of shares of starts, without the columns that say once more that there are none."""
    none = [steps for steps, n in zip(dwells.longer, dwells.overall.longer, strict=True) if not n]
    columns = [k for k, steps in enumerate(dwells.longer) if steps <= min(none, default=steps)]
    places = [*shown, *([dwells.overall] if len(dwells.places) + dwells.further > 1 else [])]
    title = "Share of all starts that stalled there longer than"
    for whole in (True, False):
        rows = [
            {"label": _name(dwells, place)}
            | {_steps(dwells, k): _share(float(place.share[k]), place.interval[k], whole) for k in columns}
            for place in places
        ]
        names = ["label", *(_steps(dwells, k) for k in columns)]
        table = fitted(title, rows, names, spare=() if whole else names[1:-1])
        if fits(table):
            break
    return table


def _steps(dwells: Dwells, column: int) -> str:
    return f"{dwells.longer[column]:,} steps"


def _name(dwells: Dwells, place: Place) -> str:
    return "all" if place is dwells.overall else "flat" if place.label is None else str(place.label)


def _share(share: float, interval: Sequence[float], whole: bool = True) -> str:
    """Return a share in percent with its interval, to two digits of the interval's half width."""
    low, high = (100 * float(limit) for limit in interval)
    if not low < high:
        return f"{percent(share)} %"
    digits = max(1 - floor(log10((high - low) / 2)), 0)
    told, low_told = ("0" if value == 0 else f"{value:.{digits}f}" for value in (100 * share, low))
    return f"{told} %" + (f"  ({low_told} – {high:.{digits}f})" if whole else "")


def _sides(shown: list[Place]) -> Table:
    names = ["label", "direction", "stalls", "share", "95 % interval", "starts then ended at"]
    rows = []
    for place in shown:
        for rank, side in enumerate(place.sides):
            rows.append({"label": "" if rank else str(place.label)} | _side(side))
    title = "Ways out, ±k along the eigenvector of the k-th smallest eigenvalue"
    return fitted(title, rows, names, left=names[-1:], folding=names[-1])


def _side(side: Side) -> dict[str, str]:
    low, high = side.interval
    told = [f"{'none' if label < 0 else label} ({number:,})" for label, number in side.ends[:ENDS]]
    more = [f"{len(side.ends) - ENDS:,} more"] if len(side.ends) > ENDS else []
    return {
        "direction": f"{side.direction:+d}",
        "stalls": f"{side.stalls:,}",
        "share": f"{percent(side.share)} %",
        "95 % interval": f"{percent(low)} – {percent(high)} %" if low == low else "",
        "starts then ended at": ", ".join(told + more),
    }


def _finals(dwells: Dwells, top: int) -> Table:
    finals = dwells.finals
    names = ["label", "starts", *(f"{100 * part:.0f} %" for part in PARTS), "longest"]
    order = (-finals.starts).argsort(kind="stable")
    rows = []
    for row in order[:top]:
        steps = (finals.starts[row], *finals.quantiles[row], finals.longest[row])
        rows.append(dict(zip(names, (str(finals.label[row]), *(f"{n:,}" for n in steps)), strict=True)))
    if len(order) > top:
        rows.append({"label": f"and {len(order) - top:,} more"})
    return fitted("Final approaches, no stalls: quantiles of steps", rows, names)
