"""Descents on data: batches, looks, measures, early stopping, and what the record keeps of them."""

import dataclasses
import json
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import ndimage
from scipy.stats import chisquare

import mnemo_jax as mnemo
from mnemo_jax import config, losses, pipeline, shuffle, training
from mnemo_jax.augment import Augment
from mnemo_jax.data import Data, DataSet, Items
from mnemo_jax.errors import MnemoError, UserError
from mnemo_jax.initializers import known
from mnemo_jax.keys import Purpose, key
from mnemo_jax.plan import tile_for
from mnemo_jax.starts import drawer
from mnemo_jax.stopping import Stop
from mnemo_jax.types import Tile

pytestmark = pytest.mark.usefixtures("no_fsync")
MOONS = DataSet(name="moons", args={"items": 60, "noise": 0.2}, validation=15, test=15)
BATCHES = {"name": "sgd", "learning_rate": 0.5, "noise": {"kind": "minibatch", "size": 8, "replace": False}}
RULES = Stop(grad_tol=0.0, max_steps=40, check_every=10, patience=1)
STARTS = mnemo.Layered(count=24, weights="lecun_normal")


def surveyed(*args, **asked):
    """Follow starts on one device: each would compile the program for itself."""
    return mnemo.survey(*args, **{"devices": 1, **asked})


@pytest.fixture(scope="module")
def network():
    return losses.BUILTINS["mlp"](MOONS, hidden=(3,), activation="relu")


@pytest.fixture(scope="module")
def trained(network, tmp_path_factory):
    """Return the record of a small training, its starts and what was measured on the way."""
    recording = mnemo.Recording(endpoints=True, paths=2, block=16, catalogue=0)
    out = tmp_path_factory.mktemp("runs")
    record = surveyed(network, starts=STARTS, optimizer=BATCHES, stop=RULES, recording=recording, out=out)
    return record, record.starts().to_pandas(), record.history().to_pandas()


def by_hand(network, number):
    """Return the points of one training at its looks, written as anyone would write it."""
    args = {name: jnp.asarray(value) for name, value in network.args.items()}
    draw = key(jax.random.key(0), Purpose.BATCH, jnp.int64(number))
    x = jnp.asarray(drawer(STARTS, network, 0)(number, 1)[0])
    slope = jax.jit(jax.grad(lambda x, rows: network.loss(x, args["inputs"][rows], args["targets"][rows], 0.0)))
    points = [x]
    for step in range(40):
        x = x - 0.5 * slope(x, shuffle.rows(draw, jnp.int32(step), 8, 30))
        points += [x] * (step % 10 == 9)
    return points


def test_a_training_is_that_written_by_hand(network, trained):
    record, rows, history = trained
    assert rows["steps"].eq(40).all()
    assert record.outcomes["finished"] == 24
    with jax.enable_x64(True):
        for number in (0, 23):
            points = by_hand(network, number)
            np.testing.assert_allclose(rows["x"][number], points[-1], rtol=1e-9)
            own = history[history["start"] == number]
            assert own["step"].tolist() == [0, 10, 20, 30, 40]
            test = {name: jnp.asarray(value) for name, value in network.held_out["test"].items()}
            for name, function in network.measured.items():
                told = [float(function(x, **test, ridge=0.0)) for x in points]
                np.testing.assert_allclose(own[f"test_{name}"], told, rtol=1e-9)
    np.testing.assert_allclose(record.paths()[1][-1], rows["x"][1], rtol=1e-9)


def test_columns_are_the_history_at_its_looks(trained):
    record, rows, history = trained
    for number, own in history.groupby("start"):
        row, losses_ = rows.loc[number], own["validation_loss"].to_numpy()
        best = int(np.argmin(losses_))
        worse = np.flatnonzero(losses_[1:] >= np.minimum.accumulate(losses_)[:-1]) + 1
        assert row["best_step"] == 10 * best
        assert row["best_test_loss"] == own["test_loss"].iloc[best]
        assert row["start_train_loss"] == own["train_loss"].iloc[0]
        assert row["test_accuracy"] == own["test_accuracy"].iloc[-1]
        if len(worse):
            assert row["stop_step"] == 10 * worse[0]
            assert row["stop_train_accuracy"] == own["train_accuracy"].iloc[worse[0]]
        else:
            assert np.isnan(row["stop_step"])
            assert np.isnan(row["stop_train_accuracy"])
    told = record.summary["measures"]
    assert told["test_loss"]["median"] == np.median(rows["test_loss"])
    assert told["stop_step"]["number"] == rows["stop_step"].notna().sum()


