"""Which items of a data set are trained on, which are held out."""

from typing import NamedTuple

import numpy as np

from mnemo_jax.data.draws import stream
from mnemo_jax.errors import UserError

Size = int | float | None


class Parts(NamedTuple):
    """Places of the items of each part, in increasing order; held-out parts may be empty."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(total: int, train: Size, validation: Size, test: Size, seed: int, labels: np.ndarray | None = None) -> Parts:
    """Return a random split of ``total`` items.

    Test items are dealt first and validation items next, so that other numbers of training items leave both as they
    are. With ``labels [total]`` classes are dealt evenly: every part has its share of each to within about an item.

    Args:
        total: number of items.
        train: training items as a whole number, or as a share of all items below 1; None is all the rest.
        validation: items of validation, likewise; None is none.
        test: test items, likewise.
        seed: of the split.
        labels: classes to deal evenly, None to deal without regard to them.

    Raises:
        UserError: a size that is none, or more items asked for than there are.
    """
    tested, validated = (_size(key, asked, total) for key, asked in (("test", test), ("validation", validation)))
    trained = total - tested - validated if train is None else _size("train", train, total)
    if trained < 1 or trained + tested + validated > total:
        parts = (trained, validated, tested) if train is not None else (validated, tested)
        asked, sum_ = " + ".join(map(str, parts)), sum(parts)
        left = "more than there are" if sum_ > total else "which leaves none to train on"
        raise UserError(f"data.train: {asked} = {sum_} of {total} items are asked for, {left}; ask for fewer")
    order = _order(total, seed, labels)
    ends = np.cumsum([tested, validated, trained])
    pieces = [np.sort(piece) for piece in np.split(order[: ends[-1]], ends[:-1])]
    return Parts(pieces[2], pieces[1], pieces[0])


def _size(key: str, asked: Size, total: int) -> int:
    if asked is None:
        return 0
    if isinstance(asked, float):
        if not 0.0 < asked < 1.0:
            raise UserError(f"data.{key}: {asked} is no share of the items; give a whole number, or a share below 1")
        asked = round(asked * total)
    if asked < 1:
        raise UserError(f"data.{key}: is no item; give 1 or more, or leave {key} out")
    return asked


def _order(total: int, seed: int, labels: np.ndarray | None) -> np.ndarray:
    """Return the places of all items in the order in which they are dealt."""
    shuffled = stream("split", seed).permutation(total)
    if labels is None:
        return shuffled
    # The k-th of the n items of a class belongs (k + 1/2) / n of the way down: any piece has its share of every class.
    own = labels[shuffled]
    way = np.empty(total)
    for label in np.unique(own):
        places = np.flatnonzero(own == label)
        way[places] = (np.arange(len(places)) + 0.5) / len(places)
    return shuffled[np.argsort(way, kind="stable")]
