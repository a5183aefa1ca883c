"""Which minimum each place leads to: a map in two dimensions, a band in one."""

from typing import Any

import numpy as np

from mnemo_jax.figures import colours, where, words
from mnemo_jax.figures.basins import FEW
from mnemo_jax.record import Record
from mnemo_jax.report import look, maps, theme
from mnemo_jax.report.chart import Cells, Chart, digits, figure
from mnemo_jax.types import Kind

PIXELS = 300  # per axis of a map of random starts
CELLS = 500  # per axis of a map of starts on a grid at most
COLUMNS = 800  # of a band
NAMED = 12  # labels with a line of their own in a legend
CROWDED = 200  # points above which none are marked
NONE, EMPTY = -1, -2  # no label, and no start near


def basins(record: Record) -> Chart | None:
    """Draw the starts by the label they reached, cell by cell on a grid, else by the nearest start.

    None for other dimensions, where no start has a label, and where the starts cannot be made again.
    """
    if record.config["loss"]["dim"] != 2 or not len(look.reached(record)):
        return None
    image, shown, how = _image(record)
    if image is None:
        return None
    x, y = _centres(shown, image.shape)
    cells = _cells(record, image.T) | {"x": digits(x), "y": digits(y)}
    cells["hovertemplate"] = "x₁ %{x:.4g}<br>x₂ %{y:.4g}<br>label %{z}<extra></extra>"
    table = record.catalogue
    rows = np.flatnonzero((table.kind == Kind.MINIMUM) | (record.shares.count > 0))
    rows = rows[np.all((table.x[rows] >= shown[0]) & (table.x[rows] <= shown[1]), axis=1)]
    many = not look.hues(record)
    marks = look.marks(record, rows, table.x[rows, 0], table.x[rows, 1]) if len(rows) <= CROWDED else []
    marks = [mark for mark in marks if "hovertext" in mark] if not many else marks
    told = "colour is the loss of the point reached" if many else "each label has its colour"
    return Chart(
        name="basins",
        title="Basins: the label each start reached",
        caption=f"{words.starts(record)}; {told}. {how} {words.outside(record, shown)}",
        alt=f"A map of the box coloured by the label that a start there reached. {_parts(record)}",
        figure=figure([cells, *marks, *keys(record)], **maps.axes(shown)),
        numbers=Cells(0, "x2 \\ x1"),
        height=maps.AROUND,
        ratio=maps.ratio(shown),
    )


def band(record: Record) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the band below the curve of a loss of one variable, none where its starts are lost, and its legend."""
    image = where.grid(record)
    if image is None:
        found = where.places(record)
        if found is None:
            return [], []
        low, high = where.spread(record, found[0])[:, 0]
        column = low + (np.arange(COLUMNS) + 0.5) / COLUMNS * (high - low)
        image = where.nearest(column[:, None], *found, where.periods(record))
    else:
        low, high = where.box(record)[:, 0]
        column = low + (np.arange(len(image)) + 0.5) / len(image) * (high - low)
    strip = _cells(record, image[None]) | {"x": digits(column), "y": [0.5], "yaxis": "y2", "opacity": 1.0}
    return [strip | {"hovertemplate": "x %{x:.5g}<br>label %{z}<extra></extra>"}], keys(record)


def _image(record: Record) -> tuple[np.ndarray | None, np.ndarray, str]:
    """Return labels ``[n, m]``, the first index along x1, the window that they fill, and how they came about."""
    box = where.box(record)
    grid = where.grid(record)
    if grid is not None:
        stride = -(-max(grid.shape) // CELLS)
        shape = " × ".join(str(n) for n in record.config["starts"]["shape"])
        thinned = f" of {shape}" if grid[::stride, ::stride].shape != tuple(record.config["starts"]["shape"]) else ""
        grid = grid[stride // 2 :: stride, stride // 2 :: stride]
        return grid, box, f"Each cell is a start on a grid, {grid.shape[0]} × {grid.shape[1]}{thinned} shown."
    found = where.places(record)
    if found is None:
        return None, box, ""
    x, label = found
    shown = where.spread(record, x) if len(x) >= FEW else box
    pixels = np.stack([a.ravel() for a in np.meshgrid(*_centres(shown, (PIXELS, PIXELS)), indexing="ij")], axis=-1)
    image = where.nearest(pixels, x, label, where.periods(record)).reshape(PIXELS, PIXELS)
    empty = " Blank: no start was near." if np.any(image == EMPTY) else ""
    return image, shown, f"Every place has the colour of the nearest start.{empty}"


def _centres(shown: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    return [low + (np.arange(n) + 0.5) / n * (high - low) for n, (low, high) in zip(shape, shown.T, strict=True)]


def _cells(record: Record, label: np.ndarray) -> dict[str, Any]:
    """Return labels ``[rows, columns]`` as a heatmap in their colours."""
    known = [[None if v == EMPTY else v for v in row] for row in label.tolist()]
    most = len(record.catalogue.x)
    return {
        "type": "heatmap",
        "z": known,
        "zmin": NONE - 0.5,
        "zmax": most - 0.5,
        "colorscale": _scale(record, most),
        "showscale": False,
        "opacity": 0.82,
    }


def _scale(record: Record, most: int) -> list[list[Any]]:
    """Return the colours of no label and of the labels below ``most``: a step for each, or the loss's for many."""
    own, width = look.hues(record), 1 / (most + 1)
    if own:
        ends = [(label + 1) * width for label in own]
        steps = zip(["var(--none)", *own.values()], [0.0, *ends], [*ends, 1.0], strict=True)
        return [[end, colour] for colour, *both in steps for end in both]
    # Labels are in the order of losses, so that a scale over labels can be one over losses.
    height = colours.heights(record.catalogue.loss[look.reached(record)]).boundaries
    part = np.searchsorted(height, record.catalogue.loss) / len(height)
    at = [width * (1.5 + int(np.searchsorted(part, k / (theme.HEIGHTS - 1)))) for k in range(theme.HEIGHTS)]
    stops = [[min(place, 1.0), colour] for place, (_, colour) in zip(at, theme.heights(), strict=True)]
    return [[0.0, "var(--none)"], [width, "var(--none)"], [width, stops[0][1]], *stops, [1.0, stops[-1][1]]]


def keys(record: Record) -> list[dict[str, Any]]:
    """Return the lines of the legend that name the largest basins, and starts without a label."""
    own, shares = look.hues(record), record.shares
    top = sorted(sorted(own, key=lambda row: (-shares.count[row], row))[:NAMED])
    lines = [(f"{row}  {words.percent(shares.share[row], record.summary['starts'])}", own[row]) for row in top]
    none = 1 - shares.count.sum() / record.summary["starts"]
    if none > 0:
        lines.append((f"no label  {words.percent(none, record.summary['starts'])}", "var(--none)"))
    square = {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "hoverinfo": "skip"}
    marker = {"symbol": "square", "size": 11}  # a group each, as plotly sets those of one group below each other
    return [square | {"name": name, "legendgroup": name, "marker": marker | {"color": c}} for name, c in lines]


def _parts(record: Record) -> str:
    top = np.argsort(-record.shares.count, kind="stable")[: min(NAMED, len(look.reached(record)))]
    return " ".join(f"{look.name_of(record, row).capitalize()}: {look.share(record, row)}." for row in top)
