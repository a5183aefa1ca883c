"""Known critical points: tables, kinds by index, and products of one-dimensional points."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np

from mnemo_jax.landscape import KnownPoint

Row = tuple[tuple[float, ...], float, int]  # x, loss, index
Kind = Literal["minimum", "saddle", "maximum"]


def kind_of(index: int, dim: int) -> Kind:
    """Return the kind of a non-degenerate critical point with ``index`` negative eigenvalues out of ``dim``."""
    if index == 0:
        return "minimum"
    return "maximum" if index == dim else "saddle"


def table(rows: Iterable[Row]) -> tuple[KnownPoint, ...]:
    """Return the known points of rows ``(x, loss, index)``, all of them non-degenerate."""
    return tuple(KnownPoint(x, loss, kind_of(index, len(x)), index) for x, loss, index in rows)


def product(line: Sequence[Row], dim: int, most: int = 1000) -> tuple[KnownPoint, ...]:
    """Return the critical points of ``sum_i f(x_i)`` in ``dim`` dimensions from those of ``f``.

    Losses and indices add. When there are more than ``most`` of them, only the lowest point is returned.
    """
    if len(line) ** dim > most:
        line = [min(line, key=lambda row: row[1])]
    return table(
        (tuple(row[0][0] for row in rows), sum(row[1] for row in rows), sum(row[2] for row in rows))
        for rows in itertools.product(line, repeat=dim)
    )


def line(
    value: Callable[[np.ndarray], np.ndarray],
    slope: Callable[[np.ndarray], np.ndarray],
    curvature: Callable[[np.ndarray], np.ndarray],
    guesses: np.ndarray,
) -> list[Row]:
    """Return the rows of a one-dimensional function's critical points, polished by Newton steps from ``guesses``."""
    x = guesses
    for _ in range(20):
        x = x - slope(x) / curvature(x)
    return [((float(at),), float(value(at)), int(curvature(at) < 0.0)) for at in x]
