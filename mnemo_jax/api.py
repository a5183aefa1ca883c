"""Library use: the same run as the command's, from Python objects."""

import reprlib
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mnemo_jax import escape, find, losses, pipeline
from mnemo_jax.calculus import loss_of
from mnemo_jax.errors import UserError
from mnemo_jax.escapes import Escapes
from mnemo_jax.found import CriticalPoints
from mnemo_jax.landscape import Landscape
from mnemo_jax.optimizers import Optimizer, Transformation, checked, parse
from mnemo_jax.plan import Plan, Recording, complete, complete_stop, default_tile, function_name, tile_for
from mnemo_jax.record import Record
from mnemo_jax.starts import AnyStarts, Points, Uniform, count, drawer
from mnemo_jax.stopping import Escaping, Seeking, Stop, Until
from mnemo_jax.types import Tile

Asked = TypeVar("Asked")
Starts = int | np.ndarray | jax.Array | AnyStarts


def survey(
    landscape: Landscape | str,
    *,
    optimizer: str | Mapping[str, Any] | Optimizer | optax.GradientTransformation = "sgd",
    learning_rate: float | None = None,
    starts: Starts = 10_000,
    seed: int = 0,
    precision: Literal["float32", "float64"] = "float64",
    stop: Stop | None = None,
    tile: Tile | None = None,
    recording: Recording | None = None,
    observables: Mapping[str, Callable[..., Any]] | None = None,
    until: Until | None = None,
    name: str | None = None,
    out: str | Path | None = None,
    devices: int | None = None,
    fresh: bool = False,
    report: Callable[[pipeline.Progress], None] | None = None,
) -> Record:
    """Follow many starts down a landscape and return the record of what they found.

    Works inside ``jax.enable_x64(True)`` and leaves the caller's setting alone.

    Args:
        landscape: the loss and its box, or the name of a built-in one.
        optimizer: an optimizer's name, a table such as a config's ``[optimizer]``, an `Optimizer`, or an optax
            transformation.
        learning_rate: step size for an optimizer given by name; plain ``sgd`` has the landscape's own as default.
        starts: a number of uniform starts in the box, points ``[n, d]`` themselves, or a choice from
            `mnemo_jax.starts`.
        seed: root of every random number, 0 to 2**63 - 1.
        precision: of the descent; polish and Hessians are float64 always.
        stop: stop rules, `Stop` with its defaults when None.
        tile: shape of the engine's inner program, a default for the dimension and device when None.
        recording: what the record keeps.
        observables: pure functions of the end point ``[d]`` to a scalar, by name.
        until: how sure the run must be to end with fewer starts than ``starts``.
        name: first part of the record's folder name; the landscape's when None.
        out: the folder that receives the record's folder; a new temporary one when None.
        devices: number of local devices to use, all when None.
        fresh: whether to begin a new record where an equal one exists.
        report: called with a `Progress` after every block.

    Returns:
        the finished record. Where an equal run has been recorded below ``out`` before, that one is returned, or gone
        on with if it is unfinished.

    Raises:
        UserError: what is asked for does not exist or does not fit together.
        MnemoError: the record cannot be written.
    """
    landscape = _landscape(landscape, precision)
    platform = jax.devices()[0].platform
    chosen = complete(_optimizer(optimizer, learning_rate), landscape)
    rules = complete_stop(_choice("stop", stop, Stop) or Stop(), landscape, chosen)
    plan = Plan(
        name=_folder_name(name or landscape.name),
        landscape=landscape,
        loss={"function": function_name(landscape.loss)},
        starts=_starts(starts),
        optimizer=chosen,
        stop=rules,
        tile=_choice("tile", tile, Tile) or tile_for(landscape, rules, precision, platform),
        recording=_choice("recording", recording, Recording) or Recording(),
        seed=_seed(seed),
        precision=precision,
        observables=observables or {},
        until=_choice("until", until, Until),
    )
    return pipeline.run(plan, _folder(out), devices=devices, fresh=fresh, report=report or (lambda _: None), warn=_warn)


