"""How far a minimum is from the boundary of its basin: along rays that are cut there, then turned towards the nearest.

The distance is an upper bound: a boundary between two rays, or one that a ray's scan steps over, is not seen. It is the
size of the smallest kick found that changes where a descent ends (the minimal critical shock of Halekotte and Feudel
2020, Scientific Reports 10, 11783).
"""

from typing import NamedTuple, Protocol

import numpy as np

from mnemo_jax.catalogue import Metric, Table

RANDOM = 48  # random directions from each minimum, beside both ways along every axis
NEAR, FAR, RATIO = 1e-3, 4.0, 1.25  # box lengths of a scan's first and last radius, ratio of one to the next
BEYOND = 1e-6  # of the distance, further on than a ray's end
TIGHT = 1e-8  # of the distance, to which rays are cut in the end
PARTS = 8  # a ray's bracket is cut into at once: asking is dear, points are cheap
KEPT, TURNS = 2, 10  # directions turned further, and turned copies of each in a round
ROUNDS, ANGLE, SHRINK = 16, 0.3, 0.5  # of turning, first angle, and its ratio from round to round
LOOSE = 1e-3  # of the squared angle, part of the distance to which rays are cut on the way: turning changes no less


class Asked(Protocol):
    """What tells labels: see `oracle.Oracle`.

    Attributes:
        table: the points that labels are the row numbers of.
    """

    table: Table

    def labels(self, x: np.ndarray) -> np.ndarray:
        """Return the labels of points ``x [n, d]``, int64 ``[n]``, -1 for none."""
        ...


class Distances(NamedTuple):
    """The nearest place found outside the basin of each of ``n`` minima.

    Attributes:
        label: int64 ``[n]``, the minima.
        distance: ``[n]``, an upper bound of the distance; infinite where no ray left the basin.
        direction: ``[n, d]``, unit vectors from the minimum.
        x: ``[n, d]``, the place.
        beyond: int64 ``[n]``, label a millionth of the distance further on, -1 for none: closer to the boundary
            descents may end at a saddle on it.
    """

    label: np.ndarray
    distance: np.ndarray
    direction: np.ndarray
    x: np.ndarray
    beyond: np.ndarray


class _Rays(NamedTuple):
    """Rays ``[r]`` with their minima ``minimum [r]`` (numbers), unit directions, and labels beyond where they end."""

    minimum: np.ndarray
    direction: np.ndarray
    length: np.ndarray
    beyond: np.ndarray


def distances(asked: Asked, rows: np.ndarray, metric: Metric, seed: int = 0) -> Distances:
    """Return the smallest distance found from minima to the boundaries of their basins.

    Every minimum sends out rays along the axes and along random directions. Labels are asked for at radii from a
    thousandth of the box length (half its longest side) to four of them; between the last of the minimum's own and the
    first other one a ray is cut into eight, again and again. The shortest rays are then turned at random by ever
    smaller angles, and a turned ray that leaves the basin earlier takes the place of its parent. All rays of all minima
    are asked about at once.

    Args:
        asked: tells labels.
        rows: labels of the minima.
        metric: of the landscape.
        seed: of the directions.
    """
    centre = asked.table.x[rows]
    random = np.random.default_rng(seed)
    rays = _scanned(asked, centre, rows, _directions(len(rows), centre.shape[1], random), metric.length)
    angle = ANGLE
    for _ in range(ROUNDS if centre.shape[1] > 1 else 0):
        best = _shortest(rays, len(rows), KEPT)
        shorter = _shortened(asked, centre, rows, _turned(best, angle, random), max(TIGHT, LOOSE * angle**2))
        rays = _Rays(*map(np.concatenate, zip(best, shorter, strict=True)))
        angle *= SHRINK
    best = _shortest(rays, len(rows), 1)
    further = centre[best.minimum] + (1 + BEYOND) * best.length[:, None] * best.direction
    return _told(centre, rows, best._replace(beyond=asked.labels(further)))


