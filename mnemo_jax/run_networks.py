"""What there is to say of a run's trained networks: gradients, units, curvature, distinct ends, what lies between."""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax import store
from mnemo_jax.anew import plan_of
from mnemo_jax.calculus import Loss, loss_of, parts_of, values
from mnemo_jax.devices import Devices
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import DENSE, Landscape
from mnemo_jax.losses.layers import ACTIVATIONS, Activation, Layers
from mnemo_jax.losses.linear_network import LinearNetwork
from mnemo_jax.networks.arrays import joined
from mnemo_jax.networks.barriers import along, barriers
from mnemo_jax.networks.curvature import Extremes, Looks, extremes, looks_of, outliers
from mnemo_jax.networks.curves import curves
from mnemo_jax.networks.distinct import distinct
from mnemo_jax.networks.gradients import gradient_norms
from mnemo_jax.networks.matching import Matching, match
from mnemo_jax.networks.slices import Plane, array_directions, directions, principal, slice_of
from mnemo_jax.networks.symmetry import copies, normal, scales
from mnemo_jax.networks.units import dead_units, distinct_units, effective_ranks
from mnemo_jax.optimizers import Optimizer, Schedule, Transformation
from mnemo_jax.plan import Plan
from mnemo_jax.record import Record
from mnemo_jax.spectrum import curvature, density
from mnemo_jax.stability import critical_rate
from mnemo_jax.starts import drawer
from mnemo_jax.types import Outcome

FILE = "networks.json"
AGREE = 1e-4  # of a loss, up to which it is what it was in the run
SAME = 1e-3  # of the median norm of the networks, a distance up to which two are one
LISTED = 20  # distinct ends listed, those of lowest loss
LARGE = 20  # largest eigenvalues listed
MOST = 256  # products of a search for the index
LOOKS = 40  # of each path, at which sharpness is computed
PATHS = 4  # of the kept ones, for which it is
WIDTHS = 150  # of a density's kernel, in the range of a spectrum
PROBES = 8
STEPS = 500  # of the optimisation of a curve
POINTS = 51  # on each way between two networks
TOGETHER = 2  # ways at once
GRID = 41  # places along each axis of a slice
MARGIN = 0.25  # of a path's extent around it
WAYS = ("straight", "matched", "curve", "matched_curve")


class Ends(NamedTuple):
    """A run's networks in float64.

    Attributes:
        landscape: their loss.
        loss, args: the same as the engine calls it.
        layers: where their arrays lie, None where that is not known.
        activation: of the hidden units.
        start: int64 ``[n]``, their numbers.
        first: ``[n, d]``, where they began.
        x: ``[n, d]``, where they ended.
        value: ``[n]``, the loss there.
        precision: of the run.
    """

    landscape: Landscape
    loss: Loss
    args: dict[str, Any]
    layers: Layers | None
    activation: Activation
    start: np.ndarray
    first: Array
    x: Array
    value: np.ndarray
    precision: str


def networks_of(
    record: Record,
    starts: int = 100,
    points: int = 4,
    pairs: int = 10,
    report: Callable[[str], Any] = str,
) -> dict[str, Any]:
    """Return what there is to say of the ends of a run's first ``starts`` starts, as plain values that are strict JSON.

    Equal records give equal numbers on equal machines. Everything is computed in float64, but for curves between
    networks, which are looked for in the run's precision.

    Args:
        record: a finished run with ``record.endpoints``.
        starts: how many of its starts are looked at.
        points: of how many ends the curvature is computed, the first ones.
        pairs: between how many pairs of ends barriers are looked for.
        report: called with what is done next.

    Raises:
        UserError: the run's loss is no network's or was made in Python, or it kept no end points.
    """
    with jax.enable_x64(True), Devices(1) as devices:
        plan = plan_of(record, devices, "apply the functions of mnemo_jax.networks to its ends yourself")
        ends = _ends(record, plan, starts)
        told: dict[str, Any] = {
            "record": str(record.path),
            "starts": min(starts, record.summary["starts"]),
            "ends": len(ends.x),
            "loss": _numbers(ends.value),
            "network": _network(ends),
        }
        report("gradients and units")
        told |= {"gradients": _gradients(ends), "layers": _layers(ends)}
        report("distinct ends")
        told["distinct"] = _distinct(ends)
        report("curvature")
        told |= _curvatures(ends, plan, _paths(record), points)
        report("barriers")
        told["barriers"] = _barriers(ends, pairs, plan.seed)
        report("slices")
        told["slices"] = _slices(ends, _paths(record), plan.seed)
    return store.strict(_plain(told))


