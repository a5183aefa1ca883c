"""Ways out of stalls in two dimensions: which side of each saddle descents leave by, and to which labels."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.patheffects import withStroke
from matplotlib.transforms import ScaledTranslation
from scipy.interpolate import RectBivariateSpline

from mnemo_jax.dwells import Place, analyse_stalls
from mnemo_jax.exits import facing
from mnemo_jax.figures import marks, where, words
from mnemo_jax.figures.colours import palette
from mnemo_jax.figures.plane import lines, plane
from mnemo_jax.figures.style import INK, styled
from mnemo_jax.record import Record

TOP, ENOUGH = 24, 5  # places at most, and stalls with a direction from which a place is shown
CLOSE = 0.1  # relative error of the picture's eigenvalues above which its eigenvectors are not trusted
LONG, SHORT = 30.0, 9.0  # points, of arrows
APART, BEFORE = 0.4, 14.0  # part of the way to another place, and points before another label, where they end
# Of shares, see `_shares`: which part of the arrow's length, points beyond it, and how far beside it.
SPOTS = (
    (1.0, 7.0, 0.0), (0.5, 0.0, 1.0), (0.5, 0.0, -1.0), (1.0, 0.0, 1.0), (1.0, 0.0, -1.0), (1.0, 7.0, 0.8),
    (1.0, 7.0, -0.8), (1.0, 13.0, 0.0), (0.7, 0.0, 1.5), (0.7, 0.0, -1.5),
)  # fmt: skip
BROADER = 5.0  # points by which a share is wider than high, to each side
HALF = 8.0  # points, half of its width, that labels keep clear of
FLAT = np.array([0.5, 1.0])  # what distances along the screen's axes count, as shares are wide
ROOM = 9.0  # points around a share, enough to look no further
WIDTH, FROM = 7.0, 4.0  # points, of an arrow that all descents take, and from its place to its tail


class Arrow(NamedTuple):
    """An arrow from ``x [2]`` in the direction ``along [2]`` of the screen, ``long`` points; ``end`` is its label."""

    x: np.ndarray
    along: np.ndarray
    long: float
    share: float
    end: int


@styled
def ways(record: Record) -> Figure | None:
    """Draw arrows from the points at which descents stalled, along their unstable directions, to both sides.

    The width of an arrow is the share of the stalls there that ended to its side, its colour the label with which most
    of those starts ended. Directions are eigenvectors of the loss's picture, left out where its eigenvalues are not
    those of the catalogue. None in other dimensions, and where fewer than five stalls at a point have a direction.
    """
    if record.config["loss"]["dim"] != 2:
        return None
    places = [place for place in analyse_stalls(record, (), top=TOP).places if _number(place) >= ENOUGH]
    vectors = _vectors(record, [place.label for place in places if place.label is not None])
    shown = [(place, vectors[place.label]) for place in places if place.label is not None and place.label in vectors]
    if not shown:
        return None
    number = sum(_number(place) for place, _ in shown)
    note = (
        f"{words.several(number, 'stall')} at {words.several(len(shown), 'critical point')} by the side they ended to. "
        "Numbers without % are labels; an arrow's colour is the label with which most of its starts then ended. "
        f"{words.starts(record)}."
    )
    figure, axes = plane(record, "which side stalled descents leave by", note, where.window(record))
    lines(axes, record, 14)
    rows = np.array([place.label for place, _ in shown], int)
    ends = sorted({side.ends[0][0] for place, _ in shown for side in place.sides if side.ends})
    reached = np.array([label for label in ends if label >= 0], int)
    arrows = _arrows(axes, record, shown, reached)
    for arrow in arrows:
        _draw(axes, arrow, palette(record))
    handles = _points(axes, record, rows, reached, arrows)
    marks.legend(axes, [("stalls at", handles), ("label most of them reached", _ends(record, ends))])
    return figure


def _number(place: Place) -> int:
    return sum(side.stalls for side in place.sides)


def _vectors(record: Record, labels: list[int]) -> dict[int, np.ndarray]:
    """Return eigenvectors ``[2, 2]`` of the loss at those points where its picture tells them, by label."""
    kept, found = where.picture(record), {}
    axes, loss = (kept["axis0"], kept["axis1"]), kept["loss"]
    if not np.all(np.isfinite(loss)):
        return {}
    spline = RectBivariateSpline(*axes, loss, kx=5, ky=5)
    for label in labels:
        x, y = record.catalogue.x[label]
        inside = axes[0][0] <= x <= axes[0][-1] and axes[1][0] <= y <= axes[1][-1]
        (a, b, c) = (float(spline(x, y, dx=n, dy=2 - n)[0, 0]) for n in (2, 1, 0))
        values, vectors = np.linalg.eigh(np.array([[a, b], [b, c]]))
        true = record.catalogue.eigenvalues[label]
        if inside and np.all(np.abs(values - true) <= CLOSE * np.abs(true)):
            found[label] = facing(vectors[None])[0]
    return found


def _arrows(axes: Axes, record: Record, shown: list[tuple[Place, np.ndarray]], ends: np.ndarray) -> list[Arrow]:
    """Return the arrows to sides that descents took, so short that they keep clear of other points."""
    x = record.catalogue.x
    places = np.array([place.label for place, _ in shown], int)
    to_places, to_ends = (_gaps(axes, x[places], x[rows]) for rows in (places, ends))
    longest = np.clip(np.minimum(APART * to_places, to_ends - BEFORE), SHORT, LONG)
    arrows = []
    for (place, vectors), at, long in zip(shown, x[places], longest, strict=True):
        for side in place.sides:
            if not side.stalls:
                continue
            vector = np.sign(side.direction) * vectors[:, abs(side.direction) - 1]
            along = np.subtract(*axes.transData.transform([at + vector, at]))
            arrows.append(Arrow(at, along / np.linalg.norm(along), float(long), side.share, side.ends[0][0]))
    return arrows


def _gaps(axes: Axes, x: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the distance in pixels, which are points, from each of ``x`` to the nearest of the others but itself."""
    at, there = axes.transData.transform(x), axes.transData.transform(others)
    gaps = np.linalg.norm(at[:, None] - there, axis=2)
    return np.where(gaps > 0, gaps, np.inf).min(axis=1, initial=np.inf)


