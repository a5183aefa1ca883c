"""Points that are spared a polish: they are those that a polish of each by itself takes to the same critical point."""

import jax
import numpy as np
import pytest

from mnemo_jax import Stop, Tile, losses
from mnemo_jax.followed import descend_block
from mnemo_jax.labelling import FIRST_ENDS, FIRST_STALLS, label, sparing
from mnemo_jax.optimizers import parse
from mnemo_jax.plan import Plan, Recording
from mnemo_jax.prepare import devices_for, prepare
from mnemo_jax.reach import CHUNK, FEW, SOME, Reach, certain, known
from mnemo_jax.starts import Uniform
from mnemo_jax.types import Outcome

STARTS = 8192


@pytest.mark.parametrize("number", [SOME - 1, CHUNK + 5])
@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize(("points", "dim"), [(0, 2), (1, 1), (5, 2), (32, 2), (21, 3)])
def test_known_points_are_found_as_one_by_one(points, dim, one, number):
    draw = np.random.default_rng(points)
    reach = Reach(draw.uniform(size=(points, dim)), draw.uniform(-0.02, 0.1, points), draw.uniform(0.5, 3.0, points))
    x, slope = draw.uniform(size=(number, dim)), 0.1 if one else draw.uniform(0.0, 0.1, number)
    if not one:
        slope[::7] = np.nan
    with jax.enable_x64(True):
        found = known(x, slope, reach)
    gap = np.sum((x[:, None] - reach.x) ** 2, axis=2)
    near = certain(gap, np.reshape(slope, (-1, 1)), reach.radius, reach.curvature)
    np.testing.assert_array_equal(found >= 0, near.any(axis=1))
    rows = np.flatnonzero(found >= 0)
    assert len(rows) > 10 or not points
    if points:
        np.testing.assert_array_equal(found[rows], np.argmax(near[rows], axis=1))


def test_too_many_points_are_left_to_cells():
    number = FEW // 2 + 1
    reach = Reach(np.zeros((number, 2)), np.ones(number), np.ones(number))
    assert np.all(known(np.zeros((3, 2)), np.ones(3), reach) == -1)


@pytest.mark.parametrize(
    ("name", "lower", "upper"),
    [
        ("himmelblau", (0.0, 2.6), (0.2, 3.1)),
        ("six_hump_camel", (-0.05, -0.02), (0.05, 0.02)),
        ("double_well", -0.05, 0.05),
    ],
)
def test_labels_are_those_of_each_end_polished_by_itself(name, lower, upper):
    plan = Plan(
        name=name,
        landscape=losses.build(name),
        loss={"name": name},
        starts=Uniform(count=STARTS, lower=lower, upper=upper),  # many begin near saddles
        optimizer=parse({"name": "sgd", "learning_rate": 1e-3}),
        stop=Stop(grad_tol=1e-6, max_steps=100_000),
        tile=Tile(lanes=256, steps=32),
        recording=Recording(),
    )
    with jax.enable_x64(True), devices_for(plan, 1) as devices:
        judge = prepare(plan, devices).judge
        block, _, _ = descend_block(prepare(plan, devices), 0)
        labelled = label(block, judge)
        sure = block.outcome == Outcome.CONVERGED
        seen = sparing(labelled.table, judge)
        again = label(block, judge, seen)
        lost, outcome = block.x.copy(), block.outcome.copy()
        lost[:3] = np.array([[np.nan], [np.inf], [1e200]])
        outcome[:3] = Outcome.NON_FINITE, Outcome.NON_FINITE, Outcome.ESCAPED
        others = label(block._replace(x=lost, outcome=outcome), judge)
        ends = judge.points(block.x, sure)
        stalls = judge.points(labelled.stalls.x, np.zeros(len(labelled.at), bool))
    assert sure.sum() > FIRST_ENDS
    assert len(labelled.at) > FIRST_STALLS
    assert len(seen.x) > 1
    for found in (labelled, again):
        for points, rows in ((ends, found.point), (stalls, found.at)):
            there = rows >= 0
            np.testing.assert_array_equal(there, ~points.left)
            np.testing.assert_allclose(points.x[there], found.table.x[rows[there]], atol=1e-8)
    for name in set(seen._fields) - {"spread"}:  # of the points polished
        np.testing.assert_array_equal(getattr(labelled.table, name), getattr(again.table, name), err_msg=name)
    assert np.all(others.point[:3] == -1)
    there = labelled.point[3:] >= 0
    np.testing.assert_array_equal(others.point[3:] >= 0, there)
    found = others.table.x[others.point[3:][there]]
    np.testing.assert_allclose(found, labelled.table.x[labelled.point[3:][there]], atol=1e-8)
    np.testing.assert_array_equal(labelled.table.count, np.bincount(labelled.point, minlength=len(labelled.table.x)))
