"""Newton's method and its saddle-free variant as optax transformations, for few coordinates.

They take the Hessian from ``value_fn``, which optax's extra arguments carry; the engine passes it on.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax import Array

ScalarOrSchedule: TypeAlias = float | Array | optax.Schedule


def newton(learning_rate: ScalarOrSchedule = 1.0) -> optax.GradientTransformationExtraArgs:
    """Return Newton's method, the step ``-learning_rate H^-1 g``: it goes to critical points of every index.

    Where the Hessian is singular the step is not finite, and so is the descent's outcome.
    """

    def step(matrix: Array, gradient: Array) -> Array:
        if gradient.size > 2:
            return jnp.linalg.solve(matrix, gradient)
        if gradient.size == 1:
            return gradient / matrix[0]
        (a, b), (c, d) = matrix  # Cramer's rule, a few operations where a library's call costs a hundred
        return jnp.stack([d * gradient[0] - b * gradient[1], a * gradient[1] - c * gradient[0]]) / (a * d - b * c)

    return optax.chain(_preconditioned(step), optax.scale_by_learning_rate(learning_rate))


def saddle_free_newton(
    learning_rate: ScalarOrSchedule = 1.0, damping: float = 0.0
) -> optax.GradientTransformationExtraArgs:
    """Return the saddle-free Newton method (Dauphin et al. 2014, algorithm 1): the step ``-rate (|H| + damping)^-1 g``.

    ``|H|`` has the Hessian's eigenvectors and its eigenvalues without their signs, so that saddles repel.
    """

    def step(matrix: Array, gradient: Array) -> Array:
        values, vectors = jnp.linalg.eigh(0.5 * (matrix + matrix.T))
        return vectors @ ((vectors.T @ gradient) / (jnp.abs(values) + damping))

    return optax.chain(_preconditioned(step), optax.scale_by_learning_rate(learning_rate))


def _preconditioned(step: Callable[[Array, Array], Array]) -> optax.GradientTransformationExtraArgs:
    """Return the transformation of a gradient by a function of it and the Hessian."""

    def update(gradient: Array, state: Any, x: Array | None = None, *, value_fn: Any, **extra: Any) -> Any:
        del extra
        return step(jax.hessian(value_fn)(x), gradient), state

    return optax.GradientTransformationExtraArgs(lambda _: optax.EmptyState(), update)
