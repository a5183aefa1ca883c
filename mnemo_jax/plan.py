"""A plan: everything a run is told, with nothing left open, and the words and hash it is recorded by."""

import functools
import hashlib
import json
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
from annotated_types import Ge, Le
from pydantic import TypeAdapter

from mnemo_jax.calculus import check_scalar, loss_of
from mnemo_jax.choices import choice
from mnemo_jax.errors import UserError
from mnemo_jax.generators import check_images
from mnemo_jax.landscape import Landscape
from mnemo_jax.optimizers import Optimizer, Schedule, Transformation, takes_learning_rate
from mnemo_jax.starts import Grid, Normal, Points, Sobol, Uniform, count, is_independent
from mnemo_jax.stopping import LOOK, MAX_STEPS, Seeking, Stop, Until
from mnemo_jax.types import Tile

DENSE = 512  # coordinates up to which Hessians are written out


@choice
class Recording:
    """What a record keeps beside each start's outcome, label, steps and stalls.

    Attributes:
        paths: full paths of the first so many starts.
        endpoints: whether end points and their losses are kept for every start.
        block: starts per block file; None takes a size that suits their number.
        catalogue: distinct points after which the catalogue stops growing; later ones count as uncatalogued. 0 judges
            nothing: neither ends nor stalls are polished, where Hessians cost more than descents or say nothing.
    """

    paths: Annotated[int, Ge(0), Le(10_000)] = 0
    endpoints: bool = False
    block: Annotated[int, Ge(1), Le(1 << 24)] | None = None
    catalogue: Annotated[int, Ge(0)] = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run with nothing left open.

    Attributes:
        name: first part of the record's folder name.
        landscape: the loss and its box.
        loss: words that say where the loss comes from, for the record.
        starts, optimizer, stop, tile, recording: the choices.
        seed: root of every random number.
        precision: of the descent; polish and Hessians are float64 always.
        observables: pure functions of the end point, ``[d] -> scalar``, by name.
        until: what lets the run end before all starts are followed, None for nothing.
        search: from where a search looks for critical points, None for a run.
        escape: the saddle that descents leave and what the law of that needs, as plain values, None for a run.
        table: the config the plan was made from, None for plans made in Python.
    """

    name: str
    landscape: Landscape
    loss: Mapping[str, Any]
    starts: Uniform | Normal | Grid | Sobol | Points
    optimizer: Optimizer | Transformation
    stop: Stop
    tile: Tile
    recording: Recording
    seed: int = 0
    precision: Literal["float32", "float64"] = "float64"
    observables: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    until: Until | None = None
    search: Seeking | None = None
    escape: Mapping[str, Any] | None = None
    table: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together, before anything is computed.

        Raises:
            UserError: the loss has too many coordinates, or not the declared periods and symmetries; an observable is
                no scalar function of a point; ``until`` cannot be told.
        """
        if self.landscape.dim > DENSE:
            raise UserError(f"loss.dim: {self.landscape.dim} is above {DENSE}; Hessians are written out up to there")
        check_images(self.landscape, self.precision)
        _check_observables(self.observables, self.landscape.dim)
        if self.optimizer.needs_data() and not self.landscape.data:
            raise UserError("optimizer.noise: minibatch noise needs a loss with data; name its arrays in loss.data")
        if self.until is not None and not is_independent(self.starts):
            raise UserError("until: asks for intervals, which only uniform and normal starts have")
        if self.until is not None and LOOK % self.block:
            raise UserError(f"record.block: {self.block} does not divide {LOOK}, where a run with until is looked at")

    @property
    def count(self) -> int:
        """Number of starts."""
        return count(self.starts, self.landscape)

    @property
    def block(self) -> int:
        """Starts per block file."""
        if self.recording.block is not None:
            return self.recording.block
        wide = max(1, (1 << 26) // (8 * self.landscape.dim))  # a block's stall log is at most 4 times 64 MiB
        most = LOOK if self.until else 1 << 18
        return int(min(max(_power_of_two(self.count / 8), 1 << 14), most, _power_of_two(wide)))

    def looks(self) -> Iterator["Plan"]:
        """Yield the plans of the first so many starts after each of which the run may end, the whole one last."""
        number = LOOK if self.until else self.count
        while number < self.count:
            yield replace(self, starts=replace(self.starts, count=number))  # type: ignore[arg-type]
            number *= 2
        yield self

    def resolved(self) -> dict[str, Any]:
        """Return the plan as plain values; equal plans give equal values, and the record's name comes from them."""
        return {
            "name": self.name,
            "seed": self.seed,
            "precision": self.precision,
            "loss": {**self.loss, **_landscape_words(self.landscape), "program": self._loss_program()},
            "starts": _starts_words(self.starts, self.landscape.dim),
            "optimizer": _optimizer_words(self.optimizer, self.landscape.dim),
            "stop": _plain(self.stop),
            "tile": _plain(self.tile),
            "record": {**_plain(self.recording), "block": self.block},
            "observables": {
                name: {"function": function_name(function), "program": program_hash(function, self._example())}
                for name, function in self.observables.items()
            },
        } | {
            name: _plain(given)
            for name, given in (("until", self.until), ("search", self.search), ("escape", self.escape))
            if given
        }

    def _example(self) -> np.ndarray:
        """Return a point for tracing."""
        return np.zeros(self.landscape.dim)

    def _loss_program(self) -> str:
        with jax.enable_x64(True):
            loss, args = loss_of(self.landscape, np.float64)
        return program_hash(loss, self._example(), args)

    def digest(self) -> str:
        """Return the first eight hex digits of the resolved plan's SHA-256."""
        text = json.dumps(self.resolved(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


RESERVED = (
    "start",
    "outcome",
    "steps",
    "period",
    "point",
    "stalls",
    "stalled",
    "final",
    "x",
    "loss",
    "label",
    "near",
    "run",
    "block",
)


def _check_observables(observables: Any, dim: int) -> None:
    """Refuse observables that are no pure functions of a point ``[dim]`` to a scalar, by names of their own."""
    if not isinstance(observables, Mapping):
        raise UserError(f"observables: {reprlib.repr(observables)} is not a dictionary of functions by name")
    for name, function in observables.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise UserError(f"observables.{name}: is not a name; use letters, digits and _")
        if name in RESERVED:
            raise UserError(f"observables.{name}: is a column of every record; choose another name")
        with jax.enable_x64(True):
            check_scalar(f"observables.{name}", function, jax.ShapeDtypeStruct((dim,), np.float64))


def default_tile(dim: int, platform: str) -> Tile:
    """Return a tile that suits losses of ``dim`` coordinates; ``mnemo tune`` measures better ones.

    On a CPU the arrays of a step should stay in the first-level cache; a GPU wants all its threads busy.
    """
    sample = 1 if dim == 1 else 4
    if platform == "cpu":
        lanes = int(np.clip(_power_of_two((1 << 10) / dim), 64, 1024))
        return Tile(lanes=lanes, steps=32, sample=sample, native=True)
    return Tile(lanes=int(np.clip(_power_of_two((1 << 24) / dim), 1024, 1 << 17)), steps=64, sample=sample)


def complete(optimizer: Optimizer | Transformation, landscape: Landscape) -> Optimizer | Transformation:
    """Return the optimizer with the landscape's own learning rate where it needs one and was given none.

    Raises:
        UserError: the landscape has none either.
    """
    if isinstance(optimizer, Transformation) or optimizer.learning_rate is not None:
        return optimizer
    if not takes_learning_rate(optimizer.name):
        return optimizer
    if optimizer.name == "sgd" and landscape.learning_rate is not None:
        return Optimizer(optimizer.name, landscape.learning_rate, optimizer.args)
    raise UserError(f"optimizer.learning_rate: {optimizer.name} needs one for the loss {landscape.name!r}")


def complete_stop(stop: Stop, landscape: Landscape) -> Stop:
    """Return the stop rules with a number of steps: the landscape's own, or 20,000."""
    return stop if stop.max_steps is not None else replace(stop, max_steps=landscape.max_steps or MAX_STEPS)


def function_name(function: Callable[..., Any]) -> str:
    """Return ``module:name`` of a function, as far as it has one."""
    while isinstance(function, functools.partial):
        function = function.func
    return f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', type(function).__name__)}"


def program_hash(function: Callable[..., Any], *example: Any) -> str:
    """Return a hash of what a function computes: its traced program with all constants in it.

    Whatever changes the numbers changes the program: the source, a helper of another module, a closure, a global. Its
    text is hashed without the addresses of Python objects in it. As jax traces a function once in a process, a global
    changed under the same function object counts in the next process only, and only there changes the numbers.
    """
    with jax.enable_x64(True):
        traced = jax.make_jaxpr(function)(*example)
    digest = hashlib.sha256(re.sub(r"0x[0-9a-f]+", "", str(traced.jaxpr)).encode())
    for constant in _constants(traced):
        digest.update(np.ascontiguousarray(constant).tobytes())
    return digest.hexdigest()[:16]


def _constants(program: Any) -> Iterator[Any]:
    """Yield every array and number inside a traced program; its text rounds them."""
    yield from getattr(program, "consts", ())
    for equation in getattr(program, "jaxpr", program).eqns:
        yield from (variable.val for variable in equation.invars if hasattr(variable, "val"))
        for parameter in equation.params.values():
            for part in parameter if isinstance(parameter, tuple | list) else (parameter,):
                if hasattr(getattr(part, "jaxpr", part), "eqns"):
                    yield from _constants(part)


def _power_of_two(value: float) -> int:
    return 1 << max(0, int(np.ceil(np.log2(max(value, 1)))))


def _plain(value: Any) -> Any:
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def _landscape_words(landscape: Landscape) -> dict[str, Any]:
    return {
        "args": {key: _array_words(value) for key, value in sorted(landscape.args.items())},
        "dim": landscape.dim,
        "lower": list(landscape.lower),
        "upper": list(landscape.upper),
        "periodic": list(landscape.periodic),
        "symmetry": [_plain(symmetry) for symmetry in landscape.symmetries],
    } | ({"data": list(landscape.data)} if landscape.data else {})


def _array_words(value: Any) -> Any:
    array = np.asarray(value)
    if array.size <= 16:
        return array.tolist()
    return {"shape": list(array.shape), "sha256": hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}


def _starts_words(starts: Any, dim: int) -> dict[str, Any]:
    words: dict[str, Any] = _plain(starts)
    if isinstance(starts, Grid):
        return words | {"shape": list(starts.sizes(dim))}
    if not isinstance(starts, Points) or starts.path is None:
        return words
    try:
        return words | {"sha256": hashlib.sha256(Path(starts.path).read_bytes()).hexdigest()}
    except OSError as error:
        raise UserError(f"starts.path: cannot read {starts.path!r}: {error.strerror}") from error


def _optimizer_words(optimizer: Optimizer | Transformation, dim: int) -> dict[str, Any]:
    if isinstance(optimizer, Transformation):

        def once(x: Any) -> Any:
            made = optimizer.build()
            return made.update(x, made.init(x), x, value=x[0], grad=x, value_fn=lambda y: y @ y)

        return {"name": "custom", "program": program_hash(once, np.zeros(dim))}

    def word(value: Any) -> Any:
        return {"schedule": value.name, **dict(value.args)} if isinstance(value, Schedule) else value

    return {
        "name": optimizer.name,
        "learning_rate": word(optimizer.learning_rate),
        **{key: word(value) for key, value in optimizer.args},
    }
