"""Does the sign of the second derivative tell minima from maxima, and does it without a zero gradient?"""

from fractions import Fraction
from pathlib import Path

import numpy as np

import mnemo_jax as mnemo
from experiments.lesson import fields as fields_
from experiments.lesson import polynomials

DEGREE, HALF = 6, 1.5
STEP = 1e-6  # to neighbours on the line, where no critical point is near
SEEKING = mnemo.Seeking(count=64, along=0, heights=0, rounds=0)


def measure(*, asks: str, polys: int, fields: int, points: int, seed: int, out: Path) -> mnemo.Measurement:
    """Return the runs of the part that is asked for."""
    if asks == "polynomials":
        return told(*zip(*(one_polynomial(c, i, seed, out) for i, c in enumerate(drawn(polys, seed))), strict=True))
    if asks == "fields":
        return told(*zip(*(one_field(i, seed, out) for i in range(fields)), strict=True))
    if asks == "roots":
        found = np.concatenate([roots_found(c, i, seed, out) for i, c in enumerate(drawn(polys, seed))])
        return mnemo.Measurement(value=found, note=f"{found.sum()} of {len(found)} roots were found.")
    x = np.random.default_rng(seed).uniform(-3.0, 3.0, points)
    upward = 12 * x**2 - 8 > 0
    if asks == "upward":
        return mnemo.Measurement(value=upward, note="The share of x with f'' > 0.")
    return anywhere(x[upward], float(upward.mean()))


def drawn(number: int, seed: int) -> np.ndarray:
    """Return coefficients ``[number, degree + 1]`` of random polynomials."""
    return np.random.default_rng(seed).standard_normal((number, DEGREE + 1))


def searched(c: np.ndarray, number: int, seed: int, out: Path) -> mnemo.CriticalPoints:
    """Return the critical points of a polynomial."""
    made = polynomials.landscape(c, HALF)
    return mnemo.find_critical_points(made, seeking=SEEKING, seed=seed, name=f"polynomial-{number}", out=out)


def one_polynomial(c: np.ndarray, number: int, seed: int, out: Path) -> tuple[np.ndarray, ...]:
    """Return curvature, agreement, mean rise to the neighbours, and the name, of each critical point with curvature.

    Neighbours are half as far as the nearest other root of the derivative, so that the polynomial is monotone up to
    them, and it is evaluated in exact arithmetic.
    """
    points = searched(c, number, seed, out).catalogue
    roots = np.roots(np.polyder(c[::-1]))
    rows = np.flatnonzero(points.nullity == 0)
    bend, x = points.eigenvalues[rows, 0], points.x[rows, 0]
    away = np.array([np.sort(np.abs(roots - one))[1] / 2 for one in x])
    rise = np.array([_rises(c, one, h) for one, h in zip(x, away, strict=True)]).reshape(-1, 2)
    agrees = np.where(bend > 0, np.all(rise > 0, axis=1), np.all(rise < 0, axis=1))
    agrees &= points.kind[rows] == np.where(bend > 0, mnemo.Kind.MINIMUM, mnemo.Kind.MAXIMUM)
    name = np.array([f"polynomial {number} at {one:.6g}" for one in x], dtype=object)
    return bend, agrees, rise.mean(axis=1) / away**2, name, np.array([len(points.x) - len(rows)])


def _rises(c: np.ndarray, x: float, step: float) -> list[float]:
    """Return by how much the polynomial rises to the neighbours of ``x``, exactly but for the last rounding."""
    exact = [Fraction(float(factor)) for factor in c[::-1]]

    def value(at: float) -> Fraction:
        total, at_ = Fraction(0), Fraction(float(at))
        for factor in exact:
            total = total * at_ + factor
        return total

    middle = value(x)
    return [float(value(x + side * step) - middle) for side in (-1.0, 1.0)]


