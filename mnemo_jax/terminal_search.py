"""What a person sees of a search for critical points: points by kind, pathways, and what may be missing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from mnemo_jax.found import CriticalPoints
from mnemo_jax.tables import KINDS, tidy, word
from mnemo_jax.terminal import balanced, coordinates, out, percent, seconds
from mnemo_jax.types import Kind

PATHWAYS = 20  # saddles shown with the minima they join
RADIUS = (
    "Radius: within it Newton's method is expected to come to the point and to no other (Kantorovich); the Hessian is "
    "computed, third derivatives are sampled in eight directions, not bounded."
)
PLURAL = {"minimum": "minima", "maximum": "maxima"}
LED = {
    "unlisted": "not listed",
    "no_minimum": "no minimum",
    "left_box": "left the box",
    "escaped": "escaped",
    "out_of_steps": "out of steps",
    "non_finite": "not finite",
}  # where a pathway led, in place of its minimum's label


def show(found: CriticalPoints, top: int) -> None:
    """Print a search's tables: the ``top`` points, the pathways, the audit, time, where the record is."""
    summary = found.summary
    out.print(Text(sentence(found), style="bold"))
    out.print()
    if summary["catalogue_size"]:
        out.print(_points(found, top))
    paths = found.pathways().to_pylist()
    if paths:
        out.print(_pathways(paths))
    for line in notes(found):
        out.print(line)
    finished = f"{found.finished:%Y-%m-%d %H:%M} UTC" if found.finished else "at a time not noted"
    out.print(f"Finished {finished} on {found.provenance['device']}.")
    out.print(f"Time: {seconds(found.seconds())}; fingerprint {found.fingerprint[:16]}.", soft_wrap=True)
    out.print(f"Record: {found.path}", soft_wrap=True)


def sentence(found: CriticalPoints) -> str:
    """Return the search in one sentence."""
    summary, inside = found.summary, found.inside_box
    if not inside.any():
        return f"{summary['name']}: {summary['searches']:,} searches found no critical point in the box"
    parts = [f"{number:,} {noun[number != 1]}" for noun, number in _nouns(found).items()]
    kinds = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    outside = int((~inside).sum())
    more = f", and {outside:,} point{'' if outside == 1 else 's'} outside it" if outside else ""
    return f"{summary['name']}: {summary['searches']:,} searches found {kinds} in the box{more}"


def _nouns(found: CriticalPoints) -> dict[tuple[str, str], int]:
    """Return how many points in the box go by each noun (singular, plural), by kind and single points first."""
    table, orbits = found.catalogue, found.summary["orbits"]
    counts: dict[tuple[str, str], int] = {}
    for row in sorted(np.flatnonzero(found.inside_box), key=lambda row: (table.kind[row], table.family[row] > 0)):
        noun = _noun(table.kind[row], bool(table.family[row]), table.nullity[row], table.x.shape[1])
        counts[noun] = counts.get(noun, 0) + int(orbits[row])
    return counts


def _noun(kind: int, flat: bool, nullity: int, dim: int) -> tuple[str, str]:
    """Return what to call one and several such points: their kind, a flat family of it, a place of constant loss."""
    if flat and kind == Kind.DEGENERATE and nullity == dim:
        place = "line" if dim == 1 else "region"
        return f"{place} of constant loss", f"{place}s of constant loss"
    name = "degenerate point" if kind == Kind.DEGENERATE else word(kind, dim)
    several = PLURAL.get(name, name + "s")
    return (f"flat family of {several}", f"flat families of {several}") if flat else (name, several)


