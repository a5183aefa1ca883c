"""One representative for all points that periods and symmetries call the same, and no more than those."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from mnemo_jax.landscape import Landscape, Symmetry
from mnemo_jax.symmetry import canonical, zero_modes

NOISE = 1e-12  # of polished points


def loss(x):
    return jnp.sum(x**2)


def landscape(dim, *symmetries, periodic=False, lower=-3.0, upper=3.0):
    return Landscape(loss=loss, dim=dim, lower=lower, upper=upper, periodic=periodic, symmetries=symmetries)


def points(dim, seed=0, n=100):
    return np.random.default_rng(seed).uniform(-2.5, 2.5, (n, dim))


def same(one, two, tolerance=1e-9):
    np.testing.assert_allclose(one, two, atol=tolerance, rtol=0)


def each(x, change):
    """Return the points with every one changed by its own random element."""
    rng = np.random.default_rng(99)
    return np.stack([change(row, rng) for row in x])


def shifted(block):
    return lambda x, rng: (x.reshape(-1, block) + rng.uniform(-5, 5, block)).ravel()


def turned(block):
    def change(x, rng):
        if block == 2:
            c, s = np.cos(angle := rng.uniform(0, 2 * np.pi)), np.sin(angle)
            turn = np.array([[c, -s], [s, c]])
        else:
            turn = Rotation.random(rng=rng).as_matrix()
        return (x.reshape(-1, block) @ turn.T).ravel()

    return change


def permuted(block):
    return lambda x, rng: rng.permutation(x.reshape(-1, block)).ravel()


def flipped(block, joint=False):
    def change(x, rng):
        members = x.reshape(-1, block)
        return (members * rng.choice([-1.0, 1.0], (1 if joint else len(members), 1))).ravel()

    return change


GROUPS = {
    "translation of numbers": ([Symmetry(kind="translation")], [shifted(1)]),
    "translation in the plane": ([Symmetry(kind="translation", block=2)], [shifted(2)]),
    "translation in space": ([Symmetry(kind="translation", block=3)], [shifted(3)]),
    "rotation in the plane": ([Symmetry(kind="rotation", block=2)], [turned(2)]),
    "rotation in space": ([Symmetry(kind="rotation", block=3)], [turned(3)]),
    "permutation of numbers": ([Symmetry(kind="permutation")], [permuted(1)]),
    "permutation of pairs": ([Symmetry(kind="permutation", block=2)], [permuted(2)]),
    "signs of numbers": ([Symmetry(kind="sign")], [flipped(1)]),
    "signs of triples": ([Symmetry(kind="sign", block=3)], [flipped(3)]),
    "one sign": ([Symmetry(kind="sign", joint=True)], [flipped(1, joint=True)]),
    "one sign of pairs": ([Symmetry(kind="sign", block=2, joint=True)], [flipped(2, joint=True)]),
    "rigid motions of the plane": (
        [Symmetry(kind="translation", block=2), Symmetry(kind="rotation", block=2)],
        [turned(2), shifted(2)],
    ),
    "rigid motions of space": (
        [Symmetry(kind="translation", block=3), Symmetry(kind="rotation", block=3)],
        [turned(3), shifted(3)],
    ),
    "translation and permutation": (
        [Symmetry(kind="translation", block=2), Symmetry(kind="permutation", block=2)],
        [shifted(2), permuted(2)],
    ),
    "translation and one sign": (
        [Symmetry(kind="translation", block=2), Symmetry(kind="sign", block=2, joint=True)],
        [shifted(2), flipped(2, joint=True)],
    ),
    "signs and permutation": (
        [Symmetry(kind="sign", block=2), Symmetry(kind="permutation", block=2)],
        [flipped(2), permuted(2)],
    ),
}


@pytest.mark.parametrize("name", GROUPS)
def test_an_orbit_has_one_representative(name):
    symmetries, changes = GROUPS[name]
    where = landscape(6, *symmetries)
    x = points(6)
    moved = x
    for change in changes:
        moved = each(moved, change)
    assert np.min(np.max(np.abs(moved - x), axis=1)) < np.max(np.abs(moved - x)), "the test must see points move"
    noise = NOISE * np.random.default_rng(5).standard_normal(x.shape)
    same(canonical(moved + noise, where), canonical(x, where))
    same(canonical(canonical(x, where), where), canonical(x, where))


# A representative must itself be one of the orbit, or one point could stand for all.


@pytest.mark.parametrize("block", [1, 2, 3])
def test_translation_keeps_differences(block):
    x = points(6)
    found = canonical(x, landscape(6, Symmetry(kind="translation", block=block)))
    same(np.diff(found.reshape(100, -1, block), axis=1), np.diff(x.reshape(100, -1, block), axis=1))


@pytest.mark.parametrize("block", [2, 3])
def test_rotation_keeps_distances_and_handedness(block):
    x = points(12)
    found = canonical(x, landscape(12, Symmetry(kind="rotation", block=block)))
    clouds, turned_clouds = x.reshape(100, -1, block), found.reshape(100, -1, block)
    for before, after in zip(clouds, turned_clouds, strict=True):
        same(after @ after.T, before @ before.T)
        same(pdist(after), pdist(before))
        same(np.linalg.det(after[:block]), np.linalg.det(before[:block]))
    mirrored = canonical(
        (clouds * np.eye(block)[0] * -2 + clouds).reshape(100, -1),
        landscape(12, Symmetry(kind="rotation", block=block)),
    )
    assert np.min(np.max(np.abs(mirrored - found), axis=1)) > 1e-6, "a mirror image is another point"


def test_permutation_moves_whole_members():
    x = points(6)
    found = canonical(x, landscape(6, Symmetry(kind="permutation", block=2)))
    for before, after in zip(x.reshape(100, 3, 2), found.reshape(100, 3, 2), strict=True):
        assert {tuple(member) for member in before} == {tuple(member) for member in after}


def test_signs_keep_sizes_and_those_within_a_member():
    x = points(6)
    found = canonical(x, landscape(6, Symmetry(kind="sign", block=3)))
    np.testing.assert_array_equal(np.abs(found), np.abs(x))
    ratios = found.reshape(100, 2, 3) / x.reshape(100, 2, 3)
    assert np.all(ratios == ratios[..., :1])
    joint = canonical(x, landscape(6, Symmetry(kind="sign", joint=True))) / x
    assert np.all(joint == joint[:, :1])
    assert {-1.0, 1.0} == set(joint[:, 0])


def test_only_the_axes_named_take_part():
    x = points(7)
    where = landscape(7, Symmetry(kind="permutation", axes=(6, 1, 3)), Symmetry(kind="sign", axes=(0,)))
    found = canonical(x, where)
    np.testing.assert_array_equal(found[:, [2, 4, 5]], x[:, [2, 4, 5]])
    np.testing.assert_array_equal(found[:, [6, 1, 3]], np.sort(x[:, [6, 1, 3]], axis=1))
    np.testing.assert_array_equal(found[:, 0], np.abs(x[:, 0]))


def test_no_symmetry_leaves_points_alone():
    x = 100 * points(3)
    np.testing.assert_array_equal(canonical(x, landscape(3)), x)
    assert canonical(np.empty((0, 3)), landscape(3)).shape == (0, 3)


@pytest.mark.parametrize("kind", ["translation", "rotation", "permutation", "sign"])
def test_no_points_have_no_representatives(kind):
    # a block whose descents have all escaped
    where = landscape(4, Symmetry(kind=kind, block=2))
    assert canonical(np.empty((0, 4)), where).shape == (0, 4)


# Where rounding decides.


def test_zeros_of_either_sign_do_not_choose_the_sign():
    where = landscape(4, Symmetry(kind="sign", joint=True))
    for noise in itertools.product([-1e-13, 0.0, 1e-13], repeat=2):
        x = np.array([[*noise, -1.0, 2.0]])
        same(canonical(np.concatenate([x, -x]), where), [[0.0, 0.0, 1.0, -2.0]] * 2)


def test_equal_coordinates_leave_the_order_to_the_next():
    where = landscape(4, Symmetry(kind="permutation", block=2))
    for noise in (-1e-13, 0.0, 1e-13):
        for x in ([1.0 + noise, 2.0, 1.0, -1.0], [1.0, -1.0, 1.0 + noise, 2.0]):
            same(canonical(np.array([x]), where), [[1.0, -1.0, 1.0, 2.0]])


def test_equal_coordinates_anywhere():
    where = landscape(4, Symmetry(kind="permutation", block=2))
    for common in 1e-7 * 6 * (0.5 + np.arange(2_000_000, 2_000_100)):
        one = np.array([[common + 1e-13, -1.0, common - 1e-13, 2.0]])
        two = np.array([[common - 1e-13, -1.0, common + 1e-13, 2.0]])
        same(canonical(one, where), canonical(two, where))


def test_members_at_the_origin_and_on_one_line_can_be_turned():
    where = landscape(9, Symmetry(kind="rotation", block=3))
    line = np.array([[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, -2.0, -2.0, 0.0]])
    expected = [[0.0, 0.0, 0.0, np.sqrt(2), 0.0, 0.0, -2 * np.sqrt(2), 0.0, 0.0]]
    for _ in range(20):
        same(canonical(each(line, turned(3)), where), expected)
    np.testing.assert_array_equal(canonical(np.zeros((1, 9)), where), np.zeros((1, 9)))


# Periods.


def test_periodic_axes_are_wrapped():
    where = landscape(2, periodic=(True, False), lower=(-1.0, 0.0), upper=(4.0, 1.0))
    x = points(2)
    found = canonical(x + [5.0, 0.0] * np.random.default_rng(1).integers(-9, 10, (100, 1)), where)
    same(found, canonical(x, where))
    assert np.all((found[:, 0] >= -1 - 1e-6) & (found[:, 0] < 4))
    turns = (found - x) / 5
    same(turns[:, 0], np.round(turns[:, 0]))
    np.testing.assert_array_equal(found[:, 1], x[:, 1])


@pytest.mark.parametrize(("lower", "upper"), [(0.0, 1.0), (-np.pi, np.pi), (0.1, 0.4)])
def test_both_ends_of_a_period_are_one_place(lower, upper):
    where = landscape(1, periodic=True, lower=lower, upper=upper)
    ends = [[end + noise] for end in (lower, upper, 2 * upper - lower) for noise in (-1e-12, -1e-15, 0.0, 1e-15, 1e-12)]
    same(canonical(np.array(ends), where), lower, 1e-11)


def test_translation_on_a_torus():
    where = landscape(6, Symmetry(kind="translation", block=2), periodic=True)
    x = points(6)
    moved = each(x, shifted(2)) + 6.0 * np.random.default_rng(1).integers(-3, 4, (100, 6))
    found = canonical(x, where)
    same(canonical(moved, where), found)
    # differences are kept up to whole turns
    turns = (np.diff(found.reshape(100, 3, 2), axis=1) - np.diff(x.reshape(100, 3, 2), axis=1)) / 6
    same(turns, np.round(turns))


@pytest.mark.parametrize("kind", ["permutation", "sign"])
def test_whole_turns_and_one_symmetry(kind):
    where = landscape(3, Symmetry(kind=kind), periodic=True)
    x = points(3)
    moved = each(x, permuted(1) if kind == "permutation" else flipped(1))
    moved += 6.0 * np.random.default_rng(1).integers(-1, 2, (100, 3))
    same(canonical(moved, where), canonical(x, where))


def test_signs_where_the_period_begins_at_zero():
    where = landscape(1, Symmetry(kind="sign"), periodic=True, lower=0.0, upper=6.0)
    same(canonical(np.array([[2.0]]), where), canonical(np.array([[4.0]]), where))


COMBINED = {
    "rotation": ("symmetry._rotated: the frame is that of the first members, not of the farthest", False),
    "translation": ("symmetry._representative: on a torus the first member becomes the origin", True),
    "sign": ("symmetry._representative: the one sign is that of the first member", False),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.xfail(strict=True, reason=r)) for k, (r, _) in COMBINED.items()]
)
def test_a_permutation_after_another_symmetry(kind):
    first = Symmetry(kind=kind, block=2, joint=kind == "sign")
    where = landscape(6, first, Symmetry(kind="permutation", block=2), periodic=COMBINED[kind][1])
    x = points(6)
    same(canonical(each(x, permuted(2)), where), canonical(x, where))


# Zero modes, counted on Hessians of losses with the symmetry.


def springs(x, block, anchor):
    """Return an energy of members in the plane or in space: of their distances, and of their radii with ``anchor``."""
    members = x.reshape(-1, block)
    square = jnp.sum((members[:, None] - members) ** 2, axis=-1)
    radius = jnp.sum(members**2, axis=-1)
    return jnp.sum(jnp.triu((square - 1.0) ** 2, 1)) + anchor * jnp.sum((radius - radius_of(block) ** 2) ** 2)


SIMPLEX = {
    1: np.array([[0.0], [1.0]]),
    2: np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]]),
    3: np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8),
}


def radius_of(block):
    return np.linalg.norm(SIMPLEX[block][0] - SIMPLEX[block].mean(axis=0))


def flat_directions(block, anchor):
    """Return the number of zero eigenvalues at the minimum where all distances are 1."""
    with jax.enable_x64(True):
        x = jnp.asarray((SIMPLEX[block] - SIMPLEX[block].mean(axis=0)).ravel())
        assert springs(x, block, anchor) < 1e-20
        matrix = jax.jit(jax.hessian(springs), static_argnums=(1,))(x, block, anchor)
    values = np.linalg.eigvalsh(matrix)
    assert np.min(values) > -1e-9
    return int(np.sum(values < 1e-9))


@pytest.mark.parametrize("block", [1, 2, 3])
def test_zero_modes_are_those_of_rigid_motions(block):
    symmetries = [Symmetry(kind="translation", block=block), Symmetry(kind="permutation", block=block)]
    symmetries += [Symmetry(kind="rotation", block=block)] if block > 1 else []
    assert zero_modes(landscape(SIMPLEX[block].size, *symmetries)) == flat_directions(block, 0.0)


@pytest.mark.parametrize("block", [2, 3])
def test_zero_modes_are_those_of_rotations_about_the_origin(block):
    where = landscape(SIMPLEX[block].size, Symmetry(kind="rotation", block=block), Symmetry(kind="sign", block=block))
    assert zero_modes(where) == flat_directions(block, 1.0)


def test_discrete_symmetries_leave_no_zero_modes():
    assert zero_modes(landscape(6, Symmetry(kind="permutation", block=3), Symmetry(kind="sign", joint=True))) == 0
    assert zero_modes(landscape(6)) == 0
