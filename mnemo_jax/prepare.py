"""A plan made ready: its loss in the run's precision, the landscape's scales, the stop rules as numbers."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mnemo_jax.calculus import Args, Loss, Watch, calls_lapack, loss_of, parts_of, typical_norms
from mnemo_jax.catalogue import Metric
from mnemo_jax.descent import Logs, Rules, first_step
from mnemo_jax.devices import Devices
from mnemo_jax.errors import UserError
from mnemo_jax.judge import Judge
from mnemo_jax.landscape import DENSE, Landscape
from mnemo_jax.plan import Plan, watch_of
from mnemo_jax.polish import Scales
from mnemo_jax.starts import Draw, Uniform, drawer
from mnemo_jax.stopping import FLOOR_EPS

SCALE_STARTS = 4096  # uniform in the box, whose gradients set the landscape's gradient scale
HESSIAN_STARTS = 64  # whose Hessians set its curvature
FEWER = 16  # times fewer of both where Hessians are not written out
STALL = 0.01  # of the gradient scale, below which a stall opens; it ends above twice that
Warn = Callable[[str], None]


class Prepared(NamedTuple):
    """A plan with its loss in the run's precision, its scales measured and its rules as numbers."""

    plan: Plan
    loss: Loss
    args: Args
    draw: Draw
    rules: Rules
    judge: Judge
    devices: Devices
    logs: Logs
    watch: Watch = Watch()
    parts: tuple[Args, ...] = ()

    @property
    def fixed(self) -> dict[str, Any]:
        """What programs of descents are compiled for."""
        choice = self.plan.optimizer.traced()
        return {"loss": self.loss, "choice": choice, "tile": self.plan.tile, "watch": self.watch}


def devices_for(plan: Plan, number: int | None) -> Devices:
    """Return the devices for a plan's programs, after checking that its loss is a pure scalar function."""
    loss, args = loss_of(plan.landscape, jnp.dtype(plan.precision))
    x, one = (jax.ShapeDtypeStruct(shape, plan.precision) for shape in ((plan.landscape.dim,), ()))
    numbers: Any = dict.fromkeys(plan.optimizer.numbers(), one)
    centre: Any = None if _centre(plan.landscape) is None else x
    rules: Any = Rules(one, jax.ShapeDtypeStruct((), jnp.int32), centre, x, one, one, numbers)  # type: ignore[arg-type]
    step = partial(first_step, loss=loss, choice=plan.optimizer.traced(), watch=watch_of(plan))
    return Devices(number, linear_algebra=calls_lapack(step, x, args, rules))


def prepare(plan: Plan, devices: Devices, warn: Warn = lambda _: None) -> Prepared:
    """Measure the landscape's scales over the first starts and turn the stop rules into numbers.

    Raises:
        UserError: the loss has no finite gradient in its box.
    """
    landscape, dtype = plan.landscape, jnp.dtype(plan.precision)
    loss, args = loss_of(landscape, dtype)
    part = part_size(plan, devices)
    draw = drawer(plan.starts, landscape, plan.seed, part)
    exact_loss, exact_args = loss_of(landscape, jnp.float64) if plan.precision == "float32" else (loss, args)
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    # The box's own gradients and curvatures: starts in a cloud around a saddle would make every descent a stall.
    number = SCALE_STARTS // (FEWER if landscape.dim > DENSE else 1)
    centre = _centre(landscape)
    x = np.asarray(drawer(Uniform(count=number), landscape, plan.seed, part)(0, number))
    few = x[: number // (SCALE_STARTS // HESSIAN_STARTS)]
    gradient, curvature, sound = typical_norms(x, few, exact_args, loss=exact_loss)
    if not sound:
        raise UserError(f"loss: {landscape.name!r} has no finite gradient at any of {number:,} points of its box")
    scales = Scales(jnp.float64(0.5 * np.max(high - low)), gradient, curvature)
    tolerance = _grad_tol(plan, float(gradient), warn)
    below = np.asarray((STALL * np.asarray(gradient)) ** 2, dtype)
    rules = Rules(
        grad_tol=jnp.asarray(tolerance if tolerance > 0 else -1.0, dtype),
        max_steps=jnp.int32((plan.stop.max_steps or 0) // (plan.stop.check_every or 1)),
        centre=None if centre is None else jnp.asarray(centre, dtype),
        reach=jnp.asarray(plan.stop.escape_radius * 0.5 * (high - low), dtype),
        stall_below=jnp.asarray(below),
        stall_above=jnp.asarray(4 * below),
        numbers={key: jnp.asarray(value, dtype) for key, value in plan.optimizer.numbers().items()},
    )
    period = np.where(landscape.periodic, high - low, 0.0)
    metric = Metric(low, period, float(scales.length), float(curvature))
    judge = Judge(landscape, exact_loss, exact_args, scales, metric, devices, tolerance)
    parts = parts_of(landscape, dtype) if landscape.measured else ()
    return Prepared(plan, loss, args, draw, rules, judge, devices, Logs(), watch_of(plan), parts)


def _centre(landscape: Landscape) -> np.ndarray | None:
    """Return the centre of the box ``[d]``, None for the origin."""
    centre = 0.5 * (np.asarray(landscape.lower) + np.asarray(landscape.upper))
    return centre if np.any(centre) else None


def part_size(plan: Plan, devices: Devices) -> int:
    """Return the size of the part of a block that each device takes."""
    return -(-plan.block // len(devices))


def _grad_tol(plan: Plan, scale: float, warn: Warn) -> float:
    """Return the gradient tolerance in force, warning when the one asked for is below what rounding allows."""
    floor = FLOOR_EPS * float(jnp.finfo(plan.precision).eps) * scale
    asked = plan.stop.grad_tol
    if asked is None:
        return 1e-8 if plan.precision == "float64" else floor
    if 0 < asked < floor:
        warn(
            f"stop.grad_tol: {asked:g} is below {floor:.2g}, the rounding of this loss's gradients in "
            f"{plan.precision}; descents may run to the last step"
        )
    return asked
