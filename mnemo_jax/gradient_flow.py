"""The gradient flow ``x' = -grad f`` as an optimizer: each update is a step of a Runge-Kutta method of diffrax's.

What an optimizer makes of a landscape is held against it. The method's order and its error control are diffrax's; that
each step is an update of a lane lets flows run as fast as descents do, thousands at once.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

SOLVERS = {"tsit5": "Tsit5", "dopri5": "Dopri5", "dopri8": "Dopri8"}
STAGES = {"tsit5": 7, "dopri5": 7, "dopri8": 14}
"""Gradients of one step."""
FIRST = 1e-3  # of the point's size, the way of the first step by the gradient there


STABLE = 3.0  # over the curvature met, the longest step: the methods are stable on the real axis up to 3.3 and more


class FlowState(NamedTuple):
    """What the next step needs.

    Attributes:
        length: of the next step in the flow's time, 0 before the first.
        x, gradient: ``[d]``, of the last point before this one.
        controller: the step controller's memory.
    """

    length: Array
    x: Array
    gradient: Array
    controller: Any


def gradient_flow(rtol: float = 1e-10, atol: float = 1e-10, solver: str = "dopri8") -> Any:
    """Return the flow by one of diffrax's explicit methods with steps controlled to ``atol + rtol |x|``.

    An update whose step errs too much leaves the point where it is, and shortens the next one. No step is longer than
    the method's stability allows at the curvature just met (as Hairer's codes detect stiffness: Hairer and Wanner,
    Solving Ordinary Differential Equations II, section IV.2), or flows would never come to rest: error control alone
    lets the stiffest directions hover at the tolerance.

    Raises:
        ImportError: diffrax, the extra ``flow``, is not installed.
        ValueError: no such method.
    """
    import diffrax

    if solver not in SOLVERS:
        raise ValueError(f"solver: {solver!r} is none of {', '.join(SOLVERS)}")
    method = getattr(diffrax, SOLVERS[solver])()
    controller = diffrax.PIDController(rtol=rtol, atol=atol, pcoeff=0.4, icoeff=0.3)
    order = method.error_order(None)

    def field(t: Any, x: Any, args: Any) -> Any:  # the controller's first step is not asked for
        del t, args
        return x

    def init(x: Array) -> FlowState:
        _, memory = controller.init(diffrax.ODETerm(field), 0.0, 1.0, x, 1.0, None, field, order)  # type: ignore[arg-type]
        return FlowState(jnp.zeros((), x.dtype), x, jnp.zeros_like(x), jax.tree.map(jnp.asarray, memory))

    def update(gradient: Array, state: FlowState, x: Array, *, value_fn: Any, **extra: Any) -> tuple[Array, FlowState]:
        del extra
        term = diffrax.ODETerm(lambda t, x, args: -jax.grad(value_fn)(x))  # noqa: ARG005
        size = jnp.linalg.norm(gradient)
        first = FIRST * (1.0 + jnp.linalg.norm(x)) / jnp.where(size > 0, size, 1.0)
        way = jnp.linalg.norm(x - state.x)
        stable = STABLE * way / jnp.linalg.norm(gradient - state.gradient)
        length = jnp.where(state.length > 0, state.length, first)
        length = jnp.where(way > 0, jnp.minimum(length, stable), length).astype(x.dtype)
        span = (jnp.zeros((), x.dtype), length)
        there, error, *_ = method.step(term, *span, x, None, method.init(term, *span, x, None), made_jump=True)
        keeps, begin, end, _, memory, _ = controller.adapt_step_size(
            *span, x, there, None, error, order, state.controller
        )
        here = FlowState(jnp.asarray(end - begin), x, gradient, memory)
        kept = here._replace(x=jnp.where(keeps, x, state.x), gradient=jnp.where(keeps, gradient, state.gradient))
        return jnp.where(keeps, there - x, 0.0), kept

    return optax.GradientTransformationExtraArgs(init, update)
