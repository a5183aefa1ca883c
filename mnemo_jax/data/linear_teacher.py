"""Inputs of a given covariance and targets that are a linear map of given singular values."""

from typing import Annotated

import numpy as np
from pydantic import Field

from mnemo_jax.arguments import Count, NotNegative, Positive, Seed
from mnemo_jax.data.checks import checked
from mnemo_jax.data.draws import rotation, stream
from mnemo_jax.data.items import Items, Pool
from mnemo_jax.errors import UserError


@checked
def linear_teacher(
    items: Count = 1000,
    variances: Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)] = (1.0, 1.0, 1.0, 1.0),
    strengths: Annotated[tuple[NotNegative, ...], Field(min_length=1, strict=False)] = (3.0, 2.0, 1.0),
    outputs: Count | None = None,
    noise: NotNegative = 0.0,
    exact: bool = False,
    seed: Seed = 0,
) -> Pool:
    """Return normal inputs ``x`` and targets ``x A`` plus noise, with ``A = U diag(strengths) V^T``.

    Args:
        items: how many.
        variances: eigenvalues of the inputs' covariance, which is diagonal; as many as there are inputs.
        strengths: singular values of the map; ``U`` and ``V`` are random rotations.
        outputs: how many targets an item has, None for as many as strengths.
        noise: standard deviation of the normal noise on the targets.
        exact: whether the mean and covariance of these very inputs are made 0 and ``diag(variances)`` (whitening).
        seed: of map, inputs and noise.

    Raises:
        UserError: more strengths than inputs or outputs, or too few items for an exact covariance.
    """
    rank, width = len(strengths), outputs or len(strengths)
    if rank > min(len(variances), width):
        raise UserError(f"data.args.strengths: {rank} are more than {len(variances)} inputs or {width} outputs have")
    draw, network = stream("items", seed), stream("network", seed)
    inputs = _normal(draw, items, len(variances), exact) * np.sqrt(variances)
    left, right = rotation(network, len(variances), rank), rotation(network, width, rank)
    targets = inputs @ (left * np.asarray(strengths)) @ right.T
    return Pool(Items(inputs, targets + noise * draw.normal(size=targets.shape)))


def _normal(draw: np.random.Generator, items: int, dim: int, exact: bool) -> np.ndarray:
    """Return standard normal items; with ``exact`` their mean and covariance are 0 and 1 themselves."""
    x = draw.normal(size=(items, dim))
    if not exact:
        return x
    if items <= dim:
        raise UserError(f"data.args.items: {items} cannot have {dim} uncorrelated inputs; give {dim + 1} or more")
    x = x - x.mean(axis=0)
    left, _, right = np.linalg.svd(x, full_matrices=False)
    return np.sqrt(items) * left @ right
