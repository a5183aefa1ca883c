"""Functions across lanes against `jax.vmap`, primitive by primitive."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnemo_jax.lanes import across

MATRIX = np.random.default_rng(0).standard_normal((3, 3))

FUNCTIONS = {
    "slices": lambda x: x[0] ** 2 + x[1] - x[-1],
    "pads": lambda x: jnp.sum((x[1:] - x[:-1] ** 2) ** 2),
    "strides": lambda x: jnp.prod(x[::2]),
    "broadcast": lambda x: jnp.sum(x[:, None] * x[None, :] + jnp.arange(3.0)[:, None]),
    "matrix": lambda x: x @ MATRIX @ x,
    "outer": lambda x: jnp.linalg.norm(jnp.outer(x, x) + jnp.eye(3)),
    "transposed": lambda x: jnp.sum(jnp.tanh(MATRIX * x).T[0] * x),
    "reshaped": lambda x: jnp.sum(jnp.tile(x, 4).reshape(4, 3) ** jnp.arange(1, 4)),
    "joined": lambda x: jnp.max(jnp.concatenate([x, jnp.ones(2), jnp.sin(x)])),
    "stacked": lambda x: jnp.min(jnp.stack([x, 2 * x], axis=1)),
    "chosen": lambda x: jnp.where(x[0] > 0, jnp.sum(x), jnp.sum(x**3)),
    "clipped": lambda x: jnp.sum(jnp.clip(x, -0.5, 0.5)),
    "indexed": lambda x: jnp.sum(x[jnp.array([2, 0])] * x[jnp.argmax(x)]),
    "set": lambda x: jnp.sum(x.at[1].set(3.0) * x),
    "sorted": lambda x: jnp.sum(jnp.sort(x) * jnp.arange(3.0)),
    "summed": lambda x: jnp.sum(jnp.cumsum(x) * x[::-1]),
    "softmax": lambda x: jax.nn.softmax(x)[0] + jax.nn.relu(x[1]) + jax.scipy.special.logsumexp(x),
    "branches": lambda x: jax.lax.cond(x[0] > 0, lambda y: y @ y, lambda y: jnp.sum(y), x),
    "loop": lambda x: jax.lax.fori_loop(0, 3, lambda k, y: jnp.sin(y) + k, x)[1],
    "while": lambda x: jax.lax.while_loop(lambda y: y @ y < 9.0, lambda y: 1.5 * y + 0.1, x)[0],
    "called": lambda x: jax.jit(lambda y: jnp.sum(jnp.exp(y)))(x) + jax.checkpoint(lambda y: jnp.cos(y[0]))(x),
    "constant": lambda x: jnp.float64(2.0) + 0 * x[0],
    "nothing": lambda x: jnp.float64(2.0),
}


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("derivative", [False, True])
def test_equals_vmap(name, derivative):
    function = FUNCTIONS[name]
    if derivative and name != "while":
        function = jax.grad(function)
    x = np.random.default_rng(1).standard_normal((5, 3))
    expected = np.asarray(jax.vmap(function)(x))
    np.testing.assert_allclose(across(function, "lanes_first")(x), expected, rtol=1e-12, atol=1e-13)
    found = jax.jit(across(function, "lanes_last"))(x.T)
    np.testing.assert_allclose(np.moveaxis(np.asarray(found), -1, 0), expected, rtol=1e-12, atol=1e-13)


def test_pytrees_keys_and_what_a_function_holds():
    held = jnp.arange(3.0)

    def function(state, key):
        return {"x": state["x"] + held, "n": state["n"] + 1}, jax.random.fold_in(key, state["n"])

    def many(state, keys):
        return across(function, "lanes_last")(state, keys)

    keys = jax.random.split(jax.random.key(0), 4)
    state = {"x": jnp.ones((3, 4)), "n": jnp.arange(4)}
    out, folded = jax.jit(many)(state, keys)
    np.testing.assert_array_equal(out["x"], jnp.ones((3, 4)) + held[:, None])
    np.testing.assert_array_equal(out["n"], [1, 2, 3, 4])
    expected = jnp.stack([jax.random.key_data(jax.random.fold_in(keys[k], k)) for k in range(4)])
    np.testing.assert_array_equal(jax.random.key_data(folded), expected)


def test_no_array_on_the_way_has_its_lanes_elsewhere():
    """Rosenbrock's gradient in ten dimensions: every array of more than one axis has the 7 lanes last."""

    def rosenbrock(x):
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    program = jax.make_jaxpr(across(jax.grad(rosenbrock), "lanes_last"))(jnp.ones((10, 7)))
    shapes = [variable.aval.shape for equation in program.eqns for variable in equation.outvars]
    assert len(shapes) > 10
    assert all(shape[-1] == 7 for shape in shapes if 7 in shape)
    assert "transpose" not in {equation.primitive.name for equation in program.eqns}
