"""What a person sees of a run's trained networks: gradients, units, distinct ends, curvature, barriers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from mnemo_jax.terminal import NARROW, out

LEFT = ("array", "layer", "way")  # columns of words
WAYS = {
    "straight": "straight line",
    "matched": "line after matching",
    "curve": "curve",
    "matched_curve": "curve after matching",
}
ENDS = ("lowest", "highest")  # of a spectrum
MINIMA = 10  # distinct ends listed
DUST = 1e-6  # of the highest loss on straight lines, below which a barrier is none
Told = Mapping[str, Any]


def show(name: str, told: Told, figures: Sequence[Path]) -> None:
    """Print what was found of a run's networks, a table for each subject."""
    _print(Text(f"{name}: {sentence(told)}", style="bold"))
    out.print()
    tables = [_gradients(told), _layers(told), _distinct(told), _curvature(told), _sharpness(told), _barriers(told)]
    for table in tables:
        if table is not None:
            out.print(table)
    for line in notes(told):
        _print(Text(line))
    if figures:
        out.print(f"Figures: {figures[0].parent}", soft_wrap=True)


def _print(text: Text) -> None:
    out.print(text, width=min(out.width, NARROW))


def sentence(told: Told) -> str:
    """Return the networks in one sentence."""
    network = told["network"]
    shape = f" {'-'.join(map(str, network['widths']))} {network['activation']}" if network else ""
    number = told["ends"]
    parts = [f"{number:,}{shape} network{'' if number == 1 else 's'}"]
    if told["distinct"] and number > 1:
        different = told["distinct"]["number"]
        up = "up to symmetry"
        parts.append(f"all different {up}" if different == number else f"{different:,} of them distinct {up}")
    if told["barriers"]:
        ways = told["barriers"]["losses"]["loss"]
        parts.append(f"barrier {_median(ways['straight'])} on the line between two")
        if "matched" in ways:
            parts[-1] += f", {_median(ways['matched'])} after matching"
    return "; ".join(parts)


def _median(way: Told) -> str:
    return _number(float(np.median(way["height"])))


def notes(told: Told) -> list[str]:
    """Return what else a reader must know, a sentence each."""
    lines = []
    if told["ends"] < told["starts"]:
        lines.append(f"{told['starts'] - told['ends']:,} of {told['starts']:,} starts escaped or ended at no number.")
    if told["network"] is None:
        lines.append(
            "Left out are units, distinct ends and matching: which arrays enter and leave a unit is known of the "
            "built-in networks alone."
        )
    elif told["network"]["activation"] == "linear":
        lines.append("Ends are not told apart: between linear layers units mix by any invertible matrix.")
    zero = [row["array"] for row in told["gradients"] if row["zero"] == told["ends"]]
    if zero:
        lines.append(f"The gradient at the start is exactly 0 in {', '.join(zero)}.")
    lines += _distinct_notes(told) + _curvature_notes(told)
    if told["barriers"]:
        steps = told["barriers"]["steps"]
        lines.append(
            "Barrier: the highest rise of the loss above the straight line between the losses of both ends. Curves are "
            f"quadratic Bezier curves after {steps:,} steps of Adam on the training loss."
        )
    return lines


def _distinct_notes(told: Told) -> list[str]:
    found = told["distinct"]
    if not found:
        return []
    by = f"exchanging units{' and turning their signs' * found['signs']}"
    family = f", each in a family of {found['scales']:,} dimensions by scaling units" if found["scales"] else ""
    number = found["copies"]
    told_number = f"{number:,}" if number < 1e6 else f"{float(number):.3g}"
    return [
        f"A network whose units all differ has {told_number} exact copies by {by}{family}; two ends within "
        f"{_number(found['tolerance'])} of copies of each other count as one."
    ]


def _curvature_notes(told: Told) -> list[str]:
    found = told["curvature"]
    if not found["ends"]:
        return []
    lines = [
        f"Eigenvalues: {found['products']:,} products of each Hessian with a vector (Lanczos). Negative are so many "
        "eigenvalues at least. Kind is that of a critical point near the end, undecided where the gradient leaves "
        "signs open."
    ]
    if found["limit"] is None:
        lines.append(f"There is no limit of sharpness for {found['optimizer']}.")
    elif not found["full_batch"]:
        lines.append("The limit of sharpness is that of full batches; noise keeps descents below it.")
    return lines


def _gradients(told: Told) -> Table:
    table = _table("Gradient norms", ["array", "start, median (5 – 95 %)", "exactly 0", "end, median (5 – 95 %)"])
    for row in told["gradients"]:
        zero = f"{row['zero']:,} of {told['ends']:,}" if row["zero"] else "none"
        table.add_row(row["array"], _spread(row["start"]), zero, _spread(row["end"]))
    return table