def test_early_stops_are_counted_in_looks_without_a_better_one():
    order = np.array([[3, 2, 2.5, 2.6, 1, 0, 0, 0], [5, 4, 3, 2, 1, 0, -1, -2], [1, 2, 3, 4, 5, 6, 7, 8.0]])
    last = np.array([7, 7, 1])
    assert training.stopped(order, last, 2).tolist() == [3, -1, -1]
    assert training.stopped(order, last, 1).tolist() == [2, -1, 1]
    assert training.stopped(order, last, 3).tolist() == [-1, -1, -1]


def test_bytes_do_not_depend_on_blocks_or_lanes_company(network, trained, tmp_path):
    record, rows, history = trained
    recording = mnemo.Recording(endpoints=True, block=24, catalogue=0)
    again = surveyed(network, starts=STARTS, optimizer=BATCHES, stop=RULES, recording=recording, out=tmp_path)
    assert again.fingerprint == record.fingerprint
    assert np.array_equal(np.stack(again.starts().to_pandas()["x"]), np.stack(rows["x"]))
    assert again.history().to_pandas().equals(history)


def test_whole_gradients_may_be_looked_at_every_so_many_steps_too(network):
    rules = Stop(grad_tol=0.0, max_steps=30, check_every=15)
    asked = {"starts": STARTS, "recording": mnemo.Recording(endpoints=True, catalogue=0)}
    record = surveyed(network, optimizer={"name": "adam", "learning_rate": 0.05}, stop=rules, **asked)
    with jax.enable_x64(True):
        x, optimizer = drawer(STARTS, network, 0)(0, 24), optax.adam(0.05)
        slope = jax.grad(lambda x: network.loss(x, **network.args))
        state = optimizer.init(x)
        for _ in range(30):
            update, state = optimizer.update(jax.vmap(slope)(x), state)
            x = x + update
    np.testing.assert_allclose(np.stack(record.starts().to_pandas()["x"]), x, rtol=1e-7, atol=1e-10)
    assert sorted(set(record.history().to_pandas()["step"])) == [0, 15, 30]


def test_a_batch_of_everything_is_the_whole_gradient(network):
    """Without replacement, a batch as large as the data has every item once: the noise is gone."""
    asked = {"starts": STARTS, "recording": mnemo.Recording(endpoints=True, catalogue=0)}
    rules = Stop(grad_tol=0.0, max_steps=20, check_every=20)
    whole = {"name": "sgd", "learning_rate": 0.5, "noise": {"kind": "minibatch", "size": 30, "replace": False}}
    record = surveyed(network, optimizer=whole, stop=rules, **asked)
    args = network.args
    with jax.enable_x64(True):
        x = drawer(STARTS, network, 0)(0, 24)
        slope = jax.jit(jax.vmap(jax.grad(lambda x: network.loss(x, **args))))
        for _ in range(20):
            x = x - 0.5 * slope(x)
    np.testing.assert_allclose(np.stack(record.starts().to_pandas()["x"]), x, rtol=1e-7, atol=1e-10)


def test_stalls_and_steps_are_counted_in_updates():
    """Along a valley's floor gradients stay small: the same stretch, looked at five times less often."""
    starts = np.array([[1.0, 0.3], [0.5, -0.2]])
    runs = [
        surveyed(
            "quadratic",
            learning_rate=0.02,
            starts=starts,
            stop=Stop(grad_tol=1e-6, max_steps=5000, check_every=every),
        ).starts("steps", "final", "outcome")
        for every in (1, 5)
    ]
    one, five = (run.to_pandas() for run in runs)
    assert one["outcome"].eq("converged").all()
    assert five["outcome"].eq("converged").all()
    assert ((five["steps"] - one["steps"]).between(0, 4)).all()
    assert (five["steps"] % 5 == 0).all()
    assert (abs(five["final"] - one["final"]) <= 5).all()


def cross_entropy(x, inputs, classes):
    """The mean of a difference of two sums, which a library that XLA calls on CPUs gets wrong in float32."""
    out = inputs @ x[:40].reshape(4, 10) + x[None, 40:]
    wanted = jax.nn.one_hot(classes, 10, dtype=out.dtype)
    return jnp.mean(jax.nn.logsumexp(out, axis=-1) - jnp.sum(wanted * out, axis=-1))


