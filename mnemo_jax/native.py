"""A part of a program compiled to one function of the CPU, loops and all.

XLA runs a program on a CPU kernel by kernel, with a call through tables of buffers for each array of each step: some
50 ns that steps of small losses, over a few kilobytes of lanes, cannot afford. What is marked here it compiles whole,
as jax 0.10 and 0.11 do of themselves with the smallest loops only, and 0.12 with larger ones. Measured on one core with
0.10, descents of Himmelblau's function run 1.3 times, those of Rosenbrock's in ten dimensions 1.7 times as fast; with
0.12 it makes no difference. Such a function can hold no calls of libraries, so
losses made of anything but entrywise operations, slices and sums are not marked.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata

from mnemo_jax.lanes import ALONG_AXES, CALLS, ELEMENTWISE

MOVES = frozenset(("broadcast_in_dim", "concatenate", "iota", "pad", "reshape", "slice", "transpose"))
PLAIN = ELEMENTWISE | ALONG_AXES | MOVES

OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""Compiler options of programs with native parts: sums by a library's kernels are calls."""


def native(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, to be compiled whole where a program on a CPU calls it."""

    def whole(*args: Any) -> Any:
        return set_xla_metadata(jax.jit(function)(*args), inlineable="false", xla_cpu_small_call="true")

    return whole


def is_plain(function: Callable[..., Any], *args: Any) -> bool:
    """Whether a function of arrays like ``args`` consists of what native functions can hold."""
    return all(name in PLAIN for name in _primitives(jax.make_jaxpr(function)(*args).jaxpr))


def _primitives(jaxpr: Any) -> Iterator[str]:
    """Yield the names of the primitives a program applies, those of the functions it calls included."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in CALLS:
            inner = equation.params[CALLS[equation.primitive.name]]
            yield from _primitives(getattr(inner, "jaxpr", inner))
        else:
            yield equation.primitive.name
