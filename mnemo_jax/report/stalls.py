"""How long stalls last, by the place they were at."""

from typing import Any, NamedTuple

import numpy as np

from mnemo_jax.dwells import Dwells, Place
from mnemo_jax.figures import words
from mnemo_jax.figures.stalls import ENOUGH, WIDE, name_of, rest_told
from mnemo_jax.record import Record
from mnemo_jax.report import theme
from mnemo_jax.report.chart import Chart, digits, figure
from mnemo_jax.report.table import Cell, Column, Table
from mnemo_jax.stall_report import point
from mnemo_jax.survival import thinned
from mnemo_jax.terminal import percent

CURVE = 200  # lengths of a curve
CROSSES = 60  # censored stalls of a place that are marked
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "5px,2px")
PLACES = 200  # rows of the table


class _Line(NamedTuple):
    place: Place
    name: str
    colour: str
    dash: str


def stalls(record: Record, told: Dwells) -> Chart | None:
    """Draw the Kaplan-Meier estimate of stalls at the places with most of them; None with fewer than five stalls."""
    if told.overall.stalls < ENOUGH:
        return None
    lines = _lines(record, told)
    medians = [_median(line.name, line.place) for line in lines]
    rest = rest_told(told, [line.place for line in lines if line.place is not told.overall])
    more = f" {rest}" if rest else ""
    censored = sum(told.overall.censored.values())
    open_ = f" Crosses: {censored:,} were not over when the descent ended, and count up to there." if censored else ""
    return Chart(
        name="survival",
        title="Survival of stalls",
        caption=f"The share of {words.several(told.overall.stalls, 'stall')} that last longer than a number of steps, "
        "by the place they were at (Kaplan and Meier's estimate), with bands of 95 % that know which stalls are of "
        f"one start.{open_}{more}",
        alt=" ".join(medians),
        figure=figure(
            [trace for line in lines for trace in _curve(line)],
            xaxis=_axis([line.place for line in lines]),
            yaxis={"title": {"text": "share that lasts longer"}, "ticksuffix": " %", "range": [0, 103]},
        ),
        numbers=_numbers(lines),
        height=440,
    )


def _lines(record: Record, told: Dwells) -> list[_Line]:
    shown = [place for place in told.places if place.stalls >= ENOUGH][: theme.PLACES]
    lines = [_Line(place, name_of(record, place, False), theme.place(k), DASHES[k]) for k, place in enumerate(shown)]
    if len(told.places) + told.further > 1 or not lines:
        lines.append(_Line(told.overall, "all places", "var(--quiet)", "solid"))
    return lines


def _median(name: str, place: Place) -> str:
    steps = place.median.steps
    half = "more than half outlast what was seen" if steps is None else f"half are over after {steps:,} steps"
    return f"{name}: {words.several(place.stalls, 'stall')}, {half}."


def _curve(line: _Line) -> list[dict[str, Any]]:
    """Return the band, the curve and the crosses of a place."""
    told, rows = line.place.survival, thinned(line.place.survival, CURVE)
    at = np.concatenate([[0], told.at[rows]])
    share = np.concatenate([[1.0], told.share[rows]])
    low, high = np.concatenate([[[1.0, 1.0]], line.place.band[rows]]).T
    base = {"type": "scatter", "mode": "lines", "legendgroup": line.name}
    look = {"color": line.colour, "width": 2, "shape": "hv", "dash": line.dash}
    hover = f"{line.name}<br>longer than %{{x:,}} steps: %{{y:.4g}} %<extra></extra>"
    curve = base | {"x": at.tolist(), "y": digits(100 * share), "line": look, "hovertemplate": hover}
    curve |= {"name": f"{line.name} ({line.place.stalls:,})"}
    return [*_band(base, line, at, low, high), curve, *_crosses(base, line)]


