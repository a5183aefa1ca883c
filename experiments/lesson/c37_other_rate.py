"""Does another learning rate lead a descent away from a saddle, or out of a minimum that is not the lowest?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import mnemo_jax as mnemo
from experiments.lesson import saddles as shared
from mnemo_jax import losses

BASE, WIDTH = 0.01, 1e-6  # in the plane
MINIMUM = 1  # of the camel's known points: one of the two in the middle, 0.8 above the lowest
HIGHER = 1e-3  # by how much one minimum lies above another at least
NEAR, AWAY = 0.01, 0.5  # of the starts about it; a descent that ends further from it has left
CAMEL_RATE, CAMEL_STEPS = 0.02, 2_000
NOISE, NOISY_STEPS = 4.0, 10_000  # standard deviation of every gradient entry


def measure(*, place: str, starts: int, seed: int, out: Path, **args: Any) -> mnemo.Measurement:
    """Return what each start came to with another rate, or with noise (``value``), and as before (``other``)."""
    return PLACES[place](starts=starts, seed=seed, out=out, **args)


def _steps(*, rate: float, budget: int, **given: Any) -> mnemo.Measurement:
    """Whether each start has left the saddle in the plane by the same step."""
    here, there = (shared.times(_plane(chosen, **given)) for chosen in (rate, BASE))
    return mnemo.Measurement(value=here <= budget, other=there <= budget)


def _time(*, rate: float, beside: bool = True, **given: Any) -> mnemo.Measurement:
    """The time, rate times steps, at which each start leaves the saddle in the plane."""
    both = {chosen: _plane(chosen, **given) for chosen in (rate, BASE)}
    left = {chosen: chosen * shared.times(found) for chosen, found in both.items()}
    wanted = [rate, *([BASE] if beside else [])]
    drawn = mnemo.Illustration(
        title="Share of descents that have left the saddle in the plane, against rate times steps",
        caption=f"The same starts, {WIDTH:g} about the saddle, with each learning rate; escapes scale with the rate "
        "until steps become coarse.",
        x="learning rate times steps",
        y="share that has left",
        series=(
            *(shared.curve(f"learning rate {r:g}", left[r] / r, left[r].max() / r, r) for r in wanted),
            *(shared.law(f"learning rate {r:g}, law", both[r], r) for r in wanted),
        ),
    )
    return mnemo.Measurement(value=left[rate], other=left[BASE], illustrations=(drawn,))


def _plane(rate: float, **given: Any) -> mnemo.Escapes:
    return shared.from_cloud(width=WIDTH, rate=rate, **given)


def _minimum(*, rate: float, **given: Any) -> mnemo.Measurement:
    """Whether each start leaves a higher minimum of the camel with another rate."""
    here, there = (_camel({"learning_rate": chosen}, **given) for chosen in (rate, CAMEL_RATE))
    gone = _gone(here)
    rests = (here["outcome"] == "converged").to_numpy()
    higher = np.sum(rests & (here["loss"] > _at().loss + HIGHER).to_numpy())
    note = f"With it {np.sum(rests):,} of {len(here):,} descents came to rest"
    where = f", {np.sum(_lowest(here)):,} in a lowest minimum and {higher:,} in one above where they were"
    return mnemo.Measurement(value=gone, other=_gone(there), note=f"{note}{where if gone.any() else ''}.")


def _noise(*, starts: int, seed: int, out: Path) -> mnemo.Measurement:
    """Whether each start leaves a higher minimum of the camel with noise, after which it rests without."""
    given: dict[str, Any] = {"starts": starts, "seed": seed, "out": out}
    noise = {"learning_rate": CAMEL_RATE, "noise": {"kind": "gradient", "scale": NOISE}}
    driven = _camel(noise, steps=NOISY_STEPS, **given)
    x = np.stack(driven["x"].to_numpy())
    sane = np.isfinite(x).all(axis=1) & (driven["outcome"] == "finished").to_numpy()
    rested = mnemo.survey(
        "six_hump_camel",
        learning_rate=CAMEL_RATE,
        starts=x[sane],
        recording=mnemo.Recording(endpoints=True),
        out=out,
    )
    end = rested.starts("outcome", "x", "loss").to_pandas()
    gone = np.zeros(starts, bool)
    gone[sane] = _gone(end)
    note = f"{np.sum(_lowest(end)):,} of {starts:,} descents ended in a lowest minimum."
    before = _gone(_camel({"learning_rate": CAMEL_RATE}, **given))
    return mnemo.Measurement(value=gone, other=before, valid=sane, note=note)


def _camel(optimizer: dict[str, Any], *, starts: int, seed: int, out: Path, steps: int | None = None) -> Any:
    """Return where descents from about the minimum end; a number of steps is taken in full."""
    stop = mnemo.Stop(grad_tol=0.0, max_steps=steps) if steps else mnemo.Stop(max_steps=CAMEL_STEPS)
    record = mnemo.survey(
        "six_hump_camel",
        optimizer={"name": "sgd", **optimizer},
        starts=mnemo.Normal(count=starts, mean=_at().x, scale=NEAR),
        seed=seed,
        stop=stop,
        recording=mnemo.Recording(endpoints=True),
        out=out,
    )
    return record.starts("outcome", "x", "loss").to_pandas()


def _at() -> mnemo.KnownPoint:
    return losses.build("six_hump_camel").known[MINIMUM]


def _gone(ends: Any) -> np.ndarray:
    """Return whether each descent ended away from the minimum, or diverged."""
    return ~(np.linalg.norm(np.stack(ends["x"].to_numpy()) - np.array(_at().x), axis=1) < AWAY)


def _lowest(ends: Any) -> np.ndarray:
    lowest = min(point.loss for point in losses.build("six_hump_camel").known)
    return ((ends["outcome"] == "converged") & (ends["loss"] < lowest + HIGHER)).to_numpy()


PLACES: dict[str, Callable[..., mnemo.Measurement]] = {
    "steps": _steps,
    "time": _time,
    "minimum": _minimum,
    "noise": _noise,
}
