"""Loss against index: whether critical points with more downward directions lie higher."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from mnemo_jax.figures import words
from mnemo_jax.figures.style import INK, KIND_COLOURS, KIND_MARKERS, KIND_PLURALS, page, styled
from mnemo_jax.found import CriticalPoints
from mnemo_jax.tables import KINDS, word
from mnemo_jax.types import Kind

MANY = 100  # points from which means are drawn
BINS, ENOUGH = 16, 5  # of the loss, points of which a mean is taken
ORDER = ("minimum", "saddle", "maximum", "degenerate")


@styled
def index(found: CriticalPoints) -> Figure | None:
    """Draw the share of negative eigenvalues of each critical point in the box against its loss.

    The plot of Bray and Dean (2007) and of Dauphin et al. (2014). With many points the mean index per bin of the loss
    is drawn too, with its standard deviation. Kinks have no index. None with fewer than two points.
    """
    table = found.catalogue
    rows = np.flatnonzero(found.inside_box & (table.kind != Kind.KINK))
    if len(rows) < 2:
        return None
    loss, share = table.loss[rows], table.index[rows] / table.x.shape[1]
    many = len(rows) >= MANY
    figure = page(found, "index against loss", _note(found, loss, share, many), 6.4, 4.2)
    axes = figure.add_subplot()
    for kind in ORDER:
        of = table.kind[rows] == KINDS.index(kind)
        if of.any():
            name = word(KINDS.index(kind), table.x.shape[1])
            _marks(axes, loss[of], share[of], kind, len(rows), KIND_PLURALS[name])
    if many:
        _means(axes, loss, share)
    _frame(axes, table.x.shape[1])
    return figure


def correlation(loss: np.ndarray, share: np.ndarray) -> float:
    """Return Spearman's rank correlation; NaN for fewer than three points or where either is constant."""
    loss = loss - loss.min()
    loss = np.round(loss / (loss.max() or 1.0), 9)  # equal losses differ by rounding, which makes no rank
    if len(loss) < 3 or not np.ptp(loss) or not np.ptp(share):
        return float("nan")
    return float(spearmanr(loss, share).statistic)


def means(loss: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return mean loss, mean share and its standard deviation ``[b, 3]`` in equal bins of the loss."""
    width = np.ptp(loss) / BINS or 1.0
    bins = np.minimum((loss - loss.min()) / width + 1e-6, BINS - 1).astype(int)
    kept = [bins == k for k in range(BINS) if np.sum(bins == k) >= ENOUGH]
    return np.array([[loss[of].mean(), share[of].mean(), share[of].std()] for of in kept]).reshape(-1, 3)


def _marks(axes: Axes, loss: np.ndarray, share: np.ndarray, kind: str, total: int, name: str) -> None:
    axes.scatter(
        loss, share, s=np.clip(6000 / total, 22, 50), marker=KIND_MARKERS[kind], color=KIND_COLOURS[kind], linewidth=0,
        alpha=float(np.clip(60 / total, 0.4, 0.9)), clip_on=False, zorder=3, gid=f"points: {kind}",
        rasterized=len(loss) > 1000, label=name,
    )  # fmt: skip


def _means(axes: Axes, loss: np.ndarray, share: np.ndarray) -> None:
    """Draw means with bars of one standard deviation, cut at 0 and 1."""
    at, mean, spread = means(loss, share).T
    axes.errorbar(
        at, mean, [np.minimum(spread, mean), np.minimum(spread, 1.0 - mean)], color=INK, linewidth=0.8, elinewidth=0.8,
        capsize=2.0, marker="o", markersize=2.5, markerfacecolor="white", markeredgewidth=0.8, zorder=4,
        label="mean and standard deviation",
    )  # fmt: skip


def _frame(axes: Axes, dim: int) -> None:
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks(np.arange(dim + 1) / dim if dim <= 10 else np.linspace(0, 1, 6))
    if 2 <= dim <= 10:
        axes.set_yticks(np.arange(dim + 1) / dim, [words.number(k / dim, 3) for k in range(dim + 1)])
    axes.margins(x=0.04)
    axes.set_xlabel("loss of the critical point")
    axes.set_ylabel("index / dimension")
    axes.grid(axis="y", color=INK, alpha=0.08, linewidth=0.6)
    axes.set_axisbelow(True)
    drawn = axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, columnspacing=1.2)
    for handle in drawn.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)


def _note(found: CriticalPoints, loss: np.ndarray, share: np.ndarray, many: bool) -> str:
    rank = correlation(loss, share)
    told = f"One mark per point. {words.box(found)}"
    if np.isfinite(rank):
        told += f" Spearman correlation {words.number(rank, 3)}, {len(loss):,} points."
    if np.any(found.catalogue.nullity[found.inside_box]):
        told += " Eigenvalues that are zero do not count as negative."
    kinks = int(np.sum(found.inside_box)) - len(loss)
    if kinks:
        told += f" {words.kinds(kinks, 'kink')} without an index {'is' if kinks == 1 else 'are'} not drawn."
    return told + (f" Means over bins of the loss with at least {ENOUGH} points." if many else "")
