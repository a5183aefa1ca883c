"""A run's networks, where they began and ended, with what is told of their gradients, layers and distinct ends."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax import store
from mnemo_jax.calculus import Loss, loss_of, values
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.layers import ACTIVATIONS, Activation, Layers
from mnemo_jax.losses.linear_network import LinearNetwork
from mnemo_jax.networks.arrays import joined
from mnemo_jax.networks.distinct import distinct
from mnemo_jax.networks.gradients import gradient_norms
from mnemo_jax.networks.symmetry import copies, group, normal, scales
from mnemo_jax.networks.units import dead_units, distinct_units, effective_ranks
from mnemo_jax.plan import Plan
from mnemo_jax.record import Record
from mnemo_jax.starts import drawer
from mnemo_jax.types import Outcome

AGREE = 1e-4  # of a loss, up to which it is what it was in the run
SAME = 1e-3  # of the median norm of the networks, a distance up to which two are one
LISTED = 20  # distinct ends listed, those of lowest loss


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


def ends_of(record: Record, plan: Plan, number: int) -> Ends:
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
    activation: Any = (
        "linear" if isinstance(landscape.loss, LinearNetwork) else getattr(landscape.loss, "activation", None)
    )
    if isinstance(landscape.layers, Layers) and activation in ACTIVATIONS:
        return landscape.layers, activation
    return None, "linear"


def network_of(ends: Ends) -> dict[str, Any] | None:
    """Return widths and activation, None where they are not known."""
    if ends.layers is None:
        return None
    return {"widths": list(ends.layers.widths), "bias": ends.layers.bias, "activation": ends.activation}


def numbers(values: np.ndarray) -> dict[str, float]:
    """Return the median with the quantiles at 5 and 95 % and the range."""
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    least, most = np.min(values), np.max(values)
    return {"median": float(middle), "low": float(low), "high": float(high), "least": float(least), "most": float(most)}


def gradients_of(ends: Ends) -> list[dict[str, Any]]:
    """Return the gradient's norm by each array, at the starts and the ends."""
    begin, end = (gradient_norms(ends.loss, x, ends.args, ends.landscape.arrays) for x in (ends.first, ends.x))
    return [
        {"array": name, "zero": int(np.sum(begin[name] == 0)), "start": numbers(begin[name]), "end": numbers(norm)}
        for name, norm in end.items()
    ]


def layers_told(ends: Ends) -> list[dict[str, Any]] | None:
    """Return units and effective ranks layer by layer, None where layers are not known."""
    layers = ends.layers
    if layers is None:
        return None
    ranks = effective_ranks(ends.x, layers)
    own: list[Any] = [None] * (len(layers.widths) - 1)
    number, dead = list(own), list(own)
    hidden = len(layers.widths) - 2
    if hidden:
        number[:hidden] = [numbers(row) for row in np.asarray(distinct_units(ends.x, layers, ends.activation)).T]
    if hidden and ends.activation in ("relu", "maximum") and "inputs" in ends.args:
        dead[:hidden] = [
            numbers(row) for row in np.asarray(dead_units(ends.x, layers, ends.activation, ends.args["inputs"])).T
        ]
    return [
        {
            "layer": layer + 1,
            "units": layers.widths[layer + 1],
            "distinct": number[layer],
            "dead": dead[layer],
            "entropy_rank": numbers(np.asarray(ranks.entropy)[:, layer]),
            "stable_rank": numbers(np.asarray(ranks.stable)[:, layer]),
        }
        for layer in range(hidden + 1)
    ]


def distinct_of(ends: Ends) -> dict[str, Any] | None:
    """Return the distinct ends up to symmetry, None where symmetries are not known, or mix units freely."""
    layers = ends.layers
    if layers is None or ends.activation == "linear":
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
        "signs": group(layers, ends.activation).signs,
        "minima": [{"loss": loss, "ends": int(number), "start": int(start)} for loss, number, start in rows],
    }
