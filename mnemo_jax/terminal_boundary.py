"""What a person sees of the boundaries of a run: measures of its grid, distances of minima, saddles on edges."""

from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from mnemo_jax.boundaries import Fractality
from mnemo_jax.measures import Measures
from mnemo_jax.rays import Distances
from mnemo_jax.record import Record
from mnemo_jax.run_boundary import Boundary, Saddles
from mnemo_jax.tables import KINDS, tidy
from mnemo_jax.terminal import ROWS, coordinates, out, percent
from mnemo_jax.uncertainty import Uncertainty

LN2 = float(np.log(2))
PLURAL = dict(zip(KINDS, ("minima", "saddles", "maxima", "degenerate points", "kinks"), strict=True))


def show(record: Record, found: Boundary, figures: list[Path]) -> None:
    """Print the boundaries of a run, a table for each of what was asked for."""
    out.print(Text(f"{record.summary['name']}: {sentence(found)}", style="bold"))
    out.print()
    if found.measures is not None and (table := _measures(found.measures)).row_count:
        out.print(table)
    if found.distances is not None and len(found.distances.label):
        out.print(_distances(found.distances, found.known))
    if found.saddles is not None and len(found.saddles.table.x):
        out.print(_saddles(found.saddles, found.known))
    for line in notes(found):
        out.print(line)
    if figures:
        out.print(f"Figures: {figures[0].parent}", soft_wrap=True)


def sentence(found: Boundary) -> str:
    """Return the boundaries in one sentence."""
    parts = []
    if found.measures is not None:
        parts.append(fractal(found.measures.fractality))
    if found.distances is not None and np.isfinite(found.distances.distance).any():
        nearest = int(np.argmin(found.distances.distance))
        label, distance = found.distances.label[nearest], found.distances.distance[nearest]
        parts.append(f"minimum {label} is at most {distance:.5g} from the boundary of its basin, the least of all")
    if found.distances is not None and not len(found.distances.label):
        parts.append("no start reached a minimum")
    elif found.edges is not None and found.saddles is not None and len(found.edges.pair):
        counts = np.bincount(found.saddles.table.kind, minlength=len(KINDS))
        kinds = [f"{n:,} {word if n == 1 else PLURAL[word]}" for n, word in zip(counts, KINDS, strict=True) if n]
        parts.append(f"edges lead to {' and '.join(kinds) or 'no critical point'}")
    elif found.edges is not None and len(found.distances.label if found.distances else ()) == 1:
        parts.append("with one minimum alone there is no edge to track")
    elif found.edges is not None:
        parts.append("no segment between two minima crosses from one basin to the other")
    return "; ".join(parts)


def fractal(found: Fractality) -> str:
    """Return the verdict on a boundary as part of a sentence."""
    scale = f"at the scale of {found.radius} cells"
    match found.verdict:
        case "undecided":
            return f"whether the boundary is smooth is undecided: {found.reason}"
        case verdict:
            return f"the boundary is {verdict} {scale}"


def notes(found: Boundary) -> list[str]:
    """Return what else a reader must know, a sentence each."""
    lines = []
    if found.measures is not None and found.measures.uncertainty is not None:
        lines.append(f"Uncertainty: {power_law(found.measures.uncertainty, len(found.measures.shape))}.")
    if found.distances is not None and len(found.distances.label):
        told, all_ = found.minima
        which = "all minima" if told == all_ else f"the {told:,} minima of largest share, of {all_:,}"
        lines.append(
            f"Distances are upper bounds, for {which}, by {found.descents[0]:,} descents of the run's own kind."
        )
    if found.edges is not None and len(found.edges.pair):
        kind = "the run's own gradient descent" if found.own else "gradient descent"
        lost = int(np.sum(found.edges.point < 0))
        lines.append(
            f"Edges: {len(found.edges.point):,} boundary pairs of basins of {kind}, learning rate "
            f"{found.learning_rate:g}, were tracked by {found.descents[1]:,} descents; basins are known to touch where "
            "the segment between two minima crosses from one to the other."
        )
        if lost:
            lines.append(f"{lost:,} of them lost their boundary, or came to no critical point.")
    return lines


