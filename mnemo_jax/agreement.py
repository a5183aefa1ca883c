"""What an escape experiment measured held against what the law says: shares, means, variances, rates, all of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import special, stats

from mnemo_jax.escapes import counted, law_of, rates
from mnemo_jax.estimates import wilson
from mnemo_jax.laws import Law, Moments, Z, closed_form, fit, law
from mnemo_jax.modes import Dynamics, start_mode, width
from mnemo_jax.record import Record

PASS = 4.0  # standard errors within which a measured number agrees; chance alone exceeds them once in 16,000 times
EXPECTED = 10.0  # escapes that the law expects in every bin of the chi-square test
BINS = 64  # of them, at most


def measured(record: Record, bend: float) -> dict[str, Any]:
    """Return what an escape experiment measured beside what the law says, as plain values.

    A number *agrees* when the law's is within four of its standard errors; a share when a binomial test finds its
    departure as likely as four standard errors. Where the budget cut the experiment short, the law is cut short too.

    Args:
        record: of the descents.
        bend: share by which gradients differ from the quadratic's within the radius.
    """
    words, counts = record.config["escape"], counted(record)
    dynamics, whole = Dynamics(**words["dynamics"]), law_of(words)
    expected, number = whole.moments(), record.summary["starts"]
    mean, variance = _moments(counts.steps)
    quantities = {
        "share": _share(int(counts.steps.sum()), number, expected.share),
        "mean": _compared(*mean, expected.mean),
        "variance": _compared(*variance, expected.variance),
    }
    agreements = [told["agrees"] for told in quantities.values() if told["agrees"] is not None]
    return {
        "name": record.summary["name"],
        "precision": record.config["precision"],
        "seed": record.config["seed"],
        "saddle": {key: words[key] for key in ("at", "kind", "loss", "index", "eigenvalues")},
        **{key: words[key] for key in ("radius", "cloud", "offset", "steps")},
        "optimizer": record.config["optimizer"],
        "starts": number,
        **quantities,
        "agrees": all(agreements) and not counts.stable,
        "closed_form": _closed(words, dynamics),
        "rate": _rate(words, dynamics, mean, variance, quantities["share"]["agrees"]),
        "chi_square": _chi_square(counts.steps, whole),
        "left": {name: getattr(counts, name) for name in ("underflow", "late", "non_finite", "stable")}
        | {"below_smallest": _below(words, record.config["precision"])},
        "exits": counts.exits,
        "law_error": _law_error(words, dynamics, bend, record.config["precision"]),
    }


def _moments(counts: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return mean and variance of the steps, each with its standard error; NaN where too few have escaped."""
    n, steps = int(counts.sum()), np.arange(len(counts))
    if n < 2:
        return (float(counts @ steps) if n else np.nan, np.nan), (np.nan, np.nan)
    mean = counts @ steps / n
    second, fourth = (float(counts @ (steps - mean) ** power) / n for power in (2, 4))
    return (float(mean), float(np.sqrt(second / (n - 1)))), (
        second * n / (n - 1),
        float(np.sqrt(max(fourth - second**2, 0.0) / n)),
    )


def _compared(value: float, error: float, expected: float) -> dict[str, Any]:
    """Return a measured number with its error and 95 % interval, the law's number, and whether they agree."""
    told = {"value": value, "error": error, "interval": [value - Z * error, value + Z * error], "law": expected}
    if not np.isfinite([value, error, expected]).all():
        return told | {"off": None, "agrees": None}
    rounding = 1e-9 * max(abs(expected), 1.0)
    off = 0.0 if abs(value - expected) <= rounding else (value - expected) / error if error else np.inf
    return told | {"off": off, "agrees": bool(abs(off) <= PASS)}


