"""Which minimum of the quartic x^4 - 4 x^2 + 1 do descents find, and does the start alone decide?

Gradient descent on it is x <- x (1 + 8 r - 4 r x^2) with learning rate r. It crosses 0 from the points beyond
``f = sqrt((1 + 8 r) / 4 r)`` and is lost beyond ``B = sqrt((2 + 8 r) / 4 r)``; between the two lie the preimages of f,
and the number of them that a start is beyond is the number of times it crosses.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq

import mnemo_jax as mnemo

HALF = 3.0  # of the box
CAREFUL = 0.01  # a learning rate at which no start of the box crosses 0 in one step, hence none ever
STEPS = 2000
THIN = 1e-9  # between two preimages, below which rounding decides
WORDS = ("minimum at -1.414", "minimum at 1.414", "neither")


def measure(
    *, learning_rate: float, asks: str, starts: int, columns: int, rates: int, seed: int, out: Path
) -> mnemo.Measurement:
    """Follow starts at one learning rate, and the same ones at a careful one."""
    if asks == "preimages":
        return between_preimages(learning_rate, seed, out)
    own, side = (ends(rate, starts, seed, out) for rate in (CAREFUL, learning_rate))
    exact = share_on_own_side(learning_rate)
    kept, lost = np.mean(side == own), np.mean(side == 0)
    note = (
        f"{100 * kept:.2f} % end on their own side ({100 * exact:.2f} % by the preimages), "
        f"{100 * np.mean(side == -own):.2f} % on the other, {100 * lost:.2f} % at neither minimum."
    )
    pictures = shares(learning_rate, float(kept)) if asks == "own side" else ()
    if asks == "own side" and learning_rate == CAREFUL:
        pictures += (map_of_basins(columns, rates, seed, out),)
    value = side == own if asks == "own side" else side > 0
    return mnemo.Measurement(value=value, note=note, illustrations=pictures)


def ends(learning_rate: float, starts: Any, seed: int, out: Path) -> np.ndarray:
    """Return for every start -1 or 1, the side of the minimum it reached, or 0 for none."""
    record = mnemo.survey(
        "double_well",
        learning_rate=learning_rate,
        starts=starts,
        seed=seed,
        stop=mnemo.Stop(max_steps=STEPS),
        name=f"quartic-{learning_rate:.6g}",
        out=out,
    )
    points = record.catalogue
    side = np.where(points.kind == mnemo.Kind.MINIMUM, np.sign(points.x[:, 0]), 0.0)
    label = record.starts("label")["label"].fill_null(-1).to_numpy()
    return np.append(side, 0.0)[label].astype(int)  # -1, no label, is the last


def preimages(rate: float) -> np.ndarray:
    """Return the positive starts at which the number of crossings changes, in order; beyond the last all are lost."""
    last = np.sqrt((2 + 8 * rate) / (4 * rate))
    found = [np.sqrt((1 + 8 * rate) / (4 * rate))]
    while last - found[-1] > THIN:
        before = found[-1]
        found.append(brentq(lambda x, b=before: x * (1 + 8 * rate - 4 * rate * x**2) + b, before, last))
    return np.append(found, last)


def share_on_own_side(rate: float) -> float:
    """Return the share of uniform starts that cross 0 an even number of times and converge."""
    if rate >= 0.125:
        return 0.0  # the minima are unstable
    edges = np.append(0.0, np.minimum(preimages(rate), HALF))
    return float(np.sum(np.diff(edges)[::2]) / HALF)


def between_preimages(rate: float, seed: int, out: Path) -> mnemo.Measurement:
    """Start once between all neighbouring preimages, on both sides of 0, and beyond the last."""
    edges = np.append(0.0, preimages(rate))
    wide = np.diff(edges) > THIN
    middle = np.append((0.5 * (edges[1:] + edges[:-1]))[wide], edges[-1] + 0.01)
    even = np.append(np.where(np.flatnonzero(wide) % 2, -1, 1), 0)
    x, wanted = np.concatenate([middle, -middle]), np.concatenate([even, -even])
    found = ends(rate, x[:, None], seed, out)
    return mnemo.Measurement(value=found == wanted, case=[f"start {one:.12g}" for one in x])


def shares(rate: float, kept: float) -> tuple[mnemo.Illustration, ...]:
    """Draw the share measured at this rate, with the curve that the preimages give at the careful one."""
    series = [mnemo.Series(name=f"measured at {rate:g}", x=[rate], y=[kept], kind="marks")]
    if rate == CAREFUL:
        grid = np.append(np.linspace(CAREFUL, 0.1249, 200), [0.125, 0.126])
        law = np.array([share_on_own_side(one) for one in grid])
        series.insert(0, mnemo.Series(name="exact, by preimages", x=grid, y=law, kind="law"))
    return (
        mnemo.Illustration(
            title="Starts that end at the minimum on their own side",
            caption="Up to a rate of 0.0357 no start of [-3, 3] crosses; from 0.125 on neither minimum is stable.",
            x="learning rate",
            y="share of all starts",
            series=tuple(series),
        ),
    )


def map_of_basins(columns: int, rates: int, seed: int, out: Path) -> mnemo.Illustration:
    """Follow a grid of starts at a ladder of learning rates."""
    x = -HALF + (np.arange(columns) + 0.5) * 2 * HALF / columns
    ladder = np.linspace(0.01, 0.13, rates)
    side = np.array([ends(float(rate), mnemo.Grid(shape=columns), seed, out) for rate in ladder])
    curve = ladder[(1 + 8 * ladder) / (4 * ladder) < HALF**2]
    edges = {"first step crosses 0": 1.0, "lost beyond": 2.0}
    lines = [
        mnemo.Series(name=name, x=sign * np.sqrt((n + 8 * curve) / (4 * curve)), y=curve, kind="law")
        for name, n in edges.items()
        for sign in (1, -1)
    ]
    return mnemo.Illustration(
        title="Where descents end, by start and learning rate",
        caption="Every cell is a descent; dashed, in closed form, from where the first step crosses 0, and from where "
        "descents are lost. Above 0.125 neither minimum is stable.",
        x="start",
        y="learning rate",
        series=tuple(lines),
        heat=mnemo.Heat(x=x, y=ladder, z=np.where(side == 0, 2, (side > 0).astype(int)), name="ends at", words=WORDS),
    )
