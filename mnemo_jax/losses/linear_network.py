"""The loss of a linear network of any depth, from the covariances of what it is to learn."""

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.choices import choice
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.layers import Layers
from mnemo_jax.losses.linear_theory import known, regression


@choice
class LinearNetwork:
    """``E |x W_1 ... W_L - y|^2 / 2``, for layers as `Layers` reads them, without biases.

    Only covariances matter: with ``P = W_1 ... W_L`` it is ``tr(P^T xx P) / 2 - tr(P^T xy) + own / 2``.
    """

    widths: tuple[int, ...]

    def __call__(self, x: Array, xx: Array, xy: Array, own: Array) -> Array:
        """Return the loss.

        Args:
            x: the point ``[dim]``.
            xx: covariance of the inputs ``[inputs, inputs]``.
            xy: covariance of inputs and targets ``[inputs, outputs]``.
            own: trace of the targets' covariance.
        """
        product = self.product(x)
        return 0.5 * (jnp.sum(product * (xx @ product)) + own) - jnp.sum(product * xy)

    def weights(self, x: Any) -> list[Any]:
        """Return the layers ``[inputs, outputs]`` at a point ``x [dim]``."""
        return [layer.weight for layer in Layers(widths=self.widths, bias=False)(x)]

    def product(self, x: Array) -> Array:
        """Return ``W_1 ... W_L [inputs, outputs]`` at a point ``x [dim]``."""
        first, *rest = self.weights(x)
        return functools.reduce(jnp.matmul, rest, first)


class Covariances(NamedTuple):
    """``xx [inputs, inputs]``, ``xy [inputs, outputs]`` and the trace of the targets' covariance, ``own``."""

    xx: np.ndarray
    xy: np.ndarray
    own: float


def diagonal(variances: Sequence[float], strengths: Sequence[float], outputs: int) -> Covariances:
    """Return the covariances of uncorrelated inputs and of targets that are ``strengths`` times the first of them.

    Raises:
        UserError: there are more strengths than inputs or outputs.
    """
    inputs, modes = len(variances), len(strengths)
    if modes > min(inputs, outputs):
        raise UserError(f"loss.args.strengths: {modes} are more than {inputs} inputs and {outputs} outputs can have")
    target = np.zeros((inputs, outputs))
    target[range(modes), range(modes)] = strengths
    xy = np.asarray(variances)[:, None] * target
    return Covariances(np.diag(variances), xy, float(np.sum(xy * target)))


def measured(inputs: np.ndarray, targets: np.ndarray) -> Covariances:
    """Return the covariances of items, their means taken off."""
    x, y = inputs - inputs.mean(axis=0), targets - targets.mean(axis=0)
    return Covariances(x.T @ x / len(x), x.T @ y / len(x), float(np.sum(y * y) / len(x)))


def linear_network(name: str, widths: Sequence[int], given: Covariances) -> Landscape:
    """Return the landscape of a linear network of these widths on [-1, 1]^dim.

    Raises:
        UserError: no target has anything to do with an input.
    """
    learnt, layers = regression(*given), Layers(widths=tuple(widths), bias=False)
    if not learnt.powers.size:
        raise UserError("loss.args.data: no target is correlated with any input; there is nothing to learn")
    return Landscape(
        loss=LinearNetwork(widths=tuple(widths)),
        dim=layers.dim,
        lower=(-1.0,),
        upper=(1.0,),
        name=name,
        formula=f"E |x {' '.join(f'W_{k}' for k in range(1, len(widths)))} - y|^2 / 2",
        args=given._asdict(),
        learning_rate=_rate(widths, given.xx, learnt.maps.sum(axis=0)),
        known=known(widths, learnt),
        layers=layers,
    )


def _rate(widths: Sequence[int], xx: np.ndarray, target: np.ndarray) -> float:
    """Return half the inverse of a usual largest curvature: of balanced best points, or of the box where it is more."""
    depth = len(widths) - 1
    best = np.linalg.norm(target, 2) ** (2.0 - 2.0 / depth)
    # Squared, the largest singular value of a matrix with independent entries of variance 1/3.
    norms = [(np.sqrt(rows) + np.sqrt(columns)) ** 2 / 3.0 for rows, columns in pairwise(widths)]
    return float(0.5 / (np.linalg.norm(xx, 2) * depth * max(best, np.prod(norms) / min(norms))))
