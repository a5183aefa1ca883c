"""PyTorch: a batch of starts in tensors, gradients by autograd of the summed losses, finished starts masked.

Every so often the starts that are still going are packed together, as a careful user would.
"""

from collections.abc import Callable
from math import pi

import jax
import numpy as np
import torch
from torch import Tensor

from benchmarks.result import NotApplicableError, Result, Run
from benchmarks.workloads import Workload

CHUNK = {"cpu": 1 << 16, "cuda": 1 << 22}  # starts in a batch
PACK = 32  # steps between two packings

Loss = Callable[[Tensor], Tensor]
Rule = Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]
Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]


def prepare(workload: Workload, x0: np.ndarray, *, compiled: bool) -> Run:
    """Return the call that follows the starts ``x0 [n, d]`` chunk by chunk."""
    if workload.landscape.name not in LOSSES:
        raise NotApplicableError(f"no loss {workload.landscape.name} for torch")
    device = "cuda" if torch.cuda.is_available() and jax.devices()[0].platform == "gpu" else "cpu"
    table = torch.tensor(np.asarray(next(iter(workload.landscape.args.values()), 0.0), x0.dtype), device=device)
    step = stepper(workload, lambda x: LOSSES[workload.landscape.name](x, table))
    if compiled:
        torch.compiler.reset()  # it gives up on a function that it has compiled too often
        step = torch.compile(step, dynamic=True)
    chunks = [torch.tensor(x0[i : i + CHUNK[device]], device=device) for i in range(0, len(x0), CHUNK[device])]

    def run() -> Result:
        parts = [follow(chunk, step) for chunk in chunks]
        x, steps, converged = (torch.cat(columns).cpu().numpy() for columns in zip(*parts, strict=True))
        return Result(x, steps, converged)

    return run


def stepper(workload: Workload, loss: Loss) -> Step:
    """Return the function that looks at points ``[n, d]`` once and moves those that go on."""
    rule = RULES["heavy_ball" if "momentum" in workload.optimizer else workload.optimizer["name"]]
    gradient = torch.func.grad(lambda x: loss(x).sum())

    def step(x: Tensor, memory: Tensor, steps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        g = gradient(x)
        small = g.abs().amax(1) <= workload.tolerance
        fit = g.isfinite().all(1) & (x.abs().amax(1) <= workload.reach)
        going = ~small & fit & (steps < workload.max_steps)
        update, memory = rule(g, memory, steps[:, None] + 1, workload.rate)
        return torch.where(going[:, None], x - update, x), memory, steps + going, going, small

    return step


def follow(x0: Tensor, step: Step) -> tuple[Tensor, Tensor, Tensor]:
    """Follow a batch of starts to their ends; return end points, steps, and which converged."""
    ends, taken = x0.clone(), torch.zeros(len(x0), dtype=torch.int32, device=x0.device)
    converged = torch.zeros(len(x0), dtype=torch.bool, device=x0.device)
    x, steps, index = x0, taken, torch.arange(len(x0), device=x0.device)
    memory = torch.zeros((2, *x0.shape), dtype=x0.dtype, device=x0.device)
    while len(x):
        for _ in range(PACK):
            x, memory, steps, going, small = step(x, memory, steps)
        done = index[~going]
        ends[done], converged[done], taken[done] = x[~going], small[~going], steps[~going]
        x, memory, steps, index = x[going], memory[:, going], steps[going], index[going]
    return ends, taken, converged


def sgd(g: Tensor, memory: Tensor, _steps: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Return the update of gradient descent, and its memory."""
    return rate * g, memory


def heavy_ball(g: Tensor, memory: Tensor, _steps: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Return the update with momentum 0.9, and its memory."""
    m = g + 0.9 * memory[0]
    return rate * m, torch.stack([m, m])


def adam(g: Tensor, memory: Tensor, steps: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Return Adam's update with its usual constants, and its memory."""
    m, v = 0.9 * memory[0] + 0.1 * g, 0.999 * memory[1] + 0.001 * g**2
    update = m / (1 - 0.9**steps) / (torch.sqrt(v / (1 - 0.999**steps)) + 1e-8)
    return rate * update, torch.stack([m, v])


def quartic(x: Tensor, _: Tensor) -> Tensor:
    """Return x^4 - 4 x^2 + 1 ``[n]`` at points ``[n, 1]``."""
    square = x[:, 0] ** 2
    return square * square - 4 * square + 1


def himmelblau(x: Tensor, _: Tensor) -> Tensor:
    """Return (x^2 + y - 11)^2 + (x + y^2 - 7)^2 ``[n]`` at points ``[n, 2]``."""
    return (x[:, 0] ** 2 + x[:, 1] - 11) ** 2 + (x[:, 0] + x[:, 1] ** 2 - 7) ** 2


def rosenbrock(x: Tensor, _: Tensor) -> Tensor:
    """Return the chained Rosenbrock function ``[n]`` at points ``[n, d]``."""
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(1)


def rastrigin(x: Tensor, _: Tensor) -> Tensor:
    """Return the sum of x^2 + 10 (1 - cos(2 pi x)) ``[n]`` at points ``[n, d]``."""
    return (x**2 + 10 * (1 - torch.cos(2 * pi * x))).sum(1)


def network(x: Tensor, table: Tensor) -> Tensor:
    """Return the network's mean squared error ``[n]`` at weights ``[n, 17]``."""
    hidden = torch.tanh(table[:, :2] @ x[:, :8].reshape(-1, 2, 4) + x[:, None, 8:12])
    error = (hidden @ x[:, 12:16, None])[:, :, 0] + x[:, 16:] - table[:, 2]
    return (error**2).mean(1)


LOSSES = {
    "double_well": quartic,
    "himmelblau": himmelblau,
    "rosenbrock": rosenbrock,
    "rastrigin": rastrigin,
    "network": network,
}
RULES = {"sgd": sgd, "heavy_ball": heavy_ball, "adam": adam}