def test_many_lanes_in_float32_measure_what_is_there():
    draw = np.random.default_rng(0)
    items = {"inputs": draw.standard_normal((1000, 4)), "classes": draw.integers(0, 10, 1000).astype(np.int32)}
    half = {name: column[:500] for name, column in items.items()}
    landscape = mnemo.Landscape(
        loss=cross_entropy, dim=50, lower=-1.0, upper=1.0, args=items, data=tuple(items), held_out={"test": half}
    )
    record = surveyed(
        landscape,
        starts=64,
        learning_rate=0.1,
        precision="float32",
        stop=Stop(grad_tol=0.0, max_steps=4, check_every=2),
        tile=Tile(lanes=64, steps=1, layout="lanes_first"),
        recording=mnemo.Recording(endpoints=True, catalogue=0),
    )
    rows = record.starts("train_loss", "loss").to_pandas()
    np.testing.assert_allclose(rows["train_loss"], rows["loss"], rtol=1e-5)  # the latter is computed in float64


@pytest.mark.parametrize(("items", "size"), [(1000, 32), (7, 3), (1, 1), (2, 5), (1797, 64)])
def test_an_epoch_has_every_item_once(items, size):
    batches = 3 * items // size + 2
    rows = jax.vmap(lambda batch: shuffle.rows(jax.random.key(3), batch, size, items))(jnp.arange(batches))
    epochs = np.asarray(rows).ravel()[: 3 * items].reshape(-1, items)
    assert (np.sort(epochs, axis=1) == np.arange(items)).all()
    if items > 10:
        assert len({tuple(epoch) for epoch in epochs}) == len(epochs)


def test_all_orders_are_equally_frequent():
    keys = jax.random.split(jax.random.key(0), 24_000)
    orders = np.asarray(jax.vmap(lambda k: shuffle.rows(k, jnp.int32(0), 5, 5))(keys))
    _, counts = np.unique(orders @ 5 ** np.arange(5), return_counts=True)
    assert len(counts) == 120
    assert chisquare(counts).pvalue > 1e-3


def test_moved_images_are_those_of_another_library():
    image = np.random.default_rng(0).random((8, 8))
    with jax.enable_x64(True):
        augment = Augment(shift=1.0, rotation=1.0, image=(8, 8))
        zero = jnp.float64(0)
        moved = augment._moved(jnp.asarray(image.ravel()), jnp.array([1.0, -2.0]), zero)
        turned = augment._moved(jnp.asarray(image.ravel()), jnp.zeros(2), jnp.float64(np.deg2rad(20)))
        quarter = augment._moved(jnp.asarray(image.ravel()), jnp.zeros(2), jnp.float64(np.pi / 2))
    np.testing.assert_allclose(np.reshape(moved, (8, 8)), ndimage.shift(image, (1, -2), order=1), atol=1e-12)
    inside = np.s_[2:6, 2:6]  # scipy takes pixels beyond the edge for nothing, jax fades into them
    other = ndimage.rotate(image, 20, order=1, reshape=False)
    np.testing.assert_allclose(np.reshape(turned, (8, 8))[inside], other[inside], atol=1e-12)
    np.testing.assert_allclose(np.reshape(quarter, (8, 8)), np.rot90(image), atol=1e-12)


def test_every_item_is_changed_by_itself_within_what_was_asked():
    inputs = jnp.zeros((400, 25)).at[:, 12].set(1.0)
    whole = Augment(shift=1.0, whole=True, image=(5, 5))
    moved = np.asarray(whole(jax.random.key(1), {"inputs": inputs, "other": 3})["inputs"]).reshape(-1, 5, 5)
    assert np.array_equal(np.unique(moved), [0.0, 1.0])
    where = np.argmax(moved.reshape(400, 25), axis=1)
    cells, counts = np.unique(where, return_counts=True)
    assert cells.tolist() == [6, 7, 8, 11, 12, 13, 16, 17, 18]
    assert chisquare(counts).pvalue > 1e-3
    noisy = Augment(noise=0.5)(jax.random.key(1), {"inputs": inputs})["inputs"] - inputs
    assert abs(float(jnp.std(noisy)) - 0.5) < 4 * 0.5 / np.sqrt(2 * noisy.size)


