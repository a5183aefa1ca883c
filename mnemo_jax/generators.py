"""The maps that generate a landscape's declared periods and symmetries, and whether its loss agrees with them."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mnemo_jax.calculus import loss_of, values
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape, Symmetry

POINTS, FEW = 48, 4  # of the box at which a loss is held against its images, and the fewest of them
PAIRS = 4096  # of points and images: many generators are tried at fewer points each
PART = 0.382  # of the box by which members are moved: no simple fraction, which might be a period of its own
ROUNDING = 64  # eps of relative error allowed to a loss
AGREED = 1e-6  # of the loss's spread allowed to a difference: ends of a box are often written with seven digits
SHOWN = 6  # coordinates


class Generator(NamedTuple):
    """One map that leaves the loss unchanged, as its landscape says.

    Attributes:
        kind: ``"period"`` or a `Symmetry`'s kind.
        words: what it does to a point ``x``.
        move: the map, from points ``[..., d]`` to their images.
    """

    kind: str
    words: str
    move: Callable[[np.ndarray], np.ndarray]

    @property
    def finite(self) -> bool:
        """Whether it makes finitely many images of a point that are not the same place."""
        return self.kind in ("sign", "permutation")


def generators(landscape: Landscape) -> Iterator[Generator]:
    """Yield a shift by the period for each closed axis, then the generators of each symmetry in turn."""
    length = np.subtract(landscape.upper, landscape.lower)
    for axis in np.flatnonzero(landscape.periodic).tolist():
        period = float(length[axis])
        yield Generator("period", f"x[{axis}] moved by {period:.10g}", partial(_shifted, axes=[axis], by=period))
    for symmetry in landscape.symmetries:
        axes = np.arange(landscape.dim) if symmetry.axes is None else np.asarray(symmetry.axes)
        by = PART * float(np.min(length[axes]))
        for words, move in _moves(axes.reshape(-1, symmetry.block), symmetry, by):
            yield Generator(symmetry.kind, words, move)


def _moves(members: np.ndarray, symmetry: Symmetry, by: float) -> Iterator[tuple[str, partial[np.ndarray]]]:
    """Yield words and maps for the coordinates ``members [m, block]``."""
    block = symmetry.block
    match symmetry.kind:
        case "sign":
            for axes in [members.ravel()] if symmetry.joint else members:
                yield f"{_named(axes)} negated", partial(_negated, axes=axes)
        case "permutation":
            for one, two in pairwise(members):
                yield f"{_named(one)} and {_named(two)} exchanged", partial(_exchanged, one=one, two=two)
        case "translation":
            for axes in members.T:
                yield f"{_named(axes)} moved by {by:.6g}", partial(_shifted, axes=axes, by=by)
        case "rotation":
            for one, two in ((members[:, i], members[:, j]) for j in range(block) for i in range(j)):
                yield f"{_named(one)} and {_named(two)} turned by 1 radian", partial(_turned, one=one, two=two)


def _named(axes: np.ndarray) -> str:
    return ", ".join(f"x[{axis}]" for axis in axes[:SHOWN]) + (", …" if len(axes) > SHOWN else "")


def _shifted(x: np.ndarray, axes: list[int] | np.ndarray, by: float) -> np.ndarray:
    image = x.copy()
    image[..., axes] += by
    return image


def _negated(x: np.ndarray, axes: np.ndarray) -> np.ndarray:
    image = x.copy()
    image[..., axes] *= -1.0
    return image


def _exchanged(x: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    image = x.copy()
    image[..., one], image[..., two] = x[..., two], x[..., one]
    return image


def _turned(x: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    image = x.copy()
    cos, sin = np.cos(1.0), np.sin(1.0)  # a radian is no part of a turn that a loss of few members is likely to have
    image[..., one] = cos * x[..., one] - sin * x[..., two]
    image[..., two] = sin * x[..., one] + cos * x[..., two]
    return image


def check_images(landscape: Landscape, precision: str) -> None:
    """Refuse a declared period or symmetry that the loss has not, by its values at points of the box and their images.

    Losses ``f`` agree when they differ by at most 1e-6 of the spread of ``f`` over the points and 64 eps of ``f``; in
    float32 by 64 eps of either. Where one is not finite nothing is said.

    Args:
        landscape: the loss with what it declares.
        precision: of the run; losses are compared in float64.

    Raises:
        UserError: the key, the map, and where it changes the loss most.
    """
    maps = list(generators(landscape))
    if not maps:
        return
    number = max(FEW, min(POINTS, PAIRS // len(maps)))
    x = np.random.default_rng(0).uniform(landscape.lower, landscape.upper, (number, landscape.dim))
    loss = _losses(np.stack([x, *(generator.move(x) for generator in maps)]), landscape)
    if worst := _worst(loss, ROUNDING * float(jnp.finfo(precision).eps)):
        row, column = worst
        raise _disagreement(maps[row], x[column], loss[0, column], loss[row + 1, column])


def _losses(x: np.ndarray, landscape: Landscape) -> np.ndarray:
    """Return the loss ``[m, n]`` at points ``x [m, n, d]``."""
    with jax.enable_x64(True):
        loss, args = loss_of(landscape, jnp.float64)
        return np.asarray(values(x.reshape(-1, landscape.dim), args, loss=loss)).reshape(x.shape[:2])


def _worst(loss: np.ndarray, rounding: float) -> tuple[int, int] | None:
    """Return generator and point at which ``loss [1 + generators, points]`` differs most beyond rounding, if any."""
    here, there = loss[:1], loss[1:]
    with np.errstate(all="ignore"):  # overflow agrees with everything
        spread = np.ptp(here[np.isfinite(here)]) if np.isfinite(here).any() else 0.0
        beyond = np.abs(there - here) - max(AGREED, rounding) * spread - rounding * np.abs(here)
    beyond = np.where(np.isfinite(beyond), beyond, -np.inf)
    row, column = np.unravel_index(np.argmax(beyond), beyond.shape)
    return (int(row), int(column)) if beyond[row, column] > 0 else None


def _disagreement(generator: Generator, x: np.ndarray, here: float, there: float) -> UserError:
    key = "loss.periodic" if generator.kind == "period" else "loss.symmetry"
    at = ", ".join(f"{value:.6g}" for value in x[:SHOWN]) + (", …" if len(x) > SHOWN else "")
    return UserError(
        f"{key}: the loss has no such {generator.kind}: it is {here:.10g} at x = [{at}] and {there:.10g} with "
        f"{generator.words}; correct it or leave it out"
    )