def _plain(value: Any) -> Any:
    """Return the value with the arrays of devices as numpy's; a tree's own map would sort its keys."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return np.asarray(value) if isinstance(value, Array) else value


def write(record: Record, told: Mapping[str, Any]) -> None:
    """Write what was found beside the record, for figures and pages."""
    store.write_json(record.path / FILE, dict(told))


def _ends(record: Record, plan: Plan, number: int) -> Ends:
    """Return the networks of the first so many starts that neither escaped nor ended at no number."""
    landscape = plan.landscape
    layers, activation = layers_of(landscape)
    if layers is None and landscape.unravel is None and not landscape.data:
        raise UserError(f"{record.path}: its loss, {landscape.name}, is no network: it has neither arrays nor data")
    if not record.config["record"]["endpoints"]:
        raise UserError(f"{record.path}: kept no end points; run its config again with record.endpoints = true")
    table = record.starts("x", "loss", "outcome", first=number)
    x, outcome = store.matrix(table["x"]).astype(np.float64), np.array(table["outcome"].to_pylist())
    loss, args = loss_of(landscape, jnp.float64)
    value = np.asarray(values(jnp.asarray(x), args, loss=loss))
    ended = (outcome != Outcome.ESCAPED.word) & (outcome != Outcome.NON_FINITE.word)
    rows = np.flatnonzero(ended & np.isfinite(x).all(axis=1) & np.isfinite(value))
    if not len(rows):
        raise UserError(f"{record.path}: all of its first {len(x):,} starts escaped or ended at no number")
    if not np.allclose(value[rows], table["loss"].to_numpy()[rows], rtol=AGREE, atol=AGREE * np.ptp(value[rows])):
        raise UserError(f"{record.path}: its loss or its data have changed since the run; run its config again")
    precision = record.config["precision"]
    first = drawer(plan.starts, landscape, plan.seed)(0, len(x)).astype(precision).astype(jnp.float64)
    return Ends(
        landscape, loss, args, layers, activation, rows, first[rows], jnp.asarray(x[rows]), value[rows], precision
    )


def layers_of(landscape: Landscape) -> tuple[Layers | None, Activation]:
    """Return where the arrays of a landscape's networks lie, None where it is not told, and their activation."""
    if isinstance(landscape.loss, LinearNetwork):
        return Layers(widths=landscape.loss.widths, bias=False), "linear"
    activation = getattr(landscape.loss, "activation", None)
    if isinstance(landscape.unravel, Layers) and activation in ACTIVATIONS:
        return landscape.unravel, activation
    return None, "linear"


def _paths(record: Record) -> list[np.ndarray]:
    """Return those of the first kept paths that are finite throughout, by the numbers of their starts."""
    return [path for path in record.paths()[:PATHS] if np.isfinite(path).all()]


def _network(ends: Ends) -> dict[str, Any] | None:
    if ends.layers is None:
        return None
    return {"widths": list(ends.layers.widths), "bias": ends.layers.bias, "activation": ends.activation}


def _numbers(values: np.ndarray) -> dict[str, float]:
    """Return the median with the quantiles at 5 and 95 % and the range."""
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    least, most = np.min(values), np.max(values)
    return {"median": float(middle), "low": float(low), "high": float(high), "least": float(least), "most": float(most)}


