"""What a person sees in the terminal of descents on data: what was measured on each part, and when."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from mnemo_jax.training import looked, measured

COLUMNS = {"start": "start_", "stopped early": "stop_", "best": "best_", "end": ""}


def trained(summary: Mapping[str, Any]) -> str:
    """Return in half a sentence how well the data held out, or else those trained on, are known at the end."""
    measures = summary["measures"]
    names = measured(measures)
    last = next((name for name in reversed(names) if name.endswith("accuracy")), names[-1])
    low, middle, high = (told(last, measures[last][key]) for key in ("low", "median", "high"))
    return f"{last.replace('_', ' ')} {middle} at the end, {low} to {high} for nine in ten"


def measures_table(summary: Mapping[str, Any], stop: Mapping[str, Any]) -> Table:
    """Return a row for each measure: its median over the starts at each of the times that are told."""
    measures = summary["measures"]
    table = Table(
        title="Measures", title_justify="left", caption_justify="left", box=None, pad_edge=False, header_style="dim"
    )
    names = measured(measures)
    times = {title: prefix for title, prefix in COLUMNS.items() if f"{prefix}{names[0]}" in measures}
    table.add_column("median over starts (5 – 95 %)")
    for title in times:
        table.add_column(title, justify="right")
    for name in names:
        cells = (_cell(name, measures[f"{prefix}{name}"]) for prefix in times.values())
        table.add_row(name.replace("_", " "), *cells)
    if "best_" in times.values():
        steps = (
            _cell("step", measures[f"{prefix}step"]) if f"{prefix}step" in measures else "" for prefix in times.values()
        )
        table.add_row("step", *steps)
        table.caption = looked(summary, stop)
    return table


def ends_of(measures: Mapping[str, Any]) -> dict[str, str]:
    """Return what was measured at the end, part by part: the median over starts and, in brackets, 5 to 95 %."""
    return {name.replace("_", " "): _cell(name, measures[name]) for name in measured(measures)}


def _cell(name: str, numbers: Mapping[str, Any]) -> str:
    if not numbers["number"]:
        return ""
    return f"{told(name, numbers['median'])} ({told(name, numbers['low'])} – {told(name, numbers['high'])})"


def told(name: str, value: float) -> str:
    """Return a measure's value, an accuracy as per cent."""
    if name.endswith("accuracy"):
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if name == "step" else f"{value:.4g}"
