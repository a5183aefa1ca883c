"""The chain of saddles against the piecewise definition of Du et al. 2017."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnemo_jax.losses import chain_of_saddles


def paper(x, L, gamma, tau):
    """Piecewise definition on the tube: sections (i, 1) and (i, 2), and the last one round the minimum."""

    def g1(t):
        return (
            -gamma * t**2
            + (-14 * L + 10 * gamma) / (3 * tau) * (t - tau) ** 3
            + (5 * L - 3 * gamma) / (2 * tau**2) * (t - tau) ** 4
        )

    def g2(t):
        s = L + gamma
        u = t - 2 * tau
        return -gamma - 10 * s * u**3 / tau**3 - 15 * s * u**4 / tau**4 - 6 * s * u**5 / tau**5

    nu = -g1(2 * tau) + 4 * L * tau**2
    i = next((i for i, t in enumerate(x) if t < 2 * tau), len(x))
    before = sum(L * (t - 4 * tau) ** 2 for t in x[:i]) - i * nu
    if i == len(x):
        return before
    if x[i] <= tau:
        return before - gamma * x[i] ** 2 + sum(L * t**2 for t in x[i + 1 :])
    coupled = g2(x[i]) * x[i + 1] ** 2 if i + 1 < len(x) else 0.0
    return before + g1(x[i]) + coupled + sum(L * t**2 for t in x[i + 2 :])


def tube(draw, dim, tau):
    """Return a random point of the tube: some coordinates past 2 tau, one on its way, the rest below tau."""
    passed = draw.integers(0, dim + 1)
    high = draw.uniform(2 * tau, 6 * tau, passed)
    rest = draw.uniform(0, tau, dim - passed)
    if passed < dim:
        rest[0] = draw.uniform(0, 2 * tau)
    return np.concatenate([high, rest])


@pytest.mark.parametrize("args", [{"dim": 4}, {"dim": 4, "L": 1.5, "gamma": 0.5, "tau": 1.0}])
def test_equals_the_paper_on_the_tube_and_its_mirror_images(args):
    landscape = chain_of_saddles(**args)
    draw = np.random.default_rng(0)
    x = np.stack([tube(draw, landscape.dim, landscape.args["tau"]) for _ in range(400)])
    mirrored = x * draw.choice([-1.0, 1.0], x.shape)
    value = jax.jit(jax.vmap(lambda x: landscape.loss(x, **landscape.args)))(mirrored)
    np.testing.assert_allclose(value, [paper(point, **landscape.args) for point in x], rtol=1e-13, atol=1e-12)


def test_is_twice_differentiable_across_every_seam():
    landscape = chain_of_saddles(dim=2)
    tau, small = landscape.args["tau"], 1e-9
    seams = np.array([[s * tau, 0.3] for s in (-2, -1, 0, 1, 2)] + [[9.0, s * tau] for s in (-2, -1, 0, 1, 2)])
    across = np.array([[small, 0.0]] * 5 + [[0.0, small]] * 5)
    loss, args = landscape.loss, landscape.args
    both = jax.jit(jax.vmap(lambda x: (jax.grad(loss)(x, **args), jax.hessian(loss)(x, **args))))
    for left, right in zip(both(seams - across), both(seams + across), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def passing_times(dim, steps):
    """Step at which each of 200 gradient descents has every coordinate beyond 2 tau, and the share inside the tube."""
    landscape = chain_of_saddles(dim=dim)
    tau, gradient = landscape.args["tau"], jax.vmap(jax.grad(lambda x: landscape.loss(x, **landscape.args)))

    def step(x, _):
        size = jnp.abs(x)
        passed = jnp.cumprod(size >= 2 * tau, axis=1)
        done = jnp.sum(passed, axis=1)
        ahead = jnp.arange(dim)[None, :] > done[:, None]
        inside = jnp.all(jnp.where(ahead, size <= tau, size <= 6 * tau), axis=1)
        return x - landscape.learning_rate * gradient(x), (done == dim, inside)

    x = np.random.default_rng(0).uniform(-1, 1, (200, dim))
    _, (done, inside) = jax.jit(lambda x: jax.lax.scan(step, x, length=steps))(x)
    assert np.all(np.asarray(done)[-1])
    return np.argmax(np.asarray(done), axis=0), np.asarray(inside)


def test_each_saddle_multiplies_the_steps_and_descents_stay_in_the_tube():
    medians = []
    for dim in (1, 2, 3, 4, 5):
        times, inside = passing_times(dim, 2000)
        assert inside.all()
        medians.append(np.median(times))
    # At rate 1 / (4 L) waiting coordinates halve at every step and the escaping one grows by 1 + gamma / (2 L) = 1.5,
    # so t steps at one saddle cost t ln 2 / ln 1.5 more at the next.
    assert medians[4] / medians[3] == pytest.approx(1 + np.log(2) / np.log(1.5), rel=0.1)
