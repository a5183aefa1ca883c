"""What a person sees of an escape experiment: what was measured beside what the law says, and why some stayed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from mnemo_jax.escapes import Escapes
from mnemo_jax.tables import tidy
from mnemo_jax.terminal import out, percent, seconds

EXITS = 8  # unstable directions listed
GRAIN = 1e-3  # widths of the cloud, above which rounding is worth a word
SMALL = 0.1  # standard errors of the mean, below which the law's own error is not worth a word


def show(found: Sequence[Escapes]) -> None:
    """Print experiments on one saddle: a sentence each, their numbers side by side, and what else is to be known."""
    for one in found:
        out.print(Text(sentence(one.result), style="bold"))
    out.print()
    out.print(_table([one.result for one in found]))
    for line in [*notes([one.result for one in found]), *_together(found)]:
        out.print(line)
    for one in found:
        spent = seconds(one.record.seconds())
        out.print(f"Time: {spent}; fingerprint {one.record.fingerprint[:16]}.", soft_wrap=True)
        out.print(f"Record: {one.record.path}", soft_wrap=True)


def sentence(told: Mapping[str, Any]) -> str:
    """Return the experiment in one sentence."""
    x = ", ".join(f"{tidy(v):.6g}" for v in told["saddle"]["at"][:4]) + (", …" if len(told["saddle"]["at"]) > 4 else "")
    left, number = told["share"]["count"], told["starts"]
    which = (
        f"{told['name']}, {told['precision']}: {left:,} of {number:,} descents left the {told['saddle']['kind']} ({x})"
    )
    if told["mean"]["value"] is None:
        return f"{which}; {_verdict(told)}"
    expected = told["mean"]["law"]
    law = "never" if expected is None else f"{expected:.6g}"
    return f"{which} after {told['mean']['value']:.6g} steps on average, {law} by the law; {_verdict(told)}"


def _verdict(told: Mapping[str, Any]) -> str:
    if told["agrees"]:
        return "all agrees" if told["mean"]["agrees"] else "as the law says"
    wrong = [name for name in ("share", "mean", "variance") if told[name]["agrees"] is False]
    return f"{' and '.join(wrong) or 'the way out'} differ{'s' if len(wrong) < 2 else ''} from the law"


ROWS = {"share": "share that left", "mean": "mean steps", "variance": "variance of steps"}
COLUMNS = ("", "precision", "measured", "95 % interval", "law", "errors off", "verdict")


def _table(results: Sequence[Mapping[str, Any]]) -> Table:
    """Return a row per quantity and experiment; the precision is told where there are two."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    shown = [name for name in COLUMNS if len(results) > 1 or name != "precision"]
    for name in shown:
        table.add_column(name, justify="left" if name in ("", "precision", "verdict") else "right", no_wrap=bool(name))
    groups = [(words, [_cells(name, told[name]) for told in results]) for name, words in ROWS.items()]
    for which in ("mean", "variance"):
        groups.append((f"escape rate by {which}", [_rate(told["rate"], which) for told in results]))
    for words, rows in groups:
        for told, cells in zip(results, rows, strict=True):
            row = dict(zip(COLUMNS, [words, told["precision"], *cells], strict=True))
            table.add_row(*(row[name] for name in shown))
            words = ""
    return table


def _cells(name: str, told: Mapping[str, Any]) -> list[str]:
    """Return value, interval, law, standard errors off and verdict."""
    if told["value"] is None or told["interval"][0] is None:
        return [_number(name, told["value"]), "", _number(name, told["law"]), "", ""]
    low, high = (_number(name, v) for v in told["interval"])
    off = told.get("off")
    return [
        _number(name, told["value"]),
        f"{low} – {high}",
        _number(name, told["law"]),
        "" if off is None else f"{off:+.2f}",
        {True: "agrees", False: "differs", None: ""}[told["agrees"]],
    ]


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "none"
    return f"{percent(round(value, 9))} %" if name == "share" else f"{value:.6g}"


