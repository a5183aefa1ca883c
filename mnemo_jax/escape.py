"""An escape experiment from config to record: descents leave a saddle, seen from its eigenbasis.

The loss is followed as ``y -> loss(saddle + axes y)``. Plain gradient descent, momentum and noise of equal size in all
directions do not notice such a turn, so the descents are those of the loss itself but for rounding; and the box of the
turned landscape, with half-widths ``radius`` along unstable eigenvectors and out of reach along stable ones, makes the
ordinary run's outcome *escaped* at step ``T`` what the law speaks of.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax import config as configs
from mnemo_jax import pipeline, store
from mnemo_jax.calculus import Loss, hessian, loss_of
from mnemo_jax.devices import Devices
from mnemo_jax.errors import UserError
from mnemo_jax.escapes import Escapes, measured
from mnemo_jax.labelling import Judge
from mnemo_jax.landscape import Landscape
from mnemo_jax.laws import Dynamics, contraction, law, spread
from mnemo_jax.optimizers import Optimizer, Schedule, Transformation
from mnemo_jax.plan import Plan
from mnemo_jax.starts import Normal, Uniform
from mnemo_jax.stopping import MAX_STEPS, Escaping, Stop
from mnemo_jax.types import Kind

FAR = 8.0  # times how far a stable coordinate starts out or is driven, where its side of the box is
SPREADS = 8.0  # standard deviations that normal numbers stay within
PLENTY = 2  # times the steps by which all have escaped, the budget
PROBES = 64  # points at which the loss is held against its quadratic


@dataclass(frozen=True)
class Turned:
    """A loss on coordinates along a saddle's eigenvectors; equal losses make equal ones, so that it compiles once."""

    loss: Loss

    def __call__(self, y: Array, escape_at: Array, escape_axes: Array, **args: Any) -> Array:
        """Return the loss at ``escape_at + escape_axes y``; a sum of products, as calls of libraries are slow here."""
        return self.loss(escape_at + jnp.sum(escape_axes * y, axis=1), args)


class Saddle(NamedTuple):
    """A critical point with unstable directions.

    Attributes:
        x: ``[d]``.
        loss: there.
        eigenvalues: ``[d]`` of the Hessian, ascending.
        axes: ``[d, d]``, its eigenvectors as columns, the largest entry of each positive.
        index: number of negative eigenvalues.
        kind: ``saddle`` or ``maximum``.
    """

    x: np.ndarray
    loss: float
    eigenvalues: np.ndarray
    axes: np.ndarray
    index: int  # type: ignore[assignment]
    kind: str


def plan(config: configs.Config, source: str, platform: str, overrides: Sequence[str] = ()) -> tuple[Plan, Escaping]:
    """Return what `run` takes from a config: the plan on the loss's own coordinates, and which saddle is to be left.

    Raises:
        UserError: it has no ``[escape]``, or says something that the experiment decides itself.
    """
    if config.escape is None:
        raise UserError(f"{source}: escape: is missing; its key `at` names the saddle, its `radius` when it is left")
    if config.stop != Stop():
        raise UserError(f"{source}: stop: escape.radius and escape.steps end these descents; leave [stop] out")
    if not isinstance(config.starts, Uniform) or (config.starts.lower, config.starts.upper) != (None, None):
        raise UserError(f"{source}: starts: escape.cloud says where these descents start; give starts.count alone")
    for name in ("until", "observables"):
        if getattr(config, name):
            raise UserError(f"{source}: {name}: an escape experiment has none; leave it out")
    return configs.plan(config, source, platform, overrides), config.escape


