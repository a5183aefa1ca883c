"""A start on its way."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mnemo_jax import stretch
from mnemo_jax.descent.program import Program
from mnemo_jax.keys import Purpose, key
from mnemo_jax.stretch import WORD, Stretch
from mnemo_jax.types import Outcome

KEYS = {
    "rng_key": Purpose.NOISE,
    "key": Purpose.NOISE,
    "batch_key": Purpose.BATCH,
    "augment_key": Purpose.AUGMENT,
}
"""Names of the random keys in optimizers' states, and what is drawn from them."""


class Lane(NamedTuple):
    """A start on its way.

    Attributes:
        x: ``[d]``.
        memory: the optimizer's state.
        steps: int32, updates applied so far.
        outcome: int32, an `Outcome`.
        slot: int32, which start of the block the lane follows; the block's size when it follows none.
        stretch: the stall tracking.
        limit: int32, updates it may make in the next word of looks.
        history: ``[looks, parts * functions]`` of what was measured at each look, None where nothing is.
    """

    x: Array
    memory: Any
    steps: Array
    outcome: Array
    slot: Array
    stretch: Stretch
    limit: Array
    history: Array | None


class Queue(NamedTuple):
    """A block of starts.

    Attributes:
        x0: ``[n, d]`` start points.
        size: int32, how many of them are to be followed.
        first: int64, number of the first start.
        root: the run's random key.
    """

    x0: Array
    size: Array
    first: Array
    root: Array

    def row(self, slot: Array) -> Array:
        """Return a row of ``x0``, uint32, that of ``slot`` where there is one."""
        return jnp.minimum(slot, self.x0.shape[0] - 1).astype(jnp.uint32)


def fresh(x: Array, slot: Array, queue: Queue, program: Program) -> Lane:
    """Return a lane at the start of its descent at ``x [d]``; idle when the queue had none left for it."""
    outcome = jnp.where(slot < queue.size, Outcome.RUNNING, Outcome.IDLE).astype(jnp.int32)
    memory = _memory(program.optimizer, x, slot, queue)
    zero, history = jnp.zeros((), jnp.int32), program.watch.blank(x.dtype)
    return Lane(x, memory, zero, outcome, slot, stretch.fresh(x), jnp.int32(WORD), history)


def held_back(lane: Lane, program: Program) -> Array:
    """Return the bits, int64, that stop a lane, or many, in the next word beside what is seen (see `stretch.held`)."""
    left = jnp.minimum(program.rules.max_steps - lane.steps, lane.limit)
    left = jnp.where(lane.outcome == Outcome.RUNNING, left, 0)
    return stretch.held(left, lane.stretch.length > 0)


def _memory(optimizer: optax.GradientTransformationExtraArgs, x: Array, slot: Array, queue: Queue) -> Any:
    """Return the optimizer's first state, random keys in it replaced by the start's own."""

    def own(path: Any, leaf: Array) -> Array:
        name = getattr(path[-1], "name", "")
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        if not is_key and not (name in KEYS and leaf.dtype == jnp.uint32):
            return leaf
        purpose = Purpose.NOISE if is_key else KEYS[name]
        made = key(queue.root, purpose, queue.first + queue.row(slot))
        return made if is_key else jax.random.key_data(made)

    return jax.tree_util.tree_map_with_path(own, optimizer.init(x))
