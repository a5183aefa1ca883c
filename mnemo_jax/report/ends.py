"""Where descents on data end, as a page shows it: final losses, their levels, and train against test."""

from typing import Any

import numpy as np

from mnemo_jax.figures import words
from mnemo_jax.figures.final_losses import Final, final_of, shares_of_bins
from mnemo_jax.figures.final_losses import note as losses_note
from mnemo_jax.figures.generalisation import (
    MARKS,
    Generalisation,
    bins,
    cells,
    ends_of,
    generalisation_of,
    told_rho,
    wide_of,
)
from mnemo_jax.figures.generalisation import note as pairs_note
from mnemo_jax.record import Record
from mnemo_jax.report.chart import Chart, digits, figure, log_axis
from mnemo_jax.report.table import Cell, Column, Table
from mnemo_jax.report.theme import heights
from mnemo_jax.terminal import percent

MAIN, STRIP = [0.0, 0.84], [0.87, 1.0]  # of the chart, along both axes


def final_losses(record: Record) -> Chart | None:
    """Draw the distribution of the final losses, and the levels at which they gather with their intervals.

    None for runs without measures on data whose ends were not kept.
    """
    found = final_of(record)
    if found is None:
        return None
    share, edges = shares_of_bins(found), found.edges
    wide = found.levels.wide
    ends = np.log10(edges[[0, -1]]) if wide else edges[[0, -1]] + 0.02 * np.ptp(edges) * np.array([-1, 1])
    return Chart(
        name="final-losses",
        title="Final losses",
        caption=losses_note(record, found),
        alt=f"{found.name} at the end: median {words.number(float(np.median(found.loss)), 4)}, "
        f"{words.several(len(found.levels.loss), 'level')} at which starts gather.",
        figure=figure(
            [_bins(found, share), *_levels(found)],
            xaxis={"title": {"text": f"{found.name} at the end"}, "range": ends.tolist()}
            | (log_axis(*edges[[0, -1]]) if wide else {}),
            yaxis={"title": {"text": "share of the starts"}, "ticksuffix": " %", "rangemode": "tozero"},
            showlegend=bool(len(found.levels.loss)),
        ),
        numbers={"from": edges[:-1], "to": edges[1:], "share": share},
    )


def _bins(found: Final, share: np.ndarray) -> dict[str, Any]:
    """Return the share of the starts in every bin, as steps that are filled."""
    low, high = found.edges[:-1], found.edges[1:]
    told = [
        f"{words.several(round(part * found.read), 'start')}, {words.number(a, 4)} to {words.number(b, 4)}"
        for part, a, b in zip(share.tolist(), low.tolist(), high.tolist(), strict=True)
    ]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": digits(np.append(low, high[-1]), 8),
        "y": digits(100 * np.append(share, share[-1])),
        "line": {"shape": "hv", "width": 1, "color": "var(--quiet)"},
        "fill": "tozeroy",
        "fillcolor": "var(--line)",
        "name": "starts",
        "hovertext": [*told, ""],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }


def _levels(found: Final) -> list[dict[str, Any]]:
    """Return the levels with their shares and intervals."""
    levels = found.levels
    if not len(levels.loss):
        return []
    share, (low, high) = 100 * levels.share, 100 * levels.interval.T
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": levels.loss.tolist(),
            "y": share.tolist(),
            "error_y": {"array": (high - share).tolist(), "arrayminus": (share - low).tolist(), "symmetric": False}
            | {"thickness": 1.5, "width": 4, "color": "var(--bad)"},
            "marker": {"symbol": "triangle-down", "size": 9, "color": "var(--bad)"},
            "name": "levels, with 95 % intervals",
            "hovertext": [f"{words.number(loss, 6)}: {int(n):,} starts" for loss, n in zip(*levels[:2], strict=True)],
            "hovertemplate": "level %{hovertext}, %{y:.2f} %<extra></extra>",
        }
    ]


def levels(record: Record) -> Table | None:
    """Return the levels at which final losses gather as a table; None without any."""
    found = final_of(record)
    if found is None or not len(found.levels.loss):
        return None
    rows = [
        [
            Cell(words.number(loss, 6), float(loss)),
            Cell(f"{count:,}", int(count)),
            Cell(f"{percent(share)} %", float(share)),
            Cell(" – ".join(map(percent, interval)) + " %", float(interval[0])),
        ]
        for loss, count, share, interval in zip(*found.levels[:4], strict=True)
    ]
    columns = [Column("level", "left"), Column("starts"), Column("share"), Column("95 % interval", meaning="Wilson's")]
    return Table(
        name="loss-levels", caption="Levels at which final losses gather", columns=columns, rows=rows, whole=True
    )


