"""Values and derivatives of a loss on flat points."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape

Args = Mapping[str, Any]


@dataclass(frozen=True)
class Loss:
    """A landscape's loss as the engine calls it: flat ``x [d]`` and arguments to a scalar.

    Equal fields mean an equal (and equally hashed) object, so that a landscape built twice compiles once.
    """

    function: Callable[..., Any]
    unravel: Callable[[Array], Any] | None
    scalar: bool
    data: tuple[str, ...] = ()

    def __call__(self, x: Array, args: Args) -> Array:
        """Return the loss at ``x`` of shape ``[d]``, in ``x``'s precision."""
        point = x[0] if self.scalar else x if self.unravel is None else self.unravel(x)
        return self.function(point, **args)

    def items(self, args: Args) -> int:
        """Return the number of items in the loss's data, 0 without data."""
        return int(args[self.data[0]].shape[0]) if self.data else 0

    def batch(self, args: Args, rows: Array) -> dict[str, Array]:
        """Return the arguments with only some items of the data, by their ``rows``."""
        return {key: value[rows] if key in self.data else value for key, value in args.items()}


def loss_of(landscape: Landscape, dtype: Any) -> tuple[Loss, dict[str, Any]]:
    """Return the loss and its arguments in the run's precision, after checking that it is a pure scalar function.

    A one-dimensional loss sees shape ``[1]``; when it answers with shape ``[1]`` it wants the scalar instead.

    Raises:
        UserError: the loss fails, returns no scalar or no float, or leaves the chosen precision.
    """
    dtype = jnp.dtype(dtype)
    args = {key: _cast(key, value, dtype) for key, value in landscape.args.items()}
    x = jax.ShapeDtypeStruct((landscape.dim,), dtype)
    loss = Loss(landscape.loss, landscape.unravel, scalar=False, data=landscape.data)
    out = _shape(loss, x, args, landscape.name)
    if getattr(out, "shape", None) == (1,) and landscape.dim == 1 and landscape.unravel is None:
        loss = replace(loss, scalar=True)
        out = _shape(loss, x, args, landscape.name)
    if not hasattr(out, "shape") or out.shape != ():
        shape = getattr(out, "shape", type(out).__name__)
        raise UserError(f"loss: {landscape.name!r} returns {shape}, not a scalar; sum or average its parts")
    if not jnp.issubdtype(out.dtype, jnp.floating):
        raise UserError(f"loss: {landscape.name!r} returns {out.dtype} and must return a float")
    if out.dtype != dtype:
        raise UserError(
            f"loss: {landscape.name!r} returns {out.dtype} for a point in {dtype}; a constant array "
            "inside it probably has another precision: build it with dtype=x.dtype"
        )
    return loss, args


def _shape(loss: Loss, x: jax.ShapeDtypeStruct, args: Args, name: str) -> Any:
    """Return the loss's output shape, tracing value and gradient."""
    try:
        out = jax.eval_shape(loss, x, args)
        if getattr(out, "shape", None) == () and jnp.issubdtype(out.dtype, jnp.floating):
            jax.eval_shape(jax.grad(loss), x, args)
    except jax.errors.JAXTypeError as error:
        raise UserError(f"loss: {name!r} is not a pure JAX function: {_first_line(error)}") from error
    except Exception as error:  # whatever a user's function raises is the user's to read, in one line
        raise UserError(f"loss: {name!r} fails: {type(error).__name__}: {_first_line(error)}") from error
    return out


def check_observable(name: str, function: Callable[..., Any], dim: int) -> None:
    """Refuse an observable that is no pure function of a point ``[dim]`` to a scalar.

    Raises:
        UserError: what it returns, or how it fails.
    """
    try:
        shape = jax.eval_shape(function, jax.ShapeDtypeStruct((dim,), jnp.float64)).shape
    except Exception as error:  # whatever a user's function raises
        raise UserError(f"observables.{name}: fails: {type(error).__name__}: {_first_line(error)}") from error
    if shape != ():
        raise UserError(f"observables.{name}: returns shape {shape}, not a scalar")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def _cast(key: str, value: Any, dtype: Any) -> Array:
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise UserError(f"loss.args.{key}: {value!r} is neither a number nor an array of numbers") from error
    return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) or array.dtype == jnp.int64 else array


LINEAR_ALGEBRA = ("cholesky", "eig", "householder", "hessenberg", "lu", "qr", "schur", "svd", "triangular_solve")


def calls_lapack(loss: Loss, dim: int, args: Args) -> bool:
    """Whether value or gradient of the loss factor or solve with matrices."""
    text = str(jax.make_jaxpr(jax.grad(loss))(jnp.zeros(dim), args))
    return any(re.search(rf"\b{name}\w*\[", text) for name in LINEAR_ALGEBRA)


def hessian(loss: Loss) -> Callable[[Array, Args], Array]:
    """Return the function ``(x, args) -> H`` with ``H`` of shape ``[d, d]``, forward over reverse."""
    return jax.jacfwd(jax.grad(loss))


@partial(jax.jit, static_argnames=("loss",))
def values(x: Array, args: Args, *, loss: Loss) -> Array:
    """Return the loss ``[n]`` at points ``x [n, d]``."""
    return jax.vmap(loss, in_axes=(0, None))(x, args)


@partial(jax.jit, static_argnames=("loss",))
def typical_norms(x: Array, few: Array, args: Args, *, loss: Loss) -> tuple[Array, Array]:
    """Return the medians of the finite gradient norms at ``x [n, d]`` and Hessian norms at ``few [m, d]``.

    A median of zero is given as one: starts on a critical point alone, or a linear loss, have no scale of their own.
    """
    gradients = jax.vmap(lambda y: jnp.linalg.norm(jax.grad(loss)(y, args)))(x)
    hessians = jax.vmap(lambda y: jnp.linalg.norm(hessian(loss)(y, args)))(few)

    def median(norms: Array) -> Array:
        middle = jnp.nan_to_num(jnp.nanmedian(jnp.where(jnp.isfinite(norms), norms, jnp.nan)))
        return middle + (middle == 0)

    return median(gradients), median(hessians)


def from_pytree(loss: Callable[..., Any], example: Any, **fields: Any) -> Landscape:
    """Return the landscape of a loss on a pytree of arrays shaped like ``example``.

    Other keywords are the fields of `Landscape`; ``dim`` follows from the example.
    """
    flat, unravel = ravel_pytree(example)
    return Landscape(loss=loss, dim=flat.size, unravel=unravel, **fields)