def test_augmentation_changes_the_batches_of_a_run_and_not_what_is_measured(network, trained):
    _, plain, _ = trained
    changed = dataclasses.replace(network, augment=Augment(noise=0.3))
    record = surveyed(changed, starts=STARTS, optimizer=BATCHES, stop=RULES, recording=mnemo.Recording(catalogue=0))
    rows = record.starts().to_pandas()
    assert rows["start_train_loss"].equals(plain["start_train_loss"])
    assert not rows["train_loss"].equals(plain["train_loss"])


LAYERS = losses.BUILTINS["mlp"](DataSet(name="blobs", args={"items": 20, "dim": 16}), hidden=(8, 8))


def starts_of(**asked):
    with jax.enable_x64(True):
        draw = drawer(mnemo.Layered(**asked), LAYERS, 5)
        x = draw(0, asked["count"])
        return [jax.tree.map(np.asarray, layer) for layer in jax.vmap(LAYERS.layers)(x)]


def test_starts_of_layers_have_the_laws_of_their_initializers():
    layers = starts_of(
        count=2000, weights=("he_normal", "orthogonal", {"name": "normal", "stddev": 0.5}), scale=(1, 2, 1)
    )
    for layer, variance in zip(layers, (2 / 16, None, 0.25), strict=True):
        assert not layer.bias.any()
        if variance:
            per_start = (layer.weight**2).mean(axis=(1, 2))
            assert abs(per_start.mean() - variance) < 5 * per_start.std() / np.sqrt(2000)
    turn = layers[1].weight / 2
    np.testing.assert_allclose(
        np.einsum("nij,nik->njk", turn, turn), np.broadcast_to(np.eye(8), (2000, 8, 8)), atol=1e-12
    )
    flat = np.concatenate([layer.weight.reshape(2000, -1) for layer in layers], axis=1)
    assert np.max(np.abs(np.corrcoef(flat[:, ::17].T) - np.eye(len(flat[0, ::17])))) < 0.12


def test_hadamard_is_the_same_for_all_and_alike_for_no_two_units():
    layers = starts_of(count=3, weights="hadamard", biases={"name": "constant", "value": 0.1})
    for layer in layers:
        inputs, units = layer.weight.shape[1:]
        assert (layer.weight == layer.weight[0]).all()
        np.testing.assert_allclose(np.abs(layer.weight), np.sqrt(2 / inputs))
        assert np.linalg.matrix_rank(layer.weight[0]) == min(inputs, units)
        assert (layer.bias == 0.1).all()


@pytest.mark.parametrize("name", sorted(known().keys() - {"delta_orthogonal"}))
def test_every_initializer_of_jax_can_be_named(name):
    args = {"constant": {"value": 1.0}, "variance_scaling": {"scale": 1.0, "mode": "fan_in", "distribution": "normal"}}
    layers = starts_of(count=1, weights={"name": name, **args.get(name, {})})
    assert all(np.isfinite(layer.weight).all() for layer in layers)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"weights": "he_norml"}, "starts.weights: no initializer is called 'he_norml'; did you mean 'he_normal'?"),
        ({"weights": {"name": "normal", "std": 1.0}}, "starts.weights.std: normal has no such argument"),
        ({"weights": ("zeros", "zeros")}, "starts.weights: 2 values for 3 layers"),
        ({"biases": "he_normal"}, "starts.biases: he_normal does not make an array of shape"),
        ({"scale": (1.0,)}, "starts.scale: 1 values for 3 layers"),
    ],
)
def test_mistakes_in_initializers_are_told(asked, words):
    with pytest.raises(UserError) as caught:
        starts_of(count=1, **asked)
    assert str(caught.value).startswith(words)


def test_ends_of_a_run_are_starts_of_another(network, trained, tmp_path):
    record, rows, _ = trained
    asked = mnemo.Points(path=str(record.path))
    with jax.enable_x64(True):
        drawn = drawer(asked, network, 0)(0, 24)
    assert np.array_equal(drawn, np.stack(rows["x"]))
    bare = surveyed("parabola", starts=4, out=tmp_path)
    with pytest.raises(UserError, match=r"kept no end points; run it with record.endpoints = true"):
        surveyed(network, starts=mnemo.Points(path=str(bare.path)), learning_rate=0.1)


