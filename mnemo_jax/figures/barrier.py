"""The loss between pairs of networks: along straight lines, after matching, and along curves."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from mnemo_jax.figures import words
from mnemo_jax.figures.style import INK, KIND_COLOURS, page_named, styled
from mnemo_jax.networks.barriers import Barriers

MANY = 500  # pairs above which an SVG holds them as an image
COLOURS = {
    "straight line": KIND_COLOURS["maximum"],
    "after matching": KIND_COLOURS["minimum"],
    "along a curve": KIND_COLOURS["kink"],
    "along a curve, after matching": KIND_COLOURS["degenerate"],
}


@styled
def barrier(
    name: str,
    straight: Barriers,
    matched: Barriers | None = None,
    curve: Barriers | None = None,
    matched_curve: Barriers | None = None,
    *,
    loss: str = "loss",
    log: bool = False,
) -> Figure:
    """Draw the loss along the ways between all pairs, thin, and its median at each place, thick, a panel a way.

    Args:
        name: what the figure is about.
        straight: along the lines between networks as they are.
        matched: along those to networks brought next to the first ones, None without.
        curve: along the optimised curves, None without.
        matched_curve: along those to networks brought next to the first ones, None without.
        loss: what the axis says, with a unit if it has one.
        log: whether its scale is logarithmic, which begins at the lowest positive loss between the ends.
    """
    ways = {
        kind: way
        for kind, way in zip(COLOURS, (straight, matched, curve, matched_curve), strict=True)
        if way is not None
    }
    pairs = len(straight.loss)
    thin = "" if pairs == 1 else ", each a thin line; thick: the median at each place"
    note = (
        f"{words.several(pairs, 'pair')}{thin}. Barrier: the highest rise of the loss above the straight line between "
        "the losses of both ends."
    )
    rows, columns = (2, 2) if len(ways) > 3 else (1, len(ways))
    figure = page_named(name, "the loss between networks", note, 1.2 + 2.5 * columns, 1.1 + 2.8 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels[:, 0]:
        axes.set_ylabel(loss)
    for axes in panels[-1]:
        axes.set_xlabel("place on the way")
    panels = panels.ravel()
    for axes, (kind, way) in zip(panels, ways.items(), strict=True):
        _way(axes, kind, way)
    _limits(panels[0], [np.asarray(way.loss) for way in ways.values()], log)
    return figure


def _way(axes: Axes, kind: str, way: Barriers) -> None:
    """Draw one panel."""
    t, losses, height = (np.asarray(part) for part in (way.t, way.loss, way.height))
    lines = [np.stack([t, row], axis=1) for row in losses]
    alpha = float(np.clip(20 / max(len(lines), 1), 0.05, 0.6))
    axes.add_collection(
        LineCollection(
            lines, colors=COLOURS[kind], linewidths=0.8, alpha=alpha, rasterized=len(lines) > MANY, gid="pairs"
        )
    )
    if len(lines) > 1:
        axes.plot(t, np.median(losses, axis=0), color=INK, linewidth=2.2, zorder=3, gid="median")
    axes.set_title(f"{kind}\n{_told(height)}", linespacing=1.5)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["a", "½", "b"])
    axes.grid(axis="y", color=INK, alpha=0.08, linewidth=0.6)
    axes.set_axisbelow(True)


def _told(height: np.ndarray) -> str:
    """Return the median of the barriers, with the lowest and the highest where there are several."""
    told = [words.number(float(value), 2, 1e-9) for value in (np.median(height), height.min(), height.max())]
    return f"barrier {told[0]}" if len(height) == 1 else f"median barrier {told[0]} ({told[1]} to {told[2]})"


def _limits(axes: Axes, losses: list[np.ndarray], log: bool) -> None:
    """Show all losses that are numbers; on a logarithmic scale those from the lowest between the ends."""
    # Networks at the ends may fit their data to rounding, which would take most of a logarithmic scale.
    values = np.concatenate([loss[:, 1:-1].ravel() if log else loss.ravel() for loss in losses])
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.1, 1.0)
    if log:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * 1.3)
        return
    margin = 0.04 * ((high - low) or 1.0)
    axes.set_ylim(0.0 if 0 <= low < margin else low - margin, high + margin)
