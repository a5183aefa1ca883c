"""Every run of a claim: the distribution of what the runs of each regime gave, both arms."""

import numpy as np

from mnemo_jax.claims.carry_out import Told
from mnemo_jax.claims.measurement import Rows, Series
from mnemo_jax.report.chart import Chart, digits, figure, lines
from mnemo_jax.report.series import columns, trace
from mnemo_jax.report.theme import DISTINCT, hue

LEVELS = 200  # points of a distribution's curve; with no more runs, each is one of them


def every_run(told: Told, most: int) -> Chart | None:
    """Return the distribution of every regime's runs, both arms, in at most ``most`` points a curve.

    None for shares and statements, which are counts.
    """
    levels = min(LEVELS, most)
    curves = [curve for one in told.regimes for curve in _distributions(told, one.regime.name, one.kept.rows, levels)]
    if not curves:
        return None
    positive = all(value > 0 for _, values, _ in curves for value in values)
    wide = positive and max(max(v) for _, v, _ in curves) > 30 * min(min(v) for _, v, _ in curves)
    traces = [
        trace(Series(name=name, x=values, y=shares, kind="steps"), hue(k % DISTINCT))
        for k, (name, values, shares) in enumerate(curves)
    ]
    told_runs = sum(len(one.kept.rows) for one in told.regimes)
    return Chart(
        name=f"{told.claim.id}-runs",
        title="Every run",
        caption=f"Share of runs at or below each value, {told_runs:,} runs in all; a curve that ends below 100 % has "
        "runs that gave no number or whose time is censored.",
        alt="; ".join(f"{name}: from {values[0]:.4g} to {values[-1]:.4g}" for name, values, _ in curves),
        figure=figure(
            traces,
            xaxis={
                "title": {"text": lines(f"value of a run ({told.claim.measure})")},
                "type": "log" if wide else "linear",
            },
            yaxis={"title": {"text": "share of runs"}, "tickformat": ".0%", "rangemode": "tozero"},
            showlegend=len(traces) > 1,
        ),
        numbers=columns([Series(name=name, x=values, y=shares) for name, values, shares in curves]),
        height=380,
    )


def _distributions(told: Told, name: str, rows: Rows, levels: int) -> list[tuple[str, list[float], list[float]]]:
    if set(np.unique(rows.value[np.isfinite(rows.value)])) <= {0.0, 1.0}:
        return []
    arms = told.claim.arms
    if arms is None or rows.other is None:
        own = [(name, rows.value, rows.ended)]
    else:
        own = [(f"{name}, {arms.treatment}", rows.value, rows.ended)]
        own.append((f"{name}, {arms.control}", rows.other, rows.other_ended))
    return [
        (words, *_distribution(values, rows.valid & ended, levels))
        for words, values, ended in own
        if (rows.valid & ended).any()
    ]


def _distribution(values: np.ndarray, seen: np.ndarray, levels: int) -> tuple[list[float], list[float]]:
    """Return the values seen, at most ``levels`` of them evenly taken, and the share of all runs at or below each."""
    order = np.sort(values[seen])
    taken = np.unique(np.linspace(0, len(order) - 1, levels).round().astype(int))
    return digits(order[taken]), digits((taken + 1) / len(values))
