"""The Hessian of a loss in many dimensions without writing it out: its ends, its index, its density.

Everything comes from products of the Hessian with vectors, tridiagonalised by Lanczos's method. A Ritz pair
``(theta, y)`` with residual ``r = ||H y - theta y||`` promises an eigenvalue within ``r`` of ``theta`` (Parlett, The
Symmetric Eigenvalue Problem, 1998, theorem 4.5.1); that none lies further out depends on the random start, and
Kuczynski and Wozniakowski (1992, SIAM J. Matrix Anal. Appl. 13, 1094, theorem 4.2) give the chance.
"""

import reprlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.calculus import check_scalar
from mnemo_jax.errors import UserError
from mnemo_jax.lanczos import Loss, apart, ritz

CHANCE = 1e-6  # that an eigenvalue lies further out than is said
ROUNDS = 8  # searches for negative eigenvalues that an earlier one had missed
GROWTH = 2  # of the number of products from one search to the next where eigenvalues have not converged
SHARP = 1e-2  # of its distance from zero, a residual up to which a negative eigenvalue counts


class Curvature(NamedTuple):
    """What products with the Hessian tell of its signs.

    Attributes:
        lowest, highest: outermost Ritz values; inside the true ends of the spectrum.
        lowest_bound, highest_bound: no eigenvalue lies below or above these but with a chance of one in a million.
        index: number of eigenvalues found below ``-zero``, counted with multiplicity.
        decided: whether that is all of them: what is left of the space has none, but with that same chance.
        negative: ``[index]``, those eigenvalues, ascending.
        residuals: ``[index]``, how far each may be off.
        zero: size below which eigenvalues count as zero.
        products: number of products of the Hessian with a vector.
    """

    lowest: float
    highest: float
    lowest_bound: float
    highest_bound: float
    index: int  # type: ignore[assignment]
    decided: bool
    negative: np.ndarray
    residuals: np.ndarray
    zero: float
    products: int

    @property
    def word(self) -> str:
        """``minimum``, ``maximum``, ``saddle``, or ``undecided``: too few products, or an eigenvalue of zero.

        A Ritz value is what the Hessian gives along some direction, so that one of either sign makes a saddle.
        """
        return word_of(self.lowest, self.highest, self.lowest_bound, self.highest_bound, self.zero)


def word_of(lowest: float, highest: float, lowest_bound: float, highest_bound: float, zero: float) -> str:
    """Return `Curvature.word` by the ends of a spectrum, with ``zero`` the size of eigenvalues that count as zero."""
    if lowest < -zero and highest > zero:
        return "saddle"
    if lowest_bound > zero:
        return "minimum"
    return "maximum" if highest_bound < -zero else "undecided"


