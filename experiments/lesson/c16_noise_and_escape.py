"""Is it noise that makes descents leave saddles? Every start is followed with and without it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import mnemo_jax as mnemo
from experiments.lesson import saddles as shared
from experiments.lesson.small_losses import principal, product

RATE = 0.1  # in the plane
NOISE = 0.01  # standard deviation of every gradient entry, in the plane and along the chain
BUDGET = 2_000  # steps, but along the chain
CHAIN_BUDGET = 40_000
BATCH, BATCH_RATE, BATCH_WIDTH = 8, 0.05, 1e-4
ARMS = ("with noise", "without noise")


def measure(*, place: str, starts: int, seed: int, out: Path, picture: bool = True, **args: Any) -> mnemo.Measurement:
    """Return when each start had left the saddle with noise (``value``) and without (``other``), or whether."""
    found = PLACES[place](starts=starts, seed=seed, out=out, **args)
    return found if picture else replace(found, illustrations=())


def _cloud(*, width: float, noise: float = NOISE, **given: Any) -> mnemo.Measurement:
    """From a normal cloud of that width around the saddle in the plane."""
    arms = [shared.from_cloud(width=width, rate=RATE, noise=scale, **given) for scale in (noise, None)]
    left = [shared.times(arm) for arm in arms]
    names = [f"{arm}, starts {width:g} about it" for arm in ARMS]
    curves = [shared.curve(name, steps, float(steps.max())) for name, steps in zip(names, left, strict=True)]
    laws = [shared.law(f"{name}, law", arm) for name, arm in zip(names, arms, strict=True)]
    picture = mnemo.Illustration(
        title="Share of descents that have left the saddle in the plane, with and without noise",
        caption=f"Noise of {noise:g} on every gradient entry, learning rate {RATE:g}. Noise hastens those alone that "
        "start nearer to the saddle's stable manifold than noise would take them.",
        x="steps",
        y="share that has left",
        series=(*curves, *laws),
    )
    return _paired(left[0], left[1], BUDGET, picture)


def _manifold(**given: Any) -> mnemo.Measurement:
    """From exactly on the stable manifold of the saddle in the plane: whether each start leaves."""
    noisy, plain = (
        shared.times(shared.from_cloud(width=0.0, offset=0.5, rate=RATE, noise=scale, steps=BUDGET, **given))
        for scale in (NOISE, None)
    )
    return mnemo.Measurement(value=np.isfinite(noisy), other=np.isfinite(plain))


def _plain(*, width: float, **given: Any) -> mnemo.Measurement:
    """From a cloud around the saddle in the plane, without noise: whether each start leaves."""
    left = shared.times(shared.from_cloud(width=width, rate=RATE, steps=BUDGET, **given))
    return mnemo.Measurement(value=np.isfinite(left))


def _chain(*, saddles: int, **given: Any) -> mnemo.Measurement:
    """From uniform starts, past so many saddles of the chain."""

    def run(number: int, noise: float) -> np.ndarray:
        return shared.along_chain(number, noise=noise, precision="float64", budget=CHAIN_BUDGET, **given)

    left = {noise: [run(k, noise) for k in range(1, saddles + 1)] for noise in (NOISE, 0.0)}
    picture = mnemo.Illustration(
        title="Steps past the saddles of a chain, with and without noise",
        caption="Medians over the starts, those that never arrive counted as the longest, with the middle half of the "
        "starts. Without noise each further saddle multiplies the steps, with noise it adds some thirty.",
        x="saddles passed",
        y="steps",
        log="y",
        series=tuple(_medians(name, left[noise]) for name, noise in zip(ARMS, (NOISE, 0.0), strict=True)),
    )
    return _paired(left[NOISE][-1], left[0.0][-1], CHAIN_BUDGET, *([picture] if saddles > 1 else []))


def _medians(name: str, left: list[np.ndarray]) -> mnemo.Series:
    low, middle, high = (
        [float(np.quantile(np.minimum(steps, CHAIN_BUDGET), share, method="lower")) for steps in left]
        for share in (0.25, 0.5, 0.75)
    )
    return mnemo.Series(name=name, x=list(range(1, len(left) + 1)), y=middle, low=low, high=high)


def _batches(*, loss: str, width: float = BATCH_WIDTH, **given: Any) -> mnemo.Measurement:
    """From a cloud around the saddle of a loss with data: batches against the whole gradient."""
    noisy, plain = (
        _left(LOSSES[loss](), noise, width, **given) for noise in ({"kind": "minibatch", "size": BATCH}, {})
    )
    names = (f"batches of {BATCH}", "all data")
    picture = mnemo.Illustration(
        title="Share of descents that have left a saddle, on batches and on all data",
        caption=f"Starts {width:g} about the saddle, learning rate {BATCH_RATE:g}, {len(noisy):,} starts. At the "
        "product's saddle no item has a gradient, so that batches have no noise there.",
        x="steps",
        y="share that has left",
        series=tuple(
            shared.curve(f"{loss}, {name}", steps, float(min(steps.max(), BUDGET)))
            for name, steps in zip(names, (noisy, plain), strict=True)
        ),
    )
    return _paired(noisy, plain, BUDGET, picture)


def _at_product(**given: Any) -> mnemo.Measurement:
    """From exactly on the saddle at which the gradient of every item is zero: whether batches lead away."""
    left = _left(product(), {"kind": "minibatch", "size": BATCH}, 0.0, **given)
    return mnemo.Measurement(value=np.isfinite(left))


def _left(landscape: mnemo.Landscape, noise: Any, width: float, *, starts: int, seed: int, out: Path) -> np.ndarray:
    """Return the step at which each start left the box, whose centre is the saddle, infinite for never."""
    centre = tuple(0.5 * (low + high) for low, high in zip(landscape.lower, landscape.upper, strict=True))
    record = mnemo.survey(
        landscape,
        optimizer={"name": "sgd", "learning_rate": BATCH_RATE} | ({"noise": noise} if noise else {}),
        starts=mnemo.Normal(count=starts, mean=centre, scale=width),
        seed=seed,
        stop=mnemo.Stop(grad_tol=0.0, max_steps=BUDGET, escape_radius=1.0),
        out=out,
    )
    table = record.starts("outcome", "steps").to_pandas()
    return np.where(table["outcome"] == "escaped", table["steps"].to_numpy(float), np.inf)


def _paired(noisy: np.ndarray, plain: np.ndarray, budget: int, *pictures: mnemo.Illustration) -> mnemo.Measurement:
    """Return both arms' times with whether they ended."""
    (value, ended), (other, other_ended) = shared.censored(noisy, budget), shared.censored(plain, budget)
    return mnemo.Measurement(value=value, other=other, ended=ended, other_ended=other_ended, illustrations=pictures)


LOSSES = {"product of two weights": product, "principal component": principal}
PLACES: dict[str, Callable[..., mnemo.Measurement]] = {
    "cloud": _cloud,
    "manifold": _manifold,
    "plain": _plain,
    "chain": _chain,
    "batches": _batches,
    "at product": _at_product,
}