def _layers(told: Told) -> Table | None:
    if not told["layers"]:
        return None
    heads = ["units", "distinct", "dead", "effective rank", "stable rank"]
    table = _table("Layers at the end, median (5 – 95 %)", ["layer", *heads])
    last = len(told["layers"])
    for row in told["layers"]:
        name = f"{row['layer']}" if row["layer"] < last else f"{row['layer']}, output"
        cells = [_spread(row[key]) for key in ("distinct", "dead", "entropy_rank", "stable_rank")]
        table.add_row(name, f"{row['units']:,}", *cells)
    return table


def _distinct(told: Told) -> Table | None:
    found = told["distinct"]
    if not found or found["number"] == told["ends"]:
        return None
    more = f" ({MINIMA} of {found['number']:,}, the lowest)" if found["number"] > MINIMA else ""
    table = _table(f"Distinct ends up to symmetry{more}", ["loss", "ends", "share", "first start"])
    for row in found["minima"][:MINIMA]:
        share = f"{100 * row['ends'] / told['ends']:.3g} %"
        table.add_row(f"{row['loss']:.6g}", f"{row['ends']:,}", share, f"{row['start']:,}")
    return table


def _curvature(told: Told) -> Table | None:
    found = told["curvature"]
    if not found["ends"]:
        return None
    limit = found["limit"][0] if found["limit"] else None
    limits = [] if limit is None else ["limit"]
    heads = ["start", "loss", "gradient", *ENDS, *limits, "negative", "kind", "outliers"]
    table = _table("Curvature of ends", heads)
    for row in found["ends"]:
        table.add_row(
            f"{row['start']:,}",
            _number(row["loss"]),
            _number(row["gradient"], 2),
            *("0" if abs(row[end]) <= row["zero"] else _sure(row[end], row[f"{end}_error"]) for end in ENDS),
            *([] if limit is None else [_number(limit)]),
            _count(row),
            row["word"],
            f"{row['large']}" if row["large"] else "no gap",
        )
    return table


def _count(row: Told) -> str:
    """Return the number of negative eigenvalues as far as it is known."""
    return f"{row['negative']:,}" if row["decided"] else f"≥ {row['negative']:,}"


def _sure(value: float, error: float) -> str:
    """Return an eigenvalue to the digits that its residual leaves, four at most."""
    digits = 4 if error <= 0 else int(np.clip(np.floor(np.log10(max(abs(value), error) / error)) + 1, 1, 4))
    return _number(value, digits)


def _sharpness(told: Told) -> Table | None:
    if not told["sharpness"]:
        return None
    limited = told["sharpness"][0]["limit"] is not None
    heads = ["start", "looks", "at the start", "highest", "at step", "at the end"]
    heads += ["limit", "median of last half / limit"] if limited else []
    table = _table("Sharpness along training", heads)
    for row in told["sharpness"]:
        highest, steps = np.array(row["highest"], float), row["step"]
        top, late = int(np.nanargmax(highest)), highest[len(highest) // 2 :]
        cells = []
        if limited:
            limit = np.array(row["limit"], float)
            cells = [_number(limit[-1]), f"{np.median(late / limit[len(highest) // 2 :]):.3g}"]
        table.add_row(
            f"{row['start']:,}",
            f"{len(steps)}",
            _number(highest[0]),
            _number(highest[top]),
            f"{steps[top]:,}",
            _number(highest[-1]),
            *cells,
        )
    return table


def _barriers(told: Told) -> Table | None:
    found = told["barriers"]
    if not found:
        return None
    number = len(found["pairs"])
    what = "1 pair" if number == 1 else f"{number:,} pairs, median (lowest – highest)"
    names = [name.replace("_", " ") for name in found["losses"]]
    table = _table(f"Barriers between {what}", ["way", *names])
    for way in found["losses"]["loss"]:
        table.add_row(WAYS[way], *(_heights(part, way) for part in found["losses"].values()))
    return table


def _heights(part: Told, way: str) -> str:
    height, none = part[way]["height"], DUST * np.max(part["straight"]["loss"])
    told = map(float, (min(height), np.median(height), max(height)))
    low, middle, high = ("0" if value < none else _number(value) for value in told)
    return middle if len(height) == 1 else f"{middle} ({low} – {high})"


def _spread(row: Told | None) -> str:
    if row is None:
        return ""
    middle, low, high = (_number(row[key]) for key in ("median", "low", "high"))
    return middle if low == high else f"{middle} ({low} – {high})"


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g}"


def _table(title: str, names: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, justify="left" if name in LEFT else "right", no_wrap=True)
    return table
