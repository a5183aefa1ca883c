"""Elementary functions of many numbers at once on a CPU, for native functions to compute in place of XLA's.

XLA calls the C library for them, for one number after the other. Here they are made of operations that it makes vectors
of.
"""

from collections.abc import Callable

from jax import Array

from mnemo_jax.elementary import draws, inverse_erf, logs, sines

INSTEAD: dict[str, Callable[..., Array]] = sines.INSTEAD | logs.INSTEAD | inverse_erf.INSTEAD | draws.INSTEAD
"""What is computed in place of XLA's primitives, by their names."""

__all__ = ["INSTEAD"]