def _draw(axes: Axes, arrow: Arrow, colours: np.ndarray) -> None:
    """Draw an arrow in the colour of its label, and the share at its tip."""
    width = max(WIDTH * arrow.share, 0.6)
    begin, tip = (arrow.along * points / 72 for points in (FROM, FROM + arrow.long))
    inches: Any = axes.get_figure(root=True).dpi_scale_trans  # type: ignore[union-attr]
    from_place: Any = ScaledTranslation(arrow.x[0], arrow.x[1], axes.transData)  # type: ignore[arg-type]
    patch = FancyArrowPatch(
        tuple(begin), tuple(tip), transform=inches + from_place, shrinkA=0, shrinkB=0, linewidth=0.4,
        arrowstyle=f"simple,tail_width={width:.2f},head_width={width + 4.5:.2f},head_length=5.5",
        facecolor=colours[arrow.end], edgecolor=INK, zorder=4.5, gid="way",
    )  # fmt: skip
    axes.add_patch(patch)


def _shares(axes: Axes, arrows: list[Arrow], points: np.ndarray) -> np.ndarray:
    """Write the share of each arrow at its tip or beside it, where there is most room; return where, ``[n, 2]``.

    Args:
        axes: what they are drawn in.
        arrows: to be told.
        points: ``[m, 2]``, data that is marked.
    """
    taken = [axes.transData.transform(points), *(_along(axes, arrow) for arrow in arrows)]
    for number, arrow in enumerate(arrows):
        place = axes.transData.transform(arrow.x)
        across = np.array([-arrow.along[1], arrow.along[0]])
        aside = across * (6.5 + WIDTH * arrow.share / 2 + BROADER * abs(across[0]))
        broader = BROADER * abs(arrow.along[0])
        spots = place + np.stack(
            [
                (FROM + part * arrow.long + (beyond and beyond + broader)) * arrow.along + side * aside
                for part, beyond, side in SPOTS
            ]
        )
        others = np.concatenate([part for k, part in enumerate(taken) if k != number + 1])
        room = np.linalg.norm(FLAT * (spots[:, None] - others), axis=2).min(axis=1).clip(max=ROOM)
        spot = spots[np.argmax(room)]
        taken.append(spot + np.array([[-HALF, 0.0], [0.0, 0.0], [HALF, 0.0]]))
        axes.annotate(
            f"{100 * arrow.share:.0f} %", tuple(arrow.x), tuple(spot - place), textcoords="offset points",
            ha="center", va="center_baseline", fontsize=6.5, zorder=7, annotation_clip=False, gid="share",
            path_effects=[withStroke(linewidth=2.0, foreground="white", alpha=0.85)],
        )  # fmt: skip
    return np.concatenate(taken)


def _along(axes: Axes, arrow: Arrow) -> np.ndarray:
    """Return pixels ``[n, 2]`` along an arrow, from its tail to its tip."""
    part = np.linspace(0.0, 1.0, 7)[:, None]
    return axes.transData.transform(arrow.x) + (FROM + part * arrow.long) * arrow.along


def _points(axes: Axes, record: Record, rows: np.ndarray, ends: np.ndarray, arrows: list[Arrow]) -> list[Artist]:
    """Mark the places by kind and where descents went by colour, all with labels, and return handles of the former."""
    x = record.catalogue.x
    at, both = np.full_like(x, np.nan), np.full_like(x, np.nan)
    at[rows], both[rows], both[ends] = x[rows], x[rows], x[ends]
    axes.scatter(
        x[ends, 0], x[ends, 1], s=52, c=palette(record)[ends], edgecolor=INK, linewidth=0.7, zorder=5, clip_on=False,
        gid="ends",
    )  # fmt: skip
    handles = marks.critical_points(axes, record, at, colour=INK)  # colours are labels here
    taken = _shares(axes, arrows, x[np.concatenate([rows, ends])])
    marks.labels(axes, both, axes.transData.inverted().transform(taken))
    return handles


def _ends(record: Record, ends: list[int]) -> list[Artist]:
    colours = palette(record)
    return [Patch(facecolor=colours[label], label="none" if label < 0 else str(label)) for label in ends]
