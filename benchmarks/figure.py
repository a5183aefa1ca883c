"""Rates of all competitors, a panel per workload."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.measure import Measured
from benchmarks.table import digits

COLUMNS = 3
OURS, OTHERS = "#D55E00", "#0072B2"  # Okabe and Ito (2008)
QUIET, FAINT = "#6b6b6b", "#dddddd"


def draw(panels: Sequence[tuple[str, Sequence[Measured]]], folder: Path) -> None:
    """Draw useful lane-steps per second, the median as a dot and all rounds as a line, as SVG and PNG."""
    kept = [(title, [row for row in rows if row.seconds and row.competitor.same_rule]) for title, rows in panels]
    kept = [(title, rows) for title, rows in kept if rows]
    if not kept:
        return
    lines = -(-len(kept) // COLUMNS)
    most = max(len(rows) for _, rows in kept)
    figure = Figure(figsize=(4.2 * min(COLUMNS, len(kept)), lines * (0.8 + 0.24 * most)), layout="constrained")
    grid = figure.subplots(lines, min(COLUMNS, len(kept)), squeeze=False).ravel()
    for axes, (title, rows) in zip(grid, kept, strict=False):
        panel(axes, title, rows)
    for axes in grid[len(kept) :]:
        axes.set_axis_off()
    for suffix in ("svg", "png"):
        figure.savefig(folder / f"benchmarks.{suffix}", dpi=200)


def panel(axes: Axes, title: str, rows: Sequence[Measured]) -> None:
    """Draw one workload, the fastest at the top."""
    for place, row in enumerate(sorted(rows, key=lambda row: row.rate)):
        colour = OURS if row.competitor.name == "ours" else OTHERS
        axes.plot([row.rates.min(), row.rates.max()], [place, place], color=colour, alpha=0.5)
        axes.plot(row.rate, place, "o", color=colour, markersize=5)
        axes.annotate(
            f"{digits(row.rate / 1e6)} M",
            (row.rate, place),
            (0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
            color=QUIET,
        )
    names = [row.competitor.title for row in sorted(rows, key=lambda row: row.rate)]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_ylim(-0.6, len(rows) - 0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlabel("useful lane-steps per second", fontsize=8)
