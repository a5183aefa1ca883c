"""A loss written as text, such as ``x**4 - 4*x**2 + 1``, turned into a pure JAX function."""

import ast
import functools
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax.errors import UserError
from mnemo_jax.losses.formula import COORDINATES, REDUCTIONS, Refusal, value_of, whole_number

MAX_LENGTH = 4000  # characters
MAX_DEPTH = 50  # operations inside one another; a long sum is not deep
MAX_DIM = 1_000_000


@dataclass(frozen=True)
class Expression:
    """The loss that ``text`` spells, for ``x`` of shape ``[dim]``; made by `from_expression`, which checks the text.

    Equal texts are equal functions, so they share one compilation.
    """

    text: str
    dim: int

    def __call__(self, x: Array) -> Array:
        """Return the value of the expression at ``x``, a scalar of the type of ``x``."""
        if x.shape != (self.dim,):
            raise UserError(f"loss.expression: {_short(self.text)} takes {self.dim} coordinates, not shape {x.shape}")
        return jnp.asarray(value_of(_parse(self.text), x, inside=False), x.dtype)


def from_expression(text: str, dim: int | None = None) -> tuple[Expression, int]:
    """Return the loss that ``text`` spells and the number of its coordinates.

    The text may hold numbers, ``pi`` and ``e``, the coordinates ``x``, ``y``, ``z`` or ``x[0]``, ``x[1]``, ..., the
    operators ``+ - * / **`` and the functions of `mnemo_jax.losses.formula`. Inside ``sum(...)``, ``prod(...)`` and
    ``mean(...)``, ``x`` is the whole vector and may be sliced: ``sum((x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)``.
    Numbers are floats, except that whole-number exponents stay whole, so that ``x**2`` is exact and has all derivatives
    at 0. ``dim`` defaults to the highest coordinate used; an expression of the whole vector or of ``x[-1]`` needs it.

    The text is only ever read, never run as Python. Every mistake in it raises `UserError`.
    """
    text = _bounded(text)
    if "^" in text:
        raise UserError(f"loss.expression: {_short(text)} holds a ^; powers are written **")
    tree = _read(text)
    try:
        # Shapes are enough to meet every part of the tree once; dimension 1 serves where no coordinate tells.
        shape = _dimension(tree, dim)
        jax.eval_shape(lambda: Expression(text, shape)(jnp.zeros(shape, jnp.float32)))
    except Refusal as refusal:
        part = ast.get_source_segment(text, refusal.node) or text
        raise UserError(f"loss.expression: {_short(part)} {refusal.reason}") from None
    if not any(True for _ in _uses(tree)):
        raise UserError(f"loss.expression: {_short(text)} uses no coordinate; the first is called x")
    return Expression(text, shape), shape


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _bounded(text: str) -> str:
    if not isinstance(text, str):
        raise UserError(f"loss.expression: {reprlib.repr(text)} is no text")
    if not text.strip():
        raise UserError("loss.expression: the text is empty; give for example 'x**4 - 4*x**2 + 1'")
    if len(text) > MAX_LENGTH:
        raise UserError(f"loss.expression: {_short(text)} has {len(text)} characters; {MAX_LENGTH} are allowed")
    return " ".join(text.split())


def _read(text: str) -> ast.expr:
    try:
        tree = _parse(text)
    except (SyntaxError, ValueError) as error:
        reason = getattr(error, "msg", str(error))
        hint = "; multiplication is written *" if "decimal literal" in reason else ""
        raise UserError(f"loss.expression: {_short(text)} cannot be read: {reason}{hint}") from None
    except (RecursionError, MemoryError):
        raise UserError(f"loss.expression: {_short(text)} is nested too deeply") from None
    if _depth(tree) > MAX_DEPTH:
        raise UserError(f"loss.expression: {_short(text)} is nested more than {MAX_DEPTH} operations deep")
    return tree


@functools.lru_cache(maxsize=1024)
def _parse(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _depth(tree: ast.expr) -> int:
    # The left operand of a sum or product is no deeper than the whole: `_chain` reads it in a loop.
    deepest, stack = 0, list[tuple[ast.AST, int]]([(tree, 1)])
    while stack:
        node, depth = stack.pop()
        deepest = max(deepest, depth)
        left = node.left if isinstance(node, ast.BinOp) else None
        stack += [(child, depth + (child is not left)) for child in ast.iter_child_nodes(node)]
    return deepest


# Coordinates: which are used, and how many there are.


def _uses(tree: ast.expr) -> Iterator[tuple[str, int | None, ast.expr]]:
    """Yield how each coordinate is used ("letter", "item" or "vector"), its number where it is plain, and where."""
    stack: list[tuple[ast.AST, bool]] = [(tree, False)]
    while stack:
        node, inside = stack.pop()
        match node:
            case ast.Subscript(value=ast.Name(id="x")):
                number = whole_number(node.slice)
                yield "item", number if number is not None and number >= 0 else None, node
            case ast.Name(id="x") if inside:
                yield "vector", None, node
            case ast.Name(id=name) if name in COORDINATES:
                yield "letter", COORDINATES[name], node
            case ast.Call(func=ast.Name(id=name)):
                stack += [(child, inside or name in REDUCTIONS) for child in node.args]
            case _:
                stack += [(child, inside) for child in ast.iter_child_nodes(node)]


def _dimension(tree: ast.expr, dim: int | None) -> int:
    uses = list(_uses(tree))
    bare = [node for how, number, node in uses if how == "letter" and number == 0]
    if bare and any(how != "letter" for how, _, _ in uses):
        raise Refusal(bare[0], "alone is coordinate 0 but is elsewhere read as a vector; write x[0]")
    if dim is not None:
        if isinstance(dim, bool) or not isinstance(dim, int) or not 1 <= dim <= MAX_DIM:
            raise UserError(f"loss.dim: {dim!r} is not a dimension; give 1 to {MAX_DIM}")
        return dim
    for _, number, node in uses:
        if number is None and _depends_on_dim(node):
            raise Refusal(node, "depends on the number of coordinates; give dim")
        if number is not None and number >= MAX_DIM:
            raise Refusal(node, f"is beyond the {MAX_DIM} coordinates an expression may have")
    return max((number for _, number, _ in uses if number is not None), default=0) + 1


def _depends_on_dim(node: ast.expr) -> bool:
    if not isinstance(node, ast.Subscript):
        return True
    return isinstance(node.slice, ast.Slice) or whole_number(node.slice) is not None
