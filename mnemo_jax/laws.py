"""Laws of escape: how many steps descents take to leave a saddle, as long as the loss is its quadratic there.

In the eigenbasis of the Hessian every coordinate goes its own way. A step of gradient descent with momentum is linear
in a coordinate ``y`` and its velocity, so that of two modes the faster, ``r1 > 1``, takes over along a direction of
negative curvature: ``y_t = a_t y_0`` with ``a_t`` close to ``A r1^t``. A descent has escaped at the first step ``T`` at
which the size of an unstable coordinate is ``R`` or more. From normal starts of width ``s`` sizes grow from the first
step on, which makes ``P(T > t) = prod_i erf(R / (sqrt(2) s a_t,i))`` exact, also with several unstable directions.

Noise adds to the variance of ``y_t``, and the formula with that variance is the law of the steps spent inside. The
first step outside comes before steps back inside, if any: that shortens the mean by ``(s / R)^2 / ln r1`` at most.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import erf

from mnemo_jax.errors import UserError
from mnemo_jax.modes import Dynamics, noise_modes, start_mode, width

TAIL = 1e-15  # chance of taking longer, at which sums over steps end
MOST = 1 << 24  # steps of a law
FACTOR = 2.0  # by which fitted rates may differ from the Hessian's
Z = 1.96  # of 95 % intervals


def closed_form(dynamics: Dynamics, rate: float, cloud: float, radius: float) -> tuple[float, float]:
    """Return mean and variance of ``T`` for one unstable direction, for ``R`` well above the width ``s``.

    ``E T = [ln(R / s) + (gamma + ln 2) / 2] / ln r1 + 1/2`` and ``Var T = (pi^2 / 8) / ln^2 r1 + 1/12``: moments of
    the logarithm of a normal number's size, and of a wait until the next whole step (Sheppard's correction).
    """
    log, s = np.log(start_mode(dynamics, rate).r1), width(dynamics, rate, cloud)
    if s == 0:
        return np.inf, np.nan
    mean = (np.log(radius / s) + 0.5 * (np.euler_gamma + np.log(2.0))) / log + 0.5
    return float(mean), float(np.pi**2 / 8.0 / log**2 + 1.0 / 12.0)


class Moments(NamedTuple):
    """Of the escape times within a budget of steps: the share that escapes, and mean and variance of those."""

    share: float
    mean: float
    variance: float


class Law(NamedTuple):
    """The law of the escape time.

    Attributes:
        survival: ``P(T > t)`` for ``t = 0, 1, ...``, up to where it is below 1e-15, or to the budget.
    """

    survival: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """``P(T = t)`` for ``t = 0, 1, ...``."""
        return -np.diff(self.survival, prepend=1.0)

    def moments(self) -> Moments:
        """Return the share that escapes by the last step, and mean and variance of ``T`` over it."""
        p = self.probabilities
        share = float(p.sum())
        if share <= 0:
            return Moments(0.0, np.nan, np.nan)
        steps = np.arange(len(p))
        mean = float(p @ steps / share)
        return Moments(share, mean, float(p @ (steps - mean) ** 2 / share))

    def quantile(self, share: float) -> int | None:
        """Return the first step by which that share has escaped, None where it never has."""
        there = np.flatnonzero(self.survival <= 1.0 - share)
        return int(there[0]) if len(there) else None


def law(dynamics: Dynamics, rates: np.ndarray, cloud: float, radius: float, budget: int = MOST) -> Law:
    """Return the law of ``T`` from starts of width ``cloud`` around a saddle, 0 for exactly on it.

    Args:
        dynamics: the optimizer.
        rates: ``[k]``, the escape rates: minus the Hessian's negative eigenvalues.
        cloud: standard deviation of each coordinate's start.
        radius: ``R``.
        budget: steps after which descents end.

    Raises:
        UserError: it would take more than 16,777,216 steps to sum.
    """
    steps = np.arange(min(_horizon(dynamics, rates, cloud, radius, budget), budget) + 1)
    survival = np.ones(len(steps))
    for rate in rates:
        with np.errstate(divide="ignore", over="ignore"):
            survival *= erf(radius / (np.sqrt(2.0) * _widths(dynamics, float(rate), cloud, steps)))
    return Law(survival)


def _widths(dynamics: Dynamics, rate: float, cloud: float, steps: np.ndarray) -> np.ndarray:
    """Return the standard deviation of a coordinate after each of ``steps``, 0, 1, ..."""
    whole = cloud * start_mode(dynamics, rate).after(steps) if cloud else np.zeros(len(steps))
    for mode in noise_modes(dynamics, rate):
        with np.errstate(over="ignore"):
            square = np.cumsum(mode.after(steps[:-1]) ** 2)
        whole[1:] = np.hypot(whole[1:], np.sqrt(square))
    return whole


def _horizon(dynamics: Dynamics, rates: np.ndarray, cloud: float, radius: float, budget: int) -> int:
    """Return the step by which all but `TAIL` have escaped along the fastest direction; 0 where none ever does."""
    fastest = float(np.max(rates))
    s = width(dynamics, fastest, cloud)
    if s == 0:
        return min(budget, 1)
    steps = max(np.log(radius / s) - np.log(TAIL), 0.0) / np.log(start_mode(dynamics, fastest).r1) + 2.0
    if min(steps, budget) > MOST:
        raise UserError(f"escape: descents take some {steps:.2g} steps to leave; give a larger learning rate or cloud")
    return int(np.ceil(min(steps, budget)))


class Fit(NamedTuple):
    """The escape rate with which the law agrees with what was measured, and its interval; None where none does."""

    rate: float | None
    interval: tuple[float | None, float | None]


def fit(which: str, value: float, error: float, of: Callable[[float], Moments], rate: float) -> Fit:
    """Return the rate for which the law has the mean or variance measured.

    Args:
        which: ``mean`` or ``variance``.
        value: what was measured.
        error: its standard error.
        of: from a factor on all rates to the law's moments; both fall as rates grow.
        rate: the fastest rate at factor 1.
    """
    from scipy.optimize import brentq  # takes a tenth of a second to import

    def miss(power: float, target: float) -> float:
        return float(getattr(of(float(np.exp(power))), which)) / target - 1.0

    def root(target: float) -> float | None:
        ends = (-np.log(FACTOR), np.log(FACTOR))
        if target <= 0 or not miss(ends[0], target) > 0 > miss(ends[1], target):
            return None
        return rate * float(np.exp(brentq(miss, *ends, args=(target,), xtol=1e-9)))

    return Fit(root(value), (root(value + Z * error), root(value - Z * error)))
