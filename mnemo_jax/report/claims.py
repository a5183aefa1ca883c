"""The page of a set of claims: a table of verdicts, a section for each claim, and the text they test, corrected."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mnemo_jax.claims.carry_out import Checked, Judged, Told, clusters, least_valid, runs
from mnemo_jax.claims.claim import Sentence, Set
from mnemo_jax.claims.verdict import Verdict
from mnemo_jax.report.chart import Chart
from mnemo_jax.report.distributions import LEVELS, every_run
from mnemo_jax.report.forest import TONES, forest, small
from mnemo_jax.report.mechanism import illustrations, mechanism
from mnemo_jax.report.page import render
from mnemo_jax.report.table import Cell, Column, Table
from mnemo_jax.report.threshold import TONE, by_threshold
from mnemo_jax.report.verdict import Fact
from mnemo_jax.terminal import percent
from mnemo_jax.terminal_claims import MEANING, ORDER, against, effect, known, number, sentence, signs, word

CASES = 60  # rows of a table of an exact claim's cases
POINTS = 48_000  # drawn one by one in illustrations and distributions; the other charts have a few each


class Section(NamedTuple):
    """What the page says of one claim."""

    told: Told
    verdict: str
    tone: str
    charts: list[Chart]
    tables: list[Table]


class Line(NamedTuple):
    """A sentence of the text, with what the claims that test it say."""

    sentence: Sentence
    claims: list[Told]


def claims_page(own: Set, told: Sequence[Told], size: str) -> str:
    """Return the page of the claims of a set; equal evidence gives equal bytes."""
    known = {one.claim.id: one for one in told}
    most = _most(told)
    lines = [Line(part, [known[name] for name in part.claims]) for part in own.text]
    return render(
        "claims.html.j2",
        set=own,
        size=size,
        headline=sentence(told),
        level=f"{100 * own.level:.2f} %",
        front=_front(told),
        sections=[_section(one, most) for one in told],
        lines=lines,
        facts=_facts(told),
    )


def _facts(told: Sequence[Told]) -> list[Fact]:
    parts: list[Judged | Checked] = []
    for claim in told:
        parts += [*claim.regimes, *claim.controls]
    words = list(map(word, told))
    number_of = {name: words.count(name) for name in (*map(str, Verdict), "not decided")}
    controls = [one.passed for claim in told for one in claim.controls]
    return [
        *(Fact(name, str(number)) for name, number in number_of.items() if number),
        Fact("runs, all kept", f"{sum(len(one.kept.rows) for one in parts):,}"),
        Fact("controls as known", f"{sum(controls)} of {len(controls)}"),
    ]


def _front(told: Sequence[Told]) -> Table:
    return Table(
        name="verdicts",
        caption="All claims",
        columns=[
            Column("claim", "left"),
            Column("tested sentence", "left", wide=True),
            Column("verdict", "left"),
            Column("effect", "left", "intervals of the regimes, and upright strokes for what they are held against"),
            Column("regimes", "left", MEANING),
            Column("runs", meaning="of all regimes, and the number of independent units where that is smaller"),
            Column("valid", meaning="least share of a regime's runs that gave an answer"),
            Column("fixed as", "left", "first digits of the hash of all that was fixed before the run"),
        ],
        rows=[_row(one) for one in told],
        note=ORDER,
        whole=True,
    )


def _row(one: Told) -> tuple[Cell, ...]:
    drawing, words = small(one)
    number_of_runs, valid = runs(one), least_valid(one)
    units = sum(clusters(regime.kept) or len(regime.kept.rows) for regime in one.regimes)
    return (
        Cell(one.claim.id, link=one.claim.id),
        Cell(one.claim.sentence),
        Cell(word(one), tone=_tone(one)),
        Cell(words, drawing=drawing),
        Cell(signs(one)),
        Cell(f"{number_of_runs:,}" + (f" in {units:,}" if units != number_of_runs else ""), key=number_of_runs),
        Cell("" if valid is None else f"{percent(valid)} %", key=valid),
        Cell(one.hash[:8]),
    )


def _tone(one: Told) -> Any:
    tone = TONE[str(one.verdict)] if one.verdict else ""
    return tone if tone in ("good", "bad", "doubt") else ""


def _most(told: Sequence[Told]) -> int:
    """Return how many points of a series there may be so that all of the page's are at most `POINTS`."""
    lengths = [len(series.x) for one in told for shown in illustrations(one) for series in shown.series]
    lengths += [LEVELS] * sum(len(one.regimes) * (1 if one.claim.arms is None else 2) for one in told)
    longest = range(1, max(lengths, default=1) + 1)
    return max(1, bisect_right(longest, POINTS, key=lambda most: sum(min(length, most) for length in lengths)))


