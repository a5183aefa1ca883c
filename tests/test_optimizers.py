"""Every optimizer of optax runs in the engine as optax runs it, or is refused with a reason."""

import functools
import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from mnemo_jax.calculus import Loss
from mnemo_jax.descent import Rules, descend
from mnemo_jax.errors import UserError
from mnemo_jax.optimizers import REFUSED, Optimizer, Schedule, Transformation, factories, parse, takes_learning_rate
from mnemo_jax.types import Outcome, Tile

CURVATURE, CENTRE = np.array([1.0, 2.0, 5.0]), np.array([0.3, -0.2, 0.1])
STARTS = np.random.default_rng(0).uniform(-2, 2, (5, 3))
FIRST = 2**32 + 3  # number of the first start
STEPS, RATE = 30, 0.05
TILE = Tile(lanes=2, steps=8)

# optax still has this alias, and says that it will go
pytestmark = pytest.mark.filterwarnings("ignore:`optimistic_adam` is deprecated:DeprecationWarning")


def quadratic(x):
    return 0.5 * jnp.sum(CURVATURE * (x - CENTRE) ** 2)


LOSS = Loss(quadratic, None, scalar=False)


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True, scope="module")
def _quick_compilation():
    # some fifty programs, each run for a few steps only
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def ends(choice, rate=None, *, x0=STARTS, first=FIRST, seed=0):
    """Return the end points of a fixed budget of steps."""
    rules = Rules(
        grad_tol=jnp.float64(-1.0),
        max_steps=jnp.int32(STEPS),
        centre=jnp.zeros(3),
        reach=jnp.full(3, 1e9),
        stall_below=jnp.float64(0.0),
        stall_above=jnp.float64(0.0),
        numbers={} if rate is None else {"learning_rate": jnp.float64(rate)},
    )
    done, _, _ = descend(
        jnp.asarray(x0),
        jnp.int32(len(x0)),
        jnp.int64(first),
        jax.random.key(seed),
        {},
        rules,
        loss=LOSS,
        choice=choice,
        tile=TILE,
    )
    assert np.all(np.asarray(done.outcome) == Outcome.FINISHED)
    assert np.all(np.asarray(done.steps) == STEPS)
    return np.asarray(done.x)


def plain_loop(transformation, x0):
    """Return where optax takes each of the starts ``x0``, one after the other."""
    transformation = optax.with_extra_args_support(transformation)

    @jax.jit
    def once(x, state):
        value, grad = jax.value_and_grad(quadratic)(x)
        change, state = transformation.update(grad, state, x, value=value, grad=grad, value_fn=quadratic)
        return optax.apply_updates(x, change), state

    points = []
    for x in jnp.asarray(x0):
        state = transformation.init(x)
        for _ in range(STEPS):
            x, state = once(x, state)
        points.append(np.asarray(x))
    return np.stack(points)


def table(name, **args):
    return {"name": name, **({"learning_rate": RATE} if takes_learning_rate(name) else {}), **args}


# Every alias.


@pytest.mark.parametrize("name", sorted(set(factories()) - set(REFUSED) - {"noisy_sgd"}))
def test_engine_equals_a_plain_loop_over_optax(name):
    # The rate goes to optax in float64 too: madgrad keeps a Python number in float32.
    rate = {"learning_rate": jnp.float64(RATE)} if takes_learning_rate(name) else {}
    made = factories()[name](**rate)
    x = ends(parse(table(name)), RATE if rate else None)
    assert np.max(np.abs(x - STARTS)) > 1e-4, "the test must see the starts move"
    np.testing.assert_allclose(x, plain_loop(made, STARTS), rtol=1e-10, atol=1e-12)


def test_value_gradient_and_function_are_those_at_the_point():
    def update(updates, state, params, *, value, grad, value_fn):
        return -(0.001 * value + 0.002 * value_fn(params + 1.0)) * updates - 0.01 * grad, state

    made = optax.GradientTransformationExtraArgs(lambda params: (), update)
    expected = STARTS
    for _ in range(STEPS):
        value, ahead = (0.5 * np.sum(CURVATURE * (x - CENTRE) ** 2, axis=1) for x in (expected, expected + 1.0))
        rate = 0.01 + 0.001 * value + 0.002 * ahead
        expected = expected - rate[:, None] * CURVATURE * (expected - CENTRE)
    np.testing.assert_allclose(ends(Transformation(made)), expected, rtol=1e-10)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_the_others_are_refused_with_a_reason(name):
    assert name in factories()
    reason = REFUSED[name]
    assert len(reason.split()) >= 5
    assert "\n" not in reason
    assert not reason.endswith(".")
    with pytest.raises(UserError, match=f"optimizer.name: '{name}' cannot drive a descent") as caught:
        parse({"name": name, "learning_rate": 0.1})
    assert str(caught.value).endswith(reason)


