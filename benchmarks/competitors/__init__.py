"""Who is measured: every competitor has a module with a function ``prepare(workload, x0, **variant) -> Run``.

What a library needs is imported by its own module, so that one that is not installed is missing from the table alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.result import Run
from benchmarks.workloads import Workload

ONE_BY_ONE = {"strict": "", "-ffast-math": "-ffast-math"}
LANES = ONE_BY_ONE | {"-ffast-math, K=8": "-ffast-math -DSEGMENT=8"}


def _in_c(source: str, variants: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {name: {"source": source, "flags": tuple(flags.split())} for name, flags in variants.items()}


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """One way to follow descents.

    Attributes:
        name: one word, for ``--only``.
        title: what the table calls it.
        module: its file in this folder.
        variants: keywords of ``prepare`` by name; the fastest variant counts.
        differs: how its work differs from the others', empty where it does not.
        same_rule: whether it makes the same steps, so that these can be compared.
        parts: whether it may follow a part of the starts where all would take too long.
    """

    name: str
    title: str
    module: str
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    differs: str = ""
    same_rule: bool = True
    parts: bool = True

    def prepare(self, variant: str, workload: Workload, x0: np.ndarray) -> Run:
        """Return the call that follows the starts ``x0 [n, d]``.

        Raises:
            ImportError: a package or compiler is not installed.
            NotApplicableError: it cannot do this workload.
        """
        module = import_module(f"benchmarks.competitors.{self.module}")
        run: Run = module.prepare(workload, x0, **self.variants[variant])
        return run


COMPETITORS = (
    Competitor(name="ours", title="mnemo_jax", module="ours", differs="tracks stalls too", parts=False),
    Competitor(
        name="c_scalar", title="C, one by one", module="c", variants=_in_c("one_by_one", ONE_BY_ONE), parts=False
    ),
    Competitor(name="c_lanes", title="C, SIMD lanes", module="c", variants=_in_c("lanes", LANES), parts=False),
    Competitor(name="numba", title="numba prange", module="numba_"),
    Competitor(name="vmap", title="vmap(while_loop)", module="vmap"),
    Competitor(name="optimistix", title="optimistix", module="optimistix_", differs="does not stop on escape"),
    Competitor(
        name="jaxopt",
        title="jaxopt",
        module="jaxopt_",
        variants={name: {"solver": name} for name in ("OptaxSolver", "GradientDescent")},
        differs="stops on the 2-norm, not on escape",
    ),
    Competitor(
        name="torch",
        title="PyTorch",
        module="torch_",
        variants={"autograd": {"compiled": False}, "compiled": {"compiled": True}},
    ),
    Competitor(name="sequential", title="one compiled loop per start", module="sequential"),
    Competitor(
        name="scipy",
        title="SciPy",
        module="scipy_",
        variants={name: {"method": name} for name in ("BFGS", "L-BFGS-B")},
        differs="another step rule: starts/s compared",
        same_rule=False,
    ),
)
