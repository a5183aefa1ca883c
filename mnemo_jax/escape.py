"""An escape experiment from config to record: descents leave a saddle, seen from its eigenbasis.

The loss is followed as ``y -> loss(saddle + axes y)``. Plain gradient descent, momentum and noise of equal size in all
directions do not notice such a turn, so the descents are those of the loss itself but for rounding; and the box of the
turned landscape, with half-widths ``radius`` along unstable eigenvectors and out of reach along stable ones, makes the
ordinary run's outcome *escaped* at step ``T`` what the law speaks of.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mnemo_jax import config as configs
from mnemo_jax import pipeline, store
from mnemo_jax.agreement import measured
from mnemo_jax.calculus import loss_of
from mnemo_jax.devices import Devices
from mnemo_jax.errors import UserError
from mnemo_jax.escapes import Escapes
from mnemo_jax.landscape import DENSE, Landscape
from mnemo_jax.laws import law
from mnemo_jax.modes import Dynamics, contraction, spread
from mnemo_jax.optimizers import Optimizer, Schedule, Transformation
from mnemo_jax.plan import Plan
from mnemo_jax.prepare import Warn, devices_for, prepare
from mnemo_jax.saddle import Saddle, Turned, bend, saddle_near
from mnemo_jax.starts import Normal, Uniform
from mnemo_jax.stopping import MAX_STEPS, Escaping, Stop

FAR = 8.0  # times how far a stable coordinate starts out or is driven, where its side of the box is
SPREADS = 8.0  # standard deviations that normal numbers stay within
PLENTY = 2  # times the steps by which all have escaped, the budget
LONG = 2**31 - 2  # steps, the largest budget


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
    warn: Warn = lambda _: None,
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
    if plan.landscape.dim > DENSE:
        raise UserError(f"loss.dim: {plan.landscape.dim} is above {DENSE}, beyond which Hessians are not written out")
    with jax.enable_x64(True), devices_for(plan, 1) as workers:
        around = turned(plan, escaping, workers)
        bent = bend(around.plan.landscape, around.saddle, escaping.radius, around.offset)
    record = pipeline.run(around.plan, out, devices=devices, fresh=fresh, report=report, warn=warn, imported=imported)
    if not (record.path / "escape.json").exists():
        store.write_json(record.path / "escape.json", measured(record, bent))
    return Escapes(record)


class Around(NamedTuple):
    """The descents around a saddle: their plan, the saddle, and the cloud's centre along its stable directions."""

    plan: Plan
    saddle: Saddle
    offset: np.ndarray


def turned(plan: Plan, escaping: Escaping, workers: Devices) -> Around:
    """Return the plan of the descents around the saddle, on coordinates along its eigenvectors.

    Raises:
        UserError: as `run`.
    """
    linear = dynamics(plan.optimizer)
    saddle = saddle_near(escaping, prepare(plan, workers).judge)
    _check_stable(linear, saddle)
    offset = _offset(escaping, saddle)
    budget = _budget(linear, saddle, escaping)
    centre = (0.0,) * saddle.index + tuple(offset.tolist())
    around = replace(
        plan,
        landscape=_landscape(plan.landscape, saddle, _reach(linear, saddle, escaping, offset)),
        starts=Normal(count=plan.count, mean=centre, scale=escaping.cloud),
        stop=Stop(grad_tol=0.0, max_steps=budget, escape_radius=1.0),
        recording=replace(plan.recording, endpoints=True),
        escape=_words(escaping, saddle, linear) | {"offset": offset.tolist(), "steps": budget},
    )
    return Around(around, saddle, offset)


def _landscape(landscape: Landscape, saddle: Saddle, reach: np.ndarray) -> Landscape:
    """Return the landscape on coordinates along the saddle's eigenvectors, in a box of half-widths ``reach [d]``."""
    loss, _ = loss_of(landscape, jnp.float64)
    return Landscape(
        loss=Turned(loss),
        dim=landscape.dim,
        lower=tuple((-reach).tolist()),
        upper=tuple(reach.tolist()),
        name=landscape.name,
        formula=f"{landscape.formula}, along the eigenvectors of a saddle",
        args={**landscape.args, "escape_at": saddle.x, "escape_axes": saddle.axes},
    )


def _words(escaping: Escaping, saddle: Saddle, linear: Dynamics) -> dict[str, Any]:
    """Return what the law needs, for the record."""
    return {
        "at": saddle.x.tolist(),
        "kind": saddle.kind,
        "loss": saddle.loss,
        "index": saddle.index,
        "eigenvalues": saddle.eigenvalues.tolist(),
        "radius": escaping.radius,
        "cloud": escaping.cloud,
        "dynamics": asdict(linear),
    }


def dynamics(optimizer: Optimizer | Transformation) -> Dynamics:
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
    linear = Dynamics(**given)  # type: ignore[arg-type]
    if not 0 <= linear.momentum < 1:
        raise UserError(f"optimizer.momentum: {linear.momentum} is not from 0 to below 1")
    return linear


def _check_stable(linear: Dynamics, saddle: Saddle) -> None:
    """Refuse a learning rate with which stable directions are left too."""
    steepest = float(saddle.eigenvalues[-1])
    if saddle.index < len(saddle.x) and contraction(linear, steepest) >= 1:
        raise UserError(
            f"optimizer.learning_rate: {linear.learning_rate:g} is too large for the saddle's curvature of "
            f"{steepest:.4g}, along which descents would grow too"
        )


def _offset(escaping: Escaping, saddle: Saddle) -> np.ndarray:
    stable = len(saddle.x) - saddle.index
    offset = np.atleast_1d(np.asarray(escaping.offset, np.float64))
    if len(offset) not in (1, stable):
        raise UserError(f"escape.offset: {len(offset)} numbers for {stable} stable directions; give one, or one each")
    return np.broadcast_to(offset, stable) if stable else np.empty(0)


def _reach(linear: Dynamics, saddle: Saddle, escaping: Escaping, offset: np.ndarray) -> np.ndarray:
    """Return the half-widths of the box: the radius along unstable directions, further than anything along others."""
    driven = np.array([spread(linear, h) for h in saddle.eigenvalues[saddle.index :]])
    out = np.abs(offset) + SPREADS * np.hypot(driven, escaping.cloud)
    return np.concatenate([np.full(saddle.index, escaping.radius), FAR * np.maximum(out, escaping.radius)])


def _budget(linear: Dynamics, saddle: Saddle, escaping: Escaping) -> int:
    """Return the steps a descent may take.

    Raises:
        UserError: the law has too many steps to be summed.
    """
    rates = -saddle.eigenvalues[: saddle.index]
    leaves = law(linear, rates, escaping.cloud, escaping.radius, escaping.steps or LONG)
    if escaping.steps:
        return escaping.steps
    return PLENTY * len(leaves.survival) if escaping.cloud or linear.is_noisy else MAX_STEPS
