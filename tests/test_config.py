"""Configs: what they say is done, equal ones are one run, and every mistake is one sentence."""

import copy
import dataclasses
import datetime
import math
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnemo_jax import config, starts
from mnemo_jax.calculus import loss_of
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Symmetry
from mnemo_jax.losses import rastrigin
from mnemo_jax.optimizers import Optimizer, Schedule
from mnemo_jax.plan import Recording
from mnemo_jax.stopping import Stop
from mnemo_jax.types import Tile

SHORT = """
name = "r"
loss = {name = "rastrigin", dim = 2}
starts = {count = 1000}
"""
FULL = {
    "name": "r",
    "seed": 3,
    "precision": "float64",
    "loss": {
        "name": "rastrigin",
        "args": {},
        "dim": 2,
        "lower": [-1.0, -1.0],
        "upper": 2.0,
        "periodic": [True, False],
        "symmetry": [{"kind": "permutation", "axes": [0, 1], "block": 1, "joint": False}],
        "learning_rate": 0.1,
    },
    "starts": {"kind": "uniform", "count": 100, "lower": -1.0, "upper": [1.0, 2.0]},
    "optimizer": {
        "name": "sgd",
        "momentum": 0.9,
        "nesterov": True,
        "learning_rate": {"schedule": "cosine_decay_schedule", "init_value": 0.1, "decay_steps": 10},
    },
    "stop": {"grad_tol": 1e-8, "max_steps": 10, "escape_radius": 5.0},
    "tile": {"lanes": 8, "steps": 4, "unroll": 1, "layout": "lanes_last", "refill": 0.5, "sample": 2, "native": False},
    "record": {"paths": 1, "endpoints": True, "block": 10, "catalogue": 5},
    "search": {"count": 10, "along": 5, "heights": 6, "rounds": 2},
    "observables": {"norm": "jax.numpy:sum"},
}
STARTS = {
    "uniform": FULL["starts"],
    "normal": {"kind": "normal", "count": 5, "mean": [0.0, 1.0], "scale": 2.0},
    "grid": {"kind": "grid", "shape": [3, 4]},
    "sobol": {"kind": "sobol", "count": 64},
    "points": {"kind": "points", "x": [[1.0, 2.0]]},
}


def planned(table, source="f.toml"):
    return config.plan(config.parse(table, source), source, "cpu")


def put(table, path, value):
    """Return the table with another value at a path of keys."""
    table = copy.deepcopy(table)
    inner = table
    for key in path[:-1]:
        inner = inner.setdefault(key, {}) if isinstance(inner, dict) else inner[key]
    inner[path[-1]] = value
    return table


def places(table, path=()):
    """Yield the path of every key in a table."""
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@pytest.fixture(autouse=True)
def _believed(monkeypatch):
    """What a config says of its loss is read here; `test_generators` asks whether it is true."""
    monkeypatch.setattr("mnemo_jax.plan.check_images", lambda *_: None)


@pytest.fixture
def file(tmp_path):
    """Return a reader of config files with overrides."""

    def read(*overrides, text=SHORT):
        path = tmp_path / "run.toml"
        path.write_text(text)
        return config.read(path, overrides)

    return read


@pytest.fixture
def plan(file):
    """Return the plan of a config file with overrides."""
    return lambda *overrides, text=SHORT: config.plan(file(*overrides, text=text), "run.toml", "cpu")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a writer of modules into an empty working directory; written anew they are imported anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names = []

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
        names.append(name)

    yield write
    for name in names:
        sys.modules.pop(name, None)


# What a config says.


def test_every_key_reaches_the_plan():
    made = planned(FULL)
    assert (made.name, made.seed, made.precision) == ("r", 3, "float64")
    assert made.landscape.lower == (-1.0, -1.0)
    assert made.landscape.upper == (2.0, 2.0)
    assert made.landscape.periodic == (True, False)
    assert made.landscape.symmetries == (Symmetry(kind="permutation", axes=(0, 1)),)
    assert made.starts == starts.Uniform(count=100, lower=-1.0, upper=(1.0, 2.0))
    schedule = Schedule("cosine_decay_schedule", (("decay_steps", 10), ("init_value", 0.1)))
    assert made.optimizer == Optimizer("sgd", schedule, (("momentum", 0.9), ("nesterov", True)))
    assert made.stop == Stop(grad_tol=1e-8, max_steps=10, check_every=1, escape_radius=5.0)
    assert made.tile == Tile(lanes=8, steps=4, unroll=1, layout="lanes_last", refill=0.5, sample=2)
    assert made.recording == Recording(paths=1, endpoints=True, block=10, catalogue=5)
    assert dict(made.observables) == {"norm": jnp.sum}
    assert made.table == FULL


@pytest.mark.parametrize("kind", STARTS)
def test_starts_of_every_kind(kind):
    made = planned(put(FULL, ("starts",), STARTS[kind]))
    assert type(made.starts).__name__.lower() == kind
    assert made.count == {"uniform": 100, "normal": 5, "grid": 12, "sobol": 64, "points": 1}[kind]


