"""Does the size of the gradient at a critical point tell which kind it is?

Random fields on the torus have minima, saddles and maxima, at least one, two and one of them. A classifier that is fed
the norm of the gradient alone, where a search has stopped, is compared with one that is fed the Hessian's eigenvalues.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

import mnemo_jax as mnemo
from experiments.lesson import fields as fields_

SMALL = 1e-10  # of the gradient's scale


class Found(NamedTuple):
    """The searches that arrived, a row each: field, gradient's norm, kind and smallest eigenvalue of the point."""

    field: np.ndarray
    gradient: np.ndarray
    kind: np.ndarray
    lowest: np.ndarray


def measure(*, asks: str, fields: int, seed: int, out: Path, kinds: tuple[str, str] = ("", "")) -> mnemo.Measurement:
    """Return gradients, or smallest eigenvalues, with the kinds of points, or what holds of each field."""
    if asks in ("all kinds", "sum"):
        return of_fields(asks, fields, seed, out)
    runs = [searches(i, seed, out) for i in range(fields)]
    every = Found(*(np.concatenate(columns) for columns in zip(*runs, strict=True)))
    first, second = (mnemo.Kind[word.upper()] for word in kinds)
    rows = np.isin(every.kind, (first, second))
    value = (every.gradient if asks == "gradient" else every.lowest)[rows]
    return mnemo.Measurement(
        value=value,
        other=every.kind[rows] == second,
        cluster=every.field[rows],
        note=f"{rows.sum():,} searches of {fields} fields ended at a {kinds[0]} or a {kinds[1]}.",
        illustrations=(distributions(every),) if asks == "gradient" else (),
    )


def searches(number: int, seed: int, out: Path) -> Found:
    """Return the searches of one field that arrived at a critical point."""
    found = fields_.search(number, seed, out)
    table = found.searches().to_pandas().dropna(subset=["label"])
    label = table["label"].astype(int).to_numpy()
    points = found.catalogue
    return Found(
        np.full(len(label), number), table["gradient"].to_numpy(), points.kind[label], points.eigenvalues[label, 0]
    )


def of_fields(asks: str, fields: int, seed: int, out: Path) -> mnemo.Measurement:
    """Return which fields have minima, saddles and maxima with a gradient of zero, or indices that add up to 0."""
    value, sizes = [], []
    for i in range(fields):
        found = fields_.search(i, seed, out)
        points, scale = found.catalogue, found.summary["scales"]["gradient"]
        still = points.kind[points.gradient <= SMALL * scale]
        sizes.append(np.bincount(points.kind, minlength=5))
        every = all(np.any(still == kind) for kind in (mnemo.Kind.MINIMUM, mnemo.Kind.SADDLE, mnemo.Kind.MAXIMUM))
        value.append(every if asks == "all kinds" else found.audit["sum"] == 0)
    total = np.sum(sizes, axis=0)
    note = f"{total[0]:,} minima, {total[1]:,} saddles and {total[2]:,} maxima in {fields} fields."
    return mnemo.Measurement(value=value, case=[f"field {i}" for i in range(fields)], note=note)


def distributions(every: Found) -> mnemo.Illustration:
    """Draw the distribution of the gradient's norm by kind."""
    series = []
    for kind in (mnemo.Kind.MINIMUM, mnemo.Kind.SADDLE, mnemo.Kind.MAXIMUM):
        own = np.sort(every.gradient[every.kind == kind])
        share = np.linspace(0.0, 1.0, 200)
        series.append(mnemo.Series(name=kind.word, x=np.quantile(own, share), y=share, kind="steps"))
    return mnemo.Illustration(
        title="Gradient where searches stopped, by kind of point",
        caption="Share of the searches that stopped with a gradient up to x. The curves lie on each other: the "
        "gradient does not tell the kinds apart.",
        x="norm of the gradient",
        y="share of the searches that ended at this kind",
        log="x",
        series=tuple(series),
    )
