"""What a critical point is: index, nullity and kind, with the numbers they rest on."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax import elementary, native
from mnemo_jax.calculus import RIGHT, Args, Loss, grad_of, hessian, value_and_grad_of
from mnemo_jax.devices import Devices
from mnemo_jax.lanes import across
from mnemo_jax.polish import Polished, Scales, eigen_floor, polish
from mnemo_jax.types import Either, Kind

PROBES = 8  # fixed random directions that look for kinks and bound third derivatives
KINK_STEP = 1e-6  # half-distance of the wider of the two gradient differences, in box lengths
WIDE = 32  # coordinates from which a CPU judges one point after the other
SPREAD = 8  # calls per device from which more than one device judges
KINK_SHRINK = 32.0
"""A smooth gradient's difference shrinks with the distance; one across a kink does not."""
KINK_BALANCE = 1e-3  # of the largest gradient around a kink, above which their convex hull misses zero
HULL_STEPS = 128


class Point(NamedTuple):
    """One critical point with the numbers its kind rests on; float64.

    Attributes:
        x: ``[d]``.
        loss, gradient: loss and gradient norm there.
        eigenvalues: ``[d]`` of the Hessian, ascending.
        zero: eigenvalues at most this large in size count as zero.
        index, nullity: number of negative and of zero eigenvalues, int32.
        kind: int32, a `Kind`; ``DEGENERATE`` until higher derivatives have been looked at when ``nullity > 0``. Where a
            polish ends at a ``KINK`` the other numbers mean nothing, and `settle` looks for its tip.
        radius: distance within which Newton's method is expected to come here (Newton-Kantorovich, with third
            derivatives sampled at the point and around it, not bounded), half the box at most.
        step, moved: the polish's last step and its way in all.
        left: whether the polish wandered off, so that the end point has no critical point.
    """

    x: Either
    loss: Either
    gradient: Either
    eigenvalues: Either
    zero: Either
    index: Either
    nullity: Either
    kind: Either
    radius: Either
    step: Either
    moved: Either
    left: Either


def classify(found: Polished, args: Args, scales: Scales, *, loss: Loss) -> Point:
    """Return kind, index and nullity of one polished point.

    An eigenvalue is zero when it is within rounding of the Hessian plus what the remaining error of the point may
    have changed: ``64 d eps H_scale + 2 ||D3 f|| ||last Newton step||``.
    """
    x, values = found.x, found.eigenvalues
    smallest = jnp.min(jnp.abs(values))
    probes = jnp.asarray(_probes(x.size))

    def look(reach: Array, _: None) -> tuple[Array, Array]:
        """Measure third derivatives at a distance along each probe, and say how far to look next."""

        def second(y: Array) -> Array:
            return hessian(loss)(y, args)

        third = jax.vmap(lambda v: jnp.linalg.norm(jax.jvp(second, (x + reach * v,), (v,))[1]))(probes)
        # The largest of a few random directions stands for the norm over all: each sees about 1/sqrt(d) of it.
        bound = jnp.sqrt(x.size) * jnp.max(third)
        return jnp.minimum(smallest / (4.0 * jnp.maximum(bound, 1e-300)), scales.length), bound

    # Third derivatives may vanish at the point, as by symmetry, and not around it. A loop compiles them once.
    _, (bound, around) = jax.lax.scan(look, jnp.zeros_like(smallest), length=2)
    reach = jnp.minimum(smallest / (4.0 * jnp.maximum(bound, 1e-300)), scales.length)
    zero = eigen_floor(x.size, scales) + 2.0 * bound * found.step
    negative, null = jnp.sum(values < -zero), jnp.sum(jnp.abs(values) <= zero)
    kind = jnp.where(negative == 0, Kind.MINIMUM, jnp.where(negative == x.size, Kind.MAXIMUM, Kind.SADDLE))
    kind = jnp.where(null > 0, Kind.DEGENERATE, kind)
    radius = jnp.minimum(smallest / (4.0 * jnp.maximum(jnp.maximum(bound, around), 1e-300)), reach)
    local = _around(x, args, scales, probes, loss=loss)
    return Point(
        x=x,
        loss=local.loss,
        gradient=local.gradient,
        eigenvalues=values,
        zero=zero,
        index=negative.astype(jnp.int32),
        nullity=null.astype(jnp.int32),
        kind=jnp.where(local.kinked, Kind.KINK, kind).astype(jnp.int32),
        radius=jnp.where((null > 0) | ~jnp.isfinite(radius), 0.0, radius),
        step=found.step,
        moved=found.moved,
        left=found.left | local.broken,
    )


def _probes(dim: int) -> np.ndarray:
    """Return fixed random unit directions ``[probes, d]``: fixed, so that verdicts do not depend on a seed."""
    directions = np.random.default_rng(0).standard_normal((PROBES, dim))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