def _gradients(ends: Ends) -> list[dict[str, Any]]:
    """Return the gradient's norm by each array, at the starts and the ends."""
    unravel = ends.layers or ends.landscape.unravel
    begin, end = (gradient_norms(ends.loss, x, ends.args, unravel) for x in (ends.first, ends.x))
    return [
        {"array": name, "zero": int(np.sum(begin[name] == 0)), "start": _numbers(begin[name]), "end": _numbers(norm)}
        for name, norm in end.items()
    ]


def _layers(ends: Ends) -> list[dict[str, Any]] | None:
    """Return units and effective ranks layer by layer, None where layers are not known."""
    layers = ends.layers
    if layers is None:
        return None
    ranks = effective_ranks(ends.x, layers)
    own: list[Any] = [None] * (len(layers.widths) - 1)
    number, dead = list(own), list(own)
    hidden = len(layers.widths) - 2
    if hidden:
        number[:hidden] = [_numbers(row) for row in np.asarray(distinct_units(ends.x, layers, ends.activation)).T]
    if hidden and ends.activation in ("relu", "maximum") and "inputs" in ends.args:
        dead[:hidden] = [
            _numbers(row) for row in np.asarray(dead_units(ends.x, layers, ends.activation, ends.args["inputs"])).T
        ]
    return [
        {
            "layer": layer + 1,
            "units": layers.widths[layer + 1],
            "distinct": number[layer],
            "dead": dead[layer],
            "entropy_rank": _numbers(np.asarray(ranks.entropy)[:, layer]),
            "stable_rank": _numbers(np.asarray(ranks.stable)[:, layer]),
        }
        for layer in range(hidden + 1)
    ]


def _distinct(ends: Ends) -> dict[str, Any] | None:
    """Return the distinct ends up to symmetry, None where symmetries are not known."""
    layers = ends.layers
    if layers is None:
        return None
    x = np.asarray(ends.x)
    tolerance = SAME * float(np.median(np.linalg.norm(joined(normal(x, layers, ends.activation)[0]), axis=1)))
    found = distinct(x, ends.value, layers, ends.activation, tolerance)
    rows = zip(found.loss[:LISTED], found.count, ends.start[found.row], strict=False)
    return {
        "number": len(found.loss),
        "tolerance": tolerance,
        "copies": copies(layers, ends.activation),
        "scales": scales(layers, ends.activation),
        "minima": [{"loss": loss, "ends": int(number), "start": int(start)} for loss, number, start in rows],
    }


def _curvatures(ends: Ends, plan: Plan, paths: list[np.ndarray], number: int) -> dict[str, Any]:
    """Return the curvature of the first ends, the density of one spectrum, and the sharpness along kept paths."""
    number = min(number, len(ends.x))
    looks = looks_of(paths, plan.stop.check_every or 1, LOOKS) if paths else None
    points = [ends.x[:number], ends.first[:1]] + ([jnp.asarray(looks.x, jnp.float64)] if looks else [])
    found = extremes(ends.loss, jnp.concatenate(points), ends.args, seed=plan.seed)
    at, began, along_ = (Extremes(*(part[rows] for part in found)) for rows in _parts(number, len(found.values)))
    optimizer = plan.optimizer
    return {
        "curvature": {
            "products": found.values.shape[1],
            "optimizer": optimizer.name,
            "full_batch": full_batch(optimizer),
            "limit": limit(optimizer, np.array([plan.stop.max_steps or 0])),
            "ends": [_curvature(ends, at, row, plan.seed) for row in range(number)],
        },
        "density": _density(ends, at, began, plan.seed) if number else None,
        "sharpness": None if looks is None else _sharpness(looks, along_, optimizer, len(paths)),
    }


def _parts(number: int, total: int) -> tuple[slice, slice, slice]:
    return slice(0, number), slice(number, number + 1), slice(number + 1, total)


def full_batch(optimizer: Optimizer | Transformation) -> bool:
    """Whether every step of an optimizer goes by the gradient itself."""
    return isinstance(optimizer, Optimizer) and not any(key.startswith("noise.") for key, _ in optimizer.args)


