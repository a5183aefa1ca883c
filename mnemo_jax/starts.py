"""Where starts come from: start number ``i`` is a pure function of the seed and ``i``."""

import math
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, MinLen
from jax import Array
from pydantic import Field

from mnemo_jax import native
from mnemo_jax.choices import choice
from mnemo_jax.errors import UserError
from mnemo_jax.initializers import Layered, Recipe, recipe
from mnemo_jax.keys import Purpose, key, root_of
from mnemo_jax.landscape import Landscape

Numbers = float | tuple[float, ...]
Count = Annotated[int, Ge(1)]
SCRAMBLINGS = 16
SPARE = 1 << 22  # coordinates that may be drawn for nothing


@choice
class Uniform:
    """Uniform in a box, the landscape's unless ``lower`` and ``upper`` say otherwise."""

    kind: Literal["uniform"] = "uniform"
    count: Count
    lower: Numbers | None = None
    upper: Numbers | None = None


@choice
class Normal:
    """Normal about ``mean`` with standard deviation ``scale``, numbers or one per axis."""

    kind: Literal["normal"] = "normal"
    count: Count
    mean: Numbers = 0.0
    scale: Numbers = 1.0


@choice
class Grid:
    """The centres of the cells of a grid over the box, the last axis varying fastest; one number is for every axis."""

    kind: Literal["grid"] = "grid"
    shape: Annotated[tuple[Count, ...], MinLen(1)] | Count

    def sizes(self, dim: int) -> tuple[int, ...]:
        """Return the number of cells along each of ``dim`` axes."""
        return (self.shape,) * dim if isinstance(self.shape, int) else self.shape


@choice
class Sobol:
    """Sixteen independent scramblings (Owen 1997) of the first 2^m points of Sobol's sequence, one after the other."""

    kind: Literal["sobol"] = "sobol"
    count: Count


@choice
class Points:
    """Points given one by one: ``x`` itself, or a file (.npy, or text with one point a line), or a run's folder.

    A run's end points, which it keeps with ``record.endpoints``, serve in order of its starts.
    """

    kind: Literal["points"] = "points"
    path: str | None = None
    x: tuple[tuple[float, ...], ...] | None = None


AnyStarts = Uniform | Normal | Grid | Sobol | Points | Layered
KINDS: dict[str, Any] = {kind.kind: kind for kind in (Uniform, Normal, Grid, Sobol, Points, Layered)}
Starts = Annotated[AnyStarts, Field(discriminator="kind")]
INDEPENDENT = (Uniform, Normal, Layered)  # kinds whose starts are drawn independently of each other
DRAWN = tuple(kind.kind for kind in INDEPENDENT)
Draw = Callable[[int | Array, int], Array]


def count(starts: AnyStarts, landscape: Landscape) -> int:
    """Return the number of starts.

    Raises:
        UserError: the starts do not fit the landscape.
    """
    match starts:
        case Grid():
            shape = starts.sizes(landscape.dim)
            if len(shape) != landscape.dim:
                raise UserError(f"starts.shape: {len(shape)} numbers for {landscape.dim} axes")
            if math.prod(shape) >= 1 << 62:
                raise UserError(f"starts.shape: {list(shape)} has more cells than can be numbered")
            return math.prod(shape)
        case Points():
            return len(_given(starts, landscape.dim))
        case Sobol(count=number):
            per = number // SCRAMBLINGS
            if number % SCRAMBLINGS or per & (per - 1):
                below = SCRAMBLINGS << max(0, per.bit_length() - 1)
                raise UserError(
                    f"starts.count: {number} is not 16 times a power of two, as sobol needs; "
                    f"take {below} or {2 * below}"
                )
            return number
        case _:
            return starts.count


def drawer(starts: AnyStarts, landscape: Landscape, seed: int, least: int = 1) -> Draw:
    """Return the function ``(first, n) -> x0 [n, d]`` in float64 that makes the starts ``first .. first + n - 1``.

    Numbers past the last start repeat it, so that a block can be filled up. Call it with 64-bit types enabled. Where
    ``first`` is an int64 array of jax, random starts are drawn on the device on which that lies: at least ``least`` of
    them, as that takes less time than a program for each number, unless their points hold many coordinates.
    """
    total = count(starts, landscape)
    least = least if least * landscape.dim <= SPARE else 1
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    match starts:
        case Uniform():
            low = _per_axis("starts.lower", starts.lower, landscape.lower)
            high = _per_axis("starts.upper", starts.upper, landscape.upper)
            if not np.all(low < high):
                raise UserError(f"starts.lower, starts.upper: the box is empty: {low.tolist()} to {high.tolist()}")
            return partial(_keyed, root_of(seed), low, high - low, total, jax.random.uniform, least)
        case Normal():
            mean = _per_axis("starts.mean", starts.mean, landscape.lower)
            scale = _per_axis("starts.scale", starts.scale, landscape.lower)
            if not np.all(scale >= 0):
                raise UserError(f"starts.scale: {scale.tolist()} is negative")
            return partial(_keyed, root_of(seed), mean, scale, total, jax.random.normal, least)
        case Grid():
            return partial(_cells, np.asarray(starts.sizes(landscape.dim)), low, high, total)
        case Sobol():
            return partial(_sobol, seed, low, high, total)
        case Layered():
            return partial(_layered, recipe(starts, landscape), root_of(seed), total)
        case Points():
            given = _given(starts, landscape.dim)
            return lambda first, n: jnp.asarray(given[numbers(first, n, total)])


