"""The calculator of packs: its results are correct, and its work is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tau2_core import ToolError, calculate
from tau2_core.arithmetic import MAX_BITS, MAX_CHARACTERS, MAX_OPERATIONS


@pytest.mark.parametrize(
    "expression",
    [
        "+".join(["9**41000//7**23000"] * 60),
        "9**9**9",
        "9**" * 30 + "9",
        "(" * 1000 + "1" + ")" * 999,
        "-" * 1999 + "1",
        "+".join(["1"] * (MAX_OPERATIONS + 2)),
        "1" * (MAX_CHARACTERS + 1),
        "9" * 1900,
        f"2**{MAX_BITS + 1}//2**{MAX_BITS}",
        "*".join([f"2**{MAX_BITS - 1}"] * 50),
        "1//0",
        "(-8)**(1/3)",
    ],
)
def test_expensive_or_undefined_expressions_are_refused(expression: str) -> None:
    with pytest.raises(ToolError) as caught:
        calculate(expression)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("+".join(["1"] * (MAX_OPERATIONS + 1)), f"{MAX_OPERATIONS + 1}.0"),
        (f"2**{MAX_BITS - 1}//2**{MAX_BITS - 2}", "2.0"),
        ("1**" + "9" * 1000, "1.0"),
        ("2**-1100", "0.0"),
        ("-(-(-1))", "-1.0"),
    ],
)
def test_values_within_the_bounds_are_computed(expression: str, value: str) -> None:
    assert calculate(expression) == value


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["9", "99", "**", "*", "//", "+", "-", "(", ")", "."]), max_size=60))
def test_any_expression_equals_pythons_result_or_is_refused(parts: list[str]) -> None:
    expression = "".join(parts)
    try:
        found = calculate(expression)
    except ToolError:
        return
    assert found == str(round(float(eval(expression)), 2))


def test_the_bounds_allow_realistic_bills() -> None:
    assert calculate("+".join(f"{price}.5*2" for price in range(100, 200))) == "30000.0"
