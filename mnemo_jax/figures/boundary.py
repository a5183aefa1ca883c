"""The boundary between basins: where it lies on a grid, and the share of uncertain starts by their error."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from mnemo_jax.boundaries import Fractality
from mnemo_jax.figures import marks, where, words
from mnemo_jax.figures.colours import BASINS, heights, palette
from mnemo_jax.figures.plane import bar, plane
from mnemo_jax.figures.style import FAINT, INK, QUIET, page, styled
from mnemo_jax.measures import Measures, measured
from mnemo_jax.record import Record
from mnemo_jax.uncertainty import Uncertainty

PALER = 0.55  # white mixed into the colours of basins, on which the boundary lies in ink
LINE = "#8c1c4b"
SMOOTH = "a smooth boundary’s slope, 1"


@styled
def boundary(record: Record) -> Figure | None:
    """Draw a two-dimensional grid's cells by label, and in ink those whose label the next cell along an axis has not.

    What the entropies say stands below. None for other starts and dimensions, or where all cells have one label.
    """
    if record.config["loss"]["dim"] != 2 or record.config["starts"]["kind"] != "grid":
        return None
    image, found = where.grid(record), measured(record)
    if image is None or found is None or found.classes == 1:
        return None
    few = np.sum(record.shares.count > 0) <= BASINS
    window = where.box(record)
    figure, axes = plane(record, "the boundary between basins", _note(record, found), window, 0.0 if few else 0.7)
    paint(axes, record, image)
    marks.legend(axes, [(marks.REACHED, marks.reached_handles(record, PALER))])
    key(figure, axes, record)
    return figure


def key(figure: Figure, axes: Axes, record: Record) -> None:
    """Draw the bar of heights where basins are too many for a colour each."""
    reached = record.shares.count > 0
    if reached.sum() > BASINS:
        bar(figure, axes, heights(record.catalogue.loss[reached]), "loss of the point reached")


def paint(axes: Axes, record: Record, image: np.ndarray) -> None:
    """Draw a grid's labels ``[n, m]`` over its box, in ink the cells on a boundary."""
    window, aspect = where.box(record), axes.get_aspect()
    colours = palette(record, PALER)[image]
    colours[edge(image, record.config["loss"]["periodic"])] = to_rgb(INK)
    axes.imshow(
        colours.transpose(1, 0, 2), extent=(*window[:, 0], *window[:, 1]), origin="lower", interpolation="none",
        gid="boundary",
    )  # fmt: skip
    axes.set_aspect(aspect)


def edge(label: np.ndarray, periodic: list[bool]) -> np.ndarray:
    """Return which cells ``[n, m]`` have another label than the next one along an axis."""
    edge = np.zeros(label.shape, bool)
    for axis, closed in enumerate(periodic):
        other = np.roll(label, -1, axis) != label
        if not closed:
            other[(slice(None),) * axis + (-1,)] = False
        edge |= other
    return edge


def _note(record: Record, found: Measures) -> str:
    entropy, told = found.entropy, [f"{words.starts(record)}. In ink: the next cell has another label."]
    if entropy is not None:
        low, high = (words.number(value, 3) for value in entropy.boundary_interval)
        told.append(
            f"In boxes of {entropy.box} cells a side the basin entropy is {words.number(entropy.basin, 3)}, on the "
            f"boundary {words.number(entropy.boundary, 3)} ({low} to {high})."
        )
    return " ".join([*told, verdict(found.fractality)])


def verdict(found: Fractality) -> str:
    """Return in a sentence whether a boundary is smooth, and what says so."""
    if found.verdict == "undecided":
        return f"Whether it is smooth is undecided: {found.reason}."
    low, high = found.smooth + found.allowance
    return (
        f"{found.verdict.capitalize()} at the scale of {found.radius} cells: balls on it have an entropy that tends to "
        f"{found.limit:.3f} ± {found.limit_error:.3f} as they shrink, on a smooth boundary to {low:.3f} to {high:.3f}."
    )


