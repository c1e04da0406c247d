"""pass^k: hand-computed cases, the closed formula, and what it means."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise
from math import comb, prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.records.statistics import pass_hat_k_estimates
from tau2_core.records.tally import pass_hat_k


@st.composite
def successes(draw: st.DrawFn, most: int = 40) -> tuple[list[int], int]:
    trials = draw(st.integers(1, most))
    return draw(st.lists(st.integers(0, trials), min_size=1, max_size=12)), trials


@pytest.mark.parametrize(
    ("solved", "trials", "expected"),
    [
        ([1], 1, {1: 1.0}),
        ([0], 2, {1: 0.0, 2: 0.0}),
        ([2, 1], 2, {1: 0.75, 2: 0.5}),
        ([3, 2, 0], 3, {1: 5 / 9, 2: 4 / 9, 3: 1 / 3}),  # C(2,2)/C(3,2) = 1/3 for the second task
        ([4, 3, 2, 1], 4, {1: 10 / 16, 2: (6 + 3 + 1) / 24, 3: (4 + 1) / 16, 4: 1 / 4}),
    ],
)
def test_cases_computed_by_hand(solved: list[int], trials: int, expected: dict[int, float]) -> None:
    assert pass_hat_k(solved, trials) == pytest.approx(expected)
    estimates = pass_hat_k_estimates(solved, trials)
    assert {k: each.value for k, each in estimates.items()} == pytest.approx(expected)


@given(successes())
def test_the_closed_formula_at_any_size(case: tuple[list[int], int]) -> None:
    solved, trials = case
    estimates = pass_hat_k_estimates(solved, trials)
    assert list(estimates) == list(range(1, trials + 1))
    for k, each in estimates.items():
        mean = sum(comb(c, k) / comb(trials, k) for c in solved) / len(solved)
        assert each.value == pytest.approx(mean, abs=1e-12)
        assert 0 <= each.low <= each.value <= each.high <= 1


@given(successes(most=6))
def test_pass_hat_k_is_the_share_of_k_trials_that_are_all_solved(case: tuple[list[int], int]) -> None:
    solved, trials = case
    for k, value in pass_hat_k(solved, trials).items():
        drawn = [prod(each) for c in solved for each in combinations([1] * c + [0] * (trials - c), k)]
        assert value == pytest.approx(sum(drawn) / len(drawn))


@given(successes())
def test_pass_hat_k_never_rises_with_k(case: tuple[list[int], int]) -> None:
    values = list(pass_hat_k(*case).values())
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(values))


def test_a_run_reports_pass_hat_k_of_its_grades(recorded: Callable[..., Any], figures: Callable[..., Any]) -> None:
    folder = recorded("disturbed")
    solved = dict.fromkeys(folder.read("run")["tasks"], 0)
    for grade in folder.lines("grades"):
        solved[grade["task_id"]] += grade["reward"] == 1.0
    assert 0 < sum(solved.values()) < 4 * len(solved)  # else nothing is tested
    found = figures(folder)
    assert found["solved_by_task"] == solved
    for k in range(1, 5):
        expected = sum(comb(c, k) / comb(4, k) for c in solved.values()) / len(solved)
        assert found["pass_hat_k"][str(k)]["value"] == pytest.approx(expected)
        assert folder.read("summary")["pass_hat_k"][str(k)] == pytest.approx(expected)