def _section(one: Told, most: int) -> Section:
    charts = [forest(one), *mechanism(one, most), every_run(one, most), by_threshold(one)]
    tables = [_regimes(one), _cases(one), _controls(one)]
    return Section(one, word(one), _tone(one), [c for c in charts if c], [t for t in tables if t])


def _regimes(told: Told) -> Table | None:
    if not told.regimes:
        return None
    bounded = any(one.estimate.bounds and one.estimate.bounds[0] != one.estimate.bounds[1] for one in told.regimes)
    censored = any(map(_censored, told.regimes))
    columns = [
        Column("regime", "left", wide=True),
        Column("estimate (interval)", "left"),
        Column("held against", "left"),
        Column("result", "left"),
        Column("runs"),
        Column("failed", meaning="runs that gave no answer: they diverged, or did not converge in time"),
        *([Column("censored", meaning="runs whose event had not happened when they ended")] if censored else []),
        *([Column("bounds", "left", "were all runs without an answer counted against, and for it")] if bounded else []),
        Column("note", "left", wide=True),
    ]
    rows = [_regime(one, bounded, censored) for one in told.regimes]
    return Table(name=f"{told.claim.id}-regimes", caption="Regimes", columns=columns, rows=rows, whole=True)


def _censored(one: Judged) -> int:
    rows = one.kept.rows
    return int(np.sum(rows.valid & ~(rows.ended & rows.other_ended)))


def _regime(one: Judged, bounded: bool, censored: bool) -> tuple[Cell, ...]:
    failed, value, bounds = int(np.sum(~one.kept.rows.valid)), one.estimate.value, one.estimate.bounds
    share = f" ({percent(failed / len(one.kept.rows))} %)" if failed else ""
    tone: Any = TONES[one.result] if TONES[one.result] != "quiet" else ""
    return (
        Cell(one.regime.name),
        Cell(_signed(effect(one)).replace(" to ", "\u00a0to\u00a0"), key="" if value is None else value),
        Cell(_signed(against(one.rule))),
        Cell(str(one.result), tone=tone),
        Cell(number(one), key=len(one.kept.rows)),
        Cell(f"{failed:,}{share}", key=failed),
        *([Cell(f"{_censored(one):,}", key=_censored(one))] if censored else []),
        *([Cell(_signed(f"{bounds[0]:.4g} to {bounds[1]:.4g}") if bounds else "")] if bounded else []),
        Cell(one.note),
    )


def _signed(numbers: str) -> str:
    return numbers.replace("-", "−")


def _cases(told: Told) -> Table | None:
    """Return the cases of an exact claim, those that are false first."""
    rows = [
        (one.regime.name, case, bool(value) and bool(valid))
        for one in told.regimes
        if one.kept.rows.case
        for case, value, valid in zip(one.kept.rows.case, one.kept.rows.value, one.kept.rows.valid, strict=True)
    ]
    if not rows:
        return None
    shown = sorted(rows, key=lambda row: row[2])[:CASES]
    return Table(
        name=f"{told.claim.id}-cases",
        caption="Cases",
        columns=[Column("regime", "left"), Column("case", "left", wide=True), Column("result", "left")],
        rows=[
            (Cell(name), Cell(case), Cell("true" if held else "false", tone="good" if held else "bad"))
            for name, case, held in shown
        ],
        note="" if len(rows) == len(shown) else f"{len(shown)} of {len(rows):,} cases, those that are false first.",
    )


def _controls(told: Told) -> Table | None:
    if not told.controls:
        return None
    rows = []
    for one in told.controls:
        ends = one.estimate.interval
        shown = "" if one.estimate.value is None else f"{one.estimate.value:.5g}"
        rows.append(
            (
                Cell(one.control.name),
                Cell(_signed(known(one))),
                Cell(_signed(shown + (f" ({ends[0]:.4g} to {ends[1]:.4g})" if ends else ""))),
                Cell("shown" if one.passed else "not shown", tone="good" if one.passed else "bad"),
                Cell(f"{len(one.kept.rows):,}", key=len(one.kept.rows)),
            )
        )
    columns = [
        Column("control", "left", wide=True),
        Column("known answer", "left"),
        Column("measured (interval)", "left"),
        Column("result", "left"),
        Column("runs"),
    ]
    return Table(name=f"{told.claim.id}-controls", caption="Controls", columns=columns, rows=rows)
