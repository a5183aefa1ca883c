"""Tile settings measured on this machine for one plan."""

import time
from dataclasses import replace
from typing import Any, Literal

import jax
import numpy as np

from mnemo_jax.followed import descend_block
from mnemo_jax.plan import Plan, Recording
from mnemo_jax.prepare import devices_for, prepare
from mnemo_jax.types import Tile

REPEATS = 3


def candidates(default: Tile, platform: str) -> list[Tile]:
    """Return the tiles worth measuring around the default: lanes first, then what depends on them."""
    lanes = [int(default.lanes * 2.0**k) for k in ((-2, -1, 0, 1, 2) if platform == "cpu" else (-3, -2, -1, 0, 1))]
    sizes = [replace(default, lanes=n) for n in lanes if n >= 16]
    shapes = [replace(default, steps=steps) for steps in (default.steps // 2, default.steps * 2) if steps]
    rolls = [replace(default, unroll=unroll) for unroll in (2, 4)]
    other: Literal["lanes_first", "lanes_last"] = "lanes_first" if default.layout == "lanes_last" else "lanes_last"
    refills = [replace(default, refill=refill) for refill in (1 / 32, 1 / 4)]
    samples = [replace(default, sample=sample) for sample in (1, 4) if sample != default.sample]
    whole = [replace(default, native=not default.native)] if platform == "cpu" else []
    return [*sizes, *shapes, *rolls, replace(default, layout=other), *refills, *samples, *whole]


def measure(plan: Plan, devices: int | None) -> list[dict[str, Any]]:
    """Return one row per tile with useful lane-steps per second, the fastest first.

    Each tile follows the same starts, enough to fill all lanes many times; the best of three runs counts, and the
    tiles take turns, so that a machine that slows down does so for all.
    """
    with jax.enable_x64(True), devices_for(plan, devices) as workers:
        tiles = candidates(plan.tile, workers.platform)
        size = min(plan.count, 32 * max(tile.lanes for tile in tiles) * len(workers))
        prepared = [prepare(replace(plan, tile=tile, recording=Recording(block=size)), workers) for tile in tiles]
        prepared = [one._replace(logs=prepared[0].logs) for one in prepared]  # blocks of one size
        seconds = np.full(len(tiles), np.inf)
        steps = [descend_block(one, 0)[1:] for one in prepared]  # compiles
        for _ in range(REPEATS):
            for k, one in enumerate(prepared):
                begun = time.perf_counter()
                descend_block(one, 0)
                seconds[k] = min(seconds[k], time.perf_counter() - begun)
    rows = [
        {
            **{key: getattr(tile, key) for key in ("lanes", "steps", "unroll", "layout", "refill", "sample", "native")},
            "million_steps_per_second": useful / second / 1e6,
            "lane_efficiency": useful / total,
        }
        for tile, (useful, total), second in zip(tiles, steps, seconds.tolist(), strict=True)
    ]
    return sorted(rows, key=lambda row: -row["million_steps_per_second"])
