"""Numba: one compiled descent per start, starts in parallel by ``prange``, with ``fastmath``."""

import functools
from collections.abc import Callable
from math import pi, sin, sqrt, tanh
from typing import Any, cast

import numpy as np
from numba import njit, prange

from benchmarks.network import POINTS
from benchmarks.result import NotApplicableError, Result, Run
from benchmarks.workloads import Workload

Inner = Callable[..., None]


def prepare(workload: Workload, x0: np.ndarray) -> Run:
    """Return the call that follows the starts ``x0 [n, d]`` on all cores."""
    name = workload.landscape.name
    real: Any = x0.dtype.type
    if name not in GRADIENTS:
        raise NotApplicableError(f"no gradient of {name} for numba")
    rule = "heavy_ball" if "momentum" in workload.optimizer else workload.optimizer["name"]
    descend = program(GRADIENTS[name](real), RULES[rule])
    table = np.ascontiguousarray(next(iter(workload.landscape.args.values()), 0.0), real)
    numbers = (real(workload.rate), real(workload.tolerance), real(workload.reach), workload.max_steps)
    return lambda: Result(*descend(x0, table, *numbers))


@functools.cache
def program(gradient: Inner, rule: Inner) -> Callable[..., Any]:
    """Return the compiled loop over starts for one loss and one step rule."""
    gradient, rule = (njit(fastmath=True, inline="always")(inner) for inner in (gradient, rule))

    @njit(parallel=True, fastmath=True)  # type: ignore[untyped-decorator, unused-ignore]
    def descend(x0: Any, table: Any, rate: Any, tolerance: Any, reach: Any, most: int) -> Any:
        ends, steps, converged = x0.copy(), np.empty(len(x0), np.int32), np.empty(len(x0), np.bool_)
        for i in prange(len(x0)):
            x, g, memory = ends[i], np.empty_like(x0[i]), np.zeros((3, x0.shape[1]), x0.dtype)
            n = 0
            while True:
                gradient(x, g, table)
                worst, far = abs(g[0]), abs(x[0])
                for j in range(1, len(g)):
                    worst, far = max(worst, abs(g[j])), max(far, abs(x[j]))
                if worst <= tolerance or not worst < np.inf or far > reach or n >= most:
                    break
                n += 1
                rule(x, g, rate, memory, n)
            steps[i] = n
            converged[i] = worst <= tolerance
        return ends, steps, converged

    return cast(Callable[..., Any], descend)


@functools.cache
def quartic(_: Any) -> Inner:
    """Return the gradient of x^4 - 4 x^2 + 1."""

    def gradient(x: Any, g: Any, _: Any) -> None:
        g[0] = x[0] * (4 * x[0] * x[0] - 8)

    return gradient


@functools.cache
def himmelblau(_: Any) -> Inner:
    """Return the gradient of (x^2 + y - 11)^2 + (x + y^2 - 7)^2."""

    def gradient(x: Any, g: Any, _: Any) -> None:
        a, b = x[0] * x[0] + x[1] - 11, x[0] + x[1] * x[1] - 7
        g[0] = 4 * x[0] * a + 2 * b
        g[1] = 2 * a + 4 * x[1] * b

    return gradient


@functools.cache
def rosenbrock(_: Any) -> Inner:
    """Return the gradient of the chained Rosenbrock function."""

    def gradient(x: Any, g: Any, _: Any) -> None:
        above = 0.0  # what the coordinate below adds to this one's derivative
        for i in range(len(x) - 1):
            fall = x[i + 1] - x[i] * x[i]
            g[i] = above - 400 * x[i] * fall - 2 * (1 - x[i])
            above = 200 * fall
        g[len(x) - 1] = above

    return gradient


@functools.cache
def rastrigin(real: Any) -> Inner:
    """Return the gradient of sum x^2 + 10 (1 - cos(2 pi x)); its constants have the precision ``real``."""
    two, turn, height = real(2), real(2 * pi), real(20 * pi)

    def gradient(x: Any, g: Any, _: Any) -> None:
        for i in range(len(x)):
            g[i] = two * x[i] + height * sin(turn * x[i])

    return gradient


@functools.cache
def network(_: Any) -> Inner:
    """Return the gradient of the network's mean squared error."""

    def gradient(x: Any, g: Any, table: Any) -> None:
        g[:] = 0
        for p in range(POINTS):
            error = x[16] - table[p, 2]
            units = (unit(x, table, p, 0), unit(x, table, p, 1), unit(x, table, p, 2), unit(x, table, p, 3))
            for h in range(4):
                error += x[12 + h] * units[h]
            error *= 2 / POINTS
            g[16] += error
            for h in range(4):
                back = error * x[12 + h] * (1 - units[h] * units[h])
                g[h] += back * table[p, 0]
                g[4 + h] += back * table[p, 1]
                g[8 + h] += back
                g[12 + h] += error * units[h]

    return gradient


@njit(fastmath=True, inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def unit(x: Any, table: Any, p: int, h: int) -> Any:
    """Return hidden unit ``h`` at data point ``p``."""
    return tanh(table[p, 0] * x[h] + table[p, 1] * x[4 + h] + x[8 + h])


def sgd(x: Any, g: Any, rate: Any, _memory: Any, _n: int) -> None:
    """Apply step ``n`` of gradient descent."""
    for j in range(len(x)):
        x[j] -= rate * g[j]


def heavy_ball(x: Any, g: Any, rate: Any, memory: Any, _n: int) -> None:
    """Apply step ``n`` with momentum 0.9."""
    for j in range(len(x)):
        memory[0, j] = g[j] + 0.9 * memory[0, j]
        x[j] -= rate * memory[0, j]


def adam(x: Any, g: Any, rate: Any, memory: Any, n: int) -> None:
    """Apply step ``n`` of Adam with its usual constants."""
    first, second = rate / (1 - 0.9**n), 1 / (1 - 0.999**n)
    for j in range(len(x)):
        memory[0, j] = 0.9 * memory[0, j] + 0.1 * g[j]
        memory[1, j] = 0.999 * memory[1, j] + 0.001 * g[j] * g[j]
        x[j] -= first * memory[0, j] / (sqrt(second * memory[1, j]) + 1e-8)


GRADIENTS = {
    "double_well": quartic,
    "himmelblau": himmelblau,
    "rosenbrock": rosenbrock,
    "rastrigin": rastrigin,
    "network": network,
}
RULES = {"sgd": sgd, "heavy_ball": heavy_ball, "adam": adam}
