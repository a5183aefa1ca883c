"""The language of expressions: its words, and the value of a parsed expression at a point."""

import ast
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from mnemo_jax.errors import did_you_mean

Value = float | Array  # a constant, or what depends on x: a scalar, inside reductions also a vector

MAX_EXPONENT = 1000

COORDINATES = {"x": 0, "y": 1, "z": 2}
CONSTANTS = {"pi": math.pi, "e": math.e}
OPERATORS: dict[type[ast.AST], Callable[..., Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
# Piecewise constant functions such as sign are left out: their gradient is 0 wherever it exists.
FUNCTIONS: dict[str, tuple[int, Callable[..., Array]]] = {
    "abs": (1, jnp.abs),
    "acos": (1, jnp.arccos),
    "acosh": (1, jnp.arccosh),
    "asin": (1, jnp.arcsin),
    "asinh": (1, jnp.arcsinh),
    "atan": (1, jnp.arctan),
    "atan2": (2, jnp.arctan2),
    "atanh": (1, jnp.arctanh),
    "cos": (1, jnp.cos),
    "cosh": (1, jnp.cosh),
    "erf": (1, jax.scipy.special.erf),
    "exp": (1, jnp.exp),
    "expm1": (1, jnp.expm1),
    "log": (1, jnp.log),
    "log10": (1, jnp.log10),
    "log1p": (1, jnp.log1p),
    "log2": (1, jnp.log2),
    "maximum": (2, jnp.maximum),
    "minimum": (2, jnp.minimum),
    "relu": (1, jax.nn.relu),
    "sigmoid": (1, jax.nn.sigmoid),
    "sin": (1, jnp.sin),
    "sinh": (1, jnp.sinh),
    "softplus": (1, jax.nn.softplus),
    "sqrt": (1, jnp.sqrt),
    "tan": (1, jnp.tan),
    "tanh": (1, jnp.tanh),
}
REDUCTIONS: dict[str, Callable[[Array], Array]] = {"mean": jnp.mean, "prod": jnp.prod, "sum": jnp.sum}

_ALLOWED = (
    "is not allowed; an expression holds numbers, pi, e, coordinates (x, y, z or x[0], x[1], ...), + - * / ** "
    "and functions such as sin(x) or sum(x**2)"
)


class Refusal(Exception):
    """A part of an expression that is not allowed, and why."""

    def __init__(self, node: ast.expr, reason: str) -> None:
        super().__init__(reason)
        self.node, self.reason = node, reason


def whole_number(node: ast.AST | None) -> int | None:
    """Return the integer that ``node`` spells, with or without a minus sign, else None."""
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as number)) if not isinstance(number, bool):
            return -number
    return None


def value_of(node: ast.expr, x: Array, inside: bool) -> Value:
    """Return the value of ``node`` at ``x`` of shape ``[dim]``; ``inside`` a reduction ``x`` is the whole vector.

    Raises `Refusal` at the first part that is not of the language.
    """
    match node:
        case ast.Constant():
            return _number(node)
        case ast.Name():
            return _name(node, x, inside)
        case ast.Subscript(value=ast.Name(id="x")):
            return _item(node, x, inside)
        case ast.UnaryOp(op=op) if type(op) in OPERATORS:
            return OPERATORS[type(op)](value_of(node.operand, x, inside))
        case ast.BinOp():
            return _chain(node, x, inside)
        case ast.Call(func=ast.Name(id=name)):
            return _call(node, name, x, inside)
        case ast.Attribute() | ast.Call(func=ast.Attribute()):
            raise Refusal(node, "is not allowed: nothing has attributes here, functions are plain as in sin(x)")
    raise Refusal(node, _ALLOWED)


def _number(node: ast.Constant) -> float:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise Refusal(node, _ALLOWED)
    try:
        number = float(node.value)
    except OverflowError:
        number = math.inf
    return _finite(node, number)


def _finite(node: ast.expr, number: Any) -> float:
    if isinstance(number, complex) or not math.isfinite(number):
        raise Refusal(node, "is not a finite real number")
    return float(number)


def _name(node: ast.Name, x: Array, inside: bool) -> Value:
    if node.id in CONSTANTS:
        return CONSTANTS[node.id]
    if node.id == "x" and inside:
        return x
    if node.id in COORDINATES:
        return _coordinate(node, x, COORDINATES[node.id])
    if node.id in FUNCTIONS or node.id in REDUCTIONS:
        raise Refusal(node, f"is a function; write {node.id}(...)")
    raise Refusal(node, f"is no coordinate or constant{did_you_mean(node.id, [*COORDINATES, *CONSTANTS])}")