def test_defaults_are_filled_in(plan):
    made = plan()
    assert made.optimizer == Optimizer("sgd", rastrigin(2).learning_rate)
    assert made.starts == starts.Uniform(count=1000)
    assert made.landscape.lower == rastrigin(2).lower
    assert (made.seed, made.precision) == (0, "float64")
    assert (made.stop, made.recording) == (Stop(max_steps=20_000, check_every=1), Recording())
    # a tile that fits the second-level cache, whatever the dimension
    for dim in (1, 10, 100, 500):
        lanes = plan(f"loss.dim={dim}").tile.lanes
        assert math.log2(lanes).is_integer()
        assert lanes * dim <= 2 * 2**14
        assert 64 <= lanes <= 1024


def test_one_tile_key_leaves_the_others(plan):
    assert plan("tile.unroll=2").tile == dataclasses.replace(plan().tile, unroll=2)


def test_the_losss_rate_is_for_plain_gradient_descent_only(plan):
    assert plan("loss.learning_rate=0.25").optimizer.learning_rate == 0.25
    both = ["loss.learning_rate=0.25", "optimizer.name=sgd", "optimizer.learning_rate=0.5"]
    assert plan(*both).optimizer.learning_rate == 0.5
    with pytest.raises(UserError, match=r"^run.toml: optimizer.learning_rate: adam needs one for the loss 'rastrigin'"):
        plan("optimizer.name=adam")
    assert plan("optimizer={name='lbfgs'}").optimizer.learning_rate is None


def test_a_rate_alone_is_for_the_default_optimizer(plan):
    assert plan("optimizer.learning_rate=0.5").optimizer == Optimizer("sgd", 0.5)


def test_expressions_and_functions_need_a_box(plan, module):
    module("bowl_of_config", "def loss(x, a):\n    return a * (x**2).sum()\n")
    own = 'name = "r"\nstarts = {count = 5}\nloss = {lower = -1, upper = [1, 2], learning_rate = 0.1}\n'
    made = plan("loss.expression='x**2 + y**4'", text=own)
    assert made.landscape.dim == 2
    assert made.landscape.loss(jnp.array([2.0, 1.0])) == 5.0
    made = plan("loss.function=bowl_of_config:loss", "loss.dim=2", "loss.args.a=3", text=own)
    with jax.enable_x64(True):
        loss, args = loss_of(made.landscape, jnp.float64)
        assert loss(jnp.array([2.0, 1.0]), args) == 15.0
    assert made.landscape.upper == (1.0, 2.0)


# Overrides.


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("starts.count=1_000_000", 1_000_000),
        ("starts.count=1e6", 1_000_000),
        ("starts.count=3.5e3", 3500),
        ("starts.count = 12", 12),
        ("seed=2", 2),
        ("name=bare-word.2", "bare-word.2"),
        ('name="quoted"', "quoted"),
        ("record.endpoints=true", True),
        ("loss.upper=1e-3", 0.001),
        ("loss.upper=2.0", 2.0),
        ("loss.upper=[1, 2.5]", (1.0, 2.5)),
        ("loss.periodic=[true, false]", (True, False)),
        ("optimizer.b1=-1e3", -1000),
        ("optimizer.learning_rate.schedule=linear_schedule", "linear_schedule"),
        (
            "optimizer.learning_rate={schedule='linear_schedule', init_value=1}",
            {"schedule": "linear_schedule", "init_value": 1},
        ),
        ("loss.expression=x**2 + y**2", "x**2 + y**2"),
        ("loss.args.a=1=2", "1=2"),
    ],
)
def test_overrides_are_read_as_toml_or_as_text(file, override, value):
    found = file(override)
    for key in override.partition("=")[0].strip().split("."):
        found = found[key] if isinstance(found, dict) else getattr(found, key)
    assert found == value
    assert type(found) is type(value)


def test_the_last_override_wins_and_tables_are_made(file):
    found = file("seed=1", "seed=2", "stop.max_steps=7", "tile.lanes=8", "tile.steps=9")
    assert (found.seed, found.stop.max_steps, found.tile.lanes, found.tile.steps) == (2, 7, 8, 9)


