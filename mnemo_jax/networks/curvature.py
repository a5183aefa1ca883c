"""The Hessians of many networks at once without writing them out: eigenvalues at both ends of each spectrum.

Lanczos's method with full reorthogonalisation, one random vector for each network. The Ritz values ``theta`` are the
eigenvalues of ``Q^T H Q`` with orthonormal ``Q``, so that by Cauchy's interlacing as many eigenvalues of ``H`` lie
below any number as Ritz values do, or more; and an eigenvalue lies within the residual of each (Parlett, The Symmetric
Eigenvalue Problem, 1998, theorems 10.1.1 and 4.5.1). The largest eigenvalue is called sharpness.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from mnemo_jax.errors import UserError
from mnemo_jax.keys import Purpose, root_of
from mnemo_jax.networks.curves import Loss, row_key
from mnemo_jax.spectrum import overlooked, rounding

BATCH = 16  # points at once at most, unless said
ROOM = 1 << 25  # numbers that their vectors hold together at most, unless said
NEW = 32.0  # times sqrt(d) eps of the largest entry so far: what is left of a product above it is no mere rounding
CLEAR = 2.0  # ratio of eigenvalues next to each other from which a gap sets the larger ones apart
ALONE = 1.25  # and by how much it is wider than any other gap
FEW = 0.25  # of the Ritz values, that those set apart are at most
SURE = 0.05  # of its Ritz value, a residual up to which it counts as an eigenvalue


class Extremes(NamedTuple):
    """Ritz values of the Hessians of ``n`` networks, and what they say of the ends of the spectra.

    Attributes:
        values: ``[n, products]``, ascending; NaN where the Hessian is not finite.
        residuals: ``[n, products]``, how far at most the nearest eigenvalue is from each.
        lowest_bound, highest_bound: ``[n]``; no eigenvalue lies further out but with a chance of one in a million.
        zero: ``[n]``, size below which an eigenvalue is rounding.
    """

    values: np.ndarray
    residuals: np.ndarray
    lowest_bound: np.ndarray
    highest_bound: np.ndarray
    zero: np.ndarray

    @property
    def lowest(self) -> np.ndarray:
        """Lowest Ritz values ``[n]``, not below the lowest eigenvalues."""
        return self.values[:, 0]

    @property
    def lowest_error(self) -> np.ndarray:
        """Residual bounds ``[n]`` of the lowest."""
        return self.residuals[:, 0]

    @property
    def highest(self) -> np.ndarray:
        """Highest Ritz values ``[n]``, the sharpness, not above the highest eigenvalues."""
        return self.values[:, -1]

    @property
    def highest_error(self) -> np.ndarray:
        """Residual bounds ``[n]`` of the highest."""
        return self.residuals[:, -1]

    @property
    def negative(self) -> np.ndarray:
        """How many eigenvalues are negative at least, int64 ``[n]``: so many Ritz values are, by more than rounding."""
        return np.sum(self.values < -self.zero[:, None], axis=1)


def extremes(loss: Loss, x: Array, *args: Any, products: int = 64, batch_size: int = BATCH, seed: int = 0) -> Extremes:
    """Return the outer Ritz values of the Hessian of ``loss(x, *args)`` at each of the points ``x [n, d]``.

    Args:
        loss: pure JAX function to a scalar; the same object compiles once for each number of points.
        x: where; their precision is that of the products. The signs of small eigenvalues want float64.
        args: further arguments of the loss, such as data.
        products: of each Hessian with a vector; all eigenvalues are there from ``d`` on.
        batch_size: points at once, which bounds memory: each holds ``products`` vectors. None takes up to 16 whose
            vectors hold 32 million numbers together.
        seed: of the random vectors; with the point's row it makes its own.

    Raises:
        UserError: the points are not ``[n, d]``, or no product or point is asked for.
    """
    if x.ndim != 2 or not x.size:
        raise UserError(f"x: must be [n, d], n and d above 0, got {list(x.shape)}")
    if products < 1 or (batch_size is not None and batch_size < 1):
        raise UserError(f"products: they and batch_size must be 1 or more, got {products} and {batch_size}")
    number, dim = x.shape
    size = min(products, dim)
    most = batch_size or int(np.clip(ROOM // (size * dim), 1, BATCH))
    batch = -(-number // -(-number // most))
    rows = np.minimum(np.arange(-(-number // batch) * batch), number - 1)  # the last batch is filled up
    made = _tridiagonals(x[rows], jnp.asarray(rows), root_of(seed), args, loss=loss, size=size, batch=batch)
    diagonal, beside = (np.asarray(part, np.float64)[:number] for part in made)
    return _ritz(diagonal, beside, x)


@partial(jax.jit, static_argnames=("loss", "size", "batch"))
def _tridiagonals(
    x: Array, rows: Array, root: Array, args: tuple[Any, ...], *, loss: Loss, size: int, batch: int
) -> tuple[Array, Array]:
    """Return the diagonals ``[n, size]`` and what stands beside them, ``[n, size]``, the last the norm left over."""

    def one(point: tuple[Array, Array]) -> tuple[Array, Array]:
        place, row = point
        times = jax.linearize(jax.grad(lambda y: loss(y, *args)), place)[1]

        def draw(k: Array) -> Array:
            return jax.random.normal(row_key(root, Purpose.START, row, k), place.shape, place.dtype)

        return lanczos(times, draw, place, size)

    with jax.default_matmul_precision("highest"):  # GPUs may round float32 products to fewer digits
        return lax.map(one, (x, rows), batch_size=batch)


def lanczos(
    times: Callable[[Array], Array], draw: Callable[[Array], Array], like: Array, size: int
) -> tuple[Array, Array]:
    """Return the tridiagonal ``Q^T H Q [size, size]`` of a symmetric map.

    Where nothing is left of a product but rounding, the vectors span all that the map makes of the first, and the next
    is drawn anew in what is orthogonal to them: eigenvalues that occur several times then show.

    Args:
        times: the map of ``[d]``.
        draw: random vectors ``[d]`` by their number.
        like: ``[d]``, of the shape and precision wanted.
        size: number of products, up to ``d``.

    Returns:
        the diagonal, and what stands beside it, the last entry being the norm of what is left over.
    """
    rounding = NEW * like.size**0.5 * jnp.finfo(like.dtype).eps

    def apart(tall: Array, v: Array) -> Array:
        return v - (tall @ v) @ tall

    def unit(tall: Array, v: Array) -> Array:
        v = apart(tall, v / jnp.linalg.norm(v))
        return v / jnp.linalg.norm(v)

    def step(state: tuple[Array, Array, Array], k: Array) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        tall, v, largest = state
        tall = tall.at[k].set(v)
        product = times(v)
        diagonal = v @ product
        rest = apart(tall, apart(tall, product))
        beside = jnp.linalg.norm(rest)
        largest = jnp.maximum(largest, jnp.maximum(jnp.abs(diagonal), beside))
        ends = beside <= rounding * largest
        after = unit(tall, jnp.where(ends, apart(tall, draw(k + 1)), rest))
        return (tall, after, largest), (diagonal, jnp.where(ends, 0.0, beside))

    first = draw(jnp.zeros((), jnp.int32))
    state = jnp.zeros((size, like.size), like.dtype), first / jnp.linalg.norm(first), jnp.zeros((), like.dtype)
    return lax.scan(step, state, jnp.arange(size))[1]


def _ritz(diagonal: np.ndarray, beside: np.ndarray, x: Array) -> Extremes:
    """Return the eigenvalues of the tridiagonal matrices at points ``x [n, d]`` with their residuals and bounds."""
    (number, size), dim = diagonal.shape, x.shape[1]
    right = np.isfinite(diagonal).all(axis=1) & np.isfinite(beside).all(axis=1)
    values, residuals = np.full((number, size), np.nan), np.full((number, size), np.nan)
    matrices = np.zeros((int(right.sum()), size, size))
    k = np.arange(size)
    matrices[:, k, k] = diagonal[right]
    matrices[:, k[1:], k[:-1]] = beside[right, :-1]  # the lower triangle is what is read
    values[right], vectors = np.linalg.eigh(matrices)
    left = 0.0 if size == dim else beside[right, -1:]
    largest = np.max(np.abs(values), axis=1, initial=0.0, where=np.isfinite(values))
    zero = rounding(x, largest)
    residuals[right] = np.abs(vectors[:, -1]) * left + zero[right, None]
    beyond = 0.0 if size == dim else overlooked(dim, size) * (values[:, -1] - values[:, 0])
    return Extremes(
        values,
        residuals,
        values[:, 0] - np.maximum(beyond, zero),
        values[:, -1] + np.maximum(beyond, zero),
        zero,
    )


def outliers(found: Extremes) -> np.ndarray:
    """Return how many large eigenvalues stand apart from the rest, int64 ``[n]``, 0 where no gap is clear.

    Classifiers have about as many as classes (Sagun et al. 2018, arXiv:1706.04454; Papyan 2018, arXiv:1811.07062). The
    gap is the widest ratio of positive eigenvalues next to each other among those that have converged; it is clear
    when it is at least ``CLEAR``, ``ALONE`` times any other, and leaves only ``FEW`` of the Ritz values above.
    """
    number = np.zeros(len(found.values), np.int64)
    for row, (values, errors) in enumerate(zip(found.values[:, ::-1], found.residuals[:, ::-1], strict=True)):
        sure = (values > 0) & (errors <= SURE * np.abs(values))
        last = len(sure) if sure.all() else int(np.argmin(sure))
        if last < 3:
            continue
        ratios = values[: last - 1] / values[1:last]
        second, first = np.sort(ratios)[-2:]
        apart = int(np.argmax(ratios)) + 1
        if first >= max(CLEAR, ALONE * second) and apart <= FEW * len(values):
            number[row] = apart
    return number


class Looks(NamedTuple):
    """Points kept on the way of some descents.

    Attributes:
        path: int64 ``[n]``, which descent each is of.
        step: int64 ``[n]``, updates before it.
        x: ``[n, d]``.
    """

    path: np.ndarray
    step: np.ndarray
    x: np.ndarray


def looks_of(paths: Sequence[np.ndarray], every: int = 1, most: int = 40) -> Looks:
    """Return at most ``most`` points of each path ``[looks, d]``, as many looks apart, its first and last among them.

    Args:
        paths: the points at each look.
        every: updates from one look to the next.
        most: points of each path that are taken.

    Raises:
        UserError: there is no path, or fewer than two points of each are asked for.
    """
    if not len(paths) or most < 2:
        raise UserError(f"most: must be 2 or more, of one path or more, got {most} of {len(paths)}")
    strides = [max(-(-(len(path) - 1) // (most - 1)), 1) for path in paths]
    rows = [np.append(np.arange(0, len(p) - 1, stride), len(p) - 1) for p, stride in zip(paths, strides, strict=True)]
    path = np.repeat(np.arange(len(paths)), [len(row) for row in rows])
    x = np.concatenate([path_[row] for path_, row in zip(paths, rows, strict=True)])
    return Looks(path, np.concatenate(rows) * every, x)
