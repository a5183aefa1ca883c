"""Estimates with intervals, one function per estimand, at any level of confidence.

The unit of inference is the start, or the cluster of starts that share a data set. Shares of single starts have
Wilson's interval, those of clusters Clopper and Pearson's for the starts that these are worth (Korn and Graubard 1998,
Survey Methodology 24, 193). Otherwise the standard error of clusters comes from resampling them whole: the starts are
in them, and drawing these again would count their variance twice (Davison and Hinkley 1997, section 3.8). Its quantile
is Student's with one degree of freedom less than there are clusters, on a scale where the estimate is nearly normal,
because percentiles of resamples cannot tell 1 - 0.05/37 apart with tens of clusters (Hesterberg 2015, section 4).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from mnemo_jax import estimates
from mnemo_jax.claims.measurement import Rows
from mnemo_jax.errors import UserError

RESAMPLES, FEWER = 2000, 200  # of the bootstrap, and where all of them would draw more runs than MOST
MOST = 20_000_000
Groups = np.ndarray | list[np.ndarray]
Statistic = Callable[[Rows, np.ndarray], float]


class Estimate(NamedTuple):
    """An estimate with its intervals; None where there is none.

    Attributes:
        value: the estimate.
        interval: at the claim's level.
        narrow: at the level of two one-sided tests, twice as far from 1, for equivalence (Schuirmann 1987).
        bounds: the estimate were all runs that are not valid counted against and for it.
        note: what a reader must know of how it was made.
    """

    value: float | None
    interval: tuple[float, float] | None
    narrow: tuple[float, float] | None
    bounds: tuple[float, float] | None = None
    note: str = ""


def estimate(estimand: str, rows: Rows, level: float) -> Estimate:
    """Return the estimate of an estimand of `ESTIMANDS` from the runs of a regime, with intervals at ``level``.

    Raises:
        UserError: the runs lack a column that the estimand needs.
    """
    if estimand in PAIRED and rows.other is None:
        raise UserError(f"estimand {estimand!r}: the experiment returned no `other`, which it needs")
    if not rows.valid.any():
        return Estimate(None, None, None, note="no run is valid")
    return ESTIMANDS[estimand](rows, level)


def _all(rows: Rows, _: float) -> Estimate:
    held = (rows.value != 0) & rows.valid
    false = [rows.case[i] for i in np.flatnonzero(~held)[:3]] if rows.case else []
    return Estimate(float(held.mean()), None, None, note=f"false for {', '.join(false)}" if false else "")


def _share(rows: Rows, level: float) -> Estimate:
    """Return a share of all runs: one that is not valid has not shown it."""
    hit = (rows.value != 0) & rows.valid
    bounds = (float(hit.mean()), float((hit | ~rows.valid).mean()))

    error = 0.0 if rows.cluster is None else _error_of_share(hit, rows.cluster)

    def interval(confidence: float) -> tuple[float, float]:
        if rows.cluster is not None:
            return _exact(float(hit.mean()), _effective(hit, rows.cluster, error, confidence), confidence)
        low, high = estimates.wilson(np.array([hit.sum()]), len(hit), confidence)[0]
        return float(low), float(high)

    return Estimate(float(hit.mean()), interval(level), interval(_narrow(level)), bounds)


def _exact(share: float, total: float, level: float) -> tuple[float, float]:
    """Return Clopper and Pearson's interval of a share of ``total`` runs, which may be no whole number."""
    hits, misses, tail = share * total, (1 - share) * total, (1 - level) / 2
    low = float(stats.beta.ppf(tail, hits, misses + 1)) if hits else 0.0
    return low, float(stats.beta.isf(tail, hits + 1, misses)) if misses else 1.0


def _error_of_share(hit: np.ndarray, cluster: np.ndarray) -> float:
    """Return the standard error of a share of clustered runs, 0 where every run agrees."""
    return _error(lambda taken: float(hit[taken].mean()), _members(cluster)) if 0 < hit.mean() < 1 else 0.0


def _effective(hit: np.ndarray, cluster: np.ndarray, error: float, level: float) -> float:
    """Return how many independent runs clustered ones are worth, by Korn and Graubard.

    Where every run agrees there is no design effect to be seen, and each cluster counts for one.
    """
    share, groups = hit.mean(), len(np.unique(cluster))
    if not error:
        return float(groups)
    smaller = stats.norm.isf((1 - level) / 2) / stats.t.isf((1 - level) / 2, max(groups - 1, 1))
    return float(max(min(share * (1 - share) / error**2, len(hit)) * smaller**2, 1.0))


