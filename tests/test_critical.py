"""Polish, kinds and flat families on losses whose critical points are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnemo_jax import critical
from mnemo_jax.calculus import Loss
from mnemo_jax.critical import judge, settle
from mnemo_jax.degenerate import along_null_space, kinds
from mnemo_jax.devices import Devices
from mnemo_jax.families import walk
from mnemo_jax.polish import Scales
from mnemo_jax.types import Kind


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def devices():
    with Devices(1) as found:
        yield found


def scales(length=3.0, gradient=10.0, hessian=10.0):
    return Scales(*map(jnp.float64, (length, gradient, hessian)))


def judged(function, points, devices, *, near=True, given=None, args=None):
    x = np.asarray(points, dtype=float)
    return judge(
        x, np.full(len(x), near), args or {}, given or scales(), loss=Loss(function, None, False), devices=devices
    )


def decided(function, point, devices, args):
    """Kind, order and nullity after the look along the null space."""
    given = scales()
    loss = Loss(function, None, False)
    found = judged(function, [point], devices, args=args)
    assert not found.left[0]
    assert found.kind[0] == Kind.DEGENERATE
    single = bool(found.nullity[0] == 1)
    along = along_null_space(found.x, found.zero, found.step, args, given, loss=loss, single=single)
    return Kind(int(kinds(found.eigenvalues, found.zero, along)[0])), int(along.lowest()[0]), int(found.nullity[0])


def quartic(x):
    return x[0] ** 4 - 4 * x[0] ** 2 + 1


def test_quartic_to_rounding(devices):
    found = judged(quartic, [[1.4142], [-1.41422], [1e-9], [0.0]], devices)
    np.testing.assert_allclose(found.x[:, 0], [np.sqrt(2), -np.sqrt(2), 0, 0], atol=1e-15)
    np.testing.assert_allclose(found.loss, [-3, -3, 1, 1], atol=1e-14)
    np.testing.assert_allclose(found.eigenvalues[:, 0], [16, 16, -8, -8], rtol=1e-13)
    assert found.kind.tolist() == [Kind.MINIMUM, Kind.MINIMUM, Kind.MAXIMUM, Kind.MAXIMUM]
    assert not found.left.any()


@pytest.mark.parametrize("seed", range(4))
def test_index_and_nullity_of_random_quadratics(seed, devices):
    """Eigenvalues drawn first, the matrix made from them: index and nullity are known."""
    random = np.random.default_rng(seed)
    dim = 6
    values = np.concatenate([random.uniform(0.1, 5, 3), -random.uniform(0.1, 5, 3 - seed % 3), np.zeros(seed % 3)])
    basis = np.linalg.qr(random.standard_normal((dim, dim)))[0]
    matrix = (basis * values) @ basis.T
    found = judged(_form, [random.standard_normal(dim)], devices, near=False, args={"m": jnp.asarray(matrix)})
    assert found.index[0] == np.sum(values < 0)
    assert found.nullity[0] == np.sum(values == 0)
    np.testing.assert_allclose(found.eigenvalues[0], np.sort(values), atol=1e-13)
    assert found.gradient[0] < 1e-13


def _form(x, m):
    return 0.5 * x @ m @ x


def powers(x, factors):
    """Add up powers of every coordinate, from 1 on, with factors ``[4, dim]``: one program serves several losses."""
    return jnp.sum(x * (factors[0] + x * (factors[1] + x * (factors[2] + x * factors[3]))))


def cubed(x, factor):
    return x[1] ** 2 + factor * jnp.abs(x[0]) ** 3


def of(*axes):
    """Return what `powers` takes, from the factors of each coordinate."""
    return {"factors": jnp.asarray(np.array(axes, float).T)}


@pytest.mark.parametrize(
    ("function", "args", "point", "expected"),
    [
        (powers, [(0, 0, 0, 1)], [1.3e-3], (Kind.MINIMUM, 4, 1)),
        (powers, [(0, 0, 0, -1)], [1.3e-3], (Kind.MAXIMUM, 4, 1)),
        (powers, [(0, 0, 1, 0)], [1e-4], (Kind.SADDLE, 3, 1)),
        (lambda x: (x[0] - 1) ** 6, {}, [1.01], (Kind.MINIMUM, 6, 1)),
        # expanded, so that rounding blurs the point: (x - 1)^4 - 1
        (powers, [(-4, 6, -4, 1)], [1.001], (Kind.MINIMUM, 4, 1)),
        (powers, [(0, 1, 0, 0), (0, 0, 0, 1)], [1e-9, 1e-3], (Kind.MINIMUM, 4, 1)),
        (powers, [(0, 1, 0, 0), (0, 0, 0, -1)], [1e-9, 1e-3], (Kind.SADDLE, 4, 1)),
        (lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2, {}, [1e-4, 2e-5], (Kind.SADDLE, 3, 2)),
        # a curved floor: straight ahead the loss grows like x^4, along the floor not at all
        (lambda x: (x[1] - x[0] ** 2) ** 2, {}, [0.5, 0.25], (Kind.MINIMUM, 0, 1)),
        # eliminating y from y^2 + 3 x^2 y leaves -9/4 x^4: a saddle, though x^4 straight ahead grows
        (lambda x: x[1] ** 2 + 3 * x[0] ** 2 * x[1] + x[0] ** 4, {}, [0.0, 0.0], (Kind.SADDLE, 4, 1)),
        (lambda x: (x[0] ** 2 + x[1] ** 2) ** 2, {}, [1e-3, -1e-3], (Kind.MINIMUM, 4, 2)),
        # a third derivative that jumps has no sign: the loss on both sides tells
        (cubed, {"factor": 1.0}, [0.0, 0.0], (Kind.MINIMUM, 0, 1)),
        (cubed, {"factor": -1.0}, [0.0, 0.0], (Kind.SADDLE, 0, 1)),
        (lambda x: -(jnp.abs(x[0]) ** 3), {}, [0.0], (Kind.MAXIMUM, 0, 1)),
    ],
)
def test_degenerate_points(function, args, point, expected, devices):
    assert decided(function, point, devices, of(*args) if function is powers else args) == expected


def test_kinks_are_said_to_be_kinks(devices):
    def ackley(x):
        waves = jnp.exp(jnp.mean(jnp.cos(2 * jnp.pi * x)))
        return -20 * jnp.exp(-0.2 * jnp.sqrt(jnp.mean(x**2))) - waves + 20 + jnp.e

    assert judged(lambda x: jnp.sum(jnp.abs(x)), [[0.0, 0.0]], devices).kind[0] == Kind.KINK
    assert judged(lambda x: jnp.abs(x[0]) ** 1.5, [[0.0]], devices).kind[0] == Kind.KINK
    smooth = judged(lambda x: jnp.sqrt(1e-2 + x[0] ** 2), [[0.0]], devices)
    assert smooth.kind[0] == Kind.MINIMUM
    given = scales(30.0, 3.0, 3.0)
    found = settle(
        np.array([[0.05, 0.1], [0.0, 0.0], [3.02, 0.01]]), {}, given, loss=Loss(ackley, None, False), devices=devices
    )
    assert found.kind[:2].tolist() == [Kind.KINK] * 2
    assert not found.left[:2].any()
    np.testing.assert_allclose(found.x[:2], 0, atol=1e-9)
    assert found.left[2], "a smooth minimum is no kink"


def test_poles_are_no_points_and_kinks_no_poles(devices):
    """Towards a pole the loss grows without bound; at a cusp, however steep, it does not."""

    def left(function, point):
        found = settle(np.array([point]), {}, scales(), loss=Loss(function, None, False), devices=devices)
        return bool(found.left[0])

    assert left(lambda x: jnp.log(x[0] ** 2), [0.01])
    assert left(lambda x: jnp.log(jnp.sum(x**2)) + x[1], [0.01, -0.02])
    assert left(lambda x: -1 / jnp.abs(x[0]), [0.01])
    assert not left(lambda x: jnp.abs(x[0]) ** 0.2, [0.01])
    assert not left(lambda x: jnp.sqrt(jnp.abs(x[0])) + x[1] ** 2, [0.01, 0.0])


def test_a_polish_cannot_jump(devices):
    """Tails without a root, points between two roots, and gradients that are small far from any critical point."""

    def bell(x):
        return -jnp.exp(-jnp.sum(x**2) / 2)

    assert judged(bell, [[7.0, 0.0], [6.5, 0.0]], devices).left.all()
    assert judged(lambda x: jnp.exp(-x[0]), [[20.0]], devices).left.all()
    # near the inflection of x^3/3 - x at 0 the Newton step is huge; a converged descent does not end there
    assert judged(lambda x: x[0] ** 3 / 3 - x[0], [[1e-3]], devices).left.all()
    assert judged(lambda x: x[0], [[1.0]], devices).left.all()


def test_ill_conditioned_minimum_is_reached(devices):
    def rosenbrock(x):
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    start = np.ones((1, 10)) + 1e-6 * np.cumprod(np.full(10, 1.5))  # along the valley, as descents end
    found = judged(rosenbrock, start, devices, given=scales(2.0, 500.0, 2000.0))
    assert not found.left[0]
    np.testing.assert_allclose(found.x[0], 1.0, atol=1e-13)
    assert found.kind[0] == Kind.MINIMUM


def test_radius_holds_newtons_convergence(devices):
    """Undamped Newton from anywhere inside the radius comes back; the radius is no formality either."""
    found = judged(quartic, [[1.4142]], devices)
    radius = float(found.radius[0])
    assert 0.01 < radius < 1.0
    for start in np.linspace(-radius, radius, 41) + np.sqrt(2):
        x = start
        for _ in range(60):
            x = x - (4 * x**3 - 8 * x) / (12 * x**2 - 8)
        np.testing.assert_allclose(x, np.sqrt(2), atol=1e-12)


def test_walk_follows_a_circle(devices):
    """The minima of (|x|^2 - 1)^2 form the unit circle, 2 pi long; the walk each way goes 2048 / 256 box lengths."""
    points, good = walk(
        jnp.array([1.0, 0.0]), {}, scales(1.0), loss=Loss(lambda x: (jnp.sum(x**2) - 1) ** 2, None, False)
    )
    points, good = np.asarray(points), np.asarray(good)
    assert good.all()
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-12)
    angles = np.sort(np.arctan2(points[:, 1], points[:, 0]))
    assert np.max(np.diff(angles)) < 1.05 / 256, "all of the circle is passed"


def test_walk_stops_where_the_floor_ends():
    """The floor of y^2 + max(x, 0)^4 is the half-line x <= 0."""
    loss = Loss(lambda x: x[1] ** 2 + jnp.maximum(x[0], 0.0) ** 4, None, False)
    points, good = walk(jnp.array([-0.5, 0.0]), {}, scales(1.0), loss=loss)
    reached = np.asarray(points)[np.asarray(good)]
    assert reached[:, 0].max() < 0.02
    assert reached[:, 0].min() < -5


def test_one_point_after_the_other_gives_what_all_together_give(devices, monkeypatch):
    def loss(x):
        return jnp.sum((x**2 - 1.0) ** 2) + 0.1 * jnp.sum(x[1:] * x[:-1])

    draw = np.random.default_rng(0)
    points = draw.choice([-1.0, 0.0, 1.0], (11, 33)) + 1e-3 * draw.normal(size=(11, 33))
    apart = judged(loss, points, devices, near=False)
    monkeypatch.setattr(critical, "WIDE", 1000)
    together = judged(loss, points, devices, near=False)
    assert apart.index.tolist() == together.index.tolist()
    assert apart.left.tolist() == together.left.tolist()
    np.testing.assert_allclose(apart.x, together.x, atol=1e-13)
    np.testing.assert_allclose(apart.eigenvalues, together.eigenvalues, atol=1e-11)


def test_losses_that_bring_their_own_derivatives_stay_undecided(devices):
    @jax.custom_jvp
    def flat(y):
        return jnp.where(y > 0, y**4, y**4)

    flat.defjvp(lambda primals, tangents: (flat(*primals), 4 * primals[0] ** 3 * tangents[0]))

    def loss(x):
        return x[0] ** 2 + flat(x[1])

    found = judged(loss, [[0.0, 0.0]], devices)
    assert found.kind[0] == Kind.DEGENERATE
    given = (found.x, found.zero, found.step, {}, scales())
    assert along_null_space(*given, loss=Loss(loss, None, False), single=True) is None
