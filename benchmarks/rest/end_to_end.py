"""Starts per second of ``mnemo run``, from the command to the record written, against the engine alone."""

from collections.abc import Iterator

import numpy as np

from benchmarks.competitors import ours
from benchmarks.measure import timed
from benchmarks.rest import Row, Say
from benchmarks.rest.command import config_of, run
from benchmarks.workloads import Workload, by_name

SIZES = {"quick": (100_000,), "normal": (1_000_000, 10_000_000), "full": (1_000_000, 10_000_000)}
ROUNDS = 3
TARGETS = {("quartic", 10_000_000): (">= 1.5e6", ""), ("himmelblau", 10_000_000): ("", ">= 0.5")}


def measure(scale: str, say: Say) -> Iterator[Row]:
    """Yield both rates and their ratio, medians of rounds in turn; the programs were compiled by an earlier run."""
    for name in ("quartic", "himmelblau"):
        workload = by_name(name)
        for number in SIZES[scale]:
            say(f"end to end: {name}, {number:,} starts")
            yield from rows(workload, number)


def rows(workload: Workload, number: int) -> Iterator[Row]:
    """Yield the rows of one workload and size."""
    on = f"{workload.name}, {number:,} starts"
    written, ratio = TARGETS.get((workload.name, number), ("", ""))
    engine = ours.prepare(workload, workload.starts(number))
    engine()
    with config_of(workload, number) as config:
        run(config)  # compiles
        runs = [(timed(engine)[0], run(config)) for _ in range(ROUNDS)]
    alone = number / float(np.median([seconds for seconds, _ in runs]))
    finished = sorted((finished for _, finished in runs), key=lambda one: one.seconds)[ROUNDS // 2]
    whole = number / finished.seconds
    yield Row("engine only", on, alone, "starts/s")
    yield Row("mnemo run, record written", on, whole, "starts/s", written)
    yield Row("mnemo run against engine only", on, whole / alone, "", ratio)
    begun = finished.stages.get("import", 0.0) + finished.stages.get("compile", 0.0)
    yield Row("past imports and compiling", on, number / (finished.seconds - begun) / alone, "")
    for stage, seconds in finished.stages.items():
        yield Row(f"mnemo run: {stage}", on, seconds, "s")
