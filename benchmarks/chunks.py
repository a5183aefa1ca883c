"""Starts in chunks of bounded size, for competitors that follow a whole batch at once."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.result import Result, Run

CHUNK = {"cpu": 1 << 18, "gpu": 1 << 22}  # starts; bounds the memory


def in_chunks(follow: Callable[[jax.Array], Any], x0: np.ndarray) -> Run:
    """Return the call that puts ``x0 [n, d]`` through ``follow``, which returns end points, steps and convergence.

    The last chunk is filled up with the starts before it, so that one program serves all.
    """
    size = min(CHUNK[jax.devices()[0].platform], len(x0))
    first = [min(i, len(x0) - size) for i in range(0, len(x0), size)]
    chunks = [jax.device_put(x0[i : i + size]) for i in first]

    def run() -> Result:
        result = Result(np.empty_like(x0), np.empty(len(x0), np.int32), np.empty(len(x0), bool))
        for i, chunk in zip(first, chunks, strict=True):
            for column, part in zip(result[:3], follow(chunk), strict=True):
                column[i : i + size] = part
        return result

    return run
