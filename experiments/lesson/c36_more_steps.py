"""Do ten times as many steps lead a descent away from where it was held: from saddles, and from higher minima?"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import mnemo_jax as mnemo
from experiments.lesson import saddles as shared
from mnemo_jax import losses

MORE = 10  # times the budget
RATE = 0.01  # in the plane
MOVED = 0.1  # a descent that is further from where it rested has left
HIGHER = 1e-3  # by how much a minimum lies above the lowest at least


def measure(
    *, place: str, budget: int, starts: int, seed: int, out: Path, picture: bool = True, **args: Any
) -> mnemo.Measurement:
    """Return whether each start had left after ten times the budget (``value``) and after the budget (``other``)."""
    found = PLACES[place](budget=budget, starts=starts, seed=seed, out=out, **args)
    return found if picture else replace(found, illustrations=())


def _cloud(*, budget: int, width: float, offset: float = 0.0, **given: Any) -> mnemo.Measurement:
    """From a normal cloud of that width around the saddle in the plane, or beside it where there is an offset."""
    found = shared.from_cloud(width=width, offset=offset, rate=RATE, steps=MORE * budget, **given)
    left = shared.times(found)
    curves = (
        shared.curve("saddle in the plane", left, MORE * budget, 1 / budget),
        shared.law("saddle in the plane, law of escape", found, 1 / budget),
    )
    return mnemo.Measurement(value=left <= MORE * budget, other=left <= budget, illustrations=(_picture(*curves),))


def _chain(*, budget: int, saddles: int, precision: str, **given: Any) -> mnemo.Measurement:
    """From uniform starts, past so many saddles of the chain."""
    left = shared.along_chain(saddles, noise=0.0, precision=precision, budget=MORE * budget, **given)
    curve = shared.curve(f"chain of {saddles} saddles, {precision}", left, MORE * budget, 1 / budget)
    return mnemo.Measurement(value=left <= MORE * budget, other=left <= budget, illustrations=(_picture(curve),))


def _minima(*, budget: int, loss: str, **given: Any) -> mnemo.Measurement:
    """From anywhere in the box; the runs are those that rest in a higher minimum after the budget."""
    (x, value, at_minimum), (later, final, _) = (_ends(loss, steps, **given) for steps in (budget, MORE * budget))
    lowest = min(point.loss for point in losses.build(loss).known)
    held = at_minimum & (value > lowest + HIGHER)
    left = ~(np.linalg.norm(later - x, axis=1) < MOVED)[held]
    fell = np.sum(final[held] < lowest + HIGHER)
    note = (
        f"{held.sum():,} of {len(x):,} starts rested in a higher minimum after {budget:,} steps; {fell:,} reached the "
    )
    curve = mnemo.Series(name=f"{loss.replace('_', ' ')}, higher minima", x=[1, MORE], y=[0.0, float(left.mean())])
    return mnemo.Measurement(
        value=left, other=np.zeros(len(left), bool), note=f"{note}lowest later.", illustrations=(_picture(curve),)
    )


def _ends(loss: str, steps: int, *, starts: int, seed: int, out: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return end points ``[n, d]`` after so many steps, their losses, and whether each is at a minimum."""
    stop = mnemo.Stop(grad_tol=0.0, max_steps=steps)
    kept = mnemo.Recording(endpoints=True)
    record = mnemo.survey(loss, starts=starts, seed=seed, stop=stop, recording=kept, out=out)
    table = record.starts("x", "loss", "label").to_pandas()
    minima = np.flatnonzero(record.catalogue.kind == mnemo.Kind.MINIMUM)
    return np.stack(table["x"].to_numpy()), table["loss"].to_numpy(), table["label"].isin(minima).to_numpy()


def _picture(*series: mnemo.Series) -> mnemo.Illustration:
    return mnemo.Illustration(
        title="Share of descents that have left, up to ten times the budget",
        caption="Budgets are 1,000 steps, but 400 along the chain in float64 and 4,000 in float32. More steps lead "
        "away from saddles, not from minima, and not from a saddle whose way out was rounded to zero.",
        x="steps, in budgets",
        y="share that has left",
        log="x",
        series=series,
    )


PLACES: dict[str, Callable[..., mnemo.Measurement]] = {"cloud": _cloud, "chain": _chain, "minima": _minima}
