"""Fewer minima for the eye: what is alike is drawn once or twice and counted, and of the rest the lowest are shown."""

from typing import NamedTuple

import numpy as np

from mnemo_jax.figures.merging import Tree, Ways, joints, levels, tree

KEPT = 2  # of branches that are alike, enough to show that they fork


class Feet(NamedTuple):
    """A tree of some of the minima.

    Attributes:
        tree: of the minima that are drawn.
        more: ``[n]``, how many further minima each of them stands for.
    """

    tree: Tree
    more: np.ndarray


class Groups(NamedTuple):
    """Minima in groups whose members have the same loss and the same saddles to members of the same groups.

    Attributes:
        rows: ``[n]``, the first minimum of each group, rising.
        members: ``[n]``, its number of minima.
        ways: between groups, named by their first minima; equal ones are one.
        saddles: ``[m]``, how many saddles each of them stands for.
        lowest: bool ``[m]``, whether no lower way round joins what it joins.
    """

    rows: np.ndarray
    members: np.ndarray
    ways: Ways
    saddles: np.ndarray
    lowest: np.ndarray


def feet(whole: Tree, loss: np.ndarray, ways: Ways, most: int) -> Feet:
    """Return the tree of no more than ``most`` minima: two of all branches that are alike, of these the lowest feet.

    Args:
        whole: the tree of all minima; returned as it is when small enough.
        loss: of the catalogue, whose rows rise with it.
        ways: the pathways.
        most: feet.
    """
    if len(whole.leaves) <= most:
        return Feet(whole, np.zeros(len(whole.leaves), int))
    stands = standing(whole)
    kept = np.flatnonzero(stands)[:most]
    return Feet(tree(whole.leaves[kept], loss, ways), stands[kept] - 1)


def standing(whole: Tree) -> np.ndarray:
    """Return how many minima each stands for when of branches that are alike two are kept, 0 for one that is not.

    Alike are branches that leave one joint and have their feet and joints at the same levels; joints that follow each
    other at one level are one. The second branch kept stands for all that are not.
    """
    number, level = len(whole.leaves), levels(whole.loss)
    stands = np.ones(number, int)
    forms: dict[tuple[int, ...], int] = {}  # equal numbers for equal branches
    form = {k: forms.setdefault((int(level[k]),), len(forms)) for k in range(number)}
    kept = {k: [k] for k in range(number)}  # feet below each branch
    above = np.repeat(np.arange(number, len(level)), 2)
    inner = whole.children.ravel()[level[whole.children.ravel()] == level[above]]  # whose branches are the next one's
    for joint, branches in joints(whole.children, level):
        if joint in inner:
            continue
        alike: dict[int, list[int]] = {}
        for branch in branches:
            alike.setdefault(form[branch], []).append(branch)
        for group in alike.values():
            stands[[foot for branch in group[KEPT:] for foot in kept[branch]]] = 0
            stands[kept[group[:KEPT][-1]]] *= max(1, len(group) - KEPT + 1)
        shape = (int(level[joint]), *sorted(form[branch] for branch in branches))
        form[joint] = forms.setdefault(shape, len(forms))
        kept[joint] = [foot for group in alike.values() for branch in group[:KEPT] for foot in kept[branch]]
    return stands


def groups(rows: np.ndarray, loss: np.ndarray, ways: Ways, most: int) -> Groups:
    """Return the minima and the ways between them, in groups of alike ones where there are more than ``most``.

    Args:
        rows: ``[n]``, minima, rising.
        loss: of the catalogue.
        ways: between two different minima of these.
        most: minima up to which each is a group of its own.

    Groups are the coarsest that satisfy their definition, found by refining those of equal loss until nothing changes
    (Weisfeiler and Leman 1968).
    """
    level = levels(np.concatenate([loss[rows], ways.loss]))
    saddle = level[len(rows) :]
    ends = np.searchsorted(rows, ways.minima)
    group = np.arange(len(rows)) if len(rows) <= most else _refined(level[: len(rows)], ends, saddle)
    _, first, group, members = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    pair = np.sort(first[group[ends]], axis=1)
    _, one, which, saddles = np.unique(
        np.column_stack([pair, saddle]), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    lowest = np.zeros(len(one), bool)
    np.logical_or.at(lowest, which.ravel(), _lowest(ends, saddle, len(rows)))
    order = np.argsort(first)
    between = Ways(ways.saddle[one], rows[pair[one]], ways.loss[one])
    return Groups(rows[first[order]], members[order], between, saddles, lowest)


def _refined(group: np.ndarray, ends: np.ndarray, saddle: np.ndarray) -> np.ndarray:
    """Return groups ``[n]`` in which equal members have equal saddles to equal groups."""
    number = -1
    while len(np.unique(group)) > number:
        number = len(np.unique(group))
        seen: list[list[tuple[int, int]]] = [[] for _ in group]
        for (a, b), height in zip(ends.tolist(), saddle.tolist(), strict=True):
            seen[a].append((height, int(group[b])))
            seen[b].append((height, int(group[a])))
        names: dict[tuple[int, ...], int] = {}
        words = [
            (int(own), *(n for pair in sorted(around) for n in pair)) for own, around in zip(group, seen, strict=True)
        ]
        group = np.array([names.setdefault(word, len(names)) for word in words])
    return group


def _lowest(ends: np.ndarray, saddle: np.ndarray, number: int) -> np.ndarray:
    """Whether the two minima of each way are not joined below its own level already."""
    part = np.arange(number)
    lowest = np.zeros(len(ends), bool)
    for level in np.unique(saddle):
        at = np.flatnonzero(saddle == level)
        lowest[at] = part[ends[at, 0]] != part[ends[at, 1]]
        for a, b in ends[at]:
            part[part == part[b]] = part[a]
    return lowest


def cut(whole: Groups, most: int) -> Groups:
    """Return the lowest groups, ``most`` at most, and the ways between these."""
    rows = whole.rows[:most]
    kept = np.isin(whole.ways.minima, rows).all(axis=1)
    ways = Ways(*(column[kept] for column in whole.ways))
    return Groups(rows, whole.members[:most], ways, whole.saddles[kept], whole.lowest[kept])
