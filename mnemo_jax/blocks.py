"""Bootstrap over blocks of a grid: how sure a mean over cells is, though neighbouring cells are alike.

Cells of one block are drawn together (Künsch 1989, Annals of Statistics 17; in the plane Politis and Romano 1993), so
that dependence within the length of a block is honoured; what reaches further is not.
"""

import numpy as np

BLOCKS = 4096  # at most
ALONG = 16  # of them along each axis at most
SAMPLES = 1000
FEW = 8  # blocks that hold what is looked at, below which their resampling says nothing
CONFIDENCE = 0.95


def block_numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Return the number of the block each cell of a grid lies in, int64 ``[shape]``.

    There are up to 16 equal blocks along each axis, fewer in more than three dimensions.
    """
    along = min(ALONG, int(BLOCKS ** (1 / len(shape)) + 1e-9))
    number = np.zeros(shape, np.int64)
    for axis, size in enumerate(shape):
        blocks = min(along, size)
        place = np.arange(size) * blocks // size
        number = number * blocks + place.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return number


def block_sums(values: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Return the sums ``[blocks]`` of values over the blocks that cells lie in; both of one shape."""
    return np.bincount(number.ravel(), weights=values.ravel(), minlength=int(number.max(initial=-1)) + 1)


def resampled(sums: np.ndarray, holding: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return totals of as many blocks as there are, drawn with replacement: ``[blocks, k]`` to ``[samples, k]``.

    They are NaN where fewer than eight blocks are ``holding`` (bool ``[blocks]``) what is looked at.
    """
    if np.sum(holding) < FEW:
        return np.full((1, sums.shape[1]), np.nan)
    blocks = len(sums)
    times = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=SAMPLES)
    return times @ sums


def interval(samples: np.ndarray) -> np.ndarray:
    """Return the 95 % percentile interval ``[2, ...]`` of samples ``[samples, ...]``; NaN where one of them is."""
    tail = (1 - CONFIDENCE) / 2
    return np.quantile(samples, [tail, 1 - tail], axis=0)
