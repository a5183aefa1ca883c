"""Do all directions lead up from a local minimum?

Minima of random fields, which searches find, and of losses whose least value, 0, is known: a student has a teacher's
outputs, factors have their product, a network fits its data. That not all directions lead up from a minimum is shown
by another point nearby that is as low.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import mnemo_jax as mnemo
from experiments.lesson import fields as fields_
from mnemo_jax import losses

TEACHERS = 4
RANK, ROWS, COLUMNS = 2, 5, 4  # of a matrix that is made of two factors
UNITS, ITEMS, RADIUS = 5, 6, 2.0  # of a network of tanh units, and of its data, evenly on a circle
FLAT = 1e-9  # of the largest eigenvalue, below which one counts as zero
SOFT = 1e-6  # of the largest eigenvalue, below which Newton's steps leave a direction alone
NEAR, FAR = 1e-3, 0.1  # distance of the neighbours that are compared, and up to which a point is nearby
PROBES = 32  # random directions in which they lie, besides the eigenvectors'
WALK, WAYS = 0.01, 4  # length of a step along a soft direction, and number of these
NEWTON = 24  # steps back to the critical points; where the loss rises as a cube each of them halves the distance
EQUAL = 1e-14  # losses of order one that differ by no more are equal
BATCH = 100  # minima looked at together
DRAWN, LEAST, LOWEST = 100, 1e-15, 1e-3  # points of a walk, and change and height of a loss, that are drawn


class Minima(NamedTuple):
    """Points ``x [n, d]`` with loss 0, the least there is.

    Attributes:
        loss: of a point and the arguments of its own row.
        x: the points.
        args: ``[n, ...]`` each.
        zeros: number of zero eigenvalues of the Hessian, by theory.
    """

    loss: Callable[..., Array]
    x: np.ndarray
    args: tuple[np.ndarray, ...]
    zeros: int


class Look(NamedTuple):
    """What is seen around points, a row each.

    Attributes:
        loss: there.
        values: eigenvalues of the Hessian ``[n, d]``.
        rise: how much higher the lowest of the neighbours is.
        straight: change of the loss after a step along the softest direction.
        away, change: distance, and change of the loss, of the critical point to which Newton's method leads after a
            step; the furthest of those within `FAR` that are as low, where there are any.
    """

    loss: np.ndarray
    values: np.ndarray
    rise: np.ndarray
    straight: np.ndarray
    away: np.ndarray
    change: np.ndarray

    def zeros(self) -> np.ndarray:
        """Return how many eigenvalues of each point are zero."""
        size = np.abs(self.values).max(axis=1, keepdims=True)
        return np.sum(np.abs(self.values) <= FLAT * size, axis=1)

    def as_low(self) -> np.ndarray:
        """Return beside which points there is another one that is as low."""
        return (np.abs(self.change) <= EQUAL) & (self.away > NEAR) & (self.away < FAR)


def measure(*, place: str, fields: int, minima: int, seed: int, out: Path, asks: str = "strict") -> mnemo.Measurement:
    """Return from which minima all directions lead up, or which of them are as theory says."""
    if place == "fields":
        return of_fields(fields, seed, out, mnemo.Kind.MINIMUM if asks == "strict" else mnemo.Kind.SADDLE)
    with jax.enable_x64(True):
        made = PLACES[place](minima, np.random.default_rng(seed))
        if asks == "orbit":
            return mnemo.Measurement(value=on_orbit(made, seed))
        seen = look(made, np.full(minima, WALK))
        if asks == "zeros":
            return mnemo.Measurement(value=seen.zeros() == made.zeros)
        strict, valid = (seen.rise > 0) & ~seen.as_low(), np.abs(seen.loss) <= EQUAL
        return mnemo.Measurement(
            value=strict,
            valid=valid,
            note=words(seen, strict),
            illustrations=(zeros(place, made, seen), walks(place, made, strict[0]), *PICTURES.get(place, ())),
        )


def of_fields(number: int, seed: int, out: Path, kind: mnemo.Kind) -> mnemo.Measurement:
    """Return from which points of a kind in random fields all neighbours are higher."""
    value: list[bool] = []
    case: list[str] = []
    lowest = np.inf
    for i in range(number):
        table = fields_.search(i, seed, out).catalogue
        rows = np.flatnonzero(table.kind == kind)
        rise, _ = fields_.rises(i, seed, table.x[rows], table.eigenvalues[rows])
        value += np.all(rise > 0, axis=1).tolist()
        case += [f"field {i}, point {k}" for k in rows]
        lowest = min(lowest, *table.eigenvalues[rows, 0])
    words = (
        f"From {sum(value):,} of {len(value):,} points all neighbours are higher; the least of all their eigenvalues"
    )
    return mnemo.Measurement(value=value, case=case, note=f"{words} is {lowest:.2g}.")


def look(made: Minima, steps: np.ndarray) -> Look:
    """Return what is seen around minima after steps ``[n]`` along the softest directions."""
    probes = np.random.default_rng(0).standard_normal((PROBES, made.x.shape[1]))
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    return Look(*map(np.asarray, _look(made.x, made.args, steps, probes, loss=made.loss)))


@partial(jax.jit, static_argnames="loss")
def _look(x: Array, args: Any, steps: Array, probes: Array, *, loss: Callable[..., Array]) -> tuple[Array, ...]:
    def one(row: tuple[Array, Any, Array]) -> tuple[Array, ...]:
        x, own, step = row

        def of(y: Array) -> Array:
            return loss(y, *own)

        values, vectors = jnp.linalg.eigh(jax.hessian(of)(x))
        ways = jnp.concatenate([vectors.T, probes])
        around = jax.vmap(lambda way: of(x + NEAR * way))(jnp.concatenate([ways, -ways]))
        ahead = x + step * vectors.T[jnp.argsort(jnp.abs(values))[:WAYS]]
        far = jax.vmap(lambda y: jax.lax.fori_loop(0, NEWTON, lambda _, z: _newton(z, of), y))(ahead)
        low = of(x)
        away, change = jnp.linalg.norm(far - x, axis=1), jax.vmap(of)(far) - low
        best = jnp.argmax(jnp.where((jnp.abs(change) <= EQUAL) & (away < FAR), away, -1.0))
        return low, values, jnp.min(around) - low, of(ahead[0]) - low, away[best], change[best]

    return jax.lax.map(one, (x, args, steps), batch_size=BATCH)


def _newton(x: Array, of: Callable[[Array], Array]) -> Array:
    """Return a step of Newton's method from ``x``, in the directions that are not soft."""
    values, vectors = jnp.linalg.eigh(jax.hessian(of)(x))
    hard = jnp.abs(values) > SOFT * jnp.max(jnp.abs(values))
    inverse = jnp.where(hard, 1 / jnp.where(hard, values, 1.0), 0.0)
    return x - vectors @ (inverse * (vectors.T @ jax.grad(of)(x)))


