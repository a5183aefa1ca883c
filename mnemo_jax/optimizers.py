"""Optimizers by name: any of optax's and a few of our own, with their arguments, schedules and noise."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from jax import Array

from mnemo_jax import noise
from mnemo_jax.errors import UserError, did_you_mean
from mnemo_jax.gradient_flow import gradient_flow
from mnemo_jax.second_order import newton, saddle_free_newton

Value = float | int | bool | str | None

REFUSED = {
    "dpsgd": "it wants one gradient per data item, which a landscape does not have",
    "galore": "it projects weight matrices, and a point here is one flat vector",
    "lookahead": "it steps a pair of points; name the inner optimizer instead",
    "mechanize": "it wraps another optimizer; name that one instead",
    "sam": "it takes its ascent and descent steps in turn, so that half of the points are no descent's",
    "schedule_free": "it wraps another optimizer, and the point it optimises is not the one it takes gradients at",
    "schedule_free_adamw": "the point it optimises is not the one it takes gradients at",
    "schedule_free_sgd": "the point it optimises is not the one it takes gradients at",
    "sophia": "it wants a diagonal Hessian estimated from data",
}
"""Optimizers of optax that cannot drive a descent here, with the reason."""

OWN: dict[str, Callable[..., optax.GradientTransformation]] = {
    made.__name__: made for made in (newton, saddle_free_newton, gradient_flow)
}
"""Optimizers that optax has not."""

WHOLE = ("every", "size")  # arguments of noise that are whole numbers
SWITCHES = ("replace",)  # and those that are true or false

TRACED = ("learning_rate", "momentum", "damping", "noise.scale", "noise.temperature", "noise.radius", "noise.below")
"""Numbers that a compiled program takes as arguments, so that others need no compilation.

Not among them are decay rates near one, such as Adam's: programs have 1 - b2 rounded to their own precision then.
"""

Numbers = Mapping[str, Any]


@dataclass(frozen=True)
class Schedule:
    """One of optax's schedules by its name, with its arguments."""

    name: str
    args: tuple[tuple[str, Value | tuple[tuple[int, float], ...]], ...]

    def build(self) -> optax.Schedule:
        """Return optax's schedule, a function of the step."""
        args = {k: dict(v) if isinstance(v, tuple) else v for k, v in self.args}
        return getattr(optax, self.name)(**args)


@dataclass(frozen=True)
class Optimizer:
    """One of optax's optimizers by its name; equal choices are equal objects, so they compile once.

    Attributes:
        name: optax's name, or one of ``OWN``.
        learning_rate: a positive number, a `Schedule`, or None where the optimizer has a default of its own.
        args: its other arguments, and those of the noise around it as ``noise.kind``, ``noise.scale``, ...
    """

    name: str
    learning_rate: float | Schedule | None = None
    args: tuple[tuple[str, Value | Schedule], ...] = ()

    def numbers(self) -> dict[str, float]:
        """Return the numbers that a compiled program takes as arguments."""
        whole = {"learning_rate": self.learning_rate, **dict(self.args)}
        return {key: value for key, value in whole.items() if isinstance(value, float) and key in TRACED}

    def needs_data(self) -> bool:
        """Whether its steps take batches of a loss's data."""
        return ("noise.kind", "minibatch") in self.args

    def batch(self) -> int | None:
        """Return the number of items that a step's gradient is of, None for all."""
        size = dict(self.args).get("noise.size") if self.needs_data() else None
        return size if isinstance(size, int) else None

    def once(self) -> bool:
        """Whether its batches take every item once in each epoch."""
        return ("noise.replace", False) in self.args

    def traced(self) -> "Optimizer":
        """Return what a program is compiled for: the choice without those numbers."""
        numbers = self.numbers()
        args = tuple((key, None if key in numbers else value) for key, value in self.args)
        return replace(self, learning_rate=None if "learning_rate" in numbers else self.learning_rate, args=args)

    def build(self, numbers: Numbers | None = None) -> optax.GradientTransformationExtraArgs:
        """Return the transformation; ``numbers`` (they may be traced) replace the choice's own."""
        whole = {"learning_rate": self.learning_rate, **dict(self.args), **(numbers or {})}
        made = {key: value.build() if isinstance(value, Schedule) else value for key, value in whole.items()}
        if made["learning_rate"] is None:
            del made["learning_rate"]
        around = {key.removeprefix("noise."): made.pop(key) for key in whole if key.startswith("noise.")}
        factory = factories()[self.name]
        if "key" in inspect.signature(factory).parameters and not {"key", "seed"} & set(made):
            made["key"] = jax.random.key(0)  # replaced by each lane's own
        transformation = optax.with_extra_args_support(factory(**made))
        if not around:
            return transformation
        return noise.KINDS[around.pop("kind")](transformation, made.get("learning_rate"), **around)


