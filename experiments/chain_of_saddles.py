"""How long do descents take past one saddle after another, and who never arrives?

On the chain of Du et al. (2017, arXiv 1705.10412) gradient descent takes about four times as many steps for every
further saddle, noisy descent some thirty more. And descents that pass every saddle in exact arithmetic do not in
floating point: while they sit at one saddle the coordinates in which they are to leave the later ones shrink, to 0.

    python experiments/chain_of_saddles.py [--starts 10000] [--saddles 5] [--out runs/chain-of-saddles]

Writes a table (also as ``chain_of_saddles.json``), a figure, and the record of every run. Two minutes on one core.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import mnemo_jax as mnemo
from mnemo_jax import losses
from mnemo_jax.figures.style import FAINT, page_named, save, styled
from mnemo_jax.optimizers import parse

L, GAMMA, TAU, RATE = 1.0, 0.5, 1.0, 0.25
NOISE = 0.01  # standard deviation of every gradient entry
BUDGET = 40_000  # steps
GROWTH = 1 + np.log(2) / np.log(1 + GAMMA / (2 * L))  # of the steps per saddle, as the later coordinates halve
ARMS = {"gradient descent": 0.0, "noisy descent": NOISE}
PRECISIONS = ("float64", "float32")
RESAMPLES = 2000


def passed(
    saddles: int,
    noise: float,
    precision: Any,
    starts: int,
    out: Path,
    *,
    length: int | None = None,
    seed: int = 0,
    budget: int = BUDGET,
) -> dict[str, Any]:
    """Return at which step each start was past so many saddles (infinite for never), and how many failed.

    The chain ends with the last of them, or has ``length`` saddles. Each saddle is left in a coordinate of its own: a
    box as wide as the way out along that one, and far along all others, lets the run end there.
    """
    number = length or saddles
    chain = losses.build("chain_of_saddles", {"dim": number, "L": L, "gamma": GAMMA, "tau": TAU})
    half = tuple(2.0 * TAU if axis == saddles - 1 else 1000.0 * TAU for axis in range(number))
    optimizer: dict[str, Any] = {"name": "sgd", "learning_rate": RATE}
    if noise:
        optimizer["noise"] = {"kind": "gradient", "scale": noise}
    record = mnemo.survey(
        replace(chain, lower=tuple(-h for h in half), upper=half, symmetries=()),
        optimizer=parse(optimizer),
        starts=mnemo.Uniform(count=starts, lower=-1.0, upper=1.0),
        seed=seed,
        precision=precision,
        stop=mnemo.Stop(grad_tol=0.0, max_steps=budget, escape_radius=1.0),
        recording=mnemo.Recording(endpoints=True),
        name=f"chain-{saddles}",
        out=out,
    )
    table = record.starts("outcome", "steps", "x").to_pandas()
    there = (table["outcome"] == "escaped").to_numpy()
    zero = np.stack(table["x"].to_numpy())[:, saddles - 1] == 0
    steps = np.where(there, table["steps"].to_numpy(float), np.inf)
    return {"steps": steps, "underflow": int(np.sum(~there & zero)), "late": int(np.sum(~there & ~zero))}


def medians(steps: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return the median of the steps and of as many resamples (Efron's bootstrap), infinite where half never arrive."""
    size = len(steps)
    again = np.sort(steps)[draw.integers(0, size, (RESAMPLES, size))]
    return np.append(np.quantile(steps, 0.5, method="lower"), np.quantile(again, 0.5, axis=1, method="lower"))


def interval(samples: np.ndarray) -> list[float | None]:
    """Return the first of the numbers and the 95 % interval of the others, None for what is not finite."""
    told = [samples[0], *np.quantile(samples[1:], [0.025, 0.975], method="nearest")]
    return [float(value) if np.isfinite(value) else None for value in told]


def table(saddles: int, starts: int, out: Path) -> list[dict[str, Any]]:
    """Return a row per arm, precision and number of saddles."""
    rows, draw = [], np.random.default_rng(0)
    for arm, noise in ARMS.items():
        for precision in PRECISIONS:
            before = None
            for number in range(1, saddles + 1):
                found = passed(number, noise, precision, starts, out / "runs")
                now = medians(found.pop("steps"), draw)
                row = {"arm": arm, "precision": precision, "saddles": number, "starts": starts, **found}
                row["median"] = interval(now)
                if before is not None:
                    with np.errstate(invalid="ignore"):
                        row |= {"ratio": interval(now / before), "further": interval(now - before)}
                rows.append(row)
                before = now
    return rows


