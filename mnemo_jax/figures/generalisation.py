"""Generalisation: what descents reach on the data they were trained on against data held out."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from scipy import stats

from mnemo_jax.estimates import CONFIDENCE
from mnemo_jax.figures import words
from mnemo_jax.figures.looks import final, measured, spread
from mnemo_jax.figures.style import INK, KIND_COLOURS, page, styled
from mnemo_jax.figures.where import ROWS
from mnemo_jax.record import Record
from mnemo_jax.training import LOSSES

MARKS = 3000  # starts with a mark each; more are drawn as a density
BINS = 40  # of strips and density, along each axis
FEWEST = 4  # starts from which there is an interval of the correlation
MARK, STRIP = KIND_COLOURS["minimum"], "#8a8a8a"
DENSITY = LinearSegmentedColormap.from_list("density", ["#d7e6f1", "#0072B2", "#06263d"])


class Generalisation(NamedTuple):
    """Numbers at the end of each start that has both, ``[n]``, their names, and Spearman's rho with its interval."""

    start: np.ndarray
    train: np.ndarray
    held_out: np.ndarray
    names: tuple[str, str]
    rho: float
    interval: tuple[float, float]
    read: int


def generalisation_of(record: Record) -> Generalisation | None:
    """Return the train loss and the test accuracy, or test loss, of a run; validation where there is no test part.

    None where no data were held out.
    """
    names = measured(record)
    wanted = [f"{part}_{measure}" for part in ("test", "validation") for measure in ("accuracy", "loss")]
    held_out = next((name for name in wanted if name in names), None)
    if held_out is None or "train_loss" not in names:
        return None
    x, y = final(record, "train_loss", held_out, first=ROWS)
    known = np.isfinite(x) & np.isfinite(y)
    rho, interval = rank_correlation(x[known], y[known])
    if not known.any():
        return None
    start = np.flatnonzero(known)
    return Generalisation(start, x[known], y[known], ("train_loss", held_out), rho, interval, len(x))


def rank_correlation(x: np.ndarray, y: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Return Spearman's rho and its 95 % interval; NaN where either is constant or too few are known.

    The interval is Fisher's, with the variance ``(1 + rho^2 / 2) / (n - 3)`` that Bonett and Wright (2000,
    Psychometrika 65, 23-28) give for ranks.
    """
    if len(x) < FEWEST or not np.ptp(x) or not np.ptp(y):
        return np.nan, (np.nan, np.nan)
    rho = float(stats.spearmanr(x, y).statistic)
    half = stats.norm.isf((1 - CONFIDENCE) / 2) * np.sqrt((1 + rho**2 / 2) / (len(x) - 3))
    middle = np.arctanh(np.clip(rho, -1 + 1e-15, 1 - 1e-15))
    return rho, (float(np.tanh(middle - half)), float(np.tanh(middle + half)))


@styled
def generalisation(record: Record) -> Figure | None:
    """Draw the test accuracy (or loss) of every start over its train loss, with strips of both distributions.

    One mark per start, a density where there are many. None where no data were held out.
    """
    found = generalisation_of(record)
    if found is None:
        return None
    figure = page(record, "generalisation", note(record, found), 6.2, 4.9)
    grid = figure.subplots(2, 2, width_ratios=[5.0, 1.0], height_ratios=[1.0, 5.0])
    top, corner, main, right = grid.ravel()
    corner.set_axis_off()
    wide = wide_of(found)
    _scale(main, found, wide)
    _marks(main, found, wide)
    _strips(top, right, main, found, wide)
    return figure


def wide_of(found: Generalisation) -> list[bool]:
    """Return whether the axes of both numbers are logarithmic."""
    positive = found.train.min() > 0, found.held_out.min() > 0
    loss = found.names[1].endswith(LOSSES)
    return [positive[0] and spread(found.train), positive[1] and loss and spread(found.held_out)]


def told_rho(found: Generalisation) -> str:
    """Return Spearman's rho and its interval in words."""
    if not np.isfinite(found.rho):
        return "Spearman's rho is not known: too few starts, or all alike"
    low, high = (words.number(end, 2, 0.0) for end in found.interval)
    return f"Spearman's rho {words.number(found.rho, 2, 0.0)}, 95 % interval {low} to {high}"


def note(record: Record, found: Generalisation) -> str:
    """Return how many starts there are, and how the two go together over them."""
    total, lost = record.summary["starts"], found.read - len(found.train)
    told = words.several(total, "start")
    told += f", the first {found.read:,} of which are read" if found.read < total else ""
    told += f"; {lost:,} without finite numbers are left out" if lost else ""
    told += ", a mark each" if len(found.train) <= MARKS else ", coloured by how many lie in a cell"
    return f"{told}. {told_rho(found)}. Strips: how many starts lie in each part of an axis."


