"""Figures of a run's trained networks, from the file that `mnemo networks` writes beside the record."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mnemo_jax import store
from mnemo_jax.figures import words
from mnemo_jax.figures.barrier import barrier
from mnemo_jax.figures.slices import slice_
from mnemo_jax.figures.style import INK, KIND_COLOURS, QUIET, page, styled
from mnemo_jax.networks.barriers import Barriers
from mnemo_jax.record import Record
from mnemo_jax.run_networks import FILE
from mnemo_jax.trained_between import WAYS

WIDE = 30.0  # ratio of the highest to the lowest loss of a slice from which its levels are those of a logarithmic scale
FAINT_PART = 0.05  # of what one eigenvalue's peak has, down to which densities are drawn
PALETTE = [KIND_COLOURS[kind] for kind in ("minimum", "maximum", "kink", "degenerate", "saddle")]
BEGIN, END = "#8a8a8a", KIND_COLOURS["minimum"]
Told = Mapping[str, Any]


def _of(key: str, draw: Callable[[Record, Any], Figure | None]) -> Callable[[Record], Figure | None]:
    """Return what draws one part of what is known of a record's networks, None where it is not known."""

    @wraps(draw)
    def figure_of(record: Record) -> Figure | None:
        path = record.path / FILE
        part = store.read_json(path)[key] if path.exists() else None
        return None if part is None else draw(record, part)

    return figure_of


def _array(values: Any) -> Any:
    """Return numbers from a file, where null stands for none, as floats."""
    return np.array(values, float)


def _barriers(record: Record, told: Told) -> Figure:
    """Draw the loss trained on along the ways between pairs of ends, on a logarithmic scale where it is far apart."""
    ways = told["losses"]["loss"]
    t = _array(told["t"])
    made = [
        Barriers(t, *(_array(ways[way][part]) for part in ("loss", "height", "at"))) if way in ways else None
        for way in WAYS
    ]
    losses = np.concatenate([np.ravel(way.loss[:, 1:-1]) for way in made if way is not None])
    log = bool(losses.min() > 0 and losses.max() > WIDE * losses.min())
    straight, *others = made
    assert straight is not None
    return barrier(record.summary["name"], straight, *others, loss="training loss", log=log)


def _around(record: Record, told: Told) -> Figure:
    """Draw the loss around the first end, along random directions scaled as its own weights."""
    part = told["around"]
    what = "the weights that enter each unit, biases left as they are," if part["by_unit"] else "each array"
    about = f"Along random directions, {what} as long as the network's own (filter-normalised, Li et al. 2018)."
    subject = f"the loss around the end of start {part['start']}"
    return _slice(record, part, subject, points=np.zeros((1, 2)), names=[""], about=about)


def _principal(record: Record, told: Told) -> Figure | None:
    """Draw the loss in the plane of the first kept path's principal components."""
    part = told["principal"]
    if part is None:
        return None
    places = np.array(part["places"])
    drawn: dict[str, Any] = {
        "paths": [places],
        "share": np.array(part["share"]),
        "points": places[-1:],
        "names": ["end"],
    }
    return _slice(record, part, f"the loss on the plane of the path of start {part['start']}", **drawn)


def _slice(record: Record, part: Told, subject: str, **drawn: Any) -> Figure:
    loss = np.array(part["loss"], float)
    positive = loss[np.isfinite(loss) & (loss > 0)]
    log = bool(len(positive) and np.nanmin(loss) > 0 and positive.max() > WIDE * positive.min())
    return slice_(record.summary["name"], part["s"], part["t"], loss, subject=subject, log=log, **drawn)