def test_another_kind_of_starts_drops_the_keys_of_the_old(plan):
    assert plan("starts.shape=7", "starts.kind=grid").resolved()["starts"] == {"kind": "grid", "shape": [7, 7]}
    assert plan("starts.kind=normal", "starts.scale=2").starts.count == plan().starts.count
    with pytest.raises(UserError, match=r"starts\.mean: unknown key"):
        plan("starts.mean=3", "starts.kind=grid", "starts.shape=7")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed", ["'seed'", "key.subkey=value"]),
        ("", ["''", "key.subkey=value"]),
        ("=3", ["'=3'", "key.subkey=value"]),
        ("starts..count=3", ["'starts..count=3'"]),
        ("starts.=3", ["'starts.=3'"]),
        ("name.first=3", ["'name.first=3'", "'name' is a value, not a table"]),
        ("starts.count.deep=3", ["'count' is a value, not a table"]),
        ("sead=3", ["sead: unknown key", "did you mean 'seed'?"]),
        ("starts.cuont=3", ["starts.cuont: unknown key", "did you mean 'count'?"]),
        ("starts.count=many", ["starts.count", '"many"']),
        ("starts.count=", ["starts.count", '""']),
    ],
)
def test_malformed_overrides(file, override, words):
    with pytest.raises(UserError) as caught:
        file(override)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["starts.count=abc"], "override starts.count=abc: starts.count: "),
        (["starts.count=5", "starts.count=0", "seed=1"], "override starts.count=0: starts.count: "),
        (["starts={count=0}"], "override starts={count=0}: starts.count: "),
        (["starts.kind=sobl"], "override starts.kind=sobl: starts.kind: no kind of starts is called 'sobl'; did you"),
        (["loss.lower=9"], "override loss.lower=9: loss.lower, loss.upper: "),
        (["loss.name=rastrigon"], "override loss.name=rastrigon: loss.name: "),
        (["tile.lanes=0"], "override tile.lanes=0: tile.lanes: "),
        (["starts.kind=grid"], "run.toml: starts.shape: is missing"),
        (["seed=1", "optimizer.name=adam"], "run.toml: optimizer.learning_rate: "),
    ],
)
def test_mistakes_of_overrides_are_told_as_theirs(file, overrides, told):
    with pytest.raises(UserError) as caught:
        config.plan(file(*overrides), "run.toml", "cpu", overrides)
    # the file is read from a folder of its own
    assert re.sub(r"^\S*/run.toml", "run.toml", str(caught.value)).startswith(told)


# Mistakes.


def mistake(table, *words, source="f.toml"):
    """Check that planning the table raises one sentence that names the file and has the words."""
    with pytest.raises(UserError) as caught:
        planned(table, source)
    message = str(caught.value)
    assert message.startswith(f"{source}: "), message
    assert "\n" not in message
    assert caught.value.exit_code == 2
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "no such file"),
        (b"name = \n", "is not TOML"),
        (b"[loss\n", "is not TOML"),
        (b"name = 'a'\nname = 'b'\n", "is not TOML"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"", "name: is missing"),
    ],
)
def test_files_that_are_no_configs(tmp_path, data, words):
    path = tmp_path / "run.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        config.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)


def test_a_folder_is_no_config(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        config.read(tmp_path)


def test_whole_numbers_with_exponents(tmp_path):
    text = 'name = "r"\n[loss]\nname = "power"\nargs = { a = 1e20, b = 1e3 }\n[starts]\ncount = 1.5e3\n'
    (tmp_path / "run.toml").write_text(text)
    assert config.read(tmp_path / "run.toml").starts.count == 1500
    assert repr(config.read(tmp_path / "run.toml").loss.args) == "{'a': 1e+20, 'b': 1000.0}"
    with pytest.raises(UserError, match=r"starts\.count: input should be a valid integer"):
        config.read(tmp_path / "run.toml", ["starts.count=100.5"])


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("learning_rate=1", "'optimizer.learning_rate' or 'loss.learning_rate'"),
        ("momentum=1", "'optimizer.momentum'"),
        ("grad_tol=1", "'stop.grad_tol'"),
        ("staps.count=1", "'starts'"),
        ("optimizers.name=1", "'optimizer'"),
        ("count=1", "'search.count' or 'starts.count'"),
        ("shape=1", "'starts.shape'"),
        ("expression=1", "'loss.expression'"),
    ],
)
def test_keys_without_their_table(tmp_path, override, meant):
    (tmp_path / "run.toml").write_text('name = "r"\n[loss]\nname = "power"\n[starts]\ncount = 10\n')
    with pytest.raises(UserError, match=f"unknown key; did you mean {meant}"):
        config.read(tmp_path / "run.toml", [override])


def test_another_optimizer_keeps_what_fits(tmp_path):
    text = '[optimizer]\nname = "adam"\nlearning_rate = 0.1\nb1 = 0.8\n'
    (tmp_path / "run.toml").write_text(f'name = "r"\n[loss]\nname = "power"\n[starts]\ncount = 10\n{text}')

    def told(*overrides):
        return dict(config.read(tmp_path / "run.toml", overrides).optimizer)

    assert told("optimizer.momentum=0.9", "optimizer.name=sgd") == {
        "name": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.9,
    }
    assert told("optimizer.name=adamw") == {"name": "adamw", "learning_rate": 0.1, "b1": 0.8}
    assert told("optimizer.name=admw")["b1"] == 0.8  # no such optimizer: told when it is made
    assert told("optimizer.name=sgd", "optimizer.momentun=0.9")["momentun"] == 0.9  # nobody's: told as well


TABLES = [(), ("loss",), ("stop",), ("tile",), ("record",), ("optimizer",), ("optimizer", "learning_rate")]


@pytest.mark.parametrize("path", TABLES, ids=".".join)
def test_unknown_keys_get_a_suggestion(path):
    inner = FULL
    for key in path:
        inner = inner[key]
    for key in inner:
        # of an optimizer and a schedule whose name is there already, only arguments are suggested
        if key not in ("name", "schedule") or path[:1] != ("optimizer",):
            wrong = (*path, f"{key}s")
            mistake(put(FULL, wrong, 1), ".".join(wrong), f"did you mean '{key}'?")


