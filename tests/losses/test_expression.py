"""Losses written as text: their values, their derivatives, and what is refused."""

import math
import pickle
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemo_jax.errors import UserError
from mnemo_jax.losses import from_expression
from mnemo_jax.losses.expression import MAX_DEPTH, MAX_LENGTH
from mnemo_jax.losses.formula import FUNCTIONS


@pytest.mark.parametrize(
    ("text", "dim", "x", "value"),
    [
        ("x**4 - 4*x**2 + 1", 1, [2.0], 1.0),
        ("sin(x)*y", 2, [math.pi / 2, 3.0], 3.0),
        ("x[0]**2 + 3*x[1]", 2, [2.0, 5.0], 19.0),
        ("x + 2*y + 4*z", 3, [1.0, 1.0, 1.0], 7.0),
        ("-x**2", 1, [3.0], -9.0),
        ("2**x", 1, [3.0], 8.0),
        ("x**-1", 1, [4.0], 0.25),
        ("x**0.5", 1, [9.0], 3.0),
        ("x**(4/2)", 1, [-3.0], 9.0),
        ("pi*x + e", 1, [1.0], math.pi + math.e),
        ("+x / 8 / 2", 1, [4.0], 0.25),
        ("1/3*x", 1, [3.0], 1.0),
        ("maximum(x, 0) + minimum(x, 0) + atan2(y, x)", 2, [1.0, 1.0], 1.0 + math.pi / 4),
        ("exp(log(x)) + 1e-3", 1, [2.0], 2.001),
        (" x  ** 2\n + 1 ", 1, [2.0], 5.0),
    ],
)
def test_values(text, dim, x, value):
    loss, found = from_expression(text)
    assert found == dim
    assert loss(jnp.asarray(x)) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "x", "value"),
    [
        ("sum(x**2)", [1.0, 2.0, 3.0], 14.0),
        ("mean(x) * prod(x)", [1.0, 2.0, 3.0], 12.0),
        ("sum(x * sum(x))", [1.0, 2.0, 3.0], 36.0),
        ("sum(x - y)", [1.0, 2.0, 3.0], 0.0),
        ("x[-1]**2", [1.0, 2.0, 3.0], 9.0),
        ("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", [1.0, 2.0, 3.0], 100.0 + 100.0 + 1.0),
        ("sum(x[::2])", [1.0, 2.0, 3.0], 4.0),
        ("sum(x[::99999999999999999999])", [1.0, 2.0, 3.0], 1.0),
        ("sum(x[:99999999999999999999])", [1.0, 2.0, 3.0], 6.0),
        ("sum(x[::-1] * x)", [1.0, 2.0, 3.0], 10.0),
        ("sum(x[99:-99:-1])", [1.0, 2.0, 3.0], 6.0),
        ("10*y", [1.0, 2.0, 3.0], 20.0),
    ],
)
def test_values_of_the_whole_vector(text, x, value):
    loss, dim = from_expression(text, dim=len(x))
    assert dim == len(x)
    assert loss(jnp.asarray(x)) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_against_numpy(name):
    reference = {
        "acos": np.arccos,
        "acosh": np.arccosh,
        "asin": np.arcsin,
        "asinh": np.arcsinh,
        "atan": np.arctan,
        "atan2": np.arctan2,
        "atanh": np.arctanh,
        "erf": math.erf,
        "relu": lambda t: max(t, 0.0),
        "sigmoid": lambda t: 1 / (1 + math.exp(-t)),
        "softplus": lambda t: math.log1p(math.exp(t)),
    }
    function = reference.get(name) or getattr(np, name)
    x = [1.25, 0.5] if name == "acosh" else [0.375, 0.5]
    arguments = ["x", "y"][: FUNCTIONS[name][0]]
    loss, _ = from_expression(f"{name}({', '.join(arguments)})", dim=2)
    assert loss(jnp.asarray(x)) == pytest.approx(float(function(*x[: len(arguments)])), rel=1e-14)


