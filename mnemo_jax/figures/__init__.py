"""Figures of a record, made from its folder alone."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from mnemo_jax.figures import basins, levels, line, plane, shares, stalls, steps, style
from mnemo_jax.record import Record

# Each function returns its figure, or None where the figure does not apply to the record.
FIGURES: dict[str, Callable[[Record], Figure | None]] = {
    "curve": line.curve,
    "landscape": plane.landscape,
    "basins": basins.basins,
    "shares": shares.shares,
    "levels": levels.levels,
    "steps": steps.steps,
    "stalls": stalls.stalls,
}


def draw(record: Record, folder: Path | None = None) -> list[Path]:
    """Draw every figure that applies to the record, as SVG and PNG, and return the files.

    Args:
        record: what to draw.
        folder: where the files go; the folder ``figures`` of the record when None.
    """
    target = record.path / "figures" if folder is None else folder
    written: list[Path] = []
    for name, figure_of in FIGURES.items():
        figure = figure_of(record)
        if figure is not None:
            written += style.save(figure, target / name)
    return written