def run(
    plan: Plan,
    escaping: Escaping,
    out: Path,
    *,
    devices: int | None = None,
    fresh: bool = False,
    report: pipeline.Report = lambda _: None,
    warn: pipeline.Warn = lambda _: None,
    imported: float | None = None,
) -> Escapes:
    """Let descents leave a saddle of a plan's loss; the record lies below ``out``, as that of every run.

    Args:
        plan: loss, optimizer, number of starts, seed and precision.
        escaping: the saddle, and from where around it.
        out: the folder that receives the record's folder.
        devices: number of local devices, all when None.
        fresh: whether to begin a new record where one exists.
        report: called after every block.
        warn: called with each warning, one sentence.
        imported: seconds the process spent on imports.

    Raises:
        UserError: there is no saddle, or no law for the optimizer.
    """
    with jax.enable_x64(True), pipeline.devices_for(plan, 1) as workers:
        around = turned(plan, escaping, workers)
        bent = _bend(around)
    record = pipeline.run(around, out, devices=devices, fresh=fresh, report=report, warn=warn, imported=imported)
    if not (record.path / "escape.json").exists():
        store.write_json(record.path / "escape.json", measured(record, bent))
    return Escapes(record)


def turned(plan: Plan, escaping: Escaping, workers: Devices) -> Plan:
    """Return the plan of the descents around the saddle, on coordinates along its eigenvectors.

    Raises:
        UserError: as `run`.
    """
    dynamics = _dynamics(plan.optimizer)
    saddle = _saddle(escaping, pipeline.prepare(plan, workers).judge)
    _check_stable(dynamics, saddle)
    offset = _offset(escaping, saddle)
    reach = _reach(dynamics, saddle, escaping, offset)
    loss, _ = loss_of(plan.landscape, jnp.float64)
    landscape = Landscape(
        loss=Turned(loss),
        dim=plan.landscape.dim,
        lower=tuple((-reach).tolist()),
        upper=tuple(reach.tolist()),
        name=plan.landscape.name,
        formula=f"{plan.landscape.formula}, along the eigenvectors of a saddle",
        args={**plan.landscape.args, "escape_at": saddle.x, "escape_axes": saddle.axes},
    )
    budget = escaping.steps or _budget(dynamics, saddle, escaping)
    words = {
        "at": saddle.x.tolist(),
        "kind": saddle.kind,
        "loss": saddle.loss,
        "index": saddle.index,
        "eigenvalues": saddle.eigenvalues.tolist(),
        "radius": escaping.radius,
        "cloud": escaping.cloud,
        "offset": offset.tolist(),
        "steps": budget,
        "dynamics": asdict(dynamics),
    }
    centre = (0.0,) * saddle.index + tuple(offset.tolist())
    return replace(
        plan,
        landscape=landscape,
        starts=Normal(count=plan.count, mean=centre, scale=escaping.cloud),
        stop=Stop(grad_tol=0.0, max_steps=budget, escape_radius=1.0),
        recording=replace(plan.recording, endpoints=True),
        escape=words,
    )


def _dynamics(optimizer: Optimizer | Transformation) -> Dynamics:
    """Return the optimizer as a linear map.

    Raises:
        UserError: it is none, or one that depends on how the axes lie.
    """
    known = "escape laws are known for sgd, with momentum, nesterov, and gradient or langevin noise"
    if isinstance(optimizer, Transformation) or optimizer.name != "sgd":
        raise UserError(f"optimizer.name: {known}, not for {optimizer.name}")
    numbers = {"learning_rate": optimizer.learning_rate, **dict(optimizer.args)}
    names = {"noise.scale": "noise", "noise.temperature": "temperature"}
    kind = numbers.pop("noise.kind", None)
    if kind not in (None, "gradient", "langevin"):
        raise UserError(f"optimizer.noise.kind: {known}, not for {kind} noise")
    given = {names.get(key, key): value for key, value in numbers.items() if value is not None}
    for key, value in given.items():
        if key not in Dynamics.__dataclass_fields__ or isinstance(value, Schedule):
            raise UserError(f"optimizer.{key}: {known}, each with constant numbers")
    dynamics = Dynamics(**given)  # type: ignore[arg-type]
    if not 0 <= dynamics.momentum < 1:
        raise UserError(f"optimizer.momentum: {dynamics.momentum} is not from 0 to below 1")
    return dynamics