@dataclass(frozen=True)
class Transformation:
    """An optax transformation made by the user; equal only to itself."""

    transformation: optax.GradientTransformation
    learning_rate: None = None
    name: str = "custom"

    def numbers(self) -> dict[str, float]:
        """Return no numbers: the transformation holds them itself."""
        return {}

    def needs_data(self) -> bool:
        """Whether its steps take batches of a loss's data, which transformations here do not."""
        return False

    def batch(self) -> None:
        """Return None: its steps' gradients are of all items."""
        return

    def once(self) -> bool:
        """Return False: it takes no batches."""
        return False

    def traced(self) -> "Transformation":
        """Return the transformation."""
        return self

    def build(self, numbers: Numbers | None = None) -> optax.GradientTransformationExtraArgs:
        """Return the transformation itself."""
        del numbers
        return optax.with_extra_args_support(self.transformation)


Choice = TypeVar("Choice", Optimizer, Transformation)


@functools.cache
def factories() -> dict[str, Callable[..., optax.GradientTransformation]]:
    """Return every optimizer by name: of optax what takes a learning rate, or is one of its few without, and ours."""
    found = dict(OWN)
    for module in (optax.contrib, optax):
        for name, member in vars(module).items():
            if name.startswith(("_", "scale_", "inject_")) or not isinstance(member, FunctionType | functools.partial):
                continue
            if {"learning_rate", "max_learning_rate"} & set(inspect.signature(member).parameters) or name in REFUSED:
                found[name] = member
    return found


