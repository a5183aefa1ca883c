"""Is the negative gradient the steepest way down, does every step go down, and is where a descent stops a low point?"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import mnemo_jax as mnemo
from mnemo_jax import losses

VALUES = {"parabola": lambda x: x**2 - 4 * x + 5, "double_well": lambda x: x**4 - 4 * x**2 + 1}
LOWEST = {"parabola": 1.0, "double_well": -3.0}
SHOWN = 60  # steps drawn
GROWTH = 1.08  # of the distance from the quartic's maximum in a step at rate 0.01
TINY, LATER = 1e-300, 8900  # a start, and a number of steps after which the quartic is still its parabola


def measure(*, asks: str, starts: int, directions: int, seed: int, out: Path, **rest: Any) -> mnemo.Measurement:
    """Return the runs of the part that is asked for."""
    if asks == "steepest":
        return steepest(rest["losses"], starts, directions, seed)
    if asks == "lower":
        return lower(rest["descents"], starts, seed, out)
    if asks == "law":
        return law(out)
    made = [losses.build(name, rest.get("of")) for name in rest["losses"]]
    return stops(made, rest.get("at"), rest.get("lower"), starts, seed, out)


def steepest(names: list[str], starts: int, directions: int, seed: int) -> mnemo.Measurement:
    """Return at which random points no direction goes down faster than the negative gradient."""
    draw, value, case = np.random.default_rng(seed), [], []
    for name in names:
        made = losses.build(name)
        x = draw.uniform(made.lower, made.upper, (starts, made.dim))
        v = draw.standard_normal((directions, made.dim))
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        with jax.enable_x64(True):
            along, slope = map(np.asarray, _slopes(made, jnp.asarray(x), jnp.asarray(v)))
        value.extend((along.min(axis=1) >= -slope * (1 + 1e-9)).tolist())
        case.extend(f"{name}, point {i}" for i in range(starts))
    note = f"{directions:,} random directions at each of {len(value):,} points of {', '.join(names)}."
    return mnemo.Measurement(value=value, case=case, note=note)


def _slopes(made: mnemo.Landscape, x: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the slope along every direction ``[n, m]``, in forward mode, and the gradient's norm ``[n]``."""

    def loss(y: jax.Array) -> jax.Array:
        return made.loss(y, **made.args)

    def at(y: jax.Array) -> tuple[jax.Array, jax.Array]:
        along = jax.vmap(lambda w: jax.jvp(loss, (y,), (w,))[1])(v)
        return along, jnp.linalg.norm(jax.grad(loss)(y))

    return jax.jit(jax.vmap(at))(x)


def lower(descents: list[list[Any]], starts: int, seed: int, out: Path) -> mnemo.Measurement:
    """Return which descents lower the loss in every step, up to its rounding."""
    value, case, series = [], [], []
    for name, rate in descents:
        record = mnemo.survey(
            name,
            learning_rate=rate,
            starts=starts,
            seed=seed,
            stop=mnemo.Stop(max_steps=1000),
            recording=mnemo.Recording(paths=min(starts, 10_000)),
            name=f"{name}-{rate:g}",
            out=out,
        )
        heights = [VALUES[name](path[:, 0]) for path in record.paths()]
        good = [bool(np.all(np.diff(h) <= 8 * np.finfo(float).eps * (1 + np.abs(h[1:])))) for h in heights]
        value += good
        case += [f"{name} at rate {rate:g}, start {i}" for i in range(len(good))]
        shown = heights[good.index(False) if False in good else 0][: SHOWN + 1]
        above = np.maximum(shown - LOWEST[name], 1e-16)
        series.append(mnemo.Series(name=f"{name} at rate {rate:g}", x=np.arange(len(shown)), y=above))
    return mnemo.Measurement(
        value=value,
        case=case,
        note=f"{np.mean(value):.1%} of {len(value):,} descents lower the loss in every step.",
        illustrations=(heights_of(series),),
    )