@styled
def _sharpness(record: Record, told: list[Told]) -> Figure:
    """Draw the sharpness along kept paths, beside the limit of a stable descent."""
    figure = page(record, "sharpness along training", _sharpness_note(told), 6.6, 3.9)
    axes = figure.add_subplot()
    limit = told[0]["limit"]
    if limit is not None:
        axes.plot(told[0]["step"], limit, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), gid="limit", zorder=2)
        axes.annotate(
            "limit", (told[0]["step"][-1], limit[-1]), (4, 0), textcoords="offset points", va="center", fontsize=8,
            annotation_clip=False,
        )  # fmt: skip
    for row, colour in zip(told, PALETTE, strict=False):
        axes.plot(
            row["step"], row["highest"], color=colour, marker="o", markersize=2.6, linewidth=1.2,
            label=f"start {row['start']}", gid="sharpness", zorder=3,
        )  # fmt: skip
    _from_zero(axes, told)
    axes.set_xlabel("step")
    axes.set_ylabel("largest eigenvalue of the Hessian")
    axes.xaxis.set_major_formatter(words.step_ticks())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", color=INK, alpha=0.08, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(told))
    return figure


def _from_zero(axes: Axes, told: list[Told]) -> None:
    """Begin the axis at zero where nothing is below it, and show all sharpnesses and the limit."""
    values = np.concatenate([np.array(row["highest"], float) for row in told])
    limits = [value for row in told for value in row["limit"] or []]
    high = max([float(np.nanmax(values)), *(limits if len(limits) and max(limits) < 10 * np.nanmax(values) else [])])
    low = min(0.0, float(np.nanmin(values)))
    axes.set_ylim(low, high + 0.06 * (high - low))
    axes.set_xlim(0, max(row["step"][-1] for row in told) or 1)


def _sharpness_note(told: list[Told]) -> str:
    limit = told[0]["limit"]
    if limit is None:
        return "Sharpness: the largest eigenvalue of the training loss's Hessian. This optimizer has no simple limit."
    name = f"the limit, {words.number(limit[-1], 4)} at the end," if np.ptp(limit) else words.number(limit[-1], 4)
    above = "Dashed is" if not np.ptp(limit) else "Dashed:"
    return (
        f"Sharpness: the largest eigenvalue of the training loss's Hessian. {above} {name}, beyond which full-batch "
        "descent with the run's learning rate and momentum leaves a minimum."
    )


@styled
def _density(record: Record, told: Told) -> Figure:
    """Draw the density of the Hessian's eigenvalues at one end and at its start, on a logarithmic scale."""
    at, width = np.array(told["at"]), told["width"]
    peak = 1 / (told["dim"] * width * np.sqrt(2 * np.pi))
    note = (
        f"Mean of {told['probes']} random vectors (Lanczos quadrature) with its standard error, smoothed by a Gaussian "
        f"of standard deviation {words.number(width, 2, 0.0)}. The dotted line is the height of one eigenvalue "
        f"among {told['dim']:,}."
    )
    figure = page(record, f"spectrum of the Hessian, start {told['start']}", note, 6.6, 3.9)
    axes = figure.add_subplot()
    axes.axvline(0.0, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.axhline(peak, color=QUIET, linewidth=0.9, linestyle=":", zorder=1, gid="one")
    for key, colour in (("begin", BEGIN), ("end", END)):
        mean, error = (np.array(told[key][part], float) for part in ("density", "error"))
        floor = FAINT_PART * peak * 0.1
        axes.fill_between(
            at, np.maximum(mean - error, floor), np.maximum(mean + error, floor), color=colour, alpha=0.25, linewidth=0
        )
        axes.plot(at, np.maximum(mean, floor), color=colour, linewidth=1.3, gid=key)
    axes.set_yscale("log")
    axes.set_ylim(FAINT_PART * peak, None)
    axes.set_xlim(at[0], at[-1])
    axes.set_xlabel("eigenvalue")
    axes.set_ylabel("density")
    handles = [
        Line2D([], [], color=colour, label=label) for label, colour in (("at the start", BEGIN), ("at the end", END))
    ]
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure


FIGURES: dict[str, Callable[[Record], Figure | None]] = {
    "barriers": _of("barriers", _barriers),
    "slice": _of("slices", _around),
    "principal": _of("slices", _principal),
    "sharpness": _of("sharpness", _sharpness),
    "density": _of("density", _density),
}