@pytest.mark.parametrize("kind", STARTS)
def test_unknown_keys_of_starts_get_a_suggestion(kind):
    for key in STARTS[kind]:
        wrong = put(FULL, ("starts",), STARTS[kind] | {f"{key}{key[-1]}": 1})
        mistake(wrong, f"starts.{key}{key[-1]}: unknown key", f"did you mean '{key}'?")


def test_keys_like_no_other_are_told_what_there_is():
    mistake(
        put(FULL, ("qqq",), 1), "qqq: unknown key", "known: augment, compare, data, escape, loss, name, observables"
    )
    mistake(
        put(FULL, ("stop", "qqq"), 1),
        "stop.qqq: unknown key",
        "known: check_every, epochs, escape_radius, grad_tol, max_steps, patience, watch",
    )
    mistake(put(FULL, ("starts", "qqq"), 1), "starts.qqq: unknown key", "known: count, kind, lower, upper")


def test_unknown_keys_of_symmetries_get_a_suggestion():
    mistake(put(FULL, ("loss", "symmetry", 0, "blok"), 1), "loss.symmetry.0.blok", "did you mean 'block'?")


@pytest.mark.parametrize("key", ["interval", "integrator", "floats", "grid", "points", "uniform"])
def test_unknown_keys_that_look_like_types(key):
    mistake(put(FULL, (key,), 1), f"{key}: unknown key")


def test_a_misspelt_key_that_must_be_given():
    mistake({"nmae": "r", "loss": {"name": "rastrigin"}, "starts": {"count": 5}}, "nmae", "did you mean 'name'?")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("name",), "a/b", ['"a/b"']),
        (("name",), "", ['""']),
        (("name",), ".hidden", ['".hidden"']),
        (("name",), "ends\n", ["ends"]),
        (("name",), "a" * 101, ["100 characters"]),
        (("name",), 5, ["5", "string"]),
        (("seed",), -1, ["-1"]),
        (("seed",), 2**63, [str(2**63)]),
        (("seed",), 1.5, ["1.5", "integer"]),
        (("seed",), True, ["true", "integer"]),
        (("precision",), "float16", ["float16", "'float32' or 'float64'"]),
        (("loss",), 5, ["5"]),
        (("loss", "name"), "rastrigon", ["'rastrigon'", "did you mean 'rastrigin'?"]),
        (("loss", "args"), 3, ["3"]),
        (("loss", "args"), {"dims": 3}, ["loss.args.dims", "did you mean 'dim'?"]),
        (("loss", "dim"), 0, ["0"]),
        (("loss", "dim"), 2.5, ["2.5", "integer"]),
        (("loss", "lower"), "low", ["low", "number"]),
        (("loss", "lower"), [1.0, 2.0, 3.0], ["3 values for 2 axes"]),
        (("loss", "lower"), 2.0, ["empty", "2.0"]),
        (("loss", "lower"), math.nan, ["empty", "nan"]),
        (("loss", "upper"), math.inf, ["empty", "inf"]),
        (("loss", "periodic"), [True, False, True], ["3 values for 2 axes"]),
        (("loss", "periodic"), "yes", ["yes"]),
        (("loss", "symmetry"), {"kind": "sign"}, ["array"]),
        (("loss", "symmetry", 0, "kind"), "sgn", ["sgn", "'translation', 'rotation', 'permutation' or 'sign'"]),
        (("loss", "symmetry", 0, "block"), "two", ["two", "integer"]),
        (("starts",), 5, ["5"]),
        (("starts",), {}, ["starts.count", "missing"]),
        (("starts", "kind"), "unifrm", ["'unifrm'", "did you mean 'uniform'?"]),
        (("starts", "kind"), "halton", ["'halton'", "known: grid, layers, normal, points, sobol, uniform"]),
        (("starts", "kind"), 3, ["3"]),
        (("starts", "count"), 0, ["0", "greater than or equal to 1"]),
        (("starts", "count"), -5, ["-5", "greater than or equal to 1"]),
        (("starts", "count"), 1.5, ["1.5", "integer"]),
        (("starts",), {"kind": "sobol", "count": 100}, ["starts.count", "100", "take 64"]),
        (("starts",), {"kind": "grid", "shape": [3]}, ["starts.shape", "1 numbers for 2 axes"]),
        (("starts",), {"kind": "grid", "shape": [3, 0]}, ["starts.shape", "0"]),
        (("starts",), {"kind": "grid", "shape": []}, ["starts.shape", "at least 1"]),
        (("starts",), {"kind": "points"}, ["path or x"]),
        (("starts",), {"kind": "points", "x": []}, ["starts.x: holds no points", "give one start or more"]),
        (("starts",), {"kind": "points", "path": "no-such.npy"}, ["starts.path", "no-such.npy"]),
        (("starts",), {"kind": "points", "x": [[1.0, 2.0, 3.0]]}, ["starts", "(1, 3)"]),
        (("optimizer",), "adam", ['"adam"']),
        (("optimizer", "name"), "sdg", ["'sdg'", "did you mean 'sgd'?"]),
        (("optimizer", "name"), "sam", ["cannot drive a descent"]),
        (("optimizer", "learning_rate"), -1.0, ["-1.0", "positive"]),
        (("optimizer", "learning_rate"), "fast", ["'fast'", "positive"]),
        (("optimizer", "learning_rate"), {"init_value": 0.1}, ["optimizer.learning_rate.schedule: is missing"]),
        (("stop", "grad_tol"), -1.0, ["-1.0"]),
        (("stop", "max_steps"), -1, ["-1"]),
        (("stop", "max_steps"), 2**31 - 1, [str(2**31 - 1)]),
        (("stop", "max_steps"), "many", ["many"]),
        (("stop", "escape_radius"), 0.0, ["0.0"]),
        (("tile", "lanes"), 0, ["0"]),
        (("tile", "lanes"), "8", ["8", "integer"]),
        (("tile", "unroll"), 65, ["65"]),
        (("tile", "refill"), 0.0, ["0.0"]),
        (("tile", "sample"), 5, ["5"]),
        (("tile", "layout"), "lanes_middle", ["lanes_middle", "'lanes_last' or 'lanes_first'"]),
        (("record", "paths"), -1, ["-1"]),
        (("record", "block"), 0, ["0"]),
        (("record", "endpoints"), 3, ["3"]),
        (("observables",), 5, ["5"]),
        (("observables", "two words"), "json:dumps", ["name"]),
        (("observables", "norm"), "norm", ["observables.norm", "package.module:name"]),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_wrong_values_name_file_key_and_value(path, value, words):
    mistake(put(FULL, path, value), ".".join(map(str, path)), *words)