class _Around(NamedTuple):
    """Loss and gradient norm at a point, and how smooth the loss is around it.

    Attributes:
        kinked: whether gradient or curvature jumps there: their differences across it do not shrink with the distance.
        broken: whether the loss has no value there, or grows without bound towards it, as at the pole of a logarithm: a
            continuous loss changes less and less on the way.
    """

    loss: Array
    gradient: Array
    kinked: Array
    broken: Array


def _around(x: Array, args: Args, scales: Scales, probes: Array, *, loss: Loss) -> _Around:
    """Look around the point ``x [d]``, along probes and against them."""
    both = partial(value_and_grad_of(loss), args=args)
    wide, middle, narrow = KINK_STEP * scales.length / KINK_SHRINK ** jnp.arange(3.0)

    def ahead(h: Array, v: Array) -> tuple[Array, Array, Array]:
        (value, slope), (_, turn) = jax.jvp(both, (x + h * v,), (v,))
        return value, slope, turn

    ways = jnp.concatenate([probes, -probes])
    found = jax.vmap(ahead)(jnp.repeat(jnp.stack([wide, middle]), len(ways)), jnp.concatenate([ways, ways]))
    values, slopes, turns = (column.reshape(2, len(ways), *column.shape[1:]) for column in found)
    nearest = jax.vmap(lambda v: loss(x + narrow * v, args))(ways)
    far, near = jnp.abs(jnp.diff(jnp.stack([*values, nearest]), axis=0))

    def jump(there: Array, back: Array) -> Array:
        return jnp.linalg.norm(there - back, axis=-1)

    number = len(probes)
    slope, slope_near = jump(slopes[:, :number], slopes[:, number:])
    bend, bend_near = jump(turns[:, :number], -turns[:, number:])  # behind, the way turns as well
    curvature, curvature_near = jnp.linalg.norm(turns[:, :number], axis=-1)
    jumps = (slope_near > 0.1 * slope) & (slope > 1e-3 * scales.gradient)
    bends = (bend_near > 0.5 * bend) & (bend > 1e-3 * scales.hessian)
    bursts = (curvature_near > 2.0 * curvature) & (curvature > 1e-3 * scales.hessian)
    value, gradient = both(x)
    return _Around(
        loss=value,
        gradient=jnp.linalg.norm(gradient),
        kinked=jnp.any(jumps | bends | bursts) | ~jnp.all(jnp.isfinite(gradient)),
        broken=~jnp.isfinite(value) | jnp.any((near > 0.9 * far) & (near > 1e-3 * wide * scales.gradient)),
    )


def _hull(grad: Callable[[Array], Array], x: Array, radius: Array, probes: Array) -> tuple[Array, Array]:
    """Return the smallest element ``[d]`` of the convex hull of the gradients around ``x``, and their largest norm.

    It is zero at a critical point of a kinked loss, but not on a crease that slopes (Clarke, Optimization and
    Nonsmooth Analysis, 1983, section 2.3), and the way down from there (Burke, Lewis and Overton, SIAM J. Optim. 15,
    2005). Found by Frank and Wolfe's method with exact steps.
    """
    directions = jnp.concatenate([probes, jnp.eye(x.size)])
    around = jax.vmap(lambda v: grad(x + radius * v))(jnp.concatenate([directions, -directions]))

    def closer(_: int, nearest: Array) -> Array:
        way = around[jnp.argmin(around @ nearest)] - nearest
        square = way @ way
        return nearest + jnp.clip(-(nearest @ way) / jnp.where(square > 0, square, 1.0), 0.0, 1.0) * way

    nearest = jax.lax.fori_loop(0, HULL_STEPS, closer, jnp.mean(around, axis=0))
    return nearest, jnp.max(jnp.linalg.norm(around, axis=1))


def _settled(x0: Array, args: Args, scales: Scales, *, loss: Loss) -> Point:
    """Close in on the tip near ``x0 [d]`` by steps of geometrically shrinking length, down where gradients agree on."""
    grad, probes = partial(grad_of(loss), args=args), jnp.asarray(_probes(x0.size))

    def shrink(k: int, x: Array) -> Array:
        h = 1e-2 * scales.length * 0.9**k
        slope, _ = _hull(grad, x, h, probes)
        size = jnp.linalg.norm(slope)
        return x - jnp.where(size > 0, h / size, 0.0) * slope

    end = jax.lax.fori_loop(0, 320, shrink, x0)
    # Where autodiff has no gradient at all the point itself is judged.
    end = jnp.where(jnp.all(jnp.isfinite(grad(x0))), end, x0)
    slope, steepest = _hull(grad, end, KINK_STEP * scales.length, probes)
    around = _around(end, args, scales, probes, loss=loss)
    none, zero = jnp.int32(0), jnp.zeros((), x0.dtype)
    return Point(
        x=end,
        loss=around.loss,
        gradient=around.gradient,
        eigenvalues=jnp.full_like(end, jnp.nan),
        zero=eigen_floor(end.size, scales),
        index=none,
        nullity=none,
        kind=jnp.int32(Kind.KINK),
        radius=zero,
        step=zero,
        moved=jnp.linalg.norm(end - x0),
        left=~around.kinked | around.broken | (jnp.linalg.norm(slope) > KINK_BALANCE * steepest),
    )


