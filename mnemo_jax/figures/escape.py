"""Escape: how many steps descents took to leave a saddle, over what the law says."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mnemo_jax.escapes import Escapes, is_escape
from mnemo_jax.figures import words
from mnemo_jax.figures.style import FAINT, INK, page, styled
from mnemo_jax.record import Record

BINS = 70
EDGE = 5e-4  # of the descents and of the law, on each side, that the axis may leave out
MEASURED, MEAN, LAW = "#9ecae1", "#0072B2", "#D55E00"
FEW = 10.0  # descents expected in a bin, below which its deviation is not drawn


class _Bins(NamedTuple):
    """The escape times in bins of whole steps.

    Attributes:
        edges: ``[n + 1]``, between whole steps.
        found: ``[n]``, descents that left in each.
        expected: ``[n]``, by the law; 0 where it says never.
        outside: descents that left before or after.
    """

    edges: np.ndarray
    found: np.ndarray
    expected: np.ndarray
    outside: int


@styled
def escape(record: Record) -> Figure | None:
    """Draw the share of the descents that left a saddle at each step over the law's, and below how far they differ.

    Deviations are in standard errors of each bin's count; the band holds 19 of 20 bins where the law holds. None for
    records of other runs, and where no descent left.
    """
    if not is_escape(record):
        return None
    experiment = Escapes(record)
    bins = _binned(experiment)
    if bins is None:
        return None
    known = bool(bins.expected.any())
    figure = page(record, "steps to leave the saddle", _note(experiment, bins), 6.8, 4.6 if known else 3.4)
    panels = figure.subplots(1 + known, 1, sharex=True, squeeze=False, height_ratios=[3.2, 1][: 1 + known])[:, 0]
    _histogram(panels[0], experiment, bins)
    if known:
        _deviations(panels[1], bins)
    panels[-1].set_xlabel("steps")
    return figure


def histogram(axes: Axes, experiment: Escapes) -> None:
    """Draw the share of the descents that left at each step over the law's; nothing where none left."""
    bins = _binned(experiment)
    if bins is not None:
        _histogram(axes, experiment, bins)


def _binned(experiment: Escapes) -> _Bins | None:
    """Return the escape times in bins of equal width, without the outermost on each side; None for no escapes."""
    counts, number = experiment.counts.steps, experiment.result["starts"]
    if not counts.any():
        return None
    expected = np.zeros(len(counts))
    law = experiment.law.probabilities[: len(counts)]
    expected[: len(law)] = number * law
    spans = [_span(column) for column in (counts, expected) if column.sum() > 0]
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    width = max(1, -(-(high + 1 - low) // BINS))
    starts = np.arange(low, high + 1, width)
    ends = np.minimum(starts[-1] + width, len(counts))
    found, law = (np.add.reduceat(column[:ends], starts) for column in (counts, expected))
    edges = np.append(starts, starts[-1] + width) - 0.5
    return _Bins(edges, found, law, int(counts.sum() - found.sum()))


def _span(column: np.ndarray) -> tuple[int, int]:
    """Return the steps between which nearly all of a distribution lies."""
    whole = np.cumsum(column) / column.sum()
    return int(np.searchsorted(whole, EDGE)), int(np.searchsorted(whole, 1 - EDGE))


def _histogram(axes: Axes, experiment: Escapes, bins: _Bins) -> None:
    told, mean = experiment.result, experiment.result["mean"]
    middle, share = 0.5 * (bins.edges[1:] + bins.edges[:-1]), np.diff(bins.edges) * told["starts"]
    name = f"measured in {told['precision']}, mean {words.number(mean['value'], 6)}"
    axes.stairs(bins.found / share, bins.edges, fill=True, color=MEASURED, label=name)
    top = max((bins.found / share).max(), (bins.expected / share).max())
    _mark(axes, mean["value"], 1.06 * top, MEAN, "-")
    if bins.expected.any():
        axes.plot(
            middle, bins.expected / share, color=LAW, linewidth=1.6, label=f"law, mean {words.number(mean['law'], 6)}"
        )
        _mark(axes, mean["law"], 1.06 * top, LAW, (0, (4, 4)))  # dashes over a line, both seen where they coincide
    axes.set_xlim(float(bins.edges[0]), float(bins.edges[-1]))
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(words.step_ticks())
    axes.set_ylim(0, 1.08 * top)
    axes.yaxis.set_major_formatter(words.percent_ticks())
    axes.set_ylabel("share of the descents\nper step")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, handlelength=1.4, columnspacing=1.4)


def _mark(axes: Axes, mean: float, height: float, colour: str, dashes: Any) -> None:
    axes.plot([mean, mean], [0, height], color=colour, linewidth=1.4, linestyle=dashes, gid="mean")


def _deviations(axes: Axes, bins: _Bins) -> None:
    """Draw how far each bin is from the law."""
    middle = 0.5 * (bins.edges[1:] + bins.edges[:-1])
    enough = bins.expected >= FEW
    off = (bins.found - bins.expected)[enough] / np.sqrt(bins.expected[enough])
    axes.axhspan(-1.96, 1.96, color=FAINT, linewidth=0, zorder=0)
    axes.axhline(0, color=LAW, linewidth=1.2)
    axes.plot(middle[enough], off, "o", color=INK, markersize=2.5)
    reach = max(4.0, float(np.max(np.abs(off), initial=0.0)) * 1.1)
    axes.set_ylim(-reach, reach)
    axes.set_ylabel("standard errors\nfrom the law", fontsize=8)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _note(experiment: Escapes, bins: _Bins) -> str:
    told: dict[str, Any] = experiment.result
    parts = [f"{told['share']['count']:,} of {told['starts']:,} descents left."]
    for name in ("mean", "variance"):
        value, error, law = (told[name][key] for key in ("value", "error", "law"))
        if value is not None and error is not None:
            by = "" if law is None else f", by the law {words.number(law, 6)}"
            parts.append(
                f"{name.capitalize()} {words.number(value, 6)} ± {words.number(error, 2)} (standard error){by}."
            )
    if bins.outside:
        parts.append(f"{words.several(bins.outside, 'descent')} left outside the axis.")
    if bins.expected.any():
        parts.append("Upright lines: the two means, the law's dashed.")
    return f"{_how(told)}\n{' '.join(parts)}"


def _how(told: dict[str, Any]) -> str:
    """Return the experiment in one sentence."""
    optimizer, rates = told["optimizer"], [-h for h in told["saddle"]["eigenvalues"][: told["saddle"]["index"]]]
    rate = ", ".join(words.number(r, 5) for r in rates[:4]) + (", …" if len(rates) > 4 else "")
    method = "Gradient descent"
    if optimizer.get("momentum"):
        method = f"{'Nesterov' if optimizer.get('nesterov') else 'Heavy ball'}, momentum {optimizer['momentum']:g}"
    noise = {"gradient": ", gradient noise {:g}", "langevin": ", temperature {:g}"}.get(optimizer.get("noise.kind"), "")
    noise = noise.format(optimizer.get("noise.scale", optimizer.get("noise.temperature")))
    cloud = f"a cloud of width {told['cloud']:g} around" if told["cloud"] else "exactly on"
    return (
        f"{method}{noise}, learning rate {optimizer['learning_rate']:g}, from {cloud} a {told['saddle']['kind']} of "
        f"escape rate{'s' if len(rates) > 1 else ''} {rate}, to distance {told['radius']:g}."
    )
