"""The boundary measures of a run whose starts are a grid, from its record alone."""

import functools
from typing import Any, NamedTuple

import numpy as np

from mnemo_jax.boundaries import Entropy, Fractality, basin_entropy, fractality
from mnemo_jax.errors import UserError
from mnemo_jax.record import Record
from mnemo_jax.uncertainty import Uncertainty, uncertainty

CELLS = 1 << 27  # that are measured at most: more do not fit into memory


class Measures(NamedTuple):
    """What a grid of labels says of the boundaries in it; None for what it is too coarse for.

    Attributes:
        shape: cells along each axis.
        classes: number of different labels, none of them counted as one.
        entropy, fractality, uncertainty: see `boundaries` and `uncertainty`.
    """

    shape: tuple[int, ...]
    classes: int
    entropy: Entropy | None
    fractality: Fractality
    uncertainty: Uncertainty | None


@functools.lru_cache(maxsize=1)
def measured(record: Record) -> Measures | None:
    """Return the measures of a record's grid, None where its starts are no grid.

    Raises:
        UserError: the grid has more cells than fit into memory.
    """
    labels = grid_labels(record)
    if labels is None:
        return None
    periodic = tuple(record.config["loss"]["periodic"])
    return Measures(
        shape=labels.shape,
        classes=len(np.unique(labels)),
        entropy=basin_entropy(labels),
        fractality=fractality(labels, periodic),
        uncertainty=uncertainty(labels, periodic),
    )


def grid_labels(record: Record) -> np.ndarray | None:
    """Return the label of every cell, int32 ``[shape]``, -1 for none; None where the starts are no grid.

    Raises:
        UserError: the grid has more cells than fit into memory.
    """
    if record.config["starts"]["kind"] != "grid":
        return None
    shape = tuple(record.config["starts"]["shape"])
    if np.prod(shape, dtype=float) > CELLS:
        raise UserError(f"{record.path}: its grid has more than {CELLS:,} cells, which are too many to measure")
    parts = [table["label"].fill_null(-1).to_numpy() for table in record.start_blocks("label")]
    return np.concatenate(parts).astype(np.int32).reshape(shape)


def told(found: Measures) -> dict[str, Any]:
    """Return the measures as plain values."""
    words: dict[str, Any] = {"shape": found.shape, "classes": found.classes}
    words["basin_entropy"] = None if found.entropy is None else found.entropy._asdict()
    words["fractality"] = found.fractality._asdict()
    words["uncertainty"] = None
    if found.uncertainty is not None:
        dimension, interval = found.uncertainty.dimension(len(found.shape))
        more = {"dimension": dimension, "dimension_interval": interval}
        words["uncertainty"] = _rows_first(found.uncertainty._asdict()) | more
    return words


def _rows_first(words: dict[str, Any]) -> dict[str, Any]:
    """Return the words with intervals of many values as rows of two."""
    return {
        key: value.T if isinstance(value, np.ndarray) and value.ndim == 2 else value for key, value in words.items()
    }