def _judged(x0: Array, near: Array, args: Args, scales: Scales, *, loss: Loss) -> Point:
    return classify(polish(x0, args, scales, near, loss=loss), args, scales, loss=loss)


Tiling = Literal["apart", "on_cpu", "on_others"]
TILE: dict[Tiling, int] = {"apart": 8, "on_cpu": 64, "on_others": 4096}
"""Points judged at once, by how: on a CPU points of many coordinates one after the other, as their matrices leave its
caches otherwise."""
TILES: dict[Tiling, int] = {"apart": 1, "on_cpu": 16, "on_others": 1}  # of a call, which takes 0.4 ms beside them


@partial(jax.jit, static_argnames=("loss", "one", "tiling"), compiler_options=RIGHT)
def _tiles(
    points: tuple[Array, ...], number: Array, args: Args, scales: Scales, *, loss: Loss, one: Any, tiling: Tiling
) -> Point:
    """Map over the first ``number`` tiles of points ``[TILES TILE, ...]``; other rows mean nothing.

    Compiled without a library's sums, which take longer for so few entries.
    """
    size, work = TILE[tiling], partial(one, args=args, scales=scales, loss=loss)

    def done(tile: tuple[Array, ...]) -> Point:
        if tiling == "apart":
            return jax.lax.map(lambda point: work(*point), tile)
        if tiling == "on_cpu" and native.is_plain(jax.make_jaxpr(grad_of(loss))(points[0][0], args)):
            laned = across(work, "lanes_last", elementary.INSTEAD)(*(jnp.moveaxis(column, 0, -1) for column in tile))
            return jax.tree.map(lambda column: jnp.moveaxis(column, -1, 0), laned)
        found: Point = jax.vmap(work)(*tile)
        return found

    def put(k: Array, out: Point) -> Point:
        part = done(tuple(jax.lax.dynamic_slice_in_dim(column, k * size, size) for column in points))
        return jax.tree.map(lambda o, p: jax.lax.dynamic_update_slice_in_dim(o, p, k * size, 0), out, part)

    return jax.lax.fori_loop(0, number, put, jax.tree.map(jnp.asarray, _blank(*points[0].shape)))


def _in_tiles(
    one: Any, points: tuple[np.ndarray, ...], args: Args, scales: Scales, loss: Loss, devices: Devices
) -> Point:
    """Map over points in tiles of one fixed shape, so that a point's numbers do not depend on its company."""
    total, dim = points[0].shape
    tiling: Tiling = "on_others" if devices.platform != "cpu" else "apart" if dim >= WIDE else "on_cpu"
    if not total:
        return _blank(0, dim)
    size, most = TILE[tiling], TILE[tiling] * TILES[tiling]
    begins = np.arange(0, total, most)
    # Each device compiles the program anew; on CPU it holds linear algebra, which one device at a time may do.
    share = len(devices) if devices.platform != "cpu" and len(begins) >= SPREAD * len(devices) else 1

    def work(part: int, put: Callable[[Any], Any]) -> list[Point]:
        own, calls = put((args, scales)), []
        for begin in begins[part::share]:
            rows = np.minimum(np.arange(begin, begin + most), total - 1)
            number = np.int32(-(-min(most, total - begin) // size))
            given = put((tuple(column[rows] for column in points), number))
            found = _tiles(*given, *own, loss=loss, one=one, tiling=tiling)
            calls.append(Point(*map(np.asarray, found)))  # one at a time: see devices.py
        return calls

    if share == 1:
        parts = [work(0, lambda given: given)]  # here, as the devices' threads may be at work
    else:
        each = devices.each(lambda part, device: work(part, partial(jax.device_put, device=device)), range(share))
        parts = [future.result() for future in each]
    calls = [parts[k % share][k // share] for k in range(len(begins))]
    return Point(*(np.concatenate(column)[:total] for column in zip(*calls, strict=True)))


def _blank(number: int, dim: int) -> Point:
    """Return ``number`` points of ``dim`` coordinates, all zeros."""
    real, whole, vector = np.zeros(number), np.zeros(number, np.int32), np.zeros((number, dim))
    return Point(vector, real, real, vector, real, whole, whole, whole, real, real, real, np.zeros(number, bool))


def judge(x: np.ndarray, near: np.ndarray, args: Args, scales: Scales, *, loss: Loss, devices: Devices) -> Point:
    """Polish and classify end points ``x [n, d]`` (float64); ``near [n]`` says which come from converged descents."""
    return _in_tiles(_judged, (x, near), args, scales, loss, devices)


def settle(x: np.ndarray, args: Args, scales: Scales, *, loss: Loss, devices: Devices) -> Point:
    """Look for a kink near points ``x [n, d]`` where descents cannot settle; those without one have *left*."""
    return _in_tiles(_settled, (x,), args, scales, loss, devices)
