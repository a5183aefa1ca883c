"""Values and derivatives of a loss on flat points."""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.errors import UserError
from mnemo_jax.landscape import DENSE, Landscape

Args = Mapping[str, Any]
TOGETHER = 16  # points whose losses on data are computed at once
RIGHT = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"}
"""Compiler options of programs that evaluate losses in float32. On a CPU jaxlib 0.10 gives sums to a library, and in
float32 that library gets the mean of a difference of two sums wrong where there are more than some thirty points (0.15
for a number of order 1); products of matrices, and float64, it gets right."""
KEPT = 256  # losses whose derivatives are remembered
PROBES = 8  # random vectors whose products estimate the norm of a large Hessian


@dataclass(frozen=True)
class Loss:
    """A landscape's loss as the engine calls it: flat ``x [d]`` and arguments to a scalar.

    Equal fields mean an equal (and equally hashed) object, so that a landscape built twice compiles once.
    """

    function: Callable[..., Any]
    unravel: Callable[[Array], Any] | None
    scalar: bool
    data: tuple[str, ...] = ()
    augment: Callable[..., Any] | None = None

    def __call__(self, x: Array, args: Args) -> Array:
        """Return the loss at ``x`` of shape ``[d]``, in ``x``'s precision."""
        point = x[0] if self.scalar else x if self.unravel is None else self.unravel(x)
        return self.function(point, **args)

    def items(self, args: Args) -> int:
        """Return the number of items in the loss's data, 0 without data."""
        return int(args[self.data[0]].shape[0]) if self.data else 0

    def batch(self, args: Args, rows: Array, key: Array) -> dict[str, Array]:
        """Return the arguments with only some items of the data, by their ``rows``, changed as ``key`` says."""
        items = {key: value[rows] if key in self.data else value for key, value in args.items()}
        return items if self.augment is None else self.augment(key, items)


@dataclass(frozen=True)
class Watch:
    """How often descents are looked at, and what is measured then.

    Attributes:
        every: updates from one look to the next.
        looks: looks whose measures are kept, the first and the last included; 0 measures nothing.
        functions: of a point and the loss's arguments to a scalar.
        parts: number of parts of the data that they are measured on.
        unravel: as in `Loss`.
    """

    every: int = 1
    looks: int = 0
    functions: tuple[Callable[..., Any], ...] = ()
    parts: int = 0
    unravel: Callable[[Array], Any] | None = None

    def measure(self, x: Array, parts: tuple[Args, ...]) -> Array:
        """Return every function on every part of the data, ``[parts * functions]``, at ``x [d]``."""
        point = x if self.unravel is None else self.unravel(x)
        return jnp.stack([function(point, **part) for part in parts for function in self.functions]).astype(x.dtype)

    def blank(self, dtype: Any) -> Array | None:
        """Return a history of nothing, ``[looks, parts * functions]`` of NaN, or None where nothing is measured."""
        return jnp.full((self.looks, self.parts * len(self.functions)), jnp.nan, dtype) if self.looks else None


def loss_of(landscape: Landscape, dtype: Any) -> tuple[Loss, dict[str, Any]]:
    """Return the loss and its arguments in the run's precision, after checking that it is a pure scalar function.

    A one-dimensional loss sees shape ``[1]``; when it answers with shape ``[1]`` it wants the scalar instead.

    Raises:
        UserError: the loss fails, returns no scalar or no float, or leaves the chosen precision.
    """
    dtype = jnp.dtype(dtype)
    try:
        hash(landscape.loss)  # programs are compiled for the function itself
    except TypeError as error:
        raise UserError(
            f"loss: {landscape.name!r} is an object without a hash; give its class one, or a function"
        ) from error
    args = {key: _cast(key, value, dtype) for key, value in landscape.args.items()}
    x = jax.ShapeDtypeStruct((landscape.dim,), dtype)
    loss = Loss(landscape.loss, landscape.unravel, scalar=False, data=landscape.data, augment=landscape.augment)
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
        with _checked_indices():
            out = jax.eval_shape(loss, x, args)
        if getattr(out, "shape", None) == () and jnp.issubdtype(out.dtype, jnp.floating):
            jax.eval_shape(jax.grad(loss), x, args)
    except jax.errors.JAXTypeError as error:
        raise UserError(f"loss: {name!r} is not a pure JAX function: {_first_line(error)}") from error
    except Exception as error:  # whatever a user's function raises is the user's to read, in one line
        told = isinstance(error, IndexError) and loss.unravel is None
        point = f"; a point has shape {x.shape}" if told else ""
        raise UserError(f"loss: {name!r} fails: {type(error).__name__}: {_first_line(error)}{point}") from error
    return out


