"""The loss itself on a grid, kept in the record of one- and two-dimensional runs so that figures need no loss."""

from pathlib import Path

import numpy as np

from mnemo_jax import store
from mnemo_jax.calculus import values
from mnemo_jax.labelling import Judge
from mnemo_jax.plan import Plan

POINTS = (1201, 241)  # per axis in one and in two dimensions
MARGIN = 0.04  # of the box, on each side that does not close


def picture(plan: Plan, folder: Path, judge: Judge) -> None:
    """Write ``picture.npz``: ``axis0 [n]``, in two dimensions also ``axis1 [n]``, and ``loss [n]`` or ``[n, n]``."""
    landscape = plan.landscape
    if landscape.dim > 2:
        return
    axes = []
    for low, high, closed in zip(landscape.lower, landscape.upper, landscape.periodic, strict=True):
        margin = 0.0 if closed else MARGIN * (high - low)
        axes.append(np.linspace(low - margin, high + margin, POINTS[landscape.dim - 1]))
    points = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=-1)
    loss = np.asarray(values(points, judge.args, loss=judge.loss))
    arrays = {f"axis{k}": axis for k, axis in enumerate(axes)}
    store.write_npz(folder / "picture.npz", arrays | {"loss": loss.reshape([len(a) for a in axes])})