def _share(count: int, number: int, expected: float) -> dict[str, Any]:
    """Return the share that escaped, its Wilson interval, the law's, and whether they agree."""
    p = stats.binomtest(count, number, min(max(expected, 0.0), 1.0)).pvalue
    return {
        "value": count / number,
        "count": count,
        "interval": wilson(np.array([count]), number)[0],
        "law": expected,
        "p": p,
        "agrees": bool(p >= 2.0 * stats.norm.sf(PASS)),
    }


def _below(words: Mapping[str, Any], precision: str) -> float:
    """Return the share of the starts of which every unstable coordinate is below the smallest normal number."""
    if not words["cloud"]:
        return 1.0
    return float(special.erf(np.finfo(precision).tiny / (np.sqrt(2.0) * words["cloud"])) ** words["index"])


def _closed(words: Mapping[str, Any], dynamics: Dynamics) -> dict[str, float] | None:
    """Return the closed forms, which there are for one unstable direction."""
    if words["index"] != 1 or width(dynamics, float(rates(words)[0]), words["cloud"]) == 0:
        return None
    mean, variance = closed_form(dynamics, float(rates(words)[0]), words["cloud"], words["radius"])
    return {"mean": mean, "variance": variance}


def _rate(
    words: Mapping[str, Any], dynamics: Dynamics, mean: tuple[float, float], variance: tuple[float, float], fits: bool
) -> dict[str, Any]:
    """Return the Hessian's escape rate, and those that mean and variance of the escape times ask for.

    All rates keep their ratios. There is no fit where the budget cuts the law short, or rounding keeps descents back.
    """
    each = rates(words)
    fits = fits and words["steps"] >= len(law_of(words).survival)

    def of(factor: float) -> Moments:
        return law(dynamics, factor * each, words["cloud"], words["radius"]).moments()

    told: dict[str, Any] = {"hessian": float(each[0])}
    for which, (value, error) in (("mean", mean), ("variance", variance)):
        told[which] = fit(which, value, error, of, float(each[0]))._asdict() if fits and np.isfinite(error) else None
    return told


def _chi_square(counts: np.ndarray, whole: Law) -> dict[str, Any] | None:
    """Return Pearson's test of the escape times against the law, in bins of about equal probability."""
    n, p = int(counts.sum()), np.zeros(len(counts))
    share = whole.moments().share
    if n * share < 2 * EXPECTED:
        return None
    p[: len(whole.survival)] = whole.probabilities / share
    bins = min(BINS, int(n / EXPECTED))
    # The step at which each further part of the law is complete closes a bin; a step is never cut in two.
    bin_of = np.minimum((np.cumsum(p) - p) * bins, bins - 1).astype(int)
    _, bin_of = np.unique(bin_of, return_inverse=True)
    expected, found = np.bincount(bin_of, n * p), np.bincount(bin_of, counts)
    keep = expected > 0
    if keep.sum() < 2 or found[~keep].any():
        return None
    return {
        "p": float(stats.chisquare(found[keep], expected[keep] * n / expected[keep].sum()).pvalue),
        "bins": int(keep.sum()),
    }


def _law_error(words: Mapping[str, Any], dynamics: Dynamics, bend: float, precision: str) -> dict[str, float]:
    """Return by how many steps at most the law's mean is off, as far as that is known.

    The rate of growth is wrong by a share ``bend`` at the radius, and by less before: that is ``bend / ln r1`` steps.
    With noise a descent may come back inside, which the law leaves out. And floating point has a grain: around the
    saddle coordinates are rounded to ``eps |saddle|``, given here in widths of the law.
    """
    rate = float(rates(words)[0])
    log = np.log(start_mode(dynamics, rate).r1)
    back = (width(dynamics, rate, 0.0) / words["radius"]) ** 2
    s = width(dynamics, rate, words["cloud"])
    grain = float(np.finfo(precision).eps) * float(np.max(np.abs(words["at"])))
    return {"bend": bend, "bend_steps": bend / log, "return_steps": back / log, "grain": grain / s if s else np.inf}