def _coordinate(node: ast.expr, x: Array, number: int) -> Array:
    dim = x.shape[0]
    if not -dim <= number < dim:
        raise Refusal(node, f"is beyond the last coordinate: dim is {dim} and coordinates are counted from 0")
    return x[number]


def _item(node: ast.Subscript, x: Array, inside: bool) -> Array:
    number = whole_number(node.slice)
    if number is not None:
        return _coordinate(node, x, number)
    if not isinstance(node.slice, ast.Slice):
        raise Refusal(node, "is not allowed; coordinates are numbered by whole numbers, as in x[0]")
    if not inside:
        raise Refusal(node, "is several coordinates, which only sum(...), prod(...) and mean(...) take")
    bounds = (node.slice.lower, node.slice.upper, node.slice.step)
    limits = [whole_number(bound) for bound in bounds]
    if any(limit is None and bound is not None for limit, bound in zip(limits, bounds, strict=True)) or limits[2] == 0:
        raise Refusal(node, "is not allowed; slices take whole numbers, as in x[1:]")
    # Beyond the ends and one step past them nothing changes, and JAX takes no huge integers.
    reach = x.shape[0] + 1
    part = x[slice(*(limit if limit is None else max(-reach, min(limit, reach)) for limit in limits))]
    if not part.shape[0]:
        raise Refusal(node, f"is empty: dim is {x.shape[0]} and coordinates are counted from 0")
    return part


def _chain(node: ast.BinOp, x: Array, inside: bool) -> Value:
    # Long sums and products lean to the left; a loop reads them where recursion would run out of stack.
    chain: list[ast.BinOp] = []
    first: ast.expr = node
    while isinstance(first, ast.BinOp):
        chain.append(first)
        first = first.left
    value = value_of(first, x, inside)
    for link in reversed(chain):
        value = _binary(link, value, value_of(link.right, x, inside), x)
    return value


def _binary(node: ast.BinOp, left: Value, right: Value, x: Array) -> Value:
    if not isinstance(node.op, ast.Pow) and type(node.op) not in OPERATORS:
        raise Refusal(node, _ALLOWED)
    _same_length(node, [left, right])
    try:
        power = isinstance(node.op, ast.Pow)
        value = _power(node, left, right, x) if power else OPERATORS[type(node.op)](left, right)
    except (ZeroDivisionError, OverflowError):
        value = math.inf
    return value if isinstance(value, Array) else _finite(node, value)


def _power(node: ast.BinOp, base: Value, exponent: Value, x: Array) -> Value:
    if isinstance(exponent, float) and exponent.is_integer():
        if abs(exponent) > MAX_EXPONENT:
            raise Refusal(node, f"has too large an exponent; whole exponents go up to {MAX_EXPONENT}")
        return base ** int(exponent)
    if isinstance(base, float) and isinstance(exponent, float):
        return base**exponent
    return jnp.power(jnp.asarray(base, x.dtype), jnp.asarray(exponent, x.dtype))


def _call(node: ast.Call, name: str, x: Array, inside: bool) -> Array:
    if name not in FUNCTIONS and name not in REDUCTIONS:
        known = did_you_mean(name, [*FUNCTIONS, *REDUCTIONS])
        raise Refusal(node.func, f"is no function here{known}")
    count, function = FUNCTIONS.get(name) or (1, REDUCTIONS[name])
    if node.keywords or len(node.args) != count:
        raise Refusal(node, f"is not allowed: {name} takes {count} plain argument{'s' * (count > 1)}")
    values = [jnp.asarray(value_of(each, x, inside or name in REDUCTIONS), x.dtype) for each in node.args]
    if name in REDUCTIONS and not values[0].ndim:
        raise Refusal(node, f"is not allowed: {name} goes over the whole vector x, which is not in it")
    _same_length(node, values)
    return function(*values)


def _same_length(node: ast.expr, values: Sequence[Value]) -> None:
    # JAX would stretch a slice of length 1 over the others.
    lengths = {value.shape[0] for value in values if isinstance(value, Array) and value.ndim}
    if len(lengths) > 1:
        raise Refusal(node, f"combines vectors of lengths {' and '.join(map(str, sorted(lengths)))}")
