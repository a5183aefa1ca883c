"""A chain of strict saddles that gradient descent passes one by one, each more slowly than the last."""

from typing import Annotated, TypeVar

import jax.numpy as jnp
from jax import Array
from pydantic import Field

from mnemo_jax.landscape import Landscape, Symmetry
from mnemo_jax.losses.checks import Count, Positive, checked
from mnemo_jax.losses.points import table

Number = TypeVar("Number", Array, float)


def loss(x: Array, L: float, gamma: float, tau: float) -> Array:
    """Return ``sum_i h(x_i) + sum_{i>1} (L + gamma) s(x_{i-1}) x_i^2`` at ``x`` of shape ``[dim]``.

    With ``t = |x_i|``: ``h = -gamma t^2`` up to ``tau``, the paper's spline ``g_1`` up to ``2 tau``, and
    ``L (t - 4 tau)^2 - nu`` beyond; ``s`` is 1 up to ``tau``, ``(g_2 + gamma) / (L + gamma)`` of the paper up to
    ``2 tau``, and 0 beyond.
    """
    size = jnp.abs(x)
    u = jnp.clip(size[:-1] / tau - 1.0, 0.0, 1.0)
    wall = 1.0 - u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    return jnp.sum(_slide(x, size, L, gamma, tau)) + (L + gamma) * jnp.sum(wall * x[1:] ** 2)


def _slide(x: Array, size: Array, L: float, gamma: float, tau: float) -> Array:
    # The inner branch takes x, not |x|: autodiff's slope of |x| at 0 is a convention, and the saddles lie at 0.
    bowl = L * (size - 4.0 * tau) ** 2 - _drop(L, gamma, tau)
    outer = jnp.where(size < 2.0 * tau, _spline(size, L, gamma, tau), bowl)
    return jnp.where(size < tau, -gamma * x**2, outer)


def _spline(t: Number, L: float, gamma: float, tau: float) -> Number:
    u = t - tau
    cubic, quartic = (10.0 * gamma - 14.0 * L) / (3.0 * tau), (5.0 * L - 3.0 * gamma) / (2.0 * tau**2)
    return -gamma * t**2 + cubic * u**3 + quartic * u**4


def _drop(L: float, gamma: float, tau: float) -> float:
    # The paper's nu: what the loss falls from one saddle to the next.
    return 4.0 * L * tau**2 - _spline(2.0 * tau, L, gamma, tau)


@checked
def chain_of_saddles(
    dim: Count = 3,
    L: Positive = 1.0,
    gamma: Positive = 1.0,
    tau: Annotated[float, Field(ge=1.0)] = 2.718281828459045,
) -> Landscape:
    """Return the chain on the paper's start box ``[-1, 1]^dim`` (Du et al. 2017, arXiv 1705.10412).

    From the origin a descent runs past ``dim`` saddles of index 1, ``(4 tau, ..., 4 tau, 0, ..., 0)``, to the minimum
    ``(4 tau, ..., 4 tau)`` with loss ``-dim nu``; while it sits at one saddle, the directions in which it is to escape
    from the later ones shrink. At the learning rate ``1 / (4 L)`` they halve at every step while the present one grows
    by ``1 + gamma / (2 L)``, so each further saddle multiplies the steps by ``1 + ln 2 / ln(1 + gamma / (2 L))``: 2.7
    for the default numbers, 4.1 for gamma = L / 2. Rounding ends that: in float64 the seventh coordinate of the default
    chain underflows to 0 from most starts, and never escapes. A descent that stops on a small gradient stops at a
    saddle; ask for a fixed number of steps to see it go on.

    The paper defines the loss on a tube ``0 <= x_i <= 6 tau`` and its mirror images, and extends it to all of space by
    Whitney's theorem. Here one closed formula does both: it equals the paper's function on the tube and its images, is
    twice differentiable everywhere, and need not equal the paper's elsewhere: with three or more coordinates it has
    further critical points there, which descents from the box do not visit. ``nu`` follows from the other numbers.
    Known points are those with no negative coordinate; the symmetry gives the others.
    """
    nu = _drop(L, gamma, tau)
    points = [((4.0 * tau,) * k + (0.0,) * (dim - k), -k * nu, int(k < dim)) for k in range(dim + 1)]
    return Landscape(
        loss=loss,
        dim=dim,
        lower=(-1.0,),
        upper=(1.0,),
        name="chain_of_saddles",
        formula="sum_i h(|x_i|) + (L + gamma) sum_{i>1} s(|x_{i-1}|) x_i^2",
        args={"L": L, "gamma": gamma, "tau": tau},
        learning_rate=0.25 / L,
        symmetries=(Symmetry(kind="sign"),),
        known=table(points),
    )