def curvature(
    loss: Loss,
    x: Array,
    *args: Any,
    zero: float | None = None,
    products: int = 64,
    most: int = 1024,
    count: bool = True,
    seed: int = 0,
) -> Curvature:
    """Return index and outer eigenvalues of the Hessian of ``loss(x, *args)`` at ``x [d]``.

    Negative eigenvalues are found, taken out of the space and looked for again from another random vector, since one
    vector sees each distinct eigenvalue once only.

    Args:
        loss: pure JAX function to a scalar; the same object compiles once.
        x: ``[d]``, where; its precision is that of the products.
        args: further arguments of the loss, such as data.
        zero: size below which eigenvalues count as zero; None takes ``64 sqrt(d) eps`` times the largest.
        products: products of the first search; memory is that many vectors.
        most: products of any search.
        count: whether to look for every negative eigenvalue; without, it ends as soon as `Curvature.word` is known.
        seed: of the random vectors.

    Raises:
        UserError: ``x`` is no vector of floats, the loss no pure function of it to a scalar, or its Hessian not finite.
    """
    _check(loss, x, args)
    if not 1 <= products <= most:
        raise UserError(f"products: {products} is not between 1 and most, {most}")
    dim = x.size
    found, residuals = np.empty((0, dim), x.dtype), np.empty(0)
    values, done, number, lowest, highest, top = np.empty(0), 0, products, np.inf, -np.inf, np.inf
    decided = False
    for search in range(ROUNDS):
        left = dim - len(found)
        if not left:
            decided = True
            break
        size = min(number, most, left)
        turn = apart(found)
        made = ritz(loss, x, args, _start(x, seed, search), turn, size)
        own, error = made.values, made.residuals
        done += size
        lowest, highest = min(lowest, own[0]), max(highest, own[-1])
        limit = rounding(x, max(abs(lowest), abs(highest))) if zero is None else zero
        if made.whole:
            bound, top = own[0] - error[0], min(top, own[-1] + error[-1])
        else:
            beyond = overlooked(left, size)
            bound, top = own[0] - beyond * (highest - own[0]), min(top, own[-1] + beyond * (own[-1] - lowest))
        if not count and word_of(lowest, highest, bound, top, limit) != "undecided":
            break
        sharp = np.flatnonzero(count & (own < -limit) & (error <= SHARP * np.abs(own)) & (own + error < -limit))
        found = np.concatenate([found, turn.lift(made.at(sharp))])
        values, residuals = np.concatenate([values, own[sharp]]), np.concatenate([residuals, error[sharp]])
        blurred = bool(np.any(np.delete(own, sharp) < -limit))
        if not len(sharp) and not blurred and bound >= -limit:
            decided = True
            break
        if blurred or not len(sharp):
            number *= GROWTH
            if size == min(most, left) and not len(sharp):
                break  # nothing more to be had from more products
    order = np.argsort(values)
    below = min([bound, *values]) if len(values) else bound
    return Curvature(
        lowest=float(lowest),
        highest=float(highest),
        lowest_bound=float(below),
        highest_bound=float(top),
        index=len(values),
        decided=decided,
        negative=values[order],
        residuals=residuals[order],
        zero=float(limit),
        products=done,
    )


def _check(loss: Loss, x: Any, args: tuple[Any, ...]) -> None:
    right = isinstance(x, jax.Array | np.ndarray) and x.ndim == 1 and x.size and jnp.issubdtype(x.dtype, jnp.floating)
    if not right:
        raise UserError(f"x: {reprlib.repr(x)} is not a point: give an array [d] of floats")
    check_scalar("loss", loss, x, *args)


def rounding(x: Any, largest: Any) -> Any:
    """Return the size below which an eigenvalue at points ``x [..., d]`` is rounding, by the largest."""
    return 64.0 * np.sqrt(x.shape[-1]) * float(jnp.finfo(x.dtype).eps) * largest


def overlooked(dim: int, products: int) -> float:
    """Return the part of the spectrum's width that may lie below the lowest Ritz value, but with `CHANCE`."""
    return float((np.log(1.648 * np.sqrt(dim) / CHANCE) / (2 * products - 1)) ** 2)


def _start(x: Array, seed: int, number: int) -> Array:
    return jnp.asarray(np.random.default_rng([seed, number]).standard_normal(x.size), x.dtype)


def density(
    loss: Loss, x: Array, *args: Any, at: np.ndarray, width: float, products: int = 64, probes: int = 8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the density of the Hessian's eigenvalues at points ``at [n]``, and its standard error over the probes.

    Stochastic Lanczos quadrature (Ubaru, Chen and Saad 2017, SIAM J. Matrix Anal. Appl. 38, 1075): each random vector's
    Ritz values, weighted by the squared first entries of their vectors, smoothed by a Gaussian of ``width``.

    Raises:
        UserError: as by `curvature`.
    """
    _check(loss, x, args)
    curves, whole = [], apart(np.empty((0, x.size), x.dtype))
    for probe in range(probes):
        made = ritz(loss, x, args, _start(x, seed, probe), whole, min(products, x.size))
        bumps = np.exp(-0.5 * ((at[:, None] - made.values) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        curves.append(bumps @ made.vectors[0] ** 2)
    return np.mean(curves, axis=0), np.std(curves, axis=0, ddof=1) / np.sqrt(probes)
