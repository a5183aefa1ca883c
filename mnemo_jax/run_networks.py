"""What there is to say of a run's trained networks: gradients, units, curvature, distinct ends, what lies between."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax import Array

from mnemo_jax import lanczos, store
from mnemo_jax.anew import plan_of
from mnemo_jax.devices import Devices
from mnemo_jax.record import Record
from mnemo_jax.trained import distinct_of, ends_of, gradients_of, layers_told, network_of, numbers
from mnemo_jax.trained_between import barriers_of, slices_of
from mnemo_jax.trained_curvature import curvature_of, sharpness_of

FILE = "networks.json"
PATHS = 3  # of the kept ones, at most so many are looked at


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
        UserError: the run's loss is no network's or was made in Python, it kept no end points, or matfree is missing.
    """
    if points:
        lanczos.check_installed()
    with jax.enable_x64(True), Devices(1) as devices:
        plan = plan_of(record, devices, "apply the functions of mnemo_jax.networks to its ends yourself")
        ends, paths = ends_of(record, plan, starts), _paths(record)
        told: dict[str, Any] = {
            "record": str(record.path),
            "starts": min(starts, record.summary["starts"]),
            "ends": len(ends.x),
            "loss": numbers(ends.value),
            "network": network_of(ends),
        }
        report("gradients and units")
        told |= {"gradients": gradients_of(ends), "layers": layers_told(ends)}
        report("distinct ends")
        told["distinct"] = distinct_of(ends)
        report("curvature")
        told["curvature"], told["density"] = curvature_of(ends, plan, points)
        report("sharpness along training")
        told["sharpness"] = sharpness_of(ends, plan, paths)
        report("barriers")
        told["barriers"] = barriers_of(ends, pairs, plan.seed)
        report("slices")
        told["slices"] = slices_of(ends, paths, plan.seed)
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


def _paths(record: Record) -> dict[int, np.ndarray]:
    """Return those of the first kept paths that are finite throughout, by the numbers of their starts."""
    return {start: path for start, path in enumerate(record.paths()[:PATHS]) if np.isfinite(path).all()}
