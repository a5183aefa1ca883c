"""Series and maps of an experiment as plotly's traces, and their numbers by column."""

from collections.abc import Sequence
from typing import Any

from mnemo_jax.claims.measurement import Heat, Series
from mnemo_jax.report.chart import lines, text
from mnemo_jax.report.maps import bar
from mnemo_jax.report.theme import heights, hue

LEGEND = 40  # letters of a line of a legend, which fit a phone
AT = "at %{x:.4g}, %{y:.4g}"


def trace(series: Series, colour: str, dash: str = "solid") -> dict[str, Any]:
    """Return a series with its intervals, in a colour, and lines in dashes."""
    made: dict[str, Any] = {"x": list(series.x), "y": list(series.y), "name": lines(series.name, LEGEND)}
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
            line = {"color": colour, "width": 2, "shape": shape, "dash": dash}
            return made | {"type": "scatter", "mode": "lines", "line": line}


def _bars(series: Series) -> dict[str, Any]:
    rows = zip(series.y, series.low or (), series.high or (), strict=True)
    ends = [(None, None) if None in row else (row[2] - row[0], row[0] - row[1]) for row in rows]
    up, down = [list(side) for side in zip(*ends, strict=True)]
    return {"array": up, "arrayminus": down, "symmetric": False, "thickness": 1.5, "width": 3, "color": "var(--ink)"}


def cells(heat: Heat) -> list[dict[str, Any]]:
    """Return a map, and for one of words the lines of the legend that name their colours."""
    made: dict[str, Any] = {"type": "heatmap", "x": list(heat.x), "y": list(heat.y), "z": heat.z}
    if not heat.words:
        told = f"{text(heat.name)} %{{z:.4g}}<br>" if heat.name else "%{z:.4g}<br>"
        return [
            made
            | {"colorscale": heights(), "colorbar": bar(text(heat.name)), "hovertemplate": f"{told}{AT}<extra></extra>"}
        ]
    last = len(heat.words)
    scale = [[(k + side) / last, hue(k)] for k in range(last) for side in (0, 1)]
    made |= {"colorscale": scale, "zmin": -0.5, "zmax": last - 0.5, "showscale": False}
    made["hovertemplate"] = f"{AT}<extra></extra>"
    return [made, *(_key(word, hue(k)) for k, word in enumerate(heat.words))]


def _key(name: str, colour: str) -> dict[str, Any]:
    made = {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "name": lines(name, LEGEND)}
    made |= {"legendgroup": name, "hoverinfo": "skip"}
    return made | {"marker": {"symbol": "square", "size": 11, "color": colour}}


def columns(series: Sequence[Series]) -> dict[str, list[Any]]:
    """Return the numbers of all series below each other."""
    made: dict[str, list[Any]] = {"series": [], "x": [], "y": [], "low": [], "high": []}
    for one in series:
        made["series"] += [one.name] * len(one.x)
        made["x"] += list(one.x)
        made["y"] += list(one.y)
        made["low"] += list(one.low if one.low is not None else [None] * len(one.x))
        made["high"] += list(one.high if one.high is not None else [None] * len(one.x))
    return made
