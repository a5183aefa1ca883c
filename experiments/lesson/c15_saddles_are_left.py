"""Do descents without noise leave saddles, within a number of steps that was fixed before?

From clouds around a saddle in the plane, from anywhere in a landscape with saddles, from exactly on a stable manifold,
and along the chain of saddles of Du et al. (2017), in float64 and float32.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import mnemo_jax as mnemo
from experiments.lesson import saddles as shared
from mnemo_jax import losses

RATE = 0.1
WIDTH = 1e-3


def measure(
    *,
    place: str,
    steps: int,
    starts: int,
    seed: int,
    out: Path,
    saddles: int = 1,
    precision: str = "float64",
    picture: bool = False,
) -> mnemo.Measurement:
    """Return whether each start had left the saddle, or all saddles, of a ``place`` by ``steps``."""
    if place == "chain":
        found = _chain(saddles, precision, picture, steps=steps, starts=starts, seed=seed, out=out)
    else:
        found = PLACES[place](steps=steps, starts=starts, seed=seed, out=out)
    return found if picture else replace(found, illustrations=())


def _cloud(*, steps: int, **given: Any) -> mnemo.Measurement:
    """From a normal cloud around the saddle in the plane."""
    found = shared.from_cloud(width=WIDTH, rate=RATE, steps=steps, **given)
    left = shared.times(found)
    picture = mnemo.Illustration(
        title="Share of descents that have left the saddle in the plane",
        caption=f"Starts {WIDTH:g} about the saddle, learning rate {RATE:g}, no noise; the law is exact here.",
        x="steps",
        y="share that has left",
        series=(shared.curve("measured", left, steps), shared.law("law of escape", found)),
    )
    return mnemo.Measurement(value=left <= steps, illustrations=(picture,))


def _manifold(*, steps: int, starts: int, seed: int, out: Path) -> mnemo.Measurement:
    """From points exactly on the stable manifold, the axis y = 0, of the saddle in the plane."""
    plane = replace(losses.build("strict_saddle"), lower=(-1000.0, -shared.RADIUS), upper=(1000.0, shared.RADIUS))
    record = mnemo.survey(
        plane,
        learning_rate=RATE,
        starts=mnemo.Normal(count=starts, scale=(1.0, 0.0)),
        seed=seed,
        stop=mnemo.Stop(grad_tol=0.0, max_steps=steps, escape_radius=1.0),
        name="manifold",
        out=out,
    )
    return mnemo.Measurement(value=record.starts("outcome").to_pandas()["outcome"] == "escaped")


def _camel(*, steps: int, starts: int, seed: int, out: Path) -> mnemo.Measurement:
    """From anywhere in the six-hump camel's box, with its eight saddles."""
    stop = mnemo.Stop(max_steps=steps)
    record = mnemo.survey("six_hump_camel", starts=starts, seed=seed, stop=stop, out=out)
    label = record.starts("label").to_pandas()["label"]
    minima = np.flatnonzero(record.catalogue.kind == mnemo.Kind.MINIMUM)
    return mnemo.Measurement(value=label.isin(minima).to_numpy(), note=_longest(record))


def _longest(record: mnemo.Record) -> str:
    stalls = record.stalls().to_pandas()
    longest = f", the longest for {stalls['length'].max():,} steps" if len(stalls) else ""
    return f"{stalls['start'].nunique():,} of these descents stalled on their way{longest}."


def _chain(saddles: int, precision: str, picture: bool, *, steps: int, **given: Any) -> mnemo.Measurement:
    """From uniform starts, past so many saddles of the chain, and for a picture past each before."""
    runs = {
        number: shared.along_chain(number, noise=0.0, precision=precision, budget=steps, **given)
        for number in range(1 if picture else saddles, saddles + 1)
    }
    left = runs[saddles]
    curves = tuple(shared.curve(f"{_saddles(k)}, {precision}", run, steps) for k, run in runs.items())
    drawn = mnemo.Illustration(
        title="Share of descents that are past the saddles of a chain",
        caption="Every further saddle takes gradient descent some four times as many steps. Curves that end below one "
        "have lost descents whose way out underflowed to zero.",
        x="steps",
        y="share that is past them",
        log="x",
        series=curves,
    )
    lost = int(np.sum(~np.isfinite(left)))
    note = f"{lost:,} of {len(left):,} starts are not past the last of {_saddles(saddles)} after {steps:,} steps."
    return mnemo.Measurement(value=left <= steps, note=note if lost else "", illustrations=(drawn,))


def _saddles(number: int) -> str:
    return f"{number} saddle{'s' * (number > 1)}"


PLACES: dict[str, Callable[..., mnemo.Measurement]] = {"cloud": _cloud, "manifold": _manifold, "camel": _camel}