@pytest.mark.parametrize("key", ["name", "loss", "starts"])
def test_what_must_be_given(key):
    mistake({k: v for k, v in FULL.items() if k != key}, f"{key}: is missing")


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ({}, "exactly one of name, expression and function, not none"),
        ({"name": "beale", "expression": "x"}, "not name and expression"),
        ({"expression": "x", "function": "a:b"}, "not expression and function"),
        ({"expression": "x**2"}, "loss.lower: is missing"),
        ({"expression": "x**2", "lower": 0.0}, "loss.upper: is missing"),
        ({"expression": "x***2", "lower": 0.0, "upper": 1.0}, "loss.expression"),
        ({"expression": "x**2", "lower": 1.0, "upper": 0.0}, "box is empty: [1.0, 0.0]"),
        ({"expression": "x**2", "lower": 0.0, "upper": 1.0, "args": {"a": 2}}, "loss.args"),
        ({"function": "math:sin", "lower": 0.0, "upper": 1.0}, "loss.dim: is missing"),
        ({"function": "math:sine", "dim": 1, "lower": 0.0, "upper": 1.0}, "did you mean"),
        ({"function": "math.sin", "dim": 1, "lower": 0.0, "upper": 1.0}, "'math.sin' is not of the form"),
        ({"function": "no_such_module_here:f", "dim": 1, "lower": 0.0, "upper": 1.0}, "no module"),
        ({"name": "himmelblau", "dim": 2}, "loss.dim: the dimension of himmelblau is fixed"),
        ({"name": "himmelblau", "args": {"dim": 2}}, "loss.args.dim: the dimension of himmelblau is fixed"),
        ({"name": "rastrigin", "args": {"dim": "x"}}, "loss.args.dim: 'x' does not suit rastrigin"),
    ],
)
def test_losses_that_are_none(loss, words):
    mistake({"name": "r", "loss": loss, "starts": {"count": 5}}, "loss", words)


JUNK = [
    -1,
    0,
    1.5,
    math.nan,
    math.inf,
    True,
    "word",
    "",
    [],
    [1, 2],
    [[1]],
    [1, "a"],
    {},
    {"kind": 1},
    {"a": {"b": 1}},
    {"": 1},
    [{}],
    datetime.date(2024, 1, 1),
    -(2**70),
]


@pytest.mark.parametrize("kind", STARTS)
def test_any_value_anywhere_is_taken_or_refused_in_one_sentence(kind):
    full = put(FULL, ("starts",), STARTS[kind])
    refused = 0
    for path in places(full):
        if kind == "uniform" or path[0] == "starts":
            for value in JUNK:
                try:
                    planned(put(full, path, value)).digest()
                except UserError as error:
                    assert re.fullmatch(r"f\.toml: \S.*", str(error)), (path, value)  # noqa: PT017 - many are taken
                    refused += 1
    assert refused > 30


def test_points_of_unequal_length():
    mistake(put(FULL, ("starts",), {"kind": "points", "x": [[1.0, 2.0], [3.0]]}), "starts")


def test_grids_beyond_all_numbers():
    mistake(put(FULL, ("starts",), {"kind": "grid", "shape": [2**70, 2]}), "starts.shape")


