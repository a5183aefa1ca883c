"""An escape experiment, read from its record: its descents counted, and what came of holding them against the law."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from mnemo_jax import store
from mnemo_jax.laws import Law, law
from mnemo_jax.modes import Dynamics
from mnemo_jax.record import Record
from mnemo_jax.store import matrix


class Counts(NamedTuple):
    """The descents of an escape experiment, counted.

    Attributes:
        steps: int64 ``[n]``, how many escaped at step 0, 1, ...
        exits: int64 ``[k, 2]``, how many left along each unstable direction, to its negative and its positive side.
        stable: how many left along a stable direction.
        underflow: how many did not escape, with every unstable coordinate exactly 0.
        late: how many did not escape and would have with more steps.
        non_finite: how many met a loss or gradient that is no number.
    """

    steps: np.ndarray
    exits: np.ndarray
    stable: int
    underflow: int
    late: int
    non_finite: int


@dataclass(frozen=True)
class Escapes:
    """An escape experiment: the record of its descents, and what came of them.

    Attributes:
        record: of the run, on coordinates along the saddle's eigenvectors.
    """

    record: Record

    @cached_property
    def result(self) -> dict[str, Any]:
        """What was measured, what the law says, and whether they agree, as plain values."""
        return dict(store.read_json(self.record.path / "escape.json"))

    @cached_property
    def counts(self) -> Counts:
        """The descents, counted."""
        return counted(self.record)

    @cached_property
    def law(self) -> Law:
        """The law of the escape time."""
        return law_of(self.record.config["escape"])

    @property
    def is_noisy(self) -> bool:
        """Whether the descents have noise."""
        return Dynamics(**self.record.config["escape"]["dynamics"]).is_noisy

    def steps(self) -> np.ndarray:
        """Return the step at which each start left, int64 ``[n]``, -1 for never."""
        table = self.record.starts("outcome", "steps")
        escaped = pc.equal(table["outcome"].cast("string"), "escaped").to_numpy()
        return np.where(escaped, table["steps"].to_numpy(), -1)

    def json(self) -> dict[str, Any]:
        """Return everything ``mnemo escape --json`` prints of the experiment, as strict JSON."""
        return store.strict(
            self.result
            | {
                "fingerprint": self.record.fingerprint,
                "seconds": self.record.seconds(),
                "record": str(self.record.path),
            }
        )


def is_escape(record: Record) -> bool:
    """Whether a record is that of an escape experiment."""
    return (record.path / "escape.json").exists()


def law_of(words: Mapping[str, Any]) -> Law:
    """Return the law for an experiment that a record's config describes under ``escape``."""
    return law(Dynamics(**words["dynamics"]), rates(words), words["cloud"], words["radius"], words["steps"])


def rates(words: Mapping[str, Any]) -> np.ndarray:
    """Return the escape rates, the largest first."""
    return -np.array(words["eigenvalues"][: words["index"]])


def counted(record: Record) -> Counts:
    """Count the descents of a record, block by block."""
    words = record.config["escape"]
    index, half = words["index"], np.array(record.config["loss"]["upper"])
    steps, exits = np.zeros(words["steps"] + 1, np.int64), np.zeros((index, 2), np.int64)
    stable = underflow = late = lost = 0
    for table in record.start_blocks("outcome", "steps", "x"):
        outcome, x = table["outcome"].cast("string"), matrix(table["x"])
        escaped, broken = (pc.equal(outcome, name).to_numpy() for name in ("escaped", "non_finite"))
        out = np.abs(x[escaped]) / half
        first = np.argmax(out, axis=1)
        apart = first < index  # otherwise it left where the law has no exit
        np.add.at(exits, (first[apart], (x[escaped][np.arange(len(first)), first][apart] > 0).astype(int)), 1)
        steps += np.bincount(table["steps"].to_numpy()[escaped][apart], minlength=len(steps))
        still = x[~escaped & ~broken, :index]
        none = int(np.sum(~still.any(axis=1)))
        stable, underflow = stable + int(np.sum(~apart)), underflow + none
        late, lost = late + len(still) - none, lost + int(broken.sum())
    return Counts(steps, exits, stable, underflow, late, lost)
