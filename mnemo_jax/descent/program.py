"""What is computed at a point of a descent: loss and gradient, step rule, stop rules."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mnemo_jax.calculus import Args, Loss, Watch
from mnemo_jax.types import Outcome


class MakesOptimizer(Protocol):
    """A hashable choice of optimizer; ``numbers`` are traced, so that other values need no compilation."""

    def build(self, numbers: Mapping[str, Array]) -> optax.GradientTransformationExtraArgs:
        """Return the optax transformation."""
        ...

    def needs_data(self) -> bool:
        """Whether its steps take batches of the loss's data."""
        ...


class Rules(NamedTuple):
    """The numbers of the stop rules and of stall tracking, all traced.

    Attributes:
        grad_tol: largest absolute gradient entry of a converged point; negative asks for a fixed budget.
        max_steps: int32, updates.
        centre, reach: ``[d]`` each; escaped when ``|x - centre| > reach`` in any coordinate. None is the origin, where
            nothing is subtracted.
        stall_below, stall_above: squared gradient norms that open and end a stall.
        numbers: those of the optimizer, as its learning rate, by their names.
    """

    grad_tol: Array
    max_steps: Array
    centre: Array | None
    reach: Array
    stall_below: Array
    stall_above: Array
    numbers: Mapping[str, Array]

    def away(self, x: Array) -> Array:
        """Return how far ``x [d]`` is from the centre in each coordinate."""
        return jnp.abs(x if self.centre is None else x - self.centre)


class Program(NamedTuple):
    """What is computed at a point: loss and arguments, step rule, stop rules, what is measured on which data.

    ``batched`` says whether steps take batches.
    """

    loss: Loss
    args: Args
    optimizer: optax.GradientTransformationExtraArgs
    rules: Rules
    batched: bool
    watch: Watch
    parts: tuple[Args, ...]

    def value(self, x: Array) -> Array:
        """Return the loss at ``x [d]``."""
        return self.loss(x, self.args)

    def gradient(self, x: Array) -> Array:
        """Return the gradient ``[d]`` at ``x [d]``."""
        gradient: Array = jax.grad(self.loss)(x, self.args)
        return gradient

    def outcome(self, x: Array, worst: Array, steps: Array) -> Array:
        """Return the outcome at ``x`` by the first rule that holds; ``worst`` is the largest gradient entry, or NaN."""
        rules, code = self.rules, {outcome: jnp.int32(outcome) for outcome in Outcome}
        spent = jnp.where(rules.grad_tol < 0, code[Outcome.FINISHED], code[Outcome.OUT_OF_STEPS])
        outcome = jnp.where(steps >= rules.max_steps, spent, code[Outcome.RUNNING])
        outcome = jnp.where(worst <= rules.grad_tol, code[Outcome.CONVERGED], outcome)
        outcome = jnp.where(jnp.any(rules.away(x) > rules.reach), code[Outcome.ESCAPED], outcome)
        # A coordinate that the loss does not depend on may be no number although all gradients are.
        finite = (worst < jnp.inf) & ~jnp.any(jnp.isnan(x))
        return jnp.where(finite, outcome, code[Outcome.NON_FINITE])


def program_of(
    loss: Loss, args: Args, rules: Rules, parts: tuple[Args, ...], choice: MakesOptimizer, watch: Watch
) -> Program:
    """Return what is computed with an optimizer's choice, its numbers taken from the rules."""
    return Program(loss, args, choice.build(rules.numbers), rules, choice.needs_data(), watch, parts)
