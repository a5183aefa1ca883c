"""Where slope and second derivative are both zero: is the point never an extremum, or does that say nothing?

``s x^k (1 + e p(x))`` with random p has its point at 0; the engine finds it, and its kind, by search. What it really is
the neighbours tell.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jax import Array

import mnemo_jax as mnemo
from experiments.lesson import polynomials
from mnemo_jax import losses

SIZE = 7  # of the coefficients: powers 0 to 6
SLACK = 0.3  # of the further terms
NEAR = 0.25  # distance to the neighbours, where further terms do not outweigh the first
SEEKING = mnemo.Seeking(count=32, along=0, heights=0, rounds=0)
RATE, DRAWN = 1 / 12, (10, 100, 1000, 10_000, 100_000)  # of descents on x^4; the steps that are drawn


def measure(
    *, asks: str, polys: int, steps: int, seed: int, out: Path, powers: tuple[int, ...] = ()
) -> mnemo.Measurement:
    """Return the runs of the part that is asked for."""
    if asks == "flat":
        return infinitely_flat(seed, out)
    if asks == "law":
        return slow(steps, out)
    runs = [one for k in powers for one in family(k, polys, seed, out)]
    truth, kind, order = (np.array([run[i] for run in runs]) for i in (1, 2, 3))
    case = [run[0] for run in runs]
    words = f"{np.sum(truth == 'minimum')} minima, {np.sum(truth == 'maximum')} maxima"
    words += f", {np.sum(truth == 'saddle')} inflections"
    if asks == "undecided":
        return undecided(powers, truth, np.array([run[4] for run in runs]), words)
    if asks == "engine":
        right = (kind == truth) & (order == np.repeat(powers, len(runs) // len(powers)))
        note = "Kinds and orders as the engine says, against neighbours and exponents."
        return mnemo.Measurement(value=right, case=case, note=note)
    pictures = (decay(out),) if 4 in powers else ()
    note = f"By their neighbours: {words}."
    return mnemo.Measurement(value=truth == "saddle", case=case, note=note, illustrations=pictures)


def family(k: int, number: int, seed: int, out: Path) -> list[tuple[str, str, str, int, float]]:
    """Return name, kind by neighbours, the engine's kind and order, and curvature of points with first power ``k``."""
    draw, found = np.random.default_rng([seed, k]), []
    for i in range(number):
        c = np.zeros(SIZE)
        c[k] = 1 if i % 2 == 0 else -1
        c[k + 1 :] = SLACK * draw.uniform(-1, 1, SIZE - k - 1)
        made = polynomials.landscape(c)
        points = mnemo.find_critical_points(made, seeking=SEEKING, seed=seed, name=f"power-{k}-{i}", out=out).catalogue
        row = int(np.argmin(np.abs(points.x[:, 0])))
        rise = [np.polyval(c[::-1], x) for x in (-NEAR, NEAR)]
        kind = "minimum" if min(rise) > 0 else "maximum" if max(rise) < 0 else "saddle"
        bend = float(points.eigenvalues[row, 0]) if points.nullity[row] == 0 else 0.0
        name = f"{'-' if c[k] < 0 else ''}x^{k}, number {i}"
        found.append((name, kind, mnemo.Kind(int(points.kind[row])).word, int(points.order[row]), bend))
    return found


def undecided(powers: tuple[int, ...], truth: np.ndarray, bend: np.ndarray, words: str) -> mnemo.Measurement:
    """Return whether points of every kind have a second derivative of zero."""
    kinds = {word: bool(np.any((truth == word) & (bend == 0))) for word in ("minimum", "maximum", "saddle")}
    names = {"minimum": "a minimum", "maximum": "a maximum", "saddle": "an inflection"}
    return mnemo.Measurement(
        value=list(kinds.values()),
        case=[f"{names[word]} with f'' = 0" for word in kinds],
        note=f"Among {len(truth)} points of first powers {', '.join(map(str, powers))}: {words}.",
        illustrations=(zoo(),),
    )


def flat(x: Array) -> Array:
    """Return ``exp(-1 / x^2)``, of which all derivatives at 0 are 0."""
    y = jnp.where(x[0] == 0, 1.0, x[0])
    return jnp.where(x[0] == 0, 0.0, jnp.exp(-1 / y**2))


def infinitely_flat(seed: int, out: Path) -> mnemo.Measurement:
    """Return what the point of exp(-1/x^2) at 0 is."""
    made = mnemo.Landscape(loss=flat, dim=1, lower=(-1.0,), upper=(1.0,), name="flat")
    points = mnemo.find_critical_points(made, starts=np.zeros((1, 1)), seeking=SEEKING, seed=seed, out=out).catalogue
    higher = all(np.exp(-1 / x**2) > 0 for x in (-NEAR, NEAR))
    return mnemo.Measurement(
        value=[not higher],
        case=["exp(-1/x^2)"],
        valid=[len(points.x) == 1],
        note=f"A minimum by its neighbours; the engine, which looks at eight derivatives, says "
        f"{mnemo.Kind(int(points.kind[0])).word}.",
    )


def slow(steps: int, out: Path) -> mnemo.Measurement:
    """Return by which factor the distance of descents on x^4 after so many steps is that of the law."""
    x, law = quartic_distance(steps, out), (8 * RATE * steps) ** -0.5
    note = f"After {steps:,} steps a descent on x^4 is at {x[0]:.5g}, by the law at {law:.5g}."
    return mnemo.Measurement(value=np.abs(x / law - 1) < 1e-2, case=[f"start {i}" for i in range(len(x))], note=note)


def quartic_distance(steps: int, out: Path) -> np.ndarray:
    """Return where descents on x^4 from three starts are after so many steps."""
    record = mnemo.survey(
        losses.build("power", {"k": 4}),
        learning_rate=RATE,
        starts=np.array([[0.5], [0.75], [1.0]]),
        stop=mnemo.Stop(grad_tol=0.0, max_steps=steps),
        recording=mnemo.Recording(endpoints=True),
        name=f"x4-{steps}",
        out=out,
    )
    return np.stack(record.starts("x")["x"].to_numpy(zero_copy_only=False))[:, 0]


def decay(out: Path) -> mnemo.Illustration:
    """Draw how slowly a descent comes to x^4's minimum."""
    steps = np.array(DRAWN)
    x = [quartic_distance(number, out)[-1] for number in DRAWN]
    return mnemo.Illustration(
        title="Distance from the minimum of x^4",
        caption="From 1 at rate 1/12. Where the second derivative is zero, descents come closer as one over the root "
        "of their steps; the gradient is below 1e-8 while the distance is still above 1e-3.",
        x="steps",
        y="distance",
        log="xy",
        series=(
            mnemo.Series(name="(8 r T)^(-1/2)", x=steps, y=(8 * RATE * steps) ** -0.5, kind="law"),
            mnemo.Series(name="measured", x=steps, y=x, kind="marks"),
        ),
    )


def zoo() -> mnemo.Illustration:
    """Draw losses with zero slope and zero second derivative at 0."""
    x = np.linspace(-1.0, 1.0, 201)
    with np.errstate(divide="ignore"):
        y = {"x^4": x**4, "-x^4": -(x**4), "x^3": x**3, "exp(-1/x^2)": np.exp(-1 / x**2)}
    return mnemo.Illustration(
        title="Zero slope and zero second derivative at 0",
        caption="A minimum, a maximum, an inflection, and a minimum at which every derivative is zero.",
        x="x",
        y="loss",
        series=tuple(mnemo.Series(name=name, x=x, y=value) for name, value in y.items()),
    )
