"""From anywhere to where the gradient vanishes: critical points of every index, vmapped; all in float64.

Two ways. `seek` minimises half the squared gradient norm by the method of Levenberg and Marquardt and goes to critical
points of any index, or to where that norm has a minimum that is not zero: a *gradient-flat* point (Frye et al. 2021,
Neural Computation 33, 1469). `climb` goes to points of one index alone: a Newton method in the Hessian's eigenvectors
that ascends along the ``k`` lowest and descends along all others, the preconditioned form of high-index saddle dynamics
(Yin, Zhang and Zhang 2019, SIAM J. Sci. Comput. 41, A3576).

Both move only the coordinates that are *free*, so that faces of a box are searched by the same program.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.calculus import Args, Loss, hessian
from mnemo_jax.polish import Scales
from mnemo_jax.tiles import in_tiles
from mnemo_jax.types import Either, Outcome

STEPS = 200
CONVERGED = 1e-10  # of the gradient scale
STATIONARY = 1e-7  # ||H g|| / (||H|| ||g||) at which the gradient lies in the Hessian's kernel
STUCK = 1e-12  # box lengths, a step that moves nothing
REACH = 0.5  # box lengths that a step may go
TRUST = 0.1  # box lengths that a step of `climb` may go
AWAY = 1e3  # box lengths from the centre beyond which a search is given up
TILE = 1024  # points sought from at once


class Sought(NamedTuple):
    """Where a search ended.

    Attributes:
        x: ``[d]``.
        gradient: norm of the free coordinates' gradient.
        kernel: ``||H g|| / (||H|| ||g||)``, 0 where the gradient lies in the Hessian's kernel; 0 at critical points.
        steps: int32.
        outcome: int32, an `Outcome`.
    """

    x: Either
    gradient: Either
    kernel: Either
    steps: Either
    outcome: Either


class _State(NamedTuple):
    x: Array
    gradient: Array
    values: Array
    vectors: Array
    damping: Array
    steps: Array
    outcome: Array


def _spectrum(matrix: Array, free: Array) -> tuple[Array, Array]:
    """Return eigenvalues and vectors of the Hessian of the free coordinates; the others get the eigenvalue 1."""
    both = free[:, None] & free[None, :]
    return tuple(jnp.linalg.eigh(jnp.where(both, 0.5 * (matrix + matrix.T), jnp.diag(jnp.where(free, 0.0, 1.0)))))


def _shortened(step: Array, most: Array) -> Array:
    """Return the step, no longer than ``most``."""
    size = jnp.linalg.norm(step)
    return step * jnp.minimum(1.0, most / jnp.where(size > 0, size, 1.0))


def seek(x0: Array, free: Array, centre: Array, args: Args, scales: Scales, *, loss: Loss) -> Sought:
    """Drive the gradient of the ``free [d]`` coordinates to zero from ``x0 [d]``; traceable.

    The damping follows Nielsen (1999, IMM-REP-1999-05): it is divided after a step that did what its model promised and
    multiplied after one that did not. ``centre [d]`` is the box's.
    """

    def grad(x: Array) -> Array:
        return jnp.where(free, jax.grad(loss)(x, args), 0.0)

    def begin(x: Array) -> _State:
        values, vectors = _spectrum(hessian(loss)(x, args), free)
        return _State(x, grad(x), values, vectors, 1e-3 * jnp.max(values**2), jnp.int32(0), jnp.int32(Outcome.RUNNING))

    def advance(state: _State) -> _State:
        along = state.vectors.T @ state.gradient
        square = state.values**2
        step = -state.vectors @ (state.values * along / (square + state.damping))
        step = _shortened(step, REACH * scales.length)
        x = state.x + step
        gradient = grad(x)
        before, after = jnp.sum(state.gradient**2), jnp.sum(gradient**2)
        promised = before - jnp.sum((state.gradient + state.vectors @ (state.values * (state.vectors.T @ step))) ** 2)
        gain = (before - after) / jnp.where(promised > 0, promised, 1.0)
        better = (after < before) & (promised > 0)
        values, vectors = _spectrum(hessian(loss)(jnp.where(better, x, state.x), args), free)
        eased = jnp.maximum(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3)
        damping = state.damping * jnp.where(better, eased, 8.0)
        moved = jnp.linalg.norm(step)
        after = jnp.where(better, after, before)
        gradient = jnp.where(better, gradient, state.gradient)
        x = jnp.where(better, x, state.x)
        arrived = jnp.sqrt(after) <= CONVERGED * scales.gradient
        still = (moved <= STUCK * scales.length) | (_kernel(gradient, values, vectors) <= STATIONARY)
        outcome = jnp.where(still, Outcome.GRADIENT_FLAT, Outcome.RUNNING)
        outcome = jnp.where(jnp.max(jnp.abs(x - centre)) > AWAY * scales.length, Outcome.ESCAPED, outcome)
        outcome = jnp.where(arrived, Outcome.CONVERGED, outcome)
        outcome = jnp.where(jnp.isfinite(jnp.sum(x) + after), outcome, Outcome.NON_FINITE).astype(jnp.int32)
        return _State(x, gradient, values, vectors, damping, state.steps + 1, outcome)

    return _sought(jax.lax.while_loop(_going, advance, begin(x0)), scales)


def climb(x0: Array, index: Array, centre: Array, args: Args, scales: Scales, *, loss: Loss) -> Sought:
    """Go from ``x0 [d]`` to a critical point of Morse index ``index`` (int32, traced); traceable."""
    everything = jnp.ones(x0.shape, bool)
    grad = partial(jax.grad(loss), args=args)
    floor = 1e-3 * scales.hessian / jnp.sqrt(x0.size)

    def begin(x: Array) -> _State:
        values, vectors = _spectrum(hessian(loss)(x, args), everything)
        return _State(x, grad(x), values, vectors, jnp.zeros(()), jnp.int32(0), jnp.int32(Outcome.RUNNING))

    def advance(state: _State) -> _State:
        along = state.vectors.T @ state.gradient
        turned = jnp.where(jnp.arange(along.size) < index, -along, along)
        step = -state.vectors @ (turned / jnp.maximum(jnp.abs(state.values), floor))
        x = state.x + _shortened(step, TRUST * scales.length)
        new = begin(x)
        arrived = jnp.linalg.norm(new.gradient) <= CONVERGED * scales.gradient
        right = jnp.sum(new.values < 0) == index
        outcome = jnp.where(arrived & right, Outcome.CONVERGED, Outcome.RUNNING)
        outcome = jnp.where(jnp.max(jnp.abs(x - centre)) > AWAY * scales.length, Outcome.ESCAPED, outcome)
        outcome = jnp.where(jnp.isfinite(jnp.sum(x) + jnp.sum(new.gradient)), outcome, Outcome.NON_FINITE)
        return new._replace(steps=state.steps + 1, outcome=outcome.astype(jnp.int32))

    return _sought(jax.lax.while_loop(_going, advance, begin(x0)), scales)


def _going(state: _State) -> Array:
    return (state.outcome == Outcome.RUNNING) & (state.steps < STEPS)


def _kernel(gradient: Array, values: Array, vectors: Array) -> Array:
    """Return ``||H g|| / (||H|| ||g||)``."""
    size, largest = jnp.linalg.norm(gradient), jnp.max(jnp.abs(values))
    return jnp.linalg.norm(values * (vectors.T @ gradient)) / jnp.where(size * largest > 0, size * largest, 1.0)


def _sought(state: _State, scales: Scales) -> Sought:
    size = jnp.linalg.norm(state.gradient)
    kernel = jnp.where(size > CONVERGED * scales.gradient, _kernel(state.gradient, state.values, state.vectors), 0.0)
    outcome = jnp.where(state.outcome == Outcome.RUNNING, Outcome.OUT_OF_STEPS, state.outcome).astype(jnp.int32)
    return Sought(state.x, size, kernel, state.steps, outcome)


@partial(jax.jit, static_argnames=("loss", "how"))
def _tile(x: Array, what: Array, centre: Array, args: Args, scales: Scales, *, loss: Loss, how: str) -> Sought:
    way = {"seek": seek, "climb": climb}[how]
    return jax.vmap(lambda x, w: way(x, w, centre, args, scales, loss=loss))(x, what)


def sought(
    x: np.ndarray, what: np.ndarray, centre: np.ndarray, args: Args, scales: Scales, *, loss: Loss, how: str = "seek"
) -> Sought:
    """Search from points ``x [n, d]``.

    Args:
        x: where from.
        what: ``[n, d]`` bool, the free coordinates of `seek`, or int32 ``[n]``, the indices for `climb`.
        centre: ``[d]``, of the box.
        args: the loss's arguments.
        scales: the landscape's.
        loss: the loss on flat points.
        how: ``"seek"`` or ``"climb"``.
    """
    program = partial(_tile, loss=loss, how=how)
    return in_tiles(lambda x, what: program(x, what, centre, args, scales), TILE, x, what)
