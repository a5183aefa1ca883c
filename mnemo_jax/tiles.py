"""Many points through a program for tiles of one shape."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

Columns = TypeVar("Columns", bound=tuple[Any, ...])


def in_tiles(program: Callable[..., Columns], size: int, *columns: np.ndarray, least: int = 1) -> Columns:
    """Return what a program makes of ``columns [n, ...]``, ``size`` rows at a time, or fewer where ``n`` is smaller.

    The last tile is filled up with its last row: a row's numbers do not depend on its company, nor does the program
    compile anew for every ``n``.

    Args:
        program: from arrays ``[size, ...]`` to a NamedTuple of arrays ``[size, ...]``.
        size: rows of a tile.
        columns: arrays of ``n`` rows each.
        least: rows of the smallest tile.
    """
    number = len(columns[0])
    size = min(size, max(least, 1 << max(0, number - 1).bit_length()))
    if not number:
        shapes = jax.eval_shape(program, *(jax.ShapeDtypeStruct((1, *c.shape[1:]), c.dtype) for c in columns))
        return jax.tree.map(lambda shape: np.empty((0, *shape.shape[1:]), shape.dtype), shapes)
    parts = []
    for begin in range(0, number, size):
        rows = np.minimum(np.arange(begin, begin + size), number - 1)
        parts.append(jax.tree.map(np.asarray, program(*(column[rows] for column in columns))))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:number], *parts)
