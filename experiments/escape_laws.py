"""Do descents leave a saddle when the law says they do?

Gradient descent from a cloud, isotropic noise from exactly on the saddle, and the heavy ball from a cloud, at three
learning rates each, on the strict saddle in the plane; every experiment has starts and noise of its own.

    python experiments/escape_laws.py [--starts 200000] [--precision float64] [--out runs/escape-laws]

Writes a table (also as ``escape_laws.json``), a figure, and the record of every run. A few minutes on one core.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

import mnemo_jax as mnemo
from mnemo_jax.figures.escape import histogram
from mnemo_jax.figures.style import page_named, save, styled
from mnemo_jax.optimizers import parse

RADIUS, CLOUD = 1.0, 1e-3
RATES = (0.02, 0.05, 0.1)
ARMS: dict[str, dict[str, Any]] = {
    "gradient descent from a cloud": {},
    "noise, from the saddle": {"noise": {"kind": "gradient", "scale": 0.01}},
    "heavy ball from a cloud": {"momentum": 0.9},
}


def experiments(starts: int, precision: Any, out: Path) -> list[tuple[str, float, mnemo.Escapes]]:
    """Carry out every experiment."""
    found: list[tuple[str, float, mnemo.Escapes]] = []
    for arm, changes in ARMS.items():
        for rate in RATES:
            done = mnemo.escape_times(
                "strict_saddle",
                at=0.0,
                radius=RADIUS,
                cloud=0.0 if "noise" in changes else CLOUD,
                optimizer=parse({"learning_rate": rate, **changes}),
                starts=starts,
                seed=len(found),
                precision=precision,
                name=f"escape-{len(found)}",
                out=out,
            )
            found.append((arm, rate, done))
    return found


def told(found: list[tuple[str, float, mnemo.Escapes]]) -> str:
    """Return the table in words."""
    head = ("rate", "mean", "law", "error", "off", "variance", "law", "off")
    widths = (6, 10, 10, 8, 7, 10, 9, 7)
    lines = [" " * 30 + "".join(f"{name:>{width}}" for name, width in zip(head, widths, strict=True))]
    for arm, rate, done in found:
        mean, variance = done.result["mean"], done.result["variance"]
        lines.append(
            f"{arm:30}{rate:6g}{mean['value']:10.3f}{mean['law']:10.3f}{mean['error']:8.3f}{mean['off']:+7.2f}"
            f"{variance['value']:10.2f}{variance['law']:9.2f}{variance['off']:+7.2f}  "
            f"{'agrees' if done.result['agrees'] else 'differs'}"
        )
    return "\n".join(lines)


@styled
def figure(found: list[tuple[str, float, mnemo.Escapes]]) -> Figure:
    """Draw the histogram of every experiment over its law."""
    one = found[0][2].result
    note = (
        f"{one['starts']:,} descents each, in {one['precision']}, from a cloud of width {CLOUD:g} or from exactly on a "
        f"saddle of escape rate 1, to distance {RADIUS:g}; noise of 0.01 on every gradient entry, momentum 0.9. "
        "Dashed: the means. Off: by how many standard errors the measured mean differs from the law's."
    )
    made = page_named("Escape times", "measured, over the law", note, 8.0, 6.6)
    panels = made.subplots(len(ARMS), len(RATES))
    for axes, (arm, rate, done) in zip(panels.ravel(), found, strict=True):
        histogram(axes, done)
        mean = done.result["mean"]
        handles, _ = axes.get_legend_handles_labels()
        axes.get_legend().remove()
        axes.set_ylabel("share per step" if axes in panels[:, 0] else "")
        axes.set_title(f"{arm}\nlearning rate {rate:g}: off by {mean['off']:+.2f}".replace("-", "−"), fontsize=7.5)
    for axes in panels[-1]:
        axes.set_xlabel("steps")
    made.legend(handles, ["measured", "law"], loc="upper right", ncols=2, fontsize=8, frameon=False)
    return made


def main() -> None:
    """Carry the experiments out."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("--starts", type=int, default=200_000)
    asked.add_argument("--precision", choices=("float64", "float32"), default="float64")
    asked.add_argument("--out", type=Path, default=Path("runs/escape-laws"))
    given = asked.parse_args()
    found = experiments(given.starts, given.precision, given.out / "runs")
    print(told(found))
    off = np.array([done.result["mean"]["off"] for _, _, done in found])
    p = stats.chi2.sf(np.sum(off**2), off.size)
    print(f"All means together: p = {p:.2g} that chance alone is as far off (chi-square).")
    rows = [{"arm": arm, "learning_rate": rate, **done.json()} for arm, rate, done in found]
    (given.out / "escape_laws.json").write_text(json.dumps(rows, indent=1))
    for path in save(figure(found), given.out / "escape_laws"):
        print(path)


if __name__ == "__main__":
    main()