def notes(found: CriticalPoints) -> list[str]:
    """Return what else a reader must know, a sentence each."""
    summary = found.summary
    lines = [f"Audit: {summary['audit']['message']}"]
    flat = summary["gradient_flat"]
    if flat["searches"]:
        share = percent(flat["searches"] / summary["searches"])
        lines.append(
            f"Gradient-flat: {flat['searches']:,} searches ({share} %) ended at {flat['places']:,} places where the "
            "gradient's norm has a minimum that is not zero; these are no critical points."
        )
    lost = {name: number for name, number in summary["outcomes"].items() if name not in ("converged", "gradient_flat")}
    told = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in lost.items() if number)
    if told:
        lines.append(f"Other searches: {told}.")
    for kind in ("minimum", "saddle", "maximum"):
        unseen = summary["unseen"][kind]
        if unseen["interval"] is not None and unseen["mass"] > 0:
            lines.append(
                f"Unseen {PLURAL.get(kind, kind + 's')}: the next uniform search finds a new one with probability "
                f"{percent(unseen['mass'])} % (at most {percent(unseen['interval'][1])} %)."
            )
    index = found.catalogue.index[(found.catalogue.kind == Kind.SADDLE) & found.inside_box]
    if len(numbers := np.unique(index, return_counts=True)[0]) > 1:
        told = ", ".join(f"{int(np.sum(index == k)):,} of index {k}" for k in numbers)
        lines.append(f"Saddles in the box: {told}.")
    if any(orbit > 1 for orbit in summary["orbits"]):
        lines.append("Points are listed up to the declared symmetries; an orbit says how many each stands for.")
        lines += balanced(summary["balance"])
    if summary["catalogue_size"]:
        lines.append(RADIUS)
    return lines


def _points(found: CriticalPoints, top: int) -> Table:
    points = sorted(found.points(top), key=lambda p: p["label"])
    size, shown = found.summary["catalogue_size"], len(points)
    title = (
        "Critical points" if size == shown else f"Critical points (the {shown} lowest of {size:,}; --top shows more)"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    orbits = any(p["orbit"] > 1 for p in points)
    names = ["label", "x", "loss", "kind", "index", "smallest", "largest", "radius", "searches"]
    for name in [*names, *(["orbit"] if orbits else [])]:
        table.add_column(name, justify="left" if name in ("x", "kind") else "right", no_wrap=name != "x")
    for p in points:
        table.add_row(*_cells(p, orbits, found.dust))
    return table


def _kind(p: Mapping[str, Any]) -> str:
    """Return a point's kind in words, with what decided it where its Hessian did not."""
    told, dim, flat = word(KINDS.index(p["kind"]), len(p["x"])), len(p["x"]), p["family"] != "single"
    if p["kind"] == "degenerate":
        told = "constant loss" if flat and p["nullity"] == dim else "undecided by derivatives"
    if p["nullity"]:
        told += f", nullity {p['nullity']}"
    if p["order"]:
        told += f" (by derivatives of order {p['order']})"
    if flat:
        told += ", a flat family"
    return told + ("" if p["inside_box"] else ", outside")


def _cells(p: Mapping[str, Any], orbits: bool, dust: float) -> list[str]:
    kink = p["kind"] == "kink"
    ends = (p["eigenvalues"][0], p["eigenvalues"][-1])
    values = ["", ""] if kink else [f"{tidy(value, p['zero']):.5g}" for value in ends]
    cells = [
        str(p["label"]),
        coordinates(p["x"]),
        f"{tidy(p['loss'], dust):.8g}",
        _kind(p),
        "" if kink else str(p["index"]),
        *values,
        f"{p['radius']:.2g}" if p["radius"] else "",
        f"{p['count']:,}",
    ]
    return [*cells, f"{p['orbit']:,}"] if orbits else cells


def _pathways(paths: list[dict[str, Any]]) -> Table:
    title = "Pathways" if len(paths) <= PATHWAYS else f"Pathways ({PATHWAYS} of {len(paths):,}, the lowest barriers)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for name in ("saddle", "minimum", "barrier", "minimum ", "barrier "):
        table.add_column(name, justify="right")
    height = {k: min(v for v in (p["barrier0"], p["barrier1"], np.inf) if v is not None) for k, p in enumerate(paths)}
    for k in sorted(height, key=height.__getitem__)[:PATHWAYS]:
        p = paths[k]
        table.add_row(str(p["saddle"]), *_side(p, 0), *_side(p, 1))
    return table


def _side(path: Mapping[str, Any], side: int) -> tuple[str, str]:
    """Return the minimum a pathway leads to on one side, and the barrier, or in their place why it leads to none."""
    label = path[f"minimum{side}"]
    if label is None:
        return LED[path[f"end{side}"]], ""
    return str(label), f"{path[f'barrier{side}']:.6g}"