def limit(optimizer: Optimizer | Transformation, steps: np.ndarray) -> list[float] | None:
    """Return the sharpness beyond which an optimizer's full-batch descent diverges on a quadratic, at some steps.

    It is ``2 / learning_rate`` for gradient descent (Cohen et al. 2021, arXiv:2103.00065), ``2 (1 + beta) /
    learning_rate`` for heavy ball; None for optimizers without such a law.
    """
    whole = critical_rate(optimizer, 1.0)
    if whole is None or not isinstance(optimizer, Optimizer) or optimizer.learning_rate is None:
        return None
    rate = optimizer.learning_rate
    rates = np.array([float(rate.build()(step)) for step in steps]) if isinstance(rate, Schedule) else rate
    return list(whole / np.broadcast_to(rates, len(steps)))


def _curvature(ends: Ends, found: Extremes, row: int, seed: int) -> dict[str, Any]:
    """Return the curvature of one end."""
    x, slope = ends.x[row], gradient_norms(ends.loss, ends.x[row : row + 1], ends.args)
    told = curvature(ends.loss, x, ends.args, most=MOST, count=x.size <= DENSE, seed=seed)
    return {
        "start": ends.start[row],
        "loss": ends.value[row],
        "gradient": float(np.linalg.norm(list(slope.values()))),
        "lowest": min(found.lowest[row], told.lowest),
        "lowest_error": found.lowest_error[row],
        "lowest_bound": max(found.lowest_bound[row], told.lowest_bound),
        "highest": max(found.highest[row], told.highest),
        "highest_error": found.highest_error[row],
        "negative": max(int(found.negative[row]), told.index),
        "decided": told.decided,
        "word": told.word,
        "zero": told.zero,
        "large": int(outliers(found)[row]),
        "largest": found.values[row, : -LARGE - 1 : -1],
    }


def _density(ends: Ends, at: Extremes, began: Extremes, seed: int) -> dict[str, Any]:
    """Return the density of the Hessian's eigenvalues at the first end and at its start."""
    low, high = (float(f([f(at.values[0]), f(began.values[0])])) for f in (np.nanmin, np.nanmax))
    width = ((high - low) or 1.0) / WIDTHS
    places = np.arange(low - 4 * width, high + 4 * width, width / 3)
    both = [
        density(ends.loss, x[0], ends.args, at=places, width=width, probes=PROBES, seed=seed)
        for x in (ends.first, ends.x)
    ]
    told = {name: {"density": one[0], "error": one[1]} for name, one in zip(("begin", "end"), both, strict=True)}
    return {"start": int(ends.start[0]), "at": places, "width": width, "probes": PROBES, "dim": ends.x.shape[1], **told}


def _sharpness(
    looks: Looks, found: Extremes, optimizer: Optimizer | Transformation, number: int
) -> list[dict[str, Any]]:
    """Return the sharpness along each path beside its limit."""
    rows = [np.flatnonzero(looks.path == path) for path in range(number)]
    return [
        {
            "path": path,
            "step": looks.step[row],
            "highest": found.highest[row],
            "error": found.highest_error[row],
            "limit": limit(optimizer, looks.step[row]),
        }
        for path, row in enumerate(rows)
    ]


def pairs_of(ends: int, number: int) -> np.ndarray:
    """Return pairs of ends, int64 ``[number or fewer, 2]``: as many as there are without one in two, then others."""
    apart = [(k, k + 1) for k in range(0, ends - 1, 2)]
    others = [pair for pair in combinations(range(min(ends, number + 2)), 2) if pair not in set(apart)]
    return np.array((apart + others)[:number], np.int64).reshape(-1, 2)