def generalisation(record: Record) -> Chart | None:
    """Draw test accuracy (or loss) over train loss, a mark per start or a density, with strips of both distributions.

    None where no data were held out.
    """
    found = generalisation_of(record)
    if found is None:
        return None
    wide = wide_of(found)
    scale = 100 if found.names[1].endswith("accuracy") else 1
    x, y = ends_of(found.train, wide[0]), ends_of(found.held_out, wide[1])
    many = len(found.train) > MARKS
    return Chart(
        name="generalisation",
        title=f"{found.names[1].replace('_', ' ').capitalize()} against train loss",
        caption=pairs_note(record, found),
        alt=f"{told_rho(found)}.",
        figure=figure(
            [_density(found, x, y, wide, scale) if many else _starts(found, scale), *_strips(found, x, y, wide, scale)],
            xaxis=_axis(found.names[0], x, wide[0], 1),
            yaxis=_axis(found.names[1], y, wide[1], scale),
            xaxis2={"domain": STRIP, "visible": False},
            yaxis2={"domain": STRIP, "visible": False},
            showlegend=False,
            bargap=0,
        ),
        numbers={"start": found.start, found.names[0]: found.train, found.names[1]: found.held_out}
        if not many
        else _counts(found, x, y, wide),
        height=480,
    )


def _axis(name: str, ends: tuple[float, float], wide: bool, scale: int) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": {"text": f"{name.replace('_', ' ')} at the end"}, "domain": MAIN}
    if wide:
        return axis | log_axis(*ends) | {"range": np.log10(ends).tolist()}
    return axis | {"range": [scale * end for end in ends]} | ({"ticksuffix": " %"} if scale == 100 else {})


def _starts(found: Generalisation, scale: int) -> dict[str, Any]:
    count = len(found.train)
    unit = " %" if scale == 100 else ""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": digits(found.train),
        "y": digits(scale * found.held_out),
        "marker": {"size": 7 if count < 300 else 5, "color": "var(--accent)", "opacity": _opacity(count)},
        "text": [f"start {start:,}" for start in found.start.tolist()],
        "hovertemplate": f"%{{text}}<br>train loss %{{x:.4g}}<br>{found.names[1].replace('_', ' ')} %{{y:.4g}}{unit}"
        "<extra></extra>",
    }


def _opacity(count: int) -> float:
    return float(np.clip(300 / count, 0.3, 0.75))  # of each mark, so that they are darker where they lie on another


def _density(
    found: Generalisation, x: tuple[float, float], y: tuple[float, float], wide: list[bool], scale: int
) -> dict[str, Any]:
    """Return how many starts lie in each cell; colours go by the logarithm."""
    across, up, number = cells(found, x, y, wide)
    with np.errstate(divide="ignore"):
        tone = np.where(number > 0, -np.log10(number), np.nan)
    return {
        "type": "heatmap",
        "x": digits(across, 8),
        "y": digits(scale * up, 8),
        "z": digits(tone.T, 3),
        "customdata": number.T.astype(int).tolist(),
        "colorscale": heights(),
        "zmax": 0.3,
        "showscale": False,
        "hovertemplate": "%{customdata:,} starts<extra></extra>",
    }


def _counts(
    found: Generalisation, x: tuple[float, float], y: tuple[float, float], wide: list[bool]
) -> dict[str, np.ndarray]:
    across, up, number = cells(found, x, y, wide)
    a, b = np.nonzero(number)
    names = found.names
    return {
        f"{names[0]}_from": across[a],
        f"{names[0]}_to": across[a + 1],
        f"{names[1]}_from": up[b],
        f"{names[1]}_to": up[b + 1],
        "starts": number[a, b].astype(int),
    }


def _strips(
    found: Generalisation, x: tuple[float, float], y: tuple[float, float], wide: list[bool], scale: int
) -> list[dict[str, Any]]:
    """Return the distributions along both axes as bars beside the chart."""
    made = []
    for values, ends, log, times, across in (
        (found.train, x, wide[0], 1, True),
        (found.held_out, y, wide[1], scale, False),
    ):
        edges = bins(values, ends, log)
        number = np.histogram(values, edges)[0]
        middle = digits(times * (np.sqrt(edges[1:] * edges[:-1]) if log else (edges[1:] + edges[:-1]) / 2), 8)
        width = digits(times * np.diff(edges), 8)
        bar: dict[str, Any] = {"type": "bar", "marker": {"color": "var(--line)"}, "width": width}
        bar["hovertemplate"] = f"%{{{'y' if across else 'x'}:,}} starts<extra></extra>"
        sides = {"x": middle, "y": number.tolist()} if across else {"x": number.tolist(), "y": middle}
        made.append(bar | sides | ({"yaxis": "y2"} if across else {"xaxis": "x2", "orientation": "h"}))
    return made
