"""The wall time of ``mnemo run configs/double_well.toml``, with and without compiled programs in the cache."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.rest import Row, Say
from benchmarks.rest.command import Finished, run

CONFIG = Path(__file__).parents[2] / "configs" / "double_well.toml"
ROUNDS = {"quick": 1, "normal": 3, "full": 5}


def measure(scale: str, say: Say) -> Iterator[Row]:
    """Yield medians over rounds of a cold and a warm run in turn, with the seconds of their stages."""
    runs: dict[str, list[Finished]] = {"cold": [], "warm": []}
    for turn in range(ROUNDS[scale]):
        say(f"start-up: round {turn + 1} of {ROUNDS[scale]}")
        with tempfile.TemporaryDirectory() as cache:
            for finished in runs.values():
                finished.append(run(CONFIG, cache=Path(cache)))
    for name, finished in runs.items():
        on = f"double_well.toml, {name} cache"
        yield Row("mnemo run", on, float(np.median([one.seconds for one in finished])), "s")
        for stage in finished[0].stages:
            median = float(np.median([one.stages.get(stage, 0.0) for one in finished]))
            yield Row(f"mnemo run: {stage}", on, median, "s")
