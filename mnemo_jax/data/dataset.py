"""A data set as a config says it: where its items are from, and what is done to them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from pydantic import Field

from mnemo_jax.choices import choice
from mnemo_jax.data.blobs import blobs
from mnemo_jax.data.digits import digits
from mnemo_jax.data.draws import stream
from mnemo_jax.data.file import file
from mnemo_jax.data.items import Data, Items, Pool
from mnemo_jax.data.labels import jittered, noisy, uniform
from mnemo_jax.data.linear_teacher import linear_teacher
from mnemo_jax.data.mnist import mnist
from mnemo_jax.data.moons import moons
from mnemo_jax.data.random_labels import random_labels
from mnemo_jax.data.split import Size, split
from mnemo_jax.data.teacher import teacher
from mnemo_jax.data.xor import xor
from mnemo_jax.errors import UserError, did_you_mean

_SOURCES = (blobs, digits, file, linear_teacher, mnist, moons, random_labels, teacher, xor)
SOURCES: dict[str, Callable[..., Pool]] = {source.__name__: source for source in _SOURCES}


@choice
class DataSet:
    """``[data]``: items of a source, split, standardised and, if asked, spoilt.

    Attributes:
        name: the source, one of `names`.
        args: arguments of the source; a ``seed`` that it takes is the one here unless given.
        seed: root of the random numbers of source, split and noise, each of which has a stream of its own.
        train: training items as a whole number, or as a share of all items; None for all that are not held out.
        validation, test: items held out, likewise; None for none, or for those that a file itself holds out.
        stratified: whether each part has its share of every class, to within about an item.
        standardise: whether every input feature has the mean of the training items subtracted and is divided by their
            standard deviation; features constant in training are 0 in every part. Targets stay as they are.
        label_noise: this share of the labels of training and validation is replaced by another, uniformly random class;
            the test's labels stay clean.
        random_labels: whether all training labels are replaced by uniformly random ones; others stay clean.
        target_noise: standard deviation of the normal noise on targets that are numbers, in training and validation;
            the test's stay clean.
    """

    name: str
    args: Mapping[str, Any] = Field(default_factory=dict)
    seed: Annotated[int, Ge(0)] = 0
    train: Size = None
    validation: Size = None
    test: Size = None
    stratified: bool = False
    standardise: bool = False
    label_noise: Annotated[float, Ge(0), Le(1)] = 0.0
    random_labels: bool = False
    target_noise: Annotated[float, Ge(0)] = 0.0


def names() -> tuple[str, ...]:
    """Return the names of the sources, in alphabetical order."""
    return tuple(sorted(SOURCES))


def make(asked: DataSet) -> Data:
    """Return the data set in its parts; equal choices give equal bytes, on machines with one linear algebra library.

    Raises:
        UserError: there is no such source or argument, or what is asked for does not suit its items.
    """
    pool = _pool(asked)
    _suits(asked, pool)
    parts = {key: _spoilt(asked, key, items, pool.classes) for key, items in _parts(asked, pool).items()}
    if asked.standardise:
        parts = _standardised(parts)
    return Data(name=asked.name, classes=pool.classes, image=pool.image, **parts)


def _pool(asked: DataSet) -> Pool:
    """Return all items of the source."""
    if asked.name not in SOURCES:
        raise UserError(f"data.name: no data set is called {asked.name!r}{did_you_mean(asked.name, SOURCES)}")
    source = SOURCES[asked.name]
    parameters = inspect.signature(source).parameters
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in asked.args:
            raise UserError(f"data.args.{key}: is missing; {asked.name} needs it")
    seed = {"seed": asked.seed} if "seed" in parameters else {}
    return source(**(seed | dict(asked.args)))


def _suits(asked: DataSet, pool: Pool) -> None:
    """Refuse what means nothing for these items."""
    for key in ("stratified", "label_noise", "random_labels"):
        if getattr(asked, key) and pool.classes is None:
            raise UserError(f"data.{key}: the targets of {asked.name} are numbers, not classes; leave {key} out")
    if asked.target_noise and pool.classes is not None:
        raise UserError(f"data.target_noise: the targets of {asked.name} are classes; give label_noise")
    if asked.label_noise and pool.classes == 1:
        raise UserError(f"data.label_noise: {asked.name} has one class alone, and no other to put in its place")
    if asked.label_noise and asked.random_labels:
        raise UserError("data.label_noise: random_labels replaces all labels already; leave one of them out")
    for key in ("validation", "test"):
        if getattr(asked, key) is not None and getattr(pool, key) is not None:
            raise UserError(f"data.{key}: the file holds out {key} items itself; leave {key} out")


def _parts(asked: DataSet, pool: Pool) -> dict[str, Items]:
    """Return the items of each part that has any."""
    labels = pool.items.targets if asked.stratified else None
    places = split(len(pool.items.inputs), asked.train, asked.validation, asked.test, asked.seed, labels)
    parts = {key: Items(*(array[rows] for array in pool.items)) for key, rows in places._asdict().items() if len(rows)}
    held = {key: getattr(pool, key) for key in ("validation", "test") if getattr(pool, key) is not None}
    return parts | held


def _spoilt(asked: DataSet, part: str, items: Items, classes: int | None) -> Items:
    """Return the items of a part with the noise asked for on their targets."""
    if part == "test":
        return items
    targets = items.targets
    if classes is None:
        if asked.target_noise:
            targets = jittered(targets, asked.target_noise, stream(f"{part} targets", asked.seed))
    elif asked.random_labels and part == "train":
        targets = uniform(targets, classes, stream("train labels", asked.seed))
    elif asked.label_noise:
        targets = noisy(targets, asked.label_noise, classes, stream(f"{part} labels", asked.seed))
    return Items(items.inputs, targets)


def _standardised(parts: dict[str, Items]) -> dict[str, Items]:
    """Return the parts with every feature's mean and standard deviation in training made 0 and 1."""
    train = parts["train"].inputs
    varies = train.max(axis=0) > train.min(axis=0)
    mean, spread = train.mean(axis=0), np.where(varies, train.std(axis=0), 1.0)
    return {key: Items(np.where(varies, (x - mean) / spread, 0.0), targets) for key, (x, targets) in parts.items()}
