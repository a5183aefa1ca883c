"""A landscape: a loss together with what is known of it."""

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from mnemo_jax.choices import choice
from mnemo_jax.errors import UserError


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


@choice
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


DENSE = 512  # coordinates up to which Hessians are written out


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
        layers: function from ``[dim]`` to the arrays of weights that a network's point stands for, where the loss takes
            the point itself, or None.
        data: names of those arguments that hold the items of a data set along their first axis; the loss is the mean
            over them.
        measures: functions ``f(x, **args) -> scalar`` by name, such as an accuracy, measured along descents on the data
            and on each part held out.
        held_out: the data arguments of items that are not trained on, by the name of their part.
        augment: pure function ``(key, args) -> args`` that changes the items of a batch, or None.
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
    layers: Callable[[Any], Any] | None = None
    data: tuple[str, ...] = ()
    measures: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    held_out: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    augment: Callable[..., Any] | None = None

    @property
    def items(self) -> int:
        """Number of items in the data, 0 without data."""
        return len(self.args[self.data[0]]) if self.data else 0

    @property
    def arrays(self) -> Callable[[Any], Any] | None:
        """Function from ``[dim]`` to the arrays that a point stands for, None where it is one vector."""
        return self.layers or self.unravel

    @property
    def measured(self) -> dict[str, Callable[..., Any]]:
        """What is measured along descents: the measures, and, with these or parts held out, at least the loss."""
        return {"loss": self.loss, **self.measures} if self.measures or self.held_out else {}

    def __post_init__(self) -> None:
        """Make numbers plain ones, spread single ones over the axes, and refuse what does not fit together."""
        dim = _whole("dim", self.dim, "a dimension; give 1 or more")
        if not isinstance(self.args, Mapping):
            raise _refused("args", self.args, "a dictionary of the loss's arguments")
        plain: dict[str, Any] = {"dim": dim, "symmetries": _symmetries(self.symmetries, dim)}
        plain |= {key: _per_axis(key, getattr(self, key), dim) for key in ("lower", "upper", "periodic")}
        if self.learning_rate is not None:
            plain["learning_rate"] = _positive("learning_rate", self.learning_rate)
        if self.max_steps is not None:
            plain["max_steps"] = _whole("max_steps", self.max_steps, "a number of steps; give 1 or more")
        _check_data(self.data, self.args)
        for part, args in self.held_out.items():
            if set(args) != set(self.data):
                raise UserError(f"held_out.{part}: holds {sorted(args)}, and must hold the data {sorted(self.data)}")
            _check_data(self.data, args)
        for key, value in plain.items():
            object.__setattr__(self, key, value)
        for axis, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise UserError(f"loss.lower, loss.upper: axis {axis} of the box is empty: [{low}, {high}]")


def _check_data(data: tuple[str, ...], args: Mapping[str, Any]) -> None:
    """Refuse names of data that are no arguments, and arrays of different lengths."""
    if missing := [name for name in data if name not in args]:
        raise UserError(f"loss.data: {missing[0]!r} is none of the loss's arguments {sorted(args)}")
    lengths = {name: (np.shape(args[name]) or (0,))[0] for name in data}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise UserError(f"loss.data: {lengths} are not as many items each; their first axes must agree")


def _symmetries(given: Any, dim: int) -> tuple[Symmetry, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(symmetry, Symmetry) for symmetry in given):
        raise _refused("symmetry", given, "a tuple of Symmetry")
    for symmetry in given:
        _check(symmetry, dim)
    return tuple(given)


def _check(symmetry: Symmetry, dim: int) -> None:
    """Refuse a symmetry whose axes or blocks do not fit the dimension."""
    axes = range(dim) if symmetry.axes is None else symmetry.axes
    if not len(axes) or len(set(axes)) < len(axes) or not all(0 <= axis < dim for axis in axes):
        raise UserError(f"loss.symmetry: axes {list(axes)} are not different axes among 0 to {dim - 1}")
    if symmetry.block < 1 or len(axes) % symmetry.block:
        raise UserError(f"loss.symmetry: {len(axes)} axes do not divide into blocks of {symmetry.block}")
    if symmetry.kind == "rotation" and symmetry.block not in (2, 3):
        raise UserError(f"loss.symmetry: a rotation turns blocks of 2 or 3 coordinates, not {symmetry.block}")


def _refused(key: str, value: Any, what: str) -> UserError:
    return UserError(f"loss.{key}: {reprlib.repr(value)} is not {what}")


def _array(value: Any) -> np.ndarray:
    """Return the value as an array, one of objects where its parts do not fit together."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.asarray(None)


def _whole(key: str, value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise _refused(key, value, what)
    return int(value)


def _positive(key: str, value: Any) -> float:
    array = _array(value)
    if array.ndim or array.dtype.kind not in "iuf" or not 0 < array < np.inf:
        raise _refused(key, value, "a positive number")
    return float(array)


def _per_axis(key: str, value: Any, dim: int) -> tuple[Any, ...]:
    kind, letters, what = (bool, "biu", "true or false") if key == "periodic" else (float, "iuf", "a number")
    values = _array(value).ravel()
    if values.size and values.dtype.kind not in letters:
        raise _refused(key, value, f"{what}, or one per axis")
    if values.size == 0:
        values = np.zeros(1)
    if values.size not in (1, dim):
        raise UserError(f"loss.{key}: {values.size} values for {dim} axes; give one, or one per axis")
    return tuple(np.broadcast_to(values.astype(kind), dim).tolist())