def _barriers(ends: Ends, number: int, seed: int) -> dict[str, Any] | None:
    """Return the losses along four ways between pairs of ends, on every part of the data; None without a pair."""
    chosen = pairs_of(len(ends.x), number)
    if not len(chosen):
        return None
    a, b = (ends.x[chosen[:, side]] for side in (0, 1))
    matching = None if ends.layers is None else match(np.asarray(a), np.asarray(b), ends.layers, ends.activation)
    ways, begin, bend, end = _ways(ends, a, b, matching, seed)
    found = {}
    for name, loss, args in _measured(ends):
        way = along(loss, begin, bend, end, args, points=POINTS, batch_size=TOGETHER)
        losses = np.asarray(way.loss).reshape(len(ways), len(a), POINTS)
        told = [barriers(way.t, jnp.asarray(part)) for part in losses]
        found[name] = {
            kind: {"height": one.height, "at": one.at, "loss": part}
            for kind, one, part in zip(ways, told, losses, strict=True)
        }
    return {
        "pairs": ends.start[chosen],
        "steps": STEPS,
        "t": way.t,
        "distance": None if matching is None else {"before": matching.before, "after": matching.after},
        "losses": found,
    }


def _ways(
    ends: Ends, a: Array, b: Array, matching: Matching | None, seed: int
) -> tuple[tuple[str, ...], Array, Array, Array]:
    """Return the ways' names, and begin, bend and end of each way between each pair, ``[ways * pairs, d]``."""
    goals = [b] if matching is None else [b, jnp.asarray(matching.x)]
    begin, end = jnp.concatenate([a] * len(goals)), jnp.concatenate(goals)
    loss, args = loss_of(ends.landscape, ends.precision)
    few = (begin.astype(ends.precision), end.astype(ends.precision))
    curved = curves(loss, *few, args, steps=STEPS, seed=seed).astype(jnp.float64)
    # A Bezier curve whose bend is the middle is the straight line at constant speed.
    bend = jnp.concatenate([(begin + end) / 2, curved])
    names = WAYS if len(goals) > 1 else ("straight", "curve")
    return names, jnp.concatenate([begin, begin]), bend, jnp.concatenate([end, end])


def _measured(ends: Ends) -> list[tuple[str, Loss, dict[str, Any]]]:
    """Return the loss by name on the data trained on, and that without penalties on each part held out."""
    landscape = ends.landscape
    found = [("loss", ends.loss, ends.args)]
    if landscape.held_out:
        apart = Loss(landscape.measured["loss"], landscape.unravel, scalar=False)
        parts = parts_of(landscape, jnp.float64)[1:]
        found += [(f"{part}_loss", apart, args) for part, args in zip(landscape.held_out, parts, strict=True)]
    return found


def _slices(ends: Ends, paths: list[np.ndarray], seed: int) -> dict[str, Any]:
    """Return the loss on planes: around the first end, and where it came from."""
    x = ends.x[:1]
    if ends.layers is not None:
        axes = directions(x, ends.layers, seed=seed)[0]
    else:
        axes = array_directions(x, ends.landscape.unravel, seed=seed)[0]
    s = jnp.linspace(-1, 1, GRID)
    around = slice_of(ends.loss, Plane(x[0], axes), s, s, ends.args, batch_size=TOGETHER * POINTS)
    told: dict[str, Any] = {
        "around": {"start": ends.start[0], "by_unit": ends.layers is not None, "s": s, "t": s, "loss": around},
        "principal": None,
    }
    if paths and len(paths[0]) > 2 and paths[0].shape[1] > 1 and np.ptp(paths[0], axis=0).any():
        told["principal"] = _principal(ends, paths[0])
    return told


def _principal(ends: Ends, path: np.ndarray) -> dict[str, Any]:
    """Return the loss in the plane of a path's first two principal components."""
    found = principal(jnp.asarray(path, jnp.float64))
    low, high = found.places.min(axis=0), found.places.max(axis=0)
    room = MARGIN * np.maximum(high - low, 1e-9 * np.max(high - low))
    s, t = (jnp.linspace(low[k] - room[k], high[k] + room[k], GRID) for k in (0, 1))
    loss = slice_of(ends.loss, found.plane, s, t, ends.args, batch_size=TOGETHER * POINTS)
    return {"s": s, "t": t, "loss": loss, "share": found.share, "places": found.places}
