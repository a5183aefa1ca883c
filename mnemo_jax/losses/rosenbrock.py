"""Rosenbrock's curved valley, chained in d dimensions."""

from typing import Annotated

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from mnemo_jax.landscape import KnownPoint, Landscape
from mnemo_jax.losses.checks import checked


def loss(x: Array) -> Array:
    """Return ``sum_{i<dim} 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2`` at ``x`` of shape ``[dim]``."""
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@checked
def rosenbrock(dim: Annotated[int, Field(ge=2)] = 2) -> Landscape:
    """Return Rosenbrock's function on ``[-2.048, 2.048]^dim`` (Rosenbrock 1960; box of De Jong 1975).

    The minimum is at (1, ..., 1); from 4 to 30 dimensions there is a second one near (-1, 1, ..., 1) (Shang & Qiu
    2006, Evolutionary Computation 14(1)). The valley is so flat that gradient descent needs about 10^5 steps.
    """
    known = [KnownPoint((1.0,) * dim, 0.0, "minimum")]
    if 4 <= dim <= 30:
        known.append(_second_minimum(dim))
    return Landscape(
        loss=loss,
        dim=dim,
        lower=(-2.048,),
        upper=(2.048,),
        name="rosenbrock",
        formula="sum_{i<dim} 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2",
        learning_rate=2e-4,
        max_steps=400_000,
        known=tuple(known),
    )


def _second_minimum(dim: int) -> KnownPoint:
    x = np.ones(dim)
    x[0] = -1.0
    for _ in range(50):
        x = x - np.linalg.solve(_hessian(x), _gradient(x))
    value = float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))
    return KnownPoint(tuple(x.tolist()), value, "minimum")


def _gradient(x: np.ndarray) -> np.ndarray:
    fall = x[1:] - x[:-1] ** 2
    gradient = np.zeros_like(x)
    gradient[:-1] = -400.0 * x[:-1] * fall - 2.0 * (1.0 - x[:-1])
    gradient[1:] += 200.0 * fall
    return gradient


def _hessian(x: np.ndarray) -> np.ndarray:
    diagonal = np.zeros_like(x)
    diagonal[:-1] = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    diagonal[1:] += 200.0
    beside = -400.0 * x[:-1]
    return np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