def _directions(number: int, dim: int, random: np.random.Generator) -> _Rays:
    axes = np.concatenate([np.eye(dim), -np.eye(dim)])
    unit = _unit(random.standard_normal((number, RANDOM if dim > 1 else 0, dim)))
    ways = np.concatenate([np.broadcast_to(axes, (number, 2 * dim, dim)), unit], axis=1).reshape(-1, dim)
    size = len(ways)
    minimum = np.repeat(np.arange(number), size // max(number, 1))
    return _Rays(minimum, ways, np.full(size, np.inf), np.full(size, -1))


def _scanned(asked: Asked, centre: np.ndarray, rows: np.ndarray, rays: _Rays, length: float) -> _Rays:
    """Return the rays that leave their basin, as long as they are in it."""
    count = 1 + int(np.ceil(np.log(FAR / NEAR) / np.log(RATIO)))
    radii = length * np.geomspace(NEAR, FAR, count)
    x = centre[rays.minimum][:, None] + radii[:, None] * rays.direction[:, None]
    label = asked.labels(x.reshape(-1, x.shape[-1])).reshape(x.shape[:2])
    other = label != rows[rays.minimum][:, None]
    left = other.any(axis=1)
    first = np.argmax(other, axis=1)[left]
    rays = _Rays(*(column[left] for column in rays))
    rays = rays._replace(length=radii[first], beyond=label[left][np.arange(len(first)), first])
    return _cut(asked, centre, rows, rays, np.where(first > 0, radii[first - 1], 0.0))


def _cut(
    asked: Asked, centre: np.ndarray, rows: np.ndarray, rays: _Rays, low: np.ndarray, part: float = TIGHT
) -> _Rays:
    """Return rays, in their basin at ``low [r]`` and out of it at their length, cut at the boundary between.

    The bracket is cut into eight until it is shorter than ``part`` of the length; its far end is kept.
    """
    low, high, beyond = low.copy(), rays.length.copy(), rays.beyond.copy()
    inner = np.arange(1, PARTS) / PARTS
    while len(go := np.flatnonzero(high - low > part * high)):
        radii = low[go, None] + (high - low)[go, None] * inner
        x = centre[rays.minimum[go], None] + radii[..., None] * rays.direction[go, None]
        label = asked.labels(x.reshape(-1, x.shape[-1])).reshape(radii.shape)
        ends = np.concatenate([label != rows[rays.minimum[go], None], np.ones((len(go), 1), bool)], axis=1)
        first = np.argmax(ends, axis=1)
        at = np.arange(len(go))
        low[go], high[go] = (
            np.concatenate([low[go, None], radii], axis=1)[at, first],
            np.concatenate([radii, high[go, None]], axis=1)[at, first],
        )
        beyond[go] = np.concatenate([label, beyond[go, None]], axis=1)[at, first]
    return rays._replace(length=high, beyond=beyond)


def _turned(rays: _Rays, angle: float, random: np.random.Generator) -> _Rays:
    """Return `TURNS` copies of each ray, turned at random by about the angle."""
    copies = _Rays(*(np.repeat(column, TURNS, axis=0) for column in rays))
    dim = copies.direction.shape[1]
    push = angle / np.sqrt(max(dim - 1, 1)) * random.standard_normal(copies.direction.shape)
    return copies._replace(direction=_unit(copies.direction + push))


def _shortened(asked: Asked, centre: np.ndarray, rows: np.ndarray, rays: _Rays, part: float) -> _Rays:
    """Return the turned rays that are out of their basin before their parents' end, cut at the boundary."""
    label = asked.labels(centre[rays.minimum] + rays.length[:, None] * rays.direction)
    out = label != rows[rays.minimum]
    rays = _Rays(*(column[out] for column in rays._replace(beyond=label)))
    return _cut(asked, centre, rows, rays, np.zeros(len(rays.length)), part)


def _shortest(rays: _Rays, number: int, most: int) -> _Rays:
    """Return the ``most`` shortest rays of each of a ``number`` of minima, in order."""
    order = np.lexsort((rays.length, rays.minimum))
    begin = np.searchsorted(rays.minimum[order], np.arange(number))
    place = np.arange(len(order)) - begin[rays.minimum[order]]
    return _Rays(*(column[order[place < most]] for column in rays))


def _told(centre: np.ndarray, rows: np.ndarray, best: _Rays) -> Distances:
    distance, direction = np.full(len(rows), np.inf), np.full(centre.shape, np.nan)
    beyond = np.full(len(rows), -1)
    distance[best.minimum], direction[best.minimum], beyond[best.minimum] = best.length, best.direction, best.beyond
    with np.errstate(invalid="ignore"):
        return Distances(rows, distance, direction, centre + distance[:, None] * direction, beyond)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)
