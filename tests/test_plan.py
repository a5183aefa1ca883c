"""A run's name stands for what it computes: whatever changes the numbers changes it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import mnemo_jax as mnemo
from mnemo_jax.plan import program_hash


def scaled(x, k):
    return k * jnp.sum((x**2 - 1) ** 2)


def test_what_a_function_computes_is_hashed():
    x = np.zeros(2)
    hashes = [program_hash(functools.partial(scaled, k=k), x) for k in (1.0, 2.0, 2.0 + 1e-15, 1.0)]
    assert hashes[0] == hashes[3]
    assert len(set(hashes)) == 3
    hashes = [program_hash(lambda x, k=k: jnp.sum(x * jnp.array([k, 1.0])), x) for k in (1.0, 2.0, 1.0)]
    assert hashes[0] == hashes[2] != hashes[1]
    hashes = []
    for factor in (1.0, 2.0):  # a module edited between two processes
        module = {"FACTOR": factor}
        exec("def loss(x):\n    return FACTOR * (x**2).sum()\n", module)
        hashes.append(program_hash(module["loss"], x))
    assert hashes[0] != hashes[1]
    assert program_hash(lambda x: jnp.sum(jax.nn.relu(x)), x) == program_hash(lambda x: jnp.sum(jax.nn.relu(x)), x)


def test_closures_and_custom_optimizers_are_other_runs(tmp_path):
    def survey(k, rate):
        landscape = mnemo.Landscape(loss=lambda x: scaled(x, k), dim=1, lower=(-2.0,), upper=(2.0,), name="wells")
        return mnemo.survey(landscape, optimizer=optax.sgd(rate), starts=50, out=tmp_path, devices=1)

    first, second, third, again = survey(1.0, 0.01), survey(2.0, 0.01), survey(1.0, 0.02), survey(1.0, 0.01)
    assert abs(first.catalogue.eigenvalues[0, 0] - 8) < 1e-9
    assert abs(second.catalogue.eigenvalues[0, 0] - 16) < 1e-9
    assert len({first.path, second.path, third.path}) == 3
    assert again.path == first.path