def _ended_by_end(rows: Rows, level: float) -> Estimate:
    """Return the Kaplan-Meier share of events at the longest time of any run that is not censored before it."""
    taken = _valid(rows)
    share = _share_ended(rows, taken)
    bounds = (float((rows.ended & rows.valid).mean()), float((rows.ended | ~rows.valid).mean()))

    groups = _groups(rows, taken)
    error = _error(lambda t: _share_ended(rows, t), groups) if 0 < share < 1 else 0.0
    worth = share * (1 - share) / error**2 if error else float(len(groups))
    return Estimate(share, _exact(share, worth, level), _exact(share, worth, _narrow(level)), bounds)


def _share_ended(rows: Rows, taken: np.ndarray) -> float:
    time, ended = rows.value[taken], rows.ended[taken]
    if ended.all() or not ended.any():
        return float(ended.all())
    sample = stats.CensoredData(uncensored=time[ended], right=time[~ended])
    return float(stats.ecdf(sample).cdf.evaluate(time.max()))


def _share_difference(rows: Rows, level: float) -> Estimate:
    """Return the share in the treatment arm minus that in the control arm, both of the same starts."""
    assert rows.other is not None
    here, there = (rows.value != 0) & rows.valid, (rows.other != 0) & rows.valid
    change = here.astype(float) - there
    if rows.cluster is not None and change.any():
        return _of(rows, lambda _, taken: float(change[taken].mean()), np.arange(len(change)), level)
    gained, lost, total = np.sum(here & ~there), np.sum(there & ~here), len(here)
    if rows.cluster is not None:  # no start changed sides: each cluster counts for one
        total = len(np.unique(rows.cluster))

    def interval(confidence: float) -> tuple[float, float]:
        low, high = estimates.paired(gained, lost, total, confidence)[1]
        return float(low), float(high)

    return Estimate(float(change.mean()), interval(level), interval(_narrow(level)))


def _mean(rows: Rows, level: float) -> Estimate:
    return _of(rows, lambda r, taken: float(r.value[taken].mean()), _valid(rows), level)


def _difference(rows: Rows, level: float) -> Estimate:
    return _of(rows, lambda r, taken: float((r.value - r.other)[taken].mean()), _valid(rows), level)


def _ratio(rows: Rows, level: float) -> Estimate:
    """Return the ratio of two arms' times: the geometric mean over starts, of medians where a time is censored."""
    assert rows.other is not None
    taken = _valid(rows)
    if np.all(rows.ended[taken] & rows.other_ended[taken]):
        return _of(rows, _log_ratio, taken, level, np.exp)
    test = stats.logrank(_sample(rows.value, rows.ended, taken), _sample(rows.other, rows.other_ended, taken))
    censored = [int(np.sum(~ended[taken])) for ended in (rows.ended, rows.other_ended)]
    found = _of(rows, _log_ratio_of_medians, taken, level, np.exp)
    return found._replace(
        note=f"ratio of medians, as {censored[0]} and {censored[1]} of {len(taken)} times are censored; "
        f"log-rank test p = {test.pvalue:.2g}"
    )


def _log_ratio(rows: Rows, taken: np.ndarray) -> float:
    assert rows.other is not None
    return float(np.log(rows.value[taken] / rows.other[taken]).mean())


def _sample(time: np.ndarray, ended: np.ndarray, taken: np.ndarray) -> stats.CensoredData:
    return stats.CensoredData(uncensored=time[taken][ended[taken]], right=time[taken][~ended[taken]])


def _log_ratio_of_medians(rows: Rows, taken: np.ndarray) -> float:
    assert rows.other is not None
    return float(
        np.log(_median(rows.value[taken], rows.ended[taken]) / _median(rows.other[taken], rows.other_ended[taken]))
    )


def _median(time: np.ndarray, ended: np.ndarray) -> float:
    """Return the Kaplan-Meier median, not a number where half of the events are never seen."""
    if ended.all():
        return float(np.median(time))
    curve = stats.ecdf(stats.CensoredData(uncensored=time[ended], right=time[~ended])).sf
    reached = np.flatnonzero(curve.probabilities <= 0.5 + 1e-12)  # products of rounded factors
    return float(curve.quantiles[reached[0]]) if len(reached) else float("nan")


