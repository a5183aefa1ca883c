"""Shares of the starts with their intervals, and the levels of the loss at which starts end."""

from typing import Any

import numpy as np

from mnemo_jax.figures import words
from mnemo_jax.figures.levels import SINGLE, WIDTH, Levels, density, levels_of
from mnemo_jax.record import Record
from mnemo_jax.report import look
from mnemo_jax.report.chart import Chart, digits, figure

TOP = 30
ROW = 26  # pixels
CELLS = 400  # of smoothed curves


def shares(record: Record) -> Chart | None:
    """Draw the largest shares as dots with their 95 % intervals; None where no start has a label."""
    reached = look.reached(record)
    if not len(reached):
        return None
    top = reached[np.argsort(-record.shares.count[reached], kind="stable")][:TOP]
    share, interval = record.shares.share[top], record.shares.interval[top]
    names = [look.name_of(record, int(row)) for row in top]
    lines = [_line(record, int(row), name) for row, name in zip(top, names, strict=True)]
    rest = f" The {TOP} largest of {len(reached):,}." if len(top) < len(reached) else ""
    meaning = record.summary["interval_meaning"]
    return Chart(
        name="shares",
        title="Shares of the starts",
        caption=f"The part of all starts that reached each point. Lines: {meaning}.{rest}",
        alt=" ".join(f"{name}: {look.share(record, row)}." for name, row in zip(names[:6], top, strict=False)),
        figure=figure(
            lines,
            xaxis={"title": {"text": "share of the starts"}, "ticksuffix": " %", "rangemode": "tozero"},
            yaxis={"range": [len(top) - 0.5, -0.5], "showgrid": False, "ticks": "", "categoryorder": "array"}
            | {"categoryarray": names, "type": "category"},
            showlegend=False,
        ),
        numbers={
            "label": top,
            "kind": [name.rsplit(" ", 1)[0] for name in names],
            "loss": record.catalogue.loss[top],
            "starts": record.shares.count[top],
            "share": share,
            "low": interval[:, 0],
            "high": interval[:, 1],
        },
        height=90 + ROW * len(top),
    )


def _line(record: Record, row: int, name: str) -> dict[str, Any]:
    """Return the dot and the interval of a point."""
    share, (low, high) = record.shares.share[row], record.shares.interval[row]
    (colour,) = look.colours(record, [row])
    bar = {"type": "data", "symmetric": False, "array": [100 * (high - share)], "arrayminus": [100 * (share - low)]}
    dot = {
        "type": "scatter",
        "mode": "markers",
        "x": [100 * share],
        "y": [name],
        "marker": {"size": 10, "color": colour, "symbol": look.symbol(record, row)},
        "hovertext": [look.said(record, row)],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    return dot | ({"error_x": bar | {"color": colour, "thickness": 2, "width": 5}} if low == low else {})


def levels(record: Record) -> Chart | None:
    """Draw minima and starts by level of the loss, each and added up from below; None with one level."""
    found = levels_of(record)
    if len(found.loss) < 2:
        return None
    single = len(found.loss) <= SINGLE
    minima = words.kinds(int(found.minima.sum()), "minimum")
    smoothed = f" Upper curves are smoothed by a Gaussian of standard deviation {_width(found)}." if not single else ""
    lowest = look.loss(record, found.loss[0])
    return Chart(
        name="levels",
        title="Levels of the loss",
        caption=f"{minima} at {words.several(len(found.loss), 'level')}: the share of starts that end at each, and of "
        f"minima that lie there; below, both added up from the lowest. Starts above minima: low levels are reached "
        f"more often than their number says.{smoothed}",
        alt=f"The lowest level, {lowest}, has {words.kinds(int(found.minima[0]), 'minimum')} and "
        f"{words.percent(found.share[0], record.summary['starts'])} of the starts.",
        figure=figure(
            [*(_each(found) if single else _smooth(found)), *_total(found)],
            xaxis={"anchor": "y2", "title": {"text": "loss of the minimum"}},
            yaxis={"domain": [0.56, 1.0], "rangemode": "tozero", "ticksuffix": " %"}
            | {"title": {"text": "at the level" if single else f"per {_width(found)} of loss"}},
            yaxis2={"domain": [0.0, 0.46], "range": [0, 104], "ticksuffix": " %", "title": {"text": "at or below"}},
        ),
        numbers={"loss": found.loss, "minima": found.minima, "share": found.share},
        height=460,
    )


def _each(found: Levels) -> list[dict[str, Any]]:
    """Return a stem for the share of the starts at each level and a dot for that of the minima."""
    part = 100 * found.minima / found.minima.sum()
    stems = np.stack([np.zeros(len(part)), 100 * found.share, np.full(len(part), np.nan)], axis=1).ravel()
    told = [f"{words.several(int(n), 'minimum', 'minima')}" for n in found.minima]
    starts = {"type": "scatter", "mode": "lines", "x": np.repeat(found.loss, 3).tolist(), "y": stems.tolist()}
    minima = {"type": "scatter", "mode": "markers", "x": found.loss.tolist(), "y": part.tolist(), "hovertext": told}
    hover = "loss %{x:.6g}<br>%{y:.4g} % of the "
    return [
        starts | {"name": "starts", "line": {"width": 6, "color": "var(--line)"}}
        | {"hovertemplate": f"{hover}starts<extra></extra>"},
        minima | {"name": "minima", "marker": {"size": 9, "color": "var(--accent)"}}
        | {"hovertemplate": f"{hover}minima<br>%{{hovertext}}<extra></extra>"},
    ]  # fmt: skip


def _smooth(found: Levels) -> list[dict[str, Any]]:
    """Return the shares of starts and minima as smoothed densities over the loss."""
    margin = 0.5 * np.ptp(found.loss) / (len(found.loss) - 1)
    edges = np.linspace(found.loss[0] - margin, found.loss[-1] + margin, CELLS + 1)
    at = digits((edges[1:] + edges[:-1]) / 2)
    curves = {"starts": found.share, "minima": found.minima / found.minima.sum()}
    looks: dict[str, dict[str, Any]] = {
        "starts": {"fill": "tozeroy", "fillcolor": "var(--faint)", "line": {"color": "var(--quiet)", "width": 1}},
        "minima": {"line": {"color": "var(--accent)", "width": 1.8}},
    }
    return [
        looks[name] | {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": at,
            "y": digits(100 * density(found.loss, curve, edges)),
            "hovertemplate": f"loss %{{x:.5g}}<br>%{{y:.3g}} % of the {name}<extra></extra>",
        }
        for name, curve in curves.items()
    ]  # fmt: skip


def _total(found: Levels) -> list[dict[str, Any]]:
    """Return the shares added up from the lowest level."""
    rows = np.unique(np.linspace(0, len(found.loss) - 1, CELLS).astype(int))
    curves = (("starts", found.share, "var(--quiet)"), ("minima", found.minima / found.minima.sum(), "var(--accent)"))
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": digits(found.loss[rows]),
            "y": digits(100 * np.cumsum(share)[rows]),
            "line": {"shape": "hv", "color": colour, "width": 1.8},
            "yaxis": "y2",
            "showlegend": False,
            "name": name,
            "hovertemplate": f"%{{y:.4g}} % of the {name}<br>at or below %{{x:.6g}}<extra></extra>",
        }
        for name, share, colour in curves
    ]


def _width(found: Levels) -> str:
    return words.number(WIDTH * float(np.ptp(found.loss)), 2, 0.0)
