"""Whether critical points are missing: what their numbers must add up to, whatever the loss.

On a box, interior points with ``(-1)^index`` and, over every face, points of the loss restricted to it at which the
loss grows inward in every normal, with ``(-1)^index`` in the face, add up to the Euler characteristic: 1, or 0 where an
axis closes (Morse theory on manifolds with corners; Goresky and MacPherson, Stratified Morse Theory, 1988, part I). And
their numbers by index obey Morse's inequalities. A degenerate point counts by its Brouwer index instead where it is
decided and isolated: a minimum as one of index 0, a maximum as one of index ``d``, an inflection of one variable for
nothing. Two points may be missing and cancel: nothing here says "complete".
"""

from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np

from mnemo_jax.catalogue import Table
from mnemo_jax.faces import Edge, side
from mnemo_jax.types import Kind

Verdict = Literal["consistent", "missing", "void"]
NAMED = 3  # points named in a sentence; how many more there are is said
NOTHING = -1  # in place of an index, of a point that counts for nothing


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
        return void(reason)
    dim = table.x.shape[1]
    index = _indices(table)
    counted = inside & (index != NOTHING)
    numbers = np.bincount(index[counted], weights=members[counted], minlength=dim + 1).astype(int)
    signs = 1 - 2 * (np.arange(dim + 1) % 2)
    interior, boundary = int(signs @ numbers), None
    if edge is not None:
        at_edge = np.bincount(edge.index, minlength=dim + 1)
        numbers, boundary = numbers + at_edge, int(signs @ at_edge)
    total, expected = interior + (boundary or 0), int(not closed.any())
    verdict, message = _judged(total, expected, numbers, int(closed.sum()))
    return Audit(
        verdict=verdict,
        sum=total,
        expected=expected,
        message=message + _degenerate(table, inside),
        numbers=tuple(numbers.tolist()),
        interior=interior,
        boundary=boundary,
    )


def void(reason: str) -> Audit:
    """Return the audit that says nothing, and why."""
    return Audit(verdict="void", sum=None, expected=None, message=f"Nothing can be said: {reason}.")


def _judged(total: int, expected: int, numbers: np.ndarray, circles: int) -> tuple[Verdict, str]:
    """Return the verdict of a sum and of numbers by index, and its sentence."""
    if total != expected:
        parity = "odd" if total > expected else "even"
        number = abs(total - expected)
        what = f"a point of {parity} index is" if number == 1 else f"{number} points of {parity} index are"
        return "missing", f"The indices add up to {total} and not to {expected}: {what} missing, or more."
    wanting = _inequality(numbers, circles)
    if wanting is not None:
        told = f"The indices add up to {total}, but by Morse's inequalities points of index {wanting} are missing."
        return "missing", told
    return "consistent", f"The indices add up to {total}, as they must; points that cancel could still be missing."


def _void(table: Table, inside: np.ndarray, edge: Edge | None, modes: int) -> str | None:
    """Return why the sum is no evidence, None where it is."""
    if modes:
        return "a declared symmetry moves every point along a whole orbit, whose own numbers add up to 0 (Bott 1954)"
    reasons = (
        (table.kind == Kind.KINK, "the loss is not twice differentiable at {}"),
        (table.family > 0, "critical points are degenerate and not isolated at {}, a flat family"),
        (
            (table.kind == Kind.SADDLE) & (table.x.shape[1] > 1),
            "degenerate saddles, as at {}, may count for more or less than one",
        ),
        (table.order == 0, "no derivative up to the eighth decides what is degenerate at {}"),
        # A direction that stays flat may lie between those sampled, as the axes of x^2 y^2 do.
        (table.nullity > 1, "the null space at {}, degenerate in more than one direction, was only sampled"),
    )
    of_concern = inside & ((table.nullity > 0) | (table.kind == Kind.KINK))
    for holds, sentence in reasons:
        rows = np.flatnonzero(of_concern & holds)
        if len(rows):
            unknown = " (no gradient there)" if np.isnan(table.gradient[rows]).any() else ""
            return sentence.format(_named(rows)) + unknown
    if edge is not None and np.any(edge.doubt != ""):
        return f"the boundary is not resolved: {_doubtful(edge)}"
    return None


def _indices(table: Table) -> np.ndarray:
    """Return the index ``[n]`` each point counts with, `NOTHING` for an inflection; where all that matter are decided.

    Along a single null direction the first derivative that does not vanish both decides a point and isolates it.
    """
    as_one = {Kind.MINIMUM: 0, Kind.MAXIMUM: table.x.shape[1], Kind.SADDLE: NOTHING}
    by_kind = np.array([as_one.get(Kind(kind), NOTHING) for kind in table.kind], np.int64)
    return np.where(table.nullity > 0, by_kind, table.index)


def _degenerate(table: Table, inside: np.ndarray) -> str:
    """Return a sentence on the degenerate points that were counted, empty for none."""
    sign = 1 if table.x.shape[1] % 2 == 0 else -1
    words = ((Kind.MINIMUM, "a minimum", 1), (Kind.MAXIMUM, "a maximum", sign), (Kind.SADDLE, "an inflection", 0))
    told = []
    for kind, word, counts in words:
        rows = np.flatnonzero(inside & (table.nullity > 0) & (table.kind == kind))
        if len(rows):
            told.append(f"{_named(rows)} as {word} ({counts:+d})" if counts else f"{_named(rows)} as {word} (0)")
    return f" Degenerate but isolated, counted by higher derivatives: {', '.join(told)}." if told else ""


def _named(rows: np.ndarray) -> str:
    """Return ``point 3``, ``points 3 and 5``, or the first few and how many more."""
    names = [str(row) for row in rows[:NAMED]]
    names += [f"{len(rows) - NAMED:,} more"] if len(rows) > NAMED else []
    return f"point {names[0]}" if len(rows) == 1 else f"points {', '.join(names[:-1])} and {names[-1]}"


def _doubtful(edge: Edge) -> str:
    """Return what is in doubt at one point of the boundary, on the widest face that has any, and on which sides."""
    rows = np.flatnonzero(edge.doubt != "")
    row = rows[np.argmax(edge.free[rows].sum(axis=1))]
    x = ", ".join(f"{value:.6g}" for value in edge.x[row])
    more = ", and at other points too" if len(rows) > 1 else ""
    return f"on {side(edge.free[row], edge.upper[row])}, at x = ({x}), {edge.doubt[row]}{more}"


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