def _band(base: dict[str, Any], line: _Line, at: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[dict[str, Any]]:
    """Return the band as one outline of steps, there and back."""
    known = np.isfinite(low) & np.isfinite(high)
    if known.sum() < 2:
        return []
    at, low, high = at[known], low[known], high[known]
    x = np.repeat(at, 2)[1:]
    sides = [np.repeat(side, 2)[:-1] for side in (high, low)]
    outline = np.concatenate([x, x[::-1]]), np.concatenate([sides[0], sides[1][::-1]])
    filled = {"fill": "toself", "fillcolor": line.colour, "opacity": 0.1, "line": {"width": 0}, "hoverinfo": "skip"}
    return [base | filled | {"x": outline[0].tolist(), "y": digits(100 * outline[1]), "showlegend": False}]


def _crosses(base: dict[str, Any], line: _Line) -> list[dict[str, Any]]:
    told = line.place.survival
    rows = np.flatnonzero(told.censored)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, CROSSES).astype(int))] if len(rows) else rows
    marker = {"symbol": "cross-thin", "size": 9, "line": {"width": 1.5, "color": line.colour}}
    cross = base | {"mode": "markers", "x": told.at[rows].tolist(), "y": digits(100 * told.share[rows])}
    return [cross | {"marker": marker, "showlegend": False, "hoverinfo": "skip"}] if len(rows) else []


def _axis(places: list[Place]) -> dict[str, Any]:
    low = float(min(place.survival.at[0] for place in places))
    high = float(max(place.survival.at[-1] for place in places))
    axis = {"title": {"text": "length of the stall, steps"}}
    if high <= WIDE * max(low, 1.0):
        return axis | {"range": [0, 1.04 * high], "tickformat": ",d"}
    ends = np.log10([max(low - 1, 1), 1.1 * high])
    return axis | {
        "type": "log",
        "range": ends.tolist(),
        "dtick": "D2" if np.ptp(ends) < 2.2 else 1,
        "tickformat": ",~r",
    }


def _numbers(lines: list[_Line]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in ("place", "steps", "share", "low", "high", "at_risk")}
    for line in lines:
        told, rows = line.place.survival, thinned(line.place.survival, CURVE)
        found = (told.at[rows], told.share[rows], *line.place.band[rows].T, told.at_risk[rows])
        columns["place"] += [line.name] * len(rows)
        for name, values in zip(list(columns)[1:], found, strict=True):
            columns[name] += values.tolist()
    return columns


def places(record: Record, told: Dwells) -> Table | None:
    """Return the places of stalls as a table; None without stalls."""
    if not told.overall.stalls:
        return None
    shown, asked = told.places[:PLACES], _asked(told)
    columns = [
        Column("at", "left", "the critical point, or flat regions"),
        Column("label"),
        Column("index"),
        Column("escape rate", meaning="minus the smallest eigenvalue"),
        Column("growth", meaning="factor a step by which plain gradient descent leaves"),
        Column("stalls"),
        Column("starts"),
        Column("open at the end", meaning="stalls that were not over when the descent ended"),
        Column("median steps"),
        Column("95 % interval"),
        Column("longest"),
        *(
            Column(f"> {told.longer[k]:,} steps", meaning="share of all starts that stalled there longer")
            for k in asked
        ),
    ]
    number = len(told.places) + told.further
    return Table(
        name="places",
        caption="Where descents stalled, and for how long",
        columns=columns,
        rows=[_row(record, told, place, asked) for place in ([*shown, told.overall] if number > 1 else shown)],
        note=f"The {len(shown):,} places with most stalls, of {number:,}." if number > len(shown) else "",
    )


def _asked(told: Dwells) -> list[int]:
    """Return which numbers of steps have a column: up to the first that no start stalled longer than."""
    none = np.flatnonzero(told.overall.longer == 0)
    return list(range(len(told.longer)))[: int(none[0]) + 1 if len(none) else None]


def _row(record: Record, told: Dwells, place: Place, asked: list[int]) -> list[Cell]:
    at: dict[str, Any] = {"at": "all places"} if place is told.overall else point(record, place.label)
    rate, growth, (steps, low, high) = at.get("escape_rate"), at.get("growth"), place.median
    interval = "" if low is None else f"{low:,} – " + ("" if high is None else f"{high:,}")
    shares = [Cell(f"{percent(share)} %" if share else "0 %", float(share)) for share in place.share[asked]]
    return [
        Cell(at["at"] + (f", nullity {at['nullity']}" if at.get("nullity") else "")),
        _whole(at.get("label")),
        _whole(at.get("index")),
        Cell("", "") if rate is None else Cell(f"{rate:.4g}", rate),
        Cell("", "") if growth is None else Cell(f"{growth:.5g}", growth),
        _whole(place.stalls),
        _whole(place.starts),
        _whole(sum(place.censored.values())),
        Cell("not reached", "") if steps is None else _whole(steps),
        Cell(interval, "" if low is None else low),
        _whole(place.longest),
        *shares,
    ]


def _whole(number: int | None) -> Cell:
    return Cell("", "") if number is None else Cell(f"{number:,}", number)
