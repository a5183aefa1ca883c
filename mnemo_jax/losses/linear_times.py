"""How long linear networks take to learn a mode: exact times of the gradient flow, and steps of gradient descent.

Where every layer carries a mode equally (balanced weights) and inputs are uncorrelated, modes do not meet: each is one
number, the ``strength`` ``a = w^L`` that the ``L`` layers have made of it by then, on its way from a small ``start`` to
the target's own strength ``s``. For an input of variance ``v`` the gradient flow of half the mean squared error is

    da/dt = L v a^(2 - 2/L) (s - a)

(Saxe, McClelland & Ganguli 2014, arXiv 1312.6120, equations 6, 7 and 19; their ``tau`` is ``1 / v``), and gradient
descent is ``w <- w + eta v w^(L-1) (s - w^L)``, so that ``t / eta`` steps follow the flow for a time ``t``.
"""

from typing import Any

import numpy as np
from scipy.special import hyp2f1

from mnemo_jax.errors import UserError


def time_to(end: Any, start: Any, strength: Any, *, layers: int = 2, variance: Any = 1.0) -> np.ndarray:
    """Return the time at which the gradient flow has brought a mode from ``start`` to ``end``.

    With two layers it is ``ln(end (s - start) / (start (s - end))) / (2 v s)`` (equation 7). In general, with
    ``w = a^(1/L)``, it is the integral of ``dw / (w^(L-1) (s - w^L)) = (w^(1-L) + w / (s - w^L)) dw / s``.

    Args:
        end: strength reached, from ``start`` up to below ``strength``; any shape that broadcasts with the others.
        start: strength at time 0, positive.
        strength: that of the target, ``s``.
        layers: number of layers of weights, ``L``.
        variance: of the mode's input, ``v``.

    Raises:
        UserError: the strengths are not in this order.
    """
    end, start, strength = (np.asarray(each, float) for each in (end, start, strength))
    if not (np.all(start > 0) and np.all(start <= end) and np.all(end < strength)):
        raise UserError("end, start, strength: a mode grows from a positive start to an end below its strength")
    if layers == 1:
        return np.log((strength - start) / (strength - end)) / variance
    return (_clock(end, strength, layers) - _clock(start, strength, layers)) / variance


def _clock(a: np.ndarray, s: np.ndarray, layers: int) -> np.ndarray:
    """Return the time at strength ``a``, up to a constant."""
    if layers == 2:
        return np.log(a / (s - a)) / (2.0 * s)
    w, slow = a ** (1.0 / layers), 2.0 / layers
    return (w ** (2 - layers) / (2 - layers) + w**2 / (2.0 * s) * hyp2f1(1.0, slow, 1.0 + slow, a / s)) / s


def strength_at(time: Any, start: float, strength: float, *, layers: int = 2, variance: float = 1.0) -> np.ndarray:
    """Return the strength that the gradient flow has made of a mode at each time.

    With two layers it is ``s e^(2 v s t) / (e^(2 v s t) - 1 + s / start)`` (Saxe et al. 2014, equation 6); with more
    the time is inverted by bisection, to rounding.
    """
    time = np.asarray(time, float)
    if layers == 1:
        return strength + (start - strength) * np.exp(-variance * time)
    if layers == 2:
        return strength / (1.0 + (strength / start - 1.0) * np.exp(-2.0 * variance * strength * time))
    # In the logit of the share learnt, where start and end are both told to rounding.
    low = np.full(time.shape, np.log(start / (strength - start)))
    high = np.full(time.shape, 36.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        late = time_to(strength / (1.0 + np.exp(-middle)), start, strength, layers=layers, variance=variance) > time
        low, high = np.where(late, low, middle), np.where(late, middle, high)
    return strength / (1.0 + np.exp(-0.5 * (low + high)))


def steps_to(
    end: float,
    start: float,
    strength: float,
    rate: float,
    *,
    layers: int = 2,
    variance: float = 1.0,
    most: int = 10_000_000,
) -> int:
    """Return the first step at which gradient descent with learning rate ``rate`` has brought a mode to ``end``.

    Raises:
        UserError: it has not within ``most`` steps.
    """
    w, goal = start ** (1.0 / layers), end ** (1.0 / layers)
    for step in range(most + 1):
        if w >= goal:
            return step
        w += rate * variance * w ** (layers - 1) * (strength - w**layers)
    raise UserError(f"end: the mode is at {w**layers:.6g} after {most} steps; give a lower end or more steps")