@styled
def uncertain(record: Record) -> Figure | None:
    """Draw the share of uncertain starts against their error, and its local slopes with their intervals.

    Where a window of constant slope was found it is shaded, and its line drawn. None without a grid, for a grid too
    coarse, and where no label changes.
    """
    found = measured(record)
    power = None if found is None else found.uncertainty
    if found is None or power is None or power.share[0] == 0:
        return None
    figure = page(record, "uncertain starts by error", _power_note(power, len(found.shape)), 6.4, 5.2)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.4, 1.0])
    _shares(axes, power)
    _slopes(below, power)
    for panel in (axes, below):
        if power.window is not None:
            panel.axvspan(*power.window, color=LINE, alpha=0.07, linewidth=0, zorder=0, gid="window")
        panel.grid(color=FAINT, linewidth=0.5)
        panel.set_axisbelow(True)
    return figure


def _shares(axes: Axes, power: Uncertainty) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.fill_between(power.error, *power.share_interval, color=INK, alpha=0.12, linewidth=0, gid="interval")
    guide = power.share[0] * power.error / power.error[0]
    axes.plot(power.error, guide, color=QUIET, linewidth=0.9, linestyle=(0, (4, 3)), label=SMOOTH)
    if power.window is not None:
        inside = (power.error >= power.window[0]) & (power.error <= power.window[1])
        x = np.log(power.error[inside])
        level = np.mean(np.log(power.share[inside])) - power.exponent * x.mean()
        axes.plot(
            power.error[inside], np.exp(level + power.exponent * x), color=LINE, linewidth=1.6, gid="fit",
            label=f"slope {words.number(power.exponent, 3)} in the window",
        )  # fmt: skip
    axes.plot(power.error, power.share, "o", color=INK, markersize=4.2, zorder=4, gid="shares")
    axes.set_ylim(0.7 * power.share[0], min(1.0, 1.7 * max(power.share[-1], power.share_interval[1].max())))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(words.percent_ticks())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("share of the starts")
    axes.legend(loc="upper left")


def _slopes(axes: Axes, power: Uncertainty) -> None:
    error = power.error[1:-1]
    low, high = power.slope_interval
    axes.axhline(1.0, color=QUIET, linewidth=0.9, linestyle=(0, (4, 3)))
    if power.window is not None:
        axes.fill_between(power.window, *power.exponent_interval, color=LINE, alpha=0.25, linewidth=0, gid="exponent")
        axes.plot(power.window, [power.exponent] * 2, color=LINE, linewidth=1.6)
    bars = np.abs(np.stack([power.slope - low, high - power.slope]))
    axes.errorbar(
        error, power.slope, bars, fmt="o", color=INK, markersize=3.6, elinewidth=0.8, capsize=2.0, gid="slopes"
    )
    axes.set_ylim(min(0.0, float(low.min()) - 0.05), max(1.15, float(high.max()) + 0.05))
    axes.set_ylabel("local slope")
    axes.set_xlabel("error of a start, in cells along an axis")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else "")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _power_note(power: Uncertainty, dim: int) -> str:
    note = (
        f"A start is uncertain where one no further than the error along an axis has another label; {power.cells:,} "
        "starts."
    )
    if np.isfinite(power.share_interval).all():
        note += " Bands and bars: 95 %, from blocks of the grid."
    if power.window is None:
        return f"{note} No exponent: {power.reason}."
    dimension, interval = power.dimension(dim)
    between = "" if np.isnan(interval).any() else " ({:.3f} to {:.3f})"
    return (
        f"{note} From {power.window[0]} to {power.window[1]} cells the exponent is {power.exponent:.3f}"
        f"{between.format(*power.exponent_interval)}, so that the boundary’s dimension is {dimension:.3f}"
        f"{between.format(*interval)}. Local slopes there differ by {power.spread:.2f}, where up to "
        f"{power.allowed:.2f} count as equal."
    )