def roots_found(c: np.ndarray, number: int, seed: int, out: Path) -> np.ndarray:
    """Return which real roots of the derivative in the box the search found."""
    found = searched(c, number, seed, out).catalogue.x[:, 0]
    roots = np.roots(np.polyder(c[::-1]))
    real = roots[(np.abs(roots.imag) < 1e-12) & (np.abs(roots.real) < HALF)].real
    return np.array([np.min(np.abs(found - root), initial=np.inf) < 1e-6 for root in real], bool)


def one_field(number: int, seed: int, out: Path) -> tuple[np.ndarray, ...]:
    """Return the same of a random field in the plane; the smallest eigenvalue stands for the curvature."""
    points = fields_.search(number, seed, out).catalogue
    rows = np.flatnonzero(points.nullity == 0)
    bend = points.eigenvalues[rows]
    rise, away = fields_.rises(number, seed, points.x[rows], bend)
    up, down = np.all(rise > 0, axis=1), np.all(rise < 0, axis=1)
    agrees = np.where(np.all(bend > 0, axis=1), up, np.where(np.all(bend < 0, axis=1), down, ~up & ~down))
    name = np.array([f"field {number}, point {i}" for i in rows], dtype=object)
    return bend[:, 0], agrees, rise.mean(axis=1) / away**2, name, np.array([len(points.x) - len(rows)])


def told(*columns: tuple[np.ndarray, ...]) -> mnemo.Measurement:
    """Return the points of all losses as a measurement."""
    bend, agrees, rise, name, flat = (np.concatenate(column) for column in columns)
    note = f"At {agrees.sum():,} of {len(agrees):,} critical points of {len(columns[0]):,} losses the signs agree with"
    note += f" the neighbours; {flat.sum()} without curvature are left out."
    return mnemo.Measurement(value=agrees, case=name.tolist(), note=note, illustrations=(neighbours(bend, rise),))


def neighbours(bend: np.ndarray, rise: np.ndarray) -> mnemo.Illustration:
    """Draw the mean rise to the neighbours against the curvature."""
    return mnemo.Illustration(
        title="Rise to the neighbours against curvature",
        caption="Every mark is a critical point. Up on all sides: a minimum; down on all sides: a maximum.",
        x="second derivative, or smallest eigenvalue of the Hessian",
        y="mean rise to the neighbours, by distance squared",
        series=(
            mnemo.Series(name="f'' > 0", x=bend[bend > 0][:1000], y=rise[bend > 0][:1000], kind="marks"),
            mnemo.Series(name="f'' < 0", x=bend[bend < 0][:1000], y=rise[bend < 0][:1000], kind="marks"),
        ),
    )


def anywhere(x: np.ndarray, share: float) -> mnemo.Measurement:
    """Return which points of the quartic with f'' > 0 are minima, whatever their slope."""
    value = np.all([_quartic(x + side) > _quartic(x) for side in (-STEP, STEP)], axis=0)
    bent = np.sqrt(2 / 3)
    parts = {"f'' > 0, left": (-2.4, -bent), "f'' < 0": (-bent, bent), "f'' > 0, right": (bent, 2.4)}
    lines = [(name, np.linspace(*ends, 81)) for name, ends in parts.items()]
    picture = mnemo.Illustration(
        title="Where the quartic curves upward",
        caption="Two of all the points that curve upward are minima.",
        x="x",
        y="loss",
        series=(
            *(mnemo.Series(name=name, x=grid, y=_quartic(grid)) for name, grid in lines),
            mnemo.Series(name="minima", x=[-np.sqrt(2), np.sqrt(2)], y=[-3.0, -3.0], kind="marks"),
        ),
    )
    note = f"{share:.1%} of all x have f'' > 0; {value.sum()} of these {len(x):,} are minima."
    return mnemo.Measurement(value=value, case=[f"x = {one:.6g}" for one in x], note=note, illustrations=(picture,))


def _quartic(x: np.ndarray) -> np.ndarray:
    return x**4 - 4 * x**2 + 1