def as_many(number: int, draw: np.random.Generator) -> Minima:
    """ReLU students, as many as teachers, which are of different lengths."""
    lengths = draw.uniform(0.5, 1.5, (number, TEACHERS))
    weights = np.array([draw.permutation(np.diag(row)) for row in lengths])
    return Minima(losses.build("relu_teacher").loss, weights.reshape(number, -1), (lengths,), 0)


def one_more(number: int, draw: np.random.Generator) -> Minima:
    """ReLU students, one more than teachers: two of them share a teacher in any proportion.

    Turned against each other they differ from their teacher only within the angle between them, so that the loss rises
    as its cube: in these directions, as many as teachers but one, the eigenvalue is zero as well.
    """
    lengths = draw.uniform(0.5, 1.5, (number, TEACHERS))
    part, points = draw.uniform(0.2, 0.8, number), []
    for own, share in zip(lengths, part, strict=True):
        shared = np.append(np.append(own[:-1], share * own[-1]), (1 - share) * own[-1])
        points.append(draw.permutation(shared[:, None] * np.eye(TEACHERS)[[*range(TEACHERS), -1]]))
    return Minima(losses.build("relu_teacher").loss, np.reshape(points, (number, -1)), (lengths,), TEACHERS)


def product(x: Array, matrix: Array) -> Array:
    """Return ``|U V - matrix|^2 / 2``; ``x`` has the entries of ``U``, then those of ``V``."""
    rows, columns = matrix.shape
    cut = x.size * rows // (rows + columns)
    return jnp.sum((x[:cut].reshape(rows, -1) @ x[cut:].reshape(-1, columns) - matrix) ** 2) / 2


def factors(number: int, draw: np.random.Generator, rank: int, rows: int, columns: int) -> Minima:
    """Two factors of a matrix: any invertible matrix may stand between them, with its inverse."""
    shapes = (number, rows, rank), (number, rank, columns)
    left, right = (draw.choice([-1.0, 1.0], shape) * draw.uniform(0.5, 1.5, shape) for shape in shapes)
    x = np.concatenate([left.reshape(number, -1), right.reshape(number, -1)], axis=1)
    return Minima(product, x, (left @ right,), rank**2)


def network(x: Array, inputs: Array) -> Array:
    """Return ``sum_k a_k tanh(b_k.input + c_k)`` for the weights ``(a_k, c_k, b_k)`` of each unit in turn."""
    weights = x.reshape(-1, inputs.shape[1] + 2)
    return jnp.tanh(inputs @ weights[:, 2:].T + weights[:, 1]) @ weights[:, 0]


def misfit(x: Array, inputs: Array, target: Array) -> Array:
    """Return the mean square of what the network's outputs miss the target by, over two."""
    return jnp.mean((network(x, inputs) - target) ** 2) / 2


