"""Noise around optimizers, Newton's methods and the flow, against closed forms and other libraries."""

import diffrax
import jax
import numpy as np
import pytest
from scipy.stats import chi2, kstest

from mnemo_jax import Landscape, Stop, Tile, UserError, losses, survey
from mnemo_jax.optimizers import parse
from mnemo_jax.plan import Recording
from mnemo_jax.starts import Points, Uniform, drawer

TILE = Tile(lanes=256, steps=8)


def bowl(x):
    return 0.5 * x[0] ** 2 + x[1] ** 2


BOWL = Landscape(loss=bowl, dim=2, lower=(-1.0,), upper=(1.0,))


def ends(table, *, starts=20_000, steps=400, landscape=BOWL, seed=0, **given):
    """Return where a fixed number of steps leads."""
    rest = {"stop": Stop(grad_tol=0, max_steps=steps), "tile": TILE, "devices": 1, **given}
    record = survey(landscape, optimizer=table, starts=starts, seed=seed, recording=Recording(endpoints=True), **rest)
    return np.stack(record.starts("x")["x"].to_pylist())


def variances_agree(x, expected):
    """Whether sample variances of normal numbers are within 4 standard errors of those expected."""
    low, high = chi2.interval(1 - 6e-5, len(x) - 1)
    ratio = (len(x) - 1) * np.var(x, axis=0, ddof=1) / expected
    return np.all((low < ratio) & (ratio < high))


def test_gradient_noise_has_the_stationary_variance():
    # x' = (1 - a) x - rate s z, a = rate * curvature: variance rate^2 s^2 / (1 - (1 - a)^2), each start its own noise
    rate, scale = 0.1, 0.3
    x = ends({"name": "sgd", "learning_rate": rate, "noise": {"kind": "gradient", "scale": scale}})
    assert variances_agree(x, (rate * scale) ** 2 / (1 - (1 - rate * np.array([1.0, 2.0])) ** 2))
    assert abs(np.corrcoef(x.T)[0, 1]) < 4 / np.sqrt(len(x))
    assert kstest(x[:, 0] / x[:, 0].std(), "norm").pvalue > 1e-4


def test_langevin_noise_has_the_temperature_of_boltzmann():
    # Euler and Maruyama's scheme: variance T / curvature / (1 - rate curvature / 2)
    rate, temperature = 0.05, 0.02
    x = ends({"name": "sgd", "learning_rate": rate, "noise": {"kind": "langevin", "temperature": temperature}})
    curvature = np.array([1.0, 2.0])
    assert variances_agree(x, temperature / curvature / (1 - rate * curvature / 2))


def test_perturbed_descent_jumps_where_gradients_are_small_and_only_there():
    # On a plane of slope 2e-3 the gradient is always small: a jump every 10 updates, within the radius, else descent.
    plane = Landscape(loss=lambda x: 2e-3 * x[0] + 0.0 * x[1], dim=2, lower=(-1.0,), upper=(1.0,))
    noise = {"kind": "perturbed", "radius": 0.5, "below": 1e-2, "every": 10}
    start = Points(x=((0.0, 0.0),) * 4000)
    one = ends({"learning_rate": 1.0, "noise": noise}, starts=start, steps=1, landscape=plane)
    assert np.max(np.linalg.norm(one, axis=1)) <= 0.5
    # uniform in the disc: the squared radius is uniform
    assert kstest((np.linalg.norm(one, axis=1) / 0.5) ** 2, "uniform").pvalue > 1e-4
    ten = ends({"learning_rate": 1.0, "noise": noise}, starts=start, steps=10, landscape=plane)
    np.testing.assert_allclose(ten, one - [9 * 2e-3, 0.0], atol=1e-12)
    eleven = ends({"learning_rate": 1.0, "noise": noise}, starts=start, steps=11, landscape=plane)
    assert np.all(np.linalg.norm(eleven - ten, axis=1) > 1e-4)
    steep = ends({"learning_rate": 1.0, "noise": noise | {"below": 1e-3}}, starts=start, steps=10, landscape=plane)
    np.testing.assert_allclose(steep, np.tile([-10 * 2e-3, 0.0], (4000, 1)), atol=1e-12)


def fit(x, inputs, targets):
    return 0.5 * ((inputs @ x - targets) ** 2).mean()


def test_minibatches_are_unbiased_with_the_covariance_of_items():
    # After one step from one place: x0 - rate * mean of `size` items' gradients, drawn with replacement.
    draw = np.random.default_rng(3)
    inputs, targets = draw.normal(size=(40, 2)), draw.normal(size=40)
    data = {"inputs": inputs, "targets": targets}
    landscape = Landscape(loss=fit, dim=2, lower=(-1.0,), upper=(1.0,), args=data, data=("inputs", "targets"))
    start, rate, size = np.array([0.4, -0.7]), 0.1, 5
    table = {"learning_rate": rate, "noise": {"kind": "minibatch", "size": size}}
    given = Points(x=(tuple(start),) * 20_000)
    x = ends(table, starts=given, steps=1, landscape=landscape)
    items = (inputs @ start - targets)[:, None] * inputs
    covariance = rate**2 * np.cov(items.T, bias=True) / size
    error = np.sqrt(np.diag(covariance) / len(x))
    assert np.all(np.abs(x.mean(axis=0) - (start - rate * items.mean(axis=0))) < 4 * error)
    # 20,000 draws: a sample covariance is within some 4 sqrt(2 / n) of its scale
    assert np.max(np.abs(np.cov(x.T) - covariance)) < 0.05 * np.max(covariance)
    again = ends(table, starts=given, steps=1, landscape=landscape, seed=1)
    assert np.mean(again == x) < 0.1
    # a step later another batch
    two = ends(table, starts=given, steps=2, landscape=landscape)
    assert np.mean(two == x) < 0.1