def told(rows: list[dict[str, Any]]) -> str:
    """Return the table in words."""
    head = (
        f"{'':17} {'precision':9} saddles {'median steps':>20} {'per further saddle':>24} {'underflow':>10} {'late':>7}"
    )
    lines = [head]
    for row in rows:
        further = ""
        if row.get("ratio"):
            further = (
                _range(row["ratio"], "x {:.2f}")
                if row["arm"] == "gradient descent"
                else _range(row["further"], "+ {:.0f}")
            )
        share = [f"{100 * row[name] / row['starts']:.2f} %" for name in ("underflow", "late")]
        lines.append(
            f"{row['arm']:17} {row['precision']:9} {row['saddles']:7} {_range(row['median'], '{:,.0f}'):>20} "
            f"{further:>24} {share[0]:>10} {share[1]:>7}"
        )
    return "\n".join(lines)


def _range(value: list[float | None], form: str) -> str:
    if value[0] is None:
        return "never"
    low, high = ("never" if end is None else form.format(end).split()[-1] for end in value[1:])
    return f"{form.format(value[0])} ({low} – {high})"


COLOURS = {"gradient descent": "#0072B2", "noisy descent": "#D55E00"}
STYLES: dict[str, dict[str, Any]] = {
    "float64": {"marker": "o", "linestyle": "-"},
    "float32": {"marker": "s", "linestyle": (0, (3, 2)), "markerfacecolor": "white"},
}


@styled
def figure(rows: list[dict[str, Any]]) -> Figure:
    """Draw median steps and shares that never arrive against the number of saddles."""
    note = (
        f"{rows[0]['starts']:,} uniform starts each; learning rate {RATE:g}, L = {L:g}, gamma = {GAMMA:g}, "
        f"tau = {TAU:g}, noise of {NOISE:g} on every gradient entry. Medians count those that never arrive as the "
        f"longest; their 95 % intervals (bootstrap) are mostly narrower than the markers. Theory: × {GROWTH:.2f} per "
        f"saddle for gradient descent. Never: within {BUDGET:,} steps; {_why(rows)}."
    )
    made = page_named("Chain of saddles", "steps past all, and who never arrives", note, 7.4, 3.9)
    left, right = made.subplots(1, 2, width_ratios=[1.25, 1])
    for arm, colour in COLOURS.items():
        for precision, style in STYLES.items():
            own = [row for row in rows if (row["arm"], row["precision"]) == (arm, precision)]
            _line(left, right, own, {"color": colour, "label": f"{arm}, {precision}", **style})
    _growth(left, rows)
    left.set_yscale("log")
    left.yaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
    left.set_ylabel("median steps past the last saddle")
    right.set_ylabel("share of the starts that never arrive")
    right.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    for axes in (left, right):
        axes.set_xlabel("saddles in the chain")
        axes.set_xticks(sorted({row["saddles"] for row in rows}))
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
    right.legend(loc="upper left")
    return made


def _why(rows: list[dict[str, Any]]) -> str:
    """Return why starts never arrive."""
    late, zero = (sum(row[name] for row in rows) for name in ("late", "underflow"))
    which = f"all those {zero:,}" if not late else f"{zero:,} of those {late + zero:,}"
    return f"in {which} descents the last coordinate underflowed to exactly 0"


def _growth(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Write beside the lines by how much the last further saddle prolongs descents."""
    for arm, key, form, shift in (
        ("gradient descent", "ratio", "× {:.1f}", 12),
        ("noisy descent", "further", "+ {:.0f}", -16),
    ):
        own = [row for row in rows if row["arm"] == arm and row["precision"] == "float64" and None not in row["median"]]
        *_, before, last = own
        place = (0.5 * (before["saddles"] + last["saddles"]), np.sqrt(before["median"][0] * last["median"][0]))
        text = f"{form.format(last[key][0])} per saddle"
        side: dict[str, Any] = {"ha": "right"} if shift > 0 else {"ha": "center"}
        axes.annotate(
            text,
            place,
            (-4 if shift > 0 else 0, shift),
            textcoords="offset points",
            fontsize=8,
            color=COLOURS[arm],
            **side,
        )


def _line(left: Axes, right: Axes, rows: list[dict[str, Any]], style: dict[str, Any]) -> None:
    """Draw one arm in one precision."""
    known = [row for row in rows if None not in row["median"]]
    middle, low, high = np.array([row["median"] for row in known]).T
    left.errorbar([row["saddles"] for row in known], middle, [middle - low, high - middle], markersize=5, **style)
    never = [(row["underflow"] + row["late"]) / row["starts"] for row in rows]
    right.plot([row["saddles"] for row in rows], never, markersize=5, **style)


def main() -> None:
    """Carry the experiment out."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("--starts", type=int, default=10_000)
    asked.add_argument("--saddles", type=int, default=5)
    asked.add_argument("--out", type=Path, default=Path("runs/chain-of-saddles"))
    given = asked.parse_args()
    rows = table(given.saddles, given.starts, given.out)
    print(told(rows))
    print(f"Theory: x {GROWTH:.2f} per further saddle for gradient descent.")
    (given.out / "chain_of_saddles.json").write_text(json.dumps(rows, indent=1))
    for path in save(figure(rows), given.out / "chain_of_saddles"):
        print(path)


if __name__ == "__main__":
    main()
