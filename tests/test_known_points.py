"""Every known critical point of every built-in loss gets its stated kind, index and nullity."""

import jax
import numpy as np
import pytest

from mnemo_jax import losses
from mnemo_jax.critical import Point, settle
from mnemo_jax.devices import Devices
from mnemo_jax.labelling import table_of
from mnemo_jax.optimizers import Optimizer
from mnemo_jax.plan import Plan, Recording
from mnemo_jax.prepare import prepare
from mnemo_jax.starts import Uniform
from mnemo_jax.stopping import Stop
from mnemo_jax.types import Kind, Tile

MOST = 200  # points judged of one loss


def plan(landscape):
    return Plan(
        name="known",
        landscape=landscape,
        loss={},
        starts=Uniform(count=1),
        optimizer=Optimizer("sgd", 0.1),
        stop=Stop(),
        tile=Tile(lanes=1, steps=1),
        recording=Recording(),
    )


@pytest.mark.parametrize("name", [name for name in losses.names() if losses.build(name).known])
def test_known_points(name):
    landscape = losses.build(name)
    known = landscape.known[:: max(1, len(landscape.known) // MOST)]
    x = np.array([point.x for point in known], dtype=float)
    with jax.enable_x64(True), Devices(1) as devices:
        judge = prepare(plan(landscape), devices).judge
        found = judge.points(x, np.ones(len(x), bool))
        if any(point.kind == "kink" for point in known):
            found = settle(x, judge.args, judge.scales, loss=judge.loss, devices=devices)
        assert not found.left.any()
        table = judge.decide(table_of(Point(*found), np.arange(len(x))))
    for row, point in enumerate(known):
        assert Kind(int(table.kind[row])).word == point.kind, point
        assert (table.index[row], table.nullity[row]) == (point.index, point.nullity), point
        np.testing.assert_allclose(table.loss[row], point.loss, rtol=1e-9, atol=1e-9)
        if not point.nullity:
            np.testing.assert_allclose(table.x[row], point.x, atol=1e-7 * float(judge.scales.length))
