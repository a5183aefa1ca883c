"""Faithfulness: whether optimizers lead starts to the minima that the gradient flow leads them to.

An optimizer is not the flow: steps overshoot, momentum carries over ridges, adaptive steps turn. Every optimizer
follows the same starts as the flow, each in a run with a record of its own; their labels are compared start by start.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from mnemo_jax import config as configs
from mnemo_jax import estimates, pipeline, store
from mnemo_jax.branches import Branches
from mnemo_jax.errors import UserError
from mnemo_jax.gradient_flow import STAGES
from mnemo_jax.optimizers import Optimizer, Transformation
from mnemo_jax.plan import Plan
from mnemo_jax.prepare import Warn, devices_for, prepare
from mnemo_jax.record import Record
from mnemo_jax.starts import Points, drawer, is_independent

TIGHTER = 100.0  # times, the tolerance at which the flow is followed again on a sample
MOVES = 1000  # pairs of minima listed, those between which most starts were moved
FLOW_STEPS = 100_000  # of the flow at most, where the config allows fewer


class Arm(NamedTuple):
    """One optimizer, its name in tables, and its plan."""

    name: str
    plan: Plan


class Comparison(NamedTuple):
    """What is compared: the flow, the flow at the tolerance ``tight`` on a ``sample`` of the starts, the optimizers."""

    name: str
    flow: Arm
    confirmation: Arm
    tight: float
    sample: np.ndarray
    arms: list[Arm]

    def digest(self) -> str:
        """Return the first eight hex digits of the SHA-256 of the plans' own hashes."""
        plans = [arm.plan.digest() for arm in (self.flow, self.confirmation, *self.arms)]
        return hashlib.sha256("".join(plans).encode()).hexdigest()[:8]


def read(path: Path, overrides: Sequence[str], platform: str) -> Comparison:
    """Return the comparison that a config's ``[compare]`` table asks for; without optimizers there, of its own one.

    Raises:
        UserError: the config is wrong, two optimizers have one name, or what the flow needs is not installed.
    """
    config = replace(configs.read(path, overrides), until=None)  # the same starts everywhere
    asked = config.compare
    base = replace(config, compare=replace(asked, optimizers=()))

    def plan(optimizer: Mapping[str, Any]) -> Plan:
        return configs.plan(replace(base, optimizer=dict(optimizer)), str(path), platform, overrides)

    if not asked.optimizers and "learning_rate" not in config.optimizer and config.optimizer["name"] == "sgd":
        raise UserError(f"{path}: compare.optimizers: none are listed; add [[compare.optimizers]] tables")
    flow = {"name": "gradient_flow", "rtol": asked.rtol, "atol": asked.rtol}
    arms = []
    for table in asked.optimizers or (config.optimizer,):
        own = {key: value for key, value in table.items() if key != "label"}
        made = plan(own)
        arms.append(Arm(str(table.get("label", words(made.optimizer))), made))
    names = [arm.name for arm in arms]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"{path}: compare.optimizers: two are called {twice!r}; give each a label of its own")
    truth = _longer(plan(flow))
    tight = asked.rtol / TIGHTER
    confirmation = _longer(plan(flow | {"rtol": tight, "atol": tight}))
    sample = np.unique(np.linspace(0, truth.count - 1, min(asked.sample, truth.count)).astype(np.int64))
    return Comparison(
        name=config.name,
        flow=Arm("gradient flow", truth),
        confirmation=Arm("gradient flow, confirmed", _sampled(confirmation, sample)),
        tight=tight,
        sample=sample,
        arms=arms,
    )


def _longer(plan: Plan) -> Plan:
    return replace(plan, stop=replace(plan.stop, max_steps=max(plan.stop.max_steps or 0, FLOW_STEPS)))


def _sampled(plan: Plan, sample: np.ndarray) -> Plan:
    """Return the plan of some of its starts alone."""
    with jax.enable_x64(True):
        draw = drawer(plan.starts, plan.landscape, plan.seed)
        x = np.concatenate([np.asarray(draw(int(number), 1)) for number in sample])
    return replace(plan, starts=Points(x=tuple(map(tuple, x.tolist()))))


def words(optimizer: Optimizer | Transformation) -> str:
    """Return an optimizer in a few words, such as ``sgd 0.01, momentum 0.9``."""
    if isinstance(optimizer, Transformation):
        return optimizer.name
    rate = optimizer.learning_rate
    told = optimizer.name + (f" {rate:g}" if isinstance(rate, float) else " with a schedule" if rate else "")
    for key, value in optimizer.args:
        told += f", {key} {value:g}" if isinstance(value, int | float) else f", {key} {value}"
    return told