def _saddle(escaping: Escaping, judge: Judge) -> Saddle:
    """Return the polished point near ``escaping.at``.

    Raises:
        UserError: there is none, or it is no saddle.
    """
    at = np.atleast_1d(np.asarray(escaping.at, np.float64))
    dim = judge.landscape.dim
    if len(at) not in (1, dim):
        raise UserError(f"escape.at: {len(at)} numbers for {dim} axes; give one, or one per axis")
    at = np.broadcast_to(at, dim)
    point = judge.points(at[None], np.zeros(1, bool))
    x, kind = point.x[0], Kind(int(point.kind[0]))
    told = f"({', '.join(f'{v:.6g}' for v in x)})"
    if point.left[0]:
        raise UserError(f"escape.at: no critical point lies near {at.tolist()}; mnemo search lists where they are")
    if kind not in (Kind.SADDLE, Kind.MAXIMUM) or point.nullity[0]:
        why = f"of nullity {point.nullity[0]}, whose flat directions no escape law knows" if point.nullity[0] else "it"
        unstable = "which has no unstable direction" if why == "it" else why
        raise UserError(f"escape.at: the critical point there, {told}, is a {kind.word}, {unstable}")
    matrix = np.asarray(hessian(judge.loss)(jnp.asarray(x), judge.args))
    eigenvalues, axes = np.linalg.eigh(0.5 * (matrix + matrix.T))
    largest = axes[np.argmax(np.abs(axes), axis=0), np.arange(dim)]
    return Saddle(x, float(point.loss[0]), eigenvalues, axes * np.sign(largest), int(point.index[0]), kind.word)


def _check_stable(dynamics: Dynamics, saddle: Saddle) -> None:
    """Refuse a learning rate with which stable directions are left too."""
    steepest = float(saddle.eigenvalues[-1])
    if saddle.index < len(saddle.x) and contraction(dynamics, steepest) >= 1:
        raise UserError(
            f"optimizer.learning_rate: {dynamics.learning_rate:g} is too large for the saddle's curvature of "
            f"{steepest:.4g}, along which descents would grow too"
        )


def _offset(escaping: Escaping, saddle: Saddle) -> np.ndarray:
    stable = len(saddle.x) - saddle.index
    offset = np.atleast_1d(np.asarray(escaping.offset, np.float64))
    if len(offset) not in (1, stable):
        raise UserError(f"escape.offset: {len(offset)} numbers for {stable} stable directions; give one, or one each")
    return np.broadcast_to(offset, stable) if stable else np.empty(0)


def _reach(dynamics: Dynamics, saddle: Saddle, escaping: Escaping, offset: np.ndarray) -> np.ndarray:
    """Return the half-widths of the box: the radius along unstable directions, further than anything along others."""
    driven = np.array([spread(dynamics, h) for h in saddle.eigenvalues[saddle.index :]])
    out = np.abs(offset) + SPREADS * np.hypot(driven, escaping.cloud)
    return np.concatenate([np.full(saddle.index, escaping.radius), FAR * np.maximum(out, escaping.radius)])


def _budget(dynamics: Dynamics, saddle: Saddle, escaping: Escaping) -> int:
    if not (escaping.cloud or dynamics.is_noisy):
        return MAX_STEPS
    return PLENTY * len(law(dynamics, -saddle.eigenvalues[: saddle.index], escaping.cloud, escaping.radius).survival)


def _bend(around: Plan) -> float:
    """Return by which share of the leading term gradients differ from the quadratic's within the radius, at most.

    Looked for along and between the unstable directions at the radius and halfway, with and without the offset. An
    unstable coordinate then grows at a rate that is wrong by this share where the descent leaves, and by less before.
    """
    words = around.escape or {}
    index, rates = words["index"], -np.array(words["eigenvalues"][: words["index"]])
    loss, args = loss_of(around.landscape, jnp.float64)
    ways = np.concatenate([np.eye(index), -np.eye(index), np.random.default_rng(0).uniform(-1, 1, (PROBES, index))])
    ways = words["radius"] * np.concatenate([ways, 0.5 * ways])
    y = np.zeros((2, len(ways), around.landscape.dim))
    y[:, :, :index] = ways
    y[1, :, index:] = words["offset"]
    gradient = np.asarray(jax.vmap(jax.vmap(lambda y: jax.grad(loss)(y, args)))(jnp.asarray(y)))
    size = np.max(rates * np.abs(ways), axis=1)
    return float(np.max(np.abs(gradient[:, :, :index] + rates * ways) / size[:, None]))
