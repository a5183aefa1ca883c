"""The curvature of a run's networks: of its ends, along the paths it kept, and the density of a spectrum."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from mnemo_jax.calculus import gradients
from mnemo_jax.landscape import DENSE
from mnemo_jax.networks.curvature import Extremes, extremes, looks_of, outliers
from mnemo_jax.optimizers import Optimizer, Schedule, Transformation
from mnemo_jax.plan import Plan
from mnemo_jax.spectrum import curvature, density, rounding, word_of
from mnemo_jax.stability import critical_rate
from mnemo_jax.trained import Ends

LARGE = 20  # largest eigenvalues listed
MOST = 256  # products of a search for the index
LOOKS = 32  # of each path, at which sharpness is computed
SHARP = 24  # products for it: largest eigenvalues stand apart and converge early
WIDTHS = 150  # of a density's kernel, in the range of a spectrum
PROBES = 8


def curvature_of(ends: Ends, plan: Plan, number: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the curvature of the first so many ends, and the density of the spectrum of the first, None for none."""
    number, optimizer = min(number, len(ends.x)), plan.optimizer
    told: dict[str, Any] = {
        "optimizer": optimizer.name,
        "full_batch": full_batch(optimizer),
        "limit": limit(optimizer, np.array([plan.stop.max_steps or 0])),
        "ends": [],
    }
    if not number:
        return told, None
    found = extremes(ends.loss, jnp.concatenate([ends.x[:number], ends.first[:1]]), ends.args, seed=plan.seed)
    told["products"] = found.values.shape[1]
    told["ends"] = [_curvature(ends, found, row, plan.seed) for row in range(number)]
    return told, _density(ends, found.values[[0, -1]], plan.seed)


def full_batch(optimizer: Optimizer | Transformation) -> bool:
    """Whether every step of an optimizer goes by the gradient itself."""
    return isinstance(optimizer, Optimizer) and not any(key.startswith("noise.") for key, _ in optimizer.args)


def limit(optimizer: Optimizer | Transformation, steps: np.ndarray) -> list[float] | None:
    """Return the sharpness beyond which an optimizer's full-batch descent diverges on a quadratic, at some steps.

    It is ``2 / learning_rate`` for gradient descent (Cohen et al. 2021, arXiv:2103.00065), ``2 (1 + beta) /
    learning_rate`` for heavy ball; None for optimizers without such a law.
    """
    whole = critical_rate(optimizer, 1.0)
    if whole is None or not isinstance(optimizer, Optimizer) or optimizer.learning_rate is None:
        return None
    rate = optimizer.learning_rate
    rates = np.array([float(rate.build()(step)) for step in steps]) if isinstance(rate, Schedule) else rate
    return list(whole / np.broadcast_to(rates, len(steps)))


def _curvature(ends: Ends, found: Extremes, row: int, seed: int) -> dict[str, Any]:
    """Return the curvature of one end."""
    x, gradient = ends.x[row], float(np.linalg.norm(gradients(ends.x[row : row + 1], ends.args, loss=ends.loss)))
    zero = _zero(gradient, max(abs(found.lowest[row]), abs(found.highest[row])), np.asarray(x))
    told = curvature(ends.loss, x, ends.args, most=MOST, count=x.size <= DENSE, seed=seed)
    return {
        "start": ends.start[row],
        "loss": ends.value[row],
        "gradient": gradient,
        "lowest": min(found.lowest[row], told.lowest),
        "lowest_error": found.lowest_error[row],
        "lowest_bound": max(found.lowest_bound[row], told.lowest_bound),
        "highest": max(found.highest[row], told.highest),
        "highest_error": found.highest_error[row],
        "negative": max(int(found.negative[row]), told.index),
        "decided": told.decided,
        "word": word_of(told.lowest, told.highest, told.lowest_bound, told.highest_bound, zero),
        "zero": told.zero,
        "large": int(outliers(found)[row]),
        "largest": found.values[row, : -LARGE - 1 : -1],
    }


def _zero(gradient: float, highest: float, x: np.ndarray) -> float:
    """Return the size below which an eigenvalue at an end may be zero, or of the other sign, at the point it is near.

    With ``|x|`` as the length over which a Hessian of norm ``highest`` changes, an eigenvalue ``l`` may change by
    ``highest / |x|`` times the Newton step along it, ``gradient / l``; beneath that stands rounding.
    """
    return float(max(rounding(x, highest), np.sqrt(gradient * highest / max(float(np.linalg.norm(x)), 1e-300))))


def _density(ends: Ends, values: np.ndarray, seed: int) -> dict[str, Any]:
    """Return the density of the Hessian's eigenvalues at the first end and at its start."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    width = ((high - low) or 1.0) / WIDTHS
    places = np.arange(low - 4 * width, high + 4 * width, width / 3)
    both = [
        density(ends.loss, x[0], ends.args, at=places, width=width, probes=PROBES, seed=seed)
        for x in (ends.first, ends.x)
    ]
    told = {name: {"density": one[0], "error": one[1]} for name, one in zip(("begin", "end"), both, strict=True)}
    return {"start": int(ends.start[0]), "at": places, "width": width, "probes": PROBES, "dim": ends.x.shape[1], **told}


def sharpness_of(ends: Ends, plan: Plan, paths: Mapping[int, np.ndarray]) -> list[dict[str, Any]] | None:
    """Return the sharpness along each path, by the number of its start, beside its limit; None without paths."""
    if not paths:
        return None
    looks = looks_of(list(paths.values()), plan.stop.check_every or 1, LOOKS)
    found = extremes(ends.loss, jnp.asarray(looks.x, jnp.float64), ends.args, products=SHARP, seed=plan.seed)
    rows = [np.flatnonzero(looks.path == path) for path in range(len(paths))]
    return [
        {
            "start": start,
            "step": looks.step[row],
            "highest": found.highest[row],
            "error": found.highest_error[row],
            "limit": limit(plan.optimizer, looks.step[row]),
        }
        for start, row in zip(paths, rows, strict=True)
    ]
