"""What there is to say of the boundaries between a run's basins: measures of its grid, distances, edges."""

from typing import Any, NamedTuple

import jax
import numpy as np

from mnemo_jax import measures, store
from mnemo_jax.anew import matched
from mnemo_jax.catalogue import Table
from mnemo_jax.devices import Devices
from mnemo_jax.edges import Edges, edges
from mnemo_jax.errors import UserError
from mnemo_jax.escapes import is_escape
from mnemo_jax.measures import Measures, measured
from mnemo_jax.oracle import Oracle, descent_oracle, oracle_of
from mnemo_jax.pathways import pathways
from mnemo_jax.rays import Distances, distances
from mnemo_jax.record import Record
from mnemo_jax.tables import KINDS
from mnemo_jax.types import Kind

MINIMA = 16  # looked at, those of largest share


class Saddles(NamedTuple):
    """The ``m`` distinct points that edge tracking came to.

    Attributes:
        table: the points.
        label: int64 ``[m]``, their labels, -1 where no descent had met them.
        joins: int64 ``[m, 2]``, labels of the minima the flow goes to from either side of a saddle of index one, -1 for
            none.
        barrier: ``[m, 2]``, loss of the saddle above each of them; NaN where there is none.
    """

    table: Table
    label: np.ndarray
    joins: np.ndarray
    barrier: np.ndarray


class Boundary(NamedTuple):
    """The boundaries of a run; labels from ``known`` on are of points that the run had not met.

    Attributes:
        known: points of the run's catalogue.
        measures: of its grid, None without one.
        minima: of how many minima distances and edges were looked for, and how many the run reached.
        distances: from minima to boundaries; None where it was not asked for, as all that follow.
        edges, saddles: what edge tracking came to.
        learning_rate: of the gradient descent whose basins' edges were tracked.
        own: whether that is the run's own optimizer.
        descents: how many descents distances and edges took.
    """

    known: int
    measures: Measures | None
    minima: tuple[int, int] = (0, 0)
    distances: Distances | None = None
    edges: Edges | None = None
    saddles: Saddles | None = None
    learning_rate: float = np.nan
    own: bool = True
    descents: tuple[int, int] = (0, 0)


def boundary_of(record: Record, tracking: bool = True, minima: int = MINIMA) -> Boundary:
    """Return the boundaries of a finished run; equal records give equal numbers.

    Distances are those of the run's own basins, in float64. Edges are those of gradient descent, whose boundaries end
    at saddles of the loss: the run's own where it is that, else with the landscape's learning rate.

    Args:
        record: the run.
        tracking: whether distances and edges are looked for; the grid is measured in any case.
        minima: how many minima, those of largest share first.

    Raises:
        UserError: there is neither a grid nor anything to track, or the run's loss or optimizer does not allow it.
    """
    if is_escape(record):
        raise UserError(f"{record.path}: is an escape experiment, whose starts lie about one point; take a run")
    if not tracking and record.config["starts"]["kind"] != "grid":
        raise UserError(f"{record.path}: its starts are no grid, and --no-edges leaves nothing else to say")
    if not tracking:
        return Boundary(len(record.catalogue.x), measured(record))
    with jax.enable_x64(True), Devices(1) as devices:
        asked = oracle_of(record, devices)
        found = measured(record)
        reached = np.flatnonzero((record.catalogue.kind == Kind.MINIMUM) & (record.shares.count > 0))
        rows = np.sort(reached[np.argsort(-record.shares.count[reached], kind="stable")][:minima])
        judge = asked.prepared.judge
        away = distances(asked, rows, judge.metric)
        first = asked.descents
        plain, rate = descent_oracle(asked)
        tracks = edges(plain, rows, judge, rate)
        second = plain.descents - (first if plain is asked else 0)
        saddles = _saddles(plain, tracks)
    known, number = len(record.catalogue.x), (len(rows), len(reached))
    return Boundary(known, found, number, away, tracks, saddles, rate, plain is asked, (first, second))


def _saddles(asked: Oracle, tracks: Edges) -> Saddles:
    """Return the points that tracking came to with their labels and, of saddles, the minima on either side."""
    judge, known, table = asked.prepared.judge, len(asked.table.x), tracks.table
    rows = np.flatnonzero((table.kind == Kind.SADDLE) | (table.kind == Kind.MAXIMUM))
    both = Table(*(np.concatenate(columns) for columns in zip(asked.table, table.take(rows), strict=True)))
    space = (judge.landscape, judge.args, judge.scales, judge.metric)
    paths = pathways(both, np.arange(len(both.x)) >= known, *space, loss=judge.loss)
    joins, barrier = np.full((len(table.x), 2), -1), np.full((len(table.x), 2), np.nan)
    order = np.argsort(paths.minima, axis=1, kind="stable")
    place = rows[paths.saddle - known]
    joins[place], barrier[place] = (np.take_along_axis(sides, order, axis=1) for sides in (paths.minima, paths.barrier))
    return Saddles(table, matched(table.x, asked.table, judge.metric), joins, barrier)


def told(record: Record, found: Boundary) -> dict[str, Any]:
    """Return everything `mnemo boundary --json` prints, as plain values that are strict JSON."""
    words: dict[str, Any] = {
        "record": str(record.path),
        "grid": None if found.measures is None else measures.told(found.measures),
        "distances": None,
        "edges": None,
    }
    if found.distances is not None and found.edges is not None and found.saddles is not None:
        words["minima"] = dict(zip(("looked_at", "reached"), found.minima, strict=True))
        words["distances"] = {"descents": found.descents[0], "minima": _distances(found.distances, found.known)}
        words["edges"] = {
            "learning_rate": found.learning_rate,
            "own_optimizer": found.own,
            "descents": found.descents[1],
            "saddles": _saddle_words(found.saddles, found.edges, found.known),
            "pairs": _pairs(found.edges, found.known),
        }
    return store.strict(words)


def _label(label: int, known: int) -> int | str | None:
    """Return a label as JSON has it: the word for points that the run had not met, null for none."""
    return None if label < 0 else int(label) if label < known else "new"


def _distances(away: Distances, known: int) -> list[dict[str, Any]]:
    return [
        {
            "label": int(label),
            "distance_at_most": distance,
            "direction": direction,
            "x": x,
            "beyond": _label(beyond, known),
        }
        for label, distance, direction, x, beyond in zip(*away, strict=True)
    ]


def _saddle_words(saddles: Saddles, tracks: Edges, known: int) -> list[dict[str, Any]]:
    table = saddles.table
    return [
        {
            "label": _label(saddles.label[row] if saddles.label[row] >= 0 else known, known),
            "x": table.x[row],
            "loss": table.loss[row],
            "kind": KINDS[table.kind[row]],
            "index": table.index[row],
            "eigenvalues": table.eigenvalues[row],
            "minima": [_label(label, known) for label in saddles.joins[row]],
            "barriers": saddles.barrier[row],
            "tracks": int(np.sum(tracks.point == row)),
        }
        for row in np.argsort(table.loss, kind="stable")
    ]


def _pairs(tracks: Edges, known: int) -> list[dict[str, Any]]:
    """Return the boundary pairs; ``saddle`` is the place in the list of saddles."""
    place = np.append(np.argsort(np.argsort(tracks.table.loss, kind="stable")), -1)
    return [
        {
            "between": [_label(label, known) for label in pair],
            "start": path[0],
            "end": path[-1],
            "lost": lost,
            "saddle": None if point < 0 else int(place[point]),
        }
        for pair, path, lost, point in zip(
            tracks.pair, tracks.path.swapaxes(0, 1), tracks.lost, tracks.point, strict=True
        )
    ]
