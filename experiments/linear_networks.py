"""Does theory tell every critical point of linear networks, and when descents leave their plateaus?

Linear autoencoders and deep linear networks have one critical loss per subset of their modes, and no bad minimum
(Baldi & Hornik 1989). All of them are looked for here, from thousands of places, without being told; losses, indices
and nullities are held against the closed form of `mnemo_jax.losses.linear_theory`. Then gradient descent from small
starts is timed on its plateaus and held against the exact times of Saxe et al. (2014).

    python experiments/linear_networks.py [--searches 1024] [--starts 1000] [--out runs/linear-networks]

Prints four tables (also as ``linear_networks.json``), draws a figure, and leaves the record of every run. Two minutes
on one core.
"""

import argparse
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import mnemo_jax as mnemo
from mnemo_jax import losses
from mnemo_jax.figures.style import FAINT, page_named, save, styled
from mnemo_jax.landscape import Landscape
from mnemo_jax.losses.linear_theory import index_at
from mnemo_jax.losses.linear_times import steps_to, strength_at, time_to
from mnemo_jax.types import Kind

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "autoencoder 3-2-3": ("linear_autoencoder", {"features": 3, "hidden": 2}),
    "two layers 3-1-2": ("deep_linear", {"widths": (3, 1, 2)}),
    "three layers 2-2-2-2": ("deep_linear", {"widths": (2, 2, 2, 2)}),
}
NEAR = 1e-6  # relative difference up to which two losses are one
STRENGTHS, START, RATE = (3.0, 2.0, 1.0), 1e-3, 0.002
DEPTHS = (2, 3)
SPREAD, HIDDEN, DRAWS = 1e-3, 20, 100  # of the small random starts
HALF = 0.5  # of its strength, at which a mode counts as learnt


def searched(name: str, searches: int, out: Path) -> list[dict[str, Any]]:
    """Return a row per critical loss, found or known: the indices and nullities found there beside theory's."""
    kind, args = NETWORKS[name]
    landscape = losses.build(kind, args)
    part = searches // 4
    found = mnemo.find_critical_points(
        landscape, seeking=mnemo.Seeking(count=searches, along=part, heights=part, rounds=2), name=name, out=out
    )
    table = found.catalogue
    covariances = landscape.args["xx"], landscape.args["xy"]
    layers = map(landscape.loss.weights, table.x)  # type: ignore[attr-defined]
    own = [index_at(each, *covariances, zero=zero) for each, zero in zip(layers, table.zero, strict=True)]
    rest = set(range(len(table.x)))
    rows = []
    for loss in _levels([point.loss for point in landscape.known]):
        here = [row for row in sorted(rest) if abs(table.loss[row] - loss) <= NEAR * max(1.0, abs(loss))]
        rest -= set(here)
        told = sorted({(p.kind, p.index, p.nullity) for p in landscape.known if abs(p.loss - loss) <= NEAR})
        rows.append({"network": name, "loss": loss, "theory": told, "found": _seen(table, here, own)})
    for row in sorted(rest):
        rows.append({"network": name, "loss": float(table.loss[row]), "theory": [], "found": _seen(table, [row], own)})
    return rows


def _levels(values: list[float]) -> list[float]:
    """Return the different ones among losses."""
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] > NEAR:
            kept.append(value)
    return kept


def _seen(table: Any, rows: list[int], own: list[int]) -> list[tuple[str, int, int, int, int]]:
    """Return kind, index, the index of theory at that very point, nullity and number of searches, of one loss."""
    seen: Counter[tuple[str, int, int, int]] = Counter()
    for row in rows:
        word = Kind(int(table.kind[row])).word
        seen[word, int(table.index[row]), own[row], int(table.nullity[row])] += int(table.count[row])
    return [(*key, count) for key, count in sorted(seen.items())]


def surveyed(name: str, starts: int, out: Path) -> dict[str, Any]:
    """Return how many descents from uniform starts ended at which loss."""
    kind, args = NETWORKS[name]
    landscape = losses.build(kind, args)
    record = mnemo.survey(landscape, starts=starts, name=f"{name}-descents", out=out)
    best = min(point.loss for point in landscape.known)
    at = np.abs(record.catalogue.loss - best) <= NEAR
    share = record.shares
    lowest = int(share.count[at].sum())
    return {
        "network": name,
        "starts": starts,
        "at the best loss": lowest,
        "elsewhere": int(share.count.sum()) - lowest,
        "unlabelled": starts - int(share.count.sum()),
        "stalls": int(record.stalls().num_rows),
    }


