"""Symmetries of hidden units: copies have one representative, matching undoes them, distinct ones are counted."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mnemo_jax.errors import UserError
from mnemo_jax.losses.layers import ACTIVATIONS, Layer, Layers, outputs
from mnemo_jax.networks import distinct as distinct_module
from mnemo_jax.networks.arrays import joined, split, units, with_units
from mnemo_jax.networks.distinct import distinct
from mnemo_jax.networks.matching import match
from mnemo_jax.networks.symmetry import canonical, canonical_form, copies, group, normal, plain, scales
from mnemo_jax.networks.units import dead_units, distinct_units, effective_ranks

KINDS = [(activation, bias) for activation in ACTIVATIONS for bias in (True, False)]


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def networks(layers, n=20, seed=0):
    return np.random.default_rng(seed).standard_normal((n, layers.dim))


def copied(x, layers, activation, seed=1):
    """Return each network with its units permuted, turned and scaled at random, written down unit by unit."""
    rng = np.random.default_rng(seed)
    turns = activation in ("tanh", "linear") or (activation == "sigmoid" and layers.bias)
    made = []
    for point in x:
        arrays = [[np.array(a) for a in layer if a is not None] for layer in split(point[None], layers)]
        for here, after in itertools.pairwise(arrays):
            width = here[0].shape[2]
            sign = rng.choice([-1.0, 1.0], width) if turns else np.ones(width)
            scale = np.exp(rng.normal(size=width)) if activation in ("relu", "maximum", "linear") else np.ones(width)
            order = rng.permutation(width)
            if activation == "sigmoid" and layers.bias:
                after[1] += np.sum(after[0] * (sign < 0)[:, None], axis=1)
            here[:] = [(array * sign * scale)[..., order] for array in here]
            after[0] = (after[0] * (sign / scale)[:, None])[:, order]
        made.append(np.concatenate([array.ravel() for layer in arrays for array in layer]))
    return np.array(made)


def answers(x, layers, activation):
    inputs = np.random.default_rng(5).standard_normal((7, layers.widths[0]))
    return np.array([outputs(layers(jnp.asarray(point)), inputs, activation) for point in x])


def test_arrays_are_those_of_layers():
    for layers in (Layers(widths=(3, 4, 2)), Layers(widths=(3, 4, 5, 2), bias=False)):
        x = networks(layers, 3)
        for mine, theirs in zip(split(x, layers), layers(x[1]), strict=True):
            np.testing.assert_array_equal(mine.weight[1], theirs.weight)
            assert mine.bias is None or np.array_equal(mine.bias[1], theirs.bias)
        np.testing.assert_array_equal(joined(split(x, layers)), x)
        arrays = split(x, layers)
        np.testing.assert_array_equal(joined(with_units(arrays, 0, units(arrays, 0))), x)


@pytest.mark.parametrize(("activation", "bias"), KINDS)
@pytest.mark.parametrize("hidden", [(5,), (4, 3), (3, 4, 2)])
def test_copies_have_one_representative_that_computes_the_same(activation, bias, hidden):
    layers = Layers(widths=(2, *hidden, 2), bias=bias)
    x = networks(layers)
    other, made = copied(x, layers, activation), canonical(x, layers, activation)
    np.testing.assert_allclose(answers(other, layers, activation), answers(x, layers, activation), atol=1e-9)
    np.testing.assert_allclose(answers(made, layers, activation), answers(x, layers, activation), atol=1e-9)
    np.testing.assert_allclose(canonical(other, layers, activation), made, atol=1e-8)
    np.testing.assert_allclose(canonical(made, layers, activation), made, atol=1e-12)
    assert len(np.unique(made.round(6), axis=0)) == len(x)
    arrays, scale = normal(x, layers, activation)
    np.testing.assert_allclose(plain(arrays, layers, activation, scale), x, atol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "gelu"])
def test_units_alike_or_zero_have_one_representative_too(activation):
    layers = Layers(widths=(2, 4, 1))
    x = networks(layers)
    rows = units(split(x, layers), 0)
    rows[:, 1, :3] = rows[:, 0, :3]  # two units that differ only in what leaves them
    rows[:, 2, :3] = 0.0  # one that nothing enters
    x = joined(with_units(split(x, layers), 0, rows))
    made = canonical(x, layers, activation)
    np.testing.assert_allclose(canonical(copied(x, layers, activation), layers, activation), made, atol=1e-9)


def test_wide_units_are_ordered_by_every_entry():
    # Three units of 40 weights that differ in the first alone: places of many entries must not overflow.
    layers = Layers(widths=(40, 3, 1), bias=False)
    rows = np.ones((1, 3, 41))
    rows[0, :, 0] = 3.0, 1.0, 2.0
    x = joined(with_units(split(np.zeros((1, layers.dim)), layers), 0, rows))
    made = units(split(canonical(x, layers, "gelu"), layers), 0)
    np.testing.assert_array_equal(made[0, :, 0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu"])
def test_the_number_of_copies_is_that_of_all_different_ones(activation):
    layers = Layers(widths=(2, 3, 1))
    x = networks(layers, 1)
    many = np.concatenate([copied(x, layers, activation, seed) for seed in range(600)])
    assert len(np.unique(many.round(9), axis=0)) == copies(layers, activation) == (6 if activation == "gelu" else 48)


def test_copies_multiply_over_layers_and_scales_make_families():
    layers = Layers(widths=(2, 3, 4, 1))
    assert copies(layers, "tanh") == 6 * 8 * 24 * 16
    assert copies(layers, "relu") == 6 * 24
    assert copies(Layers(widths=(2, 3, 1), bias=False), "sigmoid") == 6
    assert (scales(layers, "relu"), scales(layers, "tanh"), scales(layers, "linear")) == (7, 0, 7)
    assert copies(Layers(widths=(2, 1)), "tanh") == 1


@pytest.mark.parametrize(("activation", "bias"), KINDS)
@pytest.mark.parametrize("hidden", [(6,), (5, 4)])
def test_matching_undoes_a_random_symmetry(activation, bias, hidden):
    layers = Layers(widths=(3, *hidden, 2), bias=bias)
    x = networks(layers, 10)
    found = match(x, copied(x, layers, activation), layers, activation, attempts=30)
    np.testing.assert_allclose(found.x, x, atol=1e-8)
    np.testing.assert_allclose(found.after, 0, atol=1e-8)
    assert (found.before > 0.1).all()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "gelu"])
def test_matching_one_hidden_layer_is_exact(activation):
    layers = Layers(widths=(2, 4, 1))
    a, b = networks(layers, 6), networks(layers, 6, seed=9)
    found = match(a, b, layers, activation)
    np.testing.assert_allclose(answers(found.x, layers, activation), answers(b, layers, activation), atol=1e-9)
    one, other = (units(normal(x, layers, activation)[0], 0) for x in (a, b))
    last = [normal(x, layers, activation)[0][1].bias for x in (a, b)]
    signs = [np.ones(4)] if not group(layers, activation).signs else itertools.product([-1.0, 1.0], repeat=4)
    every = [
        other[:, list(order)] * np.array(sign)[:, None] for sign in signs for order in itertools.permutations(range(4))
    ]
    least = np.sum((np.array(every) - one) ** 2, axis=(2, 3)).min(axis=0)
    np.testing.assert_allclose(found.after**2, least + np.sum((last[0] - last[1]) ** 2, axis=1), rtol=1e-9)
    assert (found.after <= found.before).all()


def test_matching_six_units_is_exact():
    layers = Layers(widths=(2, 6, 2), bias=False)
    a, b = networks(layers, 4), networks(layers, 4, seed=3)
    (one, _), (other, _) = normal(a, layers, "gelu"), normal(b, layers, "gelu")
    orders = np.array(list(itertools.permutations(range(6))))
    least = np.sum((units(other, 0)[:, orders] - units(one, 0)[:, None]) ** 2, axis=(2, 3)).min(axis=1)
    np.testing.assert_allclose(match(a, b, layers, "gelu").after ** 2, least, rtol=1e-9)


def test_matching_depends_on_nothing_but_its_arguments_and_more_attempts_are_no_worse():
    layers = Layers(widths=(3, 6, 6, 6, 2))
    a, b = networks(layers, 8), networks(layers, 8, seed=4)
    once, again = (match(a, b, layers, "tanh", attempts=2, seed=7) for _ in range(2))
    assert all(np.array_equal(*both) for both in zip(once, again, strict=True))
    assert (match(a, b, layers, "tanh", attempts=12, seed=7).after <= once.after + 1e-9).all()
    assert (once.after < once.before).all()


def test_distinct_networks_are_counted_up_to_symmetry_in_any_order_of_rows():
    layers = Layers(widths=(2, 3, 1))
    some = networks(layers, 4)
    for activation in ("tanh", "sigmoid", "relu", "gelu"):
        x = np.concatenate([copied(some, layers, activation, seed) for seed in range(5)])
        x += 1e-6 * np.random.default_rng(0).standard_normal(x.shape)
        loss = np.tile([0.3, 0.1, 0.4, 0.2], 5)
        found = distinct(x, loss, layers, activation, 1e-3)
        np.testing.assert_array_equal(found.label, np.tile([2, 0, 3, 1], 5))
        np.testing.assert_array_equal(found.count, 5)
        np.testing.assert_allclose(found.loss, [0.1, 0.2, 0.3, 0.4])
        order = np.random.default_rng(3).permutation(len(x))
        again = distinct(x[order], loss[order], layers, activation, 1e-3)
        np.testing.assert_array_equal(again.label, found.label[order])
        # Equal places of unequal loss are not the same.
        assert len(distinct(x, loss + np.repeat(np.arange(5), 4), layers, activation, 1e-3).row) == 20


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "gelu"])
def test_what_pairs_are_looked_up_by_is_no_further_apart_than_their_nearest_copies(activation):
    for hidden in ((3,), (3, 4), (2, 3, 2)):
        layers = Layers(widths=(2, *hidden, 2))
        a = networks(layers, 30)
        b = copied(a + 0.1 * networks(layers, 30, seed=6), layers, activation)
        one, other = (
            distinct_module._invariants(canonical_form(x, layers, activation), group(layers, activation).signs)
            for x in (a, b)
        )
        away = np.linalg.norm(one - other, axis=1)
        nearest = match(a, b, layers, activation, attempts=10).after
        assert (away <= nearest + 1e-12).all()
        assert np.median(away / nearest) > 0.5  # and tell pairs apart


def test_deep_networks_are_counted_too():
    layers = Layers(widths=(2, 3, 3, 1))
    x = np.concatenate([copied(networks(layers, 3), layers, "tanh", seed) for seed in range(6)])
    assert distinct(x, np.tile([0.0, 1.0, 2.0], 6), layers, "tanh", 1e-6).count.tolist() == [6, 6, 6]


def test_noise_on_the_order_of_units_does_not_part_what_is_the_same():
    # The two units' first entries are equal but for noise of the size of the tie, the next ones are not.
    layers = Layers(widths=(2, 2, 1), bias=False)
    rng = np.random.default_rng(0)
    rows = np.tile([[1.0, 2.0, 1.0], [1.0, 0.5, 2.0]], (40, 1, 1))
    rows[:, :, 0] += rng.uniform(-1.2e-3, 1.2e-3, (40, 2))
    x = joined(with_units(split(np.zeros((40, layers.dim)), layers), 0, rows))
    assert len(distinct(x, np.zeros(40), layers, "gelu", 1e-3).row) == 1


def test_distinct_refuses_what_has_no_answer():
    layers = Layers(widths=(2, 2, 1))
    x = networks(layers, 3)
    with pytest.raises(UserError, match="finite"):
        distinct(x, np.array([0.0, np.nan, 1.0]), layers, "tanh", 1e-3)
    with pytest.raises(UserError, match="positive"):
        distinct(x, np.zeros(3), layers, "tanh", 0.0)
    with pytest.raises(UserError, match="must be"):
        canonical(x[:, :-1], layers, "tanh")
    with pytest.raises(UserError, match="must have that of a"):
        match(x, x[:2], layers, "tanh")
    assert len(distinct(x[:0], np.zeros(0), layers, "tanh", 1e-3).row) == 0


def test_units_alike_are_counted_once():
    layers = Layers(widths=(2, 4, 1))
    rows = np.zeros((1, 4, 4))
    rows[0, :, :3] = [[1, 2, 3], [-1, -2, -3], [1, 2, 3.5], [2, 4, 6]]
    x = joined(with_units(split(np.zeros((1, layers.dim)), layers), 0, rows))
    x = jnp.asarray(np.concatenate([x, np.zeros_like(x)]))
    counts = {name: distinct_units(x, layers, name).ravel().tolist() for name in ("tanh", "sigmoid", "relu", "gelu")}
    assert counts == {"tanh": [3, 1], "sigmoid": [3, 1], "relu": [3, 1], "gelu": [4, 1]}
    assert distinct_units(x, layers, "linear")[0, 0] == 2
    assert distinct_units(x, layers, "tanh", 1.0)[0, 0] == 1  # a chain: neighbours are alike, the ends are not


def test_dead_units_are_those_no_item_activates():
    layers = Layers(widths=(1, 3, 2, 1))
    arrays = (
        (np.array([[1.0, -1.0, 1.0]]), np.array([0.0, -2.0, -3.0])),  # of inputs in [-1, 1] the first alone is active
        (np.array([[1.0, -1.0], [9.0, 9.0], [9.0, 9.0]]), np.array([0.0, 0.0])),
        (np.ones((2, 1)), np.zeros(1)),
    )
    x = jnp.asarray(np.concatenate([array.ravel() for layer in arrays for array in layer]))[None]
    inputs = jnp.linspace(-1, 1, 9)[:, None]
    np.testing.assert_array_equal(dead_units(x, layers, "relu", inputs), [[2, 1]])
    with pytest.raises(UserError, match="no dead units"):
        dead_units(x, layers, "tanh", inputs)


def test_effective_ranks_of_known_matrices():
    layers = Layers(widths=(3, 3, 3))
    arrays = (np.eye(3), np.ones(3), np.diag([3.0, 1.0, 0.0]), np.ones(3))
    x = jnp.asarray(np.stack([np.concatenate([array.ravel() for array in arrays]), np.zeros(layers.dim)]))
    found = effective_ranks(x, layers)
    entropy = np.exp(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))
    np.testing.assert_allclose(found.entropy, [[3, entropy], [0, 0]], rtol=1e-12)
    np.testing.assert_allclose(found.stable, [[3, 10 / 9], [0, 0]], rtol=1e-12)


def polished_xor(x, activation, layers):
    """Return networks that a ridge penalty keeps from valleys, after descent and Newton steps, and what tells them."""
    inputs = jnp.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    targets = -jnp.prod(inputs, axis=1, keepdims=True)
    adam = optax.adam(0.05)

    def loss(x):
        squares = sum(jnp.sum(layer.weight**2) for layer in layers(x))
        return jnp.mean((outputs(layers(x), inputs, activation) - targets) ** 2) / 2 + 0.005 * squares

    def descend(state, _):
        x, memory = state
        update, memory = adam.update(jax.grad(loss)(x), memory)
        return (x + update, memory), None

    def newton(x, _):
        values, vectors = jnp.linalg.eigh(jax.hessian(loss)(x))
        step = vectors @ ((vectors.T @ jax.grad(loss)(x)) / jnp.maximum(jnp.abs(values), 1e-4))
        return x - step * jnp.minimum(1.0, 0.1 / jnp.linalg.norm(step)), None

    @jax.jit
    @jax.vmap
    def train(x):
        x = jax.lax.scan(descend, (x, adam.init(x)), length=1000)[0][0]
        x = jax.lax.scan(newton, x, length=40)[0]
        return x, loss(x), jnp.linalg.norm(jax.grad(loss)(x)), jnp.linalg.eigvalsh(jax.hessian(loss)(x))[0]

    return map(np.asarray, train(x))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_xor_with_two_units_has_six_isolated_minima_that_the_data_s_symmetries_explain(activation):
    layers = Layers(widths=(2, 2, 1))
    x, loss, gradient, lowest = polished_xor(2 * networks(layers, 300), activation, layers)
    isolated = (gradient < 1e-9) & (lowest > 1e-4)
    assert isolated.sum() > 200
    found = distinct(x[isolated], loss[isolated], layers, activation, 1e-5)
    assert len(np.unique(found.loss.round(8))) == 2
    assert np.bincount(np.unique(found.loss.round(8), return_inverse=True)[1]).tolist() == [2, 4]
    # Swapping the inputs, and turning the sign of one input and of the output, change neither data nor loss.
    for row, number in ((0, 2), (2, 4)):
        images = []
        for swap, one, other in itertools.product((False, True), (-1, 1), (-1, 1)):
            (enters, bias), (leaves, last) = (tuple(layer) for layer in split(found.x[[row]], layers))
            enters = (enters[:, ::-1] if swap else enters) * np.array([one, other])[:, None]
            images.append(joined((Layer(enters, bias), Layer(leaves * one * other, last * one * other))))
        level = np.isclose(found.loss, found.loss[row])
        for some in (np.concatenate(images), np.concatenate([*images, found.x[level]])):
            assert len(distinct(some, np.zeros(len(some)), layers, activation, 1e-5).row) == number == level.sum()
