"""A landscape: a loss together with what is known of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as choice

from mnemo_jax.errors import UserError

STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class KnownPoint(NamedTuple):
    """A critical point known in closed form (or to the digits its source gives).

    ``kind`` is ``"minimum"``, ``"saddle"``, ``"maximum"`` or ``"kink"`` (the loss is not twice
    differentiable there, so that index and nullity mean nothing and are 0).
    """

    x: tuple[float, ...]
    loss: float
    kind: Literal["minimum", "saddle", "maximum", "kink"]
    index: int = 0  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    nullity: int = 0


@choice(frozen=True, kw_only=True, config=STRICT)
class Symmetry:
    """A group of maps of the coordinates that leave the loss unchanged.

    The coordinates ``axes`` (all of them when None) are read as consecutive blocks of ``block`` coordinates, the
    members: one number each (``block = 1``), or particles in the plane or in space (2, 3).

    - ``translation``: the same vector of ``block`` numbers added to every member; ``block`` zero modes.
    - ``rotation``: every member (``block`` 2 or 3) rotated about the origin; 1 or 3 zero modes.
    - ``permutation``: members exchanged.
    - ``sign``: every member changes sign by itself, or, with ``joint``, all of them together.
    """

    kind: Literal["translation", "rotation", "permutation", "sign"]
    axes: tuple[int, ...] | None = None
    block: int = 1
    joint: bool = False


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """A loss with its dimension, its box and what else is known of it.

    Attributes:
        loss: pure JAX function ``loss(x, **args) -> scalar``; ``x`` has shape ``[dim]``, or is a pytree where
            ``unravel`` is given.
        dim: number of coordinates of the flattened point.
        lower, upper: the box starts are drawn from, ``[dim]`` each (one number stands for all axes).
        args: keyword arguments of the loss (numbers or arrays), traced: other values need no new compilation.
        learning_rate: step size that suits plain gradient descent in the box, or None.
        max_steps: steps that descents with that learning rate may need, where 20,000 are too few, or None.
        periodic: per axis, whether ``lower`` and ``upper`` are the same place.
        symmetries: maps that leave the loss unchanged.
        known: critical points known beforehand.
        unravel: function from ``[dim]`` to the pytree the loss takes, or None.
        data: names of those arguments that hold the items of a data set along their first axis; the loss is the mean
            over them.
    """

    loss: Callable[..., Any]
    dim: int
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    name: str = "loss"
    formula: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    learning_rate: float | None = None
    max_steps: int | None = None
    periodic: tuple[bool, ...] = ()
    symmetries: tuple[Symmetry, ...] = ()
    known: tuple[KnownPoint, ...] = ()
    unravel: Callable[[Any], Any] | None = None
    data: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Spread single numbers over the axes, refuse an empty box and data that are none."""
        _check_data(self.data, self.args)
        if self.dim < 1:
            raise UserError(f"loss.dim: {self.dim} is not a dimension; give 1 or more")
        for key in ("lower", "upper", "periodic"):
            object.__setattr__(self, key, _per_axis(key, getattr(self, key), self.dim))
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise UserError(f"loss.learning_rate: {self.learning_rate} is not a positive number")
        for symmetry in self.symmetries:
            _check(symmetry, self.dim)
        for axis, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise UserError(f"loss.lower, loss.upper: axis {axis} of the box is empty: [{low}, {high}]")


def _check_data(data: Sequence[str], args: Mapping[str, Any]) -> None:
    """Refuse names of data that are no arguments, and arrays of different lengths."""
    if missing := [name for name in data if name not in args]:
        raise UserError(f"loss.data: {missing[0]!r} is none of the loss's arguments {sorted(args)}")
    lengths = {name: (np.shape(args[name]) or (0,))[0] for name in data}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise UserError(f"loss.data: {lengths} are not as many items each; their first axes must agree")


def _check(symmetry: Symmetry, dim: int) -> None:
    """Refuse a symmetry whose axes or blocks do not fit the dimension."""
    axes = range(dim) if symmetry.axes is None else symmetry.axes
    if not len(axes) or len(set(axes)) < len(axes) or not all(0 <= axis < dim for axis in axes):
        raise UserError(f"loss.symmetry: axes {list(axes)} are not different axes among 0 to {dim - 1}")
    if symmetry.block < 1 or len(axes) % symmetry.block:
        raise UserError(f"loss.symmetry: {len(axes)} axes do not divide into blocks of {symmetry.block}")
    if symmetry.kind == "rotation" and symmetry.block not in (2, 3):
        raise UserError(f"loss.symmetry: a rotation turns blocks of 2 or 3 coordinates, not {symmetry.block}")


def _per_axis(key: str, value: float | bool | Sequence[Any], dim: int) -> tuple[Any, ...]:
    kind = bool if key == "periodic" else float
    values = np.asarray(value if np.ndim(value) or key != "periodic" else [value], dtype=kind).ravel()
    if values.size == 0:
        values = np.zeros(1, kind)
    if values.size not in (1, dim):
        raise UserError(f"loss.{key}: {values.size} values for {dim} axes; give one, or one per axis")
    return tuple(np.broadcast_to(values, dim).tolist())
