"""Random fields in the plane, closed on both axes: what searches find on them, and what the neighbours say of that."""

from pathlib import Path
from typing import Any

import numpy as np

import mnemo_jax as mnemo
from mnemo_jax import losses

FIELD = {"dim": 2, "order": 2, "terms": 8}
AROUND = 256  # neighbours looked at
SEEKING = mnemo.Seeking(count=256, along=0, heights=0, rounds=1)


def landscape(number: int, seed: int) -> mnemo.Landscape:
    """Return the field of a number; a seed has a thousand."""
    return losses.build("random_trigonometric", FIELD | {"seed": seed * 1000 + number})


def search(number: int, seed: int, out: Path) -> mnemo.CriticalPoints:
    """Return the critical points of a field."""
    made = landscape(number, seed)
    return mnemo.find_critical_points(made, seeking=SEEKING, seed=seed, name=f"field-{number}", out=out)


def rises(number: int, seed: int, x: np.ndarray, eigenvalues: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how much the field rises from critical points ``x [n, 2]`` to their neighbours, and how far these are.

    The bound of its third derivatives gives a distance at which they cannot outweigh the curvature.
    """
    args: Any = landscape(number, seed).args
    third = np.sum(np.abs(args["amplitudes"]) * np.linalg.norm(args["frequencies"], axis=1) ** 3)
    away = np.min(np.abs(eigenvalues), axis=1) / third
    angle = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    near = x[:, None] + away[:, None, None] * ring
    return (_field(near, **args) - _field(x, **args)[:, None]).astype(float), away


def _field(x: np.ndarray, frequencies: np.ndarray, amplitudes: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Return the field at points ``[..., 2]`` in the widest precision there is."""
    return np.cos(x.astype(np.longdouble) @ frequencies.T + phases) @ amplitudes
