"""Deep linear networks: the plateaus of deep learning in closed form."""

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from mnemo_jax.data import DataSet
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import Count, Positive, checked
from mnemo_jax.losses.data import data_of
from mnemo_jax.losses.linear_network import Covariances, diagonal, linear_network, measured


@checked
def deep_linear(
    widths: Annotated[tuple[Count, ...], Field(min_length=3, strict=False)] = (3, 3, 3, 3),
    strengths: Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)] | None = None,
    variances: Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)] | None = None,
    data: Any = None,
) -> Landscape:
    """Return half the mean squared error of ``x W_1 ... W_L`` as a copy of ``y``, on [-1, 1]^dim.

    At critical points the product of all layers has learnt some of the modes; the loss is half the sum of ``variance
    strength^2`` over the others, and all but the best are saddles (Baldi & Hornik 1989, Kawaguchi 2016), with three
    layers or more also such without a negative eigenvalue, as the origin. The known ones have equal layers. Small
    starts learn one mode after the other, at the times of `mnemo_jax.losses.linear_times` (Saxe et al. 2014).

    Args:
        widths: inputs, units of each hidden layer, outputs.
        strengths: the k-th output is so many times the k-th input, ``n, ..., 2, 1`` unless given; other outputs are 0.
        variances: of the inputs, which are uncorrelated; 1 unless given (whitened).
        data: a `DataSet`, its table or `Data`, whose training items, their means taken off, are learnt instead.

    Raises:
        UserError: strengths, variances or data do not fit the widths.
    """
    if data is not None:
        return linear_network("deep_linear", widths, _measured(data, widths))
    modes = min(widths[0], widths[-1])
    strengths = tuple(np.arange(modes, 0.0, -1.0).tolist()) if strengths is None else strengths
    variances = (1.0,) * widths[0] if variances is None else variances
    if len(variances) != widths[0]:
        raise UserError(f"loss.args.variances: {len(variances)} are given for {widths[0]} inputs; give one each")
    return linear_network("deep_linear", widths, diagonal(variances, strengths, widths[-1]))


def _measured(data: Any, widths: tuple[int, ...]) -> Covariances:
    given = data_of(data, DataSet(name="linear_teacher"))
    if given.classes is not None:
        raise UserError(f"loss.args.data: the targets of {given.name} are classes; deep_linear learns numbers")
    ends = (given.train.inputs.shape[1], given.train.targets.shape[1])
    if ends != (widths[0], widths[-1]):
        raise UserError(
            f"loss.args.widths: {given.name} has {ends[0]} inputs and {ends[1]} outputs, not {list(widths)}"
        )
    return measured(*given.train)
