"""Of which kind are the critical points of random fields, and does their index grow with the loss?

Searches for all critical points of random trigonometric polynomials on tori of one to four dimensions. The indices of
all points, counted with sign (-1)^index, sum to 0 on a torus; a field whose found points do not is incomplete, and no
answer. On a circle minima and maxima take turns, and on a torus of two dimensions the sum makes half of all points
saddles, where none is degenerate.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

import mnemo_jax as mnemo
from mnemo_jax import losses

ORDER = 2
MORE_TERMS = 5  # than dimensions
SEARCHES = {1: 64, 2: 256, 3: 2048, 4: 6144}
KINDS = (mnemo.Kind.MINIMUM, mnemo.Kind.SADDLE, mnemo.Kind.MAXIMUM)
LEVELS = 12  # of the loss, in a picture


def measure(*, asks: str, dim: int, fields: int, seed: int, out: Path) -> mnemo.Measurement:
    """Return what holds of each critical point of fields of ``dim`` dimensions, or of each field."""
    found = [search(dim, number, seed, out) for number in range(fields)]
    share = np.concatenate([one.catalogue.index for one in found]) / dim
    if asks in FIELDS:
        return mnemo.Measurement(
            value=[FIELDS[asks](one) for one in found],
            valid=None if asks == "sum" else [complete(one) for one in found],
            case=[f"field {number}" for number in range(fields)],
            note=counted(found),
            illustrations=(by_index(dim, share),),
        )
    sizes = [len(one.catalogue.kind) for one in found]
    kind = np.concatenate([one.catalogue.kind for one in found])
    loss = np.concatenate([one.catalogue.loss / np.std(one.catalogue.loss) for one in found])
    common = {
        "cluster": np.repeat(np.arange(fields), sizes),
        "valid": np.repeat([complete(one) for one in found], sizes),
        "note": counted(found),
    }
    if asks == "index":
        return mnemo.Measurement(value=share, other=loss, illustrations=(against_loss(dim, share, loss),), **common)
    return mnemo.Measurement(value=kind == mnemo.Kind.SADDLE, illustrations=(by_index(dim, share),), **common)


def search(dim: int, number: int, seed: int, out: Path) -> mnemo.CriticalPoints:
    """Return the critical points of a field; a seed has a thousand fields of each dimension."""
    args = {"dim": dim, "order": ORDER, "terms": dim + MORE_TERMS, "seed": seed * 1000 + number}
    seeking = mnemo.Seeking(count=SEARCHES[dim], along=0, heights=0, rounds=4)
    landscape = losses.build("random_trigonometric", args)
    return mnemo.find_critical_points(landscape, seeking=seeking, seed=seed, name=f"field-{dim}-{number}", out=out)


def complete(found: mnemo.CriticalPoints) -> bool:
    """Whether the indices sum to 0, as they must where no point is missing."""
    return bool(found.audit["sum"] == 0)


def counts(found: mnemo.CriticalPoints) -> np.ndarray:
    """Return the numbers of minima, saddles and maxima."""
    return np.array([np.sum(found.catalogue.kind == kind) for kind in KINDS])


def surplus(found: mnemo.CriticalPoints, place: int) -> int:
    """Return by how many the points of the kind at a place of `KINDS` are more than all others."""
    return int(2 * counts(found)[place] - len(found.catalogue.kind))


FIELDS: dict[str, Callable[[mnemo.CriticalPoints], bool]] = {
    "sum": complete,
    "most are saddles": lambda found: surplus(found, 1) > 0,
    "half are minima": lambda found: surplus(found, 0) == 0,
    "half are saddles": lambda found: surplus(found, 1) == 0,
}


def counted(found: list[mnemo.CriticalPoints]) -> str:
    """Say what was found."""
    minima, saddles, maxima = np.sum([counts(one) for one in found], axis=0)
    whole = sum(map(complete, found))
    return (
        f"{minima:,} minima, {saddles:,} saddles and {maxima:,} maxima in {len(found)} fields, of which {whole} have "
        "indices that sum to 0."
    )


def by_index(dim: int, share: np.ndarray) -> mnemo.Illustration:
    """Draw the share of the points with each index."""
    at = np.arange(dim + 1) / dim
    return mnemo.Illustration(
        title="How many critical points have which index",
        caption="Minima at 0, maxima at 1, saddles between. The more dimensions, the rarer are both ends.",
        x="index / dimension",
        y="share of the critical points",
        series=(mnemo.Series(name=_dimensions(dim), x=at, y=[np.mean(np.isclose(share, one)) for one in at]),),
    )


def against_loss(dim: int, share: np.ndarray, loss: np.ndarray) -> mnemo.Illustration:
    """Draw the mean index over the loss."""
    order = np.array_split(np.argsort(loss, kind="stable"), LEVELS)
    at, mean = ([column[part].mean() for part in order] for column in (loss, share))
    return mnemo.Illustration(
        title="Index against loss",
        caption=f"Means over {LEVELS} groups of critical points of equal size, in order of their loss.",
        x="loss, in standard deviations of the field's",
        y="index / dimension",
        series=(mnemo.Series(name=_dimensions(dim), x=at, y=mean),),
    )


def _dimensions(dim: int) -> str:
    return f"{dim} dimension{'s' * (dim > 1)}"
