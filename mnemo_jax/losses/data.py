"""The data that a loss is asked to fit, however it is given."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mnemo_jax.data import Data, DataSet, make
from mnemo_jax.errors import UserError


def data_of(given: Any, default: DataSet) -> Data:
    """Return the data of a loss: `Data` as it is; a `DataSet`, or its table as a config has it, made; None the default.

    Raises:
        UserError: it is none of these, or does not exist.
    """
    if isinstance(given, Data):
        return given
    if given is None or isinstance(given, DataSet):
        return make(given or default)
    if isinstance(given, Mapping):
        return make(DataSet(**given))
    raise UserError(f"loss.args.data: {type(given).__name__} is no data set; give a table as [data], DataSet or Data")


def extended(inputs: np.ndarray) -> np.ndarray:
    """Return inputs ``[n, features]`` with a last feature that is 1 everywhere, for the bias."""
    return np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
