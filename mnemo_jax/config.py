"""Configs: TOML files with typed keys, dotted overrides, and one clear sentence for every mistake."""

import difflib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from mnemo_jax.augment import Augment, augmented
from mnemo_jax.calculus import loss_of
from mnemo_jax.choices import UNKNOWN, reason
from mnemo_jax.data import Data, DataSet, arrays, make
from mnemo_jax.errors import UserError, did_you_mean
from mnemo_jax.landscape import Landscape, Symmetry
from mnemo_jax.plan import Plan, Recording, complete, complete_stop, tile_for
from mnemo_jax.starts import KINDS, Starts, drawer
from mnemo_jax.stopping import Escaping, Seeking, Stop, Until
from mnemo_jax.types import Tile

STRICT = ConfigDict(extra="forbid", strict=True)
PerAxis = float | tuple[float, ...]
UNTYPED = ("args", "optimizer", "optimizers", "sweep")  # tables whose keys have no types of ours


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LossTable:
    """``[loss]``: exactly one of ``name``, ``expression`` and ``function``, and what is known of it."""

    name: str | None = None
    expression: str | None = None
    function: str | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    dim: Annotated[int, Ge(1)] | None = None
    lower: PerAxis | None = None
    upper: PerAxis | None = None
    periodic: bool | tuple[bool, ...] | None = None
    symmetry: tuple[Symmetry, ...] | None = None
    learning_rate: float | None = None
    data: tuple[str, ...] | None = None
    parameters: str | None = None
    measures: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TileTable:
    """``[tile]``: the shape of the engine's inner program, keys left out taking the default for the loss."""

    lanes: int | None = None
    steps: int | None = None
    unroll: int | None = None
    layout: Literal["lanes_last", "lanes_first"] | None = None
    refill: float | None = None
    sample: int | None = None
    native: bool | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CompareTable:
    """``[compare]``: which optimizers are held against the gradient flow.

    Attributes:
        optimizers: tables as ``[optimizer]``, each with an optional ``label``; the config's own when there are none.
        rtol: tolerance of the flow, relative and absolute.
        sample: starts on which the flow is confirmed at a tolerance 100 times tighter.
    """

    optimizers: tuple[dict[str, Any], ...] = ()
    rtol: Annotated[float, Gt(0), Le(1e-3)] = 1e-10
    sample: Annotated[int, Ge(1), Le(100_000)] = 1024


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config:
    """One run as a config file says it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    seed: Annotated[int, Ge(0), Le(2**63 - 1)] = 0
    precision: Literal["float32", "float64"] = "float64"
    loss: LossTable
    data: DataSet | None = None
    augment: Augment | None = None
    starts: Starts
    optimizer: dict[str, Any] = Field(default_factory=lambda: {"name": "sgd"})
    stop: Stop = Field(default_factory=Stop)
    tile: TileTable = Field(default_factory=TileTable)
    record: Recording = Field(default_factory=Recording)
    observables: dict[str, str] = Field(default_factory=dict)
    until: Until | None = None
    search: Seeking = Field(default_factory=Seeking)
    escape: Escaping | None = None
    sweep: dict[str, Any] = Field(default_factory=dict)
    compare: CompareTable = Field(default_factory=CompareTable)


def schema() -> dict[str, Any]:
    """Return the JSON schema of config files, for editors."""
    words = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    made = TypeAdapter(Config).json_schema()
    for name, node in made["$defs"].items():
        if node.get("properties", {}).get("kind", {}).get("const") not in (None, "uniform"):
            made["$defs"][name] = node | {"required": ["kind", *node.get("required", [])]}  # only uniform goes unsaid
    return words | made | {"title": "mnemo_jax config"}


def read(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the config in a TOML file after dotted overrides such as ``optimizer.learning_rate=0.05``.

    Raises:
        UserError: file or override, key and value of the first mistake, and what would be right.
    """
    table = read_toml(path)
    for override in sorted(overrides, key=lambda text: not text.startswith(tuple(CHOICES))):
        _override(table, override)
    return parse(table, str(path), overrides)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the table in a TOML file.

    Raises:
        UserError: there is no such file, or it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder; give a TOML file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: is not TOML: {error}") from error


