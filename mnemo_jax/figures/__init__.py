"""Figures of a run, an escape experiment, a search, a sweep and a comparison, made from its folder alone."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from mnemo_jax.escapes import is_escape
from mnemo_jax.figures import (
    basins,
    boundary,
    edges,
    escape,
    faithfulness,
    final_losses,
    generalisation,
    graph,
    index,
    levels,
    line,
    networks,
    plane,
    points,
    shares,
    spectra,
    stalls,
    steps,
    style,
    sweep,
    training,
    tree,
    ways,
)
from mnemo_jax.found import CriticalPoints, several
from mnemo_jax.record import Record
from mnemo_jax.run_boundary import Boundary

# Each function returns its figure, or None where the figure does not apply to the record.
FIGURES: dict[str, Callable[[Record], Figure | None]] = {
    "curve": line.curve,
    "landscape": plane.landscape,
    "basins": basins.basins,
    "boundary": boundary.boundary,
    "uncertain": boundary.uncertain,
    "shares": shares.shares,
    "levels": levels.levels,
    "steps": steps.steps,
    "stalls": stalls.stalls,
    "ways": ways.ways,
    "training": training.training,
    "final_losses": final_losses.final_losses,
    "generalisation": generalisation.generalisation,
    **networks.FIGURES,
}
ESCAPE_FIGURES: dict[str, Callable[[Record], Figure | None]] = {"escape": escape.escape}
SEARCH_FIGURES: dict[str, Callable[[CriticalPoints], Figure | None]] = {
    "points": points.points,
    "index": index.index,
    "spectra": spectra.spectra,
    "tree": tree.tree,
    "pathways": graph.pathways,
}
SEVERAL: dict[str, dict[str, Callable[[Mapping[str, Any]], Figure | None]]] = {
    "sweep.json": {"shares": sweep.shares},
    "compare.json": {"costs": faithfulness.costs, "maps": faithfulness.maps},
}
"""Figures of several runs side by side, by the file that their folder has."""


def draw_several(folder: Path) -> list[Path] | None:
    """Draw the figures of a sweep's or a comparison's folder, as SVG and PNG; return the files, None for others.

    Raises:
        UserError: it is unfinished.
    """
    found = several(folder)
    if found is None:
        return None
    name, told = found
    return _saved(((stem, figure_of(told)) for stem, figure_of in SEVERAL[name].items()), folder / "figures")


def draw(record: Record, folder: Path | None = None) -> list[Path]:
    """Draw every figure that applies to the record, as SVG and PNG, and return the files.

    Args:
        record: what to draw.
        folder: where the files go; the folder ``figures`` of the record when None.
    """
    figures = ESCAPE_FIGURES if is_escape(record) else FIGURES
    made = ((name, figure_of(record)) for name, figure_of in figures.items())
    return _saved(made, record.path / "figures" if folder is None else folder)


def draw_search(found: CriticalPoints, folder: Path | None = None) -> list[Path]:
    """Draw every figure that applies to what a search found, as SVG and PNG, and return the files.

    Args:
        found: what to draw.
        folder: where the files go; the folder ``figures`` of the record when None.
    """
    made = ((name, figure_of(found)) for name, figure_of in SEARCH_FIGURES.items())
    return _saved(made, found.path / "figures" if folder is None else folder)


def draw_boundary(record: Record, found: Boundary, folder: Path | None = None) -> list[Path]:
    """Draw the figures of a run's boundaries, as SVG and PNG, and return the files.

    Args:
        record: the run.
        found: its boundaries.
        folder: where the files go; the folder ``figures`` of the record when None.
    """
    made = {name: FIGURES[name](record) for name in ("boundary", "uncertain")} | {"edges": edges.edges(record, found)}
    return _saved(made.items(), record.path / "figures" if folder is None else folder)


def draw_networks(record: Record, folder: Path | None = None) -> list[Path]:
    """Draw the figures of a run's trained networks, as SVG and PNG, and return the files.

    Args:
        record: the run, beside which `run_networks.write` has written what was found.
        folder: where the files go; the folder ``figures`` of the record when None.
    """
    made = ((name, figure_of(record)) for name, figure_of in networks.FIGURES.items())
    return _saved(made, record.path / "figures" if folder is None else folder)


def _saved(made: Iterable[tuple[str, Figure | None]], folder: Path) -> list[Path]:
    """Save the figures that there are under their names."""
    return [path for name, figure in made if figure is not None for path in style.save(figure, folder / name)]
