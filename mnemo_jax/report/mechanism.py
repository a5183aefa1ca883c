"""Charts behind a verdict: an experiment's illustrations, every run, and how the verdict depends on its threshold."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mnemo_jax.claims.carry_out import Checked, Judged, Told, pieces
from mnemo_jax.claims.measurement import Heat, Illustration, Series
from mnemo_jax.report.chart import Cells, Chart, digits, figure, lines, text
from mnemo_jax.report.page import slug
from mnemo_jax.report.theme import DISTINCT, heights, hue

LEVELS = 200  # points of a distribution's curve; with no more runs, each is one of them
DASHES = ("dash", "dot", "dashdot", "longdash")  # of laws
AT = "at %{x:.4g}, %{y:.4g}"
TONE = {
    "holds": "good",
    "holds in some regimes": "doubt",
    "does not hold as stated": "bad",
    "inconclusive": "quiet",
    "invalid": "quiet",
}


def illustrations(told: Told) -> list[Chart]:
    """Return a claim's illustrations; those of one title in several regimes are one chart, in order of the regimes."""
    merged: dict[str, Illustration] = {}
    parts: tuple[Judged | Checked, ...] = (*told.regimes, *told.controls)
    for part in parts:
        for one in part.kept.illustrations:
            first = merged.setdefault(one.title, replace(one, series=()))
            merged[one.title] = replace(first, series=_joined(first.series, one.series), heat=first.heat or one.heat)
    return [_chart(told.claim.id, one) for one in merged.values()]


def _joined(series: tuple[Series, ...], more: tuple[Series, ...]) -> tuple[Series, ...]:
    """Return both, without what is there already; bars and marks of one name are one series."""
    for one in more:
        known = next((k for k, other in enumerate(series) if (other.name, other.kind) == (one.name, one.kind)), None)
        if known is None or (one.kind not in ("bars", "marks") and one != series[known]):
            series = (*series, one)
        elif one != series[known]:
            series = (*series[:known], _longer(series[known], one), *series[known + 1 :])
    return series


def _longer(one: Series, other: Series) -> Series:
    columns: dict[str, Any] = {
        name: [*getattr(one, name), *getattr(other, name)] if getattr(one, name) is not None else None
        for name in ("x", "y", "low", "high")
    }
    return replace(one, **columns)


def _chart(claim: str, one: Illustration) -> Chart:
    traces = [*(_map(one.heat) if one.heat else []), *_traces(one)]
    return Chart(
        name=f"{claim}-{slug(one.title)}",
        title=one.title,
        caption=one.caption,
        alt=f"{one.y} against {one.x}: " + ", ".join(series.name for series in one.series),
        figure=figure(
            traces,
            xaxis=_axis(one.x, "x" in one.log, one.heat.x if one.heat else None),
            yaxis=_axis(one.y, "y" in one.log, one.heat.y if one.heat else None),
            showlegend=len(traces) > 1,
            legend={"tracegroupgap": 0},
        ),
        numbers=Cells(0, f"{one.y} \\ {one.x}", words=tuple(one.heat.words)) if one.heat else _columns(one.series),
        height=420,
    )


def _traces(one: Illustration) -> list[dict[str, Any]]:
    """Return the series of an illustration; those of one name, such as both sides of a law, look alike."""
    laws = list(dict.fromkeys(series.name for series in one.series if series.kind == "law"))
    rest = list(dict.fromkeys(series.name for series in one.series if series.kind != "law"))
    first = len(one.heat.words) if one.heat else 0  # colours that the map has
    traces = []
    for k, series in enumerate(one.series):
        if series.kind == "law":
            made = _trace(series, "var(--ink)", DASHES[laws.index(series.name) % len(DASHES)])
        else:
            made = _trace(series, hue((first + rest.index(series.name)) % DISTINCT))
        told = all((series.name, series.kind) != (other.name, other.kind) for other in one.series[:k])
        traces.append(made | {"legendgroup": f"{series.kind} {series.name}", "showlegend": told})
    return traces


def _axis(name: str, log: bool, cells: Sequence[float] | np.ndarray | None) -> dict[str, Any]:
    """Return an axis, where there is a map as long as its cells."""
    axis: dict[str, Any] = {"title": {"text": lines(name)}, "type": "log" if log else None}
    if cells is None or len(cells) < 2:
        return axis
    middle = np.log10(cells) if log else np.asarray(cells)
    return axis | {"range": sorted([1.5 * middle[0] - 0.5 * middle[1], 1.5 * middle[-1] - 0.5 * middle[-2]])}


def _trace(series: Series, colour: str, dash: str = "solid") -> dict[str, Any]:
    made: dict[str, Any] = {"x": list(series.x), "y": list(series.y), "name": text(series.name)}
    if series.low is not None and series.high is not None:
        made["error_y"] = _bars(series)
    match series.kind:
        case "bars":
            return made | {"type": "bar", "marker": {"color": colour}}
        case "marks":
            size = 8 if len(series.x) <= 60 else 4
            return made | {"type": "scatter", "mode": "markers", "marker": {"color": colour, "size": size}}
        case "law":
            return made | {"type": "scatter", "mode": "lines", "line": {"color": colour, "width": 1.5, "dash": dash}}
        case _:
            shape = "hv" if series.kind == "steps" else "linear"
            return made | {"type": "scatter", "mode": "lines", "line": {"color": colour, "width": 2, "shape": shape}}


def _bars(series: Series) -> dict[str, Any]:
    rows = zip(series.y, series.low or (), series.high or (), strict=True)
    ends = [(None, None) if None in row else (row[2] - row[0], row[0] - row[1]) for row in rows]
    up, down = [list(side) for side in zip(*ends, strict=True)]
    return {"array": up, "arrayminus": down, "symmetric": False, "thickness": 1.5, "width": 3, "color": "var(--ink)"}


