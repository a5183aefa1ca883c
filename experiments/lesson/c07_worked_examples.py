"""Are the lesson's two worked examples right, on paper's numbers, in floating point and as the engine finds them?"""

from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

import mnemo_jax as mnemo
from mnemo_jax import losses

Precision = Literal["float32", "float64"]
Cases = dict[str, bool]
ROOT = np.sqrt(2.0)
ROUNDINGS = 4  # units of rounding that a few operations may add up to
TOL = 1e-8  # of gradients, where descents stop


def parabola(
    *, asks: str, starts: int, seed: int, out: Path, precision: Precision = "float64", rates: tuple[float, ...] = ()
) -> mnemo.Measurement:
    """Return which statements about x^2 - 4 x + 5 are true."""
    if asks == "values":
        value, slope, bend = derivatives("parabola", precision)
        cases = {
            "f'(2) = 0": slope(2) == 0,
            "f(2) = 1": value(2) == 1,
            "f(0) = 5": value(0) == 5,
            "f(4) = 5": value(4) == 5,
            "f''(2) = 2": bend(2) == 2,
        }
        return told(cases, "Every value is exact: whole numbers of this size are.")
    if asks == "search":
        found = search("parabola", seed, out)
        points, name = found.catalogue, ("one critical point", "at 2", "a minimum", "with loss 1", "with curvature 2")
        held = (len(points.x) == 1, near(points.x, 2), first_kind(found) == "minimum", near(points.loss, 1))
        held += (near(points.eigenvalues, 2),)
        return told(dict(zip(name, held, strict=True)), found.audit["message"])
    return thresholds(rates, starts, asks == "converges", out)


def thresholds(rates: tuple[float, ...], starts: int, converges: bool, out: Path) -> mnemo.Measurement:
    """Return for every learning rate whether all descents but the one from 2 itself do as expected, and that one stays.

    The distance to 2 is multiplied by 1 - 2 rate in every step.
    """
    x = np.append(np.linspace(-1.0, 5.0, starts)[:, None], [[2.0]], axis=0)
    x = x[(x[:, 0] != 2.0) | (np.arange(len(x)) == len(x) - 1)]
    cases, steps = {}, []
    for rate in rates:
        record = mnemo.survey(
            "parabola",
            learning_rate=rate,
            starts=x,
            stop=mnemo.Stop(grad_tol=TOL, max_steps=3000, escape_radius=1e6),
            name=f"parabola-{rate:g}",
            out=out,
        )
        table = record.starts("outcome", "steps").to_pandas()
        there = (table["outcome"] == "converged").to_numpy()
        cases[f"learning rate {rate:g}"] = bool(there[-1] and np.all(there[:-1] == converges))
        steps.append(int(table["steps"][0]))
    note = f"{len(x):,} starts at each of {len(rates)} rates, among them 2 itself, which stays."
    return told(cases, note, (contraction(rates, steps),) if converges else ())


def contraction(rates: tuple[float, ...], steps: list[int]) -> mnemo.Illustration:
    """Draw the steps that the start at -1 takes, over those by the factor of every step."""
    grid = np.linspace(0.005, 0.995, 397)
    with np.errstate(divide="ignore"):
        law = np.maximum(1.0, np.log(6.0 / TOL) / -np.log(np.abs(1 - 2 * grid)))
    return mnemo.Illustration(
        title="Steps that descents on the parabola take",
        caption="From -1 to where the slope is below 1e-8. Every step multiplies the distance to the minimum by "
        "1 - 2 rate; from a rate of 1 on it does not shrink.",
        x="learning rate",
        y="steps",
        log="y",
        series=(
            mnemo.Series(name="by the factor of a step", x=grid, y=law, kind="law"),
            mnemo.Series(name="measured", x=rates, y=steps, kind="marks"),
        ),
    )


def quartic(*, asks: str, starts: int, seed: int, out: Path, precision: Precision = "float64") -> mnemo.Measurement:
    """Return which statements about x^4 - 4 x^2 + 1 are true."""
    if asks == "search":
        return told(quartic_points(search("double_well", seed, out)), "Both minima have loss -3: both are global.")
    if asks == "false":
        points = search("double_well", seed, out).catalogue
        wrong = points.kind[np.argsort(points.x[:, 0])] == [mnemo.Kind.MAXIMUM, mnemo.Kind.MINIMUM, mnemo.Kind.MAXIMUM]
        return told({"a maximum at 0 is a minimum, and the minima are maxima": bool(wrong.any())})
    if asks == "values":
        return rounded(precision)
    record = mnemo.survey("double_well", starts=starts, seed=seed, precision=precision, name=f"{precision}", out=out)
    points, label = record.catalogue, record.starts("label")["label"].fill_null(-1).to_numpy()
    minimum = np.append(points.kind == mnemo.Kind.MINIMUM, False)[label]
    right = np.append(np.abs(np.abs(points.x[:, 0]) - ROOT) < 1e-12, False)[label]
    case = [f"start {i}" for i in range(len(label))]
    return mnemo.Measurement(
        value=minimum & right, case=case, note=f"{np.mean(minimum & right):.2%} of {starts:,} descents in {precision}."
    )


