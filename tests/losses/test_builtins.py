"""The registry is the test list: every built-in loss, with its default and with other arguments."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnemo_jax import losses

VARIANTS = {
    "ackley": [{"dim": 5}],
    "chain_of_saddles": [{"dim": 1}, {"dim": 5, "L": 1.5, "gamma": 0.5, "tau": 1.0}],
    "deep_linear": [{"widths": [4, 2, 3], "variances": [1.0, 0.5, 2.0, 1.5]}, {"widths": [3, 2, 2, 2, 3]}],
    "double_well": [{"tilt": 0.5}],
    "gaussian_mixture": [{"dim": 5, "components": 3, "seed": 4}],
    "griewank": [{"dim": 5}],
    "linear_autoencoder": [{"features": 4, "hidden": 1}, {"spectrum": [2.0, 1.0], "hidden": 3}],
    "linear_regression": [{"ridge": 0.3}],
    "logistic_regression": [{"data": {"name": "blobs", "args": {"items": 60, "distance": 1.0}}, "ridge": 0.2}],
    "matrix_factorisation": [{"symmetric": True}, {"rows": 4, "rank": 1}, {"rank": 3, "symmetric": True}],
    "mlp": [
        {"activation": "sigmoid", "bias": False, "hidden": [3, 2], "ridge": 0.01},
        {"data": {"name": "blobs", "args": {"items": 12}}, "activation": "gelu"},
        {"data": {"name": "xor", "args": {"classes": True}}, "measure": "squared_error", "activation": "linear"},
    ],
    "oscillator_ring": [{"dim": 4}, {"dim": 7}, {"dim": 8}],
    "power": [{"k": 2}, {"k": 3}, {"k": 6}],
    "quadratic": [{"dim": 5, "condition": 1000.0}, {"curvatures": [3.0, 1.0, 2.0]}],
    "random_trigonometric": [{"dim": 3, "order": 3, "seed": 7}],
    "rastrigin": [{"dim": 1}, {"dim": 5}],
    "relu_teacher": [{"students": 1, "teachers": 1}, {"students": 4, "teachers": 3}],
    "rosenbrock": [{"dim": 4}, {"dim": 30}],
    "strict_saddle": [{"dim": 4, "index": 2}],
    "styblinski_tang": [{"dim": 4}, {"dim": 7}],
    "valley": [{"bend": 0.0, "steepness": 3.0}],
}
CASES = [(name, args) for name in losses.names() for args in [{}, *VARIANTS.get(name, [])]]
every_case = pytest.mark.parametrize(
    ("name", "args"), CASES, ids=[f"{name}-{'-'.join(map(str, args.values()))}".strip("-") for name, args in CASES]
)
SAMPLES, H = 32, 1e-5


@functools.cache
def derivatives(name, args):
    """Value, gradient and Hessian at random points of the box, at points beside them, and at the known points."""
    landscape = losses.build(name, json.loads(args))
    draw = np.random.default_rng(1)
    x = draw.uniform(landscape.lower, landscape.upper, (SAMPLES, landscape.dim))
    v = draw.normal(size=x.shape)
    v *= np.subtract(landscape.upper, landscape.lower)[0] / np.linalg.norm(v, axis=1, keepdims=True)
    known = np.array([point.x for point in landscape.known]).reshape(-1, landscape.dim)

    def at(x):
        loss = functools.partial(landscape.loss, **landscape.args)
        return (*jax.value_and_grad(loss)(x), jax.hessian(loss)(x))

    points = np.concatenate([x, x + H * v, x - H * v, known])
    out = [np.asarray(each) for each in jax.jit(jax.vmap(at))(points)]
    here, up, down, there = zip(*(np.split(each, [SAMPLES, 2 * SAMPLES, 3 * SAMPLES]) for each in out), strict=True)
    return landscape, v, here, up, down, there


def results(name, args):
    return derivatives(name, json.dumps(args))


@every_case
def test_finite_with_gradients_and_hessians_equal_to_finite_differences(name, args):
    _, v, (value, gradient, hessian), up, down, _ = results(name, args)
    assert all(np.isfinite(each).all() for each in (value, gradient, hessian))
    slope = np.einsum("ni,ni->n", gradient, v)
    # Central differences err by H^2 times the third derivative, and by rounding of the loss over H.
    scale = np.abs(np.einsum("nij,ni,nj->n", hessian, v, v)) + np.abs(slope) + np.abs(value)
    assert np.all(np.abs((up[0] - down[0]) / (2 * H) - slope) <= 1e-5 * scale + 1e-9)
    bend = np.einsum("nij,nj->ni", hessian, v)
    size = np.linalg.norm(v, axis=1) * np.abs(hessian).max() + np.abs(gradient).max()
    assert np.all(np.abs((up[1] - down[1]) / (2 * H) - bend) <= 1e-4 * size[:, None])


@every_case
def test_hessian_is_symmetric(name, args):
    _, _, (_, _, hessian), _, _, (_, _, there) = results(name, args)
    for each in (hessian, there[np.isfinite(there).all((1, 2))]):
        np.testing.assert_allclose(each, np.swapaxes(each, 1, 2), rtol=0, atol=1e-12 * np.abs(hessian).max())


@every_case
def test_known_points_are_what_they_are_said_to_be(name, args):
    landscape, _, _, _, _, (value, gradient, hessian) = results(name, args)
    for point, f, g, h in zip(landscape.known, value, gradient, hessian, strict=True):
        assert f == pytest.approx(point.loss, rel=1e-13, abs=1e-12)
        if point.kind == "kink":
            continue
        size = max(np.linalg.norm(h, 2), 1e-3)
        assert np.linalg.norm(g) <= 1e-13 * size * max(1.0, np.linalg.norm(point.x))
        eigenvalues = np.linalg.eigvalsh(h)
        assert (eigenvalues < -1e-9 * size).sum() == point.index
        assert (np.abs(eigenvalues) <= 1e-9 * size).sum() == point.nullity
        if not point.nullity:
            assert point.kind == {0: "minimum", landscape.dim: "maximum"}.get(point.index, "saddle")


@every_case
def test_degenerate_known_points_have_the_kind_of_their_neighbourhood(name, args):
    landscape, *_, (_, _, hessian) = results(name, args)
    degenerate = [(point, h) for point, h in zip(landscape.known, hessian, strict=True) if point.nullity]
    draw = np.random.default_rng(2).normal(size=(4000, landscape.dim))
    value = jax.jit(jax.vmap(lambda x: landscape.loss(x, **landscape.args)))
    for point, h in degenerate:
        # Everywhere, and where the Hessian rises nowhere: in many dimensions few directions lead down.
        curvatures, axes = np.linalg.eigh(h)
        low = axes[:, curvatures <= 1e-9 * max(np.abs(curvatures).max(), 1e-3)]
        beside = np.concatenate([draw, draw @ low @ low.T])
        beside *= 1e-2 / np.linalg.norm(beside, axis=1, keepdims=True)
        change = np.asarray(value(np.array(point.x) + beside)) - point.loss
        below, above = (change < -1e-14).any(), (change > 1e-14).any()
        assert (below, above) == {"minimum": (False, True), "maximum": (True, False), "saddle": (True, True)}[
            point.kind
        ]


@every_case
def test_one_function_for_all_arguments_and_no_promotion(name, args):
    landscape = losses.build(name, args)
    assert losses.build(name, args).loss == landscape.loss
    hash(landscape.loss)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for dtype in (jnp.float32, jnp.float64):
            real = {key: np.ndim(value) and value.dtype.kind == "f" for key, value in landscape.args.items()}
            cast = {key: value.astype(dtype) if real[key] else value for key, value in landscape.args.items()}
            x = jax.ShapeDtypeStruct((landscape.dim,), dtype)
            out = jax.eval_shape(jax.grad(landscape.loss), x, **cast)
            assert (out.shape, out.dtype) == ((landscape.dim,), dtype)


# Published values, each from outside this package.
PUBLISHED = {
    # Jamil & Yang 2013, A literature survey of benchmark functions, and the sources named in the modules.
    "six_hump_camel": [((0.0898, -0.7126), -1.0316284534898774), ((-0.0898, 0.7126), -1.0316284534898774)],
    "goldstein_price": [((0.0, -1.0), 3.0), ((-0.6, -0.4), 30.0), ((1.8, 0.2), 84.0), ((1.2, 0.8), 840.0)],
    "himmelblau": [
        ((3.0, 2.0), 0.0),
        ((-2.805118, 3.131312), 0.0),
        ((-3.779310, -3.283186), 0.0),
        ((3.584428, -1.848126), 0.0),
        ((-0.270845, -0.923039), 181.617),
    ],
    "beale": [((3.0, 0.5), 0.0)],
    "styblinski_tang": [((-2.903534, -2.903534), 2 * -39.16616570377142)],
    "rastrigin": [((0.0, 0.0), 0.0), ((0.99496, 0.0), 0.99496)],
    "griewank": [((0.0, 0.0), 0.0), ((3.1400, 4.4384), 0.0074)],
    # Mueller & Brown 1979; digits of a reference implementation of the string method (E, Ren & Vanden-Eijnden).
    "mueller_brown": [
        ((-0.558223634633024, 1.441725841804669), -146.699517209),
        ((0.623499404930877, 0.0280377585286857), -108.166724117),
        ((-0.0500108229982061, 0.466694104871972), -80.767818129),
        ((-0.822001558732732, 0.624312802814871), -40.664844),
        ((0.212486582000662, 0.292988325107368), -72.248940),
    ],
    "double_well": [((2**0.5,), -3.0), ((-(2**0.5),), -3.0), ((0.0,), 1.0)],
    "parabola": [((2.0,), 1.0)],
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_critical_points_are_known(name):
    known = losses.build(name).known
    for x, loss in PUBLISHED[name]:
        nearest = min(known, key=lambda point: np.linalg.norm(np.subtract(point.x, x)))
        np.testing.assert_allclose(nearest.x, x, atol=2e-4)
        assert nearest.loss == pytest.approx(loss, rel=1e-5, abs=5e-5)


def test_published_values_to_every_digit():
    by_loss = {name: min(point.loss for point in losses.build(name).known) for name in PUBLISHED}
    assert by_loss["six_hump_camel"] == pytest.approx(-1.0316284534898774, rel=1e-15)
    assert by_loss["styblinski_tang"] == pytest.approx(-78.33233140754282, rel=1e-15)
    assert by_loss["mueller_brown"] == pytest.approx(-146.69951720995402, rel=1e-15)
    ackley = losses.build("ackley").loss
    assert ackley(jnp.ones(2)) == pytest.approx(3.6253849384403627, rel=1e-14)


def test_second_minimum_of_rosenbrock_in_four_dimensions():
    # Shang & Qiu 2006, table 1.
    second = losses.build("rosenbrock", {"dim": 4}).known[1]
    np.testing.assert_allclose(second.x, (-0.775659, 0.613093, 0.382063, 0.145972), atol=2e-6)
    assert second.loss == pytest.approx(3.70143, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "args", "total"),
    [
        # Morse: (-1)^index sums to 1 over a space at whose edge the loss rises outwards, and to 0 over a torus.
        ("himmelblau", {}, 1),
        ("styblinski_tang", {"dim": 3}, 1),
        ("double_well", {"tilt": 0.5}, 1),
        ("six_hump_camel", {}, 1),
        ("goldstein_price", {}, 1),
        ("mueller_brown", {}, 1),
        ("rastrigin", {"dim": 2}, 1),
        # The ring's translation is divided out, which leaves a torus of one dimension less.
        ("oscillator_ring", {"dim": 3}, 0),
        ("oscillator_ring", {"dim": 5}, 0),
        ("oscillator_ring", {"dim": 7}, 0),
        ("oscillator_ring", {"dim": 9}, 0),
    ],
)
def test_no_known_point_is_missing(name, args, total):
    assert sum((-1) ** point.index for point in losses.build(name, args).known) == total


def test_random_trigonometric_polynomial_has_euler_characteristic_zero():
    landscape = losses.build("random_trigonometric", {"seed": 3})

    def newton(x):
        gradient, hessian = jax.grad(landscape.loss), jax.hessian(landscape.loss)
        x = jax.lax.fori_loop(
            0, 60, lambda _, x: x - jnp.linalg.solve(hessian(x, **landscape.args), gradient(x, **landscape.args)), x
        )
        return x, gradient(x, **landscape.args), jnp.linalg.eigvalsh(hessian(x, **landscape.args))

    grid = np.stack(np.meshgrid(*[np.arange(50) * 2 * np.pi / 50] * 2), -1).reshape(-1, 2)
    x, gradient, eigenvalues = (np.asarray(each) for each in jax.jit(jax.vmap(newton))(grid))
    good = np.abs(gradient).max(1) < 1e-11
    _, first = np.unique(np.round(np.exp(1j * x[good]), 6), axis=0, return_index=True)
    index = (eigenvalues[good][first] < 0).sum(1)
    assert len(index) > 8
    assert np.sum((-1.0) ** index) == 0


def test_one_gaussian_is_a_pit_at_its_centre():
    landscape = losses.build("gaussian_mixture", {"dim": 3, "components": 1})
    centre, weight = landscape.args["centres"][0], landscape.args["weights"][0]
    value, gradient = jax.value_and_grad(landscape.loss)(jnp.asarray(centre), **landscape.args)
    assert value == -weight
    assert not np.any(gradient)


def test_seeds_are_repeatable_and_differ():
    a, b, c = (losses.build("gaussian_mixture", {"seed": seed}).args["centres"] for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
