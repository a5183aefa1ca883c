"""What lies between networks: barriers of known height, curves around them, slices through them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize_scalar

from mnemo_jax.errors import UserError
from mnemo_jax.losses.layers import Layers, outputs
from mnemo_jax.networks import barriers as module
from mnemo_jax.networks.arrays import joined, split, units, with_units
from mnemo_jax.networks.barriers import along, barriers, between, rows, straight
from mnemo_jax.networks.curves import curves, place
from mnemo_jax.networks.matching import match
from mnemo_jax.networks.slices import Plane, directions, principal, slice_of, through

LAYERS = Layers(widths=(2, 3, 1))
INPUTS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
TARGETS = np.array([-1.0, 1.0, 1.0, -1.0])[:, None]


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def xor(x, inputs, targets):
    return jnp.mean((outputs(LAYERS(x), inputs, "tanh") - targets) ** 2)


def wells(x, tilt):
    return (x[0] ** 2 - 1) ** 2 + tilt * x[0] + jnp.sum(x[1:] ** 2)


def ring(x):
    return (jnp.sum(x**2) - 1) ** 2


@pytest.fixture(scope="module")
def trained():
    """Twelve networks that have learned XOR."""
    with jax.enable_x64(True):
        adam = optax.adam(0.05)

        def train(x):
            def step(state, _):
                x, memory = state
                update, memory = adam.update(jax.grad(xor)(x, INPUTS, TARGETS), memory)
                return (x + update, memory), None

            return jax.lax.scan(step, (x, adam.init(x)), length=400)[0][0]

        x = jax.jit(jax.vmap(train))(jax.random.normal(jax.random.key(2), (40, LAYERS.dim)))
        learned = jax.vmap(xor, in_axes=(0, None, None))(x, INPUTS, TARGETS) < 1e-3
        assert learned.sum() >= 12
        return x[learned][:12]


def test_barriers_of_known_height():
    a, b = jnp.array([[-1.0, 0.0], [-1.0, 2.0], [0.0, 1.0]]), jnp.array([[1.0, 0.0], [1.0, 2.0], [0.0, 3.0]])
    for tilt in (0.0, 0.7):  # a slope is between its ends what the line between them is
        found = straight(wells, a, b, tilt, points=101)
        np.testing.assert_allclose(found.height, [1.0, 1.0, 0.0], atol=1e-12)
        np.testing.assert_allclose(found.at[:2], 0.5)
        np.testing.assert_allclose(found.loss[0], (1 - (2 * found.t - 1) ** 2) ** 2 * 1 + wells(a[0], 0.0)
                                   + ((2 * found.t - 1) * tilt), atol=1e-12)  # fmt: skip
    sloped = barriers(jnp.array([0.0, 0.25, 1.0]), jnp.array([[0.0, 3.0, 4.0], [4.0, 3.0, 0.0]]))
    np.testing.assert_allclose(sloped.height, [2.0, 0.0])  # above the line between the ends, not above their mean


def test_data_are_arguments_and_batches_change_nothing():
    a, b = (jax.random.normal(jax.random.key(k), (5, LAYERS.dim)) for k in (0, 1))
    one = straight(xor, a, b, INPUTS, TARGETS)
    before = module._losses._cache_size()
    other = straight(xor, a, b, INPUTS, -TARGETS)
    assert module._losses._cache_size() == before
    assert not np.allclose(one.loss, other.loss)
    np.testing.assert_allclose(straight(xor, a, b, INPUTS, TARGETS, batch_size=2).loss, one.loss, rtol=1e-12)
    line = jax.vmap(lambda t: xor(a[3] + t * (b[3] - a[3]), INPUTS, TARGETS))(one.t)
    np.testing.assert_allclose(one.loss[3], line, rtol=1e-9)
    single = straight(
        xor, a.astype("float32"), b.astype("float32"), INPUTS.astype("float32"), TARGETS.astype("float32")
    )
    assert single.loss.dtype == jnp.float32


@pytest.mark.parametrize("kind", ["bezier", "chain"])
def test_curves_begin_and_end_at_the_networks(kind):
    a, bend, b = jnp.eye(3)
    np.testing.assert_array_equal(place(a, bend, b, 0.0, kind), a)
    np.testing.assert_array_equal(place(a, bend, b, 1.0, kind), b)
    np.testing.assert_allclose(place(a, bend, b, 0.5, kind), [0.25, 0.5, 0.25] if kind == "bezier" else bend)
    np.testing.assert_allclose(place(a, (a + b) / 2, b, 0.3, kind), [0.7, 0.0, 0.3], atol=1e-15)


@pytest.mark.parametrize("kind", ["bezier", "chain"])
def test_curves_go_round_a_ring_where_the_line_crosses_its_middle(kind):
    a, b = jnp.array([[1.0, 0.0], [0.0, 1.0], [-0.6, 0.8]]), jnp.array([[-1.0, 0.0], [0.0, -1.0], [0.6, -0.8]])
    t = np.linspace(0, 1, 2001)

    def mean(c):  # of the curve whose bend is c away from the middle, by the rule of the trapezium
        points = jax.vmap(lambda part: place(a[0], jnp.array([0.0, c]), b[0], part, kind))(t)
        return float(np.trapezoid(jax.vmap(ring)(points), t))

    best = minimize_scalar(mean, bounds=(0.5, 3.0), method="bounded", options={"xatol": 1e-3}).x
    bend = curves(ring, a, b, kind=kind, steps=800, learning_rate=0.05)
    np.testing.assert_allclose(jnp.linalg.norm(bend, axis=1), best, rtol=0.02)
    np.testing.assert_allclose(jnp.sum(bend * a, axis=1), 0.0, atol=0.06)
    found = along(ring, a, bend, b, kind=kind)
    np.testing.assert_allclose(straight(ring, a, b).height, 1.0)
    assert (found.height < (0.06 if kind == "bezier" else 0.3)).all()
    # A pair's numbers are its own.
    few = curves(ring, a[:2], b[:2], kind=kind, steps=800, learning_rate=0.05, batch_size=1)
    np.testing.assert_allclose(few, bend[:2], atol=1e-6)


def test_copies_have_no_barrier_once_matched(trained):
    arrays = split(trained[:6], LAYERS)
    turned = units(arrays, 0)[:, [2, 0, 1]] * np.array([-1.0, 1.0, -1.0])[:, None]
    copy = jnp.asarray(joined(with_units(arrays, 0, turned)))
    found = between(xor, trained[:6], copy, INPUTS, TARGETS, layers=LAYERS, steps=400, learning_rate=0.05)
    assert (found.straight.height > 0.1).all()
    assert (found.matched.height < 1e-12).all()


def test_matching_and_curves_lower_barriers_between_networks_that_learned_xor(trained):
    a, b = trained[:6], trained[6:]
    found = between(xor, a, b, INPUTS, TARGETS, layers=LAYERS, steps=400, learning_rate=0.05)
    assert np.mean(found.matched.height) < 0.7 * np.mean(found.straight.height)
    assert np.mean(found.curve.height) < 0.5 * np.mean(found.straight.height)
    assert np.mean(found.matched_curve.height) < 0.5 * np.mean(found.matched.height)
    np.testing.assert_allclose(found.matched.loss[:, -1], found.straight.loss[:, -1], atol=1e-12)
    told = rows(found)
    assert [row["pair"] for row in told] == list(range(6))
    assert told[2]["matched_barrier"] == float(found.matched.height[2])
    assert all(type(value) in (int, float) for row in told for value in row.values())
    np.testing.assert_array_equal([row["matched_distance"] for row in told], match(a, b, LAYERS, "tanh").after)
    bare = rows(between(wells, a[:, :2], b[:, :2], 0.0, steps=400, learning_rate=0.05))
    assert bare[0]["matched_barrier"] is None
    assert bare[0]["matched_curve_barrier"] is None


def test_single_precision_stays_single():
    with jax.enable_x64(False):
        a, b = (jax.random.normal(jax.random.key(k), (2, LAYERS.dim)) for k in (0, 1))
        data = INPUTS.astype(np.float32), TARGETS.astype(np.float32)
        found = between(xor, a, b, *data, layers=LAYERS, steps=20)
        parts = (found.straight.loss, found.matched.loss, found.bend, found.curve.loss)
        parts += (slice_of(xor, Plane(a[0], directions(a, LAYERS)[0]), np.arange(3.0), np.arange(2.0), *data),)
        assert {part.dtype for part in parts} == {jnp.dtype("float32")}


def test_mistakes_are_told():
    a = jnp.ones((2, 3))
    with pytest.raises(UserError, match="alike"):
        straight(ring, a, a[:1])
    with pytest.raises(UserError, match="at least 3"):
        straight(ring, a, a, points=2)
    with pytest.raises(UserError, match="bezier or chain"):
        curves(ring, a, a, kind="spline")
    with pytest.raises(UserError, match="positive"):
        curves(ring, a, a, learning_rate=0.0)
    with pytest.raises(UserError, match="zero or scaled"):
        directions(jnp.ones((1, LAYERS.dim)), LAYERS, biases="some")
    with pytest.raises(UserError, match="no plane"):
        through(a[0], 2 * a[0], 3 * a[0])
    with pytest.raises(UserError, match="all points are one"):
        principal(jnp.ones((4, 3)))
    with pytest.raises(UserError, match="at least three"):
        principal(a)


@pytest.mark.parametrize("biases", ["zero", "scaled"])
def test_directions_have_the_norms_of_the_network_s_filters(biases):
    layers = Layers(widths=(3, 5, 4, 2))
    x = jax.random.normal(jax.random.key(0), (3, layers.dim))
    found = directions(x, layers, 2, biases)
    assert found.shape == (3, 2, layers.dim)
    for k in range(2):
        for own, made in zip(split(x, layers), split(found[:, k], layers), strict=True):
            norms = (np.linalg.norm(layer.weight, axis=1) for layer in (made, own))
            np.testing.assert_allclose(*norms, rtol=1e-12)
            np.testing.assert_allclose(np.abs(made.bias), np.abs(own.bias) * (biases == "scaled"), rtol=1e-12)
    found = np.asarray(found)
    cosine = np.sum(found[:, 0] * found[:, 1], axis=1) / np.prod(np.linalg.norm(found, axis=2), axis=1)
    assert (np.abs(cosine) < 0.6).all()
    np.testing.assert_array_equal(directions(x[:2], layers, 2, biases), found[:2])
    assert np.isfinite(directions(jnp.zeros((1, layers.dim)), layers)).all()


def test_a_slice_is_the_loss_on_the_grid(trained):
    plane = Plane(trained[0], directions(trained[:1], LAYERS)[0])
    s, t = np.linspace(-1, 1, 5), np.linspace(-0.5, 0.5, 3)
    found = slice_of(xor, plane, s, t, INPUTS, TARGETS)
    assert found.shape == (3, 5)
    np.testing.assert_allclose(found[1, 2], xor(trained[0], INPUTS, TARGETS), rtol=1e-12)
    np.testing.assert_allclose(found[2, 0], xor(trained[0] - plane.axes[0] + 0.5 * plane.axes[1], INPUTS, TARGETS))
    np.testing.assert_allclose(slice_of(xor, plane, s, t, INPUTS, TARGETS, batch_size=4), found, rtol=1e-12)


def test_the_plane_through_three_points_has_them():
    a, b, c = jax.random.normal(jax.random.key(1), (3, 7))
    plane = through(a, b, c)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-12)
    places = plane.places(jnp.stack([a, b, c]))
    np.testing.assert_allclose(places[:2], [[0, 0], [np.linalg.norm(b - a), 0]], atol=1e-12)
    np.testing.assert_allclose(plane.at(places), jnp.stack([a, b, c]), atol=1e-12)
    skew = Plane(a, jnp.stack([b, c]))
    np.testing.assert_allclose(skew.places(skew.at(jnp.array([0.3, -2.0]))), [0.3, -2.0], atol=1e-12)


def test_principal_components_of_known_points_and_of_a_random_walk():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((10, 3)))[0].T
    scores = np.linalg.qr(rng.standard_normal((50, 3)))[0]
    scores -= scores.mean(axis=0)
    scores = np.linalg.svd(scores, full_matrices=False)[0] * np.array([3.0, 2.0, 1.0])
    found = principal(jnp.asarray(5.0 + scores @ axes))
    np.testing.assert_allclose(found.share, [9 / 14, 4 / 14], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.plane.axes @ axes.T), np.eye(2, 3), atol=1e-9)
    np.testing.assert_allclose(found.plane.places(found.plane.at(found.places)), found.places, atol=1e-9)
    walk = np.cumsum(rng.standard_normal((200, 2000)), axis=0)
    share = principal(jnp.asarray(walk)).share
    np.testing.assert_allclose(share, np.array([1.0, 0.25]) * 6 / np.pi**2, rtol=0.1)


def cross_entropy(x, inputs, classes):
    """The mean of a difference of two sums, which a library that XLA calls on CPUs gets wrong in float32."""
    out = inputs @ x[:40].reshape(4, 10) + x[40:]
    wanted = jax.nn.one_hot(classes, 10, dtype=out.dtype)
    return jnp.mean(jax.nn.logsumexp(out, axis=-1) - jnp.sum(wanted * out, axis=-1))


def test_losses_in_float32_are_those_of_float64():
    draw = np.random.default_rng(0)
    data = jnp.asarray(draw.standard_normal((1000, 4))), jnp.asarray(draw.integers(0, 10, 1000))
    a, b = (jnp.asarray(draw.standard_normal((2, 50))) for _ in range(2))
    few = [part.astype(jnp.float32) for part in (a, b, data[0])]
    lines = (straight(cross_entropy, a, b, *data), straight(cross_entropy, few[0], few[1], few[2], data[1]))
    np.testing.assert_allclose(lines[1].loss, lines[0].loss, rtol=1e-4)
    s = np.linspace(-1, 1, 12)
    planes = (Plane(a[0], b), Plane(few[0][0], few[1]))
    exact, found = (
        slice_of(cross_entropy, plane, s, s, *given)
        for plane, given in zip(planes, (data, (few[2], data[1])), strict=True)
    )
    np.testing.assert_allclose(found, exact, rtol=1e-4)
