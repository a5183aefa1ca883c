"""Slices: the loss on planes through networks, along random directions, three points, or principal components."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from mnemo_jax.calculus import RIGHT
from mnemo_jax.errors import UserError
from mnemo_jax.keys import Purpose, root_of
from mnemo_jax.losses.layers import Layer, Layers, flat
from mnemo_jax.networks.curves import Loss, row_key

Biases = Literal["zero", "scaled"]
BATCH = 1024  # points of a slice at once, unless said


class Plane(NamedTuple):
    """A plane: the points ``origin + s axes[0] + t axes[1]``.

    Attributes:
        origin: ``[d]``.
        axes: ``[2, d]``, not of length 1 nor at right angles unless said.
    """

    origin: Array
    axes: Array

    def at(self, places: Array) -> Array:
        """Return the points ``[..., d]`` at places ``[..., 2]``."""
        return self.origin + places @ self.axes

    def places(self, x: Array) -> Array:
        """Return the places ``[..., 2]`` in the plane that are nearest to points ``x [..., d]``."""
        return (x - self.origin) @ jnp.linalg.pinv(self.axes)


class Principal(NamedTuple):
    """The plane of the first two principal components of points.

    Attributes:
        plane: through their mean, axes of length 1 at right angles.
        share: ``[2]``, part of the variance that lies along each axis.
        places: ``[n, 2]``, of the points.
    """

    plane: Plane
    share: np.ndarray
    places: np.ndarray


def directions(x: Array, layers: Layers, number: int = 2, biases: Biases = "zero", seed: int = 0) -> Array:
    """Return filter-normalised random directions ``[n, number, d]`` at networks ``x [n, d]``.

    Entries are normal, and the weights that enter each unit are then scaled to the norm that the network's own have
    (Li et al. 2018, arXiv:1712.09913, section 4): slices of networks whose units have other scales can be compared.
    Directions are not made orthogonal; in few dimensions they are far from it.

    Args:
        x: the networks; a row's directions depend on the seed and its number alone.
        layers: where their arrays lie.
        number: of directions at each.
        biases: ``zero`` leaves biases as they are, as Li et al. do; ``scaled`` moves each by its own size, up or down.
        seed: of the random numbers.

    Raises:
        UserError: ``biases`` is another word.
    """
    if biases not in ("zero", "scaled"):
        raise UserError(f"biases: must be zero or scaled, got {biases!r}")
    return _directions(x, root_of(seed), layers, number, biases)


@partial(jax.jit, static_argnames=("layers", "number", "biases"))
def _directions(x: Array, root: Array, layers: Layers, number: int, biases: Biases) -> Array:
    def scaled(own: Layer, drawn: Layer) -> Layer:
        length = jnp.linalg.norm(own.weight, axis=0) / jnp.linalg.norm(drawn.weight, axis=0)
        bias = None if own.bias is None else jnp.abs(own.bias) * jnp.sign(drawn.bias) * (biases == "scaled")
        return Layer(drawn.weight * length, bias)

    def one(point: Array, row: Array, k: Array) -> Array:
        drawn = jax.random.normal(row_key(root, Purpose.START, row, k), point.shape, point.dtype)
        return flat(tuple(scaled(*both) for both in zip(layers(point), layers(drawn), strict=True)))

    each = jax.vmap(one, in_axes=(None, None, 0))
    return jax.vmap(each, in_axes=(0, 0, None))(x, jnp.arange(len(x)), jnp.arange(number))


def array_directions(x: Array, unravel: Callable[[Array], Any] | None, number: int = 2, seed: int = 0) -> Array:
    """Return random directions ``[n, number, d]`` at points ``x [n, d]``, each array at the norm of the point's own.

    For networks of which it is not known what enters a unit; arrays of norm zero do not move.

    Args:
        x: the points; a row's directions depend on the seed and its number alone.
        unravel: from a point to its arrays, only taking them apart; None for one.
        number: of directions at each.
        seed: of the random numbers.
    """
    return _array_directions(x, root_of(seed), unravel or (lambda point: point), number)


@partial(jax.jit, static_argnames=("unravel", "number"))
def _array_directions(x: Array, root: Array, unravel: Callable[[Array], Any], number: int) -> Array:
    def one(point: Array, row: Array, k: Array) -> Array:
        drawn = jax.random.normal(row_key(root, Purpose.START, row, k), point.shape, point.dtype)
        arrays, again = jax.vjp(unravel, drawn)
        lengths = jax.tree.map(
            lambda own, new: new * jnp.linalg.norm(own) / jnp.linalg.norm(new), unravel(point), arrays
        )
        return again(lengths)[0]

    each = jax.vmap(one, in_axes=(None, None, 0))
    return jax.vmap(each, in_axes=(0, 0, None))(x, jnp.arange(len(x)), jnp.arange(number))


def slice_of(loss: Loss, plane: Plane, s: Array, t: Array, *args: object, batch_size: int = BATCH) -> Array:
    """Return the loss ``[len(t), len(s)]`` on a grid of a plane, rows along its second axis as contours want it.

    Args:
        loss: pure JAX function ``loss(x, *args)`` to a scalar; the same object compiles once.
        plane: the plane.
        s: places along its first axis.
        t: places along its second.
        args: further arguments of the loss, such as data.
        batch_size: points at once, which bounds memory.
    """
    return _sliced(
        plane, jnp.asarray(s, plane.origin.dtype), jnp.asarray(t, plane.origin.dtype), args, loss, batch_size
    )


@partial(jax.jit, static_argnames=("loss", "batch_size"), compiler_options=RIGHT)
def _sliced(plane: Plane, s: Array, t: Array, args: tuple[object, ...], loss: Loss, batch_size: int) -> Array:
    places = jnp.stack(jnp.meshgrid(s, t), axis=-1).reshape(-1, 2)
    found = lax.map(lambda place: loss(plane.at(place), *args), places, batch_size=min(batch_size, len(places)))
    return found.reshape(len(t), len(s))


def through(a: Array, b: Array, c: Array) -> Plane:
    """Return the plane through three points ``[d]``, with its origin at ``a``, its first axis towards ``b``.

    Axes have length 1 and are at right angles.

    Raises:
        UserError: the points lie on a line.
    """
    one, other = np.asarray(b - a, np.float64), np.asarray(c - a, np.float64)
    length = np.linalg.norm(one)
    first = one / length if length > 0 else one
    rest = other - (other @ first) * first
    if not np.linalg.norm(rest) > 1e-12 * max(float(length), float(np.linalg.norm(other))):
        raise UserError("c: lies on the line through a and b, which leaves no plane")
    return Plane(a, jnp.asarray(np.stack([first, rest / np.linalg.norm(rest)]), a.dtype))


def principal(x: Array) -> Principal:
    """Return the plane of the first two principal components of points ``x [n, d]``, with the shares of variance.

    Points may be the ends of descents or all steps of their paths. A large share says little of a path: a random walk
    in many dimensions has 6 / pi^2 = 61 % of its variance along its first component and a quarter of that, 15 %, along
    the second, and looks like part of a Lissajous curve there (Antognini and Sohl-Dickstein 2018, arXiv:1806.08805).

    Raises:
        UserError: there are fewer than two dimensions or three points, or all points are one.
    """
    if x.ndim != 2 or len(x) < 3 or x.shape[1] < 2:
        raise UserError(f"x: must be at least three points of two dimensions, [n, d], got {list(x.shape)}")
    points = np.asarray(x, np.float64)
    middle = points.mean(axis=0)
    _, spread, axes = np.linalg.svd(points - middle, full_matrices=False)
    if not spread[0] > 0:
        raise UserError("x: all points are one, which has no principal components")
    # An axis may be turned; the largest entry is made positive so that equal points give equal pictures.
    largest = np.take_along_axis(axes[:2], np.argmax(np.abs(axes[:2]), axis=1)[:, None], axis=1)
    axes = axes[:2] * np.sign(largest)
    plane = Plane(jnp.asarray(middle, x.dtype), jnp.asarray(axes, x.dtype))
    return Principal(plane, spread[:2] ** 2 / np.sum(spread**2), (points - middle) @ axes.T)