def even(depth: int) -> tuple[Landscape, np.ndarray]:
    """Return a network whose layers all carry each mode equally, and the point at which they begin."""
    widths = (len(STRENGTHS),) * (depth + 1)
    landscape = losses.deep_linear(widths=widths, strengths=STRENGTHS)
    return landscape, np.concatenate([START ** (1.0 / depth) * np.eye(len(STRENGTHS)).ravel()] * depth)[None]


def descents(landscape: Landscape, starts: np.ndarray, steps: int, name: str, out: Path) -> list[np.ndarray]:
    """Return the strengths of the modes ``[steps + 1, modes]`` along plain gradient descent from each start."""
    record = mnemo.survey(
        landscape,
        learning_rate=RATE,
        starts=starts,
        stop=mnemo.Stop(grad_tol=0.0, max_steps=steps),
        recording=mnemo.Recording(paths=len(starts), catalogue=0),
        name=name,
        out=out,
    )
    return [_strengths(landscape.loss.widths, path) for path in record.paths()]  # type: ignore[attr-defined]


def _strengths(widths: tuple[int, ...], path: np.ndarray) -> np.ndarray:
    """Return the diagonal of the product of all layers at each point of a path."""
    product, begin = None, 0
    for rows, columns in pairwise(widths):
        layer = path[:, begin : begin + rows * columns].reshape(-1, rows, columns)
        product, begin = layer if product is None else product @ layer, begin + rows * columns
    assert product is not None
    return np.diagonal(product, axis1=1, axis2=2)


def timed(out: Path) -> tuple[list[dict[str, Any]], dict[int, np.ndarray]]:
    """Return a row per depth and mode: steps to half of the strength from even starts, beside theory; and the paths."""
    rows, paths = [], {}
    for depth in DEPTHS:
        landscape, start = even(depth)
        exact = [float(time_to(HALF * s, START, s, layers=depth)) / RATE for s in STRENGTHS]
        (path,) = descents(landscape, start, int(1.2 * max(exact)), f"even-{depth}", out)
        paths[depth] = path
        for mode, s in enumerate(STRENGTHS):
            step = int(np.argmax(path[:, mode] >= HALF * s))
            own = steps_to(HALF * s, START, s, RATE, layers=depth)
            law = strength_at(RATE * np.arange(len(path)), START, s, layers=depth)
            off = float(np.abs(path[:, mode] - law).max() / s)
            row = {"layers": depth, "strength": s, "steps": step, "exact": exact[mode], "recursion": own, "off": off}
            rows.append(row)
    return rows, paths


def drawn(out: Path) -> list[dict[str, Any]]:
    """Return a row per mode: steps from small random starts over those of theory, from what each start has of the mode.

    While a mode is small, ``z = (W_1^T u + W_2 v) / 2`` grows and the difference of the two shrinks: ``a = |z|^2``.
    """
    modes = len(STRENGTHS)
    landscape = losses.deep_linear(widths=(modes, HIDDEN, modes), strengths=STRENGTHS)
    starts = SPREAD * np.random.default_rng(0).normal(size=(DRAWS, landscape.dim))
    first, last = np.split(starts, 2, axis=1)
    z = 0.5 * (first.reshape(-1, modes, HIDDEN) + np.swapaxes(last.reshape(-1, HIDDEN, modes), 1, 2))
    begin = np.sum(z**2, axis=2)
    exact = time_to(HALF * np.array(STRENGTHS), begin, np.array(STRENGTHS)) / RATE
    paths = descents(landscape, starts, int(1.2 * exact.max()), "random", out)
    steps = np.array([[np.argmax(path[:, m] >= HALF * s) for m, s in enumerate(STRENGTHS)] for path in paths])
    ratio = steps / exact
    return [
        {
            "strength": s,
            "steps": float(np.median(steps[:, m])),
            "exact": float(np.median(exact[:, m])),
            "ratio": [float(each) for each in np.quantile(ratio[:, m], [0.5, 0.0, 1.0])],
            "correlation": float(np.corrcoef(steps[:, m], exact[:, m])[0, 1]),
        }
        for m, s in enumerate(STRENGTHS)
    ]


def verdicts(rows: list[dict[str, Any]]) -> list[str]:
    """Return a sentence per network: which critical losses were found, and what is at those that are not the least."""
    said = []
    for name in NETWORKS:
        own = [row for row in rows if row["network"] == name]
        known = [row for row in own if row["theory"]]
        met = sum(bool(row["found"]) for row in known)
        above = [point for row in own for point in row["found"] if row["loss"] > own[0]["loss"]]
        saddles = sum(point[0] == "saddle" for point in above)
        every = [point for row in own for point in row["found"]]
        equal = sum(found == theory for _, found, theory, _, _ in every)
        said.append(
            f"{name}: {met} of {len(known)} critical losses found and {len(own) - len(known)} others; above the least, "
            f"{saddles} of {len(above)} sorts of points are saddles; {equal} of {len(every)} sorts have theory's index"
        )
    return said


