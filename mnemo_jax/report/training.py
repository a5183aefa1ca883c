"""Training as a page shows it: every measure over the steps, and what was measured when."""

from typing import Any

import numpy as np

from mnemo_jax.figures import looks
from mnemo_jax.figures.looks import Looks, looks_of, quantiles, sampled, thinned
from mnemo_jax.figures.training import height_of, note
from mnemo_jax.record import Record
from mnemo_jax.report.chart import Chart, digits, figure, lines, log_axis
from mnemo_jax.report.table import Cell, Column, Table
from mnemo_jax.terminal_training import COLUMNS, told
from mnemo_jax.training import looked

COLOURS = {"train": "var(--hue-4)", "validation": "var(--hue-1)", "test": "var(--hue-2)"}
CLICK = " A click on a name of the legend hides or shows it."
TIMES = ("start", "end", "best", "stopped early")  # of which a narrow page shows the first ones
RUNS = 30  # starts of each part with a line of their own
SHOWN = 100  # looks of such a line


def training(record: Record) -> list[Chart]:
    """Draw each measure over the steps: for every part of the data a band, the median and a sample of single starts.

    None at all where nothing was measured on the way.
    """
    found = looks_of(record)
    return [] if found is None else [_chart(record, found, measure) for measure in range(len(found.measures))]


def _chart(record: Record, found: Looks, measure: int) -> Chart:
    name, best = found.measures[measure], looks.best_step(record)
    shown = thinned(found)
    wide, (low, high) = height_of(found, measure)
    scale = _scale(name)
    bands = {part: quantiles(found.values[p, measure][:, shown]) for p, part in enumerate(found.parts)}
    rows = sampled(found)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, RUNS).astype(int))]
    told_name = name.replace("_", " ")
    ends = [float(np.log10(end)) for end in (low, high)] if wide else [scale * low, scale * high]
    return Chart(
        name=f"training-{name.replace('_', '-')}",
        title=f"{told_name.capitalize()} over the steps",
        caption=f"{note(record, found, len(rows), [name])}{CLICK if len(found.parts) > 1 else ''}",
        alt=_alt(bands, name),
        figure=figure(
            [trace for p, part in enumerate(found.parts) for trace in _part(found, p, measure, rows, bands[part])],
            xaxis=_steps(found),
            yaxis={"title": {"text": told_name}, "range": ends}
            | (log_axis(low, high) if wide else {})
            | ({"ticksuffix": " %"} if scale == 100 else {}),
            shapes=[_best(best[0])] if best and best[0] >= found.step[shown[0]] else [],
            annotations=[_best_named(*best, found, 0.02 if scale == 100 else 0.98)]
            if best and best[0] >= found.step[shown[0]]
            else [],
        ),
        numbers=_numbers(found, bands),
        height=430,
    )


def _scale(name: str) -> int:
    return 100 if name.endswith("accuracy") else 1


def _alt(bands: dict[str, np.ndarray], name: str) -> str:
    ends = {part: found[:, -1] for part, found in bands.items()}
    return " ".join(
        f"{part.capitalize()} {name.replace('_', ' ')} at the last step: median {told(name, middle)}, "
        f"{told(name, low)} to {told(name, high)} for nine in ten."
        for part, (low, middle, high) in ends.items()
    )


