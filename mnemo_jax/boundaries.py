"""How entangled the basins on a grid are: basin entropy, boundary basin entropy, and whether a boundary is smooth.

Labels come as an integer array ``[n1, ..., nd]``, one per cell; -1, which stands for no label, is a class like others.
"""

from typing import Literal, NamedTuple

import numpy as np
from scipy import integrate, ndimage, special

from mnemo_jax.blocks import block_numbers, block_sums, interval, resampled

BOX = 5  # cells, the side of the boxes of basin entropy (Daza et al. 2016)
BALLS, ENOUGH = 4000, 400  # balls on the boundary that are looked at, and fewest that say anything
TRIES = 4  # places looked at for each
HALVES = (4, 10)  # cells, bounds of half the balls' radius
SPAN = 50  # radii along the grid's shortest side, where its cells are enough for that
FEWEST = 20  # the same at least
SMOOTH, FRACTAL = 2.0, 4.0  # standard errors off what is allowed, up to which smooth and above which fractal
MEMORY = 1 << 20  # cells looked at together

Verdict = Literal["smooth", "fractal", "undecided"]


class Entropy(NamedTuple):
    """Basin entropies of a grid, in nats, with 95 % intervals ``[2]`` (bootstrap over blocks of boxes).

    Attributes:
        basin: mean entropy of the labels in a box, over all boxes.
        boundary: the same over the boxes that hold more than one label; NaN where there are none.
        basin_interval, boundary_interval: of both.
        box: side of a box in cells.
        boxes, boundary_boxes: how many there are, and how many of them hold more than one label.
    """

    basin: float
    basin_interval: np.ndarray
    boundary: float
    boundary_interval: np.ndarray
    box: int
    boxes: int
    boundary_boxes: int


