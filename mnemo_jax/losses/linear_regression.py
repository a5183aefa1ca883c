"""Linear regression on data: a convex quadratic, and the least that a network must be able to do."""

from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from mnemo_jax.data import DataSet
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import checked
from mnemo_jax.losses.data import data_of, extended
from mnemo_jax.losses.points import Row, table

DEFAULT = DataSet(name="linear_teacher", args={"items": 50, "strengths": (3.0, 1.0), "noise": 0.1})


def loss(x: Array, inputs: Array, targets: Array, ridge: Array) -> Array:
    """Return half the mean squared distance of ``inputs W + b`` from the targets, plus ``ridge |W|^2 / 2``.

    Args:
        x: ``W [features, outputs]`` row by row and then ``b [outputs]``.
        inputs: ``[n, features]``.
        targets: ``[n, outputs]``.
        ridge: a number.
    """
    weight, bias = jnp.split(jnp.reshape(x, (-1, targets.shape[1])), [inputs.shape[1]])
    errors = inputs @ weight + bias - targets
    return 0.5 * jnp.mean(jnp.sum(errors**2, axis=1)) + 0.5 * ridge * jnp.sum(weight**2)


@checked
def linear_regression(data: Any = None, ridge: Annotated[float, Field(ge=0.0)] = 0.0) -> Landscape:
    """Return the loss of a linear fit with intercepts to the training items of a data set, on [-5, 5]^dim.

    Args:
        data: a `DataSet`, its table or `Data`, with targets that are numbers; 50 items of ``linear_teacher``
            unless given.
        ridge: weight of the squared coefficients, intercepts not among them.

    The minimum solves the normal equations; where it is not unique, with collinear inputs and no ridge, none is listed.
    The learning rate is the inverse of the largest curvature.

    Raises:
        UserError: the targets are classes.
    """
    given = data_of(data, DEFAULT)
    if given.classes is not None:
        raise UserError(f"loss.args.data: the targets of {given.name} are classes; take logistic_regression")
    inputs, targets = given.train
    wide = extended(inputs)
    hessian = wide.T @ wide / len(wide) + np.diag([ridge] * inputs.shape[1] + [0.0])
    curvatures = np.linalg.eigvalsh(hessian)
    unique = curvatures[0] > 1e-10 * curvatures[-1]
    return Landscape(
        loss=loss,
        dim=wide.shape[1] * targets.shape[1],
        lower=(-5.0,),
        upper=(5.0,),
        name="linear_regression",
        formula="mean |x W + b - y|^2 / 2 + ridge |W|^2 / 2",
        args={"inputs": inputs, "targets": targets, "ridge": ridge},
        learning_rate=float(1.0 / curvatures[-1]),
        known=table([_solved(hessian, wide, targets, ridge)]) if unique else (),
        data=("inputs", "targets"),
        held_out={part: items._asdict() for part, items in given.held_out.items()},
    )


def _solved(hessian: np.ndarray, wide: np.ndarray, targets: np.ndarray, ridge: float) -> Row:
    """Return the solution of the normal equations, refined once, and its loss."""
    right = wide.T @ targets / len(wide)
    x = np.linalg.solve(hessian, right)
    x = x + np.linalg.solve(hessian, right - hessian @ x)
    value = 0.5 * np.sum((wide @ x - targets) ** 2) / len(wide) + 0.5 * ridge * np.sum(x[:-1] ** 2)
    return tuple(x.ravel().tolist()), float(value), 0