def more_weights(number: int, draw: np.random.Generator) -> Minima:
    """A network with more weights than data that fits them: it may change as long as its outputs do not.

    Its outputs can be changed one by one, as no two of the data are near each other and no unit is without effect.
    """
    weights = draw.normal(size=(number, UNITS, 4))
    weights[:, :, 0] = draw.choice([-1.0, 1.0], (number, UNITS)) * draw.uniform(0.5, 1.5, (number, UNITS))
    angle = draw.uniform(0, 2 * np.pi, (number, 1)) + 2 * np.pi * np.arange(ITEMS) / ITEMS
    x, inputs = weights.reshape(number, -1), RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=2)
    return Minima(misfit, x, (inputs, np.asarray(jax.vmap(network)(x, inputs))), x.shape[1] - ITEMS)


def quartic(number: int, _: np.random.Generator) -> Minima:
    """``x^4``: the second derivative is zero, and yet all directions lead up."""
    return Minima(losses.build("power", {"k": 4}).loss, np.zeros((number, 1)), (), 1)


PLACES: dict[str, Callable[[int, np.random.Generator], Minima]] = {
    "as many students as teachers": as_many,
    "one student more": one_more,
    "two weights in a row": partial(factors, rank=1, rows=1, columns=1),
    "two factors of a matrix": partial(factors, rank=RANK, rows=ROWS, columns=COLUMNS),
    "more weights than data": more_weights,
    "x^4": quartic,
}


def on_orbit(made: Minima, seed: int) -> np.ndarray:
    """Return where around minima the loss is the same to the last bit with one factor doubled and the other halved."""
    matrix = made.args[0]
    cut = made.x.shape[1] * matrix.shape[1] // (matrix.shape[1] + matrix.shape[2])
    near = made.x + np.random.default_rng(seed + 1).normal(size=made.x.shape)
    scaled = np.where(np.arange(made.x.shape[1]) < cut, 2 * near, near / 2)
    here, there = (np.asarray(jax.jit(jax.vmap(made.loss))(x, matrix)) for x in (near, scaled))
    return here == there


def words(seen: Look, strict: np.ndarray) -> str:
    """Return what was counted, in a sentence or two."""
    number, dim = seen.values.shape
    found, low = np.unique(seen.zeros()), seen.as_low()
    zero = f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"
    said = f"All directions lead up from {strict.sum():,} of {number:,} minima; of {dim} eigenvalues {zero} are zero"
    if not low.any():
        return f"{said}, and the least of all is {seen.values.min():.2g}."
    return (
        f"{said}. Beside {low.sum():,} of them, on average {seen.away[low].mean():.2g} away, another point is as low "
        f"to within {np.abs(seen.change[low]).max():.1g}."
    )


def zeros(place: str, made: Minima, seen: Look) -> mnemo.Illustration:
    """Draw the number of zero eigenvalues over that of theory."""
    return mnemo.Illustration(
        title="Zero eigenvalues of the Hessian at minima",
        caption="On the dashed line as many as by theory. Factors of rank r have r^2, networks that fit their data as "
        "many as weights less data, students one more than teachers as many as teachers.",
        x="zero eigenvalues by theory",
        y="zero eigenvalues counted",
        series=(
            mnemo.Series(name="theory", x=[0, 15], y=[0, 15], kind="law"),
            mnemo.Series(name=place, x=[made.zeros], y=[float(seen.zeros().mean())], kind="marks"),
        ),
    )


def walks(place: str, made: Minima, strict: bool) -> mnemo.Illustration:
    """Draw the change of the loss over the distance from the first minimum."""
    number = len(made.x)
    same = made._replace(
        x=np.repeat(made.x[:1], number, axis=0), args=tuple(np.repeat(one[:1], number, axis=0) for one in made.args)
    )
    steps = np.geomspace(NEAR, FAR, number)
    seen = look(same, steps)
    away, change = (steps, seen.straight) if strict else (seen.away, seen.change)
    order = np.argsort(away)[:: number // DRAWN]
    return mnemo.Illustration(
        title="Change of the loss along the softest direction",
        caption=f"From one minimum each; where it belongs to a family, along the family. Changes below {LEAST:g} are "
        "rounding and drawn there.",
        x="distance from the minimum",
        y="change of the loss",
        log="xy",
        series=(mnemo.Series(name=place, x=away[order], y=np.maximum(np.abs(change[order]), LEAST)),),
    )


def floor() -> mnemo.Illustration:
    """Draw the loss of two weights and its minima."""
    grid, curve = np.linspace(-2.5, 2.5, 101), np.geomspace(0.4, 2.5, 60)
    loss = (grid[None, :] * grid[:, None] - 1) ** 2 / 2
    return mnemo.Illustration(
        title="The loss of two weights in a row",
        caption="Every point of the two curves is a minimum: there u v = 1, and u may grow as v shrinks.",
        x="u",
        y="v",
        series=tuple(
            mnemo.Series(name=name, x=side * curve, y=side / curve, kind="law")
            for name, side in (("minima, both positive", 1), ("minima, both negative", -1))
        ),
        heat=mnemo.Heat(x=grid, y=grid, z=np.log10(loss + LOWEST), name=f"log10 of the loss + {LOWEST:g}"),
    )


PICTURES: dict[str, tuple[mnemo.Illustration, ...]] = {"two weights in a row": (floor(),)}
