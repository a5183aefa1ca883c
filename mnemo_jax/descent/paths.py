"""A few starts with every point on their way that is looked at."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax import stretch
from mnemo_jax.calculus import RIGHT, Args, Loss, Watch
from mnemo_jax.descent.lane import Lane, Queue, held_back
from mnemo_jax.descent.program import MakesOptimizer, Rules, program_of
from mnemo_jax.descent.serving import starts
from mnemo_jax.descent.step import standing, step
from mnemo_jax.types import Outcome

CHUNK = 512  # steps of a path between two looks from the host


def follow(
    x0: Array,
    first: int,
    root: Array,
    args: Args,
    rules: Rules,
    *,
    loss: Loss,
    choice: MakesOptimizer,
    watch: Watch = Watch(),  # noqa: B008 - it is frozen
) -> tuple[list[np.ndarray], np.ndarray]:
    """Follow a few starts ``x0 [n, d]``, numbered from ``first``, and keep every point on the way that is looked at.

    Returns:
        per start its path ``[looks, d]``, and the outcomes ``[n]``. The program is not the engine's, so that
        paths may differ from its ends in the last bits.
    """
    lanes = _starts(x0, jnp.int64(first), root, args, rules, loss=loss, choice=choice)
    chunks = [np.asarray(x0)[:, None]]
    while np.any(np.asarray(lanes.outcome) == Outcome.RUNNING):
        lanes, x = _chunk(lanes, args, rules, loss=loss, choice=choice, watch=watch)
        chunks.append(np.asarray(x))
    x = np.concatenate(chunks, axis=1)
    return [path[: n + 1] for path, n in zip(x, np.asarray(lanes.steps), strict=True)], np.asarray(lanes.outcome)


@partial(jax.jit, static_argnames=("loss", "choice"))
def _starts(
    x0: Array, first: Array, root: Array, args: Args, rules: Rules, *, loss: Loss, choice: MakesOptimizer
) -> Lane:
    number = x0.shape[0]
    program = program_of(loss, args, rules, (), choice, Watch())
    return starts(jnp.arange(number, dtype=jnp.int32), Queue(x0, jnp.int32(number), first, root), program, 0)


@partial(jax.jit, static_argnames=("loss", "choice", "watch"), compiler_options=RIGHT)
def _chunk(
    lanes: Lane, args: Args, rules: Rules, *, loss: Loss, choice: MakesOptimizer, watch: Watch
) -> tuple[Lane, Array]:
    program = program_of(loss, args, rules, (), choice, watch)

    def forward(lane: Lane, _: None) -> tuple[Lane, Array]:
        running, held = lane.outcome == Outcome.RUNNING, held_back(lane, program)
        now = step(standing(lane.x, lane.memory), held, jnp.int32(0), program)
        went = stretch.gone(now.bits | held, 1)
        x, steps = now.point.x, lane.steps + went
        worst = jnp.max(jnp.abs(now.gradient))
        outcome = jnp.where(running & (went == 0), program.outcome(x, worst, steps), lane.outcome)
        return lane._replace(x=x, memory=now.point.memory, steps=steps, outcome=outcome), x

    return jax.vmap(lambda lane: jax.lax.scan(forward, lane, length=CHUNK))(lanes)
