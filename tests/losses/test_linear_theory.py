"""Critical points of linear networks by closed form, against Hessians written out, for every subset of modes."""

import itertools
from functools import partial

import jax
import numpy as np
import pytest
from scipy.linalg import null_space
from sklearn.decomposition import PCA

from mnemo_jax import losses
from mnemo_jax.data import Data, DataSet, Items, make
from mnemo_jax.data.draws import rotation
from mnemo_jax.losses.linear_theory import balanced, index_at, linear_points, regression

NETWORKS = [(3, 2, 3), (4, 3, 2), (2, 4, 3), (3, 1, 3), (5, 4, 3), (3, 3, 3, 3), (4, 2, 3, 3), (3, 2, 2, 2, 3)]


def items(inputs, outputs, seed=0, level=()):
    """Return correlated inputs, of which those in ``level`` are constant, and noisy targets that are linear in them."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(40, inputs)) @ draw.normal(size=(inputs, inputs))
    x[:, list(level)] = 3.0
    return Data(name="items", train=Items(x, x @ draw.normal(size=(inputs, outputs)) + draw.normal(size=(40, outputs))))


@partial(jax.jit, static_argnums=0)
def compiled(loss, x, args):
    own = lambda y: loss(y, **args)  # noqa: E731
    return own(x), jax.grad(own)(x), jax.hessian(own)(x)


def judged(landscape, x):
    """Return loss, largest gradient entry relative to the curvature, index and nullity."""
    value, slope, bend = map(np.asarray, compiled(landscape.loss, x, landscape.args))
    eigenvalues = np.linalg.eigvalsh(bend)
    size = max(np.abs(eigenvalues).max(), 1.0)
    low, level = (eigenvalues < -1e-8 * size).sum(), (np.abs(eigenvalues) <= 1e-8 * size).sum()
    return float(value), np.abs(slope).max() / size, int(low), int(level)


def flat(layers):
    return np.concatenate([layer.ravel() for layer in layers])


@pytest.mark.parametrize("widths", NETWORKS, ids=str)
def test_every_subset_has_the_loss_index_and_nullity_of_theory(widths):
    landscape = losses.deep_linear(widths=widths, data=items(widths[0], widths[-1]))
    learnt = regression(**landscape.args)
    points = linear_points(widths, learnt.powers, floor=learnt.floor)
    narrow = min(widths)
    assert len({point.modes for point in points}) == len(points)
    modes = min(widths[0], widths[-1])
    assert len(points) == sum(len(list(itertools.combinations(range(modes), k))) for k in range(narrow + 1))
    for point in points:
        x = flat(balanced(widths, learnt.maps[list(point.modes)].sum(axis=0)))
        value, slope, index, nullity = judged(landscape, x)
        np.testing.assert_allclose(value, point.loss, rtol=1e-10)
        assert slope < 1e-12
        assert (index, nullity) == (point.index, point.nullity), point
        assert point.best == (point.loss == points[0].loss)
        if len(widths) == 3 and not point.best:
            assert point.index > 0


@pytest.mark.parametrize("widths", [widths for widths in NETWORKS if len(widths) == 3], ids=str)
def test_index_is_that_of_every_point_of_the_family(widths):
    landscape, draw = losses.deep_linear(widths=widths, data=items(widths[0], widths[-1])), np.random.default_rng(3)
    xx, xy = landscape.args["xx"], landscape.args["xy"]
    learnt, hidden = regression(**landscape.args), widths[1]
    for point in linear_points(widths, learnt.powers, floor=learnt.floor):
        product = learnt.maps[list(point.modes)].sum(axis=0)
        first, last = balanced(widths, product)
        # Weights without effect into some of the spare units and out of the others, then another basis of all units.
        error, rank = xx @ product - xy, len(point.modes)
        for unit in range(rank, hidden):
            for weights, space in (
                [(first[:, unit], null_space(error.T))] if (unit - rank) % 2 == 0 else [(last[unit], null_space(error))]
            ):
                weights += space @ draw.normal(size=space.shape[1])
        basis = draw.normal(size=(hidden, hidden))
        value, slope, index, _ = judged(landscape, flat([first @ basis, np.linalg.solve(basis, last)]))
        np.testing.assert_allclose(value, point.loss, rtol=1e-9)
        assert slope < 1e-10
        assert index == point.index == index_at([first @ basis, np.linalg.solve(basis, last)], xx, xy), point


@pytest.mark.parametrize("widths", [(3, 3, 3, 3), (4, 3, 4, 3), (2, 4, 3, 3)], ids=str)
def test_index_is_that_of_points_of_three_layers_that_are_not_balanced(widths):
    landscape, draw = losses.deep_linear(widths=widths, data=items(widths[0], widths[-1])), np.random.default_rng(5)
    xx, xy = landscape.args["xx"], landscape.args["xy"]
    learnt, cases = regression(**landscape.args), 0
    for point in linear_points(widths, learnt.powers, floor=learnt.floor):
        rank, others = len(point.modes), [k for k in range(len(learnt.powers)) if k not in point.modes]
        for one, two, three in itertools.product(range(4), repeat=3):
            if one + two > widths[1] - rank or two + three > widths[2] - rank or one + three > len(others):
                continue
            product = learnt.maps[list(point.modes)].sum(axis=0)
            layers, idle = balanced(widths, product), null_space((xx @ product - xy).T)
            layers[0][:, rank:] = 0.5 * idle @ draw.normal(size=(idle.shape[1], widths[1] - rank))  # of no effect
            for unit, mode in enumerate(others[:one], start=rank):
                layers[0][:, unit] = learnt.maps[mode][:, np.abs(learnt.maps[mode]).max(axis=0).argmax()]
            layers[1][range(rank + one, rank + one + two), range(rank, rank + two)] = draw.uniform(0.5, 2.0, two)
            for unit, mode in enumerate(others[one : one + three], start=rank + two):
                layers[2][unit] = learnt.maps[mode][np.abs(learnt.maps[mode]).max(axis=1).argmax()]
            first, second = (np.eye(size) + 0.5 * rotation(draw, size, size) for size in widths[1:-1])
            layers = [layers[0] @ first, np.linalg.solve(first, layers[1]) @ second, np.linalg.solve(second, layers[2])]
            value, slope, index, _ = judged(landscape, flat(layers))
            np.testing.assert_allclose(value, point.loss, rtol=1e-8)
            assert slope < 1e-9
            assert index == index_at(layers, xx, xy), (point, one, two, three)
            assert index >= point.index
            cases += 1
    assert cases > 20


def test_inputs_that_are_constant_add_to_the_nullity_alone():
    widths = (4, 2, 3)
    landscape = losses.deep_linear(widths=widths, data=items(4, 3, level=[1]))
    for point in landscape.known:
        _, slope, index, nullity = judged(landscape, np.array(point.x))
        assert slope < 1e-12
        assert (index, nullity) == (point.index, point.nullity)


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_modes_of_equal_strength_add_to_the_nullity_alone(hidden):
    landscape = losses.linear_autoencoder(spectrum=(1.0, 1.0, 0.5), hidden=hidden)
    for point in landscape.known:
        value, _, index, nullity = judged(landscape, np.array(point.x))
        assert (index, nullity) == (point.index, point.nullity), point
        assert value == pytest.approx(point.loss, abs=1e-14)
    assert [p.kind for p in landscape.known].count("minimum") == {1: 2, 2: 1, 3: 1}[hidden]


def test_autoencoder_of_digits_has_the_losses_of_principal_components():
    landscape = losses.linear_autoencoder(data={"name": "digits"}, hidden=3)
    pca = PCA(svd_solver="full").fit(make(DataSet(name="digits")).train.inputs)
    variances = pca.explained_variance_ * (1797 - 1) / 1797
    (best,) = landscape.known  # there are too many subsets to list
    assert best.loss == pytest.approx(0.5 * variances[3:].sum(), rel=1e-12)
    value, slope = jax.jit(jax.value_and_grad(landscape.loss))(np.array(best.x), **landscape.args)
    assert value == pytest.approx(best.loss, rel=1e-12)
    assert np.abs(slope).max() < 1e-12


@pytest.mark.parametrize("symmetric", [False, True])
def test_best_factors_are_those_of_eckart_and_young(symmetric):
    args = {"rows": 4, "columns": 4 if symmetric else 3, "rank": 2, "symmetric": symmetric}
    landscape = losses.matrix_factorisation(**args)
    strengths = np.linalg.svd(landscape.args["target"])[1]
    best = min(point.loss for point in landscape.known)
    assert best == pytest.approx(np.sum(strengths[2:] ** 2) / (4 if symmetric else 2), rel=1e-14)


def test_the_chain_of_losses_is_published():
    # Baldi & Hornik 1989: (tr Sigma_yy - sum of the chosen eigenvalues) / 2, with y = x the variances themselves.
    variances = (4.0, 2.0, 1.0)
    found = {p.modes: p.loss for p in linear_points((3, 2, 3), variances)}
    expected = {modes: (7.0 - sum(variances[i] for i in modes)) / 2 for modes in found}
    assert found == expected
    assert len(found) == 1 + 3 + 3
