"""What this machine offers and what a run on it would use."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

from mnemo_jax.plan import default_tile

PACKAGES = ("mnemo_jax", "jax", "jaxlib", "optax", "numpy", "scipy", "pyarrow", "duckdb", "matplotlib")


def examine(devices: int | None) -> dict[str, Any]:
    """Return versions, devices, precision and default tiles as words by name."""
    found = jax.local_devices()
    used = found[: devices or len(found)]
    kind = used[0]
    with jax.enable_x64(True):
        works = jax.numpy.ones(2, "float64").sum().dtype
    memory = (kind.memory_stats() or {}).get("bytes_limit") if hasattr(kind, "memory_stats") else None
    told: dict[str, Any] = {"python": platform.python_version(), "machine": platform.platform()}
    for name in PACKAGES:
        try:
            told[name] = version(name)
        except PackageNotFoundError:
            told[name] = "not installed"
    told |= {
        "platform": kind.platform,
        "device": kind.device_kind,
        "devices": f"{len(used)} of {len(found)}",
        "device memory": f"{memory / 2**30:.1f} GiB" if memory else "the machine's",
        "double precision": f"{works} works; descents run in float64 unless the config says float32",
        "compiled programs": jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
        or "not kept",
    }
    for dim in (1, 2, 10, 100):
        tile = default_tile(dim, kind.platform)
        told[f"tile, {dim}-dimensional"] = f"{tile.lanes} lanes x {tile.steps} steps, {tile.layout}"
    return told