FILE = {
    "name": "moons",
    "loss": {"name": "mlp", "args": {"hidden": [3]}},
    "data": {"name": "moons", "args": {"items": 60}, "test": 20},
    "starts": {"kind": "layers", "count": 4},
    "optimizer": BATCHES,
    "stop": {"epochs": 3},
}


def planned(changes):
    return config.plan(config.parse({**json.loads(json.dumps(FILE)), **changes}, "f.toml"), "f.toml", "cpu")


def test_epochs_are_batches_and_looks_are_epochs():
    made = planned({})
    assert (made.stop.max_steps, made.stop.check_every, made.stop.epochs) == (15, 5, None)
    assert made.landscape.dim == 3 * 3 + 4 * 2
    assert list(made.landscape.held_out) == ["test"]
    replaced = {"stop": {"epochs": 3}, "optimizer": {**BATCHES, "noise": {"kind": "minibatch", "size": 8}}}
    assert planned(replaced).stop == dataclasses.replace(made.stop, check_every=1)
    table = planned({"augment": {"noise": 0.1}})
    assert table.landscape.augment == Augment(noise=0.1)
    assert planned(table.table).digest() == table.digest()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stop": {"epochs": 3, "max_steps": 4}}, "f.toml: stop.epochs: is given beside stop.max_steps"),
        ({"optimizer": {"learning_rate": 0.1}}, "f.toml: stop.epochs: steps without batches pass over all the data"),
        (
            {"stop": {"max_steps": 7, "check_every": 5}},
            "f.toml: stop.max_steps: 7 is not a multiple of stop.check_every, 5",
        ),
        (
            {"stop": {"epochs": 3, "patience": 2}},
            "f.toml: stop.watch: 'validation_loss' is not measured; known are train_loss",
        ),
        (
            {"stop": {"max_steps": 5, "check_every": 1, "patience": 2, "watch": "test_loss"}},
            "f.toml: stop.patience: counts looks",
        ),
        ({"data": {"name": "mons"}}, "f.toml: data.name: no data set is called 'mons'; did you mean 'moons'?"),
        ({"data": {"name": "moons", "tset": 3}}, "f.toml: data.tset: unknown key; did you mean 'test'?"),
        ({"loss": {"name": "rastrigin"}}, "f.toml: data: the loss rastrigin takes none"),
        (
            {"loss": {"expression": "x0^2", "lower": -1.0, "upper": 1.0}},
            "f.toml: data: an expression takes none; give a loss by name or function",
        ),
        (
            {"augment": {"shift": 1.0}},
            "f.toml: augment.image: the loss has 2 inputs, and they are not said to be images",
        ),
        (
            {"augment": {"noise": 1.0}, "optimizer": {"learning_rate": 0.1}, "stop": {}},
            "f.toml: augment: changes batches",
        ),
        (
            {"optimizer": {**BATCHES, "noise": {"kind": "minibatch", "size": 0}}},
            "f.toml: optimizer.noise.size: 0 is less",
        ),
        (
            {"optimizer": {**BATCHES, "noise": {"kind": "minibatch", "size": 8, "replace": 1}}},
            "f.toml: optimizer.noise.repl",
        ),
        (
            {"loss": {"name": "mlp", "args": {"measure": "cross"}}},
            "f.toml: loss.args.measure: 'cross' does not suit mlp",
        ),
        (
            {"record": {"catalogue": 5}, "loss": {"name": "mlp", "args": {"hidden": [300]}}},
            "f.toml: loss.dim: 1502 is above",
        ),
    ],
)
def test_mistakes_are_told_with_file_and_key(changes, words):
    with pytest.raises(UserError) as caught:
        planned(changes)
    assert str(caught.value).startswith(words)