def quartic_points(found: mnemo.CriticalPoints) -> Cases:
    """Return which statements about the critical points hold of the catalogue."""
    points = found.catalogue
    order = np.argsort(points.x[:, 0])
    cases = {"three critical points": len(order) == 3}
    for row, x, kind, bend, loss in zip(
        order, (-ROOT, 0.0, ROOT), ("minimum", "maximum", "minimum"), (16.0, -8.0, 16.0), (-3.0, 1.0, -3.0), strict=True
    ):
        cases[f"a {kind} near {x:.4g}"] = points.kind[row] == mnemo.Kind[kind.upper()] and near(points.x[row], x)
        cases[f"curvature {bend:g} near {x:.4g}"] = near(points.eigenvalues[row], bend)
        cases[f"loss {loss:g} near {x:.4g}"] = near(points.loss[row], loss)
    return cases


def rounded(precision: Precision) -> mnemo.Measurement:
    """Return whether slope and curvature are right to rounding: near the root a slope has an error eps f'' x."""
    value, slope, bend = derivatives("double_well", precision)
    eps = float(np.finfo(precision).eps)
    cases = {"f'(0) = 0": slope(0) == 0, "f''(0) = -8": bend(0) == -8, "f(0) = 1": value(0) == 1}
    for x in (-ROOT, ROOT):
        cases[f"f'({x:.4f}) = 0"] = abs(slope(x)) <= ROUNDINGS * eps * 16 * ROOT
        cases[f"f''({x:.4f}) = 16"] = abs(bend(x) - 16) <= ROUNDINGS * eps * 24
        cases[f"f({x:.4f}) = -3"] = abs(value(x) + 3) <= ROUNDINGS * eps * 8
    note = f"In {precision} the slope at the nearest number to the root of 2 is {slope(ROOT):.2g}, not 0."
    return told(cases, note, (curve(),)) if precision == "float64" else told(cases, note)


def curve() -> mnemo.Illustration:
    """Draw the quartic with its three critical points."""
    x = np.linspace(-2.2, 2.2, 200)
    at = np.array([-ROOT, ROOT])
    return mnemo.Illustration(
        title="The quartic and its critical points",
        caption="Both minima are as low as each other: the example has no local minimum that is not global.",
        x="x",
        y="loss",
        series=(
            mnemo.Series(name="x^4 - 4 x^2 + 1", x=x, y=x**4 - 4 * x**2 + 1),
            mnemo.Series(name="minima, curvature 16", x=at, y=[-3.0, -3.0], kind="marks"),
            mnemo.Series(name="maximum, curvature -8", x=[0.0], y=[1.0], kind="marks"),
        ),
    )


def search(name: str, seed: int, out: Path) -> mnemo.CriticalPoints:
    """Return the critical points of a built-in loss."""
    few = mnemo.Seeking(count=256, along=0, heights=0, rounds=1)
    return mnemo.find_critical_points(name, seeking=few, seed=seed, out=out)


def derivatives(name: str, precision: Precision) -> tuple[Any, Any, Any]:
    """Return value, slope and curvature of a built-in loss of one coordinate, as functions of numbers."""
    made = losses.build(name)
    with jax.enable_x64(True):
        args = {key: jnp.asarray(value, precision) for key, value in made.args.items()}

    def loss(x: Any) -> Any:
        return made.loss(x[None], **args)

    def at(function: Any) -> Any:
        def number(x: float) -> float:
            with jax.enable_x64(True):
                return float(function(jnp.asarray(x, precision)))

        return number

    return at(loss), at(jax.grad(loss)), at(jax.grad(jax.grad(loss)))


def near(found: Any, wanted: float) -> bool:
    """Whether all numbers found are what is wanted, to twelve digits."""
    return bool(np.all(np.abs(np.asarray(found) - wanted) <= 1e-12 * max(1.0, abs(wanted))))


def first_kind(found: mnemo.CriticalPoints) -> str:
    """Return the kind of the first point of a catalogue in words."""
    return mnemo.Kind(int(found.catalogue.kind[0])).word


def told(cases: Cases, note: str = "", pictures: tuple[mnemo.Illustration, ...] = ()) -> mnemo.Measurement:
    """Return statements, each true or false, as a measurement."""
    return mnemo.Measurement(
        value=[bool(v) for v in cases.values()], case=list(cases), note=note, illustrations=pictures
    )