def _part(found: Looks, part: int, measure: int, rows: np.ndarray, band: np.ndarray) -> list[dict[str, Any]]:
    """Return single starts, band and median of a part of the data, which its name in the legend hides together."""
    name, colour = found.parts[part], COLOURS.get(found.parts[part], "var(--hue-3)")
    scale = _scale(found.measures[measure])
    shown = thinned(found)
    fewer = shown[np.unique(np.linspace(0, len(shown) - 1, SHOWN).astype(int))]
    base: dict[str, Any] = {"type": "scatter", "mode": "lines", "legendgroup": name, "showlegend": False}
    gap = np.full((len(rows), 1), np.nan)
    runs = np.concatenate([scale * found.values[part, measure][rows][:, fewer], gap], axis=1)
    steps = np.broadcast_to(np.append(found.step[fewer].astype(float), np.nan), runs.shape)
    single = base | {"x": steps.ravel().tolist(), "y": digits(runs.ravel(), 4), "hoverinfo": "skip"}
    step = found.step[shown]
    low, middle, high = scale * band
    known = np.isfinite(low) & np.isfinite(high)
    outline = base | {
        "x": np.concatenate([step[known], step[known][::-1]]).tolist(),
        "y": digits(np.concatenate([high[known], low[known][::-1]]), 4),
        "fill": "toself",
        "fillcolor": colour,
        "opacity": 0.2,
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    hover = [f"{told(found.measures[measure], a)} to {told(found.measures[measure], b)}" for a, b in band[[0, 2]].T]
    median = base | {"x": step.tolist(), "y": digits(middle, 5), "line": {"color": colour, "width": 2.2}}
    median |= {"showlegend": len(found.parts) > 1, "name": name, "hovertext": hover}
    median["hovertemplate"] = f"{name}<br>step %{{x:,}}: median %{{y:.4g}}<br>5 – 95 %: %{{hovertext}}<extra></extra>"
    return [outline, single | {"line": {"color": colour, "width": 0.6}, "opacity": 0.35}, median]


def _steps(found: Looks) -> dict[str, Any]:
    step = found.step[thinned(found)].astype(float)
    axis: dict[str, Any] = {"title": {"text": "steps"}}
    if looks.late(found):
        return axis | {"type": "log", "range": np.log10(step[[0, -1]]).tolist(), "dtick": 1, "tickformat": ",~r"}
    return axis | {"range": [0, float(step[-1])], "tickformat": ",~s" if step[-1] > 1e5 else ",d"}


def _best(step: float) -> dict[str, Any]:
    line = {"color": "var(--quiet)", "dash": "dot", "width": 1.5}
    return {"type": "line", "x0": step, "x1": step, "yref": "paper", "y0": 0, "y1": 1, "line": line}


def _best_named(step: float, watched: str, found: Looks, height: float) -> dict[str, Any]:
    """Return the words beside the line at the best look, on the side that has room."""
    late = looks.late(found)
    right = step < found.step[-1] / (10 if late else 2)
    return {
        "text": lines(f"median start best by {watched}", 20),
        "x": float(np.log10(step)) if late else step,
        "yref": "paper",
        "y": height,
        "xanchor": "left" if right else "right",
        "yanchor": "top" if height > 0.5 else "bottom",
        "align": "left" if right else "right",
        "showarrow": False,
        "font": {"size": 11, "color": "var(--quiet)"},
    }


def _numbers(found: Looks, bands: dict[str, np.ndarray]) -> dict[str, list[Any]]:
    step = found.step[thinned(found)].tolist()
    columns: dict[str, list[Any]] = {"part": [], "step": [], "low": [], "median": [], "high": []}
    for part, band in bands.items():
        columns["part"] += [part] * len(step)
        columns["step"] += step
        for name, values in zip(("low", "median", "high"), band, strict=True):
            columns[name] += values.tolist()
    return columns


def measures(record: Record) -> Table | None:
    """Return a row for each measure: its median and middle nine tenths over starts at each time that is told.

    None for runs that are not on data.
    """
    numbers, names = record.summary.get("measures") or {}, looks.measured(record)
    if not names:
        return None
    times = {title: COLUMNS[title] for title in TIMES if f"{COLUMNS[title]}{names[0]}" in numbers}
    rows = [
        [Cell(name.replace("_", " ")), *(_cell(name, numbers[f"{prefix}{name}"]) for prefix in times.values())]
        for name in names
    ]
    if "best_" in times.values():
        steps = (f"{prefix}step" for prefix in times.values())
        rows.append(
            [Cell("step"), *(_cell("step", numbers[step]) if step in numbers else Cell("", "") for step in steps)]
        )
    return Table(
        name="measures",
        caption="What was measured: median over starts (5 – 95 %)",
        columns=[Column("measure", "left"), *(Column(title) for title in times)],
        rows=rows,
        note=looked(record.summary, record.config["stop"]) if looks.best_step(record) else "",
        whole=True,
    )


def _cell(name: str, numbers: dict[str, Any]) -> Cell:
    if not numbers["number"]:
        return Cell("", "")
    low, middle, high = (told(name, numbers[key]) for key in ("low", "median", "high"))
    if middle.endswith(" %"):  # once, so that a row fits the page
        return Cell(f"{middle[:-2]} ({low[:-2]} – {high[:-2]}) %", numbers["median"])
    return Cell(f"{middle} ({low} – {high})", numbers["median"])
