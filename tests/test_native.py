"""Parts of programs compiled whole: which, and that they say the same."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mnemo_jax as mnemo
from mnemo_jax import losses
from mnemo_jax.calculus import loss_of
from mnemo_jax.keys import worded
from mnemo_jax.native import is_plain, native
from mnemo_jax.plan import default_tile


def test_a_marked_function_is_one_call_and_stays_one():
    def eight(x):
        return jax.lax.fori_loop(0, 8, lambda _, y: y + jnp.sin(y), x)

    def program(x):
        return jax.lax.fori_loop(0, 3, lambda _, y: native(eight)(y), x)

    x = jnp.linspace(0.0, 1.0, 1000)
    compiled = jax.jit(program).lower(x).compile()
    if jax.default_backend() == "cpu":
        assert len(re.findall(r"call\(.*to_apply=%eight.*xla_cpu_small_call=", compiled.as_text())) == 1
    y = np.asarray(x)
    for _ in range(24):
        y = y + np.sin(y)
    np.testing.assert_allclose(compiled(x), y, rtol=1e-5)


@pytest.mark.parametrize("name", ["himmelblau", "rastrigin", "ackley", "mueller_brown", "random_trigonometric"])
def test_entrywise_losses_are_plain(name):
    landscape = losses.build(name)
    loss, args = loss_of(landscape, jnp.float32)
    assert is_plain(jax.make_jaxpr(jax.value_and_grad(lambda x: loss(x, args)))(jnp.zeros(landscape.dim, jnp.float32)))


def test_random_numbers_of_our_own_keys_are_plain():
    words = jnp.zeros(2, jnp.uint32)
    assert is_plain(jax.make_jaxpr(lambda words, x: x + jax.random.normal(worded(words), (3,)))(words, jnp.ones(3)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x @ jnp.ones((3, 3)) @ x,
        lambda x: jnp.linalg.norm(jnp.linalg.inv(jnp.eye(3) + jnp.outer(x, x))),
        lambda x: jax.lax.fori_loop(0, 3, lambda _, y: y * y, x).sum(),
        lambda x: jnp.sort(x)[0],
        lambda x: jax.random.normal(jax.random.key(0), (3,)) @ x,
        lambda x: jnp.where(x > 0, jax.jit(lambda y: jnp.sort(y))(x), x).sum(),
        lambda x: jnp.sum(jnp.ones((50, 1)) * x, axis=1),
    ],
)
def test_calls_loops_random_numbers_and_long_sums_are_not(function):
    assert not is_plain(jax.make_jaxpr(function)(jnp.ones(3)))


@pytest.mark.parametrize(("name", "lanes"), [("double_well", 64), ("himmelblau", 4096), ("rastrigin", 512)])
def test_descents_are_the_same(tmp_path, name, lanes):
    """Ends agree to what their stop rule leaves open, steps but for one where a gradient lies at the tolerance."""
    landscape = losses.build(name, {"dim": 10} if name == "rastrigin" else {})
    default = default_tile(landscape.dim, "cpu")
    assert default.native
    records = [
        mnemo.survey(
            landscape,
            starts=2000,
            out=tmp_path,
            devices=1,
            tile=mnemo.Tile(lanes=lanes, steps=default.steps, sample=default.sample, native=whole),
            recording=mnemo.Recording(endpoints=True),
        )
        for whole in (True, False)
    ]
    whole, parts = (record.starts("outcome", "steps", "x", "stalls").to_pandas() for record in records)
    assert (whole.outcome == parts.outcome).all()
    assert (abs(whole.steps - parts.steps) <= 1).all()
    assert (whole.stalls == parts.stalls).mean() > 0.999
    np.testing.assert_allclose(np.stack(whole.x), np.stack(parts.x), atol=1e-8)
