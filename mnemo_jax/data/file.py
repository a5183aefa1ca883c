"""A data set of the user's own, from a file of numpy's."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mnemo_jax.data.checks import checked
from mnemo_jax.data.items import Items, Pool
from mnemo_jax.errors import UserError, did_you_mean

PARTS = ("", "validation_", "test_")
NAMES = tuple(f"{part}{array}" for part in PARTS for array in ("inputs", "targets"))


@checked
def file(path: str) -> Pool:
    """Return the items of an ``.npz`` file, as ``numpy.savez(path, inputs=..., targets=...)`` writes it.

    ``inputs`` has one row per item; items of more than one axis are flattened, and those ``[n, height, width]`` are
    images. Whole-numbered ``targets [n]`` are classes 0, 1, ...; others are numbers, ``[n]`` or ``[n, k]``. The file
    may hold out items of its own as ``validation_inputs``, ``validation_targets``, ``test_inputs``, ``test_targets``.

    Raises:
        UserError: there is no such file, or its arrays are missing, misnamed or do not fit together.
    """
    arrays = _read(Path(path))
    if unknown := sorted(arrays.keys() - set(NAMES)):
        raise UserError(f"{path}: no use is known for the array {unknown[0]!r}{did_you_mean(unknown[0], NAMES)}")
    parts = [_part(path, arrays, part) for part in PARTS]
    train, classes = parts[0], None
    if train is None:
        raise UserError(f"{path}: there are no arrays inputs and targets")
    for part, items in zip(PARTS[1:], parts[1:], strict=True):
        if items is not None:
            _alike(path, part, train, items)
    if train.targets.ndim == 1:
        classes = 1 + max(int(items.targets.max()) for items in parts if items is not None)
    shape = arrays["inputs"].shape[1:]
    image = (int(shape[0]), int(shape[1])) if len(shape) == 2 else None
    return Pool(train, classes, image, validation=parts[1], test=parts[2])


def _read(path: Path) -> dict[str, Any]:
    try:
        opened = np.load(path, allow_pickle=False)
        if isinstance(opened, np.ndarray):
            raise UserError(f"{path}: is one array; write inputs and targets with numpy.savez")
        with opened:
            return dict(opened)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(f"{path}: is no .npz file of plain arrays; write it with numpy.savez") from error


def _part(path: str, arrays: dict[str, Any], part: str) -> Items | None:
    """Return the items of one part, None where the file has none."""
    names = [name for name in (f"{part}inputs", f"{part}targets") if name in arrays]
    if not names:
        return None
    if len(names) == 1:
        raise UserError(f"{path}: has {names[0]} alone; give {part}inputs and {part}targets")
    inputs, targets = (arrays[name] for name in names)
    for name, array in zip(names, (inputs, targets), strict=True):
        if not array.ndim or array.dtype.kind not in "biuf" or not array.size or not np.isfinite(array).all():
            raise UserError(
                f"{path}: {name} of type {array.dtype} and shape {array.shape} is no array of finite numbers"
            )
    if len(inputs) != len(targets):
        raise UserError(f"{path}: {names[0]} has {len(inputs)} items and {names[1]} {len(targets)}; they must agree")
    return Items(inputs.reshape(len(inputs), -1).astype(np.float64), _targets(path, names[1], targets))


def _targets(path: str, name: str, targets: np.ndarray) -> np.ndarray:
    if targets.ndim == 1 and targets.dtype.kind in "biu":
        if targets.min() < 0:
            raise UserError(f"{path}: {name} has the class {targets.min()}; classes are numbered from 0")
        return targets.astype(np.int64)
    if targets.ndim > 2:
        raise UserError(f"{path}: {name} of shape {targets.shape} is neither [items] nor [items, outputs]")
    return targets.reshape(len(targets), -1).astype(np.float64)


def _alike(path: str, part: str, train: Items, items: Items) -> None:
    """Refuse a part whose items are not like those of training."""
    for name, one, other in zip(("inputs", "targets"), train, items, strict=True):
        if one.shape[1:] != other.shape[1:] or one.dtype != other.dtype:
            own, others = (f"{array.shape[1:]} of {array.dtype}" for array in (one, other))
            raise UserError(f"{path}: an item of {name} is {own} and one of {part}{name} {others}; they must agree")
