"""The machine and the versions that numbers were measured with."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("mnemo_jax", "jax", "jaxlib", "optax", "numpy", "scipy", "numba", "optimistix", "jaxopt", "torch")


def describe() -> dict[str, Any]:
    """Return processor, cores, device, versions and the time."""
    device = jax.local_devices()[0]
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "devices": f"{jax.local_device_count()} x {device.platform} ({device.device_kind})",
        "system": platform.platform(),
        "python": platform.python_version(),
        "compiler": compiler(),
        "versions": {name: found for name in PACKAGES if (found := installed(name))},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def sentence(told: dict[str, Any]) -> str:
    """Return the machine in one line."""
    versions = ", ".join(f"{name} {found}" for name, found in told["versions"].items())
    whole = f"{told['processor']}, {told['cores']} cores, {told['devices']}"
    return f"{whole}; python {told['python']}, {told['compiler'] or 'no C compiler'}; {versions}"


def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def compiler() -> str | None:
    """Return the first line of what gcc says of its version."""
    command = [os.environ.get("CC", "gcc"), "--version"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.SubprocessError):
        return None


def installed(name: str) -> str | None:
    """Return a package's version, None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