CHECKING = Lock()  # the setting is the whole process's


@contextmanager
def _checked_indices() -> Iterator[None]:
    """Have jax refuse indices that are out of bounds, which it otherwise takes for those of the nearest entries."""
    with CHECKING:
        before = jax.config.jax_check_static_indices  # type: ignore[attr-defined]
        jax.config.update("jax_check_static_indices", True)
        try:
            yield
        finally:
            jax.config.update("jax_check_static_indices", before)


def check_scalar(key: str, function: Callable[..., Any], *example: Any) -> None:
    """Refuse what is no pure function of such arguments to a real scalar.

    Raises:
        UserError: what it returns, or how it fails.
    """
    try:
        with _checked_indices():
            out = jax.eval_shape(function, *example)
    except Exception as error:  # whatever a user's function raises
        raise UserError(f"{key}: fails: {type(error).__name__}: {_first_line(error)}") from error
    if not hasattr(out, "shape") or out.shape != ():
        shape = f"shape {out.shape}" if hasattr(out, "shape") else type(out).__name__
        raise UserError(f"{key}: returns {shape}, not a scalar")
    if jnp.issubdtype(out.dtype, jnp.complexfloating):
        raise UserError(f"{key}: returns {out.dtype}, not a real number")


def _first_line(error: Exception) -> str:
    """Return an error's first line, without what jax says there of its own settings."""
    return str(error).strip().split("\n", 1)[0].removesuffix(" (normalize_indices=True)")


def _cast(key: str, value: Any, dtype: Any) -> Array:
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"loss.args.{key}: {value!r} is neither a number nor an array of numbers") from error
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise UserError(f"loss.args.{key}: {value!r} is not real; give its two parts apart")
    return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) or array.dtype == jnp.int64 else array


LINEAR_ALGEBRA = ("cholesky", "eig", "householder", "hessenberg", "lu", "qr", "schur", "svd", "triangular_solve")


def calls_lapack(function: Callable[..., Any], *args: Any) -> bool:
    """Whether a function factors matrices or solves with them, for arguments of such shapes."""
    text = str(jax.make_jaxpr(function)(*args))
    return any(re.search(rf"\b{name}\w*\[", text) for name in LINEAR_ALGEBRA)


def equations(program: Any) -> Iterator[Any]:
    """Yield every operation of a traced program, those of the functions it calls included."""
    for equation in getattr(program, "jaxpr", program).eqns:
        yield equation
        for part in called(equation):
            yield from equations(part)


def called(equation: Any) -> Iterator[Any]:
    """Yield the programs that an operation of a traced program calls."""
    for parameter in equation.params.values():
        for part in parameter if isinstance(parameter, tuple | list) else (parameter,):
            if hasattr(getattr(part, "jaxpr", part), "eqns"):
                yield part


@lru_cache(maxsize=KEPT)
def grad_of(loss: Loss) -> Callable[..., Array]:
    """Return the gradient of a loss, as a function of its own that is traced once, however often a program calls it."""
    return jax.jit(jax.grad(loss))


@lru_cache(maxsize=KEPT)
def value_and_grad_of(loss: Loss) -> Callable[..., tuple[Array, Array]]:
    """Return the loss and its gradient, as `grad_of` does the gradient."""
    return jax.jit(jax.value_and_grad(loss))


@lru_cache(maxsize=KEPT)
def hessian(loss: Loss) -> Callable[[Array, Args], Array]:
    """Return the function ``(x, args) -> H`` with ``H`` of shape ``[d, d]``, forward over reverse."""
    return jax.jit(jax.jacfwd(grad_of(loss)))


@partial(jax.jit, static_argnames=("loss",))
def values(x: Array, args: Args, *, loss: Loss) -> Array:
    """Return the loss ``[n]`` at points ``x [n, d]``."""
    if loss.data:  # what is computed for all items of one point already fills a machine
        return jax.lax.map(lambda y: loss(y, args), x, batch_size=TOGETHER)
    return jax.vmap(loss, in_axes=(0, None))(x, args)


def parts_of(landscape: Landscape, dtype: Any) -> tuple[dict[str, Array], ...]:
    """Return the loss's arguments in the run's precision, with the data trained on and with each part held out."""
    parts: list[Mapping[str, Any]] = [{}, *landscape.held_out.values()]
    cast = partial(_cast, dtype=jnp.dtype(dtype))
    return tuple({key: cast(key, value) for key, value in {**landscape.args, **part}.items()} for part in parts)