def test_no_alias_is_left_out():
    # what optax calls an optimizer: makes a transformation out of a learning rate, and is no building block
    aliases = {
        name
        for module in (optax, optax.contrib)
        for name, member in vars(module).items()
        if (inspect.isroutine(member) or isinstance(member, functools.partial))
        and not name.startswith(("_", "scale_", "inject_"))
        and "learning_rate" in inspect.signature(member).parameters
    }
    assert {"sgd", "adam", "lion", "muon"} <= aliases
    assert not aliases - set(factories())


def test_optimizers_without_a_rate_need_none():
    assert not takes_learning_rate("lbfgs")
    assert not takes_learning_rate("polyak_sgd")
    assert takes_learning_rate("sgd")
    assert parse({}) == Optimizer("sgd")


# Noise.


def own_key(number, seed=0):
    """Return the key of a start's noise, folded as DESIGN section 10 says: purpose 1, high word, low word, step 0."""
    key = jax.random.key(seed)
    for word in (1, number >> 32, number & 0xFFFFFFFF, 0):
        key = jax.random.fold_in(key, jnp.uint32(word))
    return key


@pytest.fixture(scope="module")
def noisy():
    """Return the ends of five starts at one place, numbered from ``FIRST``."""
    with jax.enable_x64(True):
        return ends(parse(table("noisy_sgd")), RATE, x0=np.tile(STARTS[:1], (5, 1)))


def test_noise_is_keyed_by_start(noisy):
    assert len(np.unique(noisy, axis=0)) == 5
    for i in (0, 3):
        made = optax.noisy_sgd(jnp.float64(RATE), key=own_key(FIRST + i))
        np.testing.assert_allclose(noisy[i], plain_loop(made, STARTS[:1])[0], rtol=1e-10)


def test_noise_does_not_depend_on_the_place_in_the_block(noisy):
    same = np.tile(STARTS[:1], (5, 1))
    later = ends(parse(table("noisy_sgd")), RATE, x0=same, first=FIRST + 2)
    assert later[:3].tobytes() == noisy[2:].tobytes()
    again = ends(parse(table("noisy_sgd")), RATE, x0=same, seed=1)
    assert not np.any(again == noisy)


# Compilations.


def test_other_rates_and_equal_choices_need_no_compilation(programs):
    choice = parse(table("sgd"))
    ends(choice, RATE)
    before = programs()
    for rate in (0.01, 0.1):
        # x <- x - rate * curvature * (x - centre), in closed form
        exact = CENTRE + (1 - rate * CURVATURE) ** STEPS * (STARTS - CENTRE)
        np.testing.assert_allclose(ends(choice, rate), exact, rtol=1e-10)
    ends(parse(table("sgd")), RATE)
    assert programs() == before


def test_choices_of_other_rates_need_no_compilation(programs):
    before = programs()
    for rate in (0.021, 0.022):
        ends(parse({"name": "sgd", "learning_rate": rate}).traced(), rate)
    assert programs() <= before + 1


def test_equal_choices_are_equal():
    def pair(args):
        return parse(dict(args)), parse(dict(reversed(args)))

    schedule = {"schedule": "linear_schedule", "init_value": 0.1, "end_value": 0.01, "transition_steps": 10}
    for args in (
        [("name", "adam"), ("learning_rate", 0.1), ("b1", 0.8), ("b2", 0.99)],
        [("name", "sgd"), ("learning_rate", schedule), ("momentum", 0.9), ("nesterov", True)],
    ):
        one, two = pair(args)
        assert one == two
        assert hash(one) == hash(two)
        assert one is not two
    sgd = {"name": "sgd", "learning_rate": 0.1}
    others = [sgd, sgd | {"momentum": 0.9}, sgd | {"momentum": 0.8}, sgd | {"name": "lion"}]
    others.append({"name": "sgd", "learning_rate": schedule})
    others.append({"name": "sgd", "learning_rate": schedule | {"end_value": 0.02}})
    assert len({parse(other) for other in others}) == len(others)


# Schedules.


