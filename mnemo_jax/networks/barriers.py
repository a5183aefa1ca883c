"""Barriers between networks: the loss along the straight line and along a curve of low loss with the same ends.

The height of a barrier is ``max_t [ loss(t) - ((1 - t) loss(0) + t loss(1)) ]`` (Entezari et al. 2022,
arXiv:2110.06296), never below 0; the linear interpolation instability of Frankle et al. (2020, arXiv:1912.05671) takes
the mean of both ends instead, which is the same where their losses are.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from mnemo_jax.calculus import RIGHT
from mnemo_jax.errors import UserError
from mnemo_jax.losses.layers import Activation, Layers
from mnemo_jax.networks.curves import Kind, Loss, check, curves, place
from mnemo_jax.networks.matching import Matching, match


class Barriers(NamedTuple):
    """The loss along ways between pairs of networks.

    Attributes:
        t: ``[m]``, from 0 to 1.
        loss: ``[n, m]``.
        height: ``[n]``, of each pair's barrier.
        at: ``[n]``, the ``t`` where it is highest.
    """

    t: Array
    loss: Array
    height: Array
    at: Array


class Between(NamedTuple):
    """All that is told of pairs of networks.

    Attributes:
        straight: along the line.
        matching: the second networks brought next to the first, None without symmetries.
        matched: along the line to those, None without.
        bend: ``[n, d]`` of the curves between the networks as they are.
        curve: along those.
        matched_bend: ``[n, d]`` of the curves to the networks brought next, None without.
        matched_curve: along those, None without.
    """

    straight: Barriers
    matching: Matching | None
    matched: Barriers | None
    bend: Array
    curve: Barriers
    matched_bend: Array | None
    matched_curve: Barriers | None


def barriers(t: Array, loss: Array) -> Barriers:
    """Return the barriers of losses ``[n, m]`` along ways, ``t [m]`` rising from 0 to 1."""
    above = loss - ((1 - t) * loss[:, :1] + t * loss[:, -1:])
    top = jnp.argmax(above, axis=1)
    return Barriers(t, loss, jnp.max(above, axis=1), t[top])


def straight(loss: Loss, a: Array, b: Array, *args: Any, points: int = 51, batch_size: int | None = None) -> Barriers:
    """Return the loss along the lines from ``a [n, d]`` to ``b [n, d]``.

    Args:
        loss: pure JAX function ``loss(x, *args)`` to a scalar; the same object compiles once.
        a: where ``t`` is 0.
        b: where it is 1.
        args: further arguments of the loss, such as data.
        points: on each line, its ends included.
        batch_size: pairs at once, which bounds memory; None for all.

    Raises:
        UserError: shapes differ, or there are fewer than three points.
    """
    return along(loss, a, (a + b) / 2, b, *args, kind="chain", points=points, batch_size=batch_size)


def along(
    loss: Loss,
    a: Array,
    bend: Array,
    b: Array,
    *args: Any,
    kind: Kind = "bezier",
    points: int = 51,
    batch_size: int | None = None,
) -> Barriers:
    """Return the loss along the curves from ``a`` by ``bend`` to ``b``, each ``[n, d]``, as `straight` does.

    Args:
        loss: pure JAX function ``loss(x, *args)`` to a scalar; the same object compiles once.
        a: where ``t`` is 0.
        bend: the curves' bends, as `curves.curves` returns them.
        b: where ``t`` is 1.
        args: further arguments of the loss, such as data.
        kind: as in `curves.curves`.
        points: on each curve, its ends included.
        batch_size: pairs at once, which bounds memory; None for all.

    Raises:
        UserError: shapes differ, or there are fewer than three points.
    """
    check(a, b, kind)
    if points < 3:
        raise UserError(f"points: must be at least 3, got {points}")
    t = jnp.linspace(0, 1, points, dtype=a.dtype)
    return barriers(t, _losses(a, bend, b, t, args, loss=loss, kind=kind, batch_size=batch_size))


@partial(jax.jit, static_argnames=("loss", "kind", "batch_size"), compiler_options=RIGHT)
def _losses(
    a: Array, bend: Array, b: Array, t: Array, args: tuple[Any, ...], *, loss: Loss, kind: Kind, batch_size: int | None
) -> Array:
    def one(ends: tuple[Array, Array, Array]) -> Array:
        return jax.vmap(lambda part: loss(place(*ends, part, kind), *args))(t)

    return lax.map(one, (a, bend, b), batch_size=batch_size or len(a))


def between(
    loss: Loss,
    a: Array,
    b: Array,
    *args: Any,
    layers: Layers | None = None,
    activation: Activation = "tanh",
    kind: Kind = "bezier",
    points: int = 51,
    steps: int = 500,
    learning_rate: float = 0.01,
    seed: int = 0,
    batch_size: int | None = None,
) -> Between:
    """Return the barriers from networks ``a [n, d]`` to ``b [n, d]``: on lines and curves, before and after matching.

    Args:
        loss: pure JAX function ``loss(x, *args)`` to a scalar; the same object compiles once.
        a: the first networks.
        b: the second.
        args: further arguments of the loss, such as data.
        layers: where their arrays lie; None matches nothing.
        activation: of the hidden units.
        kind: of the curve, as in `curves.curves`.
        points: on each way, its ends included.
        steps: of each curve's Adam.
        learning_rate: of the first of them.
        seed: of the matching and the curves.
        batch_size: pairs at once, which bounds memory; None for all.

    Raises:
        UserError: as `straight`, `matching.match` and `curves.curves` do.
    """
    on: dict[str, Any] = {"points": points, "batch_size": batch_size}
    how: dict[str, Any] = {"steps": steps, "learning_rate": learning_rate, "seed": seed, "batch_size": batch_size}

    def ways(end: Array) -> tuple[Barriers, Array, Barriers]:
        bend = curves(loss, a, end, *args, kind=kind, **how)
        return straight(loss, a, end, *args, **on), bend, along(loss, a, bend, end, *args, kind=kind, **on)

    line, bend, curve = ways(b)
    if layers is None:
        return Between(line, None, None, bend, curve, None, None)
    matching = match(np.asarray(a), np.asarray(b), layers, activation, seed=seed)
    matched, matched_bend, matched_curve = ways(jnp.asarray(matching.x, a.dtype))
    return Between(line, matching, matched, bend, curve, matched_bend, matched_curve)


def rows(found: Between) -> list[dict[str, Any]]:
    """Return a row of plain values for each pair; None where there was no matching.

    Columns: the pair's number; the losses of its ends; ``barrier`` on the line and ``matched_barrier`` on that after
    matching; ``curve_barrier`` and ``matched_curve_barrier`` on the curves; and ``distance`` and ``matched_distance``
    of the networks' normal forms.
    """
    columns: dict[str, Any] = {
        "loss_a": found.straight.loss[:, 0],
        "loss_b": found.straight.loss[:, -1],
        "barrier": found.straight.height,
        "matched_barrier": None if found.matched is None else found.matched.height,
        "curve_barrier": found.curve.height,
        "matched_curve_barrier": None if found.matched_curve is None else found.matched_curve.height,
        "distance": None if found.matching is None else found.matching.before,
        "matched_distance": None if found.matching is None else found.matching.after,
    }
    lists = {name: None if column is None else np.asarray(column).tolist() for name, column in columns.items()}
    return [
        {"pair": pair} | {name: None if values is None else values[pair] for name, values in lists.items()}
        for pair in range(len(found.bend))
    ]
