"""Every run of a claim: the distribution of what the runs of each regime gave, both arms."""

from typing import Any, NamedTuple

import numpy as np

from mnemo_jax.claims.carry_out import Judged, Told
from mnemo_jax.claims.measurement import Series
from mnemo_jax.report.chart import Chart, digits, figure, text
from mnemo_jax.report.series import columns, trace
from mnemo_jax.report.theme import DISTINCT, hue

LEVELS = 200  # points of a distribution's curve; with no more runs, each is one of them


class Curve(NamedTuple):
    """The share of a regime's runs at or below each of some values, in one arm, "" where there is but one."""

    regime: str
    arm: str
    dash: str
    values: list[float]
    shares: list[float]

    @property
    def name(self) -> str:
        """What the curve is of."""
        return f"{self.regime}, {self.arm}" if self.arm else self.regime


def every_run(told: Told, most: int) -> Chart | None:
    """Return the distribution of every regime's runs, both arms, in at most ``most`` points a curve.

    None for shares and statements, which are counts.
    """
    curves = [curve for one in told.regimes for curve in _curves(told, one, min(LEVELS, most))]
    if not curves:
        return None
    ends = np.array([(min(curve.values), max(curve.values)) for curve in curves])
    wide = ends.min() > 0 and ends.max() > 30 * ends.min()
    regimes = list(dict.fromkeys(curve.regime for curve in curves))
    told_runs = sum(len(one.kept.rows) for one in told.regimes)
    arms = told.claim.arms
    lined = f"; solid: {arms.treatment}, dotted: {arms.control}" if arms and any(curve.arm for curve in curves) else ""
    return Chart(
        name=f"{told.claim.id}-runs",
        title="Every run",
        caption=f"Share of runs at or below each value, {told_runs:,} runs in all{lined}. A curve that ends below "
        "100 % has runs that gave no number or whose time is censored.",
        alt="; ".join(f"{curve.name}: from {curve.values[0]:.4g} to {curve.values[-1]:.4g}" for curve in curves),
        figure=figure(
            [_drawn(curve, curves, regimes.index(curve.regime)) for curve in curves],
            xaxis={"title": {"text": "value of a run"}, "type": "log" if wide else "linear"},
            yaxis={"title": {"text": "share of runs"}, "tickformat": ".0%", "rangemode": "tozero"},
            showlegend=len(curves) > 1,
            legend={"tracegroupgap": 0},
        ),
        numbers=columns([Series(name=curve.name, x=curve.values, y=curve.shares) for curve in curves]),
        height=340 + 20 * len(regimes),
    )


def _drawn(curve: Curve, curves: list[Curve], number: int) -> dict[str, Any]:
    """Return a curve; both arms of a regime have its colour and one line of the legend."""
    first = next(one for one in curves if one.regime == curve.regime)
    series = Series(name=curve.regime, x=curve.values, y=curve.shares, kind="steps")
    return trace(series, hue(number % DISTINCT), curve.dash) | {
        "legendgroup": text(curve.regime),
        "showlegend": curve is first,
        "hovertemplate": f"{text(curve.name)}<br>%{{y:.2%}} at or below %{{x:.4g}}<extra></extra>",
    }


def _curves(told: Told, one: Judged, levels: int) -> list[Curve]:
    rows, arms = one.kept.rows, told.claim.arms
    if set(np.unique(rows.value[np.isfinite(rows.value)])) <= {0.0, 1.0}:
        return []
    if arms is None or rows.other is None:
        own = [("", "solid", rows.value, rows.valid & rows.ended)]
    else:
        own = [(arms.treatment, "solid", rows.value, rows.valid & rows.ended)]
        own.append((arms.control, "dot", rows.other, rows.valid & rows.other_ended))
    return [
        Curve(one.regime.name, arm, dash, *_distribution(values, seen, levels))
        for arm, dash, values, seen in own
        if seen.any()
    ]


def _distribution(values: np.ndarray, seen: np.ndarray, levels: int) -> tuple[list[float], list[float]]:
    """Return the values seen, at most ``levels`` of them evenly taken, and the share of all runs at or below each."""
    order = np.sort(values[seen])
    taken = np.unique(np.linspace(0, len(order) - 1, levels).round().astype(int))
    return digits(order[taken]), digits((taken + 1) / len(values))
