"""Names and arguments of the built-in losses, and what a person is told who gets them wrong."""

import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnemo_jax import losses
from mnemo_jax.errors import UserError


def test_every_builder_is_named_as_it_is_called():
    for name in losses.names():
        landscape = losses.build(name)
        assert landscape.name == name
        assert landscape.formula
        assert landscape.learning_rate > 0
        assert getattr(losses, name) is losses.BUILTINS[name]
        assert all(p.default is not p.empty for p in inspect.signature(losses.BUILTINS[name]).parameters.values())
        assert len(landscape.args) == len(inspect.signature(landscape.loss).parameters) - 1


@pytest.mark.parametrize("name", losses.names())
def test_losses_can_be_sent_to_another_process(name):
    loss = losses.build(name).loss
    assert pickle.loads(pickle.dumps(loss)) == loss


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("himelblau", {}, ["himelblau", "did you mean 'himmelblau'?"]),
        ("nothing like it", {}, ["known: ackley, beale"]),
        ("himmelblau", {"dim": 2}, ["loss.dim", "himmelblau is fixed"]),
        ("rastrigin", {"dim": 0}, ["loss.dim", "0 does not suit rastrigin", "greater than or equal to 1"]),
        ("rastrigin", {"dim": 2.5}, ["loss.dim", "2.5", "integer"]),
        ("rastrigin", {"dim": "2"}, ["loss.dim", "'2'", "integer"]),
        ("rastrigin", {"dim": True}, ["loss.dim", "True", "integer"]),
        ("rastrigin", {"dims": 2}, ["'dims'", "did you mean 'dim'?"]),
        ("double_well", {"tilt": "much"}, ["loss.args.tilt", "'much'", "number"]),
        ("double_well", {"tilt": float("nan")}, ["loss.args.tilt", "nan", "finite"]),
        ("double_well", {"tilt": float("inf")}, ["loss.args.tilt", "inf", "finite"]),
        ("oscillator_ring", {"dim": 2}, ["loss.dim", "greater than or equal to 3"]),
        ("rosenbrock", {"dim": 1}, ["loss.dim", "greater than or equal to 2"]),
        ("power", {"k": 1}, ["loss.args.k", "greater than or equal to 2"]),
        ("power", {"k": 99}, ["loss.args.k", "less than or equal to 20"]),
        ("strict_saddle", {"dim": 3, "index": 3}, ["loss.args.index", "give 1 to 2"]),
        ("quadratic", {"condition": 0.5}, ["loss.args.condition", "0.5"]),
        ("quadratic", {"curvatures": [1.0, -1.0]}, ["loss.args.curvatures", "greater than 0"]),
        ("quadratic", {"curvatures": []}, ["loss.args.curvatures", "at least 1"]),
        ("quadratic", {"curvatures": "stiff"}, ["loss.args.curvatures", "stiff"]),
        ("random_trigonometric", {"dim": 4, "terms": 3}, ["loss.args.terms", "give 4 or more"]),
        ("gaussian_mixture", {"seed": -1}, ["loss.args.seed", "greater than or equal to 0"]),
        ("chain_of_saddles", {"gamma": 0.0}, ["loss.args.gamma", "greater than 0"]),
        ("chain_of_saddles", {"nu": 1.0}, ["'nu'"]),
    ],
)
def test_mistakes_are_one_sentence(name, args, words):
    with pytest.raises(UserError) as caught:
        losses.build(name, args)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_builders_check_arguments_called_directly_too():
    with pytest.raises(UserError, match=r"loss.dim: 0"):
        losses.rastrigin(0)
    with pytest.raises(UserError, match="takes 1 arguments, not 2"):
        losses.rastrigin(1, 2)
    with pytest.raises(UserError, match="given twice"):
        losses.rastrigin(1, dim=2)
    assert losses.rastrigin(3).dim == 3


def test_numpy_numbers_and_arrays_are_welcome():
    assert losses.build("rastrigin", {"dim": np.int64(3)}).dim == 3
    assert losses.build("quadratic", {"curvatures": np.array([1.0, 2.0])}).dim == 2
    assert losses.build("double_well", {"tilt": 1}).args == {"tilt": 1.0}


def test_other_numbers_need_no_new_compilation():
    traces = []

    @jax.jit
    def probe(x, args):
        traces.append(1)
        return landscape.loss(x, **args)

    for tilt in (0.0, 0.5, 1.0):
        landscape = losses.build("double_well", {"tilt": tilt})
        assert probe(jnp.ones(1), dict(landscape.args)) == pytest.approx(tilt - 2)
    assert len(traces) == 1


def test_families_that_share_a_function_share_it():
    assert losses.build("strict_saddle").loss is losses.build("quadratic").loss
    assert losses.build("power", {"k": 6}).loss == losses.build("power", {"k": 6}).loss
    assert losses.build("power", {"k": 6}).loss != losses.build("power", {"k": 4}).loss
