"""Which way descents leave the saddles they stalled at: along which unstable direction, and to which side."""

import numpy as np

from mnemo_jax.calculus import Args, Loss, hessians
from mnemo_jax.tiles import in_tiles

TILE = 64
LEAST = 8  # saddles: a block's own, mostly fewer, differ in number, and one program is to do
EQUAL = 1e-6  # of the largest eigenvalue in size, by which two must differ for their directions to mean something


def facing(vectors: np.ndarray) -> np.ndarray:
    """Return eigenvectors, the columns of ``[n, d, d]``, each with its first entry of some size positive.

    Of some size, as equal entries would else take turns in rounding.
    """
    size = np.abs(vectors)
    first = np.argmax(size > 0.5 * size.max(axis=1, keepdims=True), axis=1)
    sign = np.sign(np.take_along_axis(vectors, first[:, None, :], axis=1))
    return vectors * np.where(sign == 0, 1.0, sign)


def directions(
    x: np.ndarray, index: np.ndarray, at: np.ndarray, away: np.ndarray, args: Args, *, loss: Loss
) -> np.ndarray:
    """Return by which unstable direction, and to which side, each stall ended, int8 ``[n]``.

    The answer is ``+k`` or ``-k`` for the eigenvector of the ``k``-th smallest eigenvalue along which the descent was
    furthest away once its gradient had grown again, and 0 where no direction can be told: at no point, at a point
    without unstable directions, or where eigenvalues are equal.

    Args:
        x: ``[m, d]`` critical points.
        index: ``[m]``, their Morse indices.
        at: ``[n]``, row of the point each stall was at, -1 for none.
        away: ``[n, d]``, from that point to where the stall ended, NaN for stalls that did not end.
        args: the loss's arguments.
        loss: the loss.
    """
    found = np.zeros(len(at), np.int8)
    wanted = (at >= 0) & np.all(np.isfinite(away), axis=1)
    wanted[wanted] &= index[at[wanted]] > 0
    if not wanted.any():
        return found
    rows, place = np.unique(at[wanted], return_inverse=True)
    matrix = in_tiles(lambda x: hessians(x, args, loss=loss), TILE, x[rows], least=LEAST)
    values, vectors = np.linalg.eigh(0.5 * (matrix + np.swapaxes(matrix, 1, 2)))
    unstable = np.arange(x.shape[1]) < index[rows][:, None]
    along = np.einsum("nd,ndk->nk", away[wanted], facing(vectors)[place])
    most = np.argmax(np.where(unstable[place], np.abs(along), -1.0), axis=1)
    close = np.diff(values, axis=1) <= EQUAL * np.abs(values).max(axis=1, keepdims=True)
    equal = np.pad(close, ((0, 0), (0, 1))) | np.pad(close, ((0, 0), (1, 0)))
    each = np.arange(len(most))
    side = np.where(along[each, most] > 0, 1, -1) * np.minimum(most + 1, 127)
    found[wanted] = np.where(equal[place, most], 0, side)
    return found
