"""Which initial weights can a network learn from, and what does the gradient at the start say of it?

"All weights zero: all gradients zero, and nothing learns", says the lesson. A 64-64-10 network on handwritten digits
is trained from zero, constant, Hadamard and random weights, with relu spelled both ways: the derivative of
``jax.nn.relu`` at 0 is 0, that of ``jnp.maximum(z, 0)`` is 1/2, and weights that are zero sit there.

    python experiments/initial_weights.py [--starts 20] [--steps 3000] [--out runs/initial-weights]

Writes a table, also as ``initial_weights.json``, and the record of every run. Starts of one arm without random weights
differ in the order of their batches.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import mnemo_jax as mnemo
from mnemo_jax import losses
from mnemo_jax.calculus import loss_of
from mnemo_jax.data import DataSet
from mnemo_jax.networks.gradients import gradient_norms
from mnemo_jax.networks.units import distinct_units, effective_ranks
from mnemo_jax.starts import drawer

DIGITS = DataSet(name="digits", train=1000, test=797, stratified=True)
HIDDEN, RATE, BATCH = 64, 0.3, 32
ACTIVATIONS = ("relu", "maximum", "tanh", "sigmoid")
ARMS: dict[str, dict[str, Any]] = {
    "zero": {"weights": "zeros"},
    "zero, random biases": {"weights": "zeros", "biases": {"name": "normal", "stddev": 0.1}},
    "zero first layer": {"weights": ("zeros", "he_normal")},
    "zero last layer": {"weights": ("he_normal", "zeros")},
    "constant 0.1": {"weights": {"name": "constant", "value": 0.1}},
    "Hadamard": {"weights": "hadamard"},
    "random (He)": {"weights": "he_normal"},
}


def trained(arm: str, activation: str, starts: int, steps: int, out: Path) -> dict[str, Any]:
    """Return what becomes of networks with an activation from the weights of an arm."""
    landscape = losses.build("mlp", {"data": DIGITS, "hidden": [HIDDEN], "activation": activation})
    asked = mnemo.Layered(count=starts, **ARMS[arm])
    record = mnemo.survey(
        landscape,
        starts=asked,
        optimizer={
            "name": "sgd",
            "learning_rate": RATE,
            "noise": {"kind": "minibatch", "size": BATCH, "replace": False},
        },
        stop=mnemo.Stop(grad_tol=0.0, max_steps=steps, check_every=steps // 10),
        precision="float32",
        recording=mnemo.Recording(endpoints=True),
        name=f"{activation}-{arm}",
        out=out,
    )
    rows = record.starts("test_accuracy", "train_loss", "x").to_pandas()
    ends = np.stack(rows["x"])
    with jax.enable_x64(True):
        loss, args = loss_of(landscape, "float64")
        start = drawer(asked, landscape, 0)(0, starts)
        norms = gradient_norms(loss, start, args, landscape.layers)
        units = np.asarray(distinct_units(jnp.asarray(ends), landscape.layers, activation))
        ranks = np.asarray(effective_ranks(jnp.asarray(ends), landscape.layers).entropy)
    return {
        "arm": arm,
        "activation": activation,
        "gradients": {
            name: [float(norm.min()), float(np.median(norm)), float(norm.max())] for name, norm in norms.items()
        },
        "units": [int(units.min()), int(np.median(units)), int(units.max())],
        "rank": float(np.median(ranks[:, 0])),
        "accuracy": np.quantile(rows["test_accuracy"], (0, 0.5, 1)).tolist(),
        "train_loss": float(np.median(rows["train_loss"])),
    }


def table(rows: list[dict[str, Any]]) -> Table:
    """Return the rows as a table for a person."""
    made = Table(title=f"64-{HIDDEN}-10 networks on digits", title_justify="left", box=None, header_style="dim")
    made.add_column("weights at the start")
    made.add_column("activation")
    for name in rows[0]["gradients"]:
        made.add_column(f"|g| {name}", justify="right")
    for name in ("distinct units", "rank of layer 1", "test accuracy (range)"):
        made.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        low, middle, high = (f"{100 * share:.1f}" for share in row["accuracy"])
        gradients = ("0" if norms[2] == 0 else f"{norms[1]:.2g}" for norms in row["gradients"].values())
        units = f"{row['units'][1]} of {HIDDEN}"
        made.add_row(
            row["arm"], row["activation"], *gradients, units, f"{row['rank']:.1f}", f"{middle} % ({low} – {high})"
        )
    return made


def main() -> None:
    """Train every arm with every activation and tell what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=Path("runs/initial-weights"))
    asked = parser.parse_args()
    rows = [trained(arm, name, asked.starts, asked.steps, asked.out) for arm in ARMS for name in ACTIVATIONS]
    Console(width=180).print(table(rows))
    (asked.out / "initial_weights.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
