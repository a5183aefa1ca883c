"""Curvature of many networks against dense eigenvalues, gradients by array, and the command that looks at a run's."""

import json
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnemo_jax import cli, config, losses, pipeline, run_networks, store, terminal_networks, trained, trained_between
from mnemo_jax.calculus import Arrays, Loss, from_pytree, loss_of
from mnemo_jax.errors import UserError
from mnemo_jax.figures import draw_networks
from mnemo_jax.losses.layers import Layers, outputs
from mnemo_jax.networks import curvature as module
from mnemo_jax.networks.curvature import Extremes, extremes, lanczos, looks_of, outliers
from mnemo_jax.networks.gradients import gradient_norms, names
from mnemo_jax.networks.slices import array_directions
from mnemo_jax.optimizers import Optimizer, Schedule
from mnemo_jax.run_networks import networks_of
from mnemo_jax.trained import layers_of
from mnemo_jax.trained_between import pairs_of
from mnemo_jax.trained_curvature import full_batch, limit

pytestmark = pytest.mark.usefixtures("no_fsync")
LAYERS = Layers(widths=(4, 6, 2))
DRAW = np.random.default_rng(4)
INPUTS, TARGETS = DRAW.standard_normal((20, 4)), DRAW.standard_normal((20, 2))


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def squared(x, inputs, targets):
    return jnp.mean((outputs(LAYERS(x), inputs, "tanh") - targets) ** 2)


@pytest.fixture(scope="module")
def sixty_four():
    """Return 64 networks and the eigenvalues of their Hessians."""
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(1).standard_normal((64, LAYERS.dim)))
        dense = jax.jit(jax.vmap(jax.hessian(squared), in_axes=(0, None, None)))(x, INPUTS, TARGETS)
        return x, np.linalg.eigvalsh(np.asarray(dense))


def test_as_many_products_as_coordinates_give_all_eigenvalues(sixty_four):
    x, dense = sixty_four
    found = extremes(squared, x, INPUTS, TARGETS)
    np.testing.assert_allclose(found.values, dense, atol=1e-10)
    np.testing.assert_allclose(found.highest, dense[:, -1], rtol=1e-12)
    np.testing.assert_allclose(found.lowest, dense[:, 0], rtol=1e-9)
    np.testing.assert_array_equal(found.negative, np.sum(dense < -found.zero[:, None], axis=1))
    assert found.residuals.max() < 1e-9
    assert (found.lowest_bound <= dense[:, 0]).all()
    assert (found.highest_bound >= dense[:, -1]).all()


def test_few_products_bound_the_ends(sixty_four):
    x, dense = sixty_four
    found = extremes(squared, x, INPUTS, TARGETS, products=12, batch_size=10)
    programs = module._tridiagonals._cache_size()
    gap = np.abs(found.values[:, :, None] - dense[:, None]).min(axis=2)
    assert (gap <= found.residuals + 1e-12).all()  # an eigenvalue within the residual of each
    for k in range(12):  # interlacing, from both ends
        assert (found.values[:, k] >= dense[:, k] - 1e-10).all()
        assert (found.values[:, -1 - k] <= dense[:, -1 - k] + 1e-10).all()
    assert (found.negative <= np.sum(dense < 0, axis=1)).all()
    assert np.median(found.negative) > 2
    assert (found.lowest_bound < dense[:, 0]).all()
    assert (found.highest_bound > dense[:, -1]).all()
    np.testing.assert_allclose(found.highest, dense[:, -1], rtol=1e-2)
    assert np.median(np.abs(found.highest / dense[:, -1] - 1)) < 1e-5
    broken = x.at[3].set(jnp.nan)
    other = extremes(squared, broken, INPUTS, TARGETS + 0.0, products=12, batch_size=10)
    assert module._tridiagonals._cache_size() == programs  # data are arguments
    rows = np.arange(64) != 3
    np.testing.assert_allclose(other.values[rows], found.values[rows], atol=1e-12)
    assert np.isnan(other.values[3]).all()
    assert other.negative[3] == 0


