"""Whether critical points are missing: what their numbers must add up to, whatever the loss.

On a box, interior points with ``(-1)^index`` and, over every face, points of the loss restricted to it at which the
loss grows inward in every normal, with ``(-1)^index`` in the face, add up to the Euler characteristic: 1, or 0 where an
axis closes (Morse theory on manifolds with corners; Goresky and MacPherson, Stratified Morse Theory, 1988, part I). And
their numbers by index obey Morse's inequalities. Two points may be missing and cancel: nothing here says "complete".
"""

from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np

from mnemo_jax.catalogue import Table
from mnemo_jax.faces import Edge
from mnemo_jax.types import Kind

Verdict = Literal["consistent", "missing", "void"]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What the numbers of critical points say.

    Attributes:
        verdict: ``consistent``, ``missing``, or ``void`` where nothing can be said.
        sum: of ``(-1)^index`` over interior and boundary points, None where void.
        expected: what it must be, None where void.
        message: one sentence or two.
        numbers: points by index, interior and boundary together, where not void.
        interior: the interior points' part of the sum.
        boundary: the boundary points' part, None where no face was searched.
    """

    verdict: Verdict
    sum: int | None
    expected: int | None
    message: str
    numbers: tuple[int, ...] = ()
    interior: int | None = None
    boundary: int | None = None


def audit(
    table: Table, inside: np.ndarray, members: np.ndarray, closed: np.ndarray, edge: Edge | None, modes: int = 0
) -> Audit:
    """Return the audit of a catalogue.

    Args:
        table: the catalogue.
        inside: bool ``[n]``, which of its points lie in the box.
        members: int64 ``[n]``, points that each row stands for by declared symmetries.
        closed: bool ``[d]``, axes that close.
        edge: the boundary's points; None where the loss was seen to grow outward everywhere on it, or where the box
            has no boundary.
        modes: zero eigenvalues that declared continuous symmetries cause.
    """
    reason = _void(table, inside, edge, modes)
    if reason:
        return Audit(verdict="void", sum=None, expected=None, message=f"Nothing can be said: {reason}.")
    dim = table.x.shape[1]
    index, weight = table.index[inside], members[inside]
    numbers = np.bincount(index, weights=weight, minlength=dim + 1).astype(int)
    signs = 1 - 2 * (np.arange(dim + 1) % 2)
    interior, boundary = int(signs @ numbers), None
    if edge is not None:
        at_edge = np.bincount(edge.index, minlength=dim + 1)
        numbers, boundary = numbers + at_edge, int(signs @ at_edge)
    total, expected = interior + (boundary or 0), int(not closed.any())
    verdict: Verdict = "missing"
    if total != expected:
        parity = "odd" if total > expected else "even"
        number = abs(total - expected)
        what = f"a point of {parity} index is" if number == 1 else f"{number} points of {parity} index are"
        message = f"The indices add up to {total} and not to {expected}: {what} missing, or more."
    elif wanting := _inequality(numbers, int(closed.sum())):
        message = f"The indices add up to {total}, but by Morse's inequalities points of index {wanting} are missing."
    else:
        verdict = "consistent"
        message = f"The indices add up to {total}, as they must; points that cancel could still be missing."
    return Audit(
        verdict=verdict,
        sum=total,
        expected=expected,
        message=message,
        numbers=tuple(numbers.tolist()),
        interior=interior,
        boundary=boundary,
    )


def _void(table: Table, inside: np.ndarray, edge: Edge | None, modes: int) -> str | None:
    """Return why the sum is no evidence, None where it is."""
    if modes:
        return "a declared symmetry moves every point along a whole orbit, whose own numbers add up to 0 (Bott 1954)"
    if np.any(table.kind[inside] == Kind.KINK):
        return "the loss is not twice differentiable at one of its points"
    if np.any(table.nullity[inside] > 0):
        return "a point is degenerate, and its index counts for more or less than one"
    if edge is not None and not edge.sure.all():
        return "the boundary is not resolved: a point there is degenerate, or the loss neither grows nor falls inward"
    return None


def _inequality(numbers: np.ndarray, circles: int) -> int | None:
    """Return the first index at which Morse's strong inequalities fail, None where they hold.

    The space is a torus of so many circles times an interval in the other axes, with Betti numbers ``C(circles, k)``.
    """
    excess = 0
    for index, number in enumerate(numbers):
        excess = int(number) - comb(circles, index) - excess
        if excess < 0:
            return index
    return None
