"""What a run takes beside the steps: every file measures one thing and returns the rows of one table."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple

Say = Callable[[str], None]


class Row(NamedTuple):
    """One number of the table.

    Attributes:
        measure: what was measured, in words.
        on: on which landscape and how many starts.
        value, unit: the number.
        target: what it is to be held against, empty where it is only told.
    """

    measure: str
    on: str
    value: float
    unit: str
    target: str = ""


@dataclass(frozen=True)
class Measure:
    """One file of this folder; ``measure(scale, say)`` there returns its rows."""

    name: str

    def rows(self, scale: str, say: Say) -> list[Row]:
        """Return the rows at the scale ``quick``, ``normal`` or ``full``."""
        module = import_module(f"benchmarks.rest.{self.name}")
        return list(module.measure(scale, say))


MEASURES = tuple(
    Measure(name)
    for name in ("lane_efficiency", "scaling", "end_to_end", "labelling", "start_up", "memory", "training")
)
