"""What lies between and around a run's networks: barriers of pairs of ends, and slices."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.calculus import TOGETHER, Loss, loss_of, parts_of
from mnemo_jax.networks.barriers import along, barriers
from mnemo_jax.networks.curves import curves
from mnemo_jax.networks.matching import Matching, match
from mnemo_jax.networks.slices import Plane, array_directions, directions, principal, slice_of
from mnemo_jax.trained import Ends

STEPS = 500  # of the optimisation of a curve
POINTS = 51  # on each way between two networks
GRID = 41  # places along each axis of a slice
MARGIN = 0.25  # of a path's extent around it
WAYS = ("straight", "matched", "curve", "matched_curve")


def pairs_of(ends: int, number: int) -> np.ndarray:
    """Return pairs of ends, int64 ``[number or fewer, 2]``: as many as there are without one in two, then others."""
    apart = [(k, k + 1) for k in range(0, ends - 1, 2)]
    others = [pair for pair in combinations(range(min(ends, number + 2)), 2) if pair not in set(apart)]
    return np.array((apart + others)[:number], np.int64).reshape(-1, 2)


def barriers_of(ends: Ends, number: int, seed: int) -> dict[str, Any] | None:
    """Return the losses along four ways between pairs of ends, on every part of the data; None without a pair."""
    chosen = pairs_of(len(ends.x), number)
    if not len(chosen):
        return None
    a, b = (ends.x[chosen[:, side]] for side in (0, 1))
    matching = None if ends.layers is None else match(np.asarray(a), np.asarray(b), ends.layers, ends.activation)
    ways, begin, bend, end = _ways(ends, a, b, matching, seed)
    found = {}
    for name, loss, args in _measured(ends):
        way = along(loss, begin, bend, end, args, points=POINTS, batch_size=1)
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


def slices_of(ends: Ends, paths: Mapping[int, np.ndarray], seed: int) -> dict[str, Any]:
    """Return the loss on planes: around the first end, and where it came from."""
    x = ends.x[:1]
    if ends.layers is not None:
        axes = directions(x, ends.layers, seed=seed)[0]
    else:
        axes = array_directions(x, ends.landscape.unravel, seed=seed)[0]
    s = jnp.linspace(-1, 1, GRID)
    around = slice_of(ends.loss, Plane(x[0], axes), s, s, ends.args, batch_size=TOGETHER)
    told: dict[str, Any] = {
        "around": {"start": ends.start[0], "by_unit": ends.layers is not None, "s": s, "t": s, "loss": around},
        "principal": None,
    }
    for start, path in list(paths.items())[:1]:
        if len(path) > 2 and path.shape[1] > 1 and np.ptp(path, axis=0).any():
            told["principal"] = {"start": start, **_principal(ends, path)}
    return told


def _principal(ends: Ends, path: np.ndarray) -> dict[str, Any]:
    """Return the loss in the plane of a path's first two principal components."""
    found = principal(jnp.asarray(path, jnp.float64))
    low, high = found.places.min(axis=0), found.places.max(axis=0)
    room = MARGIN * np.maximum(high - low, 1e-9 * np.max(high - low))
    s, t = (jnp.linspace(low[k] - room[k], high[k] + room[k], GRID) for k in (0, 1))
    loss = slice_of(ends.loss, found.plane, s, t, ends.args, batch_size=TOGETHER)
    return {"s": s, "t": t, "loss": loss, "share": found.share, "places": found.places}
