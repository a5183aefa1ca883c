"""What a person sees of claims: a row each, with the results of its regimes as signs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from mnemo_jax.claims.carry_out import NOT_RUN, Checked, Judged, Told, clusters, least_valid, runs
from mnemo_jax.claims.claim import Set
from mnemo_jax.claims.verdict import Result, Rule
from mnemo_jax.terminal import err, out, percent

SIGNS = {
    Result.SUPPORTED: "+",
    Result.CONTRADICTED: "−",
    Result.EQUIVALENT: "=",
    Result.INCONCLUSIVE: "?",
}
MEANING = ", ".join(f"{sign} {result}" for result, sign in SIGNS.items())
ORDER = f"Regimes: {MEANING}, in the order of the claim's file."


@contextmanager
def progress() -> Iterator[Any]:
    """Yield the function to report to; it says which claim and regime are under way."""
    with err.status("reading the claims") as status:
        yield lambda claim, part: status.update(f"{claim}: {part}")


def show(own: Set, told: Sequence[Told], verdicts: str, page: Path) -> None:
    """Print the verdicts of a set of claims, then what kept claims from having one; those not run are but counted."""
    told, every = [one for one in told if one.reason != NOT_RUN], len(told)
    out.print(Text(f"{own.title}: {sentence(told)}", style="bold"))
    out.print()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("claim", "what", "verdict", "regimes", "runs", "valid"):
        table.add_column(name, justify="right" if name in ("runs", "valid") else "left", overflow="fold")
    for one in told:
        table.add_row(*row(one))
    out.print(table)
    out.print(ORDER)
    for one in told:
        if one.reason:
            out.print(f"{one.claim.id}: {one.reason}", soft_wrap=True)
    if len(told) < every:
        out.print(f"Not run yet: {every - len(told)} of {every} claims.")
    out.print(f"Verdicts: {page.with_name('verdicts.json')} (SHA-256 {verdicts[:16]})", soft_wrap=True)
    out.print(f"Page: {page}", soft_wrap=True)


def sentence(told: Sequence[Told]) -> str:
    """Return how many claims have which verdict."""
    words = list(map(word, told))
    counts = ", ".join(f"{words.count(one)} × {one}" for one in dict.fromkeys(words))
    return f"{len(told)} claim{'s' * (len(told) != 1)}: {counts}"


def word(one: Told) -> str:
    """Return a claim's verdict in words."""
    return str(one.verdict) if one.verdict else "not decided"


def row(one: Told) -> tuple[str, ...]:
    """Return a claim's id, title, verdict, results of its regimes, runs and the least valid share of a regime."""
    valid = least_valid(one)
    share = "" if valid is None else f"{percent(valid)} %"
    return one.claim.id, one.claim.title, word(one), signs(one), f"{runs(one):,}" if one.regimes else "", share


def signs(one: Told) -> str:
    """Return the results of a claim's regimes as signs."""
    return " ".join(SIGNS[regime.result] for regime in one.regimes)


def effect(one: Judged) -> str:
    """Return a regime's estimate with its interval."""
    found = one.estimate
    if found.value is None:
        return "no estimate"
    if found.interval is None:
        return "true" if found.value == 1 else f"true for {percent(found.value)} %"
    return f"{found.value:.4g} ({found.interval[0]:.4g} to {found.interval[1]:.4g})"


def said(one: Judged) -> str:
    """Return a regime's estimate and result in words."""
    return f"{one.regime.name}: {effect(one)}, {one.result}"


def known(one: Checked) -> str:
    """Return the answer that a control had to show."""
    return f"{one.control.expected:g}" + (f" ± {one.control.tolerance:g}" if one.control.tolerance else "")


def against(rule: Rule) -> str:
    """Return what a regime's interval is held against."""
    if rule.direction == "true":
        return "true in all cases"
    if rule.direction == "inside" and rule.margin:
        return f"{rule.margin[0]:g} to {rule.margin[1]:g}"
    return f"{rule.direction} {rule.threshold:g}"


def number(one: Judged) -> str:
    """Return the numbers of runs and of the units of inference."""
    groups = clusters(one.kept)
    return f"{len(one.kept.rows):,}" + ("" if groups is None else f" in {groups:,}")
