"""Wrong calls from Python end with one sentence that names the argument, and leave nothing behind."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import mnemo_jax as mnemo
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape

ROW = np.array([[1.0, 2.0]])


def bowl(x):
    return jnp.sum(x**2)


@dataclasses.dataclass
class Unhashable:
    scale: float

    def __call__(self, x):
        return self.scale * jnp.sum(x**2)


def landscape(**fields):
    return Landscape(**({"loss": bowl, "dim": 2, "lower": -1.0, "upper": 1.0, "learning_rate": 0.1} | fields))


def says(sentence, call, *args, **kwargs):
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert message.startswith(sentence), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        ("Seeking", {"count": -3}, "Seeking.count: input should be greater than or equal to 0, got -3"),
        ("Seeking", {"along": 2.5}, "Seeking.along: input should be a valid integer"),
        ("Seeking", {"heights": float("nan")}, "Seeking.heights: input should be a finite number"),
        ("Seeking", {"rounds": 101}, "Seeking.rounds: input should be less than or equal to 100"),
        ("Seeking", {"cuont": 3}, "Seeking.cuont: unknown; did you mean 'count'?"),
        ("Stop", {"grad_tol": -1}, "Stop.grad_tol: "),
        ("Stop", {"grad_tol": float("inf")}, "Stop.grad_tol: input should be a finite number"),
        ("Stop", {"max_steps": "many"}, 'Stop.max_steps: input should be a valid integer, unable to parse string'),
        ("Stop", {"escape_radius": 0}, "Stop.escape_radius: input should be greater than 0, got 0"),
        ("Stop", {"escape_radius": float("nan")}, "Stop.escape_radius: "),
        ("Until", {"half_width": 0}, "Until.half_width: "),
        ("Until", {"unseen": 1.5}, "Until.unseen: input should be less than or equal to 1, got 1.5"),
        ("Tile", {"lanes": 0, "steps": 1}, "Tile.lanes: "),
        ("Tile", {"lanes": 1}, "Tile.steps: is missing"),
        ("Recording", {"block": 0}, "Recording.block: "),
        ("Uniform", {}, "Uniform.count: is missing"),
        ("Grid", {"shape": 0}, "Grid.shape: "),
        ("Points", {"x": [["a"]]}, "Points.x: "),
        ("Symmetry", {"kind": "sgn"}, "Symmetry.kind: input should be 'translation', 'rotation', 'permutation' or"),
    ],
)  # fmt: skip
def test_choices_check_themselves(kind, values, sentence):
    says(sentence, getattr(mnemo, kind), **values)


def test_choices_take_their_values_by_name():
    says("Seeking: takes its values by name, as in Seeking(count=...)", mnemo.Seeking, 3)
    assert mnemo.Seeking(count=3) == dataclasses.replace(mnemo.Seeking(), count=3)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"dim": 2.5}, "loss.dim: 2.5 is not a dimension"),
        ({"dim": True}, "loss.dim: True is not a dimension"),
        ({"dim": None}, "loss.dim: None is not a dimension"),
        ({"lower": "a"}, "loss.lower: 'a' is not a number, or one per axis"),
        ({"lower": None}, "loss.lower: None is not"),
        ({"lower": [[1], [2, 3]]}, "loss.lower: [[1], [2, 3]] is not"),
        ({"upper": 1j}, "loss.upper: 1j is not"),
        ({"periodic": "yes"}, "loss.periodic: 'yes' is not true or false"),
        ({"learning_rate": "fast"}, "loss.learning_rate: 'fast' is not a positive number"),
        ({"learning_rate": np.ones(3)}, "loss.learning_rate: array([1., 1., 1.]) is not"),
        ({"max_steps": -1}, "loss.max_steps: -1 is not a number of steps"),
        ({"symmetries": "sign"}, "loss.symmetry: 'sign' is not a tuple of Symmetry"),
        ({"symmetries": mnemo.Symmetry(kind="sign")}, "loss.symmetry: Symmetry("),
        ({"args": [1.0]}, "loss.args: [1.0] is not a dictionary"),
    ],
)
def test_landscapes_check_themselves(fields, sentence):
    says(sentence, landscape, **fields)


def test_numbers_of_other_libraries_become_plain():
    made = landscape(dim=np.int64(2), lower=jnp.array([-1, -1]), learning_rate=jnp.float32(0.5), symmetries=[])
    assert (made.dim, made.lower, made.learning_rate, made.symmetries) == (2, (-1.0, -1.0), 0.5, ())
    assert [type(value) for value in (made.dim, made.lower[0], made.learning_rate)] == [int, float, float]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"landscape": landscape(loss=Unhashable(1.0))}, "loss: 'loss' is an object without a hash"),
        ({"landscape": landscape(loss=lambda x, a: a.real * bowl(x), args={"a": 1j})}, "loss.args.a: 1j is not real"),
        ({"landscape": landscape(name=5)}, "name: 5 is not a text"),
        ({"name": ["a"]}, "name: ['a'] is not a text"),
        ({"stop": {"max_steps": 3}}, "stop: {'max_steps': 3} is no Stop; give mnemo_jax.Stop(...)"),
        ({"tile": {"lanes": 3}}, "tile: {'lanes': 3} is no Tile"),
        ({"recording": True}, "recording: True is no Recording"),
        ({"until": 0.1}, "until: 0.1 is no Until"),
        ({"optimizer": mnemo.Optimizer("sgdd", 0.1)}, "optimizer.name: no optimizer of optax is called 'sgdd'"),
        ({"optimizer": mnemo.Optimizer("sgd", "x")}, "optimizer.learning_rate: 'x' is not a positive number"),
        ({"optimizer": mnemo.Optimizer("sgd", 0.1, 5)}, "optimizer.args: 5 is not made of pairs"),
        ({"learning_rate": np.ones(3)}, "optimizer.learning_rate: array([1., 1., 1.]) is not"),
        ({"learning_rate": optax.constant_schedule(0.1)}, "optimizer.learning_rate: <function"),
        ({"starts": True}, "starts: True is neither a whole number of starts nor points"),
        ({"starts": [[1.0, 2.0], [3.0]]}, "starts: [[1.0, 2.0], [3.0]] is neither"),
        ({"starts": ROW * 1j}, "starts: array([[0.+1.j, 0.+2.j]]) is neither"),
        ({"starts": ROW > 1}, "starts: array([[False,  True]]) is neither"),
        ({"starts": "abc"}, "starts: 'abc' is neither"),
        ({"observables": [bowl]}, "observables: [<function "),
        ({"observables": {3: bowl}}, "observables.3: is not a name"),
        ({"observables": {"steps": bowl}}, "observables.steps: is a column of every record"),
        ({"observables": {"a": lambda x: None}}, "observables.a: returns NoneType, not a scalar"),
        ({"observables": {"a": lambda x: 1j * x[0]}}, "observables.a: returns complex128, not a real number"),
        ({"devices": "2"}, "--devices 2: this process has"),
        ({"out": 5}, "out: 5 is not the path of a folder"),
    ],
)
def test_a_survey_says_what_is_wrong(given, sentence, tmp_path):
    says(sentence, functools.partial(mnemo.survey, **({"landscape": landscape(), "out": tmp_path} | given)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"seeking": {"count": 3}}, "seeking: {'count': 3} is no Seeking; give mnemo_jax.Seeking(...)"),
        ({"seeking": 5}, "seeking: 5 is no Seeking"),
        ({"seeking": mnemo.Seeking}, "seeking: <class"),
        ({"starts": [[1.0, 2.0], [3.0]]}, "starts: [[1.0, 2.0], [3.0]] is no array of points"),
        ({"starts": ROW * 1j}, "starts: array([[0.+1.j, 0.+2.j]]) is no array of points"),
        ({"starts": [["a", "b"]]}, "starts: [['a', 'b']] is no array of points"),
        ({"starts": "abc"}, "starts: 'abc' is no array of points"),
        ({"starts": 5}, "starts: 5 is no array of points"),
        ({"starts": mnemo.Uniform(count=4)}, "starts: Uniform("),
        ({"starts": [1.0, 2.0]}, "starts: an array of shape (2,) is not [starts, coordinates]"),
        ({"starts": np.ones((2, 3))}, "starts: points of shape (2, 3), but the loss takes 2 coordinates a point"),
        ({"starts": np.ones((0, 2))}, "starts.x: holds no points"),
        ({"seed": "x"}, "seed: 'x' is not a whole number"),
        ({"name": 5}, "name: 5 is not a text"),
        ({"out": 5}, "out: 5 is not the path of a folder"),
    ],
)
def test_a_search_says_what_is_wrong(given, sentence, tmp_path):
    says(
        sentence, functools.partial(mnemo.find_critical_points, **({"landscape": landscape(), "out": tmp_path} | given))
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("measure", [mnemo.curvature, functools.partial(mnemo.density, at=np.zeros(1), width=0.1)])
def test_curvature_says_what_is_wrong(measure):
    for x in ("abc", None, [1.0, 2.0], jnp.arange(3), jnp.ones((2, 2)), jnp.ones(0)):
        says("x: ", measure, bowl, x)
    says("loss: returns shape (3,), not a scalar", measure, lambda x: x, jnp.ones(3))
    says("loss: fails: TypeError", measure, bowl, jnp.ones(3), 5)


def test_what_is_no_record_is_said(tmp_path):
    for what in (None, 5, landscape()):
        says(f"{what!r:.10}", mnemo.load, what)
    record = mnemo.survey(landscape(), starts=5, out=tmp_path, devices=1)
    says("starts: no column 'lable'; did you mean 'label'?", record.starts, "lable")
    says("example: holds what is no array", mnemo.from_pytree, bowl, "abc", lower=0, upper=1)
