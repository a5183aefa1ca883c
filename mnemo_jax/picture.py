"""The loss itself on a grid, kept in the record of one- and two-dimensional runs so that figures need no loss."""

from pathlib import Path

import numpy as np

from mnemo_jax import store
from mnemo_jax.calculus import values
from mnemo_jax.judge import Judge
from mnemo_jax.landscape import Landscape
from mnemo_jax.plan import Plan

POINTS = (1201, 241)  # per axis in one and in two dimensions
MARGIN = 0.04  # of the box, on each side that does not close
NEAR, MANY = 0.25, 0.1  # of the picture's size, and of all critical points, for which it is widened
EDGE = 0.03  # of the picture's size, beside points for which it is widened


def picture(plan: Plan, folder: Path, x: np.ndarray, judge: Judge) -> None:
    """Write ``picture.npz``: ``axis0 [n]``, in two dimensions also ``axis1 [n]``, and ``loss [n]`` or ``[n, n]``.

    Args:
        plan: the run.
        folder: of its record.
        x: ``[m, d]``, the catalogue's points.
        judge: the loss in float64.
    """
    landscape = plan.landscape
    if landscape.dim > 2:
        return
    axes = [np.linspace(low, high, POINTS[landscape.dim - 1]) for low, high in _window(landscape, x).T]
    points = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=-1)
    loss = np.asarray(values(points, judge.args, loss=judge.loss))
    arrays = {f"axis{k}": axis for k, axis in enumerate(axes)}
    store.write_npz(folder / "picture.npz", arrays | {"loss": loss.reshape([len(a) for a in axes])})


def _window(landscape: Landscape, x: np.ndarray) -> np.ndarray:
    """Return what the picture shows, ``[2, d]``: the box with a margin, wider where many points lie just outside."""
    low, high = np.array([landscape.lower, landscape.upper])
    margin = np.where(landscape.periodic, 0.0, MARGIN * (high - low))
    low, high = low - margin, high + margin
    size = high - low
    beyond = np.max(np.maximum(low - x, x - high) / size, axis=1, initial=-1.0)
    near = x[(beyond > 0) & (beyond < NEAR)]
    if len(near) <= MANY * len(x):
        return np.stack([low, high])
    edge = EDGE * size
    return np.stack([np.minimum(low, near.min(axis=0) - edge), np.maximum(high, near.max(axis=0) + edge)])