def test_whole_powers_have_every_derivative_at_zero():
    loss, _ = from_expression("x**4 + x**2 - 3*x")

    def derivative(t):
        return loss(t[None])

    for value in (0.0, -3.0, 2.0, 0.0, 24.0, 0.0):
        assert derivative(jnp.asarray(0.0)) == value
        derivative = jax.grad(derivative)


def test_type_of_x_is_kept_and_nothing_is_promoted():
    loss, _ = from_expression("sum(sin(2)*x**2 + x**1.5 + 2**x) / sqrt(2) + maximum(x[0], 0) + erf(1)", dim=3)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for dtype in (jnp.float32, jnp.float64):
            x = jnp.ones(3, dtype)
            assert loss(x).dtype == dtype
            assert jax.grad(loss)(x).dtype == dtype
    assert jax.eval_shape(from_expression("0*x + 3")[0], jnp.ones(1)).dtype == jnp.float64


def test_equal_texts_are_one_function_and_compile_once():
    a, b, other = from_expression("x**2 +  y")[0], from_expression(" x**2 + y")[0], from_expression("x**2 - y")[0]
    assert a == b
    assert hash(a) == hash(b)
    assert a != other
    assert pickle.loads(pickle.dumps(a)) == a
    traces = []

    def value(loss, x):
        traces.append(1)
        return loss(x)

    run = jax.jit(value, static_argnums=0)
    assert run(a, jnp.ones(2)) == run(b, jnp.ones(2)) == 2.0
    assert len(traces) == 1


def test_long_sums_are_no_deep_nests():
    text = "+".join(["x**2"] * 700)
    assert from_expression(text)[0](jnp.ones(1)) == 700.0
    assert from_expression("(" * 100 + "x" + ")" * 100)[0](jnp.ones(1)) == 1.0


# Random expressions: the same text read by Python over numpy.
LEAVES = st.sampled_from(["x", "y", "z", "pi", "e"]) | st.floats(0.0, 9.0).map(lambda v: repr(round(v, 2)))
CALLS = ["sin", "cos", "exp", "tanh", "sqrt", "log", "abs", "cosh", "log1p"]


def grow(inner):
    pair = st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    call = st.tuples(st.sampled_from(CALLS), inner).map(lambda t: f"{t[0]}({t[1]})")
    power = st.tuples(inner, st.sampled_from(["2", "3", "-1", "4.0", "0"])).map(lambda t: f"({t[0]})**{t[1]}")
    minus = inner.map(lambda t: f"-{t}")
    return pair | call | power | minus


