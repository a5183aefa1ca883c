"""Which way descents leave the saddles they stalled at."""

import jax
import numpy as np

from mnemo_jax import Landscape, Stop, Tile, survey
from mnemo_jax.calculus import Loss
from mnemo_jax.exits import directions


def tilted(x):
    """Return a saddle in three dimensions with two unstable directions, (1, 1, 0) and (1, -1, 0)."""
    return -1.5 * (x[0] + x[1]) ** 2 / 2 - 0.5 * (x[0] - x[1]) ** 2 / 2 + x[2] ** 2


def test_directions_are_eigenvectors_with_a_side():
    away = np.array([[1, 1.1, 5], [-1, -1.1, 5], [1, -1.2, 0], [-1, 1.2, 0], [1, 1, 0], [np.nan, 0, 0]])
    at = np.array([0, 0, 0, 0, -1, 0])
    with jax.enable_x64(True):
        told = directions(np.zeros((1, 3)), np.array([2]), at, away, {}, loss=Loss(tilted, None, scalar=False))
    np.testing.assert_array_equal(told, [1, -1, 2, -2, 0, 0])


def test_equal_directions_are_not_told_apart():
    with jax.enable_x64(True):
        loss = Loss(lambda x: -(x[0] ** 2) - x[1] ** 2 + x[2] ** 2, None, scalar=False)
        told = directions(np.zeros((1, 3)), np.array([2]), np.array([0]), np.array([[1.0, 0, 0]]), {}, loss=loss)
    np.testing.assert_array_equal(told, [0])


def strip(x):
    return (x[0] ** 2 - 1) ** 2 / 4 + x[1] ** 2 / 2


def test_a_run_says_which_side_its_descents_left_by():
    # Starts near the stable manifold x = 0 of the saddle at the origin leave it by the side they began on.
    x0 = np.stack([np.array([1e-4, -1e-4, 2e-5, -3e-5, 1e-6]), np.full(5, 0.5)], axis=1)
    landscape = Landscape(loss=strip, dim=2, lower=(-2.0,), upper=(2.0,))
    record = survey(landscape, learning_rate=0.1, starts=x0, stop=Stop(max_steps=4000), tile=Tile(lanes=8, steps=8))
    stalls = record.stalls().to_pylist()
    assert [stall["start"] for stall in stalls] == [0, 1, 2, 3, 4]
    assert [stall["direction"] for stall in stalls] == [1, -1, 1, -1, 1]
    assert record.summary["stalls"]["places"][0]["exits"] == {"+1": 3, "-1": 2}
