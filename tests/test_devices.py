"""Devices work side by side where that is safe, and take turns where it is not."""

import threading
import time

import jax
import jax.numpy as jnp
import pytest
from threadpoolctl import threadpool_info

import mnemo_jax as mnemo
from mnemo_jax import losses
from mnemo_jax.calculus import Loss, calls_lapack
from mnemo_jax.devices import Devices
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape
from mnemo_jax.optimizers import Optimizer
from mnemo_jax.plan import Plan, Recording
from mnemo_jax.prepare import devices_for
from mnemo_jax.starts import Uniform
from mnemo_jax.stopping import Stop
from mnemo_jax.types import Tile


def together(devices):
    """Return how many parts were at work at the same time."""
    inside, most, lock = set(), [0], threading.Lock()

    def work(part, device):
        with lock:
            inside.add(part)
            most[0] = max(most[0], len(inside))
        time.sleep(0.2)
        with lock:
            inside.remove(part)
        x = jax.device_put(1.5, device) + 1
        return part, x.devices().pop(), x.dtype

    with devices:
        done = [future.result() for future in devices.each(work)]
    assert [part for part, _, _ in done] == list(range(len(done)))
    assert [device for _, device, _ in done] == jax.local_devices()[: len(done)]
    assert {str(dtype) for _, _, dtype in done} == {"float64"}
    return most[0]


def test_side_by_side_or_in_turn():
    assert together(Devices(3)) == 3
    assert together(Devices(3, linear_algebra=True)) == 1


def landscape(**args):
    """Return a landscape, and a list that grows whenever its loss is traced."""
    traced = []

    def loss(x, **given):
        traced.append(1)
        return jnp.sum((x**2 - 1.0) ** 2) + sum(map(jnp.sum, given.values())) * x[0]

    return Landscape(loss=loss, dim=2, lower=(-2.0,), upper=(2.0,), name="wells", args=args), traced


def test_programs_are_traced_once_for_all_devices(tmp_path):
    counts = []
    for number in (1, 3):
        made, traced = landscape()
        mnemo.survey(made, starts=3000, learning_rate=0.05, out=tmp_path / str(number), devices=number)
        counts.append(len(traced))
    assert counts[0] == counts[1] > 0


def test_arguments_that_lie_on_one_device_reach_all(tmp_path):
    made, _ = landscape(tilt=jax.device_put(jnp.full(2, 0.1), jax.devices()[1]))
    record = mnemo.survey(made, starts=3000, learning_rate=0.05, out=tmp_path, devices=3)
    assert record.outcomes["converged"] == 3000


def test_no_more_devices_than_there_are():
    for number in (0, 99):
        with pytest.raises(UserError, match=f"--devices {number}"):
            Devices(number)


@pytest.mark.parametrize(
    ("loss", "calls"),
    [
        (lambda x: jnp.sum(x**4) * jnp.exp(x[0]), False),
        (lambda x: x @ x, False),
        (lambda x: jnp.linalg.solve(jnp.eye(2) + jnp.outer(x, x), x)[0], True),
        (lambda x: jnp.sum(jnp.linalg.eigvalsh(jnp.eye(2) + jnp.outer(x, x))), True),
        (
            lambda x: jnp.sum(jnp.linalg.svd(jnp.eye(2) + jnp.outer(x, x))[1]),
            True,
        ),
    ],
)
def test_linear_algebra_in_a_loss_is_seen(loss, calls):
    assert calls_lapack(jax.grad(Loss(loss, None, False)), jnp.zeros(2), {}) == calls


@pytest.mark.parametrize(("optimizer", "apart"), [("adam", True), ("newton", False), ("saddle_free_newton", False)])
def test_linear_algebra_in_steps_is_seen(optimizer, apart):
    plan = Plan(
        name="steps",
        landscape=losses.build("rosenbrock", {"dim": 3}),
        loss={},
        starts=Uniform(count=1),
        optimizer=Optimizer(optimizer, 0.1 if apart else None),
        stop=Stop(),
        tile=Tile(lanes=1, steps=1),
        recording=Recording(),
    )
    with jax.enable_x64(True), devices_for(plan, 2) as devices:
        assert devices.apart == apart


def test_linear_algebra_has_one_thread_while_devices_work():
    """An eigenvalue problem of a hundred coordinates is not spread over cores, and the caller's setting comes back."""

    def threads():
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    before = threads()
    with Devices(1):
        assert set(threads()) == {1}
    assert threads() == before
