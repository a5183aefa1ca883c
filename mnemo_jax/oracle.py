"""Which critical point any place leads to: a finished run's own loss, optimizer and stop rules, asked once more."""

from dataclasses import replace
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np

from mnemo_jax.anew import matched, plan_of
from mnemo_jax.catalogue import Metric, Table
from mnemo_jax.devices import Devices
from mnemo_jax.errors import UserError
from mnemo_jax.followed import Stalls, descend_block
from mnemo_jax.labelling import label
from mnemo_jax.optimizers import Optimizer
from mnemo_jax.plan import Plan, Recording, complete_stop
from mnemo_jax.prepare import Prepared, prepare
from mnemo_jax.record import Record
from mnemo_jax.starts import Uniform, numbers
from mnemo_jax.stopping import Stop
from mnemo_jax.types import Outcome, Tile

BATCH = 1 << 13  # points followed at once, fewer in many dimensions
LANES = 256  # of them side by side on a CPU
SAME_LOSS = 1e-6  # of the landscape's height, between points of one flat family
STEADY = 0.25  # of the reciprocal largest curvature, a learning rate for losses without one
INSTEAD = "distances and edges need a run from a config, and --no-edges measures a grid alone"


class Oracle:
    """Tells the label of any point: where its descent ends, and which critical point that is.

    Points are followed in batches of one shape, so that one program serves them all. The same point has the same label
    in any company.

    Attributes:
        prepared: the plan with its scales and rules.
        table: the catalogue's points, and after them those met since; row number is label.
        descents: how many points it has been asked about.
    """

    def __init__(self, prepared: Prepared, table: Table) -> None:
        self.prepared = prepared
        self.table = table
        self.descents = 0

    def labels(self, x: np.ndarray) -> np.ndarray:
        """Return the labels of points ``x [n, d]``, int64 ``[n]``, -1 for none."""
        if not len(x):
            return np.empty(0, np.int64)
        self.descents += len(x)
        block = min(BATCH, max(1, (1 << 22) // x.shape[1]))
        plan = replace(self.prepared.plan, starts=Uniform(count=len(x)), recording=Recording(block=block))

        def draw(first: int | jax.Array, n: int) -> jnp.ndarray:
            return jnp.asarray(x[numbers(first, n, len(x))])

        asked = self.prepared._replace(plan=plan, draw=draw)
        return np.concatenate([self._block(asked, number) for number in range(-(-len(x) // block))])

    def _block(self, asked: Prepared, number: int) -> np.ndarray:
        block, _, _ = descend_block(asked, number)
        # Descents from a boundary stall at saddles, and every stall would be polished.
        none = Stalls(*(column[:0] for column in block.stalls))
        block = block._replace(stalls=none, open_length=np.zeros_like(block.open_length))
        found = label(block, asked.judge)
        point = np.where(np.isin(block.outcome, (Outcome.CONVERGED, Outcome.FINISHED)), found.point, -1)
        used = np.unique(point[point >= 0])
        row = np.full(len(found.table.x) + 1, -1)
        row[used] = self._rows(found.table.take(used))
        return row[point]

    def _rows(self, table: Table) -> np.ndarray:
        """Return the label of each point of a table; those not met before are given the next ones."""
        metric = self.prepared.judge.metric
        rows = matched(table.x, self.table, metric)
        for k in np.flatnonzero((rows < 0) & (table.nullity > 0)):
            rows[k] = _family(table.take(np.array([k])), self.table, metric)
        new = np.flatnonzero(rows < 0)
        rows[new] = len(self.table.x) + np.arange(len(new))
        fresh = table.take(new)._replace(count=np.zeros(len(new), np.int64))
        self.table = Table(*(np.concatenate(columns) for columns in zip(self.table, fresh, strict=True)))
        return rows


def _family(point: Table, catalogue: Table, metric: Metric) -> int:
    """Return the row of the flat family a point belongs to by loss, index and nullity; -1 for none or several."""
    height = SAME_LOSS * metric.curvature * metric.length**2
    alike = (catalogue.family > 0) & (catalogue.index == point.index) & (catalogue.nullity == point.nullity)
    rows = np.flatnonzero(alike & (np.abs(catalogue.loss - point.loss) <= height))
    return int(rows[0]) if len(rows) == 1 else -1


def oracle_of(record: Record, devices: Devices) -> Oracle:
    """Return the oracle of a finished run, in float64.

    Raises:
        UserError: the run's loss was made in Python, or is not what it was; its optimizer draws random numbers.
    """
    plan = plan_of(record, devices, INSTEAD)
    same = record.provenance["versions"]["jax"] == version("jax")
    if same and plan.resolved()["loss"]["program"] != record.config["loss"]["program"]:
        raise UserError(f"{record.path}: its loss has changed since the run; run its config again")
    if _is_random(plan):
        raise UserError(
            f"{record.path}: optimizer {plan.optimizer.name} draws random numbers, so that its basins have no boundary"
        )
    plan = replace(plan, tile=_tile(plan), observables={}, until=None)
    return Oracle(prepare(plan, devices), record.catalogue)


def descent_oracle(oracle: Oracle) -> tuple[Oracle, float]:
    """Return the oracle of plain gradient descent on the same loss, and its learning rate.

    A run's own oracle serves where it is that already. Else the learning rate is the landscape's, or where it has none
    a quarter of the reciprocal of the largest curvature seen.
    """
    plan, landscape = oracle.prepared.plan, oracle.prepared.plan.landscape
    own = plan.optimizer
    if own == Optimizer("sgd", own.learning_rate) and isinstance(own.learning_rate, float) and plan.stop.grad_tol != 0:
        return oracle, own.learning_rate
    eigenvalues = np.abs(oracle.table.eigenvalues)
    steepest = max(float(np.nanmax(eigenvalues, initial=0.0)), oracle.prepared.judge.metric.curvature)
    rate = landscape.learning_rate or STEADY / steepest
    stop = complete_stop(Stop(escape_radius=plan.stop.escape_radius), landscape, Optimizer("sgd", rate))
    plain = replace(plan, optimizer=Optimizer("sgd", rate), stop=stop)
    return Oracle(prepare(plain, oracle.prepared.devices), oracle.table), rate


def _tile(plan: Plan) -> Tile:
    """Return a tile for few points at a time: on a CPU lanes without a start cost as much as others."""
    return replace(plan.tile, lanes=min(plan.tile.lanes, LANES)) if jax.default_backend() == "cpu" else plan.tile


def _is_random(plan: Plan) -> bool:
    """Whether an optimizer's state holds a random key, which the engine replaces by each start's own."""
    state = plan.optimizer.build().init(jnp.zeros(plan.landscape.dim))
    leaves = jax.tree.leaves_with_path(state)
    named = any(getattr(path[-1], "name", "") in ("rng_key", "key", "batch_key") for path, _ in leaves if path)
    return named or any(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for _, leaf in leaves)
