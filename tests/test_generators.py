"""What a landscape declares of its loss is held against the loss before anything is computed or written."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

import mnemo_jax as mnemo
from mnemo_jax import config, losses
from mnemo_jax.errors import UserError
from mnemo_jax.generators import check_images, generators
from mnemo_jax.landscape import DENSE, Landscape, Symmetry

TILT = 1e-4  # of a loss whose spread is of order 100


def tilted(x, symmetric, tilt):
    # No map but the identity leaves these different slopes alone.
    return symmetric(x) + tilt * jnp.sum(jnp.arange(1.0, 1 + x.size, dtype=x.dtype) * (x + 0.1 * x**2))


def separations(x, block):
    members = x.reshape(-1, block)
    return jnp.mean((jnp.sum((members[:, None] - members) ** 2, axis=-1) - 1.0) ** 2)


def radii(x, block):
    square = jnp.sum(x.reshape(-1, block) ** 2, axis=-1)
    return jnp.sum(square**2) + jnp.cos(jnp.sum(square))


def waves(x):
    return 50 * jnp.sum(jnp.sin(x)) + 50 * jnp.cos(jnp.sum(x))


def declared(loss, *symmetries, periodic=False, upper=np.pi, dim=6, tilt=0.0):
    return Landscape(
        loss=functools.partial(tilted, symmetric=loss, tilt=tilt),
        dim=dim,
        lower=-np.pi,
        upper=upper,
        periodic=periodic,
        symmetries=symmetries,
    )


TRUE = {
    "period": functools.partial(declared, waves, periodic=(True,) * 6),
    "period of one axis": functools.partial(declared, waves, periodic=(False,) * 5 + (True,)),
    **{
        f"translation {block}": functools.partial(
            declared, functools.partial(separations, block=block), Symmetry(kind="translation", block=block)
        )
        for block in (1, 2, 3)
    },
    **{
        f"{kind} {block}": functools.partial(
            declared, functools.partial(radii, block=block), Symmetry(kind=kind, block=block)
        )
        for kind, block in [("rotation", 2), ("rotation", 3), ("permutation", 1), ("permutation", 2), ("sign", 1)]
    },
    "joint sign": functools.partial(
        declared, functools.partial(separations, block=2), Symmetry(kind="sign", joint=True)
    ),
    "some axes": functools.partial(
        declared, functools.partial(radii, block=1), Symmetry(kind="permutation", axes=(1, 4)), Symmetry(kind="sign")
    ),
}


@pytest.mark.parametrize("name", TRUE)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_what_is_true_passes_and_a_slight_tilt_does_not(name, precision):
    check_images(TRUE[name](), precision)
    key = "loss.periodic" if name.startswith("period") else "loss.symmetry"
    with pytest.raises(UserError, match=rf"^{key}: the loss has no such \w+: it is \S+ at x = \[.*\] and \S+ with x"):
        check_images(TRUE[name](tilt=TILT if precision == "float64" else 100 * TILT), precision)


@pytest.mark.parametrize("name", losses.names())
def test_built_in_losses_declare_the_truth(name):
    landscape = losses.build(name)
    declares = any(landscape.periodic) or bool(landscape.symmetries)
    assert bool(list(generators(landscape))) == declares
    for precision in ("float32", "float64"):
        check_images(landscape, precision)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("chain_of_saddles", {"dim": 300, "gamma": 20.0, "tau": 9.0}),
        ("oscillator_ring", {"dim": 200}),
        ("random_trigonometric", {"dim": 8, "terms": 64, "seed": 5}),
    ],
)
def test_and_so_they_do_with_other_arguments(name, args):
    check_images(losses.build(name, args), "float64")


def test_the_words_say_which_map_and_both_losses():
    """x^4 + y at (x, y) and with y negated differs by 2 y, wherever they are looked at."""
    loss = Landscape(
        loss=lambda x: x[0] ** 4 + x[1], dim=2, lower=(-2.0,), upper=(2.0,), symmetries=(Symmetry(kind="sign"),)
    )
    with pytest.raises(UserError, match=r"x\[1\] negated; correct it or leave it out$") as caught:
        check_images(loss, "float64")
    words = str(caught.value).replace("[", " ").replace("]", " ").replace(",", " ").split()
    x = np.array([float(words[words.index("=") + k]) for k in (1, 2)])
    here, there = float(words[words.index("is") + 1]), float(words[words.index("and") + 1])
    np.testing.assert_allclose([here, there], x[0] ** 4 + np.array([1, -1]) * x[1], atol=1e-4)


@pytest.mark.parametrize("written", [np.float32(np.pi), 3.141593])
def test_a_period_to_seven_digits_is_one(written):
    landscape = Landscape(
        loss=lambda x: jnp.sum(jnp.sin(x)), dim=3, lower=-written, upper=written, periodic=True, name="written"
    )
    for precision in ("float32", "float64"):
        check_images(landscape, precision)
    with pytest.raises(UserError, match=r"moved by 6\.283;"):
        check_images(declared(waves, periodic=(True,) * 6, upper=6.283 - np.pi), "float64")


def test_a_loss_that_rounds_to_float32_is_no_lie():
    def single(x):
        y = jnp.asarray(x, jnp.float32)
        return jnp.asarray(1e3 + jnp.sum(jnp.cos(y)) + jnp.sum(y**4), x.dtype)

    symmetries = (Symmetry(kind="permutation"), Symmetry(kind="sign"))
    check_images(declared(single, *symmetries, dim=40), "float32")


def test_where_a_loss_is_not_finite_nothing_is_said():
    """The square root has no images on the other side, and a loss that is nowhere finite has none at all."""
    for loss in (lambda x: jnp.sqrt(x[0]), lambda x: jnp.sum(x) * jnp.nan, lambda x: jnp.sum(x) * jnp.inf):
        landscape = Landscape(loss=loss, dim=1, lower=0.0, upper=1.0, symmetries=(Symmetry(kind="sign"),))
        check_images(landscape, "float64")


def test_every_entrance_refuses_before_it_writes(tmp_path):
    false = declared(waves, Symmetry(kind="sign"), dim=2)
    for entrance in (mnemo.survey, mnemo.find_critical_points):
        with pytest.raises(UserError, match=r"^loss\.symmetry: the loss has no such sign"):
            entrance(false, out=tmp_path, **({"learning_rate": 0.01} if entrance is mnemo.survey else {}))
    assert not list(tmp_path.iterdir())
    table = {"name": "f", "loss": {"name": "himmelblau", "periodic": True}, "starts": {"count": 5}}
    with pytest.raises(UserError, match=r"^f\.toml: loss\.periodic: the loss has no such period"):
        config.plan(config.parse(table, "f.toml"), "f.toml", "cpu")


def test_too_many_coordinates_are_refused_before_any_image_is_made(monkeypatch):
    monkeypatch.setattr("mnemo_jax.plan.check_images", lambda *_: pytest.fail("computed"))
    with pytest.raises(UserError, match=rf"^loss\.dim: {DENSE + 1} is above {DENSE}"):
        mnemo.find_critical_points(declared(waves, Symmetry(kind="permutation"), dim=DENSE + 1))