@pytest.mark.parametrize(
    "symmetry",
    [
        {"kind": "permutation", "block": 3},
        {"kind": "permutation", "block": 0},
        {"kind": "sign", "axes": [0, 5]},
        {"kind": "sign", "axes": [0, 0]},
        {"kind": "rotation"},
        {"kind": "translation", "axes": []},
    ],
    ids=str,
)
def test_symmetries_that_do_not_fit(symmetry):
    mistake(put(FULL, ("loss", "symmetry"), [symmetry]), "loss.symmetry")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("starts", "count"), "100"),
        (("starts", "count"), True),
        (("stop", "max_steps"), "5"),
        (("stop", "grad_tol"), True),
        (("record", "endpoints"), "yes"),
        (("loss", "symmetry", 0, "joint"), "yes"),
    ],
)
def test_types_are_strict_everywhere(path, value):
    mistake(put(FULL, path, value), ".".join(map(str, path)))


@pytest.mark.parametrize("rate", [-1.0, 0.0, math.inf])
def test_the_losss_rate_is_positive(rate):
    wrong = put(FULL, ("loss", "learning_rate"), rate)
    mistake(put(wrong, ("optimizer",), {"name": "sgd"}), "learning_rate")


def test_a_dimension_given_twice():
    mistake(put(FULL, ("loss", "args"), {"dim": 3}), "loss", "dim")


@pytest.mark.parametrize("name", ["start", "outcome", "steps", "point", "label", "x", "loss"])
def test_observables_named_like_columns(name):
    mistake(put(FULL, ("observables", name), "jax.numpy:sum"), f"observables.{name}")


@pytest.mark.parametrize("bounds", [{"lower": 3.0}, {"lower": [1.0, 2.0, 3.0]}], ids=str)
def test_bounds_of_starts_are_checked_with_the_config(bounds):
    mistake(put(FULL, ("starts",), {"kind": "uniform", "count": 5, "upper": 2.0, **bounds}), "starts.lower")


# Functions that are no pure scalar functions.

