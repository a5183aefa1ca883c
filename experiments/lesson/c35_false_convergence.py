"""Does a saddle look like convergence? A usual rule of patience is held against what the loss did afterwards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import mnemo_jax as mnemo
from experiments.lesson.small_losses import product
from mnemo_jax import losses

EVERY, PATIENCE, GAIN = 10, 5, 1e-3  # the rule: five looks, ten steps apart, that gain less than 0.1 % of the loss
DROP = 0.1  # of the loss at the alarm: what it must still fall by for the alarm to be a false one
BEND = 0.05  # of the largest eigenvalue: what the smallest must be below zero by to count as negative
SADDLE = 5  # of Himmelblau's known points


def measure(
    *,
    place: str,
    steps: int,
    starts: int,
    seed: int,
    out: Path,
    scale: float = 0.0,
    asks: str = "false alarm",
    picture: bool = False,
) -> mnemo.Measurement:
    """Return whether the rule gave a false alarm, or an alarm at all, along the descent from each start."""
    landscape, rate, begun = PLACES[place](starts, scale)
    record = mnemo.survey(
        landscape,
        learning_rate=rate,
        starts=begun,
        seed=seed,
        stop=mnemo.Stop(grad_tol=0.0, max_steps=steps),
        recording=mnemo.Recording(paths=starts),
        out=out,
    )
    paths = np.stack(record.paths())
    with jax.enable_x64(True):
        looks = np.asarray(_values(paths[:, ::EVERY], landscape))
        fired = np.array([alarm(one) for one in looks])
        false = np.array(
            [at >= 0 and one[at:].min() < (1 - DROP) * one[at] for at, one in zip(fired, looks, strict=True)]
        )
        note = _note(landscape, paths[:, ::EVERY], fired, false)
        drawn = [_picture(landscape, paths[_typical(fired)], f"scale {scale:g}")] if picture else []
    value = false if asks == "false alarm" else fired >= 0
    return mnemo.Measurement(value=value, note=note, illustrations=tuple(drawn))


def alarm(looks: np.ndarray) -> int:
    """Return the first look at which the best loss is less than 0.1 % below that five looks before, -1 for none."""
    best = np.minimum.accumulate(looks)
    gain = best[:-PATIENCE] - best[PATIENCE:]
    stuck = np.flatnonzero(gain < GAIN * np.abs(best[:-PATIENCE]))
    return int(stuck[0]) + PATIENCE if len(stuck) else -1


def _two_weights(starts: int, scale: float) -> tuple[mnemo.Landscape, float, Any]:
    """The network of two weights, from normal weights of that scale."""
    return product(), 0.01, mnemo.Normal(count=starts, scale=scale)


def _himmelblau(starts: int, scale: float) -> tuple[mnemo.Landscape, float, Any]:
    """Himmelblau's function, from the whole box, or that near to one of its saddles."""
    whole = losses.build("himmelblau")
    landscape = mnemo.Landscape(loss=_raised_himmelblau, dim=2, lower=whole.lower, upper=whole.upper, name="himmelblau")
    near = mnemo.Normal(count=starts, mean=whole.known[SADDLE].x, scale=scale)
    return landscape, 1e-3, near if scale else mnemo.Uniform(count=starts)


def _bowl(starts: int, _: float) -> tuple[mnemo.Landscape, float, Any]:
    """A quadratic of condition 100."""
    landscape = mnemo.Landscape(loss=_raised_quadratic, dim=2, lower=(-5.0,), upper=(5.0,), name="bowl")
    return landscape, 1e-2, mnemo.Uniform(count=starts)


def _raised_himmelblau(x: Array) -> Array:
    # Above 0, as losses on data are: near a least loss of 0 the rule would ask for 0.1 % of nothing.
    return 1.0 + losses.build("himmelblau").loss(x)


def _raised_quadratic(x: Array) -> Array:
    return 1.0 + 0.5 * (x[0] ** 2 + 100.0 * x[1] ** 2)


PLACES: dict[str, Callable[[int, float], tuple[mnemo.Landscape, float, Any]]] = {
    "two weights": _two_weights,
    "Himmelblau": _himmelblau,
    "bowl": _bowl,
}


def _values(x: np.ndarray, landscape: mnemo.Landscape) -> Array:
    """Return the loss at points ``[n, looks, d]``."""
    return jax.jit(jax.vmap(jax.vmap(lambda one: landscape.loss(one, **landscape.args))))(x)


def _note(landscape: mnemo.Landscape, x: np.ndarray, fired: np.ndarray, false: np.ndarray) -> str:
    """Return how curvature tells false alarms from true ones."""
    rows = np.flatnonzero(fired >= 0)
    if not len(rows):
        return "The rule gave no alarm."
    hessian = jax.jit(jax.vmap(jax.hessian(lambda one: landscape.loss(one, **landscape.args))))
    eigenvalues = np.linalg.eigvalsh(np.asarray(hessian(x[rows, fired[rows]])))
    saddle = eigenvalues[:, 0] < -BEND * eigenvalues[:, -1]
    down = [int(np.sum(saddle[false[rows] == kind])) for kind in (True, False)]
    count = [int(np.sum(false)), len(rows) - int(np.sum(false))]
    return (
        f"The Hessian had a negative eigenvalue at {down[0]:,} of {count[0]:,} false alarms "
        f"and at {down[1]:,} of {count[1]:,} others."
    )


def _typical(fired: np.ndarray) -> int:
    """Return the start whose alarm has the median time, the first where none has one."""
    rows = np.flatnonzero(fired >= 0)
    return int(rows[np.argsort(fired[rows], kind="stable")[len(rows) // 2]]) if len(rows) else 0


def _picture(landscape: mnemo.Landscape, path: np.ndarray, name: str) -> mnemo.Illustration:
    """Draw loss and gradient along one descent, and where the rule gives its alarm."""
    gradient = jax.vmap(jax.grad(lambda one: landscape.loss(one, **landscape.args)))
    step = np.arange(0, len(path), EVERY)
    loss = np.asarray(_values(path[None, ::EVERY], landscape))[0]
    size = np.linalg.norm(np.asarray(gradient(jnp.asarray(path[::EVERY]))), axis=1)
    at = alarm(loss)
    series = [
        mnemo.Series(name=f"loss, {name}", x=step, y=loss),
        mnemo.Series(name=f"gradient, {name}", x=step, y=size),
    ]
    if at >= 0:
        series.append(mnemo.Series(name=f"alarm, {name}", x=[int(step[at])], y=[float(loss[at])], kind="marks"))
    return mnemo.Illustration(
        title="Loss and gradient norm along two descents, from small weights and from ordinary ones",
        caption="Two weights in a row, the start whose alarm has the median time. Neither the loss nor the gradient at "
        "an alarm tells a saddle from a minimum; the Hessian does.",
        x="steps",
        y="loss, gradient norm",
        log="y",
        series=tuple(series),
    )
