"""The engine against a plain loop, and against itself in other company."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mnemo_jax.calculus import Loss
from mnemo_jax.descent import STORED, Logs, Rules, descend, follow
from mnemo_jax.optimizers import Optimizer
from mnemo_jax.stretch import OPENING
from mnemo_jax.types import Outcome, Tile

TILE = Tile(lanes=16, steps=8)
ROOT = 0


def quartic(x):
    return x[0] ** 4 - 4.0 * x[0] ** 2 + 1.0


def camel(x):
    return (4 - 2.1 * x[0] ** 2 + x[0] ** 4 / 3) * x[0] ** 2 + x[0] * x[1] + 4 * (x[1] ** 2 - 1) * x[1] ** 2


def staircase(x):
    # gradient -(1.002 + cos x): nearly zero at every odd multiple of pi, never quite
    return -1.002 * x[0] - jnp.sin(x[0])


def bowls(x):
    return jnp.sum((1.0 + jnp.arange(x.size)) * x**2)


def valley(x):
    return (x[0] - 1.0) ** 2


LOSSES = {f.__name__: Loss(f, None, scalar=False) for f in (quartic, camel, staircase, bowls, valley)}


class Case(NamedTuple):
    ends: object
    log: object
    segments: int


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def rules(dim, *, rate=0.01, tol=1e-8, steps=5000, reach=100.0, below=1e-3, dtype=jnp.float64):
    return Rules(
        grad_tol=jnp.asarray(tol, dtype),
        max_steps=jnp.int32(steps),
        centre=jnp.zeros(dim, dtype),
        reach=jnp.full(dim, reach, dtype),
        stall_below=jnp.asarray(below**2, dtype),
        stall_above=jnp.asarray(4 * below**2, dtype),
        numbers={"learning_rate": jnp.asarray(rate, dtype)},
    )


def run(name, x0, given, *, tile=TILE, size=None, first=0, choice=None, logs=None):
    choice = choice or Optimizer("sgd", 1.0)
    done = descend(
        x0,
        jnp.int32(len(x0) if size is None else size),
        jnp.int64(first),
        jax.random.key(ROOT),
        {},
        given,
        loss=LOSSES[name],
        choice=choice,
        tile=tile,
        logs=logs,
    )
    return Case(*done)


def uniform(n, dim, half, seed=0):
    return np.random.default_rng(seed).uniform(-half, half, (n, dim))


def plain(gradient, x, rate, tol, max_steps, reach, below):
    """One start, one step after the other, with the stall rules as DESIGN words them."""
    steps, since, smallest, stalls = 0, None, np.inf, []
    while True:
        g = gradient(x)
        norm = np.sqrt(np.sum(g**2))
        if since is None:
            if norm < below:
                since, smallest, where = steps, norm, x
        elif steps - since >= OPENING:
            if norm > 2 * below:
                stalls.append((since, steps - since, smallest, where))
                since = None
        elif norm >= below:
            since = None
        if since is not None and norm < smallest:
            smallest, where = norm, x
        if not np.isfinite(np.max(np.abs(g))):
            return x, Outcome.NON_FINITE, steps, stalls
        if np.any(np.abs(x) > reach):
            return x, Outcome.ESCAPED, steps, stalls
        if np.max(np.abs(g)) <= tol:
            return x, Outcome.CONVERGED, steps, stalls
        if steps >= max_steps:
            return x, Outcome.OUT_OF_STEPS, steps, stalls
        x = x - rate * g
        steps += 1


def camel_gradient(x):
    a, b = x
    return np.array([8 * a - 8.4 * a**3 + 2 * a**5 + b, a - 8 * b + 16 * b**3])


@pytest.fixture(scope="module")
def camel_case():
    with jax.enable_x64(True):
        # a third of the starts lies near one of two saddles, whose neighbourhoods they leave slowly
        saddles = np.repeat([[0.0, 0.0], [1.6380679841897787, 0.2286740690443941]], 50, axis=0)
        x0 = np.concatenate([uniform(200, 2, 1.2), saddles + uniform(100, 2, 0.02, seed=1)])
        return x0, run("camel", x0, rules(2, rate=0.02, below=0.3))


def test_descents_equal_a_plain_loop(camel_case):
    x0, case = camel_case
    for i, x in enumerate(x0):
        end, outcome, steps, stalls = plain(camel_gradient, x, 0.02, 1e-8, 5000, 100.0, 0.3)
        assert case.ends.outcome[i] == outcome
        assert case.ends.steps[i] == steps
        assert case.ends.stalls[i] == len(stalls)
        assert case.ends.stalled[i] == sum(length for _, length, _, _ in stalls)
        np.testing.assert_allclose(case.ends.x[i], end, atol=1e-10)


def test_stall_log_equals_a_plain_loop(camel_case):
    x0, case = camel_case
    rows = {(int(s), int(r)): k for k, (s, r) in enumerate(zip(case.log.slot, case.log.rank, strict=True))}
    expected = {}
    for i, x in enumerate(x0):
        for rank, stall in enumerate(plain(camel_gradient, x, 0.02, 1e-8, 5000, 100.0, 0.3)[3]):
            expected[i, rank] = stall
    assert len(expected) > 10, "the test must see stalls"
    assert set(rows) == set(expected)
    for key, (entry, length, smallest, where) in expected.items():
        k = rows[key]
        assert (case.log.entry[k], case.log.length[k]) == (entry, length)
        np.testing.assert_allclose(np.sqrt(case.log.smallest[k]), smallest, rtol=1e-8)
        np.testing.assert_allclose(case.log.x[k], where, atol=1e-8)


def test_more_stalls_than_are_stored_are_counted():
    case = run("staircase", np.zeros((3, 1)), rules(1, rate=0.1, below=0.05, steps=20_000, reach=60.0))
    _, outcome, steps, stalls = plain(lambda x: -(1.002 + np.cos(x)), np.zeros(1), 0.1, 1e-8, 20_000, 60.0, 0.05)
    assert len(stalls) > STORED
    assert case.ends.stalls.tolist() == [len(stalls)] * 3
    assert case.ends.stalled.tolist() == [sum(s[1] for s in stalls)] * 3
    assert case.ends.outcome.tolist() == [outcome] * 3 == [Outcome.ESCAPED] * 3
    assert case.ends.steps.tolist() == [steps] * 3
    assert len(case.log.rank) == 3 * STORED
    for rank in range(STORED):
        assert set(case.log.entry[case.log.rank == rank]) == {stalls[rank][0]}


@pytest.mark.parametrize(
    ("x", "changes", "outcome"),
    [
        (1.0, {}, Outcome.CONVERGED),
        (1.0, {"steps": 3}, Outcome.OUT_OF_STEPS),
        (1.0, {"steps": 3, "tol": -1.0}, Outcome.FINISHED),
        (3.0, {"rate": 1.0}, Outcome.ESCAPED),
        (np.nan, {}, Outcome.NON_FINITE),
        (np.inf, {}, Outcome.NON_FINITE),
        (0.0, {}, Outcome.CONVERGED),
    ],
)
def test_outcomes(x, changes, outcome):
    case = run("quartic", np.full((16, 1), x), rules(1, **changes))
    assert set(case.ends.outcome) == {outcome}
    if outcome in (Outcome.OUT_OF_STEPS, Outcome.FINISHED):
        assert set(case.ends.steps) == {3}
    if x == 0.0:
        assert set(case.ends.steps) == {0}


def test_bytes_do_not_depend_on_company():
    x0 = uniform(200, 2, 1.2, seed=3)
    given = rules(2, rate=0.02)
    whole = run("camel", x0, given)
    order = np.random.default_rng(1).permutation(200)
    shuffled = run("camel", x0[order], given)
    alone = run("camel", np.concatenate([x0[:7], x0[:193]]), given, size=7)
    for name in ("x", "steps", "outcome", "smallest"):
        np.testing.assert_array_equal(getattr(whole.ends, name)[order], getattr(shuffled.ends, name))
        np.testing.assert_array_equal(getattr(whole.ends, name)[:7], getattr(alone.ends, name)[:7])


def test_starts_beyond_the_size_are_not_followed():
    x0 = uniform(64, 2, 1.2)
    case = run("camel", x0, rules(2, rate=0.02), size=0)
    assert case.segments == 0
    assert case.ends.x.shape == (0, 2)


@pytest.mark.parametrize("tile", [Tile(lanes=16, steps=8, layout="lanes_first"), Tile(lanes=5, steps=3, refill=1.0)])
def test_other_tiles_agree_up_to_rounding(tile):
    x0 = uniform(200, 2, 1.2, seed=3)
    given = rules(2, rate=0.02)
    one, other = run("camel", x0, given), run("camel", x0, given, tile=tile)
    np.testing.assert_array_equal(one.ends.outcome, other.ends.outcome)
    np.testing.assert_allclose(one.ends.x, other.ends.x, atol=1e-9)


@pytest.mark.parametrize("lanes", [64, 256])
def test_segments_of_several_words_in_a_native_function(lanes):
    """Lanes that have all stopped in a segment's first word, or follow no start at all, stay as they are."""
    x0 = uniform(200, 2, 1.2, seed=3)
    given = rules(2, rate=0.02)
    one, other = (run("camel", x0, given, tile=Tile(lanes=lanes, steps=n, native=True)) for n in (32, 96))
    for name in ("outcome", "steps", "since", "stalls"):
        np.testing.assert_array_equal(getattr(one.ends, name), getattr(other.ends, name))
    assert np.all(one.ends.since > 0)
    assert len(one.log.slot) == len(other.log.slot)