SCHEDULES = {
    "constant_schedule": {"value": 0.1},
    "cosine_decay_schedule": {"init_value": 0.1, "decay_steps": 25, "alpha": 0.05},
    "cosine_onecycle_schedule": {"transition_steps": 25, "peak_value": 0.1},
    "exponential_decay": {"init_value": 0.1, "transition_steps": 5, "decay_rate": 0.8, "staircase": True},
    "linear_onecycle_schedule": {"transition_steps": 25, "peak_value": 0.1},
    "linear_schedule": {"init_value": 0.1, "end_value": 0.01, "transition_steps": 20, "transition_begin": 4},
    "polynomial_schedule": {"init_value": 0.1, "end_value": 0.01, "power": 2, "transition_steps": 20},
    "warmup_constant_schedule": {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 9},
    "warmup_cosine_decay_schedule": {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 9, "decay_steps": 30},
    "warmup_exponential_decay_schedule": {
        "init_value": 0.01,
        "peak_value": 0.1,
        "warmup_steps": 9,
        "transition_steps": 5,
        "decay_rate": 0.5,
    },
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_equal_optaxs(name):
    made = parse({"name": "sgd", "learning_rate": {"schedule": name, **SCHEDULES[name]}})
    assert isinstance(made.learning_rate, Schedule)
    expected = getattr(optax, name)(**SCHEDULES[name])
    both = jax.jit(jax.vmap(lambda step: (made.learning_rate.build()(step), expected(step))))
    np.testing.assert_array_equal(*both(jnp.arange(40)))


def test_the_engine_counts_a_schedules_steps():
    # gradient descent on a quadratic under a decaying rate: each step shrinks x - centre by 1 - eta_t * curvature
    # eta_t = 0.1 (0.95 (1 + cos(pi t / 25)) / 2 + 0.05), t = 0 at the first step
    table = {
        "name": "sgd",
        "learning_rate": {"schedule": "cosine_decay_schedule", **SCHEDULES["cosine_decay_schedule"]},
    }
    rates = [0.1 * (0.95 * (1 + math.cos(math.pi * min(t, 25) / 25)) / 2 + 0.05) for t in range(STEPS)]
    shrink = np.prod([1 - rate * CURVATURE for rate in rates], axis=0)
    # optax computes the schedule in float32
    np.testing.assert_allclose(ends(parse(table)), CENTRE + shrink * (STARTS - CENTRE), rtol=1e-5)


# Mistakes.


SGD = {"name": "sgd", "learning_rate": 0.1}
COSINE = {"schedule": "cosine_decay_schedule", "init_value": 0.1, "decay_steps": 9}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": 3}, ["optimizer.name", "3"]),
        ({"name": "adm"}, ["optimizer.name", "'adm'", "did you mean 'adam'?"]),
        ({"name": "isfunction"}, ["optimizer.name", "'isfunction'"]),
        (SGD | {"lr": 0.9}, ["optimizer.lr", "sgd", "did you mean 'learning_rate'?"]),
        (
            {"name": "sgd", "learning_rate": {"schedule": "cosine"}},
            ["did you mean 'cosine_decay_schedule' or 'cosine_onecycle_schedule'?"],
        ),
        (SGD | {"momntum": 0.9}, ["optimizer.momntum", "sgd", "did you mean 'momentum'?"]),
        (SGD | {"learning_rate": 0}, ["optimizer.learning_rate", "0", "positive"]),
        (SGD | {"learning_rate": -0.1}, ["optimizer.learning_rate", "-0.1", "positive"]),
        (SGD | {"learning_rate": math.inf}, ["optimizer.learning_rate", "inf", "positive"]),
        (SGD | {"learning_rate": math.nan}, ["optimizer.learning_rate", "nan", "positive"]),
        (SGD | {"learning_rate": True}, ["optimizer.learning_rate", "True", "positive"]),
        (SGD | {"learning_rate": "fast"}, ["optimizer.learning_rate", "'fast'", "positive"]),
        (SGD | {"momentum": [0.9]}, ["optimizer.momentum", "list"]),
        (SGD | {"momentum": "much"}, ["optimizer", "sgd"]),
        (SGD | {"learning_rate": {}}, ["optimizer.learning_rate.schedule: is missing", "cosine_decay_schedule"]),
        (
            SGD | {"learning_rate": COSINE | {"schedule": "cosine_decay"}},
            ["optimizer.learning_rate.schedule", "'cosine_decay'", "did you mean 'cosine_decay_schedule'?"],
        ),
        (
            SGD | {"learning_rate": COSINE | {"decay_step": 3}},
            ["optimizer.learning_rate.decay_step", "cosine_decay_schedule", "did you mean 'decay_steps'?"],
        ),
        (SGD | {"learning_rate": {"schedule": "cosine_decay_schedule"}}, ["optimizer.learning_rate", "init_value"]),
        (SGD | {"learning_rate": COSINE | {"decay_steps": -1}}, ["optimizer.learning_rate", "cosine_decay_schedule"]),
        (SGD | {"learning_rate": {"schedule": "scale_by_schedule"}}, ["optimizer.learning_rate.schedule"]),
    ],
)
def test_mistakes_are_one_sentence(given, words):
    with pytest.raises(UserError) as caught:
        parse(given)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_arguments_are_checked_without_a_rate_too():
    with pytest.raises(UserError, match="sgd"):
        parse({"name": "sgd", "momentum": "much"})


def test_schedules_of_several_cycles_are_choices_or_refused():
    cycle = {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 2, "decay_steps": 9}
    try:
        made = parse(SGD | {"learning_rate": {"schedule": "sgdr_schedule", "cosine_kwargs": [cycle, cycle]}})
    except UserError:
        return
    assert hash(made) == hash(Optimizer(made.name, made.learning_rate, made.args))
