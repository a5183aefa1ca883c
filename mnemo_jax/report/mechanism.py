"""Charts of the mechanism behind a claim: what an experiment illustrated, as numbers, in all of its regimes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mnemo_jax.claims.carry_out import Checked, Judged, Told
from mnemo_jax.claims.measurement import Illustration, Series, thin
from mnemo_jax.report import maps
from mnemo_jax.report.chart import Cells, Chart, figure, lines
from mnemo_jax.report.page import slug
from mnemo_jax.report.series import cells, columns, trace
from mnemo_jax.report.theme import DISTINCT, hue

DASHES = ("dash", "dot", "dashdot", "longdash")  # of laws


def illustrations(told: Told) -> list[Illustration]:
    """Return a claim's illustrations; those of one title in several regimes are one, in order of the regimes."""
    merged: dict[str, Illustration] = {}
    parts: tuple[Judged | Checked, ...] = (*told.regimes, *told.controls)
    for part in parts:
        for one in part.kept.illustrations:
            first = merged.setdefault(one.title, replace(one, series=()))
            merged[one.title] = replace(first, series=_joined(first.series, one.series), heat=first.heat or one.heat)
    return list(merged.values())


def _joined(series: tuple[Series, ...], more: tuple[Series, ...]) -> tuple[Series, ...]:
    """Return both, without what is there already; bars and marks of one name are one series."""
    for one in (one for one in more if one not in series):
        known = next((k for k, other in enumerate(series) if (other.name, other.kind) == (one.name, one.kind)), None)
        if known is None or one.kind not in ("bars", "marks"):
            series = (*series, one)
        else:
            series = (*series[:known], _longer(series[known], one), *series[known + 1 :])
    return series


def _longer(one: Series, other: Series) -> Series:
    columns: dict[str, Any] = {
        name: [*getattr(one, name), *getattr(other, name)] if getattr(one, name) is not None else None
        for name in ("x", "y", "low", "high")
    }
    return replace(one, **columns)


def mechanism(told: Told, most: int) -> list[Chart]:
    """Return the charts of a claim's illustrations, ``most`` points of a series each."""
    return [_chart(told.claim.id, one, most) for one in illustrations(told)]


def _chart(claim: str, one: Illustration, most: int) -> Chart:
    thinned = any(len(series.x) > most for series in one.series)
    one = replace(one, series=tuple(thin(series, most) for series in one.series)) if thinned else one
    below = maps.BELOW if one.heat and not one.heat.words else 0  # for the bar of colours
    traces = [*(cells(one.heat) if one.heat else []), *_traces(one)]
    return Chart(
        name=f"{claim}-shown-{slug(one.title)}",
        title=one.title,
        caption=one.caption + (f" At most {most:,} points of a series are shown." if thinned else ""),
        alt=f"{one.y} against {one.x}: " + ", ".join(series.name for series in one.series),
        figure=figure(
            traces,
            xaxis=_axis(one.x, "x" in one.log, one.heat.x if one.heat else None),
            yaxis=_axis(one.y, "y" in one.log, one.heat.y if one.heat else None)
            | ({"nticks": 5} if "y" in one.log else {}),  # more name every digit, one upon the other
            showlegend=len(traces) > 1,
            legend={"tracegroupgap": 0},
            margin={"b": 48 + below},
        ),
        numbers=Cells(0, f"{one.y} \\ {one.x}", words=tuple(one.heat.words)) if one.heat else columns(one.series),
        height=400 + below + 12 * sum(one.get("showlegend", True) for one in traces),
    )


def _traces(one: Illustration) -> list[dict[str, Any]]:
    """Return the series of an illustration; those of one name, such as both sides of a law, look alike."""
    laws = list(dict.fromkeys(series.name for series in one.series if series.kind == "law"))
    rest = list(dict.fromkeys(series.name for series in one.series if series.kind != "law"))
    first = len(one.heat.words) if one.heat else 0  # colours that the map has
    traces = []
    for k, series in enumerate(one.series):
        if series.kind == "law":
            made = trace(series, "var(--ink)", DASHES[laws.index(series.name) % len(DASHES)])
        else:
            made = trace(series, hue((first + rest.index(series.name)) % DISTINCT))
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