FUNCTIONS = {
    "vector": ("return x**2", "returns (2,), not a scalar"),
    "pair": ("return x[0], x[1]", "returns tuple, not a scalar"),
    "nothing": ("return None", "returns NoneType, not a scalar"),
    "whole": ("return jnp.sum(x).astype(jnp.int32)", "returns int32 and must return a float"),
    "truth": ("return jnp.sum(x) > 0", "returns bool and must return a float"),
    "complex": ("return jnp.sum(x) + 1j", "returns complex128 and must return a float"),
    "single": ("return jnp.sum(x.astype(jnp.float32))", "returns float32 for a point in float64"),
    "branch": ("return x[0] if x[0] > 0 else -x[0]", "is not a pure JAX function"),
    "number": ("return float(x[0])", "is not a pure JAX function"),
    "numpy": ("import numpy as np\n    return np.sin(x).sum()", "is not a pure JAX function"),
    "raises": ("raise ValueError('out of luck\\nand time')", "fails: ValueError: out of luck"),
    "typo": ("return jnp.summ(x)", "fails: AttributeError"),
    "shape": ("return jnp.sum(x @ jnp.ones(3))", "fails: TypeError"),
    "beyond": ("return x[0] * x[2]", "index 2 out of bounds for axis 0 with size 2; a point has shape (2,)"),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_functions_must_be_pure_and_scalar(module, name):
    body, words = FUNCTIONS[name]
    module("loss_of_config", f"import jax.numpy as jnp\ndef loss(x):\n    {body}\n")
    table = {"function": "loss_of_config:loss", "dim": 2, "lower": -1.0, "upper": 1.0, "learning_rate": 0.1}
    with pytest.raises(UserError) as caught:
        planned({"name": "r", "loss": table, "starts": {"count": 5}})
    assert str(caught.value).startswith("f.toml: loss: 'loss_of_config:loss' ")
    assert words in str(caught.value), caught.value
    assert "\n" not in str(caught.value)


def test_one_coordinate_is_a_vector_or_a_scalar(module):
    module("loss_of_config", "def vector(x):\n    return (x**2).sum()\ndef scalar(x):\n    return x**2\n")
    for name in ("vector", "scalar"):
        table = {"function": f"loss_of_config:{name}", "dim": 1, "lower": -1.0, "upper": 1.0, "learning_rate": 0.1}
        made = planned({"name": "r", "loss": table, "starts": {"count": 5}})
        for dtype in (jnp.float32, jnp.float64):
            with jax.enable_x64(True):
                loss, args = loss_of(made.landscape, dtype)
                value, grad = jax.tree.map(np.asarray, jax.value_and_grad(loss)(jnp.full(1, 3, dtype), args))
            assert (value.shape, grad.shape, value.dtype) == ((), (1,), dtype)
            assert (value, grad[0]) == (9, 6)


def test_arguments_are_checked_against_the_function(module):
    module("loss_of_config", "def loss(x, a):\n    return a * (x**2).sum()\n")
    table = {"function": "loss_of_config:loss", "dim": 2, "lower": -1.0, "upper": 1.0, "learning_rate": 0.1}
    for args in ({}, {"b": 1}, {"a": 1, "b": 1}):
        with pytest.raises(UserError, match=r"fails: TypeError: .*argument"):
            planned({"name": "r", "loss": table | {"args": args}, "starts": {"count": 5}})


@pytest.mark.parametrize("value", ["fast", {"deep": 1}, [[1.0], [1.0, 2.0]]], ids=str)
def test_arguments_that_are_no_numbers(module, value):
    module("loss_of_config", "def loss(x, a):\n    return (x**2).sum()\n")
    table = {"function": "loss_of_config:loss", "dim": 2, "lower": -1.0, "upper": 1.0, "learning_rate": 0.1}
    table["args"] = {"a": value}
    with pytest.raises(UserError, match=r"loss\.args\.a"):
        planned({"name": "r", "loss": table, "starts": {"count": 5}})


# The schema.

CHECKED = {
    "type": lambda want, value: isinstance(value, {
        "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
        "integer": int, "number": (int, float),
    }[want]) and (want == "boolean" or not isinstance(value, bool)),
    "const": lambda want, value: value == want,
    "enum": lambda want, value: value in want,
    "minimum": lambda want, value: not isinstance(value, int | float) or value >= want,
    "maximum": lambda want, value: not isinstance(value, int | float) or value <= want,
    "exclusiveMinimum": lambda want, value: not isinstance(value, int | float) or value > want,
    "minItems": lambda want, value: not isinstance(value, list) or len(value) >= want,
    "maxLength": lambda want, value: not isinstance(value, str) or len(value) <= want,
    "pattern": lambda want, value: not isinstance(value, str) or bool(re.search(want, value)),
    "required": lambda want, value: not isinstance(value, dict) or set(want) <= set(value),
}  # fmt: skip
SAID = {"$schema", "$defs", "title", "description", "default", "discriminator"}


def fits(schema, value, root):
    """Return whether a value fits a JSON schema (draft 2020-12, the words that ours uses; any other is an error)."""
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    for word, want in schema.items():
        if word == "$ref":
            good = fits(root["$defs"][want.removeprefix("#/$defs/")], value, root)
        elif word in ("anyOf", "oneOf"):
            number = sum(fits(each, value, root) for each in want)
            good = number == 1 if word == "oneOf" else number > 0
        elif word == "properties":
            good = not isinstance(value, dict) or all(fits(s, value[k], root) for k, s in want.items() if k in value)
        elif word == "additionalProperties":
            rest = [v for k, v in value.items() if k not in properties] if isinstance(value, dict) else []
            good = all(fits(more, v, root) for v in rest) if isinstance(more, dict) else more or not rest
        elif word == "items":
            good = not isinstance(value, list) or all(fits(want, v, root) for v in value)
        else:
            good = word in SAID or CHECKED[word](want, value)
        if not good:
            return False
    return True


@pytest.fixture(scope="module")
def schema():
    return config.schema()


def test_the_schema_has_every_key(schema):
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    classes = [config.LossTable, config.TileTable, Stop, Recording, Symmetry]
    classes += [starts.Uniform, starts.Normal, starts.Grid, starts.Sobol, starts.Points]
    assert set(schema["properties"]) == set(config.Config.__dataclass_fields__)
    for choice in classes:
        table = schema["$defs"][choice.__name__]
        assert set(table["properties"]) == set(choice.__dataclass_fields__)
        assert table["additionalProperties"] is False
    assert set(schema["required"]) == {"name", "loss", "starts"}


@pytest.mark.parametrize("kind", STARTS)
def test_the_schema_takes_what_the_reader_takes(schema, kind):
    full = put(FULL, ("starts",), STARTS[kind])
    assert fits(schema, full, schema)
    for path in places(full):
        inner = full
        for key in path[:-1]:
            inner = inner[key]
        if isinstance(inner, dict) and path[0] not in ("optimizer", "observables") and path[1:2] != ("args",):
            assert not fits(schema, put(full, (*path[:-1], f"{path[-1]}x"), 1), schema), path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), "a/b"), (("seed",), -1), (("precision",), "half"), (("loss", "dim"), 0), (("loss", "lower"), "low"),
        (("starts", "count"), 0), (("starts", "kind"), "unifrm"), (("stop", "max_steps"), -1), (("record", "block"), 0),
        (("loss", "symmetry", 0, "kind"), "sgn"), (("observables", "norm"), 3), (("optimizer",), "adam"),
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_reader_refuses(schema, path, value):
    wrong = put(FULL, path, value)
    assert not fits(schema, wrong, schema)
    mistake(wrong)


def test_the_schema_takes_starts_without_a_kind(schema):
    short = {"name": "r", "loss": {"name": "beale"}, "starts": {"count": 5}}
    planned(short)
    assert fits(schema, short, schema)


# One config, one run.

