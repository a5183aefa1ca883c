"""In which order minima are joined by saddles as the loss rises: the tree of a disconnectivity graph."""

from typing import NamedTuple

import numpy as np

from mnemo_jax.found import CriticalPoints
from mnemo_jax.types import Kind


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
            the mean of its minima.
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
    for k in range(len(leaves), len(height)):
        place[k] = place[under[k]].mean()
    return Tree(leaves, np.array(height), np.array(children, int).reshape(-1, 2), np.array(roots, int), place)


def _top(parent: dict[int, int], row: int) -> int:
    """Return the row that stands for the group of ``row``, and shorten the way there."""
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row
