"""What is computed: losses, starts, step rules and stop rules, the same for every competitor."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.network import network
from mnemo_jax import losses
from mnemo_jax.landscape import Landscape
from mnemo_jax.optimizers import Optimizer, parse
from mnemo_jax.plan import Plan, Recording, default_tile
from mnemo_jax.starts import Uniform, drawer
from mnemo_jax.stopping import Stop


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Descents from uniform starts in a loss's box.

    Attributes:
        name: one word.
        landscape: the loss and its box.
        optimizer: the step rule's table, as in a config.
        grad_tol: converged when no gradient entry is larger; 0 asks for ``max_steps`` steps from every start.
        max_steps: updates after which a descent ends.
        precision: of points and gradients.
        sizes: numbers of starts.
        quick, full: the numbers of starts with ``--quick``, and those that ``--full`` adds.
    """

    name: str
    landscape: Landscape
    optimizer: Mapping[str, Any]
    grad_tol: float = 1e-6
    max_steps: int = 20_000
    precision: Literal["float32", "float64"] = "float64"
    sizes: tuple[int, ...] = (10_000, 1_000_000)
    quick: int = 100_000
    full: tuple[int, ...] = ()

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.landscape.dim

    @property
    def rate(self) -> float:
        """The learning rate."""
        return float(self.optimizer["learning_rate"])

    @property
    def tolerance(self) -> float:
        """The largest gradient entry of a converged point; negative where none counts as converged."""
        return self.grad_tol if self.grad_tol > 0 else -1.0

    @property
    def reach(self) -> float:
        """Size of a coordinate beyond which a descent has escaped; the boxes are cubes around the origin."""
        return Stop().escape_radius * self.landscape.upper[0]

    @property
    def last_look(self) -> int:
        """Looks at a point beyond ``max_steps`` updates: 1 where the last point may have converged, else 0."""
        return int(self.grad_tol > 0)

    @cached_property
    def choice(self) -> Optimizer:
        """The step rule; ``choice.build()`` is optax's transformation."""
        return parse(self.optimizer)

    def at(self, quick: bool, full: bool) -> tuple[int, ...]:
        """Return the numbers of starts to measure."""
        return (self.quick,) if quick else self.sizes + (self.full if full else ())

    def starts(self, number: int) -> np.ndarray:
        """Return the start points ``[number, dim]``, rounded to the workload's precision."""
        draw = drawer(Uniform(count=number), self.landscape, seed=0)
        part = min(number, 1 << 20)
        parts = [np.asarray(draw(first, part), self.precision) for first in range(0, number, part)]
        return np.concatenate(parts)[:number]

    def plan(self, number: int) -> Plan:
        """Return the run that follows as many starts with the tile that ships."""
        return Plan(
            name=self.name,
            landscape=self.landscape,
            loss={"name": self.name},
            starts=Uniform(count=number),
            optimizer=self.choice,
            stop=Stop(grad_tol=self.grad_tol, max_steps=self.max_steps),
            tile=default_tile(self.dim, jax.devices()[0].platform),
            recording=Recording(),
            precision=self.precision,
        )

    def loss(self, x: jax.Array) -> jax.Array:
        """Return the loss at ``x [dim]``, as a user of another library would write it."""
        args = {key: jnp.asarray(value, x.dtype) for key, value in self.landscape.args.items()}
        value: jax.Array = self.landscape.loss(x, **args)
        return value


def sgd(rate: float, **args: float) -> dict[str, Any]:
    """Return the table of gradient descent with an optional momentum."""
    return {"name": "sgd", "learning_rate": rate, **args}


WORKLOADS = (
    Workload(name="quartic", landscape=losses.build("double_well"), optimizer=sgd(0.01), full=(100_000_000,)),
    Workload(name="himmelblau", landscape=losses.build("himmelblau"), optimizer=sgd(0.005)),
    Workload(
        name="rosenbrock",
        landscape=losses.build("rosenbrock", {"dim": 10}),
        optimizer=sgd(2e-4),
        sizes=(10_000,),
        quick=2_000,
    ),
    Workload(name="rastrigin", landscape=losses.build("rastrigin", {"dim": 10}), optimizer=sgd(0.002), quick=20_000),
    Workload(
        name="rastrigin_float32",
        landscape=losses.build("rastrigin", {"dim": 10}),
        optimizer=sgd(0.002),
        grad_tol=2e-3,
        precision="float32",
        quick=20_000,
    ),
    Workload(name="heavy_ball", landscape=losses.build("himmelblau"), optimizer=sgd(0.001, momentum=0.9)),
    Workload(name="adam", landscape=losses.build("himmelblau"), optimizer={"name": "adam", "learning_rate": 0.05}),
    Workload(
        name="network",
        landscape=network(),
        optimizer=sgd(0.05),
        grad_tol=0.0,
        max_steps=2_000,
        sizes=(500,),
        quick=200,
    ),
)


def by_name(name: str) -> Workload:
    """Return the workload of that name."""
    return next(workload for workload in WORKLOADS if workload.name == name)
