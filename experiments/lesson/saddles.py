"""Descents that leave saddles: what the claims on saddles have in common."""

from pathlib import Path
from typing import Any

import numpy as np

import mnemo_jax as mnemo
from experiments.chain_of_saddles import passed
from mnemo_jax.optimizers import parse

RADIUS = 1.0  # a descent has left the saddle in the plane where its unstable coordinate exceeds this
LENGTH = 5  # saddles of the chain; one that is past k of them need not know how many follow
DRAWN = 300  # points of a curve


def from_cloud(
    *,
    width: float,
    rate: float,
    starts: int,
    seed: int,
    out: Path,
    noise: float | None = None,
    steps: int | None = None,
    offset: float = 0.0,
) -> mnemo.Escapes:
    """Let descents leave the saddle of (x^2 - y^2) / 2 from a normal cloud of that width about (offset, 0).

    Starts are the same for the same seed, whatever the noise on the gradient's entries, None for none.
    """
    chosen: dict[str, Any] = {"name": "sgd", "learning_rate": rate}
    if noise is not None:
        chosen["noise"] = {"kind": "gradient", "scale": noise}
    return mnemo.escape_times(
        "strict_saddle",
        at=0.0,
        radius=RADIUS,
        cloud=width,
        offset=offset,
        steps=steps,
        optimizer=parse(chosen),
        starts=starts,
        seed=seed,
        name="plane",
        out=out,
    )


def times(escapes: mnemo.Escapes) -> np.ndarray:
    """Return the step at which each start left, infinite for never."""
    steps = escapes.steps()
    return np.where(steps < 0, np.inf, steps)


def along_chain(saddles: int, *, noise: float, precision: str, starts: int, seed: int, out: Path, budget: int) -> Any:
    """Return the step at which each start was past so many saddles of the chain, infinite for never."""
    return passed(saddles, noise, precision, starts, out, length=LENGTH, seed=seed, budget=budget)["steps"]


def censored(steps: np.ndarray, budget: float) -> tuple[np.ndarray, np.ndarray]:
    """Return times, the budget where a descent had not left by then, and whether each had."""
    ended = steps <= budget
    return np.where(ended, steps, budget), ended


def curve(name: str, steps: np.ndarray, budget: float, scale: float = 1.0) -> mnemo.Series:
    """Return the share of the starts that had left by each step, or by ``scale`` times it."""
    at = np.unique(np.sort(steps[steps <= budget]))
    at = np.append(at[:: max(1, -(-len(at) // DRAWN))], budget)
    share = np.searchsorted(np.sort(steps), at, side="right") / len(steps)
    return mnemo.Series(name=name, x=scale * at, y=share, kind="steps")


def law(name: str, escapes: mnemo.Escapes, scale: float = 1.0) -> mnemo.Series:
    """Return the share that has left by each step, or by ``scale`` times it, by the law of escape."""
    left = 1.0 - escapes.law.survival
    first = min(int(np.searchsorted(left, 1e-3)), len(left) - 1)
    at = np.unique(np.linspace(first, len(left) - 1, DRAWN).astype(int))
    return mnemo.Series(name=name, x=scale * at, y=left[at], kind="law")
