"""Is a saddle where the loss is flat in one direction and curved in another?

A saddle is a critical point with higher and lower neighbours as near as one likes. Two definitions by curvature are
held against that: *flat and curved* (an eigenvalue of the Hessian is zero and another is not), and *up and down* (one
is positive and another negative).
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import mnemo_jax as mnemo
from experiments.lesson import fields as fields_
from experiments.lesson import polynomials

NEAR, AROUND = 0.05, 720  # distance and number of the neighbours of 0
SEEKING = mnemo.Seeking(count=64, along=0, heights=0, rounds=0)
VALLEYS = {
    "trough x^2": {(2, 0): 1.0},
    "tilted trough (x + y)^2": {(2, 0): 1.0, (1, 1): 2.0, (0, 2): 1.0},
    "valley (y - x^2)^2": {(0, 2): 1.0, (2, 1): -2.0, (4, 0): 1.0},
    "ridge -y^2": {(0, 2): -1.0},
}
DEGENERATE = {
    "x^2 + y^3": {(2, 0): 1.0, (0, 3): 1.0},
    "x^2 - y^4": {(2, 0): 1.0, (0, 4): -1.0},
    "x^2 + y^4": {(2, 0): 1.0, (0, 4): 1.0},
    "monkey saddle x^3 - 3 x y^2": {(3, 0): 1.0, (1, 2): -3.0},
    "x^4 - y^4": {(4, 0): 1.0, (0, 4): -1.0},
    "x^4 + y^4": {(4, 0): 1.0, (0, 4): 1.0},
}
STRICT = {
    "x^2 - y^2": {(2, 0): 1.0, (0, 2): -1.0},
    "x y": {(1, 1): 1.0},
    "two linear layers at 0, (1 - x y)^2": {(0, 0): 1.0, (1, 1): -2.0, (2, 2): 1.0},
}
ZOOS = {"valleys": VALLEYS, "degenerate": DEGENERATE, "strict": STRICT}


class Point(NamedTuple):
    """A critical point: its name, whether it is a saddle by its neighbours, and what the engine says of it."""

    name: str
    saddle: bool
    flat_and_curved: bool
    up_and_down: bool
    word: str


def measure(*, asks: str, fields: int, seed: int, out: Path, definition: str = "flat_and_curved") -> mnemo.Measurement:
    """Return at which critical points a definition agrees with the neighbours on whether they are saddles."""
    if asks == "fields":
        points = [point for i in range(fields) for point in of_field(i, seed, out)]
    else:
        points = of_zoo(ZOOS[asks], seed, out)
    if definition == "engine":
        held = [(point.word == "saddle") == point.saddle for point in points]
    else:
        held = [getattr(point, definition) == point.saddle for point in points]
    return mnemo.Measurement(
        value=held,
        case=[point.name for point in points],
        note=f"{sum(p.saddle for p in points):,} of {len(points):,} points are saddles, "
        f"{sum(p.flat_and_curved for p in points):,} are flat in one direction and curved in another, "
        f"{sum(p.up_and_down for p in points):,} curve up in one and down in another.",
        illustrations=(agreement(asks, points),) if definition == "flat_and_curved" else (),
    )


def of_field(number: int, seed: int, out: Path) -> list[Point]:
    """Return the critical points of a random field."""
    table = fields_.search(number, seed, out).catalogue
    rise, _ = fields_.rises(number, seed, table.x, table.eigenvalues)
    saddle = np.any(rise > 0, axis=1) & np.any(rise < 0, axis=1)
    return [judged(f"field {number}, point {i}", bool(saddle[i]), table, i) for i in range(len(table.x))]


def of_zoo(zoo: dict[str, dict[tuple[int, int], float]], seed: int, out: Path) -> list[Point]:
    """Return the points at 0 of polynomials."""
    points, angle = [], np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    for i, (name, table) in enumerate(zoo.items()):
        made = polynomials.landscape(polynomials.terms(table))
        start = np.zeros((1, 2))
        found = mnemo.find_critical_points(
            made, starts=start, seeking=SEEKING, seed=seed, name=f"zoo-{i}", out=out
        ).catalogue
        x, y = NEAR * np.cos(angle), NEAR * np.sin(angle)
        rise = sum(factor * x**k * y**m for (k, m), factor in table.items() if k + m)
        saddle = bool(np.any(rise > 1e-15) and np.any(rise < -1e-15))
        points.append(judged(name, saddle, found, int(np.argmin(np.sum(found.x**2, axis=1)))))
    return points


def judged(name: str, saddle: bool, table: Any, row: int) -> Point:
    """Return a point of a catalogue as the definitions have it."""
    values, zero = table.eigenvalues[row], table.zero[row]
    flat = bool(np.any(np.abs(values) <= zero) and np.any(np.abs(values) > zero))
    both = bool(np.any(values > zero) and np.any(values < -zero))
    return Point(name, saddle, flat, both, mnemo.Kind(int(table.kind[row])).word)


def agreement(asks: str, points: list[Point]) -> mnemo.Illustration:
    """Draw on which share of the points the two definitions and the engine are right."""
    right = {
        "flat in one direction, curved in another": [p.flat_and_curved == p.saddle for p in points],
        "up in one direction, down in another": [p.up_and_down == p.saddle for p in points],
        "with higher derivatives (the engine)": [(p.word == "saddle") == p.saddle for p in points],
    }
    return mnemo.Illustration(
        title="Points on which a definition of saddles is right",
        caption="Held against neighbours above and below. Curvature alone cannot tell points at which it vanishes.",
        x="definition",
        y="share of the points",
        series=(mnemo.Series(name=asks, x=list(right), y=[float(np.mean(v)) for v in right.values()], kind="bars"),),
    )
