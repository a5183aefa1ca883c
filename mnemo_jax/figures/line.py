"""One-dimensional losses: the curve, its critical points, and the basins as a band below."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnemo_jax.figures import where, words
from mnemo_jax.figures.marks import basin_handles, critical_points, legend
from mnemo_jax.figures.style import INK, basin_colour, basin_colours, page, styled
from mnemo_jax.record import Record

COLUMNS = 1600  # of the band
WALLS = 4.0  # times the range of the critical points' losses, that walls rise above them
FEW = 200  # random starts below which each is drawn as a stroke


@styled
def curve(record: Record) -> Figure | None:
    """Draw the loss over the box, its critical points by kind, and below the label each start reached.

    Starts without a label (not converged, or at no point of the catalogue) are grey. None for other dimensions.
    """
    if record.config["loss"]["dim"] != 1:
        return None
    with np.load(record.path / "picture.npz") as file:
        x, loss = file["axis0"], file["loss"]
    figure = page(record, "the loss and the basins of its critical points", words.starts(record), 7.2, 4.0)
    top, band = figure.subplots(2, 1, sharex=True, height_ratios=[14, 1], gridspec_kw={"hspace": 0.02})
    top.plot(x, loss, color=INK, linewidth=1.5, zorder=3)
    top.set_xlim(x[0], x[-1])
    table = record.catalogue
    _limit(top, x, loss, where.box(record)[:, 0], table.loss)
    top.set_ylabel("loss")
    top.tick_params(bottom=False)
    top.spines["bottom"].set_visible(False)
    handles = critical_points(top, record, np.stack([table.x[:, 0], table.loss], axis=1))
    drawn = _band(band, record)
    legend(top, [("critical points", handles), ("basins: label, share", basin_handles(record) if drawn else [])])
    return figure


def _limit(axes: Axes, x: np.ndarray, loss: np.ndarray, box: np.ndarray, critical: np.ndarray) -> None:
    """Show the loss's values in the box; high walls are cut so that the critical points stand apart."""
    inside = loss[(x >= box[0]) & (x <= box[1]) & np.isfinite(loss)]
    if not len(inside):
        return
    low, high = inside.min(), inside.max()
    if len(critical) and np.ptp(critical) > 0:
        high = min(high, critical.max() + WALLS * np.ptp(critical))
    margin = 0.06 * ((high - low) or 1.0)
    axes.set_ylim(low - margin, high + margin)


def _band(axes: Axes, record: Record) -> bool:
    """Colour the axis by the label of the nearest start; return whether the starts could be made again."""
    axes.set_xlabel("x")
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_ylim(0, 1)
    axes.set_ylabel("label", rotation=0, ha="right", va="center")
    cells = where.grid(record)
    found = None if cells is not None else where.places(record)
    if cells is not None:
        _stripe(axes, where.ranks_of(record, cells), *where.box(record)[:, 0])
    elif found is not None and len(found[0]) < FEW:
        colours = [basin_colour(int(rank)) for rank in where.ranks_of(record, found[1])]
        axes.vlines(found[0][:, 0], 0, 1, colors=colours, linewidth=2.0, gid="starts")
    elif found is not None:
        low, high = where.window(record, found[0])[:, 0]
        column = low + (np.arange(COLUMNS) + 0.5) / COLUMNS * (high - low)
        ranks = where.ranks_of(record, found[1])
        _stripe(axes, where.nearest(column[:, None], found[0], ranks, where.periods(record)), low, high)
    return cells is not None or found is not None


def _stripe(axes: Axes, ranks: np.ndarray, low: float, high: float) -> None:
    """Fill the axes from ``low`` to ``high`` with the colours of equal cells."""
    limits = axes.get_xlim()
    extent = (low, high, 0, 1)
    axes.imshow(basin_colours(ranks)[None], extent=extent, aspect="auto", interpolation="nearest", gid="basins")
    axes.set_xlim(*limits)
