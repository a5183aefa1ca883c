"""The largest resident memory of ``mnemo run`` against the number of starts."""

from collections.abc import Iterator

from benchmarks.rest import Row, Say
from benchmarks.rest.command import config_of, run
from benchmarks.workloads import by_name

SIZES = {
    "quick": (100_000, 1_000_000),
    "normal": (100_000, 1_000_000, 10_000_000),
    "full": (100_000, 1_000_000, 10_000_000, 100_000_000),
}


def measure(scale: str, say: Say) -> Iterator[Row]:
    """Yield the peak per number of starts."""
    workload, million = by_name("quartic"), 0.0
    for number in SIZES[scale]:
        say(f"memory: {number:,} starts")
        with config_of(workload, number) as config:
            peak = run(config).peak
        million = peak if number == 1_000_000 else million
        target = f"flat: {million:,.0f} at 10^6" if number > 1_000_000 else ""
        yield Row("peak memory of mnemo run", f"quartic, {number:,} starts", peak, "MiB", target)
