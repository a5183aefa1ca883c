"""The gradients of networks array by array."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from mnemo_jax.calculus import TOGETHER, Args, Loss
from mnemo_jax.losses.layers import Layer

Unravel = Callable[[Array], Any]
WHOLE = "x"  # name of the one array of a loss that takes flat points


def names(unravel: Unravel | None, dim: int) -> list[str]:
    """Return the names of the arrays that points stand for, such as ``layer 1 weight``, from their places in the tree.

    Lists and tuples of `Layer` are counted from 1; other keys, attributes and places are told as they are.
    """
    if unravel is None:
        return [WHOLE]
    tree = jax.eval_shape(unravel, jax.ShapeDtypeStruct((dim,), jnp.float32))
    layered = isinstance(tree, tuple | list) and all(isinstance(part, Layer) for part in tree)
    told = []
    for path, _ in jax.tree_util.tree_leaves_with_path(tree):
        words = [_word(key) for key in path]
        if layered:
            words[0] = f"layer {int(words[0]) + 1}"
        told.append(" ".join(words) or WHOLE)
    return told


def _word(key: Any) -> str:
    """Return a key, an attribute's name or a place as words."""
    return str(next(getattr(key, name) for name in ("key", "name", "idx") if hasattr(key, name)))


def gradient_norms(
    loss: Loss, x: Array, args: Args, unravel: Unravel | None = None, batch_size: int = TOGETHER
) -> dict[str, np.ndarray]:
    """Return the norm ``[n]`` of the gradient by each array at points ``x [n, d]``, by the arrays' names.

    Args:
        loss: a landscape's loss, as `calculus.loss_of` returns it.
        x: where.
        args: the loss's arguments.
        unravel: which coordinates are which array; the loss's own when None.
        batch_size: points at once, which bounds memory.
    """
    unravel = unravel or loss.unravel
    found = _norms(x, args, loss=loss, unravel=unravel, batch_size=min(batch_size, len(x)))
    return {name: np.asarray(norm) for name, norm in zip(names(unravel, x.shape[1]), found, strict=True)}


@partial(jax.jit, static_argnames=("loss", "unravel", "batch_size"))
def _norms(x: Array, args: Args, *, loss: Loss, unravel: Unravel | None, batch_size: int) -> list[Array]:
    def one(point: Array) -> list[Array]:
        slope = jax.grad(loss)(point, args)
        return [jnp.linalg.norm(part) for part in jax.tree.leaves(unravel(slope) if unravel else slope)]

    return lax.map(one, x, batch_size=batch_size)
