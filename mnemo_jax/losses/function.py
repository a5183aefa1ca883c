"""A loss from the user's own Python module, named as ``package.module:loss``."""

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from mnemo_jax.calculus import Arrays, arrays_like
from mnemo_jax.errors import UserError, did_you_mean


def from_path(path: str, key: str = "loss.function") -> Callable[..., Any]:
    """Return the function that ``path``, such as ``"package.module:loss"``, names; errors say they are about ``key``.

    Modules are looked for in the current working directory first, then where Python looks. Importing a module runs it.
    Raises `UserError` when the spelling is wrong, the module is missing or fails, or the name is missing from it or
    cannot be called.
    """
    module_name, name = _split(path, key)
    module = _import(module_name, key)
    if not hasattr(module, name):
        public = [word for word in vars(module) if not word.startswith("_")]
        raise UserError(f"{key}: module {module_name!r} has no {name!r}{did_you_mean(name, public)}")
    loss: Callable[..., Any] = getattr(module, name)
    if not callable(loss):
        raise UserError(f"{key}: {path!r} is of type {type(loss).__name__}, which cannot be called")
    return loss


def parameters_of(path: str) -> Arrays:
    """Return how points stand for arrays like those that the function without arguments at ``path`` returns.

    Raises:
        UserError: it fails, or returns something else.
    """
    key = "loss.parameters"
    try:
        example = from_path(path, key)()
    except UserError:
        raise
    except Exception as error:  # whatever a user's function raises
        first = "".join(str(error).splitlines()[:1])
        raise UserError(f"{key}: {path!r} fails: {type(error).__name__}: {first}") from error
    try:
        return arrays_like(example)
    except UserError as error:
        raise UserError(f"{key}: {path!r} returns {type(example).__name__}, no arrays of numbers") from error


def _split(path: str, key: str) -> tuple[str, str]:
    module, colon, name = str(path).partition(":")
    if colon and name.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        return module, name
    hint = "; name the module, not its file" if "/" in module or "\\" in module else ""
    raise UserError(f"{key}: {path!r} is not of the form 'package.module:name'{hint}")


def _import(name: str, key: str) -> ModuleType:
    importlib.invalidate_caches()
    try:
        with _working_directory_on_path():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise UserError(f"{key}: there is no module {name!r} here or where Python looks") from error
        raise UserError(f"{key}: importing {name!r} failed: it needs the module {error.name!r}") from error
    except (Exception, SystemExit) as error:
        first = "".join(str(error).splitlines()[:1])
        raise UserError(f"{key}: importing {name!r} raised {type(error).__name__}: {first}") from error


@contextlib.contextmanager
def _working_directory_on_path() -> Iterator[None]:
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        # The module itself may have changed the list, so only what was put there is taken away.
        with contextlib.suppress(ValueError):
            sys.path.remove(here)
