"""What an experiment returns for one regime of a claim: every run it made, and pictures of the mechanism."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from mnemo_jax.errors import UserError

MOST = 5000  # points of one series of an illustration


@dataclass(frozen=True, kw_only=True)
class Series:
    """One curve, set of marks or row of bars: ``x`` and ``y`` of shape ``[n]``, and an interval ``low`` to ``high``."""

    name: str
    x: Sequence[Any] | np.ndarray
    y: Sequence[float] | np.ndarray
    low: Sequence[float] | np.ndarray | None = None
    high: Sequence[float] | np.ndarray | None = None
    kind: Literal["line", "steps", "marks", "bars", "law"] = "line"


def thin(series: Series, most: int) -> Series:
    """Return a series of at most ``most`` points, evenly taken."""
    step = max(1, -(-len(series.x) // most))
    columns: dict[str, Any] = {
        name: None if (column := getattr(series, name)) is None else np.asarray(column)[::step]
        for name in ("x", "y", "low", "high")
    }
    return replace(series, **columns)


@dataclass(frozen=True, kw_only=True)
class Heat:
    """A map: ``z`` of shape ``[len(y), len(x)]``, as numbers, or as places in ``words``."""

    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    z: Sequence[Sequence[float]] | np.ndarray
    name: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Illustration:
    """A figure of the mechanism behind a claim, as numbers; the report draws it.

    Attributes:
        title: what it shows, in a few words.
        caption: how to read it, in a sentence or two.
        x, y: names of the axes, with units.
        log: axes that are logarithmic, of "x" and "y".
        series: curves, marks and bars; "law" is a dashed line, for what theory says.
        heat: a map underneath.
    """

    title: str
    caption: str
    x: str
    y: str
    log: str = ""
    series: tuple[Series, ...] = ()
    heat: Heat | None = None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The runs of one regime, a row each, failures too.

    Attributes:
        value: ``[n]``, what each run gave: bool for shares and exact statements, else a number; times are positive.
        other: ``[n]``, what the same run gave in the control arm, or the second variable of a correlation.
        cluster: int ``[n]``, the data set or field of each run where the claim's unit is no start.
        ended, other_ended: bool ``[n]``, False where a time is censored: the event had not happened by then.
        valid: bool ``[n]``, False where a run gave no answer (it diverged, or did not converge in time).
        case: names of the cases ``[n]``, for statements.
        note: one sentence, such as the counterexample that was met.
        illustrations: figures of the mechanism.
    """

    value: Sequence[Any] | np.ndarray
    other: Sequence[Any] | np.ndarray | None = None
    cluster: Sequence[int] | np.ndarray | None = None
    ended: Sequence[bool] | np.ndarray | None = None
    other_ended: Sequence[bool] | np.ndarray | None = None
    valid: Sequence[bool] | np.ndarray | None = None
    case: Sequence[str] | None = None
    note: str = ""
    illustrations: tuple[Illustration, ...] = field(default=())

    def rows(self) -> "Rows":
        """Return the runs as arrays.

        Raises:
            UserError: there are none, or two columns differ in length.
        """
        number = len(self.value)
        for name in ("other", "cluster", "ended", "other_ended", "valid", "case"):
            column = getattr(self, name)
            if column is not None and len(column) != number:
                raise UserError(f"an experiment returned {number} values but {len(column)} of {name}")
        if not number:
            raise UserError("an experiment returned no runs")
        yes = np.ones(number, bool)
        value = np.asarray(self.value)
        other = None if self.other is None else np.asarray(self.other, np.float64)
        valid = yes if self.valid is None else np.asarray(self.valid, bool)
        finite = np.isfinite(value.astype(np.float64)) & (yes if other is None else np.isfinite(other))
        return Rows(
            value=value.astype(np.float64),
            other=other,
            cluster=None if self.cluster is None else np.asarray(self.cluster, np.int64),
            ended=yes if self.ended is None else np.asarray(self.ended, bool),
            other_ended=yes if self.other_ended is None else np.asarray(self.other_ended, bool),
            valid=valid & finite,
            case=None if self.case is None else tuple(map(str, self.case)),
        )


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The columns of a measurement as arrays ``[n]``, see `Measurement`; runs that are not finite are not valid."""

    value: np.ndarray
    other: np.ndarray | None
    cluster: np.ndarray | None
    ended: np.ndarray
    other_ended: np.ndarray
    valid: np.ndarray
    case: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.value)