def test_lanes_are_planned_from_what_a_gradient_holds(monkeypatch):
    """On a CPU by its caches, elsewhere by the device's memory: a network with more items gets fewer lanes."""
    tiles = {}
    for items in (100, 10_000, 200_000):
        data = Data(name="none", train=Items(np.zeros((items, 5)), np.zeros((items, 1))))
        landscape = losses.BUILTINS["mlp"](data, hidden=(200,))
        tiles[items] = [tile_for(landscape, Stop(), "float32", "cpu").lanes]
        for memory in (1 << 33, 1 << 36):
            device = types.SimpleNamespace(memory_stats=lambda memory=memory: {"bytes_limit": memory})
            monkeypatch.setattr(jax, "local_devices", lambda device=device: [device])
            tiles[items].append(tile_for(landscape, Stop(), "float32", "gpu").lanes)
    assert tiles[100][0] > tiles[10_000][0] == 16 > tiles[200_000][0] >= 1
    assert tiles[100][2] == 4096
    assert tiles[10_000][2] == 8 * tiles[10_000][1]
    assert tiles[200_000][2] > tiles[200_000][1] >= 1


FULL = "RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes."


def test_lanes_halve_until_they_fit(network, tmp_path, monkeypatch):
    """A device without the memory says so when a block is sent to it; the record has the lanes that fit."""
    begin, tried = pipeline.send, []

    def tight(prepared, number):
        tried.append(prepared.plan.tile.lanes)
        if tried[-1] > 4:
            raise jax.errors.JaxRuntimeError(FULL)
        return begin(prepared, number)

    monkeypatch.setattr(pipeline, "send", tight)
    asked = {"starts": STARTS, "optimizer": BATCHES, "stop": RULES, "recording": mnemo.Recording(catalogue=0)}
    with pytest.warns(UserWarning, match="do not fit into") as told:
        record = surveyed(network, tile=Tile(lanes=16, steps=1, layout="lanes_first"), out=tmp_path, **asked)
    assert tried == [16, 8, 4]
    assert str(told[1].message) == "tile.lanes: 8 lanes do not fit into the device's memory; going on with 4"
    assert record.config["tile"]["lanes"] == 4
    assert [path.name for path in tmp_path.iterdir()] == [record.path.name]
    monkeypatch.setattr(pipeline, "send", lambda *_: (_ for _ in ()).throw(jax.errors.JaxRuntimeError("INTERNAL: x")))
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        surveyed(network, tile=Tile(lanes=2, steps=1), out=tmp_path, **asked)
    monkeypatch.setattr(pipeline, "send", lambda *_: (_ for _ in ()).throw(jax.errors.JaxRuntimeError(FULL)))
    with pytest.raises(MnemoError, match="not even one lane fits"), pytest.warns(UserWarning, match="do not fit"):
        surveyed(network, tile=Tile(lanes=2, steps=1), out=tmp_path, **asked)


def example(name, monkeypatch):
    """Return the plan of the example config of another library, made smaller."""
    pytest.importorskip(name)
    root = Path(__file__).parent.parent
    monkeypatch.chdir(root)
    path = root / "configs" / "networks" / f"{name}.toml"
    changes = ["starts.count=8", "stop.epochs=10", "data.train=200", "data.test=100"]
    return config.plan(config.read(path, changes), str(path), "cpu", changes)


def test_networks_of_flax_are_losses(tmp_path, monkeypatch):
    made = example("flax", monkeypatch)
    assert made.landscape.dim == 64 * 32 + 32 + 32 * 10 + 10
    record = pipeline.run(made, tmp_path, devices=1)
    assert record.config["record"]["catalogue"] == 0  # beyond 512 coordinates no Hessian is written out
    assert record.summary["catalogue_size"] == 0
    assert record.summary["scales"]["hessian"] > 0
    accuracy = record.starts("start_test_accuracy", "test_accuracy").to_pandas()
    assert accuracy["start_test_accuracy"].mean() < 0.3
    assert accuracy["test_accuracy"].mean() > 0.5


def test_networks_of_equinox_are_losses(monkeypatch):
    landscape = example("equinox", monkeypatch).landscape
    with jax.enable_x64(True):
        x = drawer(mnemo.Layered(count=1), landscape, 0)(0, 1)[0]
        model = landscape.unravel(x)
        inputs, targets = landscape.args["inputs"], landscape.args["targets"]
        hidden = np.maximum(inputs @ model.layers[0].weight.T + model.layers[0].bias, 0)
        logits = hidden @ model.layers[1].weight.T + model.layers[1].bias
        told = -np.mean(jax.nn.log_softmax(logits)[np.arange(200), targets])
        np.testing.assert_allclose(landscape.loss(model, **landscape.args), told, rtol=1e-12)
        right = np.mean(np.argmax(logits, axis=1) == targets)
        assert landscape.measures["accuracy"](model, **landscape.args) == right
