"""Times of learning in linear networks: closed forms against the differential equation and against descents."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from mnemo_jax import losses
from mnemo_jax.errors import UserError
from mnemo_jax.losses.linear_times import steps_to, strength_at, time_to

LAYERS = [1, 2, 3, 4, 5, 8]


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize(("start", "end", "strength"), [(1e-3, 1.0, 2.0), (1e-6, 2.9999, 3.0), (0.2, 0.3, 0.7)])
def test_time_is_the_integral(layers, start, end, strength):
    speed = lambda u: 1.0 / (layers * 1.7 * u ** (2.0 - 2.0 / layers) * (strength - u))  # noqa: E731
    # In the logarithm of the strength, in which the integrand is tame.
    whole, error = quad(lambda u: speed(np.exp(u)) * np.exp(u), np.log(start), np.log(end), epsrel=1e-11, limit=500)
    found = time_to(end, start, strength, layers=layers, variance=1.7)
    assert found == pytest.approx(whole, rel=1e-9, abs=10 * error)


@pytest.mark.parametrize("layers", LAYERS)
def test_strength_follows_the_differential_equation_and_is_the_inverse_of_time(layers):
    start, strength, variance = 0.05, 1.5, 0.8
    times = np.linspace(0.0, float(time_to(1.45, start, strength, layers=layers, variance=variance)), 9)
    flow = lambda _, u: layers * variance * u ** (2.0 - 2.0 / layers) * (strength - u)  # noqa: E731
    solved = solve_ivp(flow, (0.0, times[-1]), [start], method="DOP853", t_eval=times, rtol=1e-12, atol=1e-14)
    found = strength_at(times, start, strength, layers=layers, variance=variance)
    np.testing.assert_allclose(found, solved.y[0], rtol=1e-9)
    back = time_to(found[1:-1], start, strength, layers=layers, variance=variance)
    np.testing.assert_allclose(back, times[1:-1], rtol=1e-9)


def test_two_layers_take_the_published_time():
    # Saxe et al. 2014, equation 7 with tau = 1: from a_0 to a_f in ln(a_f (s - a_0) / (a_0 (s - a_f))) / (2 s).
    s, start, end = 3.0, 1e-3, 2.0
    assert time_to(end, start, s) == pytest.approx(np.log(end * (s - start) / (start * (s - end))) / (2 * s), rel=1e-14)
    assert strength_at(1.2, start, s) == pytest.approx(
        s * np.exp(2 * s * 1.2) / (np.exp(2 * s * 1.2) - 1 + s / start), rel=1e-13
    )


@pytest.mark.parametrize("layers", [2, 3, 5])
def test_steps_are_the_flow_s_as_the_rate_shrinks(layers):
    start, end, strength = 0.01, 1.0, 2.0
    flow = float(time_to(end, start, strength, layers=layers))
    late = [steps_to(end, start, strength, rate, layers=layers) - flow / rate for rate in (1e-3, 1e-4, 1e-5)]
    # Euler's method is of first order: late by a time in proportion to the rate, which is a number of steps.
    assert 0 < late[2] * 1e-5 < 2e-4 * flow
    np.testing.assert_allclose(late[:2], late[2], atol=1.05)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_whole_network_learns_each_mode_at_its_time(depth):
    """Gradient descent at 1e-4 from layers that carry every mode equally is at 1e-3 of the strengths of theory."""
    strengths, variances, start, rate = (3.0, 1.5, 0.8), (1.0, 0.5, 2.0, 1.0), 0.01, 1e-4
    widths = (4, *[3] * (depth - 1), 5)
    landscape = losses.deep_linear(widths=widths, strengths=strengths, variances=variances)
    layers = [np.zeros((widths[k], widths[k + 1])) for k in range(depth)]
    for layer in layers:
        layer[range(3), range(3)] = start ** (1 / depth)
    slope = jax.grad(lambda x: landscape.loss(x, **landscape.args))

    def hundred(x, _):
        x = jax.lax.fori_loop(0, 100, lambda _, y: y - rate * slope(y), x)
        return x, landscape.loss.product(x)

    x0 = jnp.asarray(np.concatenate([layer.ravel() for layer in layers]))
    products = np.asarray(jax.jit(lambda x: jax.lax.scan(hundred, x, length=400)[1])(x0))
    times = rate * 100 * np.arange(1, 401)
    for mode, (s, v) in enumerate(zip(strengths, variances, strict=False)):
        law = strength_at(times, start, s, layers=depth, variance=v)
        np.testing.assert_allclose(products[:, mode, mode], law, atol=1e-3 * s)
    off = products.copy()
    off[:, range(3), range(3)] = 0.0
    assert not off.any()


def test_what_never_happens_is_told():
    with pytest.raises(UserError, match="a mode grows from a positive start"):
        time_to(3.0, 0.1, 2.0)
    with pytest.raises(UserError, match="end: the mode is at"):
        steps_to(2.0, 0.1, 2.0, 0.1, most=1000)
