"""Laws of escape against simulations, closed forms, and the exact law of a first passage."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from mnemo_jax import UserError
from mnemo_jax.laws import closed_form, fit, law
from mnemo_jax.modes import Dynamics, contraction, noise_modes, spread, start_mode, width

EXPERIMENTS = [
    (Dynamics(learning_rate=0.1), [0.5], 1e-3),
    (Dynamics(learning_rate=0.1), [5.0], 1e-3),
    (Dynamics(learning_rate=0.1, momentum=0.9), [0.5], 1e-3),
    (Dynamics(learning_rate=0.1, momentum=0.9, nesterov=True), [0.5], 1e-3),
    (Dynamics(learning_rate=0.1, noise=0.01), [0.5], 0.0),
    (Dynamics(learning_rate=0.1, noise=0.01, momentum=0.9), [0.5], 0.0),
    (Dynamics(learning_rate=0.1, noise=0.01, momentum=0.8, nesterov=True), [0.5], 0.003),
    (Dynamics(learning_rate=0.1, temperature=1e-6), [0.5], 0.0),
    (Dynamics(learning_rate=0.1, temperature=1e-6, momentum=0.9), [0.5], 0.0),
    (Dynamics(learning_rate=0.1), [0.5, 0.5, 0.3, 0.1], 1e-3),
    (Dynamics(learning_rate=0.1, noise=0.01, momentum=0.5), [0.5, 0.4], 1e-3),
]


def simulated(dynamics, rates, cloud, radius, number, seed=0):
    """Return the escape times of so many descents on a quadratic, step by step."""
    draw = np.random.default_rng(seed)
    y = cloud * draw.standard_normal((number, len(rates)))
    trace, alive, steps = np.zeros_like(y), np.arange(number), np.full(number, -1)
    for step in range(100_000):
        out = np.any(np.abs(y) >= radius, axis=1)
        steps[alive[out]] = step
        y, trace, alive = y[~out], trace[~out], alive[~out]
        if not len(alive):
            return steps
        gradient = -np.array(rates) * y + dynamics.noise * draw.standard_normal(y.shape)
        trace = gradient + dynamics.momentum * trace
        move = gradient + dynamics.momentum * trace if dynamics.nesterov else trace
        heat = np.sqrt(2 * dynamics.learning_rate * dynamics.temperature) * draw.standard_normal(y.shape)
        y = y - dynamics.learning_rate * move + heat
    raise AssertionError("some never leave")


@pytest.mark.parametrize(("dynamics", "rates", "cloud"), EXPERIMENTS)
def test_means_and_variances_of_simulations(dynamics, rates, cloud):
    steps, number = simulated(dynamics, rates, cloud, 1.0, 10_000), 10_000
    share, mean, variance = law(dynamics, np.array(rates), cloud, 1.0).moments()
    assert share == pytest.approx(1.0, abs=1e-12)
    assert abs(steps.mean() - mean) < 4 * np.sqrt(variance / number)
    fourth = np.mean((steps - steps.mean()) ** 4)
    assert abs(steps.var() - variance) < 4 * np.sqrt((fourth - variance**2) / number)


@pytest.mark.parametrize("rate", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.95])
def test_sums_equal_closed_forms_where_growth_is_slow(rate, momentum):
    dynamics = Dynamics(learning_rate=0.1, momentum=momentum)
    told = law(dynamics, np.array([rate]), 1e-6, 1.0).moments()
    np.testing.assert_allclose(told[1:], closed_form(dynamics, rate, 1e-6, 1.0), rtol=1e-5)


def test_heavy_ball_has_the_roots_and_the_factor_of_its_recursion():
    beta, a = 0.9, 0.05
    r2, r1 = np.sort(np.roots([1.0, -(1 + beta + a), beta]))
    mode = start_mode(Dynamics(learning_rate=0.1, momentum=beta), 0.5)
    np.testing.assert_allclose(mode[:3], [r1, r2, r1 * (1 - r2) / (r1 - r2)], rtol=1e-12)
    y = [1.0, 1.0 + a]  # y' = (1 + beta + a) y - beta y_before, from rest
    for _ in range(10):
        y.append((1 + beta + a) * y[-1] - beta * y[-2])
    np.testing.assert_allclose(mode.after(np.arange(12)), y, rtol=1e-12)


def test_noise_has_the_width_of_its_geometric_sum():
    r = 1 + 0.1 * 0.5
    plain = width(Dynamics(learning_rate=0.1, noise=0.02), 0.5, 0.0)
    assert plain == pytest.approx(0.1 * 0.02 / np.sqrt(r**2 - 1), rel=1e-12)
    heat = width(Dynamics(learning_rate=0.1, temperature=0.02), 0.5, 0.0)
    assert heat == pytest.approx(np.sqrt(2 * 0.1 * 0.02) / np.sqrt(r**2 - 1), rel=1e-12)
    both = width(Dynamics(learning_rate=0.1, noise=0.02), 0.5, 3e-3)
    assert both == pytest.approx(np.hypot(plain, 3e-3), rel=1e-12)
    assert not noise_modes(Dynamics(learning_rate=0.1), 0.5)


def first_passage(dynamics, rate, radius, steps):
    """Return ``P(T > t)`` of noisy gradient descent from the saddle, its density carried from step to step."""
    y, cell = np.linspace(-radius, radius, 1201, retstep=True)
    kernel = norm.pdf(y[:, None], (1 + dynamics.learning_rate * rate) * y, dynamics.learning_rate * dynamics.noise)
    weights = np.full(len(y), cell)
    weights[[0, -1]] *= 0.5
    density = norm.pdf(y, 0, dynamics.learning_rate * dynamics.noise)
    survival = [1.0, density @ weights]
    while len(survival) < steps:
        density = kernel @ (weights * density)
        survival.append(density @ weights)
    return np.array(survival)


@pytest.mark.parametrize(("noise", "least"), [(0.02, 0.0), (0.1, 0.1), (0.2, 0.1)])
def test_steps_back_inside_are_what_the_law_of_noise_leaves_out(noise, least):
    """At 0.02 a step's noise is a fifth of its growth at the radius, and next to none come back."""
    dynamics, rate, radius = Dynamics(learning_rate=0.1, noise=noise), 1.0, 0.1
    told = law(dynamics, np.array([rate]), 0.0, radius)
    late = told.survival.sum() - first_passage(dynamics, rate, radius, len(told.survival)).sum()
    bound = (width(dynamics, rate, 0.0) / radius) ** 2 / np.log(1.1)
    assert least * bound < late < bound
    assert least or late < 1e-5


