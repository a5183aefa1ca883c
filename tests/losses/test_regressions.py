"""Regressions on data against scikit-learn, their learning rates against their Hessians, and mistakes in their data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from mnemo_jax import losses
from mnemo_jax.data import Data, DataSet, Items, make
from mnemo_jax.errors import UserError

TEACHER = DataSet(name="linear_teacher", args={"items": 60, "noise": 0.3}, test=20, standardise=True)
MOONS = DataSet(name="moons", args={"items": 80, "noise": 0.3}, train=50)
BLOBS = {"name": "blobs", "args": {"items": 60, "classes": 4, "dim": 3, "distance": 1.0}}


def split(x, outputs):
    rows = np.reshape(x, (-1, outputs))
    return rows[:-1].T, rows[-1]


@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_linear_regression_is_scikit_learn_s(ridge):
    landscape, train = losses.linear_regression(data=TEACHER, ridge=ridge), make(TEACHER).train
    fitted = Ridge(alpha=40 * ridge).fit(*train)
    weight, bias = split(landscape.known[0].x, 3)
    np.testing.assert_allclose(weight, fitted.coef_, atol=1e-12)
    np.testing.assert_allclose(bias, fitted.intercept_, atol=1e-12)
    residual = np.sum((fitted.predict(train.inputs) - train.targets) ** 2) / 80 + ridge * np.sum(fitted.coef_**2) / 2
    assert landscape.known[0].loss == pytest.approx(residual, rel=1e-12)
    assert landscape.data == ("inputs", "targets")


def test_logistic_regression_is_scikit_learn_s():
    landscape, train = losses.logistic_regression(data=MOONS, ridge=0.05), make(MOONS).train
    fitted = LogisticRegression(C=1 / (50 * 0.05), tol=1e-12, max_iter=10_000).fit(*train)
    weight, bias = split(landscape.known[0].x, 1)
    np.testing.assert_allclose(weight, fitted.coef_, atol=1e-6)
    np.testing.assert_allclose(bias, fitted.intercept_, atol=1e-6)


def test_items_held_out_are_measured_as_by_scikit_learn():
    asked = DataSet(name="blobs", args={"items": 90, "classes": 3, "dim": 2, "distance": 1.0}, test=40)
    landscape, data = losses.logistic_regression(data=asked, ridge=0.05), make(asked)
    fitted = LogisticRegression(C=1 / (50 * 0.05), tol=1e-12, max_iter=10_000).fit(*data.train)
    # Their three rows of weights, of which only differences matter, as ours: but for what ridge makes of them.
    weight = np.vstack([fitted.coef_.T, fitted.intercept_])
    x = jnp.asarray((weight[:, 1:] - weight[:, :1]).ravel())
    for items, held in ((data.train, {}), (data.test, landscape.held_out["test"])):
        told = landscape.measures["accuracy"](x, **{**landscape.args, **held})
        assert told == pytest.approx(fitted.score(*items), abs=1e-12)
    assert list(losses.linear_regression(data=TEACHER).held_out) == ["test"]
    assert list(losses.linear_regression(data=TEACHER).measured) == ["loss"]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("linear_regression", {"data": TEACHER}),
        ("logistic_regression", {"data": MOONS, "ridge": 0.0}),
        ("logistic_regression", {"data": BLOBS}),
    ],
)
def test_no_curvature_exceeds_the_inverse_of_the_learning_rate(name, args):
    landscape = losses.build(name, args)
    draw = np.random.default_rng(0).uniform(-5, 5, (50, landscape.dim))
    x = jnp.asarray(np.concatenate([draw, 0.02 * draw]))
    bend = jax.jit(jax.vmap(jax.hessian(lambda y: landscape.loss(y, **landscape.args))))(x)
    most = np.linalg.eigvalsh(bend)[:, -1].max() * landscape.learning_rate
    assert 0.3 < most < 1 + 1e-12


def test_no_minimum_is_listed_where_there_is_none_or_many():
    x = np.random.default_rng(0).normal(size=(10, 2))
    twice = Data(name="twice", train=Items(np.concatenate([x, x[:, :1]], axis=1), x))
    assert losses.linear_regression(data=twice).known == ()
    assert len(losses.linear_regression(data=twice, ridge=0.1).known) == 1
    assert losses.logistic_regression(ridge=0.0).known == ()


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("linear_regression", {"data": MOONS}, "the targets of moons are classes; take logistic_regression"),
        ("logistic_regression", {"data": {"name": "xor"}}, "the targets of xor are numbers; take linear_regression"),
        ("linear_regression", {"data": "moons"}, "loss.args.data: str is no data set; give a table"),
        ("linear_regression", {"data": {"name": "xor", "tset": 1}}, "DataSet.tset: unknown; did you mean 'test'"),
        ("linear_regression", {"data": {"name": "xro"}}, "data.name: no data set is called 'xro'"),
        ("linear_regression", {"ridge": -1.0}, "loss.args.ridge: -1.0 does not suit"),
        ("deep_linear", {"widths": [3, 3]}, "loss.args.widths"),
        ("deep_linear", {"widths": [3, 2, 2], "strengths": [3.0, 2.0, 1.0]}, "3 are more than 3 inputs and 2 outputs"),
        ("deep_linear", {"variances": [1.0]}, "loss.args.variances: 1 are given for 3 inputs"),
        ("deep_linear", {"data": {"name": "moons"}}, "the targets of moons are classes; deep_linear learns numbers"),
        ("deep_linear", {"data": {"name": "linear_teacher"}}, "has 4 inputs and 3 outputs, not"),
        ("matrix_factorisation", {"symmetric": True, "rows": 2}, "loss.args.columns: a symmetric matrix has as many"),
        ("matrix_factorisation", {"rows": 2, "strengths": [3.0, 2.0, 1.0]}, "3 are more than 2 rows and 3 columns"),
    ],
)
def test_mistakes_are_one_sentence(name, args, words):
    with pytest.raises(UserError, match=words) as caught:
        losses.build(name, args)
    assert "\n" not in str(caught.value)


def test_targets_that_no_input_tells_of_are_refused():
    flat = Data(name="flat", train=Items(np.eye(3), np.ones((3, 2))))
    with pytest.raises(UserError, match="no target is correlated with any input"):
        losses.deep_linear(widths=(3, 2, 2), data=flat)
