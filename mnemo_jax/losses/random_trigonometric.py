"""A random trigonometric polynomial on the torus."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import Count, Seed, checked


def loss(x: Array, frequencies: Array, amplitudes: Array, phases: Array) -> Array:
    """Return ``sum_k amplitudes_k cos(frequencies_k . x + phases_k)`` at ``x`` of shape ``[dim]``.

    ``frequencies`` has shape ``[terms, dim]`` and whole numbers, the other two have shape ``[terms]``.
    """
    # A sum and no matrix product: on GPUs a float32 product may be rounded to fewer digits.
    angles = jnp.sum(frequencies * x[None, :], axis=1) + phases
    return jnp.sum(amplitudes * jnp.cos(angles))


@checked
def random_trigonometric(dim: Count = 2, order: Count = 2, terms: Count = 12, seed: Seed = 0) -> Landscape:
    """Return a random trigonometric polynomial on ``[0, 2 pi)^dim``, all axes periodic.

    Frequencies are uniform over the non-zero whole-number vectors with entries of size at most ``order``, except that
    the first ``dim`` are the unit vectors, so that no direction is flat; amplitudes are normal with variance
    ``1 / terms``, phases uniform. The torus has Euler characteristic 0: the indices of all critical points, counted
    with sign ``(-1)^index``, sum to 0. The learning rate is the inverse of a bound of the Hessian.
    """
    if terms < dim:
        raise UserError(
            f"loss.args.terms: {terms} terms leave a direction flat in {dim} dimensions; give {dim} or more"
        )
    draw = np.random.default_rng(seed)
    frequencies = _frequencies(draw, dim, order, terms)
    amplitudes = draw.normal(0.0, 1.0 / np.sqrt(terms), terms)
    bound = np.sum(np.abs(amplitudes) * np.sum(frequencies**2, axis=1))
    return Landscape(
        loss=loss,
        dim=dim,
        lower=(0.0,),
        upper=(2.0 * np.pi,),
        name="random_trigonometric",
        formula="sum_k amplitudes_k cos(frequencies_k . x + phases_k)",
        args={"frequencies": frequencies, "amplitudes": amplitudes, "phases": draw.uniform(0.0, 2.0 * np.pi, terms)},
        learning_rate=float(1.0 / bound),
        periodic=(True,),
    )


def _frequencies(draw: np.random.Generator, dim: int, order: int, terms: int) -> np.ndarray:
    rows = list(np.eye(dim))
    while len(rows) < terms:
        row = draw.integers(-order, order, dim, endpoint=True)
        if row.any():
            rows.append(row.astype(float))
    return np.stack(rows)