def _scale(axes: Axes, found: Generalisation, wide: list[bool]) -> None:
    """Set both axes to hold all starts."""
    for axis, values, log in zip("xy", (found.train, found.held_out), wide, strict=True):
        ends = ends_of(values, log)
        if log:
            axes.set(**{f"{axis}scale": "log"})
            if ends[1] < 300 * ends[0]:
                getattr(axes, f"{axis}axis").set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                getattr(axes, f"{axis}axis").set_major_formatter(FuncFormatter(lambda v, _: words.number(v, 2)))
            getattr(axes, f"{axis}axis").set_minor_formatter(NullFormatter())
        axes.set(**{f"{axis}lim": ends})
    axes.set_xlabel(f"{found.names[0].replace('_', ' ')} at the end")
    axes.set_ylabel(f"{found.names[1].replace('_', ' ')} at the end")
    if found.names[1].endswith("accuracy"):
        axes.yaxis.set_major_formatter(words.percent_ticks())
    axes.grid(color=INK, alpha=0.08, linewidth=0.6)
    axes.set_axisbelow(True)


def ends_of(values: np.ndarray, wide: bool) -> tuple[float, float]:
    """Return the ends of an axis that holds all values."""
    place = np.log10(values) if wide else values
    margin = 0.05 * (np.ptp(place) or abs(place[0]) or 1.0)
    low, high = float(place.min() - margin), float(place.max() + margin)
    return (10.0**low, 10.0**high) if wide else (low, high)


def _marks(axes: Axes, found: Generalisation, wide: list[bool]) -> None:
    if len(found.train) > MARKS:
        x, y, number = cells(found, axes.get_xlim(), axes.get_ylim(), wide)
        shown = np.ma.masked_equal(number.T, 0)
        axes.pcolormesh(x, y, shown, cmap=DENSITY, norm=LogNorm(1, number.max()), gid="density", rasterized=True)
        return
    count = len(found.train)
    axes.scatter(
        found.train, found.held_out, s=float(np.clip(6000 / count, 8, 26)), color=MARK, linewidths=0,
        alpha=float(np.clip(150 / count, 0.25, 0.7)), gid="starts", rasterized=count > 1000,
    )  # fmt: skip


def cells(
    found: Generalisation, x_ends: tuple[float, float], y_ends: tuple[float, float], wide: list[bool]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return edges of cells along both axes and how many starts lie in each, ``[m + 1]``, ``[n + 1]``, ``[m, n]``."""
    x, y = bins(found.train, x_ends, wide[0]), bins(found.held_out, y_ends, wide[1])
    return x, y, np.histogram2d(found.train, found.held_out, (x, y))[0]


def _strips(top: Axes, right: Axes, main: Axes, found: Generalisation, wide: list[bool]) -> None:
    """Draw the distributions along both axes."""
    for axes, values, log, ends, orientation in (
        (top, found.train, wide[0], main.get_xlim(), "vertical"),
        (right, found.held_out, wide[1], main.get_ylim(), "horizontal"),
    ):
        edges = bins(values, ends, log)
        axes.stairs(np.histogram(values, edges)[0], edges, fill=True, color=STRIP, orientation=orientation)  # type: ignore[arg-type]
        _count(axes, orientation)
    top.set(xscale=main.get_xscale(), xlim=main.get_xlim())
    right.set(yscale=main.get_yscale(), ylim=main.get_ylim())


def _count(axes: Axes, orientation: str) -> None:
    """Leave of a strip's axes the one along which starts are counted, with whole numbers."""
    count, along = (axes.yaxis, axes.xaxis) if orientation == "vertical" else (axes.xaxis, axes.yaxis)
    count.set_major_locator(MaxNLocator(2, integer=True))
    count.set_label_text("starts")
    along.set_visible(False)
    axes.spines["bottom" if orientation == "vertical" else "left"].set_visible(False)


def bins(values: np.ndarray, ends: tuple[float, float], wide: bool) -> np.ndarray:
    """Return edges of a strip's bins; values in equal steps, such as accuracies on few items, have a bin each or more.

    Bins that hold now one step and now two would show a comb that is not there.
    """
    if wide:
        return np.geomspace(*ends, BINS + 1)
    known = np.unique(np.round(values, 9))
    step = np.diff(known).min() if len(known) > 1 else 0.0
    if not step or len(known) > len(values) / 3 or (ends[1] - ends[0]) / step > 50 * BINS:
        return np.linspace(*ends, BINS + 1)
    step *= max(1, round((ends[1] - ends[0]) / step / BINS))
    return np.arange(known[0] - step / 2 - step * np.ceil((known[0] - ends[0]) / step), ends[1] + step, step)
