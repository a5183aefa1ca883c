"""Losses: the built-in landscapes by name, expressions written as text, and functions from a user's own module."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from mnemo_jax.errors import UserError, did_you_mean
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.ackley import ackley
from mnemo_jax.losses.beale import beale
from mnemo_jax.losses.chain_of_saddles import chain_of_saddles
from mnemo_jax.losses.deep_linear import deep_linear
from mnemo_jax.losses.double_well import double_well
from mnemo_jax.losses.expression import from_expression
from mnemo_jax.losses.function import from_path
from mnemo_jax.losses.gaussian_mixture import gaussian_mixture
from mnemo_jax.losses.goldstein_price import goldstein_price
from mnemo_jax.losses.griewank import griewank
from mnemo_jax.losses.himmelblau import himmelblau
from mnemo_jax.losses.linear_autoencoder import linear_autoencoder
from mnemo_jax.losses.linear_regression import linear_regression
from mnemo_jax.losses.logistic_regression import logistic_regression
from mnemo_jax.losses.matrix_factorisation import matrix_factorisation
from mnemo_jax.losses.mlp import mlp
from mnemo_jax.losses.monkey_saddle import monkey_saddle
from mnemo_jax.losses.mueller_brown import mueller_brown
from mnemo_jax.losses.oscillator_ring import oscillator_ring
from mnemo_jax.losses.parabola import parabola
from mnemo_jax.losses.power import power
from mnemo_jax.losses.quadratic import quadratic
from mnemo_jax.losses.random_trigonometric import random_trigonometric
from mnemo_jax.losses.rastrigin import rastrigin
from mnemo_jax.losses.relu_teacher import relu_teacher
from mnemo_jax.losses.rosenbrock import rosenbrock
from mnemo_jax.losses.six_hump_camel import six_hump_camel
from mnemo_jax.losses.strict_saddle import strict_saddle
from mnemo_jax.losses.styblinski_tang import styblinski_tang
from mnemo_jax.losses.valley import valley

_BUILDERS = (
    ackley,
    beale,
    chain_of_saddles,
    deep_linear,
    double_well,
    gaussian_mixture,
    goldstein_price,
    griewank,
    himmelblau,
    linear_autoencoder,
    linear_regression,
    logistic_regression,
    matrix_factorisation,
    mlp,
    monkey_saddle,
    mueller_brown,
    oscillator_ring,
    parabola,
    power,
    quadratic,
    random_trigonometric,
    rastrigin,
    relu_teacher,
    rosenbrock,
    six_hump_camel,
    strict_saddle,
    styblinski_tang,
    valley,
)
BUILTINS: dict[str, Callable[..., Landscape]] = {builder.__name__: builder for builder in _BUILDERS}

__all__ = ["BUILTINS", "build", "from_expression", "from_path", "names", *(b.__name__ for b in _BUILDERS)]


def names() -> tuple[str, ...]:
    """Return the names of the built-in losses, in alphabetical order."""
    return tuple(sorted(BUILTINS))


def build(name: str, args: Mapping[str, Any] | None = None) -> Landscape:
    """Return the built-in landscape ``name`` with the builder's arguments ``args``, ``dim`` among them.

    Raises `UserError` for an unknown name and for an unknown, wrong-typed or out-of-range argument.
    """
    if name not in BUILTINS:
        raise UserError(f"loss.name: no built-in loss is called {name!r}{did_you_mean(str(name), BUILTINS)}")
    return BUILTINS[name](**(args or {}))


def arguments(name: str) -> tuple[str, ...]:
    """Return the names of the arguments of a built-in's builder, none where there is no such built-in."""
    return tuple(inspect.signature(BUILTINS[name]).parameters) if name in BUILTINS else ()


def table() -> list[dict[str, Any]]:
    """Return name, formula, arguments and box of every built-in as words, and its learning rate, None without one."""
    rows = []
    for name in names():
        landscape = BUILTINS[name]()
        parameters = inspect.signature(BUILTINS[name]).parameters.values()
        box = {(low, high) for low, high in zip(landscape.lower, landscape.upper, strict=True)}
        sides = [f"[{low:.6g}, {high:.6g}]" for low, high in zip(landscape.lower, landscape.upper, strict=True)]
        rows.append(
            {
                "name": name,
                "formula": landscape.formula,
                "arguments": ", ".join(f"{p.name}={p.default!r}" for p in parameters),
                "box": f"{sides[0]}^{landscape.dim}" if len(box) == 1 and landscape.dim > 1 else " x ".join(sides),
                "learning_rate": landscape.learning_rate,
            }
        )
    return rows
