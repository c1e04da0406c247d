"""Database content by meaning: which plain values are one, and which paths a pattern names."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tau2_core.evaluators.semantic_comparison import ComparisonRules, normalised

NOTHING = ComparisonRules()


def form(value: Any, meaning: ComparisonRules = NOTHING) -> str:
    """Return the value's one form, with its types."""
    return repr(normalised(value, ("t",), meaning))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (25, 25.0),
        (0, -0.0),
        (0.1 + 0.2, 0.3),
        (1.0000001, 1),
        (2.0**53 - 1, 2**53 - 1),
        ({"a": 1, "b": 2.0}, {"b": 2, "a": 1.0}),
        ([{"a": [1.0]}], [{"a": [1]}]),
        (float("nan"), float("nan")),
    ],
)
def test_equal_values_have_the_same_form(one: Any, other: Any) -> None:
    assert form(one) == form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (False, 0.0),
        (None, False),
        (None, 0),
        (1.000001, 1),
        (0.5, 0),
        ("25", 25),
        (2.0**53, 2**53),  # a float so large stands for more than one integer
        (-(2.0**53), -(2**53)),
        (float("inf"), float("nan")),
        ([1, 2], [2, 1]),
        ([], {}),
    ],
)
def test_different_values_have_different_forms(one: Any, other: Any) -> None:
    assert form(one) != form(other)


@pytest.mark.parametrize(
    ("pattern", "same"),
    [("t", True), ("t.*", False), ("*", True), ("t.inner", False), ("u", False)],
)
def test_lists_at_a_declared_path_are_bags(pattern: str, same: bool) -> None:
    meaning = ComparisonRules(unordered=[pattern])
    assert (form([1, "x", {"b": 1, "a": 2}], meaning) == form([{"a": 2, "b": 1}, 1.0, "x"], meaning)) is same


def test_bags_count_items_and_patterns_cover_everything_below() -> None:
    meaning = ComparisonRules(unordered=["t.inner"])
    assert form({"inner": [1, 2, 2]}, meaning) == form({"inner": [2, 1, 2]}, meaning)
    assert form({"inner": [1, 2, 2]}, meaning) != form({"inner": [1, 1, 2]}, meaning)
    assert form({"inner": [[1, 2]]}, meaning) == form({"inner": [[2, 1]]}, meaning)
    assert form({"other": [1, 2]}, meaning) != form({"other": [2, 1]}, meaning)
    days = [date(2025, 3, 1), date(2025, 2, 1)]
    assert form({"inner": days}, meaning) == form({"inner": days[::-1]}, meaning)