def escape_times(
    landscape: Landscape | str,
    *,
    at: float | Sequence[float],
    radius: float,
    cloud: float = 0.0,
    offset: float | Sequence[float] = 0.0,
    steps: int | None = None,
    optimizer: str | Optimizer = "sgd",
    learning_rate: float | None = None,
    starts: int = 10_000,
    seed: int = 0,
    precision: Literal["float32", "float64"] = "float64",
    tile: Tile | None = None,
    name: str | None = None,
    out: str | Path | None = None,
    devices: int | None = None,
    fresh: bool = False,
) -> Escapes:
    """Let descents leave a saddle and hold the steps they take against the law of escape (see `mnemo_jax.laws`).

    Args:
        landscape: the loss and its box, or the name of a built-in one.
        at: a point near the saddle ``[d]``, or one number for every axis; it is polished first.
        radius: a descent has left where its distance along an unstable eigenvector of the Hessian exceeds this.
        cloud: standard deviation of the normal starts around the saddle, 0 for exactly on it.
        offset: by how much the cloud is moved along the stable eigenvectors, one number or one each.
        steps: updates a descent may take; None takes twice those by which all escape by the law.
        optimizer: ``sgd``, or an `Optimizer` of that name with momentum or noise.
        learning_rate: step size for an optimizer given by name.
        starts: how many.
        seed: root of every random number.
        precision: of the descents.
        tile: shape of the engine's inner program, a default when None.
        name: first part of the record's folder name; the landscape's when None.
        out: the folder that receives the record's folder; a new temporary one when None.
        devices: number of local devices to use, all when None.
        fresh: whether to begin a new record where an equal one exists.

    Returns:
        the experiment: ``result`` has what was measured beside the law, ``record`` the descents, in coordinates along
        the eigenvectors.

    Raises:
        UserError: there is no saddle, or no law for the optimizer.
    """
    landscape = _landscape(landscape, precision)
    chosen = complete(_optimizer(optimizer, learning_rate), landscape)
    plan = Plan(
        name=_folder_name(name or landscape.name),
        landscape=landscape,
        loss={"function": function_name(landscape.loss)},
        starts=Uniform(count=starts),
        optimizer=chosen,
        stop=complete_stop(Stop(), landscape, chosen),
        tile=_choice("tile", tile, Tile) or default_tile(landscape.dim, jax.devices()[0].platform),
        recording=Recording(),
        seed=_seed(seed),
        precision=precision,
    )
    asked = Escaping(at=at, radius=radius, cloud=cloud, offset=offset, steps=steps)  # type: ignore[arg-type]
    return escape.run(plan, asked, _folder(out), devices=devices, fresh=fresh, warn=_warn)


def find_critical_points(
    landscape: Landscape | str,
    *,
    starts: np.ndarray | jax.Array | None = None,
    seeking: Seeking | None = None,
    seed: int = 0,
    name: str | None = None,
    out: str | Path | None = None,
    fresh: bool = False,
) -> CriticalPoints:
    """Find the critical points of a loss, of every index, and audit whether some are missing.

    Searches minimise half the squared gradient norm (Levenberg and Marquardt) from uniform points, along descents and
    at all heights of the loss, then from points between minima and off known saddles, until nothing new is found.

    Args:
        landscape: the loss with its box, or the name of a built-in one.
        starts: ``[n, d]`` points to look from instead of those of the first round; None for these.
        seeking: numbers of searches and rounds.
        seed: root of the random numbers.
        name: first part of the record's folder name; the landscape's when None.
        out: the folder that receives the record's folder; a new temporary one when None.
        fresh: whether to begin a new record where an equal one exists.

    Returns:
        the record of the search. ``audit`` says "consistent", "missing" or "void" with a sentence, never "complete".

    Raises:
        UserError: what is asked for does not exist or does not fit together.
        MnemoError: the record cannot be written.
    """
    landscape = _landscape(landscape, "float64")
    given = Uniform(count=1) if starts is None else _points(starts)
    number = count(given, landscape)  # says what is wrong with points that do not fit
    plan = Plan(
        name=_folder_name(name or landscape.name),
        landscape=landscape,
        loss={"function": function_name(landscape.loss)},
        starts=given,
        optimizer=Optimizer("sgd", 1.0),
        stop=complete_stop(Stop(), landscape, Optimizer("sgd", 1.0)),
        tile=default_tile(landscape.dim, jax.devices()[0].platform),
        recording=Recording(),
        seed=_seed(seed),
        search=_choice("seeking", seeking, Seeking) or Seeking(),
    )
    with jax.enable_x64(True):
        points = None if starts is None else np.asarray(drawer(given, landscape, plan.seed)(0, number))
    if points is not None and not np.isfinite(points).all():
        raise UserError("starts: points with coordinates that are not finite")
    return find.run(plan, _folder(out), fresh=fresh, warn=_warn, starts=points)


