"""How many points one representative stands for: its images under the declared signs and permutations."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from mnemo_jax.generators import generators
from mnemo_jax.landscape import Landscape
from mnemo_jax.symmetry import TIE, zero_modes

MOST = 100_000  # images listed of one point
LEAST = 5  # searches expected per member, below which chi-square is not asked


def sizes(x: np.ndarray, landscape: Landscape) -> np.ndarray:
    """Return the number of distinct images ``[n]`` of points ``x [n, d]`` under the declared finite symmetries.

    Translations and rotations move a point along its zero modes and make no others; an orbit of more than 100,000
    points is given as that many.
    """
    if not any(symmetry.kind in ("sign", "permutation") for symmetry in landscape.symmetries):
        return np.ones(len(x), np.int64)
    return np.array([len(images(point, landscape)) for point in x], np.int64)


def finite(landscape: Landscape) -> bool:
    """Whether signs and permutations are declared and nothing that moves points along zero modes."""
    kinds = {symmetry.kind for symmetry in landscape.symmetries}
    return bool(kinds & {"sign", "permutation"}) and zero_modes(landscape) == 0


def images(x: np.ndarray, landscape: Landscape) -> np.ndarray:
    """Return the distinct images ``[m, d]`` of ``x [d]``, itself first: the closure under the generators."""
    tie = TIE * float(np.max(np.asarray(landscape.upper) - np.asarray(landscape.lower)))
    seen = {_rounded(x, tie): x}
    new, moves = [x], _moves(landscape)
    while new and len(seen) < MOST:
        made = [move(point) for point in new for move in moves]
        new = []
        for image in made:
            key = _rounded(image, tie)
            if key not in seen:
                seen[key] = image
                new.append(image)
    return np.stack(list(seen.values()))


def _rounded(x: np.ndarray, tie: float) -> bytes:
    return (np.round(x / (16 * tie)) + 0.0).tobytes()  # + 0 turns -0 into 0


def _moves(landscape: Landscape) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Return the generators of the finite symmetries."""
    return [generator.move for generator in generators(landscape) if generator.finite]


class Balance(NamedTuple):
    """Whether equal members of orbits attract equally many searches.

    Attributes:
        orbits: number of orbits tested.
        smallest: label of the one least in balance, None where none was tested.
        p: its chance by chi-square, times the number of orbits (Bonferroni), at most 1.
    """

    orbits: int
    smallest: int | None
    p: float | None


def balance(
    ends: np.ndarray, labels: np.ndarray, x: np.ndarray, landscape: Landscape, weights: np.ndarray | None = None
) -> Balance | None:
    """Return the test of equal shares within orbits, None where the box itself is not symmetric.

    Args:
        ends: ``[n, d]``, where searches or descents from uniform points of the box ended.
        labels: int64 ``[n]``, the catalogue's row of each.
        x: ``[m, d]``, the catalogue's representatives.
        landscape: the box and its symmetries.
        weights: int64 ``[n]``, how many searches or starts ended at each, one when None.

    Nothing that treats the members of an orbit alike fails it: a small ``p`` is a mistake in the loss, in the declared
    symmetries, or in the program.
    """
    from scipy.spatial import cKDTree  # takes a tenth of a second to import

    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    corners = [move(corner) for move in _moves(landscape) for corner in (low, high)]
    if not all(np.array_equal(np.abs(corner - 0.5 * (low + high)), 0.5 * (high - low)) for corner in corners):
        return None
    chances = {}
    weights = np.ones(len(ends), np.int64) if weights is None else weights
    for row in range(len(x)):
        members, came = images(x[row], landscape), labels == row
        if not 1 < len(members) < MOST or weights[came].sum() < LEAST * len(members):
            continue
        count = np.bincount(cKDTree(members).query(ends[came])[1], weights[came], minlength=len(members))
        mean = count.mean()
        chances[row] = float(special.chdtrc(len(members) - 1, np.sum((count - mean) ** 2) / mean))
    if not chances:
        return Balance(0, None, None)
    smallest = min(chances, key=chances.__getitem__)
    return Balance(len(chances), smallest, min(1.0, chances[smallest] * len(chances)))
