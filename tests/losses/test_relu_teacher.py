"""ReLU students of orthonormal teachers against sampling, the published gradient, and finite differences of that."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnemo_jax import losses

STUDENTS, TEACHERS = 5, 4


def landscape(students=STUDENTS, teachers=TEACHERS):
    return losses.build("relu_teacher", {"students": students, "teachers": teachers})


def gradient(x, teachers):
    """Return the gradient as published (Safran & Shamir 2018, section 4), at weights that are not parallel to one."""
    w, v = x.reshape(-1, teachers), np.eye(teachers)

    def pull(one, other):
        a, b = np.linalg.norm(one), np.linalg.norm(other)
        # Of two differences of unit vectors: accurate at every angle, unlike the arccosine.
        t = 2 * np.arctan2(np.linalg.norm(one / a - other / b), np.linalg.norm(one / a + other / b))
        return (b * np.sin(t) * one / a + (np.pi - t) * other) / (2 * np.pi)

    def of(i):
        others = sum(pull(w[i], w[j]) for j in range(len(w)) if j != i)
        return w[i] / 2 + others - sum(pull(w[i], teacher) for teacher in v)

    return np.concatenate([of(i) for i in range(len(w))])


def merged():
    """Return five students of four teachers with loss 0: the last two share a teacher."""
    return np.concatenate([np.eye(4)[:3], 0.3 * np.eye(4)[3:], 0.7 * np.eye(4)[3:]]).ravel()


@partial(jax.jit, static_argnums=0)
def compiled(loss, x, args):
    own = lambda y: loss(y, **args)  # noqa: E731
    return own(x), jax.grad(own)(x), jax.hessian(own)(x)


def derivatives(land, x):
    return tuple(map(np.asarray, compiled(land.loss, x, land.args)))


def test_loss_is_the_expectation_of_the_squared_difference():
    draw = np.random.default_rng(0)
    land, x, z = landscape(), draw.normal(size=STUDENTS * TEACHERS), draw.normal(size=(400_000, TEACHERS))
    relu = [np.maximum(z @ w.T, 0).sum(1) for w in (x.reshape(-1, TEACHERS), np.eye(TEACHERS))]
    sample = (relu[0] - relu[1]) ** 2 / 2
    assert abs(sample.mean() - derivatives(land, x)[0]) < 4 * sample.std() / np.sqrt(len(sample))


@pytest.mark.parametrize("scale", [1e-9, 1e-5, 1e-2, 1.0, 30.0])
def test_gradient_is_the_published_one_at_every_angle(scale):
    x = merged() + scale * np.random.default_rng(1).normal(size=STUDENTS * TEACHERS)
    np.testing.assert_allclose(derivatives(landscape(), x)[1], gradient(x, TEACHERS), atol=3e-15 * max(1, scale))


@pytest.mark.parametrize("x", [np.eye(4).ravel(), merged()], ids=["teachers", "merged"])
def test_best_points_are_smooth_to_second_order(x):
    value, slope, bend = derivatives(landscape(len(x) // 4), x)
    assert abs(value) < 1e-14
    assert np.abs(slope).max() < 1e-15
    assert np.linalg.eigvalsh(bend).min() > -1e-14
    for direction in np.random.default_rng(2).normal(size=(4, len(x))):
        # The third derivative jumps there, so that the difference errs by the distance.
        near = (gradient(x + 1e-7 * direction, 4) - gradient(x - 1e-7 * direction, 4)) / 2e-7
        np.testing.assert_allclose(bend @ direction, near, atol=3e-6)


def test_opposite_and_vanishing_weights_have_derivatives():
    x = np.concatenate([np.eye(4)[:2], -np.eye(4)[:1], np.zeros((1, 4)), np.eye(4)[3:]]).ravel()
    assert all(np.isfinite(each).all() for each in derivatives(landscape(), x))


def test_third_derivatives_are_numbers_at_the_best_point():
    land = landscape(4)
    third = jax.jit(jax.jacfwd(jax.hessian(lambda y: land.loss(y, **land.args))))(jnp.eye(4).ravel())
    assert np.isfinite(third).all()


def test_single_precision_is_single_precision():
    land, x = landscape(), np.random.default_rng(3).normal(size=STUDENTS * TEACHERS)
    single = jax.jit(jax.grad(land.loss))(jnp.asarray(x, jnp.float32), jnp.ones(TEACHERS, jnp.float32))
    np.testing.assert_allclose(single, derivatives(land, x)[1], atol=1e-5)
