"""What a critical point is: index, nullity and kind, with the numbers they rest on."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnemo_jax.calculus import Args, Loss, grad_of, hessian
from mnemo_jax.devices import Devices
from mnemo_jax.polish import Polished, Scales, eigen_floor, polish
from mnemo_jax.types import Either, Kind

PROBES = 8  # fixed random directions that look for kinks and bound third derivatives
KINK_STEP = 1e-6  # half-distance of the wider of the two gradient differences, in box lengths
TILE = (64, 4096)  # points judged at once on a CPU device and on others
WIDE = 32  # coordinates from which a CPU judges one point after the other: matrices of many leave its caches
WIDE_TILE = 8
SPREAD = 8  # tiles per device from which more than one device judges
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
        kind: int32, a `Kind`; ``DEGENERATE`` until higher derivatives have been looked at when ``nullity > 0``.
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
    x = found.x

    grad = partial(grad_of(loss), args=args)

    def second(y: Array) -> Array:
        return hessian(loss)(y, args)

    matrix = second(x)
    values = jnp.linalg.eigvalsh(0.5 * (matrix + matrix.T))
    smallest = jnp.min(jnp.abs(values))
    probes = jnp.asarray(_probes(x.size))

    def look(reach: Array, _: None) -> tuple[Array, Array]:
        """Measure third derivatives at a distance along each probe, and say how far to look next."""
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
    broken = _broken(lambda y: loss(y, args), x, scales, probes)
    smooth = Point(
        x=x,
        loss=loss(x, args),
        gradient=jnp.linalg.norm(grad(x)),
        eigenvalues=values,
        zero=zero,
        index=negative.astype(jnp.int32),
        nullity=null.astype(jnp.int32),
        kind=kind.astype(jnp.int32),
        radius=jnp.where((null > 0) | ~jnp.isfinite(radius), 0.0, radius),
        step=found.step,
        moved=found.moved,
        left=found.left | broken,
    )
    tip, kinked = _tip(found, broken, args, scales, loss=loss)
    return jax.tree.map(partial(jnp.where, kinked), tip, smooth)


def _tip(found: Polished, broken: Array, args: Args, scales: Scales, *, loss: Loss) -> tuple[Point, Array]:
    """Return a point as the kink that it may be, and whether it is one; no second derivatives but along lines.

    ``broken`` says whether the loss is, there.
    """
    x, probes = found.x, jnp.asarray(_probes(found.x.size))
    grad = partial(grad_of(loss), args=args)
    kinked = _kinked(grad, x, scales, probes)
    steps = jnp.where(kinked, HULL_STEPS, 0)  # none for a tile of points that are smooth, as most are
    slope, steepest = _hull(grad, x, KINK_STEP * scales.length, probes, steps)
    none, zero = jnp.int32(0), jnp.zeros((), x.dtype)
    tip = Point(
        x=x,
        loss=loss(x, args),
        gradient=jnp.linalg.norm(grad(x)),
        eigenvalues=jnp.full_like(x, jnp.nan),
        zero=eigen_floor(x.size, scales),
        index=none,
        nullity=none,
        kind=jnp.int32(Kind.KINK),
        radius=zero,
        step=found.step,
        moved=found.moved,
        left=(jnp.linalg.norm(slope) > KINK_BALANCE * steepest) | broken,
    )
    return tip, kinked


def _probes(dim: int) -> np.ndarray:
    """Return fixed random unit directions ``[probes, d]``: fixed, so that verdicts do not depend on a seed."""
    directions = np.random.default_rng(0).standard_normal((PROBES, dim))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _kinked(grad: Callable[[Array], Array], x: Array, scales: Scales, probes: Array) -> Array:
    """Whether gradient or curvature jumps at ``x``: their differences across it do not shrink with the distance."""

    def across(h: Array, v: Array) -> tuple[Array, Array, Array]:
        (ahead, turn_ahead), (behind, turn_behind) = (jax.jvp(grad, (x + side * h * v,), (v,)) for side in (1.0, -1.0))
        return tuple(map(jnp.linalg.norm, (ahead - behind, turn_ahead - turn_behind, turn_ahead)))

    wide = KINK_STEP * scales.length
    distances = jnp.repeat(jnp.stack([wide, wide / KINK_SHRINK]), len(probes))
    measured = jax.vmap(across)(distances, jnp.tile(probes, (2, 1)))
    (slope, slope_near), (bend, bend_near), (curvature, curvature_near) = (jnp.split(m, 2) for m in measured)
    jumps = (slope_near > 0.1 * slope) & (slope > 1e-3 * scales.gradient)
    bends = (bend_near > 0.5 * bend) & (bend > 1e-3 * scales.hessian)
    bursts = (curvature_near > 2.0 * curvature) & (curvature > 1e-3 * scales.hessian)
    return jnp.any(jumps | bends | bursts) | ~jnp.all(jnp.isfinite(grad(x)))


def _hull(
    grad: Callable[[Array], Array], x: Array, radius: Array, probes: Array, steps: Array | int = HULL_STEPS
) -> tuple[Array, Array]:
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

    nearest = jax.lax.fori_loop(0, steps, closer, jnp.mean(around, axis=0))
    return nearest, jnp.max(jnp.linalg.norm(around, axis=1))


def _broken(value: Callable[[Array], Array], x: Array, scales: Scales, probes: Array) -> Array:
    """Whether the loss has no value at ``x``, or grows without bound towards it, as at the pole of a logarithm.

    A continuous loss changes less and less on the way; one with a pole does not.
    """
    wide = KINK_STEP * scales.length
    steps = wide / KINK_SHRINK ** jnp.arange(3.0)
    ahead = jax.vmap(lambda v: jax.vmap(lambda h: value(x + h * v))(steps))(jnp.concatenate([probes, -probes]))
    far, near = jnp.abs(jnp.diff(ahead, axis=1)).T
    return ~jnp.isfinite(value(x)) | jnp.any((near > 0.9 * far) & (near > 1e-3 * wide * scales.gradient))


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
    zero = jnp.zeros((), x0.dtype)
    found = Polished(end, zero, zero, jnp.linalg.norm(end - x0), jnp.array(True))
    broken = _broken(lambda y: loss(y, args), end, scales, probes)
    tip, kinked = _tip(found, broken, args, scales, loss=loss)
    return tip._replace(left=tip.left | ~kinked)


def _judged(x0: Array, near: Array, args: Args, scales: Scales, *, loss: Loss) -> Point:
    return classify(polish(x0, args, scales, near, loss=loss), args, scales, loss=loss)


@partial(jax.jit, static_argnames=("loss", "one", "apart"))
def _tile(points: tuple[Array, ...], args: Args, scales: Scales, *, loss: Loss, one: Any, apart: bool) -> Point:
    if apart:
        return jax.lax.map(lambda p: one(*p, args, scales, loss=loss), points)
    return jax.vmap(lambda *p: one(*p, args, scales, loss=loss))(*points)


def _in_tiles(
    one: Any, points: tuple[np.ndarray, ...], args: Args, scales: Scales, loss: Loss, devices: Devices
) -> Point:
    """Map over points in tiles of one fixed shape, so that a point's numbers do not depend on its company."""
    number, apart = len(points[0]), devices.platform == "cpu" and points[0].shape[1] >= WIDE
    size = WIDE_TILE if apart else TILE[devices.platform != "cpu"]
    if not number:
        return _none(points[0].shape[1])
    begins = np.arange(0, number, size)
    # Each device compiles the program anew; on CPU it holds linear algebra, which one device at a time may do.
    share = len(devices) if devices.platform != "cpu" and len(begins) >= SPREAD * len(devices) else 1

    def work(part: int, device: jax.Device) -> list[Point]:
        rows = [np.minimum(np.arange(begin, begin + size), number - 1) for begin in begins[part::share]]
        own = jax.device_put((args, scales), device)
        tiles = (jax.device_put(tuple(p[r] for p in points), device) for r in rows)
        done = (_tile(tile, *own, loss=loss, one=one, apart=apart) for tile in tiles)
        return [Point(*map(np.asarray, tile)) for tile in done]  # one at a time: see devices.py

    if share == 1:
        parts = [work(0, devices.devices[0])]  # here, as the devices' threads may be at work
    else:
        parts = [future.result() for future in devices.each(work, range(share))]
    tiles = [parts[k % share][k // share] for k in range(len(begins))]
    return Point(*(np.concatenate(column)[:number] for column in zip(*tiles, strict=True)))


def _none(dim: int) -> Point:
    """Return no points of ``dim`` coordinates."""
    number, whole, flag = np.empty(0), np.empty(0, np.int32), np.empty(0, bool)
    vector = np.empty((0, dim))
    return Point(vector, number, number, vector, number, whole, whole, whole, number, number, number, flag)


def judge(x: np.ndarray, near: np.ndarray, args: Args, scales: Scales, *, loss: Loss, devices: Devices) -> Point:
    """Polish and classify end points ``x [n, d]`` (float64); ``near [n]`` says which come from converged descents."""
    return _in_tiles(_judged, (x, near), args, scales, loss, devices)


def settle(x: np.ndarray, args: Args, scales: Scales, *, loss: Loss, devices: Devices) -> Point:
    """Look for a kink near points ``x [n, d]`` where descents cannot settle; those without one have *left*."""
    return _in_tiles(_settled, (x,), args, scales, loss, devices)
