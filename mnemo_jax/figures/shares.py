"""Shares with their intervals, the largest first, as dots and lines beside a table."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnemo_jax import estimates
from mnemo_jax.figures import words
from mnemo_jax.figures.style import FAINT, INK, KIND_COLOURS, KIND_MARKERS, QUIET, page, styled
from mnemo_jax.record import Record
from mnemo_jax.tables import KINDS

TOP = 30
ROW = 0.21  # inches


class _Row(NamedTuple):
    """A line of the figure: its first column and loss, share, interval and kind (none for starts without a label)."""

    label: str
    loss: str
    share: float
    interval: np.ndarray
    kind: str | None


@styled
def shares(record: Record) -> Figure | None:
    """Draw the largest shares as dots with their 95 % intervals, and what is left without a label below them.

    Each row tells label, loss, share and interval; the marker is the kind. None when no start has a label.
    """
    reached = np.flatnonzero(record.shares.count > 0)
    if not len(reached):
        return None
    top = reached[np.argsort(-record.shares.count[reached], kind="stable")][:TOP]
    rows = [_row(record, int(label)) for label in top] + _without(record)
    figure = page(record, "shares of the starts", _note(record, reached, top), 6.8, 1.35 + ROW * (len(rows) + 1))
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        _draw(axes, place, row, record.summary["starts"])
    _frame(axes, rows, record.config["starts"]["kind"] == "grid")
    return figure


def _row(record: Record, label: int) -> _Row:
    table, shares = record.catalogue, record.shares
    kind = KINDS[table.kind[label]]
    loss = words.number(float(table.loss[label]), 7, record.dust)
    name = str(label) if kind == "minimum" else f"{kind} {label}"
    return _Row(name, loss, float(shares.share[label]), shares.interval[label], kind)


def _without(record: Record) -> list[_Row]:
    """Return the row of the starts without a label, where there are any."""
    total = record.summary["starts"]
    none = _none(record)
    if not none:
        return []
    interval = np.full(2, np.nan)
    if record.config["starts"]["kind"] in ("uniform", "normal"):
        interval = estimates.independent(np.array([none]), total).interval[0]
    return [_Row("none", "", none / total, interval, None)]


def _note(record: Record, reached: np.ndarray, top: np.ndarray) -> str:
    meaning = record.summary["interval_meaning"]
    lines = [f"{words.starts(record)}. {meaning[0].upper()}{meaning[1:]}."]
    if len(top) < len(reached):
        rest = float(1 - record.shares.share[top].sum() - _none(record) / record.summary["starts"])
        told = words.percent(max(rest, 0.0), record.summary["starts"])
        lines.append(f"The {len(top)} largest of {len(reached):,}; the {len(reached) - len(top):,} others hold {told}.")
    unseen = record.summary["unseen"]
    if unseen["mass"] is not None and unseen["interval"]:
        mass, low, high = (words.number(100 * end, 2) for end in (unseen["mass"], *unseen["interval"]))
        lines.append(f"Starts that lead to points not seen yet: {mass} %, 95 % interval {low} to {high} %.")
    return "\n".join(lines)


def _none(record: Record) -> int:
    return int(record.summary["starts"] - record.shares.count.sum())


def _draw(axes: Axes, place: int, row: _Row, total: int) -> None:
    """Draw one row: interval, dot, and the table's cells on both sides."""
    colour = KIND_COLOURS[row.kind] if row.kind else QUIET
    marker = KIND_MARKERS[row.kind] if row.kind else "s"
    axes.axhline(place, color=FAINT, linewidth=0.5, zorder=0)
    known = bool(np.all(np.isfinite(row.interval)))
    if known:
        axes.plot(
            row.interval,
            [place, place],
            "-|",
            color=colour,
            markersize=8,
            markeredgewidth=1.2,
            clip_on=False,
            gid="interval",
        )
    axes.plot(
        row.share, place, marker, color=colour, markersize=5, markeredgewidth=0, zorder=3, clip_on=False, gid="share"
    )
    digits = words.decimals(row.share, total) + 1
    told = "  –  ".join(f"{100 * end:.{digits}f}" for end in row.interval) if known else ""
    cells(axes, place, row.label, row.loss, f"{100 * row.share:.{digits}f} %", told, INK if row.kind else QUIET)


def cells(axes: Axes, place: float, label: str, loss: str, share: str, interval: str, colour: str) -> None:
    """Write the cells of a row on both sides of the axes: its name and a number, its share and the interval."""
    for text, edge, offset, side in (
        (label, 0, -78, "right"),
        (loss, 0, -8, "right"),
        (share, 1, 58, "right"),
        (interval, 1, 72, "left"),
    ):
        axes.annotate(
            text, (edge, place), xycoords=("axes fraction", "data"), xytext=(offset, 0), textcoords="offset points",
            ha=side, va="center", fontsize=8, color=colour, annotation_clip=False,
        )  # fmt: skip


def _frame(axes: Axes, rows: list[_Row], bounds: bool) -> None:
    ends = [end for row in rows for end in (row.share, row.interval[1]) if np.isfinite(end)]
    axes.set_xlim(0, 1.04 * max(ends))
    axes.set_ylim(len(rows) - 0.4, -1.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(words.percent_ticks())
    axes.set_xlabel("share")
    head = "" if not any(np.isfinite(row.interval).all() for row in rows) else "bounds" if bounds else "95 % interval"
    cells(axes, -1, "label", "loss", "share", head, QUIET)