def power_law(found: Uncertainty, dim: int) -> str:
    """Return what the uncertain starts say, as part of a sentence."""
    least = f"{percent(found.share[0])} % of the starts are uncertain at an error of one cell"
    if found.window is None:
        return f"{least}; no exponent, since {found.reason}"
    between = "" if np.isnan(found.exponent_interval).any() else " ({:.3f} to {:.3f})"
    dimension, interval = found.dimension(dim)
    return (
        f"{least}; their share grows as error to the power {found.exponent:.3f}"
        f"{between.format(*found.exponent_interval)} from {found.window[0]} to {found.window[1]} cells, where the "
        f"boundary's dimension is {dimension:.3f}{between.format(*interval)}"
    )


def _measures(found: Measures) -> Table:
    shape = " x ".join(f"{n:,}" for n in found.shape)
    table = _table(f"Grid of {shape} cells, {found.classes:,} labels", ["measure", "value", "95 % interval", "of"])
    entropy, ball, power = found.entropy, found.fractality, found.uncertainty
    if entropy is not None:
        boxes = f"boxes of {entropy.box} cells a side"
        table.add_row("basin entropy", *_value(entropy.basin, entropy.basin_interval), f"{entropy.boxes:,} {boxes}")
        above = "; more than ln 2" if entropy.boundary_interval[0] > LN2 else ""
        table.add_row(
            "boundary basin entropy",
            *_value(entropy.boundary, entropy.boundary_interval),
            f"{entropy.boundary_boxes:,} of them on a boundary{above}",
        )
    if ball.balls:
        low, high = ball.smooth + ball.allowance
        table.add_row(
            "entropy of balls",
            *_value(ball.limit, ball.limit + 1.96 * ball.limit_error * np.array([-1, 1])),
            f"radius {ball.radius} and {ball.radius // 2} cells, extrapolated to 0; smooth: {low:.4f} to {high:.4f}",
        )
    if power is not None and power.window is not None:
        window = f"errors from {power.window[0]} to {power.window[1]} cells"
        dimension, interval = power.dimension(len(found.shape))
        table.add_row("uncertainty exponent", *_value(power.exponent, power.exponent_interval), window)
        table.add_row("boundary dimension", *_value(dimension, interval), window)
    return table


def _value(value: float, interval: np.ndarray) -> tuple[str, str]:
    if not np.isfinite(value):
        return "none", ""
    return f"{value:.4f}", f"{interval[0]:.4f} – {interval[1]:.4f}" if np.isfinite(interval).all() else ""


def _distances(found: Distances, known: int) -> Table:
    table = _table("Distances of minima from the boundary", ["minimum", "at most", "label beyond", "at"])
    for row in np.argsort(found.distance, kind="stable"):
        if np.isfinite(found.distance[row]):
            cells = [f"{found.distance[row]:.6g}", _label(found.beyond[row], known), coordinates(found.x[row])]
        else:
            cells = ["no boundary found", "", ""]
        table.add_row(str(found.label[row]), *cells)
    return table


def _saddles(found: Saddles, known: int) -> Table:
    names = ["label", "at", "loss", "kind", "index", "minimum", "barrier", "minimum ", "barrier "]
    points, number = found.table, len(found.table.x)
    title = "Where edges lead" if number <= ROWS else f"Where edges lead ({ROWS} of {number:,}, the lowest)"
    table = _table(title, names)
    for row in np.argsort(points.loss, kind="stable")[:ROWS]:
        sides: list[str] = []
        for label, barrier in zip(found.joins[row], found.barrier[row], strict=True):
            sides += [_label(label, known), f"{barrier:.6g}"] if label >= 0 else ["", ""]
        kind = KINDS[points.kind[row]]
        table.add_row(
            _label(found.label[row] if found.label[row] >= 0 else known, known),
            coordinates(points.x[row]),
            f"{tidy(points.loss[row]):.8g}",
            kind,
            "" if kind == "kink" else str(points.index[row]),
            *sides,
        )
    return table


def _label(label: int, known: int) -> str:
    return "none" if label < 0 else str(label) if label < known else "new"


def _table(title: str, names: list[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(
            name, justify="left" if name in ("measure", "of", "at", "kind") else "right", no_wrap=name != "at"
        )
    return table
