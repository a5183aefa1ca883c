"""Items of a data set, and the parts that training, validation and test see."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Items(NamedTuple):
    """Some items: ``inputs [n, features]`` float64; ``targets`` int64 ``[n]`` for classes, else float64 ``[n, k]``."""

    inputs: np.ndarray
    targets: np.ndarray


def arrays(items: Items) -> dict[str, np.ndarray]:
    """Return items as the arguments of a loss; classes stay whole numbers as int32, which no precision rounds."""
    targets = items.targets.astype(np.int32) if items.targets.dtype.kind in "iu" else items.targets
    return {"inputs": items.inputs, "targets": targets}


class Pool(NamedTuple):
    """What a source has: all items not yet split, and what is known of them.

    ``classes`` is the number of classes, None where targets are numbers; ``image`` height and width of inputs that are
    images, else None; ``validation`` and ``test`` are items that the source itself holds out.
    """

    items: Items
    classes: int | None = None
    image: tuple[int, int] | None = None
    validation: Items | None = None
    test: Items | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """A data set in its parts.

    Attributes:
        name: what it is called in tables.
        train: the items whose loss is descended.
        validation, test: items held out, None for none.
        classes: number of classes, None where targets are numbers.
        image: height and width of inputs that are images, else None.
    """

    name: str
    train: Items
    validation: Items | None = None
    test: Items | None = None
    classes: int | None = None
    image: tuple[int, int] | None = None

    @property
    def held_out(self) -> dict[str, Items]:
        """The parts that are not trained on, by their names."""
        parts = {"validation": self.validation, "test": self.test}
        return {name: items for name, items in parts.items() if items is not None}
