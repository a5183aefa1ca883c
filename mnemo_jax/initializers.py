"""Starts of networks: every array of weights and every bias drawn by an initializer of its own."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge
from jax import Array
from scipy.linalg import hadamard as sylvester

from mnemo_jax.choices import choice
from mnemo_jax.errors import UserError, did_you_mean
from mnemo_jax.keys import Purpose, stem
from mnemo_jax.landscape import Landscape

Law = str | dict[str, float | int | str | bool]
Draw = Callable[[Array, tuple[int, ...], Any], Array]


@choice
class Layered:
    """Initializers for the arrays of a loss on layers; what has one axis is a bias, what has more a weight.

    An initializer is one of `jax.nn.initializers` by its name, or a table with its arguments, as
    ``{name = "normal", stddev = 0.01}``, or ``hadamard``. A list gives one for each layer.

    Attributes:
        count: number of starts.
        weights, biases: the initializers.
        scale: factor on the weights, one number or one for each layer.
    """

    kind: Literal["layers"] = "layers"
    count: Annotated[int, Ge(1)]
    weights: Law | tuple[Law, ...] = "he_normal"
    biases: Law | tuple[Law, ...] = "zeros"
    scale: float | tuple[float, ...] = 1.0


def hadamard(scale: float = 2.0) -> Draw:
    """Return the initializer by Hadamard matrices: nothing is random, and no two units are alike.

    A weight ``[inputs, outputs]`` is the corner of Sylvester's matrix of the next power of two, times
    ``sqrt(scale / inputs)``, so that units see the variance that random weights would give them. Zhao et al. (2022,
    ZerO Initialization, TMLR) train deep networks from such matrices and identities alone.
    """

    def draw(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float64) -> Array:
        del key
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        corner = sylvester(1 << (max(rows, columns) - 1).bit_length())[:rows, :columns]
        return jnp.asarray(corner.reshape(shape) * np.sqrt(scale / rows), dtype)

    return draw


OWN: dict[str, Callable[..., Draw]] = {"hadamard": hadamard}
PLAIN = ("zeros", "ones")  # initializers themselves, where jax's others are functions that make one


@functools.cache
def known() -> dict[str, Callable[..., Any]]:
    """Return every initializer by name."""
    made = {name: getattr(jax.nn.initializers, name) for name in dir(jax.nn.initializers) if name[0].islower()}
    return {name: f for name, f in made.items() if inspect.isfunction(f) or name in PLAIN} | OWN


@dataclass(frozen=True)
class Recipe:
    """How a start of a network is drawn; equal recipes are equal objects, so they compile once.

    Attributes:
        shapes: of the arrays, in the order of the point's coordinates.
        laws: their initializers, each a name and its arguments.
        factors: numbers that the arrays are multiplied by.
    """

    shapes: tuple[tuple[int, ...], ...]
    laws: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]
    factors: tuple[float, ...]

    def __call__(self, root: Array, number: Array) -> Array:
        """Return start ``number`` of the run with the key ``root``, ``[d]`` in float64."""
        parts, own = [], stem(root, Purpose.START, number)
        for place, (shape, (name, args), factor) in enumerate(zip(self.shapes, self.laws, self.factors, strict=True)):
            drawn = _made(name, dict(args))(jax.random.fold_in(own, place), shape, jnp.float64)
            parts.append(factor * jnp.ravel(drawn))
        return jnp.concatenate(parts)


def recipe(starts: Layered, landscape: Landscape) -> Recipe:
    """Return how the starts of a landscape's network are drawn.

    Raises:
        UserError: the loss has no layers, or an initializer does not exist or does not suit its array.
    """
    if landscape.arrays is None:
        raise UserError("starts.kind: layers need a loss on arrays of weights, as a network's; this one is on a vector")
    with jax.enable_x64(True):
        tree = jax.eval_shape(landscape.arrays, jax.ShapeDtypeStruct((landscape.dim,), np.float64))
    shapes = tuple(leaf.shape for leaf in jax.tree.leaves(tree))
    is_weight = [len(shape) > 1 for shape in shapes]
    number = sum(is_weight)
    weights, scales = (iter(_each(key, getattr(starts, key), number)) for key in ("weights", "scale"))
    biases = iter(_each("biases", starts.biases, len(shapes) - number))
    laws = [
        _law("starts.weights", next(weights), shape) if weight else _law("starts.biases", next(biases), shape)
        for weight, shape in zip(is_weight, shapes, strict=True)
    ]
    return Recipe(shapes, tuple(laws), tuple(float(next(scales)) if weight else 1.0 for weight in is_weight))


def _each(name: str, given: Any, number: int) -> list[Any]:
    """Return one value per layer."""
    if not isinstance(given, tuple):
        return [given] * number
    if len(given) != number:
        raise UserError(f"starts.{name}: {len(given)} values for {number} layers; give one, or one for each")
    return list(given)


def _law(name: str, given: Law, shape: tuple[int, ...]) -> tuple[str, tuple[tuple[str, Any], ...]]:
    """Return an initializer's name and arguments after drawing once from it, as far as shapes go."""
    args: dict[str, Any] = {"name": given} if isinstance(given, str) else dict(given)
    which, makers = str(args.pop("name", None)), known()
    if which not in makers:
        raise UserError(f"{name}: no initializer is called {which!r}{did_you_mean(which, makers)}")
    allowed = () if which in PLAIN else tuple(inspect.signature(makers[which]).parameters)
    for argument in args:
        if argument not in allowed:
            raise UserError(f"{name}.{argument}: {which} has no such argument{did_you_mean(argument, allowed)}")
    try:
        jax.eval_shape(lambda root: _made(which, args)(root, shape, jnp.float32), jax.random.key(0))
    except Exception as error:  # whatever jax says of arguments and shapes
        reason = str(error).strip().split("\n", 1)[0]
        raise UserError(f"{name}: {which} does not make an array of shape {list(shape)}: {reason}") from error
    return which, tuple(sorted(args.items()))


def _made(name: str, args: dict[str, Any]) -> Draw:
    """Return the initializer of a name with its arguments."""
    maker = known()[name]
    draw: Draw = maker if name in PLAIN else maker(**args)
    return draw
