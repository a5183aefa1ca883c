"""The learning rate a landscape ships with: plain gradient descent from 200 random starts of its box."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnemo_jax import losses

TOLERANCE = 1e-6
# Most steps a descent may take; the flat ones are flat by design.
STEPS = {"rosenbrock": 300_000, "goldstein_price": 200_000, "power": 100_000, "relu_teacher": 40_000}
DEFAULT_STEPS = 10_000
# Unbounded below: descents leave, whatever the learning rate.
UNBOUNDED = ("strict_saddle", "monkey_saddle")
# ackley: a fixed step hovers round the kink. beale: needs millions of steps, and 4 starts in 10 run to infinity.
# mlp: the plateaus of XOR, and valleys that lead to infinity.
OTHERWISE = ("ackley", "beale", "mlp")
# Every minimum of the box is known.
COMPLETE = (
    "double_well",
    "goldstein_price",
    "himmelblau",
    "mueller_brown",
    "parabola",
    "quadratic",
    "rastrigin",
    "rosenbrock",
    "six_hump_camel",
    "styblinski_tang",
)


def descend(landscape, steps, starts=200):
    """Return starts, end points, their gradients, and which moved further than 1000 half-widths from the centre."""
    lower, upper = np.array(landscape.lower), np.array(landscape.upper)
    gradient = jax.vmap(jax.grad(lambda x: landscape.loss(x, **landscape.args)))
    x0 = jnp.asarray(np.random.default_rng(5).uniform(lower, upper, (starts, landscape.dim)))

    def left(x):
        return ~(jnp.max(jnp.abs(x - (lower + upper) / 2) / (upper - lower), axis=1) < 500)

    def step(state):
        count, x, _ = state
        g = gradient(x)
        going = (jnp.max(jnp.abs(g), axis=1) > TOLERANCE) & ~left(x)
        return count + 1, jnp.where(going[:, None], x - landscape.learning_rate * g, x), jnp.any(going)

    def run(x):
        _, x, _ = jax.lax.while_loop(lambda s: (s[0] < steps) & s[2], step, (0, x, True))
        return x, jnp.max(jnp.abs(gradient(x)), axis=1), left(x)

    return x0, *(np.asarray(each) for each in jax.jit(run)(x0))


@pytest.mark.parametrize("name", [name for name in losses.names() if name not in UNBOUNDED + OTHERWISE])
def test_converges_from_everywhere_in_the_box(name):
    landscape = losses.build(name)
    _, x, gradient, left = descend(landscape, STEPS.get(name, DEFAULT_STEPS))
    assert not left.any()
    assert (gradient <= TOLERANCE).all()
    if name in COMPLETE:
        minima = np.array([point.x for point in landscape.known if point.kind == "minimum"])
        distance = np.linalg.norm(x[:, None] - minima[None], axis=2).min(axis=1)
        assert distance.max() < 1e-4


@pytest.mark.parametrize("name", UNBOUNDED)
def test_escapes_where_the_loss_has_no_bottom(name):
    _, _, _, left = descend(losses.build(name), 10_000)
    assert left.mean() > 0.98


def test_odd_power_converges_on_one_side_and_escapes_on_the_other():
    x0, x, gradient, left = descend(losses.build("power", {"k": 3}), 100_000)
    assert np.array_equal(left, np.asarray(x0)[:, 0] < 0)
    assert (gradient[~left] <= TOLERANCE).all()
    assert np.abs(x[~left]).max() < 1e-3


def test_beale_never_diverges_at_its_learning_rate():
    landscape = losses.build("beale")
    _, x, _, left = descend(landscape, 20_000)
    assert not left.any()
    assert np.isfinite(x).all()


def test_ackley_converges_in_its_pits_and_hovers_round_the_kink():
    landscape = losses.build("ackley")
    _, _, gradient, left = descend(landscape, 2000)
    assert not left.any()
    assert (gradient <= TOLERANCE).mean() > 0.98
    near = dataclasses.replace(landscape, lower=(-0.3, -0.3), upper=(0.3, 0.3))
    _, x, gradient, _ = descend(near, 2000)
    # On the cone round the kink the slope is 4 / sqrt(2), so x hovers within one step of that.
    assert (gradient > 1.0).all()
    assert np.linalg.norm(x, axis=1).max() < landscape.learning_rate * 4 / 2**0.5


@pytest.mark.parametrize(("dim", "args"), [(2, {}), (6, {}), (3, {"condition": 1e4})])
def test_quadratic_contracts_each_coordinate_by_its_curvature(dim, args):
    # Closed form: each coordinate is multiplied by 1 - lr * curvature at every step.
    landscape = losses.build("quadratic", {"dim": dim, **args})
    curvatures, lr = landscape.args["curvatures"], landscape.learning_rate
    x = jnp.linspace(1.0, 2.0, dim)
    for _ in range(3):
        x = x - lr * jax.grad(landscape.loss)(x, **landscape.args)
    np.testing.assert_allclose(x, np.linspace(1.0, 2.0, dim) * (1 - lr * curvatures) ** 3, rtol=1e-12, atol=1e-15)
    assert np.all(np.abs(1 - lr * curvatures) < 1)
