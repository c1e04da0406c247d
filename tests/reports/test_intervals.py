"""Confidence intervals: hand-computed cases, what clustering by task means, and how many hold the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.records.statistics import Estimate, clustered_rate, paired_difference, pass_hat_k_estimates


def ends(estimate: Estimate | None) -> tuple[float, float, float]:
    assert estimate is not None
    return estimate.value, estimate.low, estimate.high


# Wilson: centre (p + q²/2n) / (1 + q²/n), half q / (1 + q²/n) * sqrt(p(1-p)/n + q²/4n²). Tables: z is 1.959964;
# t is 12.706205 with one degree of freedom, 4.302653 with two, 2.262157 with nine.
@pytest.mark.parametrize(
    ("totals", "sizes", "expected"),
    [
        # One task says nothing of others, so n is 1: half of q² + 1 = 4.841459, and so on.
        ([1], [1], (1.0, 1 / 4.841459, 1.0)),
        ([5], [10], (0.5, 0.5 - 0.445379, 0.5 + 0.445379)),  # 1.959964 / 4.841459 * sqrt(0.25 + 0.960365)
        # All alike: as if each task counted once, however many trials it had.
        ([0, 0, 0, 0], [9, 9, 9, 9], (0.0, 0.0, 3.841459 / 7.841459)),
        # Seven of ten tasks, one trial each: variance 10/9 * 2.1/100, so n is 0.21/0.023333 = 9.
        ([1] * 7 + [0] * 3, [1] * 10, (0.7, 0.627503 - 0.285268, 0.627503 + 0.285268)),
        # Two of three trials in every task: no variance, so n is 9; t has two degrees of freedom.
        ([2, 2, 2], [3, 3, 3], (2 / 3, 0.554520 - 0.402624, 0.554520 + 0.402624)),
        # Tasks of unequal size, 3 of 5: deviations 1 - 0.6 and 2 - 2.4, variance 2/1 * 0.32/25 = 0.0256, so n would be
        # 9.375, and is no more than 5; t has one degree of freedom.
        ([1, 2], [1, 4], (0.6, 0.503004 - 0.492137, 0.503004 + 0.492137)),
    ],
)
def test_rates_computed_by_hand(totals: list[int], sizes: list[int], expected: tuple[float, float, float]) -> None:
    assert ends(clustered_rate(totals, sizes)) == pytest.approx(expected, abs=2e-6)


def test_without_slots_there_is_no_rate() -> None:
    assert clustered_rate([], []) is None
    assert clustered_rate([0, 0], [0, 0]) is None


@given(st.lists(st.integers(0, 1), min_size=1, max_size=30), st.integers(1, 20))
def test_identical_trials_do_not_narrow_the_interval(solved: list[int], trials: int) -> None:
    once = clustered_rate(solved, [1] * len(solved))
    often = clustered_rate([each * trials for each in solved], [trials] * len(solved))
    assert ends(often) == pytest.approx(ends(once))


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=30), st.randoms())
def test_a_rate_is_within_its_interval_in_any_order(pairs: list[tuple[int, int]], random: Any) -> None:
    clusters = [(min(pair), max(pair)) for pair in pairs]
    found = clustered_rate([total for total, _ in clusters], [size for _, size in clusters])
    if found is None:
        assert not any(size for _, size in clusters)
        return
    assert 0 <= found.low <= found.value <= found.high <= 1
    wider = clustered_rate([total for total, _ in clusters], [size for _, size in clusters], confidence=0.99)
    assert wider is not None
    assert wider.low <= found.low < found.high <= wider.high
    random.shuffle(clusters)
    again = clustered_rate([total for total, _ in clusters], [size for _, size in clusters])
    assert ends(again) == pytest.approx(ends(found))


@pytest.mark.parametrize(
    ("changes", "trials", "expected"),
    [
        ([3], 4, (0.75, -1.0, 1.0)),
        # Nothing differs: two tasks of ±1 beside three of 0; 4.302653 * sqrt(2/5 / 5).
        ([0, 0, 0], 4, (0.0, -1.0, 1.0)),
        # Ten tasks, +1/2 each: mean 5/12, squares 3/12; 2.262157 * sqrt((0.25 - 0.173611) / 12).
        ([1] * 10, 2, (0.5, 0.416667 - 0.180489, 0.416667 + 0.180489)),
        # Ten tasks, of which one is solved no more: mean -1/12, squares 3/12; 2.262157 * sqrt((0.25 - 0.006944) / 12).
        ([-1] + [0] * 9, 1, (-0.1, -0.083333 - 0.321947, -0.083333 + 0.321947)),
    ],
)
def test_differences_computed_by_hand(changes: list[int], trials: int, expected: tuple[float, float, float]) -> None:
    assert ends(paired_difference(changes, trials)) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("shape", [(2, 2), (0.5, 0.5), (8, 1)], ids=["middling", "all or nothing", "easy"])
def test_intervals_cover_the_true_value_95_percent_of_the_time(shape: tuple[float, float]) -> None:
    """Tasks are drawn anew each time, from chances of which E[p^k] is known; few fall short of their 95 %."""
    random, (a, b), tasks, trials, draws = np.random.default_rng(5), shape, 40, 4, 300
    truth = {k: float(np.prod([(a + i) / (a + b + i) for i in range(k)])) for k in range(1, trials + 1)}
    held = dict.fromkeys(truth, 0)
    for _ in range(draws):
        solved = [int(each) for each in random.binomial(trials, random.beta(a, b, tasks))]
        for k, estimate in pass_hat_k_estimates(solved, trials).items():
            held[k] += estimate.low <= truth[k] <= estimate.high
    assert min(held.values()) / draws >= 0.92  # three standard errors of 300 draws below 0.95 are 0.912
