"""Polish: from an end point to the critical point it stands for, by a Newton method that cannot silently jump.

Newton's method on the gradient goes to critical points of every index. Where the Hessian is singular at the point its
steps shrink by a constant factor only (``(k-2)/(k-1)`` for ``x^k``); the factor is measured and the step lengthened by
the geometric series it predicts (Schroeder's method for multiple roots, 1870). All in float64.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax.calculus import Args, Loss, hessian

MAX_STEPS = 60
CONTRACTION = 0.5  # a Newton step that shrinks the gradient less than this is no sign of a root nearby
RATIO_MOST = 0.9  # x^k up to k = 11; slower series mean a tail without a root
EIGEN_FLOOR = 64.0  # times d * eps * H_scale: eigenvalues below are rounding of the Hessian
NOISE = 1e4
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
        step: length of the Newton step that would come next: the error of ``x``, in the quadratic model.
        ratio: factor by which successive steps shrank at first; 0 for quadratic convergence.
        moved: distance from the end point.
        left: whether it wandered off: another point was reached, or none.
    """

    x: Array
    step: Array
    ratio: Array
    moved: Array
    left: Array


class _State(NamedTuple):
    x: Array
    gradient: Array
    newton: Array
    first: Array
    last: Array
    ratio: Array
    early: Array
    slow: Array
    count: Array
    going: Array


def eigen_floor(dim: int, scales: Scales) -> Array:
    """Return the size below which an eigenvalue of the Hessian is rounding."""
    return EIGEN_FLOOR * dim * jnp.finfo(jnp.float64).eps * scales.hessian


def newton(loss: Loss, x: Array, gradient: Array, args: Args, scales: Scales) -> Array:
    """Return the Newton step ``-H^+ g`` of shape ``[d]``, eigenvalues at rounding level counting as zero."""
    matrix = hessian(loss)(x, args)
    values, vectors = jnp.linalg.eigh(0.5 * (matrix + matrix.T))
    safe = jnp.abs(values) > eigen_floor(x.size, scales)
    return vectors @ jnp.where(safe, -(vectors.T @ gradient) / jnp.where(safe, values, 1.0), 0.0)


def polish(x0: Array, args: Args, scales: Scales, near: Array, *, loss: Loss) -> Polished:
    """Polish one end point ``x0 [d]`` in float64; traceable and mapped over points by the caller.

    ``near`` says that the point is the end of a converged descent: then every step must contract the gradient, as it
    does near a root (the affine-invariant test of Deuflhard, Newton Methods for Nonlinear Problems, 2011, sec. 2.1).
    Otherwise damping is allowed.
    """
    grad = partial(jax.grad(loss), args=args)
    damping = jnp.asarray(DAMPING)
    # Below this a gradient is mostly rounding, which hides the contraction.
    noise = NOISE * jnp.finfo(x0.dtype).eps * (scales.hessian * scales.length + scales.gradient)

    def advance(state: _State) -> _State:
        """Take the best of the damped steps and the lengthened one; stop when none lowers the gradient."""
        size = jnp.linalg.norm(state.newton)
        ratio = jnp.where(state.count > 0, size / state.last, 0.0)
        steady = (state.count > 1) & (ratio > 0.25) & (jnp.abs(ratio - state.ratio) < 0.1)
        longer = 1.0 / (1.0 - jnp.minimum(ratio, RATIO_MOST))
        lengths = jnp.append(damping, jnp.where(steady, longer, 1.0))
        points = state.x + lengths[:, None] * state.newton
        gradients = jax.vmap(grad)(points)
        norms = jnp.linalg.norm(gradients, axis=1)
        best = jnp.nanargmin(jnp.where(jnp.isfinite(norms), norms, jnp.inf))
        before = jnp.linalg.norm(state.gradient)
        better = norms[best] < before
        x = jnp.where(better, points[best], state.x)
        gradient = jnp.where(better, gradients[best], state.gradient)
        loud = before > noise
        return _State(
            x=x,
            gradient=gradient,
            newton=newton(loss, x, gradient, args, scales),
            first=jnp.where(state.count == 0, size, state.first),
            last=size,
            ratio=ratio,
            early=jnp.where(state.count == 1, ratio, state.early),
            slow=state.slow | (loud & (norms[0] > CONTRACTION * before)),
            count=state.count + 1,
            going=better & (size > jnp.finfo(x.dtype).eps * scales.length) & (state.count < MAX_STEPS),
        )

    gradient = grad(x0)
    zero = jnp.zeros((), x0.dtype)
    state = _State(
        x0, gradient, newton(loss, x0, gradient, args, scales), zero, zero, zero, zero, jnp.array(False), jnp.int32(0),
        jnp.all(jnp.isfinite(gradient)),
    )
    state = jax.lax.while_loop(lambda s: s.going, advance, state)
    moved = jnp.linalg.norm(state.x - x0)
    # The geometric series of the ratio measured first predicts how far a sound polish goes in all.
    far = moved > 2.0 * state.first / (1.0 - jnp.minimum(state.early, RATIO_MOST)) + 1e-9 * scales.length
    step = jnp.linalg.norm(state.newton)
    end = jnp.linalg.norm(state.gradient)
    lost = ~jnp.isfinite(step) | (step > 1e-3 * scales.length) | (end > 1e-6 * scales.gradient)
    crawls = (state.early > RATIO_MOST) & (moved > 1e-6 * scales.length)
    return Polished(state.x, step, state.early, moved, far | lost | crawls | (near & state.slow))
