"""mnemo_jax: give it a loss, get back the map of its landscape.

`survey` follows many starts to where they end and returns the `Record` of what they found; `load` opens a record made
before, by `survey` or by the command ``mnemo run``. Names are loaded when first used, so that the command answers at
once where it does not need jax.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnemo_jax.api import escape_times, find_critical_points, survey
    from mnemo_jax.calculus import from_pytree
    from mnemo_jax.claims.measurement import Heat, Illustration, Measurement, Series
    from mnemo_jax.dwells import analyse_stalls
    from mnemo_jax.errors import MnemoError, UserError
    from mnemo_jax.escapes import Escapes
    from mnemo_jax.found import CriticalPoints
    from mnemo_jax.initializers import Layered
    from mnemo_jax.landscape import KnownPoint, Landscape, Symmetry
    from mnemo_jax.optimizers import Optimizer, Schedule
    from mnemo_jax.plan import Recording
    from mnemo_jax.record import Record, load
    from mnemo_jax.spectrum import Curvature, curvature, density
    from mnemo_jax.starts import Grid, Normal, Points, Sobol, Uniform
    from mnemo_jax.stopping import Seeking, Stop, Until
    from mnemo_jax.types import Kind, Outcome, Tile

_HOMES = {
    "escape_times": "api",
    "find_critical_points": "api",
    "survey": "api",
    "from_pytree": "calculus",
    "Heat": "claims.measurement",
    "Illustration": "claims.measurement",
    "Measurement": "claims.measurement",
    "Series": "claims.measurement",
    "analyse_stalls": "dwells",
    "MnemoError": "errors",
    "UserError": "errors",
    "Escapes": "escapes",
    "CriticalPoints": "found",
    "KnownPoint": "landscape",
    "Landscape": "landscape",
    "Symmetry": "landscape",
    "Optimizer": "optimizers",
    "Schedule": "optimizers",
    "Recording": "plan",
    "Record": "record",
    "load": "record",
    "Curvature": "spectrum",
    "curvature": "spectrum",
    "density": "spectrum",
    "Layered": "initializers",
    "Grid": "starts",
    "Normal": "starts",
    "Points": "starts",
    "Sobol": "starts",
    "Uniform": "starts",
    "Seeking": "stopping",
    "Stop": "stopping",
    "Until": "stopping",
    "Kind": "types",
    "Outcome": "types",
    "Tile": "types",
}

__all__ = [
    "CriticalPoints",
    "Curvature",
    "Escapes",
    "Grid",
    "Heat",
    "Illustration",
    "Kind",
    "KnownPoint",
    "Landscape",
    "Layered",
    "Measurement",
    "MnemoError",
    "Normal",
    "Optimizer",
    "Outcome",
    "Points",
    "Record",
    "Recording",
    "Schedule",
    "Seeking",
    "Series",
    "Sobol",
    "Stop",
    "Symmetry",
    "Tile",
    "Uniform",
    "Until",
    "UserError",
    "analyse_stalls",
    "curvature",
    "density",
    "escape_times",
    "find_critical_points",
    "from_pytree",
    "load",
    "survey",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mnemo_jax' has no attribute {name!r}")
    return getattr(import_module(f"mnemo_jax.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