@pytest.mark.parametrize(
    "spectrum",
    [
        np.zeros(20),
        np.ones(20),
        np.repeat([-1.0, 1.0], [5, 15]),
        np.concatenate([np.zeros(10), np.full(8, 2.0), [1e-7, 1e-5]]),
    ],
)
def test_eigenvalues_that_occur_several_times_are_all_found(spectrum):
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 20)))[0]
    matrix = jnp.asarray(q @ np.diag(spectrum) @ q.T)

    def draw(k):
        return jax.random.normal(jax.random.fold_in(jax.random.key(0), k), (20,))

    diagonal, beside = lanczos(lambda v: matrix @ v, draw, matrix[0], 20)
    made = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    np.testing.assert_allclose(np.linalg.eigvalsh(made), np.sort(spectrum), atol=1e-12)


def test_wrong_points_are_refused():
    with pytest.raises(UserError, match=r"^x: must be \[n, d\]"):
        extremes(squared, jnp.zeros(5))
    with pytest.raises(UserError, match=r"^products: "):
        extremes(squared, jnp.zeros((2, 5)), products=0)
    with pytest.raises(UserError, match=r"^most: "):
        looks_of([np.zeros((3, 2))], most=1)


def test_large_eigenvalues_that_stand_apart_are_counted():
    def counted(*values, error=1e-6):
        values = np.sort(np.array(values, float))[None]
        return int(outliers(Extremes(values, np.full_like(values, error), *np.zeros((3, 1))))[0])

    bulk = np.linspace(0.01, 0.1, 20)
    assert counted(9, 8, 7, *bulk) == 3
    assert counted(2, 1.5, 1.1, 0.9, *bulk) == 4
    assert counted(*np.geomspace(0.01, 10, 24)) == 0  # no gap is wider than the others
    assert counted(9, 8, 7, *bulk, error=1.0) == 0  # nothing has converged
    assert counted(*np.linspace(8, 9, 20), 0.1) == 0  # most of them are no outliers
    assert counted(*-bulk) == 0


def test_looks_are_as_far_apart_and_hold_both_ends():
    paths = [np.arange(61.0)[:, None], np.arange(3.0)[:, None]]
    found = looks_of(paths, every=50, most=40)
    first = found.path == 0
    np.testing.assert_array_equal(found.step[first], 50 * np.arange(0, 61, 2))
    np.testing.assert_array_equal(found.step[~first], [0, 50, 100])
    np.testing.assert_array_equal(found.x[:, 0] * 50, found.step)
    assert list(looks_of([np.zeros((1, 2))]).step) == [0]
    assert list(looks_of([np.zeros((6, 2))], most=3).step) == [0, 3, 5]


def tree_loss(tree, scale):
    return scale * jnp.sum(jnp.sin(tree["a"])) + jnp.sum(tree["b"][0] ** 2) * tree["b"][1]


def test_gradient_norms_are_those_of_autodiff(sixty_four):
    x = sixty_four[0][:5]

    def network(layers, inputs, targets):
        return jnp.mean((outputs(layers, inputs, "tanh") - targets) ** 2)

    found = gradient_norms(Loss(network, LAYERS, scalar=False), x, {"inputs": INPUTS, "targets": TARGETS})
    assert list(found) == ["layer 1 weight", "layer 1 bias", "layer 2 weight", "layer 2 bias"]
    for row, point in enumerate(x):
        slopes = jax.grad(network)(LAYERS(point), INPUTS, TARGETS)
        expected = [np.linalg.norm(array) for layer in slopes for array in layer]
        np.testing.assert_allclose([norm[row] for norm in found.values()], expected, rtol=1e-12)
    example = {"a": np.zeros((2, 3)), "b": (np.zeros(4), np.zeros(()))}
    loss, args = loss_of(from_pytree(tree_loss, example, lower=-1.0, upper=1.0, args={"scale": 2.0}), jnp.float64)
    point = jnp.arange(11.0)[None] / 7
    told = gradient_norms(loss, point, args)
    slope = jax.grad(tree_loss)(loss.unravel(point[0]), 2.0)
    expected = {"a": slope["a"], "b 0": slope["b"][0], "b 1": slope["b"][1]}
    assert told == {name: pytest.approx([np.linalg.norm(array)]) for name, array in expected.items()}
    assert names(None, 3) == ["x"]


def test_directions_by_array_are_as_long_as_the_arrays():
    example = {"a": np.zeros((2, 3)), "b": np.zeros(4)}
    arrays: Arrays = from_pytree(tree_loss, example, lower=-1.0, upper=1.0).unravel
    x = jnp.asarray(DRAW.standard_normal((3, 10))).at[2, :6].set(0.0)
    found = array_directions(x, arrays)
    for k in range(2):
        np.testing.assert_allclose(
            np.linalg.norm(found[:, k, :6], axis=1), np.linalg.norm(x[:, :6], axis=1), rtol=1e-12
        )
        np.testing.assert_allclose(np.linalg.norm(found[:, k, 6:], axis=1), np.linalg.norm(x[:, 6:], axis=1))
    assert not np.allclose(found[:, 0], found[:, 1])


