"""Choices: frozen, keyword-only dataclasses that check their values when they are made, by a config or in Python."""

import functools
import json
from dataclasses import fields
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from mnemo_jax.errors import UserError, did_you_mean

UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")
Class = TypeVar("Class", bound=type)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def choice(cls: Class) -> Class:
    """Return the class as a choice, which raises `UserError` with one sentence when Python gives it wrong values."""
    made: Any = dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))(cls)
    build = made.__init__

    @functools.wraps(build)
    def checked(self: Any, *args: Any, **values: Any) -> None:
        try:
            build(self, *args, **values)
        except ValidationError as error:
            raise UserError(_sentence(made, error.errors()[0])) from error

    made.__init__ = checked
    return made


def _sentence(cls: Any, mistake: Any) -> str:
    if mistake["type"] == "unexpected_positional_argument":
        return f"{cls.__name__}: takes its values by name, as in {cls.__name__}({fields(cls)[0].name}=...)"
    name = str(mistake["loc"][0])
    if mistake["type"] in UNKNOWN:
        return f"{cls.__name__}.{name}: unknown{did_you_mean(name, (field.name for field in fields(cls)))}"
    return f"{cls.__name__}.{name}: {reason(mistake)}"


def reason(mistake: Any) -> str:
    """Return what is wrong with a value, in pydantic's words, and the value."""
    if mistake["type"] in MISSING:
        return "is missing"
    message = mistake["msg"]
    return f"{message[0].lower()}{message[1:]}, got {json.dumps(mistake['input'], default=str)}"
