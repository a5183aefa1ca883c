"""A ring of coupled oscillators: twisted states, and a direction in which nothing changes."""

import itertools
import math
from collections.abc import Iterator
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from mnemo_jax.landscape import KnownPoint, Landscape, Symmetry
from mnemo_jax.losses.checks import checked
from mnemo_jax.losses.points import Kind, kind_of


def loss(x: Array) -> Array:
    """Return ``-sum_i cos(x_{i+1} - x_i)`` around the ring, at phases ``x`` of shape ``[dim]``."""
    return -jnp.sum(jnp.cos(jnp.roll(x, -1) - x))


@checked
def oscillator_ring(dim: Annotated[int, Field(ge=3)] = 5) -> Landscape:
    """Return the Kuramoto ring on ``[0, 2 pi)^dim`` (Wiley, Strogatz & Girvan 2006, Chaos 16, 015103).

    A twisted state ``x_i = 2 pi q i / dim`` has loss ``-dim cos(2 pi q / dim)`` and is a minimum where the cosine is
    positive. At every critical point all ``sin(x_{i+1} - x_i)`` are equal, so ``k`` of the differences are
    ``pi - phi`` and the others ``phi``; for odd ``dim`` that gives all critical points up to the common rotation, and
    they are known up to nine oscillators. Otherwise the twisted states are. The Hessian is the ring's Laplacian with
    weights ``cos(x_{i+1} - x_i)``, at most 4, so the learning rate 0.25 descends monotonically.
    """
    known = tuple(_all(dim) if dim % 2 and dim <= 9 else _twisted(dim))
    return Landscape(
        loss=loss,
        dim=dim,
        lower=(0.0,),
        upper=(2.0 * math.pi,),
        name="oscillator_ring",
        formula="-sum_i cos(x_{i+1} - x_i)",
        learning_rate=0.25,
        periodic=(True,),
        symmetries=(Symmetry(kind="translation"),),
        known=known,
    )


def _twisted(dim: int) -> Iterator[KnownPoint]:
    for q in range(dim):
        if 4 * q in (dim, 3 * dim):
            # Every second derivative vanishes; what is left is a sum of cubes, neither a minimum nor a maximum.
            yield _point(np.full(dim, 2.0 * math.pi * q / dim), 0.0, "saddle", 0, dim)
            continue
        cosine = math.cos(2.0 * math.pi * q / dim)
        index = 0 if cosine > 0.0 else dim - 1
        yield _point(np.full(dim, 2.0 * math.pi * q / dim), -dim * cosine, kind_of(index, dim - 1), index)


def _all(dim: int) -> Iterator[KnownPoint]:
    for k in range(dim + 1):
        # The differences sum to a multiple of 2 pi: (dim - 2 k) phi = (2 q - k) pi, and |phi| < pi / 2.
        turns = [m for m in range(-dim, dim + 1) if (m - k) % 2 == 0 and 2 * abs(m) < abs(dim - 2 * k)]
        # k negative weights give index k, less one where the inverse weights sum to a negative number.
        index = k - int(2 * k > dim)
        for m, chosen in itertools.product(turns, itertools.combinations(range(dim), k)):
            phi = m * math.pi / (dim - 2 * k)
            steps = np.full(dim, phi)
            steps[list(chosen)] = math.pi - phi
            yield _point(steps, -(dim - 2 * k) * math.cos(phi), kind_of(index, dim - 1), index)


def _point(steps: np.ndarray, loss: float, kind: Kind, index: int, nullity: int = 1) -> KnownPoint:
    # Summing steps would add up their rounding; the first phase is 0.
    x = np.concatenate([[0.0], np.cumsum(steps)[:-1]]) % (2.0 * math.pi)
    return KnownPoint(tuple(x.tolist()), loss, kind, index, nullity)
