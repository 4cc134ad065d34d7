"""Expressions: numpy's values for every tree of operators, and clear words for what cannot be understood."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facsim.errors import DataError
from facsim.io.expression import FUNCTIONS, parse

COLUMNS = {"pt": np.array([10.0, 300.0, 251.0]), "eta": np.array([0.5, -1.9, 3.0]), "n hits": np.array([1, 2, 3])}
COLUMNS["x"] = np.arange(12.0).reshape(3, 2, 2)

BINARY = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod, "<": np.less, ">=": np.greater_equal,
    "==": np.equal, "!=": np.not_equal, "&&": np.logical_and, "||": np.logical_or, "^": np.power, "**": np.power,
}  # fmt: skip
UNARY = {"abs": np.abs, "sqrt": np.sqrt, "log10": np.log10, "floor": np.floor, "asin": np.arcsin, "sinh": np.sinh}

leaves = st.one_of(
    st.sampled_from([("pt", COLUMNS["pt"]), ("eta", COLUMNS["eta"]), ("`n hits`", COLUMNS["n hits"])]),
    st.floats(0, 1e3).map(lambda v: (repr(v), np.float64(v))),
    st.sampled_from([("x[3]", COLUMNS["x"][:, 1, 1]), ("x[1][0]", COLUMNS["x"][:, 1, 0])]),
)


def grown(inner):
    """Text and value side by side: numpy computes what the text says."""
    pairs = st.tuples(inner, st.sampled_from(sorted(BINARY)), inner)
    both = pairs.map(lambda t: (f"({t[0][0]} {t[1]} {t[2][0]})", BINARY[t[1]](t[0][1] * 1.0, t[2][1] * 1.0)))
    call = st.tuples(st.sampled_from(sorted(UNARY)), inner).map(
        lambda t: (f"{t[0]}({t[1][0]})", UNARY[t[0]](t[1][1] * 1.0))
    )
    sign = inner.map(lambda t: (f"(-{t[0]})", np.negative(t[1] * 1.0)))
    pick = st.tuples(inner, inner).map(lambda t: (f"min({t[0][0]},{t[1][0]})", np.minimum(t[0][1], t[1][1])))
    return both | call | sign | pick


with np.errstate(all="ignore"):
    trees = st.recursive(leaves, grown, max_leaves=12)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_values_are_numpys(tree):
    text, value = tree
    np.testing.assert_array_equal(parse(text)(COLUMNS), np.asarray(value, np.float64))


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):  # numpy's own results are computed outside the evaluator
        yield


@settings(max_examples=100, deadline=None)
@given(st.text("ptea x1.5+-*/%^!<>=&|()[],`_$#", max_size=30))
def test_any_text_is_an_expression_or_a_clear_error(text):
    try:
        expression = parse(text)
        expression.require(COLUMNS, "f")
        expression(COLUMNS)
    except DataError as error:
        assert "\n" in str(error) or "shape" in str(error)  # noqa: PT017 - the caret's line, or the shapes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("8 - 4 - 2", 2),
        ("8 / 4 / 2", 1),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4),
        ("2 ** -1", 0.5),
        ("1 / 2", 0.5),
        ("-7 % 4", -3),  # as fmod in C++; Python has 1
        ("!0 + 1", 2),
        ("!(1 > 2)", 1),
        ("1 || 0 && 0", 1),
        ("1 + 1 == 2 && 3 > 2", 1),
        ("pow(2, 3) + atan2(0, 1)", 8),
        ("max(1, 5, 3) - ceil(0.2)", 4),
        ("1e3 + .5", 1000.5),
    ],
)
def test_precedence(text, value):
    assert float(parse(text)({})) == value


def test_functions_are_numpys():
    x = np.array([0.1, 0.9])
    for name in FUNCTIONS:
        ours = {"abs": "abs", "fabs": "abs", "min": "minimum", "max": "maximum", "pow": "power"}.get(name, name)
        theirs = getattr(np, ours.replace("a", "arc", 1) if ours[:4] in {"asin", "acos", "atan"} else ours)
        if name == "sum":
            np.testing.assert_array_equal(parse("sum(x)")(COLUMNS), COLUMNS["x"].sum(axis=(1, 2)))
            assert parse("sum(x)")({"x": np.empty((0, 3, 4))}).shape == (0,)  # the shape is found with no events
        elif FUNCTIONS[name][1] == 2:
            np.testing.assert_array_equal(parse(f"{name}(a, 0.4)")({"a": x}), theirs(x, 0.4))
        else:
            np.testing.assert_array_equal(parse(f"{name}(a)")({"a": x}), theirs(x))


def test_a_number_per_event_meets_a_block():
    got = parse("x / pt")(COLUMNS)
    np.testing.assert_array_equal(got, COLUMNS["x"] / COLUMNS["pt"][:, None, None])


def test_nan_passes_no_cut():
    assert parse("log(a) < 5 && a > -9")({"a": np.array([-1.0, 1.0])}).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "message", "caret"),
    [
        ("pt >> 250", "a number, a name or a bracket is expected", 4),
        ("sqr(pt)", "no function 'sqr'; allowed are abs, .*Did you mean 'sqrt'", 0),
        ("__import__('os')", "no meaning", 11),
        ("exec(pt)", "no function 'exec'", 0),
        ("pt & eta", "Write '&&'", 3),
        ("pt > 1 and eta < 2", "Write '&&'", 7),
        ("std::abs(pt)", "plain names", 3),
        ("TMath::Abd(pt)", r"no function 'TMath::Abd'.*Did you mean 'abs'", 0),
        ("pt = 3", "Write '=='", 3),
        ("1 < pt < 3", "two comparisons in a row", 7),
        ("(pt + 1", "not closed", 0),
        ("pt + 1)", "unbalanced", 6),
        ("pt eta", "an operator is expected", 3),
        ("x[1.5]", "whole number", 2),
        ("atan2(pt)", "takes 2 arguments, not 1", 0),
        ("", "expected", 0),
        ("(" * 60 + "1" + ")" * 60, "levels deep", 50),
    ],
)
def test_errors_point_at_the_place(text, message, caret):
    with pytest.raises(DataError, match=message) as caught:
        parse(text)
    last = str(caught.value).splitlines()[-1]
    assert last == " " * (2 + caret) + "^"


def test_unknown_columns_and_shapes_that_do_not_fit():
    with pytest.raises(DataError, match=r"t\.root: no column 'etta'; .*mean 'eta'\?\n  2 \* etta\n      \^"):
        parse("2 * etta").require(["pt", "eta"], "t.root")
    with pytest.raises(DataError, match=r"x\[4\]: the block 'x' has shape \(2, 2\)"):
        parse("x[4]")(COLUMNS)
    with pytest.raises(DataError, match="do not fit together"):
        parse("x + y")(COLUMNS | {"y": np.ones((3, 3))})


def test_a_long_sum_is_no_deep_one():
    assert parse("+".join(["a"] * 3000))({"a": np.ones(1)}).tolist() == [3000]
