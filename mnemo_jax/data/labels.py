"""Wrong labels and noisy targets."""

import numpy as np


def noisy(labels: np.ndarray, share: float, classes: int, draw: np.random.Generator) -> np.ndarray:
    """Return labels ``[n]`` of which ``round(share n)``, drawn at random, are another class, uniformly random."""
    changed = draw.permutation(len(labels))[: round(share * len(labels))]
    made = labels.copy()
    made[changed] = (labels[changed] + draw.integers(1, classes, len(changed))) % classes
    return made


def uniform(labels: np.ndarray, classes: int, draw: np.random.Generator) -> np.ndarray:
    """Return as many labels, uniformly random."""
    return draw.integers(0, classes, len(labels), dtype=labels.dtype)


def jittered(targets: np.ndarray, spread: float, draw: np.random.Generator) -> np.ndarray:
    """Return targets ``[n, k]`` with normal noise of standard deviation ``spread``."""
    return targets + spread * draw.normal(size=targets.shape)