def gradients_per_step(optimizer: Optimizer | Transformation, dim: int) -> int | None:
    """Return how many gradients, or products with the Hessian, a step takes; None where that varies or is not known."""
    if isinstance(optimizer, Transformation):
        return None
    if optimizer.name == "gradient_flow":
        return 1 + STAGES[str(dict(optimizer.args).get("solver", "dopri8"))]
    if optimizer.name in ("newton", "saddle_free_newton"):
        return 1 + dim
    return None if "lbfgs" in optimizer.name or "line" in optimizer.name or "polyak" in optimizer.name else 1


def run(
    comparison: Comparison,
    out: Path,
    *,
    devices: int | None = None,
    fresh: bool = False,
    report: Callable[[str, pipeline.Progress], None] = lambda *_: None,
    warn: Warn = lambda _: None,
) -> dict[str, Any]:
    """Carry out all runs into a folder below ``out`` and return the comparison as plain values, strict JSON.

    Args:
        comparison: what is compared.
        out: the folder that receives the comparison's, ``NAME-compare-HASH``.
        devices: number of local devices, all when None.
        fresh: whether runs that are finished are carried out again.
        report: called with the name of the optimizer, and its run's progress.
        warn: called with each warning, one sentence.
    """
    folder = out / f"{comparison.name}-compare-{comparison.digest()}"
    arms = [comparison.flow, comparison.confirmation, *comparison.arms]
    branches, ends, records, judge = Branches(), [], [], None
    with jax.enable_x64(True), devices_for(comparison.flow.plan, 1) as workers:
        for number, arm in enumerate(arms):
            tell = partial(report, arm.name)
            record = pipeline.run(arm.plan, folder, devices=devices, fresh=fresh, report=tell, warn=warn)
            judge = judge or prepare(arm.plan, workers).judge
            branches.add(record, judge, number - 1 if number else None, judge)
            ends.append(branches.of_starts(number, record))
            records.append(record)
    table = store.strict(_table(comparison, records, branches, ends))
    store.write_json(folder / "compare.json", table)
    return table | {"folder": str(folder)}


def _table(comparison: Comparison, records: list[Record], branches: Branches, ends: list[np.ndarray]) -> dict[str, Any]:
    """Return the comparison as plain values; records and ends are of the flow, its confirmation and the optimizers."""
    flow, confirmed, *others = (
        _cost(arm, record, numbers)
        for arm, record, numbers in zip(
            (comparison.flow, comparison.confirmation, *comparison.arms), records, branches.numbers, strict=True
        )
    )
    return {
        "name": comparison.name,
        "starts": comparison.flow.plan.count,
        "flow": flow
        | {
            "undecided": float(np.mean(ends[0] < 0)),
            "confirmed": {
                "record": confirmed["record"],
                "starts": len(comparison.sample),
                "differ": int(np.sum(ends[0][comparison.sample] != ends[1])),
                "rtol": comparison.tight,
            },
        },
        "minima": branches.x[-1],
        "optimizers": [
            other | _against(ends[0], end, is_independent(comparison.flow.plan.starts))
            for other, end in zip(others, ends[2:], strict=True)
        ],
    }


def _cost(arm: Arm, record: Record, branches: np.ndarray) -> dict[str, Any]:
    """Return what a run is called, what it cost, and which branch each of its labels belongs to."""
    per, total = gradients_per_step(arm.plan.optimizer, arm.plan.landscape.dim), record.summary["starts"]
    mean = record.summary["steps"] / total
    return {
        "name": arm.name,
        "record": record.path.name,
        "outcomes": {word: count for word, count in record.outcomes.items() if count},
        "mean_steps": mean,
        "mean_gradients": None if per is None else mean * per + 1,  # one more look finds that the end is one
        "branch_of_label": branches,
    }


def _against(flow: np.ndarray, end: np.ndarray, sample: bool) -> dict[str, Any]:
    """Return how an optimizer's ends ``[n]`` differ from the flow's, in numbers of branches, -1 for none."""
    decided = (flow >= 0) & (end >= 0)
    differ = decided & (flow != end)
    shares = estimates.independent(np.array([differ.sum(), (~decided).sum()]), len(flow))
    moves, counts = np.unique(np.stack([flow[differ], end[differ]], axis=1), axis=0, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:MOVES]
    return {
        "differ": shares.share[0],
        "differ_interval": shares.interval[0] if sample else None,
        "undecided": shares.share[1],
        "undecided_interval": shares.interval[1] if sample else None,
        "moves": [{"flow": moves[k, 0], "optimizer": moves[k, 1], "starts": counts[k]} for k in most],
    }