def _landscape(landscape: Landscape | str, precision: str) -> Landscape:
    """Return the landscape asked for, after checking that its loss is a pure scalar function."""
    if isinstance(landscape, str):
        landscape = losses.build(landscape)
    if not isinstance(landscape, Landscape):
        raise UserError("landscape: give a Landscape (a loss with its dim, lower and upper) or a built-in loss's name")
    if precision not in ("float32", "float64"):
        raise UserError(f"precision: {precision!r} is neither 'float32' nor 'float64'")
    with jax.enable_x64(True):
        loss_of(landscape, precision)
    return landscape


def _seed(seed: Any) -> int:
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise UserError(f"seed: {seed!r} is not a whole number from 0 to 2**63 - 1")
    return int(seed)


def _choice(key: str, given: Any, kind: type[Asked]) -> Asked | None:
    """Return the choice given, or None where none is."""
    if given is None or isinstance(given, kind):
        return given
    raise UserError(f"{key}: {reprlib.repr(given)} is no {kind.__name__}; give mnemo_jax.{kind.__name__}(...)")


def _folder(out: Any) -> Path:
    """Return the folder that receives the record's, a new one when ``out`` is None."""
    try:
        return Path(tempfile.mkdtemp(prefix="mnemo-") if out is None else out)
    except TypeError as error:
        raise UserError(f"out: {reprlib.repr(out)} is not the path of a folder") from error


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=4)


def _folder_name(name: Any) -> str:
    if not isinstance(name, str):
        raise UserError(f"name: {reprlib.repr(name)} is not a text")
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name).strip("-.")
    return kept[:60] or "loss"


def _starts(starts: Any) -> AnyStarts:
    if isinstance(starts, AnyStarts):
        return starts
    if isinstance(starts, bool) or not isinstance(starts, int | np.integer):
        return _points(starts, "neither a whole number of starts nor points")
    if starts < 1:
        raise UserError(f"starts: {starts} is no number of starts; give 1 or more")
    return Uniform(count=int(starts))


def _points(starts: Any, what: str = "no array of points") -> Points:
    try:
        points = np.asarray(starts)
    except (TypeError, ValueError):
        points = np.empty(())
    if not points.ndim or not (jnp.issubdtype(points.dtype, np.floating) or jnp.issubdtype(points.dtype, np.integer)):
        raise UserError(f"starts: {reprlib.repr(starts)} is {what} [starts, coordinates]")
    if points.ndim != 2:
        raise UserError(f"starts: an array of shape {points.shape} is not [starts, coordinates]")
    return Points(x=tuple(map(tuple, points.astype(np.float64).tolist())))


def _optimizer(
    optimizer: str | Mapping[str, Any] | Optimizer | optax.GradientTransformation, learning_rate: float | None
) -> Optimizer | Transformation:
    if isinstance(optimizer, str):
        return parse(_table(optimizer, learning_rate))
    if isinstance(optimizer, Mapping):
        return parse(optimizer if learning_rate is None else {**optimizer, "learning_rate": learning_rate})
    if learning_rate is not None:
        raise UserError("learning_rate: belongs inside the optimizer when that is not given by name")
    if isinstance(optimizer, Optimizer):
        return parse(_table(optimizer.name, optimizer.learning_rate, optimizer.args))
    if isinstance(optimizer, optax.GradientTransformation):
        return checked(Transformation(optimizer))
    raise UserError(f"optimizer: {type(optimizer).__name__} is neither a name nor an optax transformation")


def _table(name: str, learning_rate: Any, args: Any = ()) -> dict[str, Any]:
    """Return what a config's table would say."""
    try:
        table = dict(args)
    except (TypeError, ValueError) as error:
        raise UserError(f"optimizer.args: {reprlib.repr(args)} is not made of pairs (name, value)") from error
    if noise := {key.removeprefix("noise."): table.pop(key) for key in list(table) if str(key).startswith("noise.")}:
        table["noise"] = noise
    return {"name": name} | table | ({} if learning_rate is None else {"learning_rate": learning_rate})
