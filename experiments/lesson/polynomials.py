"""Polynomials whose coefficients are arguments of one loss: a program compiled once serves a whole family."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

import mnemo_jax as mnemo


def loss(x: Array, c: Array) -> Array:
    """Return ``sum_ij c_ij x^i y^j`` at ``x`` of shape ``[2]``, or ``sum_i c_i x^i`` at ``x`` of shape ``[1]``."""
    if c.ndim == 1:
        return jnp.sum(c * _powers(x[0], c.shape[0]))
    return jnp.sum(c * _powers(x[0], c.shape[0])[:, None] * _powers(x[1], c.shape[1])[None, :])


def _powers(x: Array, number: int) -> Array:
    """Return ``1, x, x^2, ...`` as products, whose derivatives at 0 are exact to every order."""
    found = [jnp.ones_like(x), x]
    for k in range(2, number):
        found.append(found[k // 2] * found[k - k // 2])
    return jnp.stack(found)


def landscape(c: Any, half: float = 1.0) -> mnemo.Landscape:
    """Return the polynomial with coefficients ``c [n]`` or ``[n, m]`` on ``[-half, half]`` along each axis."""
    c = np.asarray(c, float)
    return mnemo.Landscape(loss=loss, dim=c.ndim, lower=(-half,), upper=(half,), name="polynomial", args={"c": c})


def terms(table: Mapping[tuple[int, int], float], size: int = 5) -> np.ndarray:
    """Return the coefficients ``[size, size]`` of a polynomial given by powers of x and y and their factors."""
    c = np.zeros((size, size))
    for (i, j), factor in table.items():
        c[i, j] = factor
    return c