def _spread(rows: Rows, level: float) -> Estimate:
    return _of(rows, lambda r, t: float(np.log(np.std(r.value[t], ddof=1))), _valid(rows), level, np.exp)


def _quantile_ratio(rows: Rows, level: float) -> Estimate:
    def of(r: Rows, taken: np.ndarray) -> float:
        low, high = np.quantile(r.value[taken], [0.05, 0.95])
        return float(np.log(high / low))

    return _of(rows, of, _valid(rows), level, np.exp)


def _correlation(rows: Rows, level: float) -> Estimate:
    def fisher(r: Rows, taken: np.ndarray) -> float:
        assert r.other is not None
        found = stats.spearmanr(r.value[taken], r.other[taken]).statistic
        return float(np.arctanh(np.clip(found, -1 + 1e-12, 1 - 1e-12)))

    return _of(rows, fisher, _valid(rows), level, np.tanh)


def _auc(rows: Rows, level: float) -> Estimate:
    """Return how often a run of the second class (``other`` not 0) has the larger value (Mann and Whitney 1947)."""

    def of(r: Rows, taken: np.ndarray) -> float:
        assert r.other is not None
        value, second = r.value[taken], r.other[taken] != 0
        pairs = np.sum(second) * np.sum(~second)
        ranks = stats.rankdata(value)
        return float((ranks[second].sum() - second.sum() * (second.sum() + 1) / 2) / pairs) if pairs else float("nan")

    return _of(rows, of, _valid(rows), level)


ESTIMANDS: Mapping[str, Callable[[Rows, float], Estimate]] = {
    "all": _all,
    "share": _share,
    "share_ended": _ended_by_end,
    "share_difference": _share_difference,
    "mean": _mean,
    "difference": _difference,
    "ratio": _ratio,
    "spread": _spread,
    "quantile_ratio": _quantile_ratio,
    "correlation": _correlation,
    "auc": _auc,
}
PAIRED = ("share_difference", "difference", "ratio", "correlation", "auc")


def _of(
    rows: Rows,
    statistic: Statistic,
    taken: np.ndarray,
    level: float,
    back: Callable[[float], float] = float,
) -> Estimate:
    """Return a statistic, nearly normal, of the runs taken, brought ``back`` to its own scale with its ends."""
    groups = _groups(rows, taken)
    if len(groups) < 2:
        return Estimate(None, None, None, note=f"{len(groups)} of the claim's units are too few for an interval")
    found = statistic(rows, taken)
    error = _error(lambda drawn: statistic(rows, drawn), groups)
    if not np.isfinite(found) or not np.isfinite(error):
        return Estimate(None, None, None, note="the estimate, or that of many resamples, is not finite")
    half = [stats.t.isf((1 - confidence) / 2, len(groups) - 1) * error for confidence in _levels(level)]
    ends = [(float(back(found - h)), float(back(found + h))) for h in half]
    return Estimate(float(back(found)), ends[0], ends[1])


def _error(statistic: Callable[[np.ndarray], float], groups: Groups) -> float:
    """Return the bootstrap's standard error of a statistic of the members of groups that are drawn whole."""
    draw, number = np.random.default_rng(0), len(groups)
    if number < 2:
        return float("nan")
    found = np.empty(RESAMPLES if number * RESAMPLES < MOST else FEWER)
    for i in range(len(found)):
        chosen = draw.integers(0, number, number)
        found[i] = statistic(
            groups[chosen] if isinstance(groups, np.ndarray) else np.concatenate([groups[j] for j in chosen])
        )
    return float(found.std(ddof=1) * np.sqrt(number / (number - 1)))


def _members(cluster: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(cluster, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1)


def _groups(rows: Rows, taken: np.ndarray) -> Groups:
    """Return the runs of each unit of inference, the runs themselves where each is one."""
    if rows.cluster is None or not len(taken):
        return taken
    return [taken[own] for own in _members(rows.cluster[taken])]


def _valid(rows: Rows) -> np.ndarray:
    return np.flatnonzero(rows.valid)


def _levels(level: float) -> tuple[float, float]:
    return level, _narrow(level)


def _narrow(level: float) -> float:
    return 1 - 2 * (1 - level)
