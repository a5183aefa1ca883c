"""How a record begins: its folder, its config, and what it was made with."""

import platform as host
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mnemo_jax import store
from mnemo_jax.devices import Devices
from mnemo_jax.errors import UserError
from mnemo_jax.plan import Plan


def folder_of(plan: Plan, out: Path, fresh: bool) -> Path:
    """Return the record's folder: NAME-HASH, or the last or a new one of NAME-HASH-2, -3, ... after ``fresh``."""
    base = out / f"{plan.name}-{plan.digest()}"
    names = [base]
    while (following := out / f"{base.name}-{len(names) + 1}").exists():
        names.append(following)
    if fresh and base.exists():
        return following
    return names[-1]


def _begin(plan: Plan, folder: Path, devices: Devices) -> None:
    """Write config and provenance, or check that the record there can be gone on with.

    Raises:
        UserError: it was begun by another version, precision or kind of device.
    """
    now = _provenance(plan, devices)
    path = folder / "provenance.json"
    if not path.exists():
        store.write_json(folder / "config.json", plan.resolved())
        if plan.table is not None:
            store.write_json(folder / "table.json", plan.table)
        store.write_json(path, now)
        return
    then = store.read_json(path)
    if then["schema"] > store.SCHEMA:
        raise UserError(f"{folder}: has schema {then['schema']}, and this mnemo_jax reads up to {store.SCHEMA}")
    pairs = [
        (f"{name} {then['versions'].get(name)}", f"{now['versions'][name]}")
        for name in ("mnemo_jax", "jax")
        if then["versions"].get(name) != now["versions"][name]
    ]
    pairs += [
        (f"{key} {then[key]}", now[key])
        for key in ("platform", "device", "precision", "schema")
        if then[key] != now[key]
    ]
    if pairs:
        changed = ", ".join(f"{old}, now {new}" for old, new in pairs)
        raise UserError(f"{folder}: was begun with {changed}; bytes would differ, so use --fresh for a new record")


@contextmanager
def begun(plan: Plan, folder: Path, devices: Devices) -> Iterator[None]:
    """Begin a record or go on with one; a new one for which nothing can be computed is taken away.

    Raises:
        UserError: what is there was begun by another version, precision or kind of device.
    """
    new = not (folder / "provenance.json").exists()
    _begin(plan, folder, devices)
    try:
        yield
    except UserError:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _provenance(plan: Plan, devices: Devices) -> dict[str, Any]:
    device = devices.devices[0]
    return {
        "schema": store.SCHEMA,
        "versions": {name: version(name) for name in ("mnemo_jax", "jax", "jaxlib", "optax", "numpy")},
        "platform": device.platform,
        "device": device.device_kind,
        "precision": plan.precision,
        "python": host.python_version(),
        "machine": host.machine(),
        "git": _git(),
        "begun": datetime.now(UTC).isoformat(),
    }


def _git() -> str | None:
    """Return the revision of the working directory, with a plus when it has changes; None outside git."""
    import subprocess

    def ask(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=5).stdout.strip()

    try:
        return ask("rev-parse", "HEAD") + ("+" if ask("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None