def basin_entropy(labels: np.ndarray, box: int = BOX) -> Entropy | None:
    """Return basin entropy and boundary basin entropy over boxes of ``box`` cells a side (Daza et al. 2016).

    ``S = mean over boxes of sum_j -p_j ln p_j``, with ``p_j`` the share of label ``j`` in the box (Scientific Reports
    6, 31416, equations 3 and 4). A boundary basin entropy above ln 2 takes a fractal boundary; one below says nothing.
    Cells that fill no whole box at the upper ends of the axes are left out. None for grids of less than two boxes a
    side.
    """
    number = np.array(labels.shape) // box
    if number.min() < 2:
        return None
    inside = _short(labels)[tuple(slice(0, n * box) for n in number)]
    split = inside.reshape([part for n in number for part in (n, box)])
    rows = split.transpose([*range(0, split.ndim, 2), *range(1, split.ndim, 2)]).reshape(number.prod(), -1)
    entropy = np.concatenate([entropies(codes) for codes in np.array_split(rows, -(-rows.size // MEMORY))])
    where = block_numbers(tuple(number)).ravel()
    columns = (entropy, np.ones(len(entropy)), (entropy > 0).astype(float))
    sums = np.stack([block_sums(column, where) for column in columns], axis=-1)
    total, boxes, mixed = resampled(sums, sums[:, 2] > 0).T
    with np.errstate(invalid="ignore"):
        return Entropy(
            basin=float(entropy.mean()),
            basin_interval=interval(total / boxes),
            boundary=float(np.divide(entropy.sum(), np.sum(entropy > 0))),
            boundary_interval=interval(total / mixed),
            box=box,
            boxes=len(entropy),
            boundary_boxes=int(np.sum(entropy > 0)),
        )


def entropies(labels: np.ndarray, inside: np.ndarray | None = None) -> np.ndarray:
    """Return the entropy ``[n]`` in nats of the labels in each row ``[n, m]``, or of those of them ``inside``."""
    rows, cells = labels.shape
    ordered = np.sort(np.where(True if inside is None else inside, labels, labels.max(initial=0) + 1), axis=1)
    size = np.full(rows, cells) if inside is None else inside.sum(axis=1)
    begins = np.ones((rows, cells), bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    begin = np.flatnonzero(begins)
    row = begin // cells
    # What is outside comes last in each row, so that only runs that begin among the first ``size`` are counted.
    counted = begin % cells < size[row]
    part = np.diff(begin, append=rows * cells)[counted] / size[row[counted]]
    return np.bincount(row[counted], weights=special.entr(part), minlength=rows)


class Fractality(NamedTuple):
    """Whether a boundary looks smooth, with the numbers that rests on; entropies in nats, NaN where none was found.

    Attributes:
        verdict: "smooth", "fractal" or "undecided".
        reason: why it is undecided, else None.
        radius: of the balls, in cells; half of it is looked at too.
        entropy: mean entropy of balls on the boundary, of both radii ``[2]``.
        error: their standard errors ``[2]``.
        limit, limit_error: the entropy extrapolated to balls of radius zero, and its standard error.
        smooth: what a smooth boundary between two basins has there.
        allowance: by how much more or less cells of finite size may make of that, ``[2]``.
        deviation: standard errors by which the limit lies outside what is allowed.
        balls: how many of each radius were on the boundary.
    """

    verdict: Verdict
    reason: str | None
    radius: int
    entropy: np.ndarray
    error: np.ndarray
    limit: float
    limit_error: float
    smooth: float
    allowance: np.ndarray
    deviation: float
    balls: int


def fractality(
    labels: np.ndarray, periodic: tuple[bool, ...] | None = None, radius: int | None = None, seed: int = 0
) -> Fractality:
    """Test whether the boundary is smooth at the scale of balls of ``radius`` cells.

    Random balls that hold more than one label have a mean entropy that a smooth boundary sets in closed form,
    `smooth_entropy`, to which balls of cells add up to ``0.224 r^-1.006``, as they miss the shallowest cuts (Puy, Daza
    and Sanjuán 2021, Commun. Nonlinear Sci. Numer. Simul. 95, 105588). Corners, where several smooth boundaries meet,
    raise it too, in proportion to the radius; entanglement at all scales does so at all radii. So balls of half the
    radius are looked at as well, and the straight line through both entropies is compared at radius zero: two standard
    errors outside what is allowed still count as smooth, more than four as fractal, what lies between as undecided.

    Args:
        labels: one per cell.
        periodic: per axis, whether its ends meet; none when None.
        radius: an even number of cells; a fiftieth of the grid's shortest side, 8 to 20, when None.
        seed: of the balls' places.
    """
    shortest, closed = min(labels.shape), periodic or (False,) * labels.ndim
    labels = _short(labels)
    radius = 2 * int(np.clip(round(shortest / SPAN / 2), *HALVES)) if radius is None else radius
    coarse, fine = (0.224 * float(r) ** -1.006 for r in (radius, radius // 2))
    nothing = np.full(2, np.nan)
    found = Fractality(
        "undecided", None, radius, nothing, nothing, np.nan, np.nan, smooth_entropy(labels.ndim),
        np.array([-coarse, 2 * fine]), np.nan, 0,
    )  # fmt: skip
    if shortest < FEWEST * radius:
        return found._replace(reason=f"{shortest} cells along an axis are too few for balls of radius {radius}")
    balls = [on_boundary(labels, closed, r, seed) for r in (radius, radius // 2)]
    if (number := min(map(len, balls))) < ENOUGH:
        one = "there is one label alone" if np.all(labels == labels.flat[0]) else None
        return found._replace(reason=one or f"only {number} random balls hold more than one label", balls=number)
    entropy = np.array([of.mean() for of in balls])
    error = np.array([of.std(ddof=1) / np.sqrt(len(of)) for of in balls])
    return _judged(found._replace(entropy=entropy, error=error, balls=number))


def _judged(found: Fractality) -> Fractality:
    """Extrapolate to radius zero and compare with what a smooth boundary has."""
    limit, error = 2 * found.entropy[1] - found.entropy[0], np.hypot(2 * found.error[1], found.error[0])
    low, high = found.smooth + found.allowance
    deviation = float(max(low - limit, limit - high, 0.0) / error)
    verdict: Verdict = "smooth" if deviation <= SMOOTH else "fractal" if deviation > FRACTAL else "undecided"
    reason = f"its entropy is off by {deviation:.1f} standard errors, between {SMOOTH:g} and {FRACTAL:g}"
    return found._replace(
        verdict=verdict,
        reason=reason if verdict == "undecided" else None,
        limit=float(limit),
        limit_error=float(error),
        deviation=deviation,
    )


def smooth_entropy(dim: int) -> float:
    """Return the mean entropy in nats of balls in ``dim`` dimensions that a plane cuts at a uniform distance.

    ``int_0^1 H(p(h)) dh`` with ``p(h) = I_{1-h^2}((dim+1)/2, 1/2) / 2`` the share of the ball beyond the plane at
    distance ``h``, ``I`` the regularised incomplete beta function (Li 2011, Asian J. Math. Stat. 4) and ``H`` the
    binary entropy: 1/2 in one dimension, 0.43951 in two.
    """

    def binary(h: float) -> float:
        p = 0.5 * special.betainc((dim + 1) / 2, 0.5, (1 - h) * (1 + h))
        return float(special.entr(p) + special.entr(1 - p))

    return float(integrate.quad(binary, 0, 1, epsabs=1e-12, epsrel=1e-12, limit=200)[0])


def on_boundary(labels: np.ndarray, periodic: tuple[bool, ...], radius: int, seed: int = 0) -> np.ndarray:
    """Return the entropies ``[n]`` of random balls in the grid that hold more than one label, `BALLS` unless it fails.

    Their middles are uniform over all places where that is so; on axes that do not close balls lie in the grid whole.
    """
    random, shape = np.random.default_rng(seed), np.array(labels.shape)
    around = np.indices((2 * radius + 2,) * labels.ndim).reshape(labels.ndim, -1).T - radius
    likely = np.flatnonzero(_near_boundary(labels, periodic, radius))
    together = max(1, min(BALLS, MEMORY // len(around)))
    found: list[np.ndarray] = []
    for _ in range(-(-TRIES * BALLS // together) if len(likely) else 0):
        # Places are counted in cells from the first cell's middle: a grid reaches from -1/2 to n - 1/2.
        cell = np.stack(np.unravel_index(random.choice(likely, together), labels.shape), axis=-1)
        centre = cell + random.uniform(-0.5, 0.5, cell.shape)
        fits = np.all(periodic | ((centre >= radius - 0.5) & (centre <= shape - 0.5 - radius)), axis=1)
        corner = np.floor(centre[fits])
        axes, part = range(labels.ndim), centre[fits] - corner
        away = np.asarray(sum((around[:, k] - part[:, k, None]) ** 2 for k in axes))
        cells = tuple((corner[:, k, None].astype(np.int64) + around[:, k]) % shape[k] for k in axes)
        entropy = entropies(labels[cells], away <= radius**2)
        found.append(entropy[entropy > 0])
        if sum(map(len, found)) >= BALLS:
            break
    return np.concatenate([np.empty(0), *found])[:BALLS]


def _short(labels: np.ndarray) -> np.ndarray:
    """Return labels as 16-bit integers where they fit, which sort several times as fast."""
    return labels.astype(np.int16) if labels.max(initial=0) < np.iinfo(np.int16).max else labels


def _near_boundary(labels: np.ndarray, periodic: tuple[bool, ...], radius: int) -> np.ndarray:
    """Return the cells about which a ball of the radius can hold more than one label, and some more, bool."""
    edge = np.zeros(labels.shape, bool)
    for axis, closed in enumerate(periodic):
        other = np.roll(labels, -1, axis) != labels
        if not closed:
            other[(slice(None),) * axis + (-1,)] = False
        edge |= other
    mode = ["wrap" if closed else "constant" for closed in periodic]
    return np.asarray(ndimage.maximum_filter(edge, size=2 * radius + 5, mode=mode))
