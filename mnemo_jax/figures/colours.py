"""Colours of basins and of heights: a colour for each of few basins, and the loss as elevation."""

import numpy as np
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, to_rgb

from mnemo_jax.record import Record

NO_LABEL = "#cfcfcf"
LEVELS = 24
LOW = 1.7  # above 1: more levels near the minima than equal areas would give them
ELEVATION = LinearSegmentedColormap.from_list(
    "elevation", ["#27476b", "#4a76a0", "#83a9c4", "#b9d0dc", "#e0e9e8", "#f6f4ec"]
)
# Okabe and Ito (2008) with an olive for their black, as they are, lightened, and darkened.
HUES = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#B8AB2E")
_SHADES = ((0.0, 1.0), (0.55, 1.0), (0.42, 0.0))  # how much white (1) or black (0) is mixed in
BASINS = len(HUES) * len(_SHADES)  # that are told apart by colour


def palette(record: Record, paler: float = 0.0) -> np.ndarray:
    """Return RGB ``[n + 2, 3]`` for the labels of a record; row -1 is for no label, row -2 for no start.

    Up to `BASINS` basins have a colour each, mixed with white by ``paler``; more have the colour of their loss.
    """
    reached = np.flatnonzero(record.shares.count > 0)
    table = np.ones((len(record.catalogue.x) + 2, 3))
    if len(reached) > BASINS:
        loss = record.catalogue.loss[reached]
        table[reached] = ELEVATION(heights(loss)(loss))[:, :3]
    else:
        table[reached] = paler + (1.0 - paler) * _distinct()[: len(reached)]
    table[-1] = to_rgb(NO_LABEL)
    return table


def heights(loss: np.ndarray) -> BoundaryNorm:
    """Return the steps of height in which `ELEVATION` colours losses, open above."""
    return BoundaryNorm(levels(loss), ELEVATION.N, extend="max")


def levels(loss: np.ndarray, number: int = LEVELS) -> np.ndarray:
    """Return up to ``number`` rising round levels near quantiles of the loss, closer together for low ones."""
    values = loss[np.isfinite(loss)]
    places = 0.995 * np.linspace(0.0, 1.0, number) ** LOW
    rising = np.unique(np.quantile(values, places)) if len(values) else np.zeros(1)
    if len(rising) < 3:
        return rising[0] + np.array([-1.0, 0.0, 1.0]) * max(abs(rising[0]), 1.0)
    middle = (rising[1:] + rising[:-1]) / 2
    lower = np.concatenate([2 * rising[:1] - rising[1:2], middle])
    upper = np.concatenate([rising[:1], middle[1:], rising[-1:]])  # the first lies below all values
    return np.unique([roundest(low, high) for low, high in zip(lower, upper, strict=True)])


def roundest(low: float, high: float) -> float:
    """Return a number from ``low`` to ``high``, ``low < high``, with as few digits as any there."""
    power = 10.0 ** np.ceil(np.log10(high - low))
    multiples = (step * np.ceil(low / step) for step in power * np.array([1.0, 0.5, 0.2, 0.1, 0.05]))
    return float(next((value for value in multiples if value <= high), low))


def _distinct() -> np.ndarray:
    hues = np.array([to_rgb(hue) for hue in HUES])
    return np.concatenate([(1.0 - amount) * hues + amount * other for amount, other in _SHADES])