def is_independent(starts: AnyStarts) -> bool:
    """Whether the starts are drawn independently of each other, as interval formulas for counts need."""
    return isinstance(starts, INDEPENDENT)


def _per_axis(name: str, value: Numbers | None, default: tuple[float, ...]) -> np.ndarray:
    values = np.asarray(default if value is None else value, dtype=np.float64)
    if not np.all(np.isfinite(values)):
        raise UserError(f"{name}: {values.tolist()} is not finite")
    if values.ndim and len(values) not in (1, len(default)):
        raise UserError(f"{name}: {len(values)} values for {len(default)} axes; give one, or one per axis")
    return np.broadcast_to(values, len(default))


def _keyed(
    root: Array, offset: np.ndarray, scale: np.ndarray, total: int, law: Any, least: int, first: int | Array, n: int
) -> Array:
    # A number goes to the first device, as a block's does: put nowhere, it would take a program of its own.
    begin = first if isinstance(first, Array) else jax.device_put(np.int64(first), jax.local_devices()[0])
    drawn = _draw(root, offset, scale, begin, np.int64(total - 1), n=max(n, least), law=law)
    return drawn if n >= least else jnp.asarray(np.asarray(drawn)[:n])


@partial(jax.jit, static_argnames=("n", "law"), compiler_options=native.WIDE)
def _draw(root: Array, offset: Array, scale: Array, first: Array, last: Array, *, n: int, law: Any) -> Array:
    def point(number: Array) -> Array:
        return law(key(root, Purpose.START, number), offset.shape, jnp.float64)

    return offset + scale * jax.vmap(point)(jnp.minimum(first + jnp.arange(n), last))


def _layered(start: Recipe, root: Array, total: int, first: int | Array, n: int) -> Array:
    return _starts(root, jnp.int64(first), jnp.int64(total - 1), n=n, start=start)


@partial(jax.jit, static_argnames=("n", "start"))
def _starts(root: Array, first: Array, last: Array, *, n: int, start: Recipe) -> Array:
    return jax.vmap(partial(start, root))(jnp.minimum(first + jnp.arange(n), last))


def numbers(first: int | Array, n: int, total: int) -> np.ndarray:
    """Return the numbers of ``n`` starts from ``first`` on, the last one's where there are no more."""
    return np.minimum(np.arange(int(first), int(first) + n), total - 1)


def _cells(shape: np.ndarray, low: np.ndarray, high: np.ndarray, total: int, first: int | Array, n: int) -> Array:
    place = np.stack(np.unravel_index(numbers(first, n, total), tuple(shape)), axis=-1)
    return jnp.asarray(low + (place + 0.5) / shape * (high - low))


def _sobol(seed: int, low: np.ndarray, high: np.ndarray, total: int, first: int | Array, n: int) -> Array:
    from scipy.stats import qmc  # takes as long to import as jax

    per = total // SCRAMBLINGS
    own = numbers(first, n, total)
    parts = []
    for scrambling in np.unique(own // per):
        inside = own[own // per == scrambling] % per
        bits = None if per <= 1 << 30 else 64  # scipy's default reaches 2^30 points
        engine = qmc.Sobol(len(low), bits=bits, rng=np.random.default_rng([seed, int(scrambling)]))
        if inside[0]:
            engine.fast_forward(int(inside[0]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a block need not hold a power of two
            points = engine.random(int(inside[-1] - inside[0]) + 1)
        parts.append(points[inside - inside[0]])
    return jnp.asarray(low + np.concatenate(parts) * (high - low))


def _given(starts: Points, dim: int) -> np.ndarray:
    if (starts.path is None) == (starts.x is None):
        raise UserError("starts: points need either a path or x")
    if starts.x is not None:
        if len({len(row) for row in starts.x}) > 1:
            raise UserError("starts.x: its points have different numbers of coordinates")
        points = np.asarray(starts.x, dtype=np.float64)
    else:
        points = _read(Path(str(starts.path)))
    if points.shape[:1] == (0,):
        raise UserError(f"starts.{'path' if starts.x is None else 'x'}: holds no points; give one start or more")
    points = points.reshape(-1, 1) if points.ndim == 1 and dim == 1 else np.atleast_2d(points)
    if points.size == 0 or points.ndim != 2 or points.shape[1] != dim:
        raise UserError(f"starts: points of shape {points.shape}, but the loss takes {dim} coordinates a point")
    return points


def _ends_of(folder: Path) -> np.ndarray:
    """Return the end points of a finished run ``[n, d]`` in order of its starts."""
    import pyarrow.parquet as pq

    files = sorted((folder / "starts").glob("*.parquet"))
    if not files or not (folder / "summary.json").exists():
        raise UserError(f"starts.path: {str(folder)!r} is not the folder of a finished run")
    tables = [pq.ParquetFile(file).read() for file in files]
    if "x" not in tables[0].column_names:
        raise UserError(f"starts.path: {str(folder)!r} kept no end points; run it with record.endpoints = true")
    columns = [table["x"].combine_chunks() for table in tables]
    return np.concatenate([np.asarray(c.flatten()).reshape(len(c), -1) for c in columns])


def _read(path: Path) -> np.ndarray:
    if path.is_dir():
        return _ends_of(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an empty file is told below
            delimiter = "," if path.suffix == ".csv" else None
            points = np.load(path) if path.suffix == ".npy" else np.loadtxt(path, delimiter=delimiter, ndmin=2)
        if np.iscomplexobj(points):
            raise UserError(f"starts.path: {str(path)!r} holds complex numbers")
        return np.asarray(points, dtype=np.float64)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"starts.path: cannot read {str(path)!r}: {error}") from error
