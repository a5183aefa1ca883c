"""The command ``mnemo run`` in a process of its own, timed from outside."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.workloads import Workload

# What the system tells of a process that has ended counts its parent's memory too, so it tells itself.
MNEMO = """
import atexit, os, shutil
atexit.register(shutil.copyfile, "/proc/self/status", os.environ["STATUS"])
from mnemo_jax.cli import main
main()
"""


class Finished(NamedTuple):
    """One run of the command.

    Attributes:
        seconds: wall time from its start to its end.
        stages: its own seconds by stage, ``total`` among them.
        peak: largest resident memory, MiB.
    """

    seconds: float
    stages: dict[str, float]
    peak: float


def run(config: Path, *overrides: str, cache: Path | None = None) -> Finished:
    """Carry out a config into a temporary folder, with the compiled programs kept in ``cache``."""
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile("r") as status:
        environment = os.environ | {"STATUS": status.name} | ({"XDG_CACHE_HOME": str(cache)} if cache else {})
        command = [sys.executable, "-c", MNEMO, "run", str(config), *overrides, "--out", folder, "--json"]
        begun = time.perf_counter()
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[3:])} failed")
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        return Finished(seconds, stages(next(Path(folder).iterdir())), peak / 1024)


def stages(record: Path) -> dict[str, float]:
    """Return a record's seconds by stage, added up over the lines of its journal."""
    spent: Counter[str] = Counter()
    for line in filter(None, (record / "journal.jsonl").read_text().splitlines()):
        spent.update(json.loads(line).get("seconds", {}))
    return dict(spent)


@contextmanager
def config_of(workload: Workload, number: int) -> Iterator[Path]:
    """Write a workload with a built-in loss as a config; yields its path."""
    optimizer = "\n".join(f"{key} = {json.dumps(value)}" for key, value in workload.optimizer.items())
    text = f"""name = "{workload.name}"
precision = "{workload.precision}"
[loss]
name = "{workload.landscape.name}"
[starts]
kind = "uniform"
count = {number}
[optimizer]
{optimizer}
[stop]
grad_tol = {workload.grad_tol}
max_steps = {workload.max_steps}
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{workload.name}.toml"
        path.write_text(text)
        yield path
