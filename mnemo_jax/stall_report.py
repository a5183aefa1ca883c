"""What the stalls of a run say as plain values, for `mnemo stalls --json`, and the sentences that go with them."""

from typing import Any

from mnemo_jax.dwells import Dwells, Place, is_sample
from mnemo_jax.estimates import FEW
from mnemo_jax.record import Record
from mnemo_jax.stall_counts import PARTS
from mnemo_jax.store import strict
from mnemo_jax.survival import thinned
from mnemo_jax.tables import KINDS

CURVE = 200  # lengths at most at which a survival curve is given


def report(record: Record, dwells: Dwells) -> dict[str, Any]:
    """Return everything as plain values that are strict JSON; equal records give equal values."""
    finals = dwells.finals
    return strict(
        {
            "name": record.summary["name"],
            "starts": record.summary["starts"],
            "stalls": record.summary["stalls"]["total"],
            "stalling": record.summary["stalls"]["starts"],
            "overall": {"at": "all places"} | _place(dwells, dwells.overall),
            "places": [point(record, place.label) | _place(dwells, place) for place in dwells.places],
            "further_places": dwells.further,
            "final_approaches": [
                {
                    "label": label,
                    "starts": starts,
                    "quantiles": dict(zip(PARTS, quantiles, strict=True)),
                    "longest": most,
                }
                for label, starts, quantiles, most in zip(*(column.tolist() for column in finals), strict=True)
            ],
            "notes": notes(record, dwells),
        }
    )


def point(record: Record, label: int | None) -> dict[str, Any]:
    """Return what the catalogue says of a place as plain values; of flat regions that they are no critical point.

    ``escape_rate`` is minus the smallest eigenvalue of the Hessian, None without a negative one. ``growth`` is the
    factor by which plain gradient descent grows a step along that direction, ``1 + learning_rate * escape_rate``; None
    for any other optimizer, and for learning rates that change.
    """
    if label is None:
        return {"at": "flat region"} | dict.fromkeys(
            ("label", "index", "nullity", "smallest_eigenvalue", "escape_rate", "growth")
        )
    table = record.catalogue
    smallest = float(table.eigenvalues[label, 0])
    rate = -smallest if table.index[label] > 0 else None
    learning_rate = plain_learning_rate(record)
    return {
        "at": KINDS[table.kind[label]],
        "label": label,
        "index": int(table.index[label]),
        "nullity": int(table.nullity[label]),
        "smallest_eigenvalue": smallest,
        "escape_rate": rate,
        "growth": None if rate is None or learning_rate is None else 1.0 + learning_rate * rate,
    }


def plain_learning_rate(record: Record) -> float | None:
    """Return the learning rate of a run of gradient descent without momentum and schedule, None for other runs."""
    told = record.config["optimizer"]
    rate = told.get("learning_rate")
    plain = told["name"] == "sgd" and not told.get("momentum") and isinstance(rate, int | float)
    return float(rate) if plain else None


def _place(dwells: Dwells, place: Place) -> dict[str, Any]:
    told, rows = place.survival, thinned(place.survival, CURVE)
    return {
        "stalls": place.stalls,
        "starts": place.starts,
        "censored": place.censored,
        "longest": place.longest,
        "median": {"steps": place.median.steps, "interval": [place.median.low, place.median.high]},
        "longer_than": [
            {"steps": steps, "starts": n, "undecided": unknown, "share": share, "interval": interval}
            for steps, n, unknown, share, interval in zip(
                dwells.longer, place.longer, place.undecided, place.share, place.interval, strict=True
            )
        ],
        "survival": {
            "steps": told.at[rows],
            "share": told.share[rows],
            "interval": place.band[rows],
            "at_risk": told.at_risk[rows],
        },
        "sides": [
            side._asdict() | {"ends": [{"label": None if k < 0 else k, "starts": n} for k, n in side.ends]}
            for side in place.sides
        ],
    }


def notes(record: Record, dwells: Dwells) -> list[str]:
    """Return what else a reader must know, a sentence each."""
    lines, overall = [], dwells.overall
    total = record.summary["stalls"]["total"]
    if total > overall.stalls:
        lines.append(
            f"{overall.stalls:,} of {total:,} stalls are stored and told here, of each start the first four that ended "
            "and the one it ended in; shares of starts are at least those given."
        )
    lines += _censored(dwells)
    if not is_sample(record):
        lines.append("The starts are no sample, so that nothing has an interval.")
    elif any(place.starts < FEW for place in dwells.places):
        lines.append(f"Places at which fewer than {FEW} starts stalled have no band and no interval of the median.")
    if record.config["loss"]["symmetry"] and dwells.places:
        lines.append("Points stand for their images under the declared symmetries, so that sides cannot be told.")
    return lines


def _censored(dwells: Dwells) -> list[str]:
    """Return sentences on stalls that were not over when their descents ended."""
    by_outcome, lines = dwells.overall.censored, []
    if by_outcome:
        told = ", ".join(f"{number:,} {outcome.replace('_', ' ')}" for outcome, number in by_outcome.items())
        lines.append(f"Descents that ended in a stall, which counts up to there: {told}.")
    if by_outcome.get("converged"):
        lines.append(
            "Those that converged were nearer to their point than any others and would have stayed longer: from where "
            "they end on the survival is too low."
        )
    undecided = [
        f"{n:,} at {steps:,} steps" for steps, n in zip(dwells.longer, dwells.overall.undecided, strict=True) if n
    ]
    if undecided:
        lines.append(f"Starts that ended in a shorter stall, which might have grown so long: {'; '.join(undecided)}.")
    return lines
