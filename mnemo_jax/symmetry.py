"""Canonical representatives: one point for all that a landscape's periods and symmetries say are the same."""

import itertools

import numpy as np

from mnemo_jax.landscape import Landscape, Symmetry

TIE = 1e-7  # box lengths within which coordinates count as equal when members are put in order


def canonical(x: np.ndarray, landscape: Landscape) -> np.ndarray:
    """Return the representatives of points ``x [n, d]``: signs of single members, the other symmetries, the periods.

    Two points of one orbit get the same representative up to rounding when one symmetry is declared, or the signs of
    single members with a permutation. A permutation together with a rotation, a joint sign or a translation of a
    torus is not undone whole: such an orbit may keep several representatives, listed one by one.
    """
    lower, upper = np.asarray(landscape.lower), np.asarray(landscape.upper)
    periodic = np.asarray(landscape.periodic)
    period = np.where(periodic, upper - lower, 0.0)
    tie = TIE * float(np.max(upper - lower))
    x = np.array(x, dtype=np.float64)
    if not len(x):
        return x
    # Signs and the order of members are read about zero, wherever a period begins.
    safe = np.where(period > 0, period, 1.0)
    x = np.where(period > 0, x - safe * np.floor(x / safe + 0.5 + TIE), x)
    # Members' own signs first: the order of members is read off their coordinates.
    for symmetry in sorted(landscape.symmetries, key=lambda s: s.kind != "sign" or s.joint):
        axes = np.arange(landscape.dim) if symmetry.axes is None else np.asarray(symmetry.axes)
        members = x[:, axes].reshape(len(x), -1, symmetry.block)
        periods = period[axes].reshape(-1, symmetry.block)
        x[:, axes] = _representative(members, symmetry, periods, tie).reshape(len(x), -1)
    return _wrap(x, lower, period, tie)


def zero_modes(landscape: Landscape) -> int:
    """Return the number of zero eigenvalues that the declared continuous symmetries cause."""
    modes = {"translation": lambda b: b, "rotation": lambda b: b * (b - 1) // 2}
    return sum(modes[s.kind](s.block) for s in landscape.symmetries if s.kind in modes)


def _wrap(x: np.ndarray, lower: np.ndarray, period: np.ndarray, tie: float) -> np.ndarray:
    """Bring periodic coordinates into ``[lower, upper)``, those within rounding of the upper end to the lower."""
    safe = np.where(period > 0, period, 1.0)
    wrapped = lower + np.mod(x - lower + tie, safe) - tie
    return np.where(period > 0, wrapped, x)


def _representative(members: np.ndarray, symmetry: Symmetry, period: np.ndarray, tie: float) -> np.ndarray:
    match symmetry.kind:
        case "translation":
            # On a torus the mean is not defined; the first member is brought to the origin instead.
            if np.all(period > 0):
                return np.mod(members - members[:, :1] + tie, period) - tie
            return members - members.mean(axis=1, keepdims=True)
        case "rotation":
            return _rotated(members)
        case "sign":
            signs = first_sign(members.reshape(len(members), -1), tie) if symmetry.joint else None
            return members * (first_sign(members, tie) if signs is None else signs[:, None])
        case "permutation":
            return ordered(members, tie)


def first_sign(values: np.ndarray, tie: float) -> np.ndarray:
    """Return the sign of the first entry along the last axis that is not zero, with that axis kept."""
    large = np.abs(values) > tie
    first = np.take_along_axis(values, np.argmax(large, axis=-1)[..., None], axis=-1)
    return np.where(first < 0, -1.0, 1.0)


def ordered(members: np.ndarray, tie: float) -> np.ndarray:
    """Sort members by their coordinates; values that follow each other within ``tie`` count as equal."""
    place = np.zeros(members.shape[:2], np.int64)
    for k in range(members.shape[2]):
        order = np.argsort(members[:, :, k], axis=1, kind="stable")
        gaps = np.diff(np.take_along_axis(members[:, :, k], order, axis=1), axis=1, prepend=-np.inf) > tie
        rank = np.empty_like(place)
        np.put_along_axis(rank, order, np.cumsum(gaps, axis=1), axis=1)
        place = _dense(place * (members.shape[1] + 1) + rank)
    return np.take_along_axis(members, np.argsort(place, axis=1, kind="stable")[..., None], axis=1)


def _dense(place: np.ndarray) -> np.ndarray:
    """Return places ``[n, m]`` as ranks below ``m``: carried on as they are, those of many coordinates overflow."""
    order = np.argsort(place, axis=1, kind="stable")
    steps = np.diff(np.take_along_axis(place, order, axis=1), axis=1, prepend=-1) > 0
    ranks = np.empty_like(place)
    np.put_along_axis(ranks, order, np.cumsum(steps, axis=1) - 1, axis=1)
    return ranks


def _rotated(members: np.ndarray) -> np.ndarray:
    """Turn each cloud of members about the origin: the first on the first axis, the next in the half-plane."""
    out = np.empty_like(members)
    for k, cloud in enumerate(members):
        radii = np.linalg.norm(cloud, axis=1)
        frame: list[np.ndarray] = []
        # The first two members (in the order given) that do not lie on one line with the origin fix the frame.
        for vector in itertools.chain(cloud, np.eye(cloud.shape[1])):
            rest = vector - sum((np.dot(vector, e) * e for e in frame), np.zeros(cloud.shape[1]))
            if np.linalg.norm(rest) > 1e-6 * max(float(radii.max()), 1e-300) and len(frame) < cloud.shape[1]:
                frame.append(rest / np.linalg.norm(rest))
        turn = np.stack(frame)
        if np.linalg.det(turn) < 0:
            turn[-1] = -turn[-1]
        out[k] = cloud @ turn.T
    return out