@pytest.mark.parametrize("tile", [TILE, Tile(lanes=64, steps=32, native=True)])
def test_a_coordinate_that_is_no_number_ends_a_descent(tile):
    """Steps of 0 / 0 along a coordinate that the loss does not depend on leave all gradients finite."""
    choice = Optimizer("rmsprop", 1.0, (("eps", 0.0),))
    case = run("valley", uniform(20, 2, 1.0), rules(2, tol=0.0), tile=tile, choice=choice)
    np.testing.assert_array_equal(case.ends.outcome, Outcome.NON_FINITE)
    np.testing.assert_array_equal(case.ends.steps, 1)


def test_a_box_around_the_origin_subtracts_nothing():
    x0, given = uniform(100, 2, 3.0, seed=3), rules(2, reach=2.0)
    for mine, theirs in zip(
        run("camel", x0, given).ends, run("camel", x0, given._replace(centre=None)).ends, strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("dim", [2, 6, 20])
def test_the_look_at_which_a_descent_stops_is_sampled(dim):
    """Of the others every fourth is."""
    tile = Tile(lanes=16, steps=32, sample=4, native=True)
    case = run("bowls", uniform(60, dim, 1.0, seed=3), rules(dim, below=1e-2), tile=tile)
    slope = jax.vmap(jax.grad(bowls))
    np.testing.assert_array_equal(case.ends.x_smallest, case.ends.x)
    np.testing.assert_allclose(case.ends.smallest, jnp.sum(slope(case.ends.x) ** 2, axis=1), rtol=1e-12)
    assert np.all(case.ends.outcome == Outcome.CONVERGED)


@pytest.mark.parametrize("tile", [TILE, Tile(lanes=64, steps=32, native=True)])
def test_a_log_in_used_memory_holds_its_own_stalls_alone(tile):
    many, few = np.full((200, 2), 0.01), uniform(200, 2, 0.1, seed=3)
    given, logs = rules(2, rate=0.02, below=0.3), Logs()
    alone = run("camel", few, given, tile=tile)
    before = run("camel", many, given, tile=tile, logs=logs)
    after = run("camel", few, given, tile=tile, logs=logs)
    assert 0 < len(alone.log.slot) < len(before.log.slot)
    for mine, theirs in zip((*alone.log, *alone.ends), (*after.log, *after.ends), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_refill_share_changes_no_byte():
    x0 = uniform(200, 2, 1.2, seed=3)
    given = rules(2, rate=0.02)
    one = run("camel", x0, given)
    other = run("camel", x0, given, tile=Tile(lanes=16, steps=8, refill=0.5))
    for mine, theirs in zip(one.ends, other.ends, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_lanes_are_refilled():
    x0 = uniform(400, 1, 3.0)
    case = run("quartic", x0, rules(1))
    total = case.segments * TILE.steps * TILE.lanes
    useful = int(np.sum(case.ends.steps + 1))
    granular = int(np.sum(-(-(case.ends.steps + 1) // TILE.steps) * TILE.steps))
    assert useful <= total
    # what the last few lanes waste at the end of the queue is at most one longest descent per lane
    assert total <= granular + TILE.lanes * (case.ends.steps.max() + 2 * TILE.steps)


def test_one_compilation_serves_other_numbers(programs):
    x0 = uniform(32, 2, 1.0)
    run("camel", x0, rules(2))
    before = programs()
    run("camel", uniform(32, 2, 1.0, seed=9), rules(2, rate=0.003, tol=1e-6, steps=77), first=2**40)
    run("camel", x0, rules(2), choice=Optimizer("sgd", 1.0), tile=Tile(lanes=16, steps=8))
    assert programs() == before


def test_float32_stays_float32():
    case = run("camel", uniform(32, 2, 1.0).astype(np.float32), rules(2, rate=0.02, tol=1e-4, dtype=jnp.float32))
    assert case.ends.x.dtype == np.float32
    assert set(case.ends.outcome) == {Outcome.CONVERGED}


def test_path_ends_where_the_engine_does():
    x0 = uniform(6, 2, 1.2, seed=5)
    given = rules(2, rate=0.02)
    case = run("camel", x0, given)
    paths, outcomes = follow(x0, 0, jax.random.key(ROOT), {}, given, loss=LOSSES["camel"], choice=Optimizer("sgd", 1.0))
    np.testing.assert_array_equal(outcomes, case.ends.outcome)
    for path, start, end, steps in zip(paths, x0, case.ends.x, case.ends.steps, strict=True):
        assert len(path) == steps + 1
        np.testing.assert_array_equal(path[0], start)
        np.testing.assert_allclose(path[-1], end, atol=1e-10)
        np.testing.assert_allclose(path[1], start - 0.02 * camel_gradient(start), atol=1e-14)


@dataclass(frozen=True)
class Momentum:
    """An optimizer with memory: what a lane remembers must not reach the next start it takes."""

    def build(self, numbers):
        return optax.with_extra_args_support(optax.sgd(numbers["learning_rate"], momentum=0.9))

    def needs_data(self):
        return False


def test_a_refilled_lane_forgets():
    x0 = uniform(100, 2, 1.2, seed=8)
    given = rules(2, rate=0.005)
    many = run("camel", x0, given, choice=Momentum())
    few = run("camel", x0[60:], given, choice=Momentum())
    np.testing.assert_array_equal(many.ends.x[60:], few.ends.x)
    np.testing.assert_array_equal(many.ends.steps[60:], few.ends.steps)


@pytest.mark.parametrize(("rate", "period"), [(0.12, 0), (0.13, 2), (0.16, 4), (0.165, 0)])
def test_cycles_have_the_period_of_the_iterated_map(rate, period):
    # x <- x (1 + 8 lr - 4 lr x^2): its minima lose stability at lr = 1/8, the 2-cycle at about 0.155, and at 0.165
    # the map is chaotic.
    x0 = jnp.linspace(-1.4, 1.4, 16)[:, None]
    ends, _, _ = descend(
        x0,
        jnp.int32(16),
        jnp.int64(0),
        jax.random.key(ROOT),
        {},
        rules(1, rate=rate, steps=4000),
        loss=LOSSES["quartic"],
        choice=Optimizer("sgd").traced(),
        tile=TILE,
    )
    np.testing.assert_array_equal(ends.period, np.full(16, period))
    expected = Outcome.CYCLE if period else Outcome.CONVERGED if rate < 1 / 8 else Outcome.OUT_OF_STEPS
    np.testing.assert_array_equal(ends.outcome, np.full(16, expected))
    x = ends.x[:, 0]
    for _ in range(period):
        x = x * (1 + 8 * rate - 4 * rate * x**2)
    if period:
        np.testing.assert_allclose(x, ends.x[:, 0], rtol=1e-11)


def test_an_end_of_rounding_is_no_cycle():
    # In float32 the quartic's iterates go on hopping between neighbouring numbers around the minimum.
    x0 = jnp.linspace(-1.4, 1.4, 16, dtype=jnp.float32)[:, None]
    ends, _, _ = descend(
        x0,
        jnp.int32(16),
        jnp.int64(0),
        jax.random.key(ROOT),
        {},
        rules(1, rate=0.12, steps=4000, tol=1e-12, dtype=jnp.float32),
        loss=LOSSES["quartic"],
        choice=Optimizer("sgd").traced(),
        tile=TILE,
    )
    np.testing.assert_array_equal(ends.outcome, np.full(16, Outcome.OUT_OF_STEPS))
