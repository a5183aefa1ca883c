"""Labelling the ends of descents and merging the blocks' points, against the descents themselves."""

import time
from collections.abc import Iterator

from benchmarks.rest import Row, Say
from benchmarks.workloads import Workload, by_name
from mnemo_jax.finish import merged
from mnemo_jax.followed import descend_block
from mnemo_jax.labelling import label, sparing
from mnemo_jax.prepare import devices_for, prepare

SIZES = {"quick": (100_000,), "normal": (1_000_000, 10_000_000), "full": (1_000_000, 10_000_000)}
TARGETS = {"quartic": "< 1", "himmelblau": "< 0.1"}


def measure(scale: str, say: Say) -> Iterator[Row]:
    """Yield seconds of descents, labelling and merging, and labelling and merging as a share of the descents."""
    for name in ("quartic", "himmelblau", "rastrigin"):
        for number in SIZES[scale] if name in TARGETS else SIZES[scale][:1]:
            say(f"labelling: {name}, {number:,} starts")
            descents, labels, merge = seconds(by_name(name), number)
            on = f"{name}, {number:,} ends"
            yield Row("descents", on, descents, "s")
            yield Row("labelling", on, labels, "s")
            yield Row("merging the blocks' points", on, merge, "s")
            yield Row("labels against descents", on, (labels + merge) / descents, "", TARGETS.get(name, ""))


def seconds(workload: Workload, number: int) -> tuple[float, float, float]:
    """Return the seconds that descents, labelling and merging take, block by block as in a run, after a warm-up."""
    plan = workload.plan(number)
    with devices_for(plan, None) as devices:
        prepared = prepare(plan, devices)
        first = label(descend_block(prepared, 0)[0], prepared.judge).table
        seen = sparing(first, prepared.judge)
        spent, tables = [0.0, 0.0], []
        for block in range(-(-number // plan.block)):
            begun = time.perf_counter()
            ends, _, _ = descend_block(prepared, block)
            reached = time.perf_counter()
            tables.append(label(ends, prepared.judge, seen if block else None).table)
            spent = [spent[0] + reached - begun, spent[1] + time.perf_counter() - reached]
        merged(tables, prepared.judge)
        begun = time.perf_counter()
        merged(tables, prepared.judge)
        return spent[0], spent[1], time.perf_counter() - begun
