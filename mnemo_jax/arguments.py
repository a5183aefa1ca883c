"""Arguments of functions named in a config, checked against their annotations: one sentence, no traceback."""

import functools
import inspect
import reprlib
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from mnemo_jax.errors import UserError, did_you_mean

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Seed = Annotated[int, Field(ge=0)]

Made = TypeVar("Made")
# Strict: a seed of "3" or a dimension of 2.0 is a slip worth hearing of; an integer is still a float.
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def checker(table: str, beside: str = "") -> Callable[[Callable[..., Made]], Callable[..., Made]]:
    """Return a decorator that checks a function's arguments, which the config has in ``[table]`` under ``args``.

    Args:
        table: the config's table, with which messages begin.
        beside: the one argument that stands in the table itself, beside ``name``.

    Returns:
        the decorator. What it makes raises `UserError` for an unknown, wrong-typed or out-of-range argument.
    """

    def checked(builder: Callable[..., Made]) -> Callable[..., Made]:
        name, parameters = builder.__name__, inspect.signature(builder).parameters

        @functools.wraps(builder)
        def build(*args: Any, **kwargs: Any) -> Made:
            if len(args) > len(parameters):
                raise UserError(f"{table}: {name} takes {len(parameters)} arguments, not {len(args)}")
            given = dict(zip(parameters, args, strict=False))
            if twice := sorted(given.keys() & kwargs.keys()):
                raise UserError(f"{key(twice[0])}: given twice, by place and by name")
            given |= kwargs
            for each in given:
                _known(name, each, key(each), parameters, beside)
            fit = {each: _fit(name, key(each), parameters[each].annotation, value) for each, value in given.items()}
            return builder(**fit)

        return build

    def key(argument: str) -> str:
        return f"{table}.{argument}" if argument == beside else f"{table}.args.{argument}"

    return checked


def _known(name: str, argument: str, key: str, parameters: Any, beside: str) -> None:
    if argument in parameters:
        return
    if argument == beside == "dim":
        raise UserError(f"{key}: the dimension of {name} is fixed; leave dim out")
    raise UserError(f"{key}: {name} takes no argument {argument!r}{did_you_mean(argument, parameters)}")


def _fit(name: str, key: str, annotation: Any, value: Any) -> Any:
    plain = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    try:
        return TypeAdapter(annotation, config=_STRICT).validate_python(plain)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
    raise UserError(f"{key}: {reprlib.repr(value)} does not suit {name}: {reason[0].lower()}{reason[1:]}")
