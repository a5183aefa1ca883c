"""A two-layer ReLU network that learns from another one: spurious minima without data, noise or a doubt of the optimum.

Everything follows from one function of two weights ``w`` and ``v`` with the angle ``t`` between them, for a standard
normal ``x`` (Cho & Saul 2009; Safran & Shamir 2018, arXiv 1712.08968, section 4):

    E relu(w.x) relu(v.x) = |w| |v| (sin t + (pi - t) cos t) / (2 pi)

Autodiff through ``arccos`` is no number where weights are parallel, as all are at the best point. In terms of
``r = |w| |v|`` and ``d = w.v`` its derivatives are ``sin t / (2 pi)`` and ``(pi - t) / (2 pi)``, and those of ``t``
divide by ``sin t`` what vanishes faster; they are written down here, to any order.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.landscape import KnownPoint, Landscape, Symmetry
from mnemo_jax.losses.checks import Count, checked
from mnemo_jax.losses.points import table

PARALLEL = 8.0  # machine epsilons of 1 - cos^2, below which weights count as parallel: beneath, it is rounding
ARCSINE = np.polynomial.chebyshev.cheb2poly(
    np.polynomial.Chebyshev.interpolate(lambda u: np.arcsin(np.sqrt(u)) / np.sqrt(u), 19, [1e-300, 0.5]).coef
).tolist()  # of arcsin(u) / u in 4 u^2 - 1, for u^2 up to 1/2


def loss(x: Array, lengths: Array) -> Array:
    """Return ``E (sum_i relu(w_i.z) - sum_j lengths_j relu(z_j))^2 / 2`` over normal ``z``, for the students' weights.

    ``x [students * teachers]`` holds the weights ``w_i`` one after the other, ``lengths [teachers]`` those of the
    teachers, which are orthogonal; turned together with their inputs they lie along the axes. Not differentiable where
    a weight is zero.
    """
    w = jnp.reshape(x, (-1, lengths.size))
    square = jnp.sum(w * w, axis=1)
    norm = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    students = both(norm[:, None] * norm[None, :], jnp.sum(w[:, None, :] * w[None, :, :], axis=2))
    across = both(norm[:, None] * lengths[None, :], w * lengths[None, :])
    own = jnp.sum(lengths * lengths)
    teachers = own / 2.0 + (jnp.sum(lengths) ** 2 - own) / (2.0 * math.pi)
    return (jnp.sum(students) + teachers) / 2.0 - jnp.sum(across)


@jax.custom_jvp
def both(r: Array, d: Array) -> Array:
    """Return ``E relu(w.x) relu(v.x)`` for ``r = |w| |v|`` and ``d = w.v``, arrays of one shape."""
    return r * _sine(r, d) / (2.0 * math.pi) + d * _rest(r, d)


@both.defjvp
def _both_slope(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    r, d = primals
    return both(r, d), _sine(r, d) / (2.0 * math.pi) * tangents[0] + _rest(r, d) * tangents[1]


@jax.custom_jvp
def _sine(r: Array, d: Array) -> Array:
    """Return the sine of the angle, 0 where a weight is 0."""
    return jnp.where(r > 0, _height(r, d) / jnp.where(r > 0, r, 1.0), 0.0)


@_sine.defjvp
def _sine_slope(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    r, d = primals
    return _sine(r, d), -d / jnp.where(r > 0, r, 1.0) * _closing(r, d, *tangents)


@jax.custom_jvp
def _rest(r: Array, d: Array) -> Array:
    """Return ``(pi - t) / (2 pi)``, the share of all ``x`` that both weights see."""
    high, flat = _height(r, d), jnp.abs(d)
    least = jnp.minimum(high, flat) / jnp.where(r > 0, r, 1.0)
    short = least * _arcsine_over(least * least)
    inner = jnp.where(high < flat, 0.5 * math.pi - short, short)
    return 0.25 + jnp.sign(d) * inner / (2.0 * math.pi)


@_rest.defjvp
def _rest_slope(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return _rest(*primals), _closing(*primals, *tangents) / (2.0 * math.pi)


def _closing(r: Array, d: Array, dr: Array, dd: Array) -> Array:
    """Return by how much the angle shrinks: linear in the tangents, and 0 between parallel weights."""
    across = _across(r, d)
    apart = across > 0
    return jnp.where(apart, (dd - d / jnp.where(r > 0, r, 1.0) * dr) / jnp.sqrt(jnp.where(apart, across, 1.0)), 0.0)


def _height(r: Array, d: Array) -> Array:
    """Return ``r sin t``."""
    across = _across(r, d)
    return jnp.where(across > 0, jnp.sqrt(jnp.where(across > 0, across, 1.0)), 0.0)


def _across(r: Array, d: Array) -> Array:
    """Return ``(r sin t)^2``, 0 where it is rounding."""
    square = (r - d) * (r + d)
    return jnp.where(square > PARALLEL * jnp.finfo(r.dtype).eps * r * r, square, 0.0)


def _arcsine_over(square: Array) -> Array:
    """Return ``arcsin(u) / u`` from ``u^2`` up to 1/2: libraries' arcsine takes its entries one after the other."""
    value, place = jnp.full_like(square, ARCSINE[-1]), 4.0 * square - 1.0
    for coefficient in ARCSINE[-2::-1]:
        value = value * place + coefficient
    return value


@checked
def relu_teacher(students: Count = 6, teachers: Count = 6) -> Landscape:
    """Return the loss of ``students`` ReLU units that are to add up to ``teachers`` orthonormal ones, on [-1, 1]^dim.

    With as many students as teachers the best loss, 0, is that of the teachers themselves, in any order. From weights
    with variance ``1 / students`` and the learning rate ``1 / students`` Safran & Shamir (2018) reached worse minima
    too, rarely with six units and ever more often with more; with one student more than teachers, hardly ever.
    """
    return Landscape(
        loss=loss,
        dim=students * teachers,
        lower=(-1.0,),
        upper=(1.0,),
        name="relu_teacher",
        formula="E (sum_i relu(w_i.z) - sum_j relu(z_j))^2 / 2",
        args={"lengths": np.ones(teachers)},
        learning_rate=1.0 / students,
        symmetries=(Symmetry(kind="permutation", block=teachers),),
        known=_best(teachers) if students == teachers else (),
    )


def _best(teachers: int) -> tuple[KnownPoint, ...]:
    """Return the teachers' own weights, in the order that stands for all."""
    return table([(tuple(np.eye(teachers)[::-1].ravel().tolist()), 0.0, 0)])
