"""Is the gradient zero at every minimum: of smooth losses, of losses with kinks, at the border of a box?

Whether a point is a minimum is told by its neighbours alone, whether its gradient is zero by differences of the loss.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import mnemo_jax as mnemo
from mnemo_jax import losses

AROUND = 256  # neighbours of a point
NEAR = 1e-4  # half-widths of the box to them
SMALL = 1e-5  # of the gradient's scale
BENT = {  # |x - c| w + q (x - m)^2 / 2 + s x
    "|x|": {"w": 1.0, "c": 0.0, "q": 0.0, "m": 0.0, "s": 0.0},
    "lasso, |x| + (x - 0.5)^2 / 2": {"w": 1.0, "c": 0.0, "q": 1.0, "m": 0.5, "s": 0.0},
    "median, |x - 0.2| + 0.4 x": {"w": 1.0, "c": 0.2, "q": 0.0, "m": 0.0, "s": 0.4},
}


def bent(x: Array, w: float, c: float, q: float, m: float, s: float) -> Array:
    """Return a loss of one coordinate with a kink at ``c``."""
    return w * jnp.abs(x[0] - c) + 0.5 * q * (x[0] - m) ** 2 + s * x[0]


def measure(*, asks: str, rounds: int, seed: int, out: Path, names: tuple[str, ...] = ()) -> mnemo.Measurement:
    """Return at which minima the gradient is zero."""
    if asks == "border":
        return at_the_border(rounds, seed, out)
    if asks == "kinks":
        made = {name: _bent(args) for name, args in BENT.items()}
    else:
        made = {name: losses.build(name) for name in names}
    if asks == "known":
        return known(made, rounds, seed, out)
    value, case, told = [], [], []
    for name, space in made.items():
        found = search(space, rounds, seed, out)
        x = found.catalogue.x[found.inside_box]
        rise, slope = around(space, x)
        minima = np.all(rise > 0, axis=1)
        size = slope[minima] / found.summary["scales"]["gradient"]
        value += (size <= SMALL).tolist()
        case += [f"{name} at {np.array2string(one, precision=4)}" for one in x[minima]]
        told.append(f"{name}: {minima.sum()} minima, slope at most {size.max():.2g} of the usual gradient")
    return mnemo.Measurement(
        value=value, case=case, note="; ".join(told) + ".", illustrations=(kinks(made),) if asks == "kinks" else ()
    )


def _bent(args: dict[str, float]) -> mnemo.Landscape:
    return mnemo.Landscape(loss=bent, dim=1, lower=(-1.0,), upper=(1.0,), name="bent", args=args)


def search(space: mnemo.Landscape, rounds: int, seed: int, out: Path) -> mnemo.CriticalPoints:
    """Return the critical points, kinks among them."""
    seeking = mnemo.Seeking(count=256 * rounds, along=0, heights=0, rounds=1)
    return mnemo.find_critical_points(space, seeking=seeking, seed=seed, out=out)


def around(space: mnemo.Landscape, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how much the loss rises to neighbours of points ``x [n, d]``, and the largest slope along any of them.

    Of a rise ``a h + b h^2`` over a distance ``h`` the slope is ``a``: at a kink it is not zero on any side.
    """
    v = np.random.default_rng(0).standard_normal((AROUND, space.dim))
    v = np.concatenate([v, -v]) / np.linalg.norm(np.concatenate([v, v]), axis=1, keepdims=True)
    h = NEAR * 0.5 * (space.upper[0] - space.lower[0])
    with jax.enable_x64(True):
        value = jax.vmap(lambda y: space.loss(y, **space.args))
        at = np.asarray(value(jnp.asarray(x)))
        far, near = (
            np.asarray(jax.vmap(value)(jnp.asarray(x[:, None] + step * v))) - at[:, None] for step in (h, h / 2)
        )
    return far, np.abs(4 * near - far).max(axis=1) / h


def known(made: dict[str, mnemo.Landscape], rounds: int, seed: int, out: Path) -> mnemo.Measurement:
    """Return which of the minima that are known in closed form the search found."""
    value, case = [], []
    for name, space in made.items():
        x = search(space, rounds, seed, out).catalogue.x
        for point in space.known:
            if point.kind == "minimum":
                value.append(np.min(np.linalg.norm(x - np.array(point.x), axis=1)) < 1e-6)
                case.append(f"{name} at {point.x}")
    return mnemo.Measurement(value=value, case=case)


def line(x: Array) -> Array:
    """Return ``x``, of one coordinate."""
    return x[0]


def at_the_border(rounds: int, seed: int, out: Path) -> mnemo.Measurement:
    """Return whether the slope is zero at the lowest point of x on [0, 1], which the search must see on the border."""
    space = mnemo.Landscape(loss=line, dim=1, lower=(0.0,), upper=(1.0,), name="line")
    found = search(space, rounds, seed, out)
    x = np.linspace(0.0, 1.0, 1001)
    lowest, slope = x[np.argmin(x)], (x[1] - x[0]) / (x[1] - x[0])
    inside, border = len(found.catalogue.x), found.audit["boundary"]
    return mnemo.Measurement(
        value=[slope <= SMALL],
        case=["x on [0, 1]"],
        valid=[inside == 0 and border == 1],
        note=f"The lowest point of [0, 1] is {lowest:g}, where the slope is {slope:g}; the search finds {inside} "
        f"critical points inside, and its audit counts {border} on the border.",
    )


def kinks(made: dict[str, mnemo.Landscape]) -> mnemo.Illustration:
    """Draw the losses with kinks."""
    x, series = np.linspace(-1.0, 1.0, 201), []
    for name, space in made.items():
        a = space.args
        y = a["w"] * np.abs(x - a["c"]) + 0.5 * a["q"] * (x - a["m"]) ** 2 + a["s"] * x
        series += [
            mnemo.Series(name=name, x=x, y=y),
            mnemo.Series(name=f"minimum of {name}", x=[x[np.argmin(y)]], y=[y.min()], kind="marks"),
        ]
    return mnemo.Illustration(
        title="Minima without a zero gradient",
        caption="On either side of each minimum the slope points to it; at the minimum itself there is none.",
        x="x",
        y="loss",
        series=tuple(series),
    )
