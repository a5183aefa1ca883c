"""Polish: from an end point to the critical point it stands for, by a Newton method that cannot silently jump.

Newton's method on the gradient goes to critical points of every index. Where the Hessian is singular at the point its
steps shrink by a constant factor only, ``(k-2)/(k-1)`` for ``x^k``; that factor is measured, and predicts by its
geometric series how far a sound polish goes. Lengthening the steps by it would be faster, but throws points off curved
null spaces. All in float64.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax.calculus import Args, Loss, grad_of, hessian

MAX_STEPS = 100
CONTRACTION = 0.5  # a Newton step followed by more than this share of itself is no sign of a root nearby
RATIO_MOST = 0.9  # x^k up to k = 11; slower series mean a tail without a root
EIGEN_FLOOR = 64.0  # times d * eps * H_scale: eigenvalues below are rounding of the Hessian
NOISE = 1e4  # times the rounding of gradients: below, a step's contraction is hidden
DAMPING = (1.0, 0.5, 0.125, 2.0**-6, 2.0**-10)


class Scales(NamedTuple):
    """What is large and small on a landscape; all float64.

    Attributes:
        length: half the longest side of the box.
        gradient: median gradient norm over the first starts.
        hessian: median Frobenius norm of the Hessian over the first starts.
    """

    length: Array
    gradient: Array
    hessian: Array


class Polished(NamedTuple):
    """One polished point.

    Attributes:
        x: ``[d]``.
        eigenvalues: ``[d]`` of the Hessian there, ascending.
        step: error of ``x`` in the quadratic model: the Newton step that would come next, and what the rounding of
            gradients leaves undecided; at most a thousandth of the box length.
        moved: distance from the end point.
        left: whether it wandered off: another point was reached, or none.
    """

    x: Array
    eigenvalues: Array
    step: Array
    moved: Array
    left: Array


class _State(NamedTuple):
    x: Array
    gradient: Array
    values: Array
    newton: Array
    first: Array
    last: Array
    early: Array
    slow: Array
    count: Array  # type: ignore[assignment]
    going: Array


def eigen_floor(dim: int, scales: Scales) -> Array:
    """Return the size below which an eigenvalue of the Hessian is rounding."""
    return EIGEN_FLOOR * dim * jnp.finfo(jnp.float64).eps * scales.hessian


def _reciprocal(values: Array) -> Array:
    """Return the eigenvalues of the pseudo-inverse of a matrix with eigenvalues ``values [d]``.

    Eigenvalues at rounding level of the largest count as zero: at a degenerate point all of them are small, and none
    must be thrown away on the way there.
    """
    size = jnp.abs(values)
    safe = size > EIGEN_FLOOR * values.size * jnp.finfo(values.dtype).eps * jnp.max(size)
    return jnp.where(safe, 1.0 / jnp.where(safe, values, 1.0), 0.0)


def polish(x0: Array, args: Args, scales: Scales, near: Array, *, loss: Loss) -> Polished:
    """Polish one end point ``x0 [d]`` in float64; traceable and mapped over points by the caller.

    Steps are judged by the step that would follow with the same Hessian, not by the gradient's length, which curved
    valleys and bad conditioning mislead (the natural monotonicity test of Deuflhard, Newton Methods for Nonlinear
    Problems, 2011, section 3.3). ``near`` says that the point is the end of a converged descent: then every full step
    must pass that test with factor one half, as it does near a root. Otherwise damping is allowed.
    """
    grad = partial(grad_of(loss), args=args)
    damping = jnp.asarray(DAMPING)
    rounding = jnp.finfo(x0.dtype).eps * (scales.hessian * scales.length + scales.gradient)

    def advance(state: _State) -> _State:
        """Take the damped Newton step after which the least remains to be done, or stop where none helps."""
        matrix = hessian(loss)(state.x, args)
        values, vectors = jnp.linalg.eigh(0.5 * (matrix + matrix.T))
        inverse = _reciprocal(values)
        newton = -vectors @ (inverse * (state.gradient @ vectors))
        size = jnp.linalg.norm(newton)
        settled = size <= jnp.finfo(x0.dtype).eps * scales.length
        ratio = jnp.where(state.count > 0, size / state.last, 0.0)
        points = state.x + damping[:, None] * newton
        gradients = jax.vmap(grad)(points)
        following = jnp.linalg.norm(inverse * (gradients @ vectors), axis=1)  # as long as the steps from there
        best = jnp.argmin(jnp.where(jnp.isfinite(following), following, jnp.inf))
        going = (following[best] < size) & ~settled & (state.count < MAX_STEPS)
        loud = jnp.linalg.norm(state.gradient) > NOISE * rounding
        return _State(
            x=jnp.where(going, points[best], state.x),
            gradient=jnp.where(going, gradients[best], state.gradient),
            values=values,
            newton=newton,
            first=jnp.where(state.count == 0, size, state.first),
            last=size,
            early=jnp.where(state.count == 1, ratio, state.early),
            slow=state.slow | (loud & ~settled & ~(following[0] <= CONTRACTION * size)),
            count=state.count + 1,
            going=going,
        )

    gradient = grad(x0)
    zero = jnp.zeros((), x0.dtype)
    state = _State(
        x=x0,
        gradient=gradient,
        values=jnp.full_like(x0, jnp.nan),
        newton=jnp.full_like(x0, jnp.nan),
        first=zero,
        last=zero,
        early=zero,
        slow=jnp.array(False),
        count=jnp.int32(0),
        going=jnp.all(jnp.isfinite(gradient)),
    )
    state = jax.lax.while_loop(lambda s: s.going, advance, state)
    moved = jnp.linalg.norm(state.x - x0)
    # The geometric series of the ratio measured first predicts how far a sound polish goes in all.
    far = moved > 2.0 * state.first / (1.0 - jnp.minimum(state.early, RATIO_MOST)) + 1e-9 * scales.length
    far |= moved > scales.length  # half the box: whatever is there is not what the end point stands for
    step = jnp.linalg.norm(state.newton)
    end = jnp.linalg.norm(state.gradient)
    lost = ~jnp.isfinite(step) | (step > 1e-3 * scales.length) | (end > 1e-6 * scales.gradient)
    crawls = (state.early > RATIO_MOST) & (moved > 1e-6 * scales.length)
    blur = rounding * jnp.max(jnp.abs(_reciprocal(state.values)))
    step = jnp.minimum(step + blur, 1e-3 * scales.length)
    left = far | lost | crawls | (near & state.slow)
    return Polished(state.x, state.values, step, moved, left)
