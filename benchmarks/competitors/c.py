"""Hand-written C, compiled for one loss and one step rule and called through ctypes."""

import ctypes
import functools
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.result import NotApplicableError, Result, Run
from benchmarks.workloads import Workload

SOURCES = Path(__file__).parents[1] / "c"
GRADIENTS = {"double_well": "quartic"}  # where C's name is not the landscape's
KNOWN = ("quartic", "himmelblau", "rosenbrock", "rastrigin", "network")


def prepare(workload: Workload, x0: np.ndarray, *, source: str, flags: tuple[str, ...] = ()) -> Run:
    """Compile ``source`` for the workload and return the call that follows the starts ``x0 [n, d]``.

    Args:
        workload: the loss and its rules.
        x0: start points.
        source: ``one_by_one`` or ``lanes``.
        flags: for the compiler, beside ``-O3 -march=native -fopenmp``.
    """
    descend = library(source, defines(workload), flags).descend
    descend.restype = None
    table = np.ascontiguousarray(next(iter(workload.landscape.args.values()), 0.0), x0.dtype)
    reals = map(ctypes.c_double, (workload.rate, workload.tolerance, workload.reach))
    numbers = (*reals, ctypes.c_int(workload.max_steps))

    def run() -> Result:
        result = Result(np.empty_like(x0), np.empty(len(x0), np.int32), np.empty(len(x0), bool))
        descend(pointer(x0), ctypes.c_long(len(x0)), *numbers, pointer(table), *map(pointer, result[:3]))
        return result

    return run


def defines(workload: Workload) -> tuple[str, ...]:
    """Return the compiler's ``-D`` words for a workload."""
    gradient = GRADIENTS.get(workload.landscape.name, workload.landscape.name)
    if gradient not in KNOWN:
        raise NotApplicableError(f"no gradient of {gradient} in C")
    rule = "heavy_ball" if "momentum" in workload.optimizer else workload.optimizer["name"]
    real, whole = ("double", "long") if workload.precision == "float64" else ("float", "int")
    words = {"GRADIENT": gradient, "RULE": rule, "DIM": workload.dim, "REAL": real, "WHOLE": whole}
    return tuple(f"-D{key}={value}" for key, value in words.items())


@functools.cache
def library(source: str, words: tuple[str, ...], flags: tuple[str, ...]) -> ctypes.CDLL:
    """Compile one source with gcc (or ``$CC``) into a temporary folder and load it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{source}.so"
        command = [os.environ.get("CC", "gcc"), "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", *flags, *words]
        try:
            subprocess.run([*command, str(SOURCES / f"{source}.c"), "-o", str(path), "-lm"], check=True)
        except FileNotFoundError as error:
            raise ImportError(f"no compiler {command[0]}") from error
        return ctypes.CDLL(str(path))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Return the address of an array's first number."""
    return ctypes.c_void_p(array.ctypes.data)