@given(st.recursive(LEAVES, grow, max_leaves=8), st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_random_expressions_equal_python_over_numpy(text, point):
    x = np.array(point)
    words = {"x": x[0], "y": x[1], "z": x[2], "pi": np.float64(math.pi), "e": np.float64(math.e)}
    words |= {name: getattr(np, name) for name in CALLS}
    with np.errstate(all="ignore"):
        try:
            expected = float(eval(f"1.0*x + ({text})", {"__builtins__": {}}, words))
        except (ZeroDivisionError, OverflowError):
            return
    try:
        loss, _ = from_expression(f"x + ({text})", dim=3)
    except UserError as error:
        # Constants that are no finite number, such as 1/0, are refused where numpy goes on with inf.
        assert "finite real number" in str(error)  # noqa: PT017
        return
    actual = float(loss(jnp.asarray(x)))
    if abs(expected) < 1e12 and not math.isnan(expected):
        assert actual == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "__import__('os').system('true')",
        "x.__class__",
        "x.__class__.__mro__[1].__subclasses__()",
        "(lambda: x)()",
        "[x for x in (1, 2)]",
        "{x}",
        "f'{x}'",
        "exec('x')",
        "eval('x')",
        "open('/etc/passwd')",
        "globals()['x']",
        "sin.__globals__",
        "(x := 3)",
        "x if 1 else y",
        "x and y",
        "not x",
        "~x",
        "x < 3",
        "x % 2",
        "x // 2",
        "x @ x",
        "x << 3",
        "x; y",
        "x = 3",
        "import os",
        "await x",
        "yield x",
        "sin(*x)",
        "sin(x=x)",
        "'x'",
        "b'x'",
        "None",
        "True*x",
        "...",
        "1j*x",
        "x[0][0]",
        "x['a']",
        "x[y]",
        "x[1.0]",
        "x[0, 1]",
        "x[True]",
        "y[0]",
        "9**9**9",
        "x**9**9**9",
        "x**10**8",
        "9.0**9.0**9.5 + x",
        "1e999*x",
        "9" * 3000 + "*x",
        "x*" + "9" * 5000,
        "1/0 + x",
        "(-1)**0.5 + x",
        "x" * 100_000,
        "+x" * 50_000,
        "(" * 150 + "x" + ")" * 50,
        "(" * 1900 + "x" + ")" * 1900,
        "-" * 3000 + "x",
        "sin(" * 60 + "x" + ")" * 60,
        "sin(" * 600 + "x" + ")" * 600,
        "x**" * 900 + "2",
        "x\0",
        "x # \ud800",
        "",
        "   ",
        "3",
        "sum(3)",
        "2x",
        "x y",
        "sin",
        "x(2)",
    ],
)
def test_refused_at_once_with_one_sentence(text):
    began = time.perf_counter()
    with pytest.raises(UserError) as caught:
        from_expression(text, dim=2)
    assert time.perf_counter() - began < 2.0
    message = str(caught.value)
    assert message.startswith("loss.expression: ")
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("text", "dim", "words"),
    [
        ("x^2 + y", None, "'x^2 + y' holds a ^; powers are written **"),
        ("2x", None, "multiplication is written *"),
        ("sim(x)", None, "did you mean 'sum'?"),
        ("sine(x)", None, "did you mean 'sin'?"),
        ("x + u", None, "'u' is no coordinate or constant (known: e, pi, x, y, z)"),
        ("x + pii", None, "did you mean 'pi'?"),
        ("np.sin(x)", None, "as in sin(x)"),
        ("sqrt(x, y)", None, "sqrt takes 1 plain argument"),
        ("maximum(x)", None, "maximum takes 2 plain arguments"),
        ("x + sin", None, "write sin(...)"),
        ("sum(x**2)", None, "give dim"),
        ("x[-1]", None, "give dim"),
        ("x + x[1]", None, "write x[0]"),
        ("sum(x**2) + x", 3, "write x[0]"),
        ("x[0] + x[3]", 3, "'x[3]' is beyond the last coordinate: dim is 3"),
        ("x + z", 2, "'z' is beyond the last coordinate: dim is 2"),
        ("x[-4]", 3, "'x[-4]' is beyond"),
        ("x[1:]", 3, "which only sum(...), prod(...) and mean(...) take"),
        ("sum(x[1:] * x)", 2, "combines vectors of lengths 1 and 2"),
        ("sum(maximum(x[1:], x))", 2, "combines vectors of lengths 1 and 2"),
        ("sum(x[5:])", 3, "'x[5:]' is empty"),
        ("sum(x[::0])", 3, "'x[::0]' is not allowed"),
        ("sum(y)", 3, "goes over the whole vector"),
        ("x[99999999999999999999]", None, "beyond the 1000000 coordinates"),
        ("sum(x[99999999999999999999:])", 3, "is empty"),
        ("x", 0, "loss.dim: 0 is not a dimension"),
        ("x", 1.5, "loss.dim: 1.5 is not a dimension"),
        ("3 + pi", 1, "uses no coordinate"),
        ("x" * (MAX_LENGTH + 1), None, f"{MAX_LENGTH} are allowed"),
        ("sin(" * 60 + "x" + ")" * 60, None, f"more than {MAX_DEPTH} operations deep"),
    ],
)
def test_what_a_person_is_told(text, dim, words):
    with pytest.raises(UserError) as caught:
        from_expression(text, dim)
    assert words in str(caught.value)


def test_text_and_point_of_the_wrong_kind():
    with pytest.raises(UserError, match="is no text"):
        from_expression(3)
    loss, _ = from_expression("x + y")
    with pytest.raises(UserError, match="takes 2 coordinates"):
        loss(jnp.ones(3))