def _rate(told: Mapping[str, Any], which: str) -> list[str]:
    found = told[which]
    if found is None or found["rate"] is None:
        return ["none", "", f"{told['hessian']:.6g}", "", ""]
    low, high = found["interval"]
    interval = "" if None in (low, high) else f"{low:.6g} – {high:.6g}"
    return [f"{found['rate']:.6g}", interval, f"{told['hessian']:.6g}", "", ""]


def notes(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what else a reader must know, a sentence each."""
    told = results[0]
    lines = [
        "A number agrees when the law's is within four of its standard errors. Escape rates are those with which the "
        "law would have the measured mean or variance, beside minus the Hessian's smallest eigenvalue."
    ]
    if told["closed_form"]:
        mean, variance = told["closed_form"]["mean"], told["closed_form"]["variance"]
        lines.append(
            f"The law is summed step by step; in closed form its mean is {mean:.6g}, its variance {variance:.6g}."
        )
    for one in results:
        lines += [f"{one['precision']}: {line}" for line in _own(one)]
    return lines


def _own(told: Mapping[str, Any]) -> list[str]:
    """Return the sentences about one experiment."""
    lines, left = [], told["left"]
    if told["chi_square"]:
        test = told["chi_square"]
        lines.append(f"the steps follow the law with p = {test['p']:.2g} (chi-square, {test['bins']} bins).")
    if left["underflow"]:
        small = percent(left["below_smallest"])
        lines.append(
            f"{left['underflow']:,} descents never left: every unstable coordinate is exactly 0; {small} % of such "
            f"starts are below the smallest number of {told['precision']}."
        )
    if left["late"]:
        lines.append(f"{left['late']:,} descents were out of steps after {told['steps']:,}.")
    if told["mean"]["law"] is None and told["share"]["count"]:
        lines.append("starts on the saddle leave it by rounding: its gradient is not 0 in floating point, but nearly.")
    if left["non_finite"]:
        lines.append(f"{left['non_finite']:,} descents met a loss or gradient that is no number.")
    if left["stable"]:
        lines.append(f"{left['stable']:,} descents left along a stable direction, of which the law says nothing.")
    return lines + _doubts(told) + _exits(told)


def _doubts(told: Mapping[str, Any]) -> list[str]:
    """Return by how much the law itself may be off, where that is not far below what the run can tell."""
    error, law = told["mean"]["error"], told["law_error"]
    lines = []
    if error is not None and law["bend_steps"] > SMALL * error:
        lines.append(
            f"the gradient departs from the quadratic's by up to {percent(law['bend'])} % within the radius, which "
            f"may move the mean by {law['bend_steps']:.2g} steps ({law['bend_steps'] / error:.1f} standard errors)."
        )
    if error is not None and law["return_steps"] > SMALL * error:
        lines.append(
            f"noise may bring descents back inside the radius, which moves the mean by up to {law['return_steps']:.2g} "
            f"steps ({law['return_steps'] / error:.1f} standard errors)."
        )
    if law["grain"] is not None and law["grain"] > GRAIN:
        lines.append(
            f"coordinates around the saddle are rounded to {percent(law['grain'])} % of the cloud's width, as seen "
            f"when it leaves, in {told['precision']}."
        )
    return lines


def _exits(told: Mapping[str, Any]) -> list[str]:
    rows = [(k, *sides) for k, sides in enumerate(told["exits"][:EXITS], 1) if sum(sides)]
    if not rows:
        return []
    parts = [f"-{k}: {low:,}, +{k}: {high:,}" for k, low, high in rows]
    return [f"ways out, by the eigenvector and its side: {'; '.join(parts)}."]


def _together(found: Sequence[Escapes]) -> list[str]:
    """Return how many starts left at the same step in two precisions; noise is drawn anew in each."""
    if len(found) != 2 or found[0].is_noisy:
        return []
    same = np.mean(found[0].steps() == found[1].steps())
    return [f"{percent(float(same))} % of the starts have the same outcome at the same step in both precisions."]
