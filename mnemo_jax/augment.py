"""Items of a batch changed at random, so that no two steps of a descent see quite the same ones."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import Ge, Le
from jax import Array
from jax.scipy.ndimage import map_coordinates

from mnemo_jax.choices import choice
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape


@choice
class Augment:
    """``[augment]``: what is done to the inputs of each batch, anew for each item, start and step.

    Attributes:
        noise: standard deviation of the normal noise on every input.
        shift: pixels that an image is moved by at most, in both directions, uniformly.
        whole: whether shifts are by whole pixels; else images are interpolated linearly.
        rotation: degrees that an image is turned by at most about its centre, uniformly.
        image: height and width of the inputs as images; the data's own when None. What comes in from outside is 0.
    """

    noise: Annotated[float, Ge(0)] = 0.0
    shift: Annotated[float, Ge(0)] = 0.0
    whole: bool = False
    rotation: Annotated[float, Ge(0), Le(180)] = 0.0
    image: tuple[Annotated[int, Ge(1)], Annotated[int, Ge(1)]] | None = None

    def acts(self) -> bool:
        """Whether anything is done."""
        return self.moves() or self.noise > 0

    def moves(self) -> bool:
        """Whether images are moved or turned."""
        return self.shift > 0 or self.rotation > 0

    def __call__(self, key: Array, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the loss with other ``inputs [n, features]``."""
        inputs = args["inputs"]
        move, turn, disturb = jax.random.split(key, 3)
        if self.moves():
            most = self.shift + 0.5 if self.whole else self.shift  # all whole numbers as likely as each other
            shift = _within(move, most, (len(inputs), 2), inputs.dtype)
            angle = _within(turn, jnp.deg2rad(self.rotation), (len(inputs),), inputs.dtype)
            inputs = jax.vmap(self._moved)(inputs, jnp.round(shift) if self.whole else shift, angle)
        if self.noise > 0:
            inputs = inputs + self.noise * jax.random.normal(disturb, inputs.shape, inputs.dtype)
        return {**args, "inputs": inputs}

    def _moved(self, pixels: Array, shift: Array, angle: Array) -> Array:
        """Return one image, its pixels row by row, turned by ``angle`` and then moved by ``shift [2]``."""
        height, width = self.image or (1, pixels.size)
        middle = jnp.array([height - 1, width - 1], pixels.dtype) / 2
        grid = jnp.stack(jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")).astype(pixels.dtype)
        y, x = grid - (middle + shift)[:, None, None]
        cosine, sine = jnp.cos(angle), jnp.sin(angle)
        places = [cosine * y + sine * x + middle[0], cosine * x - sine * y + middle[1]]
        return map_coordinates(pixels.reshape(height, width), places, order=1, mode="constant").ravel()


def augmented(landscape: Landscape, asked: Augment, image: tuple[int, int] | None, batches: bool) -> Landscape:
    """Return the landscape with the items of its batches changed; ``image`` is the data's own height and width.

    Raises:
        UserError: the loss has no inputs, they are no such images, or steps take no batches.
    """
    if "inputs" not in landscape.data:
        raise UserError("augment: changes the inputs of a data set; give [data] and a loss that takes it")
    if not batches:
        raise UserError(
            "augment: changes batches; give optimizer.noise kind minibatch, of the size of the data if need be"
        )
    shape = asked.image or image
    features = landscape.args["inputs"].shape[1]
    if asked.moves() and (shape is None or shape[0] * shape[1] != features):
        told = "they are not said to be images" if shape is None else f"{shape[0]} x {shape[1]} pixels are not that"
        raise UserError(f"augment.image: the loss has {features} inputs, and {told}; give height and width")
    return replace(landscape, augment=replace(asked, image=shape))


def _within(key: Array, most: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    return most * jax.random.uniform(key, shape, dtype, -1.0, 1.0)
