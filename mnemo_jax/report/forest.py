"""Forest plots of a claim: its regimes' intervals against what they are held against, large and in a table's cell."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from mnemo_jax.claims.carry_out import Checked, Judged, Told
from mnemo_jax.claims.verdict import Result
from mnemo_jax.report.chart import Chart, figure, lines, text
from mnemo_jax.terminal_claims import against, known, said

TONES: dict[Result, str] = {
    Result.SUPPORTED: "good",
    Result.CONTRADICTED: "bad",
    Result.EQUIVALENT: "doubt",
    Result.INCONCLUSIVE: "quiet",
}
LOGARITHMIC = ("ratio", "quantile_ratio", "spread")
WIDTH, ROW, PAD = 132, 9, 4  # pixels of the small plot


def forest(told: Told) -> Chart | None:
    """Return the plot of regimes and controls that have intervals, None where there are none."""
    regimes = [one for one in told.regimes if one.estimate.interval]
    controls = [one for one in told.controls if one.estimate.interval]
    if not regimes:
        return None
    names = [*(one.regime.name for one in regimes), *(f"control: {one.control.name}" for one in controls)]
    log = all(told.claim.estimand_of(one.regime) in LOGARITHMIC for one in regimes) and not controls
    return Chart(
        name=f"{told.claim.id}-forest",
        title=f"{told.claim.measure[0].upper()}{told.claim.measure[1:]}",
        caption="Estimates with their intervals; upright strokes are the thresholds, bands the margins within which "
        "differences do not matter, and for controls the range in which the known answer had to be shown.",
        alt="; ".join(map(said, regimes)),
        figure=figure(
            [*_bands(regimes, controls), *(_bar(one) for one in regimes), *map(_check, controls), _marks(regimes)],
            yaxis={
                "autorange": "reversed",
                "type": "category",
                "categoryorder": "array",
                "categoryarray": [_short(name) for name in names],
            },
            xaxis={"title": {"text": _axis(told.claim.measure)}, "type": "log" if log else "linear"},
            showlegend=False,
            margin={"l": 8, "r": 16, "t": 8, "b": 48},
        ),
        numbers=_numbers(regimes, controls, names),
        height=90 + len(names) * max(34, *(18 * _short(name).count("<br>") + 24 for name in names)),
    )


def _axis(measure: str) -> str:
    """Return what is measured in two lines, where it is no longer; the chart's heading says all of it."""
    words = lines(measure)
    return words if words.count("<br>") < 2 else "estimate"


def _short(name: str) -> str:
    """Return a name in lines that leave room for the plot on a phone."""
    return lines(name, 26)


def _line(name: str, value: float | None, ends: tuple[float, float], colour: str, words: str) -> dict[str, Any]:
    value = ends[0] if value is None else value
    return {
        "type": "scatter",
        "x": [value],
        "y": [_short(name)],
        "mode": "markers",
        "marker": {"color": colour, "size": 9},
        "error_x": {
            "array": [ends[1] - value],
            "arrayminus": [value - ends[0]],
            "symmetric": False,
            "color": colour,
            "thickness": 2,
            "width": 0,
        },
        "hovertemplate": f"{text(words)}<extra></extra>",
    }


def _bar(one: Judged) -> dict[str, Any]:
    assert one.estimate.interval is not None
    return _line(one.regime.name, one.estimate.value, one.estimate.interval, f"var(--{TONES[one.result]})", said(one))


def _check(one: Checked) -> dict[str, Any]:
    assert one.estimate.interval is not None
    low, high = one.estimate.interval
    words = f"{one.control.name}: {low:.4g} to {high:.4g}, {'as known' if one.passed else 'not as known'}"
    colour = "var(--quiet)" if one.passed else "var(--bad)"
    return _line(f"control: {one.control.name}", one.estimate.value, one.estimate.interval, colour, words)


def _marks(regimes: Sequence[Judged]) -> dict[str, Any]:
    with_one = [one for one in regimes if one.rule.threshold is not None]
    return {
        "type": "scatter",
        "x": [one.rule.threshold for one in with_one],
        "y": [_short(one.regime.name) for one in with_one],
        "mode": "markers",
        "marker": {"symbol": "line-ns", "size": 22, "line": {"width": 2, "color": "var(--ink)"}},
        "hovertemplate": "threshold %{x:.4g}<extra></extra>",
    }


def _bands(regimes: Sequence[Judged], controls: Sequence[Checked]) -> list[dict[str, Any]]:
    ranges = [(one.regime.name, one.rule.margin) for one in regimes if one.rule.margin]
    for one in controls:
        known, tolerance = one.control.expected, one.control.tolerance
        ranges.append((f"control: {one.control.name}", (known - tolerance, known + tolerance)))
    return [
        {
            "type": "scatter",
            "x": list(ends),
            "y": [_short(name)] * 2,
            "mode": "lines",
            "line": {"width": 18, "color": "var(--faint)"},
            "hoverinfo": "skip",
        }
        for name, ends in ranges
    ]


def _numbers(regimes: Sequence[Judged], controls: Sequence[Checked], names: Sequence[str]) -> dict[str, Any]:
    parts: list[Judged | Checked] = [*regimes, *controls]
    ends = [one.estimate.interval or (np.nan, np.nan) for one in parts]
    return {
        "name": list(names),
        "estimate": [one.estimate.value for one in parts],
        "low": [low for low, _ in ends],
        "high": [high for _, high in ends],
        "held against": [*(against(one.rule) for one in regimes), *map(known, controls)],
        "result": [*(str(one.result) for one in regimes), *("passed" if c.passed else "failed" for c in controls)],
    }


def small(told: Told) -> tuple[Markup, str]:
    """Return the plot for a cell of a table, as SVG, and what it shows in words."""
    words = "; ".join(map(said, told.regimes)) or "not run"
    place = _scale(told.regimes)
    height = 2 * PAD + ROW * max(len(told.regimes), 1)
    drawn = "".join(_row(one, PAD + ROW * (k + 0.5), place) for k, one in enumerate(told.regimes))
    return Markup(
        f'<svg class="forest" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" aria-hidden="true">'
        f"{drawn}</svg>"
    ), words


def _scale(regimes: Sequence[Judged]) -> Any:
    """Return a function from values to pixels, over the whole of all intervals and thresholds."""
    known = [end for one in regimes for end in one.estimate.interval or ()]
    known += [one.rule.threshold for one in regimes if one.rule.threshold is not None]
    known += [end for one in regimes if one.rule.direction == "inside" for end in one.rule.margin or ()]
    low, high = min(known, default=0.0), max(known, default=1.0)
    span = high - low or 1.0
    return lambda value: PAD + (WIDTH - 2 * PAD) * (value - low) / span


def _row(one: Judged, y: float, place: Any) -> str:
    colour = f"var(--{TONES[one.result]})"
    if one.estimate.interval is None:
        return f'<rect x="{PAD}" y="{y - 3:.1f}" width="6" height="6" fill="{colour}"/>'
    low, high, value = (place(v) for v in (*one.estimate.interval, one.estimate.value))
    held = [one.rule.threshold] if one.rule.threshold is not None else list(one.rule.margin or ())
    strokes = "".join(
        f'<line x1="{place(v):.1f}" x2="{place(v):.1f}" y1="{y - ROW / 2:.1f}" y2="{y + ROW / 2:.1f}" '
        'stroke="var(--ink)"/>'
        for v in held
    )
    return (
        f'{strokes}<line x1="{low:.1f}" x2="{max(high, low + 1):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" '
        f'stroke-width="3"/><circle cx="{value:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>'
    )
