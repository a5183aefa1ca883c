"""How many minima has the smallest network that can learn exclusive or, and how many starts never learn it?

Two inputs, two hidden units, one linear output, nine weights for four items; half the mean squared error. Without a
price on weights the solutions fill valleys, and starts that fail creep along others towards infinity (Hamey 1998, XOR
has no local minima). With one (ridge) minima are isolated, and every one comes in as many exact copies as the hidden
units can be permuted, and with tanh turned round in sign.

    python experiments/xor.py [--starts 10000] [--ridge 0.001] [--out runs/xor]

Writes tables, also as ``xor.json``, and the record of every run. Two minutes on two cores.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import mnemo_jax as mnemo
from mnemo_jax import losses
from mnemo_jax.estimates import wilson
from mnemo_jax.networks.distinct import distinct
from mnemo_jax.networks.symmetry import copies
from mnemo_jax.types import Kind

RATE, STEPS = 0.5, 100_000
SOLVED = 1e-4  # loss below which the network has learned it; what fails without ridge ends at 1/16 and 1/8
NEAR = 1e-5  # distance up to which two minima are the same


def surveyed(activation: str, ridge: float, starts: int, out: Path) -> mnemo.Record:
    """Return the record of gradient descent on exclusive or from random weights."""
    return mnemo.survey(
        losses.build("mlp", {"activation": activation, "ridge": ridge}),
        starts=mnemo.Layered(count=starts, weights="lecun_normal"),
        learning_rate=RATE,
        stop=mnemo.Stop(max_steps=STEPS),
        recording=mnemo.Recording(endpoints=True, catalogue=None if ridge else 0),
        name=f"xor-{activation}-{ridge:g}",
        out=out,
    )


def failing(record: mnemo.Record) -> dict[str, Any]:
    """Return which share of starts fails without ridge, with its interval, and the losses where they end."""
    loss = record.starts("loss").to_pandas()["loss"].to_numpy()
    failed = loss > SOLVED
    low, high = wilson(failed.sum(), len(loss))
    levels, counts = np.unique(np.round(loss[failed], 3), return_counts=True)
    return {
        "starts": len(loss),
        "failed": int(failed.sum()),
        "share": float(failed.mean()),
        "interval": [float(low), float(high)],
        "levels": dict(zip(levels.tolist(), counts.tolist(), strict=True)),
    }


def minima(record: mnemo.Record, activation: str) -> dict[str, Any]:
    """Return the distinct minima up to symmetry, how many of their exact copies were found, and their shares."""
    landscape = losses.build("mlp", {"activation": activation})
    table, starts = record.catalogue, record.summary["starts"]
    rows = np.flatnonzero(table.kind == Kind.MINIMUM)
    found = distinct(table.x[rows], table.loss[rows], landscape.layers, activation, NEAR)
    counts = np.bincount(found.label, record.shares.count[rows], minlength=len(found.loss)).astype(int)
    return {
        "copies": copies(landscape.layers, activation),
        "outcomes": record.outcomes,
        "minima": [
            {
                "loss": float(loss),
                "found": int(number),
                "starts": int(count),
                "share": count / starts,
                "interval": [float(side) for side in wilson(count, starts)],
                "smallest": float(table.eigenvalues[rows[row], 0]),
                "nullity": int(table.nullity[rows[row]]),
            }
            for loss, number, count, row in zip(found.loss, found.count, counts, found.row, strict=True)
        ],
    }


def tables(told: dict[str, Any], ridge: float) -> list[Table]:
    """Return what was found as tables for a person."""
    failed = Table(title="Without ridge", title_justify="left", box=None, header_style="dim")
    for name in ("activation", "starts that fail", "95 % interval", "where they end: loss (starts)"):
        failed.add_column(name)
    one = Table(title=f"Minima up to symmetry, ridge {ridge:g}", title_justify="left", box=None, header_style="dim")
    for name in ("activation", "loss", "copies found", "share", "95 % interval", "smallest eigenvalue", "nullity"):
        one.add_column(name)
    for activation, (fails, found) in told.items():
        low, high = fails["interval"]
        levels = ", ".join(f"{level:g} ({count:,})" for level, count in fails["levels"].items())
        failed.add_row(activation, f"{100 * fails['share']:.2f} %", f"{100 * low:.2f} – {100 * high:.2f} %", levels)
        for row in found["minima"]:
            low, high = row["interval"]
            share, interval = f"{100 * row['share']:.2f} %", f"{100 * low:.2f} – {100 * high:.2f} %"
            number = f"{row['found']} of {found['copies']}"
            one.add_row(
                activation, f"{row['loss']:.6f}", number, share, interval, f"{row['smallest']:.3g}", str(row["nullity"])
            )
    return [failed, one]


def main() -> None:
    """Follow the starts with and without ridge and tell what they found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--starts", type=int, default=10_000)
    parser.add_argument("--ridge", type=float, default=0.001)
    parser.add_argument("--out", type=Path, default=Path("runs/xor"))
    asked = parser.parse_args()
    told = {
        activation: (
            failing(surveyed(activation, 0.0, asked.starts, asked.out)),
            minima(surveyed(activation, asked.ridge, asked.starts, asked.out), activation),
        )
        for activation in ("tanh", "sigmoid")
    }
    for made in tables(told, asked.ridge):
        Console(width=120).print(made)
    (asked.out / "xor.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