def test_minibatches_need_data():
    with pytest.raises(UserError, match=r"minibatch noise needs a loss with data; name its arrays in loss\.data"):
        ends({"learning_rate": 0.1, "noise": {"kind": "minibatch", "size": 4}}, starts=4)
    for data, sentence in ((("x",), "'x' is none of"), (("inputs", "targets"), "not as many items")):
        with pytest.raises(UserError, match=sentence):
            Landscape(
                loss=fit, dim=2, lower=(-1.0,), upper=(1.0,), data=data,
                args={"inputs": np.ones((4, 2)), "targets": np.ones(3)},
            )  # fmt: skip


def test_other_scales_need_no_compilation(programs):
    def go(scale):
        return ends({"learning_rate": 0.1, "noise": {"kind": "gradient", "scale": scale}}, starts=256, steps=16)

    wide = go(0.2)
    before = programs()
    np.testing.assert_allclose(go(1e-9), ends({"learning_rate": 0.1}, starts=256, steps=16), atol=1e-7)
    assert programs() <= before + 1  # the one without noise
    assert np.ptp(wide - go(1e-9)) > 0.01


@pytest.mark.parametrize(
    ("noise", "sentence"),
    [
        ({"kind": "gradient"}, "optimizer.noise.scale: is missing; gradient noise needs scale"),
        ({"kind": "gradient", "scale": -1}, "optimizer.noise.scale: -1 is negative or not finite"),
        ({"kind": "gradient", "scale": "wide"}, "optimizer.noise.scale: 'wide' is no number"),
        ({"kind": "gradient", "scael": 1}, "optimizer.noise.scael: .*scale"),
        ({"kind": "gradeint", "scale": 1}, "optimizer.noise.kind: 'gradeint' is none of .*gradient"),
        ("gradient", "optimizer.noise.kind"),
        ({"kind": "perturbed", "radius": 1, "below": 1, "every": 0.5}, "every: 0.5 is no whole number"),
    ],
)
def test_mistakes_in_noise_are_one_sentence(noise, sentence):
    with pytest.raises(UserError, match=sentence):
        parse({"learning_rate": 0.1, "noise": noise})


def test_langevin_without_a_rate_is_refused():
    with pytest.raises(UserError, match="langevin noise needs a learning rate"):
        parse({"name": "lbfgs", "noise": {"kind": "langevin", "temperature": 1.0}})


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_newton_goes_to_the_critical_point_of_a_quadratic_in_one_step(dim):
    matrix = np.array([[2.0, 0.3, 0.1], [0.3, -1.0, 0.2], [0.1, 0.2, 3.0]])[:dim, :dim]
    centre = np.arange(1.0, dim + 1)
    landscape = Landscape(
        loss=lambda x: 0.5 * (x - centre) @ matrix @ (x - centre), dim=dim, lower=(-5.0,), upper=(5.0,)
    )
    one = ends({"name": "newton"}, starts=8, steps=1, landscape=landscape)
    np.testing.assert_allclose(one, np.tile(centre, (8, 1)), atol=1e-12)


def test_saddle_free_newton_leaves_along_negative_curvature():
    # In the eigenbasis: x_i <- x_i - rate * lambda_i x_i / |lambda_i|
    matrix = np.array([[2.0, 0.3], [0.3, -1.0]])
    landscape = Landscape(loss=lambda x: 0.5 * x @ matrix @ x, dim=2, lower=(-1.0,), upper=(1.0,))
    start = np.array([[0.5, 0.2], [-0.3, 0.9]])
    x = ends({"name": "saddle_free_newton", "learning_rate": 0.5}, starts=start, steps=3, landscape=landscape)
    values, vectors = np.linalg.eigh(matrix)
    expected = (start @ vectors) * (1 - 0.5 * np.sign(values)) ** 3 @ vectors.T
    np.testing.assert_allclose(x, expected, rtol=1e-10)


def test_the_flow_goes_where_diffrax_takes_it():
    landscape = losses.build("six_hump_camel")
    record = survey(landscape, optimizer="gradient_flow", starts=Uniform(count=512), tile=TILE, devices=1)
    assert record.outcomes["converged"] == 512
    label = record.starts("label")["label"].to_numpy()

    def field(t, x, args):
        return -jax.grad(landscape.loss)(x)

    @jax.jit
    @jax.vmap
    def follow(x):
        control = diffrax.PIDController(rtol=1e-11, atol=1e-12)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Tsit5(), 0.0, 6.0, 0.01, x, stepsize_controller=control, max_steps=20_000
        )
        return solution.ys[0]

    with jax.enable_x64(True):
        x0 = drawer(Uniform(count=512), landscape, 0)(0, 512)
        there = np.asarray(follow(x0))
    nearest = np.argmin(np.linalg.norm(there[:, None] - record.catalogue.x, axis=2), axis=1)
    assert np.max(np.linalg.norm(there - record.catalogue.x[nearest], axis=1)) < 1e-3
    np.testing.assert_array_equal(label, nearest)


def test_the_flow_rests_where_curvature_is_large():
    # Without the limit by stability flows of Goldstein and Price's function hover at the tolerance for ever.
    record = survey("goldstein_price", optimizer="gradient_flow", starts=256, tile=TILE, devices=1)
    assert record.outcomes["converged"] == 256