@partial(jax.jit, static_argnames=("functions", "unravel"), compiler_options=RIGHT)
def measured(x: Array, parts: tuple[Args, ...], *, functions: Any, unravel: Any) -> Array:
    """Return every function on every part of the data, ``[n, parts * functions]``, at points ``x [n, d]``."""
    watch = Watch(functions=functions, unravel=unravel)
    return jax.lax.map(lambda y: watch.measure(y, parts), x, batch_size=TOGETHER)


@partial(jax.jit, static_argnames=("loss",))
def gradients(x: Array, args: Args, *, loss: Loss) -> Array:
    """Return the gradients ``[n, d]`` at points ``x [n, d]``."""
    return jax.vmap(jax.grad(loss), in_axes=(0, None))(x, args)


@partial(jax.jit, static_argnames=("loss",))
def hessians(x: Array, args: Args, *, loss: Loss) -> Array:
    """Return the Hessians ``[n, d, d]`` at points ``x [n, d]``."""
    return jax.vmap(hessian(loss), in_axes=(0, None))(x, args)


@partial(jax.jit, static_argnames=("loss",))
def typical_norms(x: Array, few: Array, args: Args, *, loss: Loss) -> tuple[Array, Array, Array]:
    """Return the medians of the finite gradient norms at ``x [n, d]`` and Hessian norms at ``few [m, d]``.

    A median of zero is given as one: starts on a critical point alone, or a linear loss, have no scale of their own.
    The third number, int32, is that of the points with a finite gradient.
    """
    if x.shape[1] > DENSE:
        gradients = jax.lax.map(lambda y: jnp.linalg.norm(jax.grad(loss)(y, args)), x, batch_size=TOGETHER)
        hessians = jax.lax.map(partial(_hessian_norm, args=args, loss=loss), few, batch_size=TOGETHER)
    else:
        gradients = jax.vmap(lambda y: jnp.linalg.norm(jax.grad(loss)(y, args)))(x)
        hessians = jax.vmap(lambda y: jnp.linalg.norm(hessian(loss)(y, args)))(few)

    def median(norms: Array) -> Array:
        middle = jnp.nan_to_num(jnp.nanmedian(jnp.where(jnp.isfinite(norms), norms, jnp.nan)))
        return middle + (middle == 0)

    return median(gradients), median(hessians), jnp.sum(jnp.isfinite(gradients), dtype=jnp.int32)


def _hessian_norm(x: Array, args: Args, loss: Loss) -> Array:
    """Return the Frobenius norm of the Hessian at ``x [d]`` from products with random signs (Hutchinson 1990)."""
    signs = jax.random.rademacher(jax.random.key(0), (PROBES, x.size), x.dtype)
    products = jax.lax.map(lambda v: jax.jvp(lambda y: jax.grad(loss)(y, args), (x,), (v,))[1], signs)
    return jnp.sqrt(jnp.mean(jnp.sum(products**2, axis=1)))


@dataclass(frozen=True)
class Arrays:
    """Which coordinates of a point are which array of a pytree, leaf by leaf, each row by row.

    Attributes:
        tree: the pytree's structure.
        shapes: of its leaves.
    """

    tree: Any
    shapes: tuple[tuple[int, ...], ...]

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return sum(math.prod(shape) for shape in self.shapes)

    def __call__(self, x: Array) -> Any:
        """Return the pytree that a point ``x [d]`` stands for, in the precision of ``x``."""
        ends = list(itertools.accumulate(math.prod(shape) for shape in self.shapes))
        parts = zip([0, *ends], ends, self.shapes, strict=False)
        return jax.tree.unflatten(self.tree, [x[begin:end].reshape(shape) for begin, end, shape in parts])


def arrays_like(example: Any) -> Arrays:
    """Return how points stand for pytrees of arrays shaped like ``example``.

    Raises:
        UserError: it holds something else.
    """
    leaves, tree = jax.tree.flatten(example)
    try:
        shapes = tuple(tuple(map(int, np.shape(leaf))) for leaf in leaves)
        right = all(np.asarray(leaf).dtype.kind in "iuf" for leaf in leaves)
    except (TypeError, ValueError):
        right = False
    if not (leaves and right):
        raise UserError("example: holds what is no array of numbers")
    return Arrays(tree, shapes)


def from_pytree(loss: Callable[..., Any], example: Any, **fields: Any) -> Landscape:
    """Return the landscape of a loss on a pytree of arrays shaped like ``example``.

    Other keywords are the fields of `Landscape`; ``dim`` follows from the example.
    """
    arrays = arrays_like(example)
    return Landscape(loss=loss, dim=arrays.dim, unravel=arrays, **fields)