def test_the_limit_of_sharpness_is_that_of_the_optimizer():
    steps = np.array([0, 10])
    assert limit(Optimizer("sgd", 0.1), steps) == pytest.approx([20, 20])
    assert limit(Optimizer("sgd", 0.1, (("momentum", 0.5),)), steps) == pytest.approx([30, 30])
    falling = Schedule("linear_schedule", (("init_value", 0.2), ("end_value", 0.1), ("transition_steps", 10)))
    assert limit(Optimizer("sgd", falling), steps) == pytest.approx([10, 20])
    assert limit(Optimizer("adam", 0.1), steps) is None
    assert full_batch(Optimizer("sgd", 0.1))
    assert not full_batch(Optimizer("sgd", 0.1, (("noise.kind", "minibatch"), ("noise.size", 4))))


def test_pairs_share_no_end_while_there_are_others():
    np.testing.assert_array_equal(pairs_of(7, 3), [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(pairs_of(3, 10), [[0, 1], [0, 2], [1, 2]])
    assert len(pairs_of(1, 5)) == len(pairs_of(9, 0)) == 0
    many = pairs_of(5, 8)
    assert len(np.unique(many, axis=0)) == 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the record of twelve networks trained on XOR, half of whose starts are equal."""
    draw = np.random.default_rng(0).standard_normal((6, 9))
    units = draw[:, [1, 0, 3, 2, 5, 4, 7, 6, 8]]  # the hidden units exchanged
    table = {
        "name": "xor",
        "data": {"name": "xor"},
        "loss": {"name": "mlp", "args": {"hidden": [2], "activation": "tanh", "ridge": 0.01}},
        "starts": {"kind": "points", "x": [*draw.tolist(), *units.tolist()]},
        "optimizer": {"name": "sgd", "learning_rate": 0.3},
        "stop": {"max_steps": 600, "check_every": 50, "grad_tol": 0.0},
        "record": {"paths": 2, "endpoints": True, "catalogue": 0},
    }
    made = config.plan(config.parse(table, "xor"), "xor", "cpu")
    return pipeline.run(made, tmp_path_factory.mktemp("runs"), devices=1)


@pytest.fixture(scope="module")
def told(run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained_between, "STEPS", 40)
        found = networks_of(run, 12, 2, 3)
    run_networks.write(run, found)
    return found


def test_what_is_told_of_a_run_is_so(run, told):
    assert (told["starts"], told["ends"]) == (12, 12)
    assert told["network"] == {"widths": [2, 2, 1], "bias": True, "activation": "tanh"}
    assert [row["array"] for row in told["gradients"]][1] == "layer 1 bias"
    assert told["distinct"]["number"] == 6
    assert told["distinct"]["copies"] == 8
    assert [row["ends"] for row in told["distinct"]["minima"]] == [2] * 6
    losses_ = np.sort(run.starts("loss")["loss"].to_numpy())
    np.testing.assert_allclose([row["loss"] for row in told["distinct"]["minima"]], losses_[::2], rtol=1e-6)
    x = store.matrix(run.starts("x")["x"])
    loss, args = loss_of(losses.build("mlp", {"hidden": [2], "activation": "tanh", "ridge": 0.01}), jnp.float64)
    slope = jax.jit(jax.grad(lambda y: loss(y, args)))
    hessian = jax.jit(jax.jacfwd(slope))
    for row in told["curvature"]["ends"]:
        dense = np.linalg.eigvalsh(hessian(x[row["start"]]))
        np.testing.assert_allclose(row["largest"], dense[::-1], atol=1e-9)
        assert row["negative"] == np.sum(dense < -row["zero"])
        assert row["decided"]
        assert row["gradient"] == pytest.approx(np.linalg.norm(slope(x[row["start"]])))
    assert told["curvature"]["limit"] == pytest.approx([2 / 0.3])
    assert [row["step"][-1] for row in told["sharpness"]] == [600, 600]
    assert told["sharpness"][1]["highest"][-1] == pytest.approx(told["curvature"]["ends"][1]["highest"], rel=1e-5)
    density = np.array(told["density"]["end"]["density"])
    assert np.trapezoid(density, told["density"]["at"]) == pytest.approx(1, abs=2e-3)


def test_barriers_and_slices_begin_at_the_ends(run, told):
    found = told["barriers"]
    assert found["pairs"] == [[0, 1], [2, 3], [4, 5]]
    loss = run.starts("loss")["loss"].to_numpy()
    for way in found["losses"]["loss"].values():
        np.testing.assert_allclose(np.array(way["loss"])[:, [0, -1]], loss[:6].reshape(3, 2), rtol=1e-6)
    assert list(found["losses"]["loss"]) == list(trained_between.WAYS)
    assert np.all(np.array(found["distance"]["after"]) <= np.array(found["distance"]["before"]) + 1e-12)
    middle = trained_between.GRID // 2
    assert told["slices"]["around"]["loss"][middle][middle] == pytest.approx(loss[0], rel=1e-6)
    assert np.shape(told["slices"]["principal"]["places"]) == (13, 2)


def test_tables_fit_and_tell_each_subject(run, told, capsys, monkeypatch):
    monkeypatch.setattr(terminal_networks.out, "_width", 100)
    terminal_networks.show("xor", told, [])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    assert text.startswith("xor: 12 2-2-1 tanh networks; 6 of them distinct up to symmetry; barrier ")
    for title in ("Gradient norms", "Layers at the end", "Distinct ends", "Curvature of ends", "Sharpness along"):
        assert title in text
    assert "A network whose units all differ has 8 exact copies by exchanging units and turning their signs" in text


def test_the_command_writes_prints_and_draws(run, told, monkeypatch, capsys):
    (run.path / "networks.json").unlink()
    assert draw_networks(run) == []  # without the file
    monkeypatch.setattr(cli, "_start_jax", lambda devices: "cpu")
    monkeypatch.setattr(run_networks, "networks_of", lambda record, *numbers, report: told | {"asked": numbers})
    cli.networks(run.path, json_=True, starts=5, curvature=1, pairs=2)
    printed = json.loads(capsys.readouterr().out)
    assert printed["asked"] == [5, 1, 2]
    drawn = {Path(name).stem for name in printed["figures"]}
    assert drawn == {"barriers", "slice", "principal", "sharpness", "density"}
    assert store.read_json(run.path / "networks.json") == {k: v for k, v in printed.items() if k != "figures"}


def test_arrays_whose_units_are_not_known_are_told_the_rest(run, monkeypatch, capsys):
    monkeypatch.setattr(trained, "layers_of", lambda landscape: (None, "linear"))
    monkeypatch.setattr(run_networks, "_paths", lambda record: {})
    monkeypatch.setattr(trained_between, "STEPS", 40)
    told = networks_of(run, 3, 0, 1)
    assert told["network"] is told["layers"] is told["distinct"] is told["density"] is None
    assert list(told["barriers"]["losses"]["loss"]) == ["straight", "curve"]
    assert not told["slices"]["around"]["by_unit"]
    terminal_networks.show("xor", told, [])
    text = capsys.readouterr().out
    assert "Left out are units, distinct ends and matching" in text
    assert "Distinct ends" not in text


def test_which_landscapes_have_layers():
    linear = losses.build("deep_linear", {"widths": [3, 2, 3]})
    assert layers_of(linear) == (Layers(widths=(3, 2, 3), bias=False), "linear")
    assert layers_of(losses.build("himmelblau"))[0] is None


def test_runs_that_cannot_be_looked_at_are_told_why(run, tmp_path):
    kept = run.config | {"record": run.config["record"] | {"endpoints": False}}
    other = SimpleNamespace(path=run.path, summary=run.summary, provenance=run.provenance, config=kept)
    with pytest.raises(UserError, match=r"kept no end points; run its config again with record.endpoints = true"):
        networks_of(other)
    with pytest.raises(UserError, match=r"made in Python; apply the functions of mnemo_jax.networks"):
        networks_of(SimpleNamespace(path=tmp_path / "none", config={}, provenance=run.provenance))
    plan = SimpleNamespace(landscape=losses.build("himmelblau"))
    with pytest.raises(UserError, match="its loss, himmelblau, is no network"):
        trained.ends_of(SimpleNamespace(path=tmp_path), plan, 5)