def parse(table: Mapping[str, Any], source: str, overrides: Sequence[str] = ()) -> Config:
    """Return the config of a table read from ``source``; starts that do not say their kind are uniform.

    Mistakes are told as those of the override that made them, of ``source`` otherwise.
    """
    starts = table.get("starts")
    if isinstance(starts, Mapping):
        table = {**table, "starts": {"kind": "uniform", **starts}}
    try:
        return _config(table)
    except ValidationError as error:
        with suppress(ValidationError):
            return _config(_whole(table))
        raise _mistake(sentence(error), source, overrides) from error


def _config(table: Mapping[str, Any]) -> Config:
    return TypeAdapter(Config).validate_json(json.dumps(table, default=str), strict=True)


def _mistake(sentence: str, source: str, overrides: Sequence[str]) -> UserError:
    """Return the error of a sentence ``key: what is wrong``; the last override of that key has made it, if any has."""
    keys = sentence.partition(":")[0].split(", ")
    for override in reversed(overrides):
        own = override.partition("=")[0].strip()
        if any(f"{key}.".startswith(f"{own}.") for key in keys):
            return UserError(f"override {override}: {sentence}")
    return UserError(f"{source}: {sentence}")


def _override(table: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise UserError(f"{text!r} is not an override; write key.subkey=value")
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise UserError(f"{text!r}: {part!r} is a value, not a table")
    old, table[parts[-1]] = table.get(parts[-1]), _value(value.strip())
    if choice := CHOICES.get(".".join(parts)):
        default, keys = choice
        new = keys(str(table[parts[-1]]))
        for other in keys(str(old or default)) - new if new else ():
            table.pop(other, None)  # of the old kind of starts, or of the old optimizer, alone


def _keys_of_starts(kind: str) -> set[str]:
    """Return the keys of a kind of starts; none of one that does not exist, which is told later."""
    return {field.name for field in fields(KINDS[kind])} if kind in KINDS else set()


def _keys_of_optimizer(name: str) -> set[str]:
    """Return the keys of an optimizer, as `_keys_of_starts` does."""
    from mnemo_jax import optimizers

    return {"name", "noise", *optimizers.arguments(name)} if name in optimizers.factories() else set()


CHOICES = {"starts.kind": ("uniform", _keys_of_starts), "optimizer.name": ("sgd", _keys_of_optimizer)}
"""Overrides that drop what a file says of another choice: the default, and the keys of each."""


def _value(text: str) -> Any:
    """Return an override's value as TOML reads it, a bare word as text; 1e6 stands for a whole number."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    whole = isinstance(value, float) and value.is_integer() and ("e" in text.lower() or "." not in text)
    return int(value) if whole else value


def _whole(value: Any) -> Any:
    """Return a table of keys that have types with 1e6 as a whole number, which fits where floats are wanted too."""
    if isinstance(value, Mapping):
        return {key: inner if key in UNTYPED else _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value


CLOSE = 0.8  # likeness of two keys from which one is the other misspelt
BRANCH = re.compile(r"float|int|bool|str|tuple\[.*\]")  # pydantic's names for the branches of a union


def sentence(error: ValidationError, made: Any = None) -> str:
    """Return the first mistake, misspelt keys first, as ``key: what is wrong``, with a suggestion.

    ``made`` is the JSON schema of what was read, that of a config when None.
    """
    mistakes = error.errors()
    first = next((mistake for mistake in mistakes if mistake["type"] in UNKNOWN), mistakes[0])
    path = _path(first["loc"], first["type"] in UNKNOWN)
    key = ".".join(path) or "config"
    if first["type"] in UNKNOWN:
        words = made or schema()
        known = _keys(path[:-1], first["loc"], words)
        inside = _tables_with(key, known, words) if made is None and len(path) == 1 else []
        if inside and not difflib.get_close_matches(key, known, cutoff=CLOSE):
            return f"{key}: unknown key; did you mean {' or '.join(map(repr, inside))}?"
        return f"{key}: unknown key{did_you_mean(path[-1], known)}"
    if first["type"] == "union_tag_invalid":
        kind = first["input"].get("kind")
        return f"{key}.kind: no kind of starts is called {kind!r}{did_you_mean(str(kind), KINDS)}"
    return f"{key}: {reason(first)}"


def _tables_with(key: str, tables: Sequence[str], made: Any) -> list[str]:
    """Return a key at the top of a config as it is called in the tables that it may belong to."""
    from mnemo_jax import optimizers

    found = [table for table in tables if any(key in _keys([table], (kind,), made) for kind in KINDS)]
    if any(key in optimizers.arguments(name) for name in optimizers.factories()):
        found.insert(0, "optimizer")
    return [f"{table}.{key}" for table in found]


def _path(loc: tuple[int | str, ...], last_is_key: bool) -> list[str]:
    """Return the keys of a place in a config, without what pydantic adds for the branches of unions."""
    path: list[str] = []
    for place, part in enumerate(map(str, loc)):
        own = last_is_key and place == len(loc) - 1
        if own or not (BRANCH.fullmatch(part) or (part in KINDS and path == ["starts"])):
            path.append(part)
    return path


def _keys(path: list[str], loc: tuple[int | str, ...], made: Any) -> list[str]:
    """Return the keys allowed in the table at ``path``."""
    node, definitions = made, made["$defs"]
    for part in path:
        if part.isdigit():
            continue  # a place in a list: its table was entered with the list
        node = node.get("properties", {}).get(part, {})
        if "oneOf" in node:
            node = {
                "$ref": node["discriminator"]["mapping"][next(p for p in loc if p in node["discriminator"]["mapping"])]
            }
        node = next((n for n in node.get("anyOf", []) if "$ref" in n or "items" in n), node)
        node = node.get("items", node)
        if "$ref" in node:
            node = definitions[node["$ref"].rsplit("/", 1)[-1]]
    return sorted(node.get("properties", {}))


def plan(config: Config, source: str, platform: str, overrides: Sequence[str] = ()) -> Plan:
    """Return the plan of a config with every default filled in; mistakes are told as by `parse`.

    Raises:
        UserError: what the config asks for does not exist or does not fit together.
    """
    import jax

    from mnemo_jax import optimizers
    from mnemo_jax.losses.function import from_path

    try:
        data = None if config.data is None else make(config.data)
        landscape, words = _landscape(config.loss, data)
        with jax.enable_x64(True):
            loss_of(landscape, config.precision)
        optimizer = complete(optimizers.parse(config.optimizer), landscape)
        stop = complete_stop(config.stop, landscape, optimizer)
        if config.augment is not None and config.augment.acts():
            landscape = augmented(landscape, config.augment, data.image if data else None, optimizer.needs_data())
        given = {key: value for key, value in asdict(config.tile).items() if value is not None}
        default = asdict(tile_for(landscape, stop, config.precision, platform))
        made = Plan(
            name=config.name,
            landscape=landscape,
            loss=words,
            starts=config.starts,
            optimizer=optimizer,
            stop=stop,
            tile=TypeAdapter(Tile).validate_python(default | given),
            recording=config.record,
            seed=config.seed,
            precision=config.precision,
            observables={name: from_path(path, f"observables.{name}") for name, path in config.observables.items()},
            until=config.until,
            table=TypeAdapter(Config).dump_python(config, mode="json", exclude_none=True, exclude={"sweep", "compare"}),
        )
        drawer(made.starts, landscape, made.seed)
    except ValidationError as error:
        raise _mistake(f"tile.{sentence(error)}", source, overrides) from error
    except UserError as error:
        raise _mistake(str(error), source, overrides) from error
    return made


def _landscape(table: LossTable, data: Data | None) -> tuple[Landscape, dict[str, Any]]:
    given = [key for key in ("name", "expression", "function") if getattr(table, key) is not None]
    if len(given) != 1:
        raise UserError(f"loss: give exactly one of name, expression and function, not {' and '.join(given) or 'none'}")
    if table.function is None and (table.parameters or table.measures):
        key = "parameters" if table.parameters else "measures"
        raise UserError(f"loss.{key}: is for a function; what has a name or is an expression has none of its own")
    match given[0]:
        case "name":
            return _built_in(table, data), {"name": table.name}
        case "expression":
            if data is not None:
                raise UserError("data: an expression takes none; give a loss by name or function")
            from mnemo_jax.losses.expression import from_expression

            parsed, dim = from_expression(str(table.expression), table.dim)
            return _own(table, parsed, dim, str(table.expression)), {"expression": table.expression}
        case _:
            return _function(table, data), {"path": table.function}


def _function(table: LossTable, data: Data | None) -> Landscape:
    """Return the landscape of a user's function, on a vector or on arrays like those that ``parameters`` returns."""
    from mnemo_jax.losses.function import from_path, parameters_of

    function, unravel, dim = from_path(str(table.function)), None, table.dim
    if table.parameters is not None:
        unravel = parameters_of(table.parameters)
        dim = unravel.dim
        if table.dim not in (None, dim):
            raise UserError(f"loss.dim: {table.dim} is not the {dim} numbers of {table.parameters}; leave dim out")
    if dim is None:
        raise UserError("loss.dim: is missing; a function does not say how many coordinates it takes")
    measures = {name: from_path(path, f"loss.measures.{name}") for name, path in (table.measures or {}).items()}
    landscape = replace(_own(table, function, dim, str(table.function)), unravel=unravel)
    if data is None:
        return replace(landscape, measures=measures)
    return replace(
        landscape,
        args={**table.args, **arrays(data.train)},
        data=("inputs", "targets"),
        measures=measures,
        held_out={part: arrays(items) for part, items in data.held_out.items()},
    )


def _built_in(table: LossTable, data: Data | None) -> Landscape:
    from mnemo_jax import losses

    if data is not None and "data" not in losses.arguments(str(table.name)):
        raise UserError(f"data: the loss {table.name} takes none; leave the table out")
    if table.dim is not None and "dim" in table.args:
        raise UserError("loss.dim: is given in loss.args too; leave one of them out")
    args = dict(table.args) if table.dim is None else {**table.args, "dim": table.dim}
    args |= {} if data is None else {"data": data}
    try:
        landscape = losses.build(str(table.name), args)
    except UserError as error:
        if "dim" not in table.args:
            raise
        raise UserError(str(error).replace("loss.dim:", "loss.args.dim:")) from error
    changes: dict[str, Any] = {
        key: value
        for key, value in (
            ("lower", table.lower),
            ("upper", table.upper),
            ("periodic", table.periodic),
            ("symmetries", table.symmetry),
            ("learning_rate", table.learning_rate),
            ("data", table.data),
        )
        if value is not None
    }
    return replace(landscape, **changes)


def _own(table: LossTable, function: Any, dim: int, name: str) -> Landscape:
    if table.expression is not None and table.args:
        raise UserError("loss.args: an expression takes none; write the numbers into it")
    missing = [key for key in ("lower", "upper") if getattr(table, key) is None]
    if missing:
        raise UserError(f"loss.{missing[0]}: is missing; starts are drawn from the box lower to upper")
    return Landscape(
        loss=function,
        dim=dim,
        lower=table.lower,  # type: ignore[arg-type]
        upper=table.upper,  # type: ignore[arg-type]
        name=name,
        formula=name,
        args=table.args,
        data=table.data or (),
        learning_rate=table.learning_rate,
        periodic=table.periodic or (),  # type: ignore[arg-type]
        symmetries=table.symmetry or (),
    )