CHANGES = [
    "name=s", "seed=1", "precision=float32", "loss.name=ackley", "loss.dim=3", "loss.lower=-3", "loss.upper=[5, 4]",
    "loss.periodic=true", "loss.periodic=[true, false]", "loss.symmetry=[{kind='sign'}]",
    "loss.symmetry=[{kind='sign', joint=true}]", "loss.symmetry=[{kind='sign', axes=[0]}]", "loss.learning_rate=0.5",
    "starts.count=1001", "starts.lower=0", "starts.upper=[1, 2]", "starts={kind='normal', count=1000}",
    "starts={kind='normal', count=1000, scale=2}", "starts={kind='normal', count=1000, mean=2}",
    "starts={kind='grid', shape=[3, 4]}", "starts={kind='grid', shape=[4, 3]}", "starts={kind='sobol', count=64}",
    "starts={kind='points', x=[[1, 2]]}", "starts={kind='points', x=[[1, 3]]}",
    "optimizer={name='sgd', learning_rate=0.003}",
    "optimizer={name='sgd', momentum=0.6}", "optimizer={name='sgd', nesterov=true}",
    "optimizer={name='adam', learning_rate=0.003}",
    "optimizer={name='sgd', learning_rate={schedule='linear_schedule', init_value=1, end_value=0, transition_steps=9}}",
    "optimizer={name='sgd', learning_rate={schedule='linear_schedule', init_value=1, end_value=0, transition_steps=8}}",
    "stop.grad_tol=1e-7", "stop.max_steps=5", "stop.escape_radius=5", "tile.lanes=64", "tile.steps=16", "tile.unroll=2",
    "tile.layout=lanes_first", "record.paths=1", "record.endpoints=true", "record.block=100", "record.catalogue=5",
    "observables.a=jax.numpy:sum", "observables.b=jax.numpy:sum", "observables.a=jax.numpy.linalg:norm",
]  # fmt: skip


def test_any_changed_value_is_another_run(plan):
    digests = [plan(change).digest() for change in CHANGES]
    digests.append(plan().digest())
    twice = [change for change, digest in zip(CHANGES, digests, strict=False) if digests.count(digest) > 1]
    assert not twice
    assert all(re.fullmatch("[0-9a-f]{8}", digest) for digest in digests)


def test_losss_arguments_are_part_of_the_run(plan):
    tilts = [plan("loss={name='double_well'}", f"loss.args.tilt={tilt}").digest() for tilt in (0.1, 0.2)]
    assert len(set(tilts)) == 2
    text = "loss={expression='x**2', lower=-1, upper=1, learning_rate=0.1}"
    assert plan(text).digest() != plan(text.replace("x**2", "x**4")).digest()


@pytest.mark.parametrize(
    "same",
    [
        [],
        ["starts.kind=uniform"],
        ["starts.count=1e3"],
        ["seed=0", "precision=float64"],
        ["loss.lower=-5.12", "loss.upper=[5.12, 5.12]", "loss.periodic=false"],
        ["optimizer.name=sgd"],
        ["optimizer.name=sgd", f"optimizer.learning_rate={rastrigin(2).learning_rate!r}"],
        ["stop.max_steps=20_000", "stop.escape_radius=1e3"],
        ["tile.lanes=128", "tile.sample=4", "tile.unroll=1"],
        ["record.paths=0", "record.block=16384"],
        ["loss.dim=3", "loss.dim=2"],
    ],
    ids=str,
)
def test_equal_configs_are_the_same_run(plan, same):
    assert plan(*same).digest() == plan().digest()


def test_the_order_of_keys_does_not_matter(plan):
    lines = SHORT.strip().split("\n")
    assert plan(text="\n".join(["# other words", *reversed(lines)])).digest() == plan().digest()


def test_an_edited_file_of_points_is_another_run(plan, tmp_path):
    where = f"starts={{kind='points', path='{tmp_path / 'p.npy'}'}}"
    digests = []
    for points in (np.zeros((2, 2)), np.ones((2, 2)), np.zeros((2, 2))):
        np.save(tmp_path / "p.npy", points)
        digests.append(plan(where).digest())
    assert digests[0] == digests[2] != digests[1]


MADE = {
    "def": "def loss(x):\n    return {} * (x**2).sum()\n",
    "lambda": "loss = lambda x: {} * (x**2).sum()\n",
    "jit": "import jax\n@jax.jit\ndef loss(x):\n    return {} * (x**2).sum()\n",
    "object": (
        "class Loss:\n    def __init__(self, a):\n        self.a = a\n"
        "    def __call__(self, x):\n        return self.a * (x**2).sum()\nloss = Loss({})\n"
    ),
    "partial": "import functools\ndef bowl(a, x):\n    return a * (x**2).sum()\nloss = functools.partial(bowl, {})\n",
}


@pytest.mark.parametrize("how", list(MADE))
def test_an_edited_loss_is_another_run(plan, module, how):
    text = (
        "name='r'\nstarts={count=5}\nloss={function='edited_loss:loss', dim=2, lower=-1, upper=1, learning_rate=0.1}\n"
    )
    digests = []
    for factor in ("1.0", "2.25", "1.0"):
        module("edited_loss", MADE[how].format(factor))
        digests.append(plan(text=text).digest())
    assert digests[0] == digests[2]
    assert digests[0] != digests[1]
    module("edited_loss", "import functools\n" + MADE[how].format("1.0"))
    observed = plan("observables.a=edited_loss:loss").digest()
    module("edited_loss", MADE[how].format("2.0"))
    assert plan("observables.a=edited_loss:loss").digest() != observed
