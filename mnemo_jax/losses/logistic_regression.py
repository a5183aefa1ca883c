"""Logistic regression on data: convex; where a plane separates the classes, without a minimum unless weights cost."""

from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import logsumexp
from pydantic import Field
from scipy.special import softmax

from mnemo_jax.data import DataSet
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import checked
from mnemo_jax.losses.data import data_of, extended
from mnemo_jax.losses.points import Row, table

DEFAULT = DataSet(name="moons", args={"items": 100, "noise": 0.2})
NEWTON = 100  # steps to the minimum, most
ROUNDING = 1e-14


def loss(x: Array, inputs: Array, labels: Array, ridge: Array) -> Array:
    """Return the mean of minus the log probability of the right class, plus ``ridge |W|^2 / 2``.

    Args:
        x: ``W [features, classes - 1]`` row by row and then ``b [classes - 1]``.
        inputs: ``[n, features]``.
        labels: unit vectors ``[n, classes - 1]``, 0 for class 0, whose logit is 0; so no two points are one model.
        ridge: a number.
    """
    weight, logits = _logits(x, inputs, labels)
    right = jnp.sum(labels * logits[:, 1:], axis=1)
    return jnp.mean(logsumexp(logits, axis=1) - right) + 0.5 * ridge * jnp.sum(weight**2)


def accuracy(x: Array, inputs: Array, labels: Array, ridge: Array) -> Array:
    """Return the share of items whose class has the largest logit, for the arguments of `loss`."""
    del ridge
    _, logits = _logits(x, inputs, labels)
    first = 1.0 - jnp.sum(labels, axis=1, keepdims=True)
    right = jnp.argmax(logits, axis=1) == jnp.argmax(jnp.concatenate([first, labels], axis=1), axis=1)
    return jnp.mean(right.astype(logits.dtype))


def _logits(x: Array, inputs: Array, labels: Array) -> tuple[Array, Array]:
    """Return ``W``, and the logits ``[n, classes]``."""
    weight, bias = jnp.split(jnp.reshape(x, (-1, labels.shape[1])), [inputs.shape[1]])
    logits = inputs @ weight + bias
    return weight, jnp.concatenate([jnp.zeros_like(logits[:, :1]), logits], axis=1)


@checked
def logistic_regression(data: Any = None, ridge: Annotated[float, Field(ge=0.0)] = 0.1) -> Landscape:
    """Return the loss of a linear classifier with intercepts on the training items of a data set, on [-5, 5]^dim.

    Args:
        data: a `DataSet`, its table or `Data`, with classes; 100 items of ``moons`` unless given.
        ridge: weight of the squared coefficients, intercepts not among them. With 0 and classes that a plane separates
            there is no minimum, and none is listed.

    The learning rate is the inverse of a bound of all curvatures: the softmax bends by at most 1/2, with two classes
    1/4 (Boehning 1992, Annals of the Institute of Statistical Mathematics 44), times the largest eigenvalue of the
    inputs' second moments, plus ``ridge``.

    Raises:
        UserError: the targets are numbers.
    """
    given = data_of(data, DEFAULT)
    if given.classes is None:
        raise UserError(f"loss.args.data: the targets of {given.name} are numbers; take linear_regression")
    if given.classes < 2:
        raise UserError(f"loss.args.data: {given.name} has one class alone; there is nothing to tell apart")
    inputs, wide = given.train.inputs, extended(given.train.inputs)
    labels = _unit_vectors(given.train.targets, given.classes)
    bend = 0.25 if given.classes == 2 else 0.5
    bound = bend * np.linalg.eigvalsh(wide.T @ wide / len(wide))[-1] + ridge
    best = _minimum(wide, labels, np.array([ridge] * inputs.shape[1] + [0.0])) if ridge else None
    return Landscape(
        loss=loss,
        dim=wide.shape[1] * labels.shape[1],
        lower=(-5.0,),
        upper=(5.0,),
        name="logistic_regression",
        formula="mean -log softmax(0, x W + b)_y + ridge |W|^2 / 2",
        args={"inputs": inputs, "labels": labels, "ridge": ridge},
        learning_rate=float(1.0 / bound),
        known=() if best is None else table([best]),
        data=("inputs", "labels"),
        measures={"accuracy": accuracy},
        held_out={
            part: {"inputs": items.inputs, "labels": _unit_vectors(items.targets, given.classes)}
            for part, items in given.held_out.items()
        },
    )


def _unit_vectors(targets: np.ndarray, classes: int) -> np.ndarray:
    """Return classes ``[n]`` as unit vectors ``[n, classes - 1]``, 0 for class 0."""
    return np.eye(classes)[targets][:, 1:]


def _minimum(wide: np.ndarray, labels: np.ndarray, ridge: np.ndarray) -> Row | None:
    """Return the minimum by Newton's method with halved steps, None where it does not arrive in time."""
    x, cost = np.zeros((wide.shape[1], labels.shape[1])), np.repeat(ridge, labels.shape[1])
    value, slope, bend = _bent(x, wide, labels, cost)
    for _ in range(NEWTON):
        step = np.linalg.solve(bend, slope).reshape(x.shape)
        if np.abs(step).max() <= ROUNDING * max(1.0, np.abs(x).max()):
            return tuple(x.ravel().tolist()), value, 0
        for _ in range(60):
            after = _bent(x - step, wide, labels, cost)
            if after[0] <= value + ROUNDING * abs(value):
                break
            step = 0.5 * step
        x, (value, slope, bend) = x - step, after
    return None


def _bent(
    x: np.ndarray, wide: np.ndarray, labels: np.ndarray, cost: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return loss, gradient ``[dim]`` and Hessian ``[dim, dim]``."""
    logits = np.concatenate([np.zeros((len(wide), 1)), wide @ x], axis=1)
    p = softmax(logits, axis=1)[:, 1:]
    own = logits[:, 0] + np.sum(labels * logits[:, 1:], axis=1)
    value = np.mean(np.logaddexp.reduce(logits, axis=1) - own) + 0.5 * np.sum(cost * x.ravel() ** 2)
    slope = (wide.T @ (p - labels) / len(wide)).ravel() + cost * x.ravel()
    curl = p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])
    bend = np.einsum("ni,njk,nl->ijlk", wide, curl, wide, optimize=True) / len(wide)
    return float(value), slope, bend.reshape(x.size, x.size) + np.diag(cost)
