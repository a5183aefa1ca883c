"""Numbers and counts as figures write them."""

import numpy as np
from matplotlib.ticker import FuncFormatter

from mnemo_jax.figures import where
from mnemo_jax.figures.style import KIND_PLURALS, Results
from mnemo_jax.found import CriticalPoints
from mnemo_jax.record import Record
from mnemo_jax.tables import DUST, tidy

_WORDS = {"sobol": "Sobol", "points": "given"}


def number(value: float, digits: int = 5, dust: float = DUST) -> str:
    """Return a number with up to ``digits`` significant digits, a real minus sign, and zero below ``dust``."""
    if not np.isfinite(value):
        return "–"
    if tidy(value, dust) == 0:
        return "0"
    text = f"{value:.{digits - 1}e}"
    mantissa, power = text.split("e")
    if -4 <= int(power) < 6:
        text = f"{float(text):.{max(digits - 1 - int(power), 0)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
    return text.replace("-", "−")


def percent(share: float, count: int) -> str:
    """Return a share as per cent, to the decimal at which a sample of ``count`` starts is uncertain."""
    return f"{100 * share:.{decimals(share, count)}f} %"


def percent_ticks() -> FuncFormatter:
    """Return what writes shares on an axis as per cent."""
    return FuncFormatter(lambda share, _: f"{100 * share:.4g} %")


def step_ticks() -> FuncFormatter:
    """Return what writes whole steps on an axis, long numbers in thousands (k) or millions (M), nothing below 1."""
    return FuncFormatter(lambda steps, _: short(steps) if steps == 0 or steps >= 1 else "")


def short(steps: float) -> str:
    """Return a number of steps such as ``2,500``, ``35 k`` or ``2.5 M``."""
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if steps >= max(unit, 1e4):
            return f"{steps / unit:.6g}{name}"
    return f"{steps:,.0f}"


def decimals(share: float, count: int) -> int:
    """Return after how many decimals of its per cent a share of ``count`` starts is uncertain."""
    error = 100 * np.sqrt(share * (1 - share) / max(count, 1))
    return int(np.clip(np.ceil(-np.log10(error) - 0.05), 0, 6)) if error > 0 else 0


def several(count: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 start`` or ``2,000 starts``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def kinds(count: int, kind: str) -> str:
    """Return ``1 minimum`` or ``4 minima``."""
    return several(count, kind if kind != "degenerate" else "degenerate point", KIND_PLURALS[kind])


def families(count: int, kind: str) -> str:
    """Return in two lines that ``count`` markers stand for flat families of a kind."""
    told = several(count, "flat family", "flat families")
    return f"{told} of {KIND_PLURALS[kind]},\n{'' if count == 1 else 'each '}marked at one point"


def starts(record: Record) -> str:
    """Return how many starts there were, from where, and their outcomes: ``10 grid starts: 9 converged, 1 escaped``."""
    count, kind = record.summary["starts"], record.config["starts"]["kind"]
    told = several(count, f"{_WORDS.get(kind, kind)} start")
    outcomes = {name.replace("_", " "): number for name, number in record.outcomes.items() if number}
    if len(outcomes) == 1:
        return f"{told}, {'' if count == 1 else 'all '}{next(iter(outcomes))}"
    return f"{told}: " + ", ".join(f"{number:,} {name}" for name, number in outcomes.items())


def sentences(*told: str) -> str:
    """Return those sentences that there are, one after the other."""
    return " ".join(sentence for sentence in told if sentence)


def unknown(record: Results, colour: str = "Grey") -> str:
    """Return what a reader must know of a picture of the loss that is not finite all over, or has one height.

    Of one variable the curve is broken where the loss is not finite, which needs no colour.
    """
    loss = where.picture(record)["loss"]
    finite = np.isfinite(loss)
    if not finite.any():
        return "The loss is finite at no point of the picture."
    broken = not finite.all() and finite.ndim > 1
    height = "" if np.ptp(loss[finite]) else number(loss[finite][0])
    flat = f"The loss is {height} at all {'other ' if broken else ''}points of the picture." if height else ""
    return sentences(f"{colour}: the loss is not finite." if broken else "", flat)


def outside(record: Record, window: np.ndarray) -> str:
    """Return how many critical points lie outside the window ``[2, d]``, and the share of the starts they have.

    Of a flat family only the point that stands for it is known, so its starts are not said to have gone there.
    """
    x, dust = record.catalogue.x, 1e-6 * (window[1] - window[0])
    away = np.any((x < window[0] - dust) | (x > window[1] + dust), axis=1)
    flat = record.catalogue.family > 0
    told = []
    if number := int(np.sum(away & ~flat)):
        share = float(record.shares.share[away & ~flat].sum())
        held = f", with {percent(share, record.summary['starts'])} of the starts" if share else ""
        told.append(f"{several(number, 'critical point')} {'lies' if number == 1 else 'lie'} outside the window{held}.")
    if number := int(np.sum(away & flat)):
        told.append(f"{several(number, 'flat family is', 'flat families are')} known by a point outside the window.")
    return " ".join(told)


def box(found: CriticalPoints) -> str:
    """Return how many critical points a search found in the box, and how many outside, which figures leave out.

    Where the audit says that some are missing, that is told too.
    """
    inside = found.inside_box
    told = f"{several(int(inside.sum()), 'critical point')} in the box."
    stand = int(np.asarray(found.summary["orbits"])[inside].sum())
    if stand > inside.sum():
        told = f"{told[:-1]}, which stand for {stand:,} by the declared symmetries."
    away = int((~inside).sum())
    told += f" {away:,} outside {'is' if away == 1 else 'are'} left out." if away else ""
    return told + (" The audit says that some are missing." if found.audit["verdict"] == "missing" else "")
