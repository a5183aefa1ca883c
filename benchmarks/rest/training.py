"""A thousand trainings of a 64-32-10 network on handwritten digits: at once by the engine, and one after the other.

All take 3,000 steps of gradient descent on batches of 32 of the same 1,000 digits from random weights with the variance
of He et al. (2015), in float32. One by one, a few are timed and a thousand told; the others' loops measure nothing on
the way. The engine is timed twice: as it is used, with a look at training and test digits every 100 steps, and with one
at the end, as the others do. Compiling is not timed.
"""

import time
import warnings
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.rest import Row, Say
from mnemo_jax.config import parse, plan
from mnemo_jax.data import DataSet, make
from mnemo_jax.followed import descend_block
from mnemo_jax.losses.mlp import mlp
from mnemo_jax.prepare import devices_for, prepare

STEPS, LOOK, BATCH, RATE, CLASSES, TOLD = 3000, 100, 32, 0.1, 10, 1000
TARGETS = {"jax": ">= 3"}
DATA = DataSet(name="digits", train=1000, test=797)
SEEDS = {"quick": (64, 2), "normal": (1000, 5), "full": (1000, 20)}
Trained = Callable[[int], float]
CONFIG = {
    "name": "digits",
    "precision": "float32",
    "loss": {"name": "mlp", "args": {"hidden": [32], "activation": "relu"}},
    "data": {"name": "digits", "train": 1000, "test": 797},
    "optimizer": {"learning_rate": RATE, "noise": {"kind": "minibatch", "size": BATCH, "replace": False}},
}


def measure(scale: str, say: Say) -> Iterator[Row]:
    """Yield seconds for a thousand networks and the accuracy they reach, by the engine and one by one."""
    number, few = SEEDS[scale]
    say(f"training: {number:,} networks at once")
    looked, _ = at_once(number, LOOK)
    yield Row("1,000 trainings: ours, looked at every 100 steps", f"digits, 64-32-10, {number:,} timed", looked, "s")
    ours, accuracy = at_once(number, STEPS)
    yield Row("1,000 trainings: ours, looked at in the end", f"digits, 64-32-10, {number:,} timed", ours, "s")
    yield Row("test accuracy: ours", "digits, 64-32-10", 100 * accuracy, "%")
    for name, make_loop in {"jax": _jax, "torch": _torch, "scikit-learn": _sklearn}.items():
        say(f"training: {few} networks one by one, {name}")
        try:
            loop = make_loop()
        except ImportError:
            say(f"training: {name} is not installed")
            continue
        loop(0)  # compiles
        begun = time.perf_counter()
        reached = [loop(seed) for seed in range(1, few + 1)]
        seconds = (time.perf_counter() - begun) * TOLD / few
        yield Row(f"1,000 trainings: one by one, {name}", f"digits, 64-32-10, {few} timed", seconds, "s")
        yield Row(f"ours against one by one, {name}", "digits, 64-32-10", seconds / ours, "", TARGETS.get(name, ""))
        yield Row(f"test accuracy: {name}", "digits, 64-32-10", 100 * float(np.median(reached)), "%")


def at_once(number: int, every: int) -> tuple[float, float]:
    """Return the seconds that the engine takes for a thousand networks, and the median of their test accuracies."""
    stop = {"grad_tol": 0.0, "max_steps": STEPS, "check_every": every}
    table = CONFIG | {"stop": stop, "starts": {"kind": "layers", "count": number}}
    made = plan(parse(table, "benchmark"), "benchmark", jax.default_backend())
    with devices_for(made, None) as devices:
        prepared = prepare(made, devices)
        short = prepared._replace(rules=prepared.rules._replace(max_steps=jnp.int32(1)))
        descend_block(short, 0)  # compiles: the number of steps is an argument
        begun = time.perf_counter()
        blocks = [descend_block(prepared, block)[0] for block in range(-(-number // made.block))]
        seconds = (time.perf_counter() - begun) * TOLD / number
    last = np.concatenate([block.history[:, -1] for block in blocks if block.history is not None])
    return seconds, float(np.median(last[:, 3]))


def _jax() -> Trained:
    """Return a training by one compiled loop, called for one network after the other."""
    data = make(DATA)
    network = mlp(data, hidden=(32,), activation="relu")
    inputs, targets = (jnp.asarray(network.args[key]) for key in ("inputs", "targets"))
    held = {key: jnp.asarray(value) for key, value in network.held_out["test"].items()}
    weights = jax.nn.initializers.he_normal()

    @jax.jit
    def train(seed: Array) -> Array:
        key = jax.random.key(seed)
        parts = [weights(key, (64, 32)).ravel(), jnp.zeros(32)]
        parts += [weights(jax.random.fold_in(key, 1), (32, CLASSES)).ravel(), jnp.zeros(CLASSES)]
        slope = jax.grad(network.loss)

        def epoch(x: Array, number: Array) -> tuple[Array, None]:
            order = jax.random.permutation(jax.random.fold_in(key, 2 + number), len(inputs))
            rows = order[: len(inputs) // BATCH * BATCH].reshape(-1, BATCH)
            return jax.lax.scan(lambda x, own: (x - RATE * slope(x, inputs[own], targets[own], 0.0), None), x, rows)[
                0
            ], None

        x, _ = jax.lax.scan(epoch, jnp.concatenate(parts).astype(inputs.dtype), jnp.arange(STEPS * BATCH // 1000))
        accuracy: Array = network.measures["accuracy"](x, **held, ridge=0.0)
        return accuracy

    inputs = inputs.astype(jnp.float32)
    held["inputs"] = held["inputs"].astype(jnp.float32)
    return lambda seed: float(train(seed))


def _torch() -> Trained:
    """Return a training by a loop as PyTorch's users write it."""
    import torch

    data = make(DATA)
    assert data.test is not None
    x, y, test, right = map(torch.tensor, (*data.train, *data.test))
    x, test = x.float(), test.float()

    def train(seed: int) -> float:
        torch.manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, CLASSES))
        torch.nn.init.kaiming_normal_(model[0].weight)
        torch.nn.init.kaiming_normal_(model[2].weight)
        optimizer, loss = torch.optim.SGD(model.parameters(), lr=RATE), torch.nn.CrossEntropyLoss()
        for _ in range(STEPS * BATCH // len(x)):
            order = torch.randperm(len(x))
            for begin in range(0, len(x) - BATCH + 1, BATCH):
                rows = order[begin : begin + BATCH]
                optimizer.zero_grad()
                loss(model(x[rows]), y[rows]).backward()
                optimizer.step()
        with torch.no_grad():
            return float((model(test).argmax(1) == right).float().mean())

    return train


def _sklearn() -> Trained:
    """Return a training by scikit-learn's own network."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    data = make(DATA)
    assert data.test is not None
    test = data.test

    def train(seed: int) -> float:
        model = MLPClassifier(
            (32,),
            solver="sgd",
            alpha=0.0,
            batch_size=BATCH,
            learning_rate_init=RATE,
            momentum=0.0,
            max_iter=STEPS * BATCH // 1000,
            tol=0.0,
            n_iter_no_change=STEPS,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(data.train.inputs, data.train.targets)
        return float(model.score(test.inputs, test.targets))

    return train
