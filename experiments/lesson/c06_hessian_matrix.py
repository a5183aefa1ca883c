"""Does it take the Hessian matrix to tell minima, maxima and saddles apart, or are products with vectors enough?

A product of the Hessian with a vector costs about two gradients and no matrix. Kinds told by a few of them are held
against the eigenvalues of the matrix, written out, or against closed forms where it has too many entries.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import mnemo_jax as mnemo
from mnemo_jax import losses

PRODUCTS = 64  # with vectors, or half the columns of the matrix where that is fewer
WIDE, WAVES = 128, 1024  # coordinates, and terms of wide fields, where the matrix is written out
FEW, TERMS = 4, 16  # coordinates and terms of small fields
SEEKING = mnemo.Seeking(count=64, along=0, heights=0, rounds=0)
COUPLING = 0.2  # of the softer of two neighbours' curvature at the top
SOFT = 1e-6  # curvature of the softest well, where wells differ; that of the stiffest is 1
LADDER = (8, 16, 32, 64, WIDE)  # products tried for the pictures
PATTERNS = ("all in wells", "one on top", "half on top", "all but one on top", "all on top")


class Point(NamedTuple):
    """A critical point ``x [d]`` of ``loss(x, *args)``.

    ``kind`` is what a closed form says of it, "" where that is for the matrix to say.
    """

    loss: Callable[..., Any]
    x: np.ndarray
    args: tuple[Any, ...]
    name: str
    kind: str = ""
    group: int = 0


class Told(NamedTuple):
    """What matrix and products say of a point, and how many products that took."""

    name: str
    group: int
    matrix: str
    products: str
    number: int


def measure(
    *,
    place: str,
    points: int,
    fields: int,
    large: int,
    seed: int,
    out: Path,
    asks: str = "not told",
    columns: float = 0.5,
    title: str = "",
) -> mnemo.Measurement:
    """Return at which points the matrix tells the kind and products do not, or whether what they tell is the same."""
    if place == "forms":
        return forms(points, seed)
    told = looked_at(place, points, fields, large, columns, seed, out)
    if asks != "not told":
        allowed = ("undecided",) if asks == "never wrong" else ()
        value = [one.products in (one.matrix, *allowed) for one in told]
        return mnemo.Measurement(value=value, case=[one.name for one in told], note=words(told))
    return mnemo.Measurement(
        value=[one.matrix not in ("undecided", one.products) for one in told],
        cluster=[one.group for one in told] if place == "few" else None,
        note=words(told),
        illustrations=(shares(told, title), *PICTURES.get(place, lambda *_: ())(large, seed)),
    )


@cache
def looked_at(
    place: str, points: int, fields: int, large: int, columns: float, seed: int, out: Path
) -> tuple[Told, ...]:
    """Return what is told of the points of a place."""
    made = PLACES[place](points=points, fields=fields, large=large, seed=seed, out=out)
    with jax.enable_x64(True):
        return tuple(_told(point, columns, i) for i, point in enumerate(made))


def _told(point: Point, columns: float, seed: int) -> Told:
    allowed = max(1, min(PRODUCTS, int(columns * point.x.size)))
    found = _curvature(point, allowed, seed)
    return Told(point.name, point.group, point.kind or by_matrix(point), found.word, found.products)


def _curvature(point: Point, products: int, seed: int) -> mnemo.Curvature:
    x, args = jnp.asarray(point.x), jax.tree.map(jnp.asarray, point.args)
    return mnemo.curvature(point.loss, x, *args, products=products, most=products, count=False, seed=seed)


def by_matrix(point: Point) -> str:
    """Return the kind by the eigenvalues of the Hessian, written out; "undecided" where one of them is zero."""
    values = np.linalg.eigvalsh(np.asarray(_matrix(point.x, point.args, loss=point.loss)))
    zero = 64 * np.sqrt(len(values)) * np.finfo(float).eps * np.abs(values).max()
    if values[0] < -zero and values[-1] > zero:
        return "saddle"
    return "minimum" if values[0] > zero else "maximum" if values[-1] < -zero else "undecided"


@partial(jax.jit, static_argnames="loss")
def _matrix(x: Array, args: tuple[Any, ...], *, loss: Callable[..., Any]) -> Array:
    return jax.hessian(loss)(x, *args)


def few(*, fields: int, seed: int, out: Path, **_: Any) -> Iterator[Point]:
    """Critical points that searches find in random fields of few coordinates."""
    for i in range(fields):
        made = losses.build("random_trigonometric", {"dim": FEW, "terms": TERMS, "seed": seed * 1000 + i})
        found = mnemo.find_critical_points(made, seeking=SEEKING, seed=seed, name=f"few-{i}", out=out).catalogue
        for k, x in enumerate(found.x):
            yield Point(made.loss, x, tuple(made.args.values()), f"field {i}, point {k}", group=i)


def placed(*, points: int, seed: int, **_: Any) -> Iterator[Point]:
    """Random fields of many coordinates with a critical point at a chosen place, where every sine is 0.

    Cosines of one sign make it an extremum, one strong cosine of the other sign a saddle with one way down or up.
    """
    for i in range(points):
        made = losses.build("random_trigonometric", {"dim": WIDE, "terms": WAVES, "seed": seed * 1000 + i})
        kept: dict[str, Any] = dict(made.args)
        x = np.random.default_rng([seed, i]).uniform(0, 2 * np.pi, WIDE)
        size, side = np.abs(kept["amplitudes"]), (-1) ** (i // 3)
        if i % 3 < 2:
            kept["amplitudes"] = -side * size
        if i % 3 == 1:
            kept["amplitudes"][0] = 4 * side * size.sum()
        kept["phases"] = -kept["frequencies"] @ x
        yield Point(made.loss, x, tuple(kept.values()), f"field {i}")


def wells(x: Array, stiff: Array, between: Array) -> Array:
    """Return ``sum_i stiff_i (x_i^2 - 1)^2 / 4 + sum_i between_i sin(pi x_i) sin(pi x_i+1)``.

    Every point with coordinates -1, 0 and 1 is critical. Its Hessian has ``-stiff_i`` or ``2 stiff_i`` on the diagonal
    and ``pi^2 between_i`` in size beside it.
    """
    wave = jnp.sin(jnp.pi * x)
    return jnp.sum(stiff * (x**2 - 1) ** 2) / 4 + jnp.sum(between * wave[:-1] * wave[1:])


def row(pattern: str, stiff: np.ndarray, draw: np.random.Generator) -> Point:
    """Return a critical point of a row of wells, with its kind by Gershgorin's discs, which do not reach zero."""
    number = {PATTERNS[0]: 0, PATTERNS[1]: 1, PATTERNS[2]: len(stiff) // 2, PATTERNS[3]: len(stiff) - 1}
    x = draw.choice([-1.0, 1.0], len(stiff))
    x[draw.permutation(len(stiff))[: number.get(pattern, len(stiff))]] = 0.0
    beside = COUPLING * np.minimum(stiff[:-1], stiff[1:])
    middle, reach = np.where(x == 0, -stiff, 2 * stiff), np.append(beside, 0) + np.append(0, beside)
    down, up = np.any(middle + reach < 0), np.any(middle - reach > 0)
    if np.any(np.abs(middle) <= reach):
        raise ValueError("a disc reaches zero")
    kind = "saddle" if down and up else "maximum" if down else "minimum"
    return Point(wells, x, (stiff, beside / np.pi**2), pattern, kind)


def rows(stiff: np.ndarray, points: int, seed: int) -> Iterator[Point]:
    """Critical points of rows of wells, patterns in turn."""
    draw = np.random.default_rng([seed, len(stiff)])
    for i in range(points):
        yield row(PATTERNS[i % len(PATTERNS)], draw.permutation(stiff), draw)


def alike(*, points: int, large: int, seed: int, **_: Any) -> Iterator[Point]:
    """A long row of wells that are alike; its matrix has too many entries to be written out."""
    return rows(np.ones(large), points, seed)


def unlike(*, points: int, seed: int, **_: Any) -> Iterator[Point]:
    """A row of wells whose curvatures differ by six decades, checked against the matrix as well."""
    for point in rows(np.geomspace(SOFT, 1.0, WIDE), points, seed):
        if by_matrix(point) != point.kind:
            raise ValueError(f"the matrix says {by_matrix(point)} of a {point.kind}")
        yield point


def flat(x: Array, bowl: Array, cubic: Array, quartic: Array, monkey: Array) -> Array:
    """Return ``bowl.x^2 / 2`` and higher powers of the first two coordinates."""
    return (
        jnp.sum(bowl * x**2) / 2 + cubic * x[0] ** 3 + quartic * x[0] ** 4 + monkey * x[0] * (x[0] ** 2 - 3 * x[1] ** 2)
    )


ZOO = {"x^3": (1, 1.0, 0.0, 0.0), "x^4": (1, 0.0, 1.0, 0.0), "-x^4": (1, 0.0, -1.0, 0.0)} | {
    "monkey saddle": (2, 0.0, 0.0, 1.0),
    "a line of minima": (1, 0.0, 0.0, 0.0),
    "a space of minima": (WIDE // 2, 0.0, 0.0, 0.0),
    "x^4, nothing else": (WIDE, 0.0, 1.0, 0.0),
}


def degenerate(*, points: int, seed: int, **_: Any) -> Iterator[Point]:
    """Points whose Hessian has eigenvalues of zero and none of one of the signs."""
    draw = np.random.default_rng(seed)
    for i in range(points):
        name, (zeros, *higher) = list(ZOO.items())[i % len(ZOO)]
        bowl = np.where(np.arange(WIDE) < zeros, 0.0, draw.uniform(1.0, 2.0, WIDE)) * (-1) ** (i // len(ZOO))
        yield Point(flat, np.zeros(WIDE), (bowl, *map(float, higher)), name)


PLACES: dict[str, Callable[..., Iterator[Point]]] = {
    "few": few,
    "fields": placed,
    "wells": alike,
    "unlike wells": unlike,
    "degenerate": degenerate,
}


def form(x: Array, values: Array, mirror: Array) -> Array:
    """Return ``y.(values y) / 2`` with ``y`` the mirror image of ``x`` in the plane across a unit vector."""
    y = x - 2 * mirror * (mirror @ x)
    return jnp.sum(values * y**2) / 2


def forms(points: int, seed: int) -> mnemo.Measurement:
    """Return for which quadratic forms of known spectrum products count all negative eigenvalues."""
    draw, right, names = np.random.default_rng(seed), [], []
    with jax.enable_x64(True):
        for i in range(points):
            index = (0, 5)[i % 2]
            values = np.append(-draw.uniform(0.1, 1.0, index), draw.uniform(0.5, 2.0, WIDE - index))
            mirror = draw.standard_normal(WIDE)
            args = jnp.asarray(values), jnp.asarray(mirror / np.linalg.norm(mirror))
            found = mnemo.curvature(form, jnp.zeros(WIDE), *args, products=PRODUCTS, seed=i)
            right.append(found.decided and found.index == index)
            names.append(f"form {i}")
    return mnemo.Measurement(value=right, case=names, note=f"{sum(right)} of {points} indices are right and sure.")


def words(told: tuple[Told, ...]) -> str:
    """Return how many points matrix and products tell."""
    known = [one for one in told if one.matrix != "undecided"]
    right = sum(one.products == one.matrix for one in known)
    wrong = sum(one.products not in ("undecided", one.matrix) for one in told)
    return (
        f"Of {len(told):,} points the Hessian tells {len(known):,}, and {told[0].number} products with vectors tell "
        f"{right:,} of these; they tell {wrong or 'none'} wrongly."
    )


def shares(told: tuple[Told, ...], title: str) -> mnemo.Illustration:
    """Draw which share of the points matrix and products tell."""
    matrix = np.mean([one.matrix != "undecided" for one in told])
    products = np.mean([one.products != "undecided" for one in told])
    return mnemo.Illustration(
        title="Critical points whose kind is told",
        caption="Where products tell none, more of them or the matrix may; at degenerate points second derivatives do "
        "not decide.",
        x="losses",
        y="share of the points",
        series=(
            mnemo.Series(name="all of the Hessian", x=[title], y=[matrix], kind="bars"),
            mnemo.Series(name="64 products, or half its columns", x=[title], y=[products], kind="bars"),
        ),
    )


def until_sure(point: Point) -> int:
    """Return how many products one search needs to tell a point's kind, of those on the ladder; 0 for none."""
    steps = [size for size in LADDER if size <= point.x.size]
    return next((size for size in steps if _curvature(point, size, 0).word == point.kind), 0)


def by_size(large: int, seed: int) -> tuple[mnemo.Illustration, ...]:
    """Draw numbers of products and of stored numbers against the coordinates."""
    sizes = 10 ** np.arange(2, round(np.log10(large)) + 1)
    need = {kind: np.zeros(len(sizes), int) for kind in ("minimum", "saddle", "maximum")}
    with jax.enable_x64(True):
        for k, size in enumerate(sizes):
            for point in rows(np.ones(size), len(PATTERNS), seed):
                need[point.kind][k] = max(need[point.kind][k], until_sure(point))
    most = np.max(list(need.values()), axis=0)
    return (
        mnemo.Illustration(
            title="Products until the kind is sure",
            caption="Rows of wells that are alike, the hardest of five points; products are doubled until the kind is "
            "told. By the bound their number grows as the logarithm of the coordinates.",
            x="coordinates",
            y="products of the Hessian with a vector",
            log="xy",
            series=(
                mnemo.Series(name="columns of the matrix", x=sizes, y=sizes, kind="law"),
                *(mnemo.Series(name=name, x=sizes, y=y, kind="marks") for name, y in need.items()),
            ),
        ),
        mnemo.Illustration(
            title="Storage that a kind takes",
            caption="Eight bytes a number: the matrix has the square of the coordinates, products as many vectors as "
            "there are of them.",
            x="coordinates",
            y="bytes",
            log="xy",
            series=(
                mnemo.Series(name="matrix", x=sizes, y=8.0 * sizes.astype(float) ** 2, kind="law"),
                mnemo.Series(name="products", x=sizes, y=8 * sizes * most, kind="marks"),
            ),
        ),
    )


def by_condition(_: int, seed: int) -> tuple[mnemo.Illustration, ...]:
    """Draw the number of products that a minimum takes against the condition number of its Hessian."""
    soft, need = np.geomspace(1.0, SOFT, 13), []
    with jax.enable_x64(True):
        for one in soft:
            point = row(PATTERNS[0], np.geomspace(one, 1.0, WIDE), np.random.default_rng(seed))
            need.append(until_sure(point))
    grid = np.geomspace(1.0, 1 / SOFT, 200)
    width = grid * (2 + 2 * COUPLING) / (2 - 2 * COUPLING) - 1  # of the spectrum, over its lower end
    law = 0.5 + 0.5 * np.log(1.648 * np.sqrt(WIDE) / 1e-6) * np.sqrt(width)
    return (
        mnemo.Illustration(
            title="Products until a minimum is sure",
            caption=f"Rows of {WIDE} wells. By Kuczynski and Wozniakowski's bound the number grows as the root of the "
            "condition number; with as many products as columns the method ends.",
            x="stiffest over softest well",
            y="products of the Hessian with a vector",
            log="xy",
            series=(
                mnemo.Series(name="bound", x=grid[law < 4 * WIDE], y=law[law < 4 * WIDE], kind="law"),
                mnemo.Series(name="columns of the matrix", x=grid, y=np.full(len(grid), WIDE), kind="law"),
                mnemo.Series(name="measured", x=1 / soft, y=need, kind="marks"),
            ),
        ),
    )


PICTURES: dict[str, Callable[[int, int], tuple[mnemo.Illustration, ...]]] = {
    "wells": by_size,
    "unlike wells": by_condition,
}