def told(result: dict[str, Any]) -> str:
    """Return the tables in words."""
    head = f"{'network':21} {'loss':>10}  {'theory: kind, index, nullity':30}"
    lines = [f"{head} found: kind, index = that of theory there, nullity (searches)"]
    for row in result["critical"]:
        theory = ", ".join(f"{kind} {index} {nullity}" for kind, index, nullity in row["theory"]) or "none"
        seen = ", ".join(f"{kind} {index}={own} {zero} ({count:,})" for kind, index, own, zero, count in row["found"])
        lines.append(f"{row['network']:21} {row['loss']:10.6f}  {theory:30} {seen or 'not found'}")
    lines += ["", *verdicts(result["critical"])]
    lines += [
        "",
        f"{'network':21} {'descents':>9} {'at the best loss':>17} {'elsewhere':>10} {'unlabelled':>11} {'stalls':>7}",
    ]
    for row in result["descents"]:
        lines.append(
            f"{row['network']:21} {row['starts']:9,} {row['at the best loss']:17,} {row['elsewhere']:10,} "
            f"{row['unlabelled']:11,} {row['stalls']:7,}"
        )
    head = f"{'even starts':12} {'strength':>9} {'steps to half':>14} {'exact time / rate':>18} {'recursion':>10}"
    lines += ["", f"{head} {'path off by at most':>20}"]
    for row in result["even"]:
        lines.append(
            f"{row['layers']} layers     {row['strength']:9.1f} {row['steps']:14,} {row['exact']:18,.2f} "
            f"{row['recursion']:10,} {row['off']:20.2e}"
        )
    head = f"{'random starts':13} {'strength':>8} {'median steps':>14} {'median exact':>18}"
    lines += ["", f"{head} {'steps / exact: median (range)':>32} {'correlation':>12}"]
    for row in result["random"]:
        middle, low, high = row["ratio"]
        span = f"{middle:.4f} ({low:.4f} – {high:.4f})"
        lines.append(
            f"{'':13} {row['strength']:8.1f} {row['steps']:14,.1f} {row['exact']:18,.2f} {span:>32} "
            f"{row['correlation']:12.4f}"
        )
    return "\n".join(lines)


@styled
def figure(paths: dict[int, np.ndarray]) -> Figure:
    """Draw the strengths of all modes along the descents over the curves of theory."""
    note = (
        f"Gradient descent with rate {RATE:g} from layers that carry every mode equally, with strength {START:g}; "
        "dashed: the exact solution (Saxe et al. 2014), one line for each mode."
    )
    made = page_named("Linear networks", "modes are learnt one by one, at the times of theory", note, 7.4, 3.6)
    every = np.atleast_1d(made.subplots(1, len(paths), sharey=True))
    for axes, (depth, path) in zip(every, paths.items(), strict=True):
        steps = np.arange(len(path))
        for mode, (s, colour) in enumerate(zip(STRENGTHS, ("#0072B2", "#D55E00", "#009E73"), strict=True)):
            axes.plot(steps, path[:, mode], color=colour, alpha=0.45, linewidth=3.5)
            law = strength_at(RATE * steps, START, s, layers=depth)
            axes.plot(steps, law, color=colour, linestyle=(0, (3, 2)), linewidth=1.2)
        axes.set_title(f"{depth} layers")
        axes.set_xlabel("steps")
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
    every[0].set_ylabel("strength learnt")
    return made


def main() -> None:
    """Carry the experiment out."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("--searches", type=int, default=1024)
    asked.add_argument("--starts", type=int, default=1000)
    asked.add_argument("--out", type=Path, default=Path("runs/linear-networks"))
    given = asked.parse_args()
    runs = given.out / "runs"
    even_rows, paths = timed(runs)
    result = {
        "critical": [row for name in NETWORKS for row in searched(name, given.searches, runs)],
        "descents": [surveyed(name, given.starts, runs) for name in NETWORKS],
        "even": even_rows,
        "random": drawn(runs),
    }
    print(told(result))
    (given.out / "linear_networks.json").write_text(json.dumps(result, indent=1))
    for path in save(figure(paths), given.out / "linear_networks"):
        print(path)


if __name__ == "__main__":
    main()
