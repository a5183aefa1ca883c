"""A part of a program compiled to one function of the CPU, loops and all.

XLA runs a program on a CPU kernel by kernel, with a call through tables of buffers for each array of each step: some
50 ns that steps of small losses, over a few kilobytes of lanes, cannot afford, and kernels that it splits among threads
cost some microseconds to wake these. What is marked here it compiles whole, as jax 0.10 and 0.11 do of themselves with
the smallest loops only, and 0.12 with larger ones. Measured on one core, descents of Himmelblau's function run 1.8
times, those of Rosenbrock's in ten dimensions 1.5 times as fast with jax 0.10; Himmelblau's 1.5 times with 0.12. Such a
function can hold no calls of libraries, so losses made of anything but entrywise operations, slices and sums are not
marked.
"""

from collections.abc import Callable
from itertools import compress
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.interpreters.partial_eval import dce_jaxpr

from mnemo_jax.lanes import ALONG_AXES, draws_on_words, equations, is_elementwise
from mnemo_jax.threefry import ON_WORDS

MOVES = frozenset(("broadcast_in_dim", "concatenate", "iota", "pad", "reshape", "slice", "transpose"))
PLAIN = ALONG_AXES | MOVES

WIDE = {"xla_cpu_prefer_vector_width": 512}
"""Compiler options of programs that take 10 to 20 % less time with wide vectors where a CPU has them; last bits may
change."""

OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""Compiler options of programs with native parts: sums by a library's kernels are calls."""


def native(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, to be compiled whole where a program on a CPU calls it.

    XLA ends the process where such a function takes what it does not use or returns what it was given, so those are
    kept out of it.
    """

    def whole(*args: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        own = dict(zip(closed.jaxpr.invars, jax.tree.leaves(args), strict=True))
        outs = [None if hasattr(variable, "val") else own.get(variable) for variable in closed.jaxpr.outvars]
        program, used = dce_jaxpr(closed.jaxpr, [out is None for out in outs])
        run = jaxpr_as_fun(ClosedJaxpr(program, closed.consts))
        run.__name__ = closed.jaxpr.debug_info.func_name  # the call's in XLA
        marked = {"inlineable": "false", "xla_cpu_small_call": "true"}
        new = iter(set_xla_metadata(jax.jit(run)(*compress(own.values(), used)), **marked))
        return jax.tree.unflatten(jax.tree.structure(shape), [next(new) if out is None else out for out in outs])

    return whole


def once(alive: Array, function: Callable[..., Any], old: Any, *args: Any) -> tuple[Array, Any]:
    """Return False and ``function(old, *args)``, computed once for all that use it, or ``old`` where not ``alive``.

    XLA fuses what is computed entry by entry into everything that uses it, and so computes it anew for each. On a CPU a
    barrier does not hold it off, but a loop does, and the loop writes the new arrays over the old ones. The False comes
    out of the loop: what is ``alive | False`` comes after it, and may write over what it has read without a copy.
    """

    def body(state: tuple[Array, Any]) -> tuple[Array, Any]:
        return jnp.zeros_like(alive), function(state[1], *args)

    done: tuple[Array, Any] = jax.lax.while_loop(lambda state: state[0], body, (alive, old))
    return done


def fused(alive: Array, function: Callable[..., Any], old: Any, *args: Any) -> tuple[Array, Any]:
    """Return False and ``function(old, *args)``, as `once` does where that is worth nothing."""
    return jnp.zeros_like(alive), function(old, *args)


def each(chosen: Array, work: Callable[[Array, Any], Any], state: Any) -> Any:
    """Return the state after ``work(k, state)`` for each ``k`` (uint32) for which ``chosen [n]`` holds, in their order.

    In a native function this costs some nanoseconds for each; elsewhere an operation on all of them is the faster.
    """
    words = _in_words(chosen)

    def walk(number: Array, state: Any) -> Any:
        def lowest(now: tuple[Array, Any]) -> tuple[Array, Any]:
            word, state = now
            bit = jax.lax.population_count(~word & (word - 1)).astype(jnp.uint32)
            return word & (word - 1), work(number * BITS + bit, state)

        word = jax.lax.dynamic_index_in_dim(words, number, keepdims=False)
        return jax.lax.while_loop(lambda now: now[0] != 0, lowest, (word, state))[1]

    return jax.lax.fori_loop(jnp.uint32(0), jnp.uint32(words.shape[0]), walk, state)


BITS = 64


def _in_words(flags: Array) -> Array:
    """Return ``flags [n]`` as bits of uint64 words ``[ceil(n / 64)]``."""
    bits = jnp.pad(flags, (0, -flags.shape[0] % BITS)).reshape(-1, BITS).astype(jnp.uint64)
    return _folded(bits << jnp.arange(BITS, dtype=jnp.uint64), jnp.bitwise_or, 1)[:, 0]


LEAST = 16  # numbers in a vector


def number_of(flags: Array) -> Array:
    """Return how many of the ``flags [n]`` hold, int32; a sum in a native function is one number after the other."""
    return jnp.sum(_folded(flags.astype(jnp.int32), jnp.add, LEAST), dtype=jnp.int32)


def _folded(numbers: Array, operator: Callable[[Array, Array], Array], least: int) -> Array:
    """Combine the halves of the last axis until it has no more than ``least`` entries or an odd number."""
    while (size := numbers.shape[-1]) > least and size % 2 == 0:
        numbers = operator(*jnp.split(numbers, 2, axis=-1))
    return numbers


Once = Callable[..., Any]
MOST_SUMMED = 100
"""Entries that a sum along some axes of an array may go over: with more, a library's kernels are faster. Measured with
sums of products of weights, 64 entries take 1.7 times as long in them, and 125 take 0.6 times as long."""


def is_plain(program: ClosedJaxpr) -> bool:
    """Whether a traced program consists of what native functions can hold, and do well."""
    on_words = draws_on_words(program)
    return all(_fits(equation, on_words) for equation in equations(program))


def _fits(equation: Any, on_words: bool) -> bool:
    name = equation.primitive.name
    if name == "reduce_sum" and equation.outvars[0].aval.ndim:
        return bool(equation.invars[0].aval.size <= MOST_SUMMED)
    return name in PLAIN or is_elementwise(equation) or (on_words and name in ON_WORDS)
