"""How basins, kinds and points look and are said in all charts of a page."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mnemo_jax.figures.style import KIND_PLURALS, Results
from mnemo_jax.figures.words import families, kinds
from mnemo_jax.record import Record
from mnemo_jax.report import theme
from mnemo_jax.tables import KINDS, tidy, word
from mnemo_jax.terminal import percent
from mnemo_jax.types import Kind

SYMBOLS = {"minimum": "circle", "saddle": "x", "maximum": "triangle-up", "degenerate": "diamond", "kink": "star"}
SIZES = {"minimum": 11, "saddle": 9, "maximum": 11, "degenerate": 10, "kink": 13}
ORDER = ("saddle", "maximum", "degenerate", "kink", "minimum")  # the last lie on top
SIDES = {
    "top center": (0, 14),
    "bottom center": (0, -14),
    "middle right": (13, 0),
    "middle left": (-13, 0),
    "top right": (12, 11),
    "top left": (-12, 11),
    "bottom right": (12, -11),
    "bottom left": (-12, -11),
}  # of a mark, in pixels, where its label may stand
# Of labels, so that they are read on dark heights too: a rim without blur on all sides, and a softer one around it.
HALO = ", ".join(
    [f"{x}px {y}px 0 var(--paper)" for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y] + ["0 0 3px var(--paper)"] * 3
)
WIDTH, ROOM = 300, 24  # pixels over which points spread on a narrow screen, and room that is enough for a label
TOLD = 40  # points up to which their labels stand beside them
COORDINATES = 4  # of a point, told where it is hovered over


def reached(record: Record) -> np.ndarray:
    """Return the labels that starts reached, rising."""
    return np.flatnonzero(record.shares.count > 0)


def hues(record: Results) -> dict[int, str]:
    """Return the colour of each basin by label: none where there are more than colours that are told apart.

    Of a search the minima count as basins.
    """
    rows = reached(record) if isinstance(record, Record) else np.flatnonzero(record.catalogue.kind == Kind.MINIMUM)
    return {int(row): theme.hue(k) for k, row in enumerate(rows)} if len(rows) <= theme.DISTINCT else {}


def colours(record: Results, rows: Sequence[int] | np.ndarray) -> list[str]:
    """Return the colour of each point: that of its basin, one for all minima where these are many, ink for the rest."""
    own, kind = hues(record), record.catalogue.kind
    return [own.get(int(row), theme.hue(4) if kind[row] == Kind.MINIMUM else "var(--ink)") for row in rows]


def marks(
    record: Results, rows: np.ndarray, x: np.ndarray, y: np.ndarray, told: int = TOLD, **more: Any
) -> list[dict[str, Any]]:
    """Return traces of the points ``rows`` at ``x, y [n]``, one for each kind, with a line of the legend of its own."""
    traces = []
    beside = np.array(sides(np.stack([x, y], axis=1)) if len(rows) <= told else [""] * len(rows), object)
    kind, family = record.catalogue.kind[rows], record.catalogue.family[rows] > 0
    for name in ORDER:
        for flat in (False, True):
            of = np.flatnonzero((kind == KINDS.index(name)) & (family == flat))
            if len(of):
                traces += _kind(record, rows[of], x[of], y[of], name, flat, beside[of].tolist(), more)
    return traces


def _kind(
    record: Results,
    rows: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    name: str,
    flat: bool,
    beside: list[str],
    more: dict[str, Any],
) -> list[dict[str, Any]]:
    size = SIZES[name] * float(np.clip(np.sqrt(60 / len(rows)), 0.4, 1.0))
    edge = {"color": "var(--paper)", "width": 1.2 if size > 6 else 0.5}
    marker = {"symbol": SYMBOLS[name] + "-open" * flat, "size": size, "line": {"width": 2} if flat else edge}
    in_words = word(KINDS.index(name), record.catalogue.x.shape[1])
    legend = families(len(rows), in_words).replace("\n", " ") if flat else kinds(len(rows), in_words)
    drawn = {
        "type": "scatter",
        "mode": "markers+text" if all(beside) else "markers",
        "x": x.tolist(),
        "y": y.tolist(),
        "marker": marker | {"color": colours(record, rows)},
        "hovertext": [said(record, int(row)) for row in rows],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "legendgroup": legend,
        "showlegend": False,
    }
    if all(beside):
        drawn |= {"text": [str(row) for row in rows], "textposition": beside}
        drawn |= {"textfont": {"size": 12, "shadow": HALO}, "cliponaxis": False}
    sample = marker | {"color": theme.hue(4) if name == "minimum" and not hues(record) else "var(--quiet)", "size": 10}
    key = {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "marker": sample, "name": legend}
    return [drawn | more, key | {"legendgroup": legend, "hoverinfo": "skip"} | more]


def legend(record: Results, rows: np.ndarray) -> str:
    """Return in words what labels, shapes and colours of the points ``rows`` on a map mean."""
    if not len(rows):
        return ""
    numbers = "Numbers are labels, shapes are kinds" if len(rows) <= TOLD else "Shapes are kinds"
    return numbers + ("; each minimum has its own colour in all charts." if hues(record) else ".")


def sides(at: np.ndarray) -> list[str]:
    """Return on which side of each of few points ``[n, 2]`` its label is furthest from all other points and labels."""
    place = WIDTH * (at - at.min(axis=0, initial=0.0)) / (np.ptp(at, axis=0) + 1e-300) if len(at) else at
    chosen = []
    for k in range(len(at)):
        spots = place[k] + np.array(list(SIDES.values()))
        room = np.linalg.norm(spots[:, None] - np.delete(place, k, axis=0), axis=2).min(axis=1, initial=ROOM)
        best = int(np.argmax(room))
        place = np.concatenate([place, spots[best : best + 1]])
        chosen.append(list(SIDES)[best])
    return chosen


def name_of(record: Results, row: int) -> str:
    """Return what to call a point: its kind and its label."""
    return f"{word(record.catalogue.kind[row], record.catalogue.x.shape[1])} {row}"


def plural(kind: int, dim: int) -> str:
    """Return the plural of a kind."""
    return KIND_PLURALS[word(kind, dim)]


def said(record: Results, row: int) -> str:
    """Return what is told of a point where it is hovered over: name, place, loss, index and share."""
    table = record.catalogue
    lines = [f"<b>{name_of(record, row)}</b>", f"x  {point(table.x[row])}", f"loss  {loss(record, table.loss[row])}"]
    if table.kind[row] not in (KINDS.index("minimum"), KINDS.index("kink")):
        lines.append(f"index  {table.index[row]}")
    if isinstance(record, Record):
        lines.append(f"share  {share(record, row)}")
    return "<br>".join(lines)


def share(record: Record, row: int) -> str:
    """Return the share of a point with its interval."""
    interval = between(*record.shares.interval[row])
    return f"{percent(record.shares.share[row])} %" + (f" ({interval})" if interval else "")


def between(low: float, high: float) -> str:
    """Return the interval of a share; nothing where there is none."""
    return f"{percent(low)} – {percent(high)} %" if low == low else ""


def point(x: np.ndarray, most: int = COORDINATES) -> str:
    """Return a point's first coordinates."""
    told = ", ".join(f"{tidy(float(v)):.6g}" for v in x[:most]).replace("-", "−")
    return told + (f", … ({len(x)})" if len(x) > most else "")


def loss(record: Results, value: float) -> str:
    """Return a loss as tables write it, rounding noise around zero as zero."""
    return f"{tidy(float(value), record.dust):.8g}".replace("-", "−")


def symbol(record: Results, row: int) -> str:
    """Return the shape of a point's kind."""
    return SYMBOLS[KINDS[record.catalogue.kind[row]]]
