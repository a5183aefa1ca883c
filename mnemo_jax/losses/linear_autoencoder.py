"""A linear autoencoder: principal components as a landscape without bad minima."""

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from mnemo_jax.data import DataSet
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.checks import Count, Positive, checked
from mnemo_jax.losses.data import data_of
from mnemo_jax.losses.linear_network import diagonal, linear_network, measured


@checked
def linear_autoencoder(
    features: Count = 3,
    hidden: Count = 2,
    spectrum: Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)] | None = None,
    data: Any = None,
) -> Landscape:
    """Return half the mean squared error of ``x W_1 W_2`` as a copy of ``x``, on [-1, 1]^dim.

    ``W_1 [features, hidden]`` encodes, ``W_2 [hidden, features]`` decodes. At critical points the product projects on
    some of the principal axes, and the loss is half the sum of the others' variances; all but those of the largest are
    saddles (Baldi & Hornik 1989). They are not isolated: any change of the hidden units' basis gives another point of
    equal loss. Indices and nullities are told in `mnemo_jax.losses.linear_theory`.

    Args:
        features: numbers in ``x``, uncorrelated, with variances 1, 1/2, 1/3, ...
        hidden: units.
        spectrum: variances of the features, in place of ``features``.
        data: a `DataSet`, its table or `Data`, whose training inputs, their mean taken off, are ``x`` instead.
    """
    if data is not None:
        inputs = data_of(data, DataSet(name="digits")).train.inputs
        return linear_network(
            "linear_autoencoder", (inputs.shape[1], hidden, inputs.shape[1]), measured(inputs, inputs)
        )
    variances = tuple((1.0 / np.arange(1, features + 1)).tolist()) if spectrum is None else spectrum
    size = len(variances)
    return linear_network("linear_autoencoder", (size, hidden, size), diagonal(variances, (1.0,) * size, size))
