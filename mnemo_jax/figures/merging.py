"""In which order minima are joined by saddles as the loss rises: the tree of a disconnectivity graph."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mnemo_jax.found import CriticalPoints
from mnemo_jax.types import Kind

EQUAL = 1e-6  # of the range of losses, within which two are one level


class Ways(NamedTuple):
    """The pathways between listed minima, one row each.

    Attributes:
        saddle: ``[m]``, row of the catalogue.
        minima: ``[m, 2]``, rows of the minima to either side, -1 where the flow reaches none listed.
        loss: ``[m]``, of the saddle.
    """

    saddle: np.ndarray
    minima: np.ndarray
    loss: np.ndarray


class Tree(NamedTuple):
    """Minima joined two by two by rising loss; node ``k < len(leaves)`` is a minimum, the others are joinings.

    Attributes:
        leaves: ``[n]``, rows of the minima.
        loss: ``[n + j]``, of the minimum, or of the saddle at which two nodes are joined.
        children: ``[j, 2]``, nodes that the j-th joining joins, the one with the lower minimum first.
        roots: ``[r]``, nodes that nothing joins, by the loss of their lowest minimum.
        place: ``[n + j]``, whole numbers from 0 for minima, in an order in which branches do not cross; for a joining
            the mean of the branches that it joins, those joined before at the same level among them.
    """

    leaves: np.ndarray
    loss: np.ndarray
    children: np.ndarray
    roots: np.ndarray
    place: np.ndarray


def ways_of(found: CriticalPoints) -> Ways:
    """Return the pathways of a search."""
    table = found.pathways()
    minima = np.stack([table[f"minimum{k}"].fill_null(-1).to_numpy() for k in (0, 1)], axis=1).reshape(-1, 2)
    saddle = table["saddle"].to_numpy()
    return Ways(saddle, minima.astype(int), found.catalogue.loss[saddle])


def minima_of(found: CriticalPoints) -> np.ndarray:
    """Return the rows of the minima in the box."""
    return np.flatnonzero((found.catalogue.kind == Kind.MINIMUM) & found.inside_box)


def tree_of(found: CriticalPoints) -> Tree:
    """Return the tree of the minima in the box.

    Two minima are joined at the highest saddle of the lowest way between them, which may lead over minima outside.
    """
    return tree(minima_of(found), found.catalogue.loss, ways_of(found))


def tree(leaves: np.ndarray, loss: np.ndarray, ways: Ways) -> Tree:
    """Return the tree of minima by Kruskal's algorithm.

    Args:
        leaves: ``[n]``, rows of the catalogue, rising. Its canonical order is that of losses, with those equal but for
            rounding in order of place; so the first of two minima counts as the lower.
        loss: of the catalogue.
        ways: the pathways, taken by row of their saddles, which is by rising loss for the same reason.
    """
    node = {int(row): k for k, row in enumerate(leaves)}  # of each group, by the row that stands for it
    under = {k: [k] for k in range(len(leaves))}  # minima below each node
    parent = {int(row): int(row) for row in [*leaves, *ways.minima.ravel()]}
    height, children = list(loss[leaves]), []
    for way in np.argsort(ways.saddle, kind="stable"):
        if np.any(ways.minima[way] < 0):
            continue
        a, b = (_top(parent, int(row)) for row in ways.minima[way])
        if a == b:
            continue
        parent[b] = a
        if a in node and b in node:
            pair = sorted([node[a], node[b]], key=lambda k: under[k][0])
            node[a] = len(height)
            under[node[a]] = under[pair[0]] + under[pair[1]]
            height.append(ways.loss[way])
            children.append(pair)
        elif b in node:
            node[a] = node[b]
        node.pop(b, None)
    roots = sorted(node.values(), key=lambda k: under[k][0])
    place = np.empty(len(height))
    place[[leaf for root in roots for leaf in under[root]]] = np.arange(len(leaves))
    pairs = np.array(children, int).reshape(-1, 2)
    for k, branches in joints(pairs, levels(np.array(height))):
        place[k] = place[branches].mean()
    return Tree(leaves, np.array(height), pairs, np.array(roots, int), place)


def levels(loss: np.ndarray) -> np.ndarray:
    """Return the number ``[n]`` of each loss's level; losses that follow within `EQUAL` of their range share one."""
    order = np.argsort(loss, kind="stable")
    level = np.zeros(len(loss), int)
    level[order[1:]] = np.cumsum(np.diff(loss[order]) > EQUAL * (np.ptp(loss) if len(loss) else 0.0))
    return level


def joints(children: np.ndarray, level: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """Yield every joining with its branches, those below first; one below at its own level gives its branches up.

    Args:
        children: ``[j, 2]``, nodes that each joining joins; minima have the numbers before.
        level: ``[n + j]``, of the nodes.
    """
    left: dict[int, list[int]] = {}
    for k, pair in enumerate(children.tolist(), len(level) - len(children)):
        left[k] = [b for node in pair for b in (left.pop(node) if node in left and level[node] == level[k] else [node])]
        yield k, left[k]


def _top(parent: dict[int, int], row: int) -> int:
    """Return the row that stands for the group of ``row``, and shorten the way there."""
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row
