"""Gradient descent on a quadratic as a linear map of each coordinate and its velocity, and how pushes on them grow.

In the eigenbasis of the Hessian every coordinate goes its own way; with momentum (optax's ``sgd``) a step is linear in
the coordinate and its velocity, so that it is a sum of two modes, ``fast r1^t + slow r2^t``.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_discrete_lyapunov


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """Gradient descent as a linear map, as optax's ``sgd`` and the noise around it make it.

    Attributes:
        learning_rate: ``eta``.
        momentum: ``beta`` of the heavy ball, 0 for plain gradient descent.
        nesterov: whether momentum is Nesterov's.
        noise: standard deviation of the noise on each entry of the gradient.
        temperature: of Langevin noise, of variance ``2 eta temperature`` on each entry of the step.
    """

    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False
    noise: float = 0.0
    temperature: float = 0.0

    @property
    def is_noisy(self) -> bool:
        """Whether there is any noise."""
        return self.noise > 0 or self.temperature > 0


class Mode(NamedTuple):
    """How a coordinate answers a push: by ``fast r1^t + slow r2^t`` after ``t`` steps.

    Attributes:
        r1, r2: growth factors per step.
        fast, slow: their amplitudes.
    """

    r1: float
    r2: float
    fast: float
    slow: float

    def after(self, steps: np.ndarray) -> np.ndarray:
        """Return the answer after ``steps [n]``; what is beyond floating point is infinite."""
        with np.errstate(over="ignore"):
            return self.fast * self.r1**steps + self.slow * self.r2**steps


def matrix(dynamics: Dynamics, curvature: float) -> np.ndarray:
    """Return the step on a coordinate of that curvature and its velocity, ``[2, 2]``.

    The velocity is optax's trace: ``m <- g + beta m``, then ``y <- y - eta m``, or ``y - eta (g + beta m)`` for
    Nesterov's momentum.
    """
    eta, beta = dynamics.learning_rate, dynamics.momentum
    lead = 1.0 + beta if dynamics.nesterov else 1.0
    drag = beta**2 if dynamics.nesterov else beta
    return np.array([[1.0 - eta * curvature * lead, -eta * drag], [curvature, beta]])


def contraction(dynamics: Dynamics, curvature: float) -> float:
    """Return the factor per step by which a coordinate of that curvature shrinks, or grows, in the long run."""
    return float(np.max(np.abs(np.linalg.eigvals(matrix(dynamics, curvature)))))


def spread(dynamics: Dynamics, curvature: float) -> float:
    """Return the standard deviation at which noise holds a stable coordinate of that curvature, in the long run."""
    if not dynamics.is_noisy:
        return 0.0
    pushes = np.array([push for push in _pushes(dynamics) if push.any()])
    return float(np.sqrt(solve_discrete_lyapunov(matrix(dynamics, curvature), pushes.T @ pushes)[0, 0]))


def start_mode(dynamics: Dynamics, rate: float) -> Mode:
    """Return how a start off the saddle grows along a direction of curvature ``-rate``; ``A`` is its ``fast``."""
    return _mode(dynamics, rate, np.array([1.0, 0.0]))


def noise_modes(dynamics: Dynamics, rate: float) -> list[Mode]:
    """Return how one step's noise of one standard deviation grows from the step after, per kind of noise."""
    return [_mode(dynamics, rate, push) for push in _pushes(dynamics) if push.any()]


def _pushes(dynamics: Dynamics) -> tuple[np.ndarray, np.ndarray]:
    """Return what one standard deviation of gradient and of Langevin noise adds to coordinate and velocity."""
    eta, beta = dynamics.learning_rate, dynamics.momentum
    lead = 1.0 + beta if dynamics.nesterov else 1.0
    on_step = np.sqrt(2.0 * eta * dynamics.temperature)
    return dynamics.noise * np.array([-eta * lead, 1.0]), on_step * np.array([1.0, 0.0])


def _mode(dynamics: Dynamics, rate: float, push: np.ndarray) -> Mode:
    """Return the two modes of an unstable coordinate, whose growth factors are real, after a push of it."""
    step = matrix(dynamics, -rate)
    half = 0.5 * np.trace(step)
    determinant = dynamics.momentum * (1.0 + (dynamics.learning_rate * rate if dynamics.nesterov else 0.0))
    r1 = half + np.sqrt(half**2 - determinant)
    r2 = determinant / r1
    now, following = push[0], (step @ push)[0]
    fast = (following - r2 * now) / (r1 - r2)
    return Mode(float(r1), float(r2), float(fast), float(now - fast))


def width(dynamics: Dynamics, rate: float, cloud: float) -> float:
    """Return the width ``s`` for which the coordinate is, in the long run, normal of width ``s r1^t``.

    It is ``A cloud`` without noise, ``eta noise r1 / ((r1 - r2) sqrt(r1^2 - 1))`` for gradient noise and the heavy
    ball, and so ``eta noise / sqrt(r1^2 - 1)`` for plain descent; independent parts add in squares.
    """
    growth = start_mode(dynamics, rate)
    parts = [mode.fast / np.sqrt(mode.r1**2 - 1.0) for mode in noise_modes(dynamics, rate)]
    return float(np.linalg.norm([cloud * growth.fast, *parts]))