@pytest.mark.parametrize("curvature", [0.3, 2.0])
def test_stable_directions_have_their_stationary_width(curvature):
    a = 0.1 * curvature
    noisy = spread(Dynamics(learning_rate=0.1, noise=0.3), curvature)
    assert noisy == pytest.approx(0.1 * 0.3 / np.sqrt(1 - (1 - a) ** 2), rel=1e-10)
    heat = spread(Dynamics(learning_rate=0.1, temperature=0.02), curvature)
    assert heat == pytest.approx(np.sqrt(0.02 / curvature / (1 - a / 2)), rel=1e-10)
    assert spread(Dynamics(learning_rate=0.1), curvature) == 0


def test_contraction():
    assert contraction(Dynamics(learning_rate=0.1), 3.0) == pytest.approx(0.7)
    assert contraction(Dynamics(learning_rate=0.1), 25.0) == pytest.approx(1.5)
    assert contraction(Dynamics(learning_rate=0.1, momentum=0.81), 3.0) == pytest.approx(0.9)  # complex roots
    assert (
        contraction(Dynamics(learning_rate=0.1, momentum=0.9), 37.9)
        < 1
        < contraction(Dynamics(learning_rate=0.1, momentum=0.9), 38.1)
    )


def test_a_budget_cuts_the_law_short():
    whole = law(Dynamics(learning_rate=0.1), np.array([0.5]), 1e-3, 1.0)
    short = law(Dynamics(learning_rate=0.1), np.array([0.5]), 1e-3, 1.0, budget=150)
    assert len(short.survival) == 151
    np.testing.assert_array_equal(short.survival, whole.survival[:151])
    p = whole.probabilities[:151]
    assert short.moments().share == pytest.approx(p.sum())
    assert short.moments().mean == pytest.approx(p @ np.arange(151) / p.sum())
    assert short.quantile(0.99) is None
    assert whole.survival[whole.quantile(0.5)] <= 0.5 < whole.survival[whole.quantile(0.5) - 1]


def test_starts_outside_leave_at_once_and_starts_on_the_saddle_never():
    wide = law(Dynamics(learning_rate=0.1), np.array([0.5]), 1.0, 0.5)
    assert wide.probabilities[0] == pytest.approx(2 * norm.sf(0.5))
    never = law(Dynamics(learning_rate=0.1), np.array([0.5, 0.1]), 0.0, 0.5)
    assert never.moments().share == 0
    assert np.isnan(never.moments().mean)
    assert closed_form(Dynamics(learning_rate=0.1), 0.5, 0.0, 0.5)[0] == np.inf


def test_further_directions_and_larger_rates_hasten_escape():
    dynamics = Dynamics(learning_rate=0.1)
    means = [law(dynamics, np.array([0.5] * k), 1e-3, 1.0).moments().mean for k in (1, 2, 3, 10)]
    means += [law(dynamics, np.array([0.5 * f] * 10), 1e-3, 1.0).moments().mean for f in (1.1, 2.0)]
    assert all(late > early for late, early in pairwise(means))


@pytest.mark.parametrize("which", ["mean", "variance"])
def test_fits_find_the_rate_that_made_the_numbers(which):
    dynamics, rates = Dynamics(learning_rate=0.1, noise=1e-3, momentum=0.5), np.array([0.5, 0.2])

    def of(factor):
        return law(dynamics, factor * rates, 1e-3, 1.0).moments()

    value = getattr(of(1.2), which)
    found = fit(which, value, 1e-3 * value, of, 0.5)
    assert found.rate == pytest.approx(0.6, rel=1e-6)
    low, high = found.interval
    assert 0.59 < low < 0.6 < high < 0.61
    assert fit(which, 100 * value, value, of, 0.5).rate is None


def test_a_law_that_takes_for_ever_to_sum_is_refused():
    with pytest.raises(UserError, match="give a larger learning rate"):
        law(Dynamics(learning_rate=1e-9), np.array([1.0]), 1e-3, 1.0, budget=1 << 30)
