"""Where the starts of a record were, made again from its config, which labels they reached, and what is shown."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter
from scipy.spatial import cKDTree

from mnemo_jax import store
from mnemo_jax.figures.style import Results
from mnemo_jax.landscape import Landscape
from mnemo_jax.record import Record
from mnemo_jax.starts import Starts, drawer

LIMIT = 200_000  # starts drawn as places; further ones would change no pixel
ROWS = 2_000_000  # starts read for distributions
PIXELS = 1000  # per axis of a grid's map


def box(record: Results) -> np.ndarray:
    """Return the landscape's box ``[2, d]``, lower and upper."""
    return np.array([record.config["loss"]["lower"], record.config["loss"]["upper"]], float)


def periods(record: Results) -> np.ndarray:
    """Return the period of each axis ``[d]``, 0 where it does not close."""
    low, high = box(record)
    return np.where(record.config["loss"]["periodic"], high - low, 0.0)


def window(record: Results) -> np.ndarray:
    """Return what to show of the plane or line, the extent of the loss's picture, ``[2, d]``, lower and upper."""
    kept = picture(record)
    return np.array([kept[f"axis{k}"][[0, -1]] for k in range(record.config["loss"]["dim"])]).T


def picture(record: Results) -> dict[str, np.ndarray]:
    """Return the loss on a grid: ``axis0``, in two dimensions ``axis1``, and ``loss``."""
    return store.read_npz(record.path / "picture.npz")


def labels_of(table: pa.Table) -> np.ndarray:
    """Return the column ``label`` as integers, -1 for none."""
    return np.asarray(table["label"].fill_null(-1).to_numpy())


def places(record: Record, limit: int = LIMIT) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the first starts ``[n, d]`` and their labels ``[n]``; None where they cannot be made again."""
    words = dict(record.config["starts"])
    if "sha256" in words and not _unchanged(Path(words["path"]), words.pop("sha256")):
        return None
    low, high = box(record)
    landscape = Landscape(loss=_unused, dim=len(low), lower=tuple(low), upper=tuple(high))
    label = labels_of(record.starts("label", first=limit))
    starts: Any = TypeAdapter(Starts).validate_json(json.dumps(words))
    with jax.enable_x64(True):
        draw = drawer(starts, landscape, record.config["seed"])
        return np.asarray(draw(0, len(label))), label


def _unchanged(path: Path, digest: str) -> bool:
    """Whether the file that the starts were read from is still there as it was."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _unused(x: Any) -> Any:
    """Stand for the loss, which starts do not need."""
    return x


def grid(record: Record) -> np.ndarray | None:
    """Return the labels of starts on a grid in its shape, thinned to at most `PIXELS` an axis; None otherwise."""
    if record.config["starts"]["kind"] != "grid":
        return None
    shape = np.array(record.config["starts"]["shape"])
    stride = -(-shape // PIXELS)
    image = np.full(-(-shape // stride), -1)
    for table in record.start_blocks("start", "label"):
        place = np.unravel_index(table["start"].to_numpy(), tuple(shape))
        kept = np.all([p % s == s // 2 for p, s in zip(place, stride, strict=True)], axis=0)
        image[tuple(p[kept] // s for p, s in zip(place, stride, strict=True))] = labels_of(table)[kept]
    return image


def spread(record: Record, x: np.ndarray) -> np.ndarray:
    """Return the box ``[2, d]`` in which the starts ``x`` lie: the landscape's, unless they have one of their own."""
    own = record.config["starts"]
    if own["kind"] in ("grid", "sobol") or (own["kind"] == "uniform" and own["lower"] is own["upper"] is None):
        return box(record)
    around = np.stack([x.min(axis=0), x.max(axis=0)])
    return around if np.all(around[1] > around[0]) else box(record)


def nearest(pixels: np.ndarray, x: np.ndarray, values: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Return the value at the start ``x [n, d]`` nearest to each pixel ``[m, d]``, -2 where none is near.

    Near is within the distance that one pixel in 10^9 exceeds when as many starts are uniform over the pixels.
    """
    low, span = pixels.min(axis=0), np.ptp(pixels, axis=0)
    closed = period / span  # pixels lie in a unit box, so that axes count alike
    places, pixels = (_wrapped((points - low) / span, closed) for points in (x, pixels))
    tree = cKDTree(places, boxsize=closed if closed.any() else None)
    distance, row = tree.query(pixels)
    dim = x.shape[1]
    reach = (np.log(1e9) / len(x) / (2.0, np.pi)[dim - 1]) ** (1 / dim)
    return np.where(distance <= reach, values[row], -2)


def _wrapped(x: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Return points with closed axes from 0 to below their period."""
    inside = np.mod(x, np.where(period > 0, period, 1.0))
    inside = np.where(inside < period, inside, 0.0)  # rounding can land exactly on the period
    return np.where(period > 0, inside, x)