def parse(table: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer that a config's ``[optimizer]`` table asks for.

    Raises:
        UserError: an unknown optimizer, schedule or argument, or a value that optax does not take.
    """
    rest = dict(table)
    name = rest.pop("name", "sgd")
    around = _noise(rest.pop("noise", None))
    known = factories()
    if not isinstance(name, str) or name not in known:
        raise UserError(f"optimizer.name: no optimizer of optax is called {name!r}{did_you_mean(str(name), known)}")
    if name in REFUSED:
        raise UserError(f"optimizer.name: {name!r} cannot drive a descent: {REFUSED[name]}")
    allowed = arguments(name)
    values = {key: _value(f"optimizer.{key}", value) for key, value in rest.items()}
    for key in values:
        if key not in allowed:
            raise UserError(f"optimizer.{key}: {name} has no such argument{did_you_mean(key, allowed)}")
    rate = values.pop("learning_rate", None)
    if rate is not None and not isinstance(rate, Schedule):
        rate = _positive(rate)
    return checked(Optimizer(name, rate, tuple(sorted((values | around).items()))))


def _noise(table: Any) -> dict[str, Value]:
    """Return the arguments of ``[optimizer.noise]`` by their dotted keys.

    Raises:
        UserError: no such kind of noise, an unknown, missing or negative argument.
    """
    if table is None:
        return {}
    kind = table.get("kind") if isinstance(table, Mapping) else table
    if not isinstance(table, Mapping) or kind not in noise.KINDS:
        known = ", ".join(noise.KINDS)
        raise UserError(f"optimizer.noise.kind: {kind!r} is none of {known}{did_you_mean(str(kind), noise.KINDS)}")
    own = {n: p for n, p in inspect.signature(noise.KINDS[kind]).parameters.items() if p.kind is p.KEYWORD_ONLY}
    wanted = [name for name, parameter in own.items() if parameter.default is parameter.empty]
    for key in table:
        if key not in ("kind", *own):
            raise UserError(f"optimizer.noise.{key}: {kind} noise has no such argument{did_you_mean(key, own)}")
    for key in wanted:
        if key not in table:
            raise UserError(f"optimizer.noise.{key}: is missing; {kind} noise needs {', '.join(wanted)}")
    return {f"noise.{key}": value if key == "kind" else _noise_value(key, value) for key, value in table.items()}


def _noise_value(key: str, value: Any) -> Value:
    if key in SWITCHES:
        if not isinstance(value, bool):
            raise UserError(f"optimizer.noise.{key}: {value!r} is neither true nor false")
        return value
    whole = key in WHOLE
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise UserError(f"optimizer.noise.{key}: {value!r} is no {'whole ' if whole else ''}number")
    if not whole <= value < float("inf"):
        raise UserError(f"optimizer.noise.{key}: {value!r} is {'less than 1' if whole else 'negative or not finite'}")
    return value if whole else float(value)


def arguments(name: str) -> set[str]:
    """Return the names of an optimizer's arguments."""
    return set(inspect.signature(factories()[name]).parameters)


def takes_learning_rate(name: str) -> bool:
    """Whether the optimizer of that name has a ``learning_rate`` that must be given."""
    parameter = inspect.signature(factories()[name]).parameters.get("learning_rate")
    return parameter is not None and parameter.default is inspect.Parameter.empty


def checked(optimizer: Choice) -> Choice:
    """Return the optimizer after one traced step on a small vector.

    Raises:
        UserError: optax refuses its arguments.
    """
    wants = isinstance(optimizer, Optimizer) and optimizer.learning_rate is None and takes_learning_rate(optimizer.name)

    def once(x: Array) -> Array:
        made = optimizer.build({"learning_rate": jnp.float32(0.1)} if wants else None)
        state = made.init(x)
        batches = {"items": 1, "gradient_on": lambda *_: x} if optimizer.needs_data() else {}
        out, _ = made.update(x, state, x, value=x[0], grad=x, value_fn=lambda y: y @ y, **batches)
        return out

    try:
        jax.eval_shape(once, jax.ShapeDtypeStruct((2,), jnp.float32))
    except ImportError as error:
        raise UserError(f"optimizer: {optimizer.name} needs the package diffrax; pip install diffrax") from error
    except Exception as error:  # optax raises whatever its arguments lead to
        reason = str(error).strip().split("\n", 1)[0]
        raise UserError(f"optimizer: optax's {optimizer.name} does not take these arguments: {reason}") from error
    return optimizer


def _positive(rate: Any) -> float:
    try:
        number = float("nan") if isinstance(rate, bool | str) else float(rate)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 < number < float("inf"):
        raise UserError(f"optimizer.learning_rate: {rate!r} is not a positive number")
    return number


def _value(key: str, value: Any) -> Value | Schedule:
    if not isinstance(value, Mapping):
        if isinstance(value, list):
            raise UserError(f"{key}: a list is not a value here; give a number, a word or a schedule table")
        return value
    rest = dict(value)
    name = rest.pop("schedule", None)
    known = [n for n in vars(optax) if n.endswith("_schedule") and n not in ("scale_by_schedule", "join_schedules")]
    known += ["exponential_decay"]
    if name is None:
        raise UserError(f"{key}.schedule: is missing; it names a schedule of optax, such as 'cosine_decay_schedule'")
    if name not in known:
        raise UserError(f"{key}.schedule: no schedule of optax is called {name!r}{did_you_mean(str(name), known)}")
    allowed = set(inspect.signature(getattr(optax, name)).parameters)
    for argument in rest:
        if argument not in allowed:
            raise UserError(f"{key}.{argument}: {name} has no such argument{did_you_mean(argument, allowed)}")
    schedule = Schedule(name, tuple(sorted((k, _schedule_value(f"{key}.{k}", v)) for k, v in rest.items())))
    try:
        jax.eval_shape(schedule.build(), jnp.int32(0))
    except Exception as error:  # a missing or wrong argument of the schedule
        raise UserError(f"{key}: {name} does not take these arguments: {error}") from error
    return schedule


def _schedule_value(key: str, value: Any) -> Value | tuple[tuple[int, float], ...]:
    """Return a schedule's argument as a hashable value; a table has steps as keys, as in piecewise schedules."""
    if isinstance(value, Mapping) and all(str(step).isdigit() for step in value):
        return tuple(sorted((int(step), float(factor)) for step, factor in value.items()))
    if isinstance(value, Mapping | list):
        raise UserError(f"{key}: give a number, a word, or a table of steps such as {{ 1000 = 0.1 }}")
    return value
