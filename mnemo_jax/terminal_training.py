"""What a person sees in the terminal of descents on data: what was measured on each part, and when."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from mnemo_jax.training import WATCHED

COLUMNS = {"start": "start_", "stopped early": "stop_", "best": "best_", "end": ""}


def trained(summary: Mapping[str, Any]) -> str:
    """Return in half a sentence how well the data held out, or else those trained on, are known at the end."""
    measures = summary["measures"]
    ends = [name for name in measures if not name.startswith(tuple(prefix for prefix in COLUMNS.values() if prefix))]
    last = next((name for name in reversed(ends) if name.endswith("accuracy")), ends[-1])
    low, middle, high = (told(last, measures[last][key]) for key in ("low", "median", "high"))
    return f"{last.replace('_', ' ')} {middle} at the end, {low} to {high} for nine in ten"


def measures_table(summary: Mapping[str, Any], stop: Mapping[str, Any]) -> Table:
    """Return a row for each measure: its median over the starts at each of the times that are told."""
    measures = summary["measures"]
    table = Table(
        title="Measures", title_justify="left", caption_justify="left", box=None, pad_edge=False, header_style="dim"
    )
    names = [name.removeprefix("start_") for name in measures if name.startswith("start_")]
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
        watched = (stop.get("watch") or WATCHED).replace("_", " ")
        table.caption = f"Best goes by the {watched}, looked at every {stop['check_every']:,} steps"
        if "stop_" in times.values():
            number = measures["stop_step"]["number"]
            table.caption += (
                f"; {number:,} of {summary['starts']:,} starts would have stopped early, "
                f"after {stop['patience']} looks without a better one"
            )
        table.caption += "."
    return table


def ends_of(measures: Mapping[str, Any]) -> dict[str, str]:
    """Return what was measured at the end, part by part: the median over starts and, in brackets, 5 to 95 %."""
    names = [name.removeprefix("start_") for name in measures if name.startswith("start_")]
    return {name.replace("_", " "): _cell(name, measures[name]) for name in names}


def _cell(name: str, numbers: Mapping[str, Any]) -> str:
    if not numbers["number"]:
        return ""
    return f"{told(name, numbers['median'])} ({told(name, numbers['low'])} – {told(name, numbers['high'])})"


def told(name: str, value: float) -> str:
    """Return a measure's value, an accuracy as per cent."""
    if name.endswith("accuracy"):
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if name == "step" else f"{value:.4g}"
