"""Arguments of the loss builders, checked against their annotations: one sentence for a person, no traceback."""

import functools
import inspect
import reprlib
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from mnemo_jax.data import Data
from mnemo_jax.errors import UserError, did_you_mean
from mnemo_jax.landscape import Landscape

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0)]
Seed = Annotated[int, Field(ge=0)]

# Strict: a seed of "3" or a dimension of 2.0 is a slip worth hearing of; an integer is still a float.
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def checked(builder: Callable[..., Landscape]) -> Callable[..., Landscape]:
    """Return ``builder`` with its arguments checked; an unknown, wrong-typed or out-of-range one raises `UserError`."""
    name, parameters = builder.__name__, inspect.signature(builder).parameters

    @functools.wraps(builder)
    def build(*args: Any, **kwargs: Any) -> Landscape:
        if len(args) > len(parameters):
            raise UserError(f"loss: {name} takes {len(parameters)} arguments, not {len(args)}")
        given = dict(zip(parameters, args, strict=False))
        if twice := sorted(given.keys() & kwargs.keys()):
            raise UserError(f"{_key(twice[0])}: given twice, by place and by name")
        given |= kwargs
        for key in given:
            _known(name, key, parameters)
        return builder(**{key: _fit(name, key, parameters[key].annotation, value) for key, value in given.items()})

    return build


def _key(name: str) -> str:
    # Where a config has it: the dimension beside the loss's name, everything else under args.
    return "loss.dim" if name == "dim" else f"loss.args.{name}"


def _known(name: str, key: str, parameters: Any) -> None:
    if key in parameters:
        return
    if key == "dim":
        raise UserError(f"loss.dim: the dimension of {name} is fixed; leave dim out")
    raise UserError(f"{_key(key)}: {name} takes no argument {key!r}{did_you_mean(key, parameters)}")


def _fit(name: str, key: str, annotation: Any, value: Any) -> Any:
    if annotation is Data:
        if isinstance(value, Data):
            return value
        raise UserError(f"data: {reprlib.repr(value)} is no Data; give what mnemo_jax.data makes")
    plain = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    try:
        return TypeAdapter(annotation, config=_STRICT).validate_python(plain)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
    raise UserError(f"{_key(key)}: {reprlib.repr(value)} does not suit {name}: {reason[0].lower()}{reason[1:]}")