def _map(heat: Heat) -> list[dict[str, Any]]:
    """Return a map, and for one of words the lines of the legend that name their colours."""
    cells: dict[str, Any] = {"type": "heatmap", "x": list(heat.x), "y": list(heat.y), "z": heat.z}
    if not heat.words:
        bar = {"title": {"text": text(heat.name), "side": "right"}}
        told = f"{text(heat.name)} %{{z:.4g}}<br>" if heat.name else "%{z:.4g}<br>"
        return [cells | {"colorscale": heights(), "colorbar": bar, "hovertemplate": f"{told}{AT}<extra></extra>"}]
    last = len(heat.words)
    scale = [[(k + side) / last, hue(k)] for k in range(last) for side in (0, 1)]
    cells |= {"colorscale": scale, "zmin": -0.5, "zmax": last - 0.5, "showscale": False}
    cells["hovertemplate"] = f"{AT}<extra></extra>"
    return [cells, *(_key(word, hue(k)) for k, word in enumerate(heat.words))]


def _key(name: str, colour: str) -> dict[str, Any]:
    made = {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "name": text(name), "legendgroup": name}
    return made | {"marker": {"symbol": "square", "size": 11, "color": colour}, "hoverinfo": "skip"}


def _columns(series: Sequence[Series]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"series": [], "x": [], "y": [], "low": [], "high": []}
    for one in series:
        columns["series"] += [one.name] * len(one.x)
        columns["x"] += list(one.x)
        columns["y"] += list(one.y)
        columns["low"] += list(one.low if one.low is not None else [None] * len(one.x))
        columns["high"] += list(one.high if one.high is not None else [None] * len(one.x))
    return columns


def every_run(told: Told) -> Chart | None:
    """Return the distribution of every regime's runs, both arms; None for shares and statements, which are counts."""
    curves = [curve for one in told.regimes for curve in _distributions(told, one.regime.name, one.kept.rows)]
    if not curves:
        return None
    positive = all(value > 0 for _, values, _ in curves for value in values)
    wide = positive and max(max(v) for _, v, _ in curves) > 30 * min(min(v) for _, v, _ in curves)
    traces = [
        _trace(Series(name=name, x=values, y=shares, kind="steps"), hue(k % 7))
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
            xaxis={"title": {"text": "value of a run"}, "type": "log" if wide else "linear"},
            yaxis={"title": {"text": "share of runs"}, "tickformat": ".0%", "rangemode": "tozero"},
            showlegend=len(traces) > 1,
        ),
        numbers=_columns([Series(name=name, x=values, y=shares) for name, values, shares in curves]),
        height=380,
    )


def _distributions(told: Told, name: str, rows: Any) -> list[tuple[str, list[float], list[float]]]:
    if set(np.unique(rows.value[np.isfinite(rows.value)])) <= {0.0, 1.0}:
        return []
    arms = told.claim.arms
    if arms is None or rows.other is None:
        return [(name, *_distribution(rows.value, rows.valid & rows.ended))] if (rows.valid & rows.ended).any() else []
    both = ((arms.treatment, rows.value, rows.ended), (arms.control, rows.other, rows.other_ended))
    return [
        (f"{name}, {arm}", *_distribution(values, rows.valid & ended))
        for arm, values, ended in both
        if (rows.valid & ended).any()
    ]


def _distribution(values: np.ndarray, seen: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the values seen, at most `LEVELS` of them evenly taken, and the share of all runs at or below each."""
    order = np.sort(values[seen])
    taken = np.unique(np.linspace(0, len(order) - 1, LEVELS).round().astype(int))
    return digits(order[taken]), digits((taken + 1) / len(values))


def by_threshold(told: Told) -> Chart | None:
    """Return the verdict as a function of the threshold, None where there is no one threshold."""
    parts = pieces(told)
    if not parts:
        return None
    rule = told.claim.rule()
    scaled = rule.direction == "inside"
    now = 1.0 if scaled else rule.threshold
    words = list(dict.fromkeys(part["verdict"] for part in parts))
    traces = [
        {
            "type": "scatter",
            "x": [end for part in parts if part["verdict"] == word for end in (part["from"], part["to"], None)],
            "y": [word for part in parts if part["verdict"] == word for _ in range(3)],
            "mode": "lines+markers",  # so that also the shortest piece is seen
            "line": {"width": 14, "color": f"var(--{TONE[word]})"},
            "marker": {"symbol": "line-ns", "size": 10, "line": {"width": 2, "color": f"var(--{TONE[word]})"}},
            "hovertemplate": "%{y} at %{x:.4g}<extra></extra>",
        }
        for word in words
    ]
    axis = "margin, in multiples of the one that was fixed" if scaled else f"threshold ({told.claim.measure})"
    return Chart(
        name=f"{told.claim.id}-threshold",
        title="The verdict by threshold",
        caption="What the same evidence would say of other thresholds; the dashed line is the one that was fixed."
        + (" Regimes with a rule of their own keep it." if any(one.rule != rule for one in told.regimes) else ""),
        alt="; ".join(f"{part['from']:.4g} to {part['to']:.4g}: {part['verdict']}" for part in parts),
        figure=figure(
            traces,
            xaxis={"title": {"text": lines(axis)}},
            yaxis={"type": "category"},
            shapes=[
                {"type": "line", "x0": now, "x1": now, "yref": "paper", "y0": 0, "y1": 1}
                | {"line": {"color": "var(--ink)", "dash": "dash", "width": 1.5}}
            ],
            showlegend=False,
        ),
        numbers={name: [part[name] for part in parts] for name in ("from", "to", "verdict")},
        height=110 + 34 * len(words),
    )
