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

from mnemo_jax import training
from mnemo_jax.calculus import Watch, called, check_scalar, equations, loss_of
from mnemo_jax.choices import choice
from mnemo_jax.errors import UserError
from mnemo_jax.generators import check_images
from mnemo_jax.landscape import DENSE, Landscape
from mnemo_jax.optimizers import Optimizer, Schedule, Transformation, takes_learning_rate
from mnemo_jax.starts import AnyStarts, Grid, Points, count, is_independent
from mnemo_jax.stopping import LOOK, MAX_STEPS, Seeking, Stop, Until
from mnemo_jax.types import Tile


@choice
class Recording:
    """What a record keeps beside each start's outcome, label, steps and stalls.

    Attributes:
        paths: full paths of the first so many starts.
        endpoints: whether end points and their losses are kept for every start.
        block: starts per block file; None takes a size that suits their number.
        catalogue: distinct points after which the catalogue stops growing; later ones count as uncatalogued. 0 judges
            nothing: neither ends nor stalls are polished, where Hessians cost more than descents or say nothing. None
            takes two millions; 0 beyond 512 coordinates, where Hessians are not written out, and for a fixed number
            of steps on batches, which ends at no critical points.
    """

    paths: Annotated[int, Ge(0), Le(10_000)] = 0
    endpoints: bool = False
    block: Annotated[int, Ge(1), Le(1 << 24)] | None = None
    catalogue: Annotated[int, Ge(0)] | None = None


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
    starts: AnyStarts
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
        if self.landscape.dim > DENSE and (self.search or self.catalogue):
            what = "a search needs" if self.search else "record.catalogue asks for"
            raise UserError(
                f"loss.dim: {self.landscape.dim} is above {DENSE}, up to where there are the Hessians {what}"
            )
        check_images(self.landscape, self.precision)
        training.check(self.stop, self.landscape)
        _check_observables(self.observables, self.landscape.dim, training.names(self.landscape))
        if self.optimizer.needs_data() and not self.landscape.data:
            raise UserError("optimizer.noise: minibatch noise needs a loss with data; name its arrays in loss.data")
        size, items = self.optimizer.batch() or 0, self.landscape.items
        if self.optimizer.once() and size > items:
            raise UserError(f"optimizer.noise.size: {size} is more than the {items} items that are trained on")
        if self.until is not None and not is_independent(self.starts):
            raise UserError("until: asks for intervals, which only uniform and normal starts have")
        if self.until is not None and LOOK % self.block:
            raise UserError(f"record.block: {self.block} does not divide {LOOK}, where a run with until is looked at")

    @property
    def count(self) -> int:
        """Number of starts."""
        return count(self.starts, self.landscape)

    @property
    def catalogue(self) -> int:
        """Distinct points that are kept at most, 0 where nothing is judged."""
        if self.recording.catalogue is not None:
            return self.recording.catalogue
        noisy = self.optimizer.needs_data() and self.stop.grad_tol == 0  # ends that no gradient is small at
        return 0 if noisy or self.landscape.dim > DENSE else CATALOGUE

    @property
    def block(self) -> int:
        """Starts per block file."""
        if self.recording.block is not None:
            return self.recording.block
        wide = max(1, (1 << 26) // (8 * self.landscape.dim))  # a block's stall log is at most 4 times 64 MiB
        most = LOOK if self.until else 1 << 18
        if self.landscape.dim > DENSE:
            most = min(most, _power_of_two(self.count))
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
            "stop": _stop_words(self.stop),
            "tile": _plain(self.tile),
            "record": {**_plain(self.recording), "block": self.block, "catalogue": self.catalogue},
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


CATALOGUE = 2_000_000
CACHED = 1 << 26  # bytes that the gradients of a CPU's lanes may take, where that allows for `FEWEST` of them
MOST = 1 << 32  # bytes that they may take at all, and a GPU's where it does not tell its memory
FEWEST, MANY = 16, (256, 4096)  # lanes: fewer fill no processor, and more than these are no faster on a CPU and a GPU
SHARE = 8  # part of a GPU's memory that gradients may take; programs hold several copies
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


def _check_observables(observables: Any, dim: int, measures: tuple[str, ...]) -> None:
    """Refuse observables that are no pure functions of a point ``[dim]`` to a scalar, by names of their own."""
    if not isinstance(observables, Mapping):
        raise UserError(f"observables: {reprlib.repr(observables)} is not a dictionary of functions by name")
    for name, function in observables.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise UserError(f"observables.{name}: is not a name; use letters, digits and _")
        if name in RESERVED or training.is_told(name, measures):
            raise UserError(f"observables.{name}: is a column of every record; choose another name")
        with jax.enable_x64(True):
            check_scalar(f"observables.{name}", function, jax.ShapeDtypeStruct((dim,), np.float64))


def default_tile(dim: int, platform: str) -> Tile:
    """Return a tile that suits losses of ``dim`` coordinates; ``mnemo tune`` measures better ones.

    On a CPU many lanes wait longer for each other and leave the nearest cache, few do not repay what each loop costs; a
    GPU wants all its threads busy.
    """
    if platform == "cpu":
        lanes = int(np.clip(_power_of_two(640 / dim), 64, 128))
        return Tile(lanes=lanes, steps=32, sample=4, native=True)
    return Tile(lanes=int(np.clip(_power_of_two((1 << 24) / dim), 1024, 1 << 17)), steps=64, sample=4)


def tile_for(landscape: Landscape, stop: Stop, precision: str, platform: str) -> Tile:
    """Return a tile that suits a landscape: lanes first where a loss on data multiplies matrices, else the default.

    As many lanes as fit into the device's memory, by what one evaluation of the gradient holds.
    """
    default = default_tile(landscape.dim, platform)
    if not landscape.data:
        return default
    with jax.enable_x64(True):
        loss, args = loss_of(landscape, precision)
        program = jax.make_jaxpr(jax.grad(loss))(np.zeros(landscape.dim, precision), args)
    if not any(equation.primitive.name == "dot_general" for equation in equations(program)):
        return default
    held = sum(value.aval.size * value.aval.dtype.itemsize for e in equations(program) for value in e.outvars)
    cpu = platform == "cpu"
    fitting = max(1.0, (min(max(CACHED, FEWEST * held), MOST) if cpu else _memory() / SHARE) / held)
    lanes = min(1 << int(np.log2(fitting)), MANY[not cpu])
    # A look at the whole gradient outweighs what is done after a segment; fewer of them leave lanes idle for less long.
    return Tile(lanes=lanes, steps=1 if (stop.check_every or 1) > 1 else 8, layout="lanes_first")


def _memory() -> float:
    """Return the bytes of memory of the smallest local device."""
    told = [(device.memory_stats() or {}).get("bytes_limit") for device in jax.local_devices()]
    return float(min((limit for limit in told if limit), default=SHARE * MOST))


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


def complete_stop(stop: Stop, landscape: Landscape, optimizer: Optimizer | Transformation) -> Stop:
    """Return the stop rules with numbers of steps: those asked for, or the landscape's own, or 20,000.

    Raises:
        UserError: epochs without batches, or steps that do not end with a look.
    """
    per = _steps_per_epoch(landscape, optimizer)
    every = stop.check_every or (per if optimizer.once() else 1)
    if stop.max_steps is not None and stop.epochs is not None:
        raise UserError("stop.epochs: is given beside stop.max_steps; leave one of them out")
    if stop.epochs is not None and not optimizer.needs_data():
        raise UserError("stop.epochs: steps without batches pass over all the data each; give stop.max_steps")
    if stop.max_steps is None:
        asked = round(stop.epochs * per) if stop.epochs is not None else landscape.max_steps or MAX_STEPS
        return replace(stop, max_steps=-(-asked // every) * every, epochs=None, check_every=every)
    if stop.max_steps % every:
        raise UserError(f"stop.max_steps: {stop.max_steps} is not a multiple of stop.check_every, {every}")
    return replace(stop, check_every=every)


def _steps_per_epoch(landscape: Landscape, optimizer: Optimizer | Transformation) -> int:
    """Return the number of batches that all items make, 1 without batches."""
    return -(-landscape.items // (optimizer.batch() or landscape.items or 1)) or 1


def watch_of(plan: "Plan") -> Watch:
    """Return how often descents are looked at, and what is measured: nothing where every step is looked at."""
    landscape, every = plan.landscape, plan.stop.check_every or 1
    if every == 1 or not landscape.measured:
        return Watch(every=every)
    return Watch(
        every=every,
        looks=(plan.stop.max_steps or 0) // every + 1,
        functions=tuple(landscape.measured.values()),
        parts=1 + len(landscape.held_out),
        unravel=landscape.unravel,
    )


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
        for part in called(equation):
            yield from _constants(part)


def _power_of_two(value: float) -> int:
    return 1 << max(0, int(np.ceil(np.log2(max(value, 1)))))


def _plain(value: Any) -> Any:
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def _landscape_words(landscape: Landscape) -> dict[str, Any]:
    return {
        "args": {key: _array_words(value) for key, value in sorted(landscape.args.items())},
        "dim": landscape.dim,
        **{key: _axes_words(getattr(landscape, key)) for key in ("lower", "upper", "periodic")},
        "symmetry": [_plain(symmetry) for symmetry in landscape.symmetries],
    } | _data_words(landscape)


def _data_words(landscape: Landscape) -> dict[str, Any]:
    words: dict[str, Any] = {"data": list(landscape.data)} if landscape.data else {}
    if landscape.measured:
        words["measures"] = list(landscape.measured)
        words["held_out"] = {
            part: {key: _array_words(value) for key, value in sorted(args.items())}
            for part, args in landscape.held_out.items()
        }
    return words | ({"augment": repr(landscape.augment)} if landscape.augment else {})


def _axes_words(values: tuple[Any, ...]) -> Any:
    """Return one value per axis, or, where axes are very many and equal, that one."""
    if len(values) <= DENSE:
        return list(values)
    return values[0] if len(set(values)) == 1 else _array_words(values)


def _stop_words(stop: Stop) -> dict[str, Any]:
    """Return the stop rules as plain values, those of descents on data where they are used."""
    words = _plain(stop)
    unused = {key for key in ("epochs", "patience", "watch") if words[key] is None}
    unused |= {"check_every"} if stop.check_every in (None, 1) else set()
    return {key: value for key, value in words.items() if key not in unused}


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
    path = Path(starts.path)
    try:
        whole = path / "summary.json" if path.is_dir() else path  # a run's summary holds the fingerprint of its ends
        return words | {"sha256": hashlib.sha256(whole.read_bytes()).hexdigest()}
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