def heights_of(series: list[mnemo.Series]) -> mnemo.Illustration:
    """Draw the loss along a descent of each kind."""
    return mnemo.Illustration(
        title="Loss along a descent",
        caption="One descent each, one that rises where there is any. 2 over the curvature is 1 for the parabola, "
        "and 0.125 at the quartic's minima.",
        x="step",
        y="loss above the minimum",
        log="y",
        series=tuple(series),
    )


def stops(
    landscapes: list[mnemo.Landscape],
    at: list[float] | None,
    low: float | None,
    starts: int,
    seed: int,
    out: Path,
) -> mnemo.Measurement:
    """Return which descents stop at a minimum: from points given, or from uniform ones above ``low``."""
    value, case, valid, told = [], [], [], []
    for made in landscapes:
        given = mnemo.Uniform(count=starts, lower=low) if at is None else np.array([at])
        record = mnemo.survey(made, starts=given, seed=seed, stop=mnemo.Stop(max_steps=200_000), out=out)
        table = record.starts("outcome", "label", "steps").to_pandas()
        kind = np.append(record.catalogue.kind, -1)[table["label"].fillna(-1).astype(int)]
        value += (kind == mnemo.Kind.MINIMUM).tolist()
        valid += (table["outcome"] == "converged").tolist()
        case += [f"{made.name}, start {i}" if at is None else f"{made.name} from {at}" for i in range(len(kind))]
        words = ", ".join(sorted({mnemo.Kind(int(k)).word if k >= 0 else "nothing" for k in kind}))
        told.append(f"on {made.name} they stop at: {words} (up to {table['steps'].max():,} steps)")
    pictures = (leaving(out),) if landscapes[0].name == "double_well" else ()
    note = f"{len(value):,} descents; {'; '.join(told)}."
    return mnemo.Measurement(value=value, case=case, valid=valid, note=note, illustrations=pictures)


def law(out: Path) -> mnemo.Measurement:
    """Return whether a start at 1e-300 takes as many steps more as the growth near the maximum says."""
    steps = leave(np.array([TINY, TINY * GROWTH**LATER]), out)
    return mnemo.Measurement(
        value=[steps[0] - steps[1] == LATER],
        case=["from 1e-300"],
        note=f"{steps[0]:,} steps from 1e-300 to 1, {LATER:,} of them to {TINY * GROWTH**LATER:.2g}.",
    )


def leave(x: np.ndarray, out: Path) -> np.ndarray:
    """Return the steps that descents at rate 0.01 take on the quartic from starts ``x [n]`` to a distance of 1."""
    record = mnemo.survey(
        replace(losses.build("double_well"), lower=(-1.0,), upper=(1.0,)),
        learning_rate=0.01,
        starts=x[:, None],
        stop=mnemo.Stop(grad_tol=0.0, max_steps=20_000, escape_radius=1.0),  # so near 0 any tolerance is met at once
        name="leaving-the-maximum",
        out=out,
    )
    return record.starts("steps")["steps"].to_numpy().astype(int)


def leaving(out: Path) -> mnemo.Illustration:
    """Draw how long descents stay near the quartic's maximum by how near they start."""
    digits = np.arange(1, 301, 13)
    steps = leave(10.0**-digits, out)
    line = steps[0] + np.log(10.0) / np.log(GROWTH) * (digits - 1)
    return mnemo.Illustration(
        title="Steps from a start near the quartic's maximum",
        caption="Every step at rate 0.01 multiplies the distance from the maximum by 1.08; from exactly 0 a descent "
        "never leaves it. One with a tolerance for gradients would stop at once.",
        x="k, for a start at 10^-k",
        y="steps until the distance is 1",
        series=(
            mnemo.Series(name="by the growth of a step", x=digits, y=line, kind="law"),
            mnemo.Series(name="measured", x=digits, y=steps, kind="marks"),
        ),
    )
