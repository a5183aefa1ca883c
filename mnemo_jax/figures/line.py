"""One-dimensional losses: the curve, its critical points, and the basins as a band below."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnemo_jax.figures import marks, where, words
from mnemo_jax.figures.colours import palette
from mnemo_jax.figures.style import INK, page, styled
from mnemo_jax.record import Record

COLUMNS = 1600  # of the band
WALLS = 4.0  # times the range of the critical points' losses, that walls rise above them
FEW = 200  # random starts below which each is drawn as a stroke


@styled
def curve(record: Record) -> Figure | None:
    """Draw the loss over the box, its critical points by kind, and below the label each start reached.

    Critical points are those that descents met, numbers beside them their labels; they are in ink, as colours are
    labels here. Starts without a label (not converged, or at no point of the catalogue) are grey. None for other
    dimensions.
    """
    if record.config["loss"]["dim"] != 1:
        return None
    picture = record.picture()
    x, loss = picture["axis0"], picture["loss"]
    window, table = where.window(record), record.catalogue
    note = words.sentences(f"{words.starts(record)}.", words.unknown(record), words.outside(record, window))
    figure = page(record, "the loss, the critical points met, the labels reached", note, 7.2, 4.0)
    top, band = figure.subplots(2, 1, sharex=True, height_ratios=[14, 1], gridspec_kw={"hspace": 0.02})
    top.plot(x, loss, color=INK, linewidth=1.5, zorder=3)
    top.set_xlim(*window[:, 0])
    limit(top, x, loss, where.box(record)[:, 0], table.loss)
    top.set_ylabel("loss")
    top.tick_params(bottom=False)
    top.spines["bottom"].set_visible(False)
    at = np.stack([table.x[:, 0], table.loss], axis=1)
    handles = marks.critical_points(top, record, at, colour=INK)
    marks.labels(top, at, np.stack([x, loss], axis=1)[np.isfinite(loss)])
    drawn = _band(band, record)
    reached = marks.reached_handles(record) if drawn else []
    marks.legend(top, [("critical points", handles), (marks.REACHED, reached)])
    return figure


def limit(axes: Axes, x: np.ndarray, loss: np.ndarray, box: np.ndarray, critical: np.ndarray) -> None:
    """Show the loss's values in the box; high walls are cut so that the critical points stand apart."""
    inside = loss[(x >= box[0]) & (x <= box[1]) & np.isfinite(loss)]
    inside = inside if len(inside) else critical[np.isfinite(critical)]
    if not np.isfinite(loss).any():
        marks.nothing(axes)
    if not len(inside):
        axes.set_yticks([])
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
    colours, cells = palette(record), where.grid(record)
    found = None if cells is not None else where.places(record)
    if cells is not None:
        _stripe(axes, colours[cells], *where.box(record)[:, 0])
    elif found is not None and len(found[0]) < FEW:
        axes.vlines(found[0][:, 0], 0, 1, colors=colours[found[1]], linewidth=2.0, gid="starts")
    elif found is not None:
        low, high = where.spread(record, found[0])[:, 0]
        column = low + (np.arange(COLUMNS) + 0.5) / COLUMNS * (high - low)
        _stripe(axes, colours[where.nearest(column[:, None], *found, where.periods(record))], low, high)
    return cells is not None or found is not None


def _stripe(axes: Axes, colours: np.ndarray, low: float, high: float) -> None:
    """Fill the axes from ``low`` to ``high`` with equal cells of the colours ``[n, 3]``."""
    limits = axes.get_xlim()
    extent = (low, high, 0, 1)
    axes.imshow(colours[None], extent=extent, aspect="auto", interpolation="nearest", gid="basins")
    axes.set_xlim(*limits)
