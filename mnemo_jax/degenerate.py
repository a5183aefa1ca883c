"""Degenerate points: what higher derivatives say along the null space of the Hessian.

Along a null direction ``v`` the other coordinates are eliminated (Lyapunov-Schmidt reduction): the curve
``c(t) = x + t v + sum_k c_k t^k / k!`` keeps the gradient zero in the range of the Hessian, order by order, and the
derivatives of the loss along it decide. Going straight along ``v`` would call the floor of a curved valley a minimum
of fourth order.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental.jet import jet

from mnemo_jax.calculus import Args, Loss, hessian
from mnemo_jax.polish import Scales
from mnemo_jax.types import Either, Kind

ORDER = 8  # highest derivative looked at
REACH = 0.1  # box lengths at which Taylor terms are compared
FLAT = 1e-9  # terms below this share of H_scale * length^2 are rounding
DIRECTIONS = 16  # sampled in null spaces of more than one dimension


class Along(NamedTuple):
    """What the loss does along null directions, ``[n, directions]`` each.

    Attributes:
        order: first derivative that does not vanish; 0 when none up to the eighth does (the direction is flat), or when
            the loss on both sides contradicts it.
        sign: sign of that derivative, or of the loss's change on both sides where they contradict it.
    """

    order: np.ndarray
    sign: np.ndarray

    def lowest(self) -> np.ndarray:
        """Return the lowest order met in any direction ``[n]``, 0 where all are flat."""
        lowest = np.where(self.order > 0, self.order, ORDER + 1).min(axis=1)
        return np.where(lowest <= ORDER, lowest, 0)


def _directions(values: Array, vectors: Array, zero: Array, number: int) -> Array:
    """Return unit directions ``[number, d]`` in the null space: the basis vector itself when there is but one."""
    null = jnp.abs(values) <= zero
    mix = jnp.asarray(np.random.default_rng(1).standard_normal((number, values.size)))
    mix = jnp.where(null, mix, 0.0) @ vectors.T
    return mix / jnp.linalg.norm(mix, axis=1, keepdims=True)


def _taylor(x: Array, direction: Array, inverse: Array, args: Args, loss: Loss) -> tuple[Array, Array]:
    """Return the derivatives of orders 1 to `ORDER` of the loss along the reduced curve, and those of the curve."""
    series = [direction]
    for _ in range(2, ORDER):
        _, out = jet(lambda y: jax.grad(loss)(y, args), (x,), ([*series, jnp.zeros_like(x)],))
        series.append(-inverse @ out[-1])
    _, out = jet(lambda y: loss(y, args), (x,), ([*series, jnp.zeros_like(x)],))
    return jnp.stack(out), jnp.stack(series)


def _sides(x: Array, curve: Array, args: Args, scales: Scales, loss: Loss) -> Array:
    """Return the signs of the loss's change ahead of and behind ``x`` along the curve ``[2]``, zeros for none.

    The change is looked at as near to ``x`` as rounding lets it be seen.
    """
    factors = jnp.cumprod(jnp.arange(1.0, len(curve) + 1))

    def change(t: Array) -> Array:
        return loss(x + (t ** jnp.arange(1, len(curve) + 1) / factors) @ curve, args) - loss(x, args)

    near = REACH * scales.length * 2.0 ** -jnp.arange(24.0)
    both = jax.vmap(lambda t: jnp.stack([change(t), change(-t)]))(near)
    rounding = 64 * jnp.finfo(x.dtype).eps * (jnp.abs(loss(x, args)) + scales.hessian * scales.length**2)
    seen = jnp.all(jnp.abs(both) > rounding, axis=1)
    last = jnp.max(jnp.where(seen, jnp.arange(len(near)), -1))
    return jnp.where(last >= 0, jnp.sign(both[last]), 0.0)


@partial(jax.jit, static_argnames=("loss", "number"))
def _look(
    x: Array, zero: Array, step: Array, args: Args, scales: Scales, *, loss: Loss, number: int
) -> tuple[Array, Array]:
    def one(x: Array, zero: Array, step: Array) -> tuple[Array, Array]:
        matrix = hessian(loss)(x, args)
        values, vectors = jnp.linalg.eigh(0.5 * (matrix + matrix.T))
        regular = jnp.abs(values) > zero
        inverse = (vectors * jnp.where(regular, 1.0 / jnp.where(regular, values, 1.0), 0.0)) @ vectors.T
        taylor, curves = jax.vmap(lambda v: _taylor(x, v, inverse, args, loss))(
            _directions(values, vectors, zero, number)
        )
        order, sign = _first(taylor, step, scales)
        # A derivative that jumps at the point, as the third of |x|^3, says nothing: the loss itself tells.
        ahead, behind = jax.vmap(lambda curve: _sides(x, curve, args, scales, loss))(curves).T
        told = ahead * behind * jnp.where(order % 2 == 1, -1.0, 1.0) >= 0
        return jnp.where(told, order, 0), jnp.where(told, sign, jnp.where(ahead == behind, ahead, 0.0))

    return jax.vmap(one)(x, zero, step)


def _first(taylor: Array, step: Array, scales: Scales) -> tuple[Array, Array]:
    """Return order and sign of the first of the derivatives ``[directions, ORDER]`` that is not rounding."""
    orders = jnp.arange(1, ORDER + 1)
    reach = REACH * scales.length
    terms = jnp.abs(taylor) * reach**orders / jnp.cumprod(orders.astype(taylor.dtype))
    # A point that is off by ``step`` sees the next order's derivative as k * step / reach times its term.
    higher = jnp.concatenate([terms[:, 1:], jnp.zeros_like(terms[:, :1])], axis=1)
    floor = jnp.maximum(FLAT * scales.hessian * scales.length**2, 1e-6 * jnp.max(terms, axis=1, keepdims=True))
    real = (terms > floor + 10.0 * orders * higher * step / reach) & (orders > 2)
    first = jnp.argmax(real, axis=1)
    found = jnp.any(real, axis=1)
    sign = jnp.sign(jnp.take_along_axis(taylor, first[:, None], axis=1)[:, 0])
    return jnp.where(found, first + 1, 0), jnp.where(found, sign, 0.0)


def along_null_space(
    x: Either, zero: Either, step: Either, args: Args, scales: Scales, *, loss: Loss, single: bool
) -> Along | None:
    """Look along the null space of degenerate points ``x [n, d]``; None where jet cannot differentiate the loss.

    ``single`` says that all their null spaces have one dimension; larger ones are sampled in sixteen directions.
    """
    try:
        order, sign = _look(x, zero, step, args, scales, loss=loss, number=1 if single else DIRECTIONS)
    except (NotImplementedError, jax.errors.UnexpectedTracerError):  # the latter from derivatives of one's own
        return None
    return Along(np.asarray(order), np.asarray(sign))


def kinds(eigenvalues: np.ndarray, zero: np.ndarray, along: Along) -> np.ndarray:
    """Return the kind ``[n]`` of degenerate points from their non-zero eigenvalues and the null directions.

    An odd order is a slope (x^3 falls on one side): neither minimum nor maximum, hence a saddle. A flat direction
    decides nothing: a valley's floor is a minimum, a point flat in every direction stays degenerate.
    """
    odd = np.any(along.order % 2 == 1, axis=1)
    even = along.order % 2 == 0
    up = np.any(eigenvalues > zero[:, None], axis=1) | np.any(even & (along.sign > 0), axis=1)
    down = np.any(eigenvalues < -zero[:, None], axis=1) | np.any(even & (along.sign < 0), axis=1)
    kind = np.full(len(zero), Kind.DEGENERATE)
    kind[up & ~down] = Kind.MINIMUM
    kind[down & ~up] = Kind.MAXIMUM
    kind[odd | (up & down)] = Kind.SADDLE
    return kind
