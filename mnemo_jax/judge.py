"""What judging points of one landscape takes: polish, kind, and what is decided along null spaces."""

from typing import NamedTuple

import numpy as np

from mnemo_jax.calculus import Args, Loss
from mnemo_jax.catalogue import Metric, Table
from mnemo_jax.critical import Point, judge, settle
from mnemo_jax.degenerate import along_null_space, kinds
from mnemo_jax.devices import Devices
from mnemo_jax.landscape import Landscape
from mnemo_jax.polish import Scales
from mnemo_jax.types import Kind

TILE = 64  # degenerate points looked at together
TIP = 4e-6  # box lengths from a kink's tip within which an end belongs to it, a few times what tells kinks


class Judge(NamedTuple):
    """What judging points of one landscape takes."""

    landscape: Landscape
    loss: Loss
    args: Args
    scales: Scales
    metric: Metric
    devices: Devices
    grad_tol: float

    def points(self, x: np.ndarray, near: np.ndarray) -> Point:
        """Polish and classify points ``x [n, d]``; a kink close by is the tip, not the end of a polish near it."""
        points = judge(x, near, self.args, self.scales, loss=self.loss, devices=self.devices)
        kinked = np.flatnonzero(points.kind == Kind.KINK)
        if not len(kinked):
            return points
        tips = self.tips(x[kinked])
        tips = tips._replace(left=tips.left | (tips.moved > TIP * self.scales.length))
        for column, tip in zip(points, tips, strict=True):
            column[kinked] = tip
        return points

    def get_ready(self) -> None:
        """Have the program that polishes points compiled, by polishing one that ends it at once."""
        nowhere = np.full((1, self.landscape.dim), np.nan)
        judge(nowhere, np.ones(1, bool), self.args, self.scales, loss=self.loss, devices=self.devices)

    def tips(self, x: np.ndarray) -> Point:
        """Look for the tip of a kink around points ``x [n, d]``."""
        return settle(x, self.args, self.scales, loss=self.loss, devices=self.devices)

    def decide(self, table: Table) -> Table:
        """Return the table with the kinds of its degenerate points decided along their null spaces."""
        kind, order = table.kind.copy(), table.order.copy()
        for single in (True, False):
            rows = np.flatnonzero((table.kind == Kind.DEGENERATE) & ((table.nullity == 1) == single))
            for begin in range(0, len(rows), TILE):
                part = rows[np.minimum(np.arange(begin, begin + TILE), len(rows) - 1)]
                points = (table.x[part], table.zero[part], table.step[part])
                along = along_null_space(*points, self.args, self.scales, loss=self.loss, single=single)
                if along is None:
                    return table
                kind[part] = kinds(table.eigenvalues[part], table.zero[part], along)
                order[part] = along.lowest()
        return table._replace(kind=kind, order=order)
