"""Verdicts: what intervals say against thresholds that were written before the run. Nobody types one."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from mnemo_jax.claims.estimands import Estimate


class Result(StrEnum):
    """What the evidence of one regime says."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"


class Verdict(StrEnum):
    """What the evidence of all regimes says of a claim."""

    HOLDS = "holds"
    SOME = "holds in some regimes"
    NOT = "does not hold as stated"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class Rule(NamedTuple):
    """What an interval is held against.

    Attributes:
        direction: "above" or "below" a threshold, "inside" a margin, or "true" for statements that hold or do not.
        threshold: what the estimate must lie above or below.
        margin: within which differences do not matter, for equivalence.
    """

    direction: str
    threshold: float | None = None
    margin: tuple[float, float] | None = None


class Piece(NamedTuple):
    """The verdict for all thresholds from ``low`` to ``high``, in scales of the margin where the claim is "inside"."""

    low: float
    high: float
    verdict: Verdict


def result(found: Estimate, rule: Rule) -> Result:
    """Return what an estimate says: the whole interval beyond the threshold, or on its other side, or neither.

    Within the margin at the level of two one-sided tests it is equivalent, which of two results says more.
    """
    if rule.direction == "true":
        return Result.SUPPORTED if found.value == 1.0 else Result.CONTRADICTED
    if found.interval is None or found.narrow is None:
        return Result.INCONCLUSIVE
    (low, high), threshold, margin = found.interval, rule.threshold, rule.margin
    beyond, short = False, False
    if rule.direction == "above" and threshold is not None:
        beyond, short = low > threshold, high < threshold
    elif rule.direction == "below" and threshold is not None:
        beyond, short = high < threshold, low > threshold
    if beyond:
        return Result.SUPPORTED
    if margin and margin[0] < found.narrow[0] and found.narrow[1] < margin[1]:
        return Result.EQUIVALENT
    if rule.direction == "inside" and margin:
        short = high < margin[0] or low > margin[1]
    return Result.CONTRADICTED if short else Result.INCONCLUSIVE


def verdict(results: Sequence[tuple[Result, Rule]], controls: Sequence[bool], enough: bool = True) -> Verdict:
    """Return the verdict of a claim.

    Args:
        results: what each regime says, and the rule it was judged by.
        controls: whether each control showed its known answer.
        enough: whether in every regime enough runs are valid.
    """
    if not all(controls) or not enough or not results:
        return Verdict.INVALID
    yes = [_says_yes(one, rule) for one, rule in results]
    no = [not y and one in (Result.CONTRADICTED, Result.EQUIVALENT) for y, (one, _) in zip(yes, results, strict=True)]
    if all(yes):
        return Verdict.HOLDS
    if any(yes) and any(no):
        return Verdict.SOME
    return Verdict.NOT if any(no) else Verdict.INCONCLUSIVE


def _says_yes(one: Result, rule: Rule) -> bool:
    return one is Result.SUPPORTED or (one is Result.EQUIVALENT and rule.direction == "inside")


def passes(found: Estimate, expected: float, tolerance: float) -> bool:
    """Whether a control showed its known answer: all of its interval, or its value where it is exact, is that near."""
    ends = found.interval or ((found.value, found.value) if found.value is not None else None)
    return ends is not None and expected - tolerance <= ends[0] and ends[1] <= expected + tolerance


def sensitivity(
    rule: Rule, found: Sequence[Estimate], rules: Sequence[Rule], controls: Sequence[bool], enough: bool
) -> list[Piece]:
    """Return the verdict for every threshold that the claim's own ``rule`` could have had; none for statements.

    Regimes with another rule keep it. A claim of equivalence has its margin scaled about its middle instead. The
    verdict changes only where the threshold passes an end of an interval, so that between two of them one stands for
    all. The threshold that was fixed is among them.
    """
    moved = [one for one, own in zip(found, rules, strict=True) if own == rule]
    if rule.direction == "true" or not moved or any(one.interval is None for one in moved):
        return []
    ends = sorted({end for one in moved for end in _ends(one, rule)})
    scaled = rule.direction == "inside"
    fixed = 1.0 if scaled else rule.threshold or 0.0
    low, high = min(fixed, ends[0]), max(fixed, ends[-1])
    beyond = 0.25 * (high - low or abs(low) or 1.0)
    edges = sorted({0.0 if scaled else low - beyond, *ends, high + beyond})
    pieces: list[Piece] = []
    for low, high in pairwise(edges):
        new = _moved(rule, (low + high) / 2)
        held = [new if own == rule else own for own in rules]
        now = verdict([(result(one, own), own) for one, own in zip(found, held, strict=True)], controls, enough)
        if pieces and pieces[-1].verdict is now:
            low = pieces.pop().low
        pieces.append(Piece(low, high, now))
    return pieces


def _ends(found: Estimate, rule: Rule) -> tuple[float, ...]:
    assert found.interval is not None
    assert found.narrow is not None
    if rule.direction != "inside" or rule.margin is None:
        return found.interval
    middle, half = sum(rule.margin) / 2, (rule.margin[1] - rule.margin[0]) / 2
    return tuple(abs(end - middle) / half for end in (*found.interval, *found.narrow))


def _moved(rule: Rule, to: float) -> Rule:
    if rule.direction != "inside" or rule.margin is None:
        return rule._replace(threshold=to)
    middle, half = sum(rule.margin) / 2, (rule.margin[1] - rule.margin[0]) / 2
    return rule._replace(margin=(middle - abs(to) * half, middle + abs(to) * half))
