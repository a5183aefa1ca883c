"""The minima of several records of one landscape, or of a landscape that changes, followed from record to record."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from mnemo_jax.calculus import Args
from mnemo_jax.judge import Judge
from mnemo_jax.record import Record
from mnemo_jax.types import Kind

NEAR = 1e-5  # box lengths within which a minimum is the one expected
STAGES = 16  # equal parts of the way from one set of arguments to the next, in each of which minima are followed


@dataclass
class Branches:
    """Minima known so far, each with its place under every record it has been followed to.

    Attributes:
        x: per record ``[branches known then, d]``, where each branch is, NaN where it has ended.
        numbers: per record ``[catalogue]``, the branch each point of its catalogue belongs to, -1 for none.
    """

    x: list[np.ndarray] = field(default_factory=list)
    numbers: list[np.ndarray] = field(default_factory=list)

    def add(self, record: Record, judge: Judge, before: int | None, judge_before: Judge | None) -> None:
        """Find the branches among a record's minima, those of the record numbered ``before`` followed to it.

        Minima that are none of them begin branches of their own, in order of their labels.
        """
        metric = judge.metric
        x = np.full((len(self), judge.landscape.dim), np.nan)
        if before is not None and judge_before is not None:
            old = self.x[before]
            x[: len(old)] = followed(old, judge_before, judge)
        catalogue, numbers = record.catalogue, np.full(len(record.catalogue.x), -1)
        for row in np.flatnonzero(catalogue.kind == Kind.MINIMUM):
            gap = metric.between(x, catalogue.x[row]) if len(x) else np.empty(0)
            near = int(np.nanargmin(gap)) if np.any(np.isfinite(gap)) else -1
            if near < 0 or gap[near] > NEAR * metric.length:
                near, x = len(x), np.concatenate([x, catalogue.x[row : row + 1]])
            numbers[row], x[near] = near, catalogue.x[row]
        self.x.append(x)
        self.numbers.append(numbers)

    def __len__(self) -> int:
        return len(self.x[-1]) if self.x else 0

    def of_starts(self, number: int, record: Record) -> np.ndarray:
        """Return the branch each start of a record ended in, int32 ``[n]``, -1 for those that reached no minimum."""
        labels = labels_of(record)
        numbers = np.append(self.numbers[number], -1)
        return numbers[labels].astype(np.int32)


def labels_of(record: Record) -> np.ndarray:
    """Return the label of every start, -1 for none."""
    table = pa.concat_tables(record.start_blocks("label"))
    return table["label"].fill_null(-1).to_numpy()


def followed(x: np.ndarray, old: Judge, new: Judge) -> np.ndarray:
    """Follow minima ``x [n, d]`` of one loss to another with other arguments; NaN where one ends on the way.

    The arguments change in equal parts, and Newton's method takes each minimum along (natural continuation; Allgower
    and Georg, Introduction to Numerical Continuation Methods, 2003, section 2.2). A loss that differs in more than its
    numbers has no way between, and is gone to at once.
    """
    if _equal(old.args, new.args) and old.loss == new.loss:
        return x
    alive = np.all(np.isfinite(x), axis=1)
    for stage in range(1, STAGES + 1):
        if not alive.any():
            break
        way = stage / STAGES if _same_shapes(old, new) else 1.0
        between = new if way == 1.0 else new._replace(args=_between(old.args, new.args, way))
        points = between.points(x[alive], np.zeros(alive.sum(), bool))
        stays = ~points.left & np.isin(points.kind, (Kind.MINIMUM, Kind.DEGENERATE))
        x = x.copy()
        x[alive] = np.where(stays[:, None], points.x, np.nan)
        alive = np.all(np.isfinite(x), axis=1)
        if way == 1.0:
            break
    return x


def _equal(a: Args, b: Args) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def _same_shapes(old: Judge, new: Judge) -> bool:
    def shapes(args: Args) -> dict[str, Any]:
        return {key: (np.shape(value), np.asarray(value).dtype.kind) for key, value in args.items()}

    return old.loss == new.loss and shapes(old.args) == shapes(new.args)


def _between(old: Args, new: Args, way: float) -> Args:
    return {k: old[k] + way * (new[k] - old[k]) if np.asarray(new[k]).dtype.kind == "f" else new[k] for k in new}
