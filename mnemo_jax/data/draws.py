"""Random numbers of data sets: one stream for each purpose and seed."""

import numpy as np

# No two uses of a data set's seed share a stream, so that more noise, say, leaves the split as it is.
PURPOSES = ("items", "network", "split", "train labels", "validation labels", "train targets", "validation targets")


def stream(purpose: str, seed: int) -> np.random.Generator:
    """Return the generator of one of the `PURPOSES` of a seed."""
    return np.random.default_rng([1 + PURPOSES.index(purpose), seed])


def rotation(draw: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return a matrix ``[rows, columns]`` with orthonormal columns, uniform among those (columns at most rows)."""
    q, r = np.linalg.qr(draw.normal(size=(rows, columns)))
    return q * np.sign(np.diagonal(r))
