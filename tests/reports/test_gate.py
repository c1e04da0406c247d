"""The gate: an exact test, false alarms under its rate, and power where there is something to see."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.records.compare import Gate, decide
from tau2_core.records.statistics import sign_flip_test

TASKS, TRIALS, PAIRS = 50, 4, 400
TOLD_APART = (Gate.BETTER, Gate.WORSE)


def words(a: object, b: object, *, trials: int = TRIALS, alpha: float, margin: float | None = None) -> list[Gate]:
    """Return the gate's word on each of many pairs of runs: solved trials by pair and task."""
    changes = np.asarray(b) - np.asarray(a)
    return [decide([int(each) for each in row], trials, alpha=alpha, margin=margin)[0] for row in changes]


def share(found: Sequence[Gate], *wanted: Gate) -> float:
    return sum(each in wanted for each in found) / len(found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], 1.0),
        ([0, 0, 0], 1.0),
        ([1], 1.0),  # both signs are as far
        ([1, 1, 1, 1, 1], 2 / 32),
        ([-1, -1, -1, -1, -1, -1, 0, 0], 2 / 64),
        ([2, -1, 3], 4 / 8),  # sums ±6, ±4, ±2, 0 and 0: four of eight are as far as 4
        ([1, 1, 1, 1, -1], 2 * (1 + 5) / 32),
    ],
)
def test_p_values_computed_by_hand(changes: list[int], expected: float) -> None:
    assert sign_flip_test(changes) == expected


@given(st.lists(st.integers(-8, 8), max_size=9))
def test_the_p_value_counts_all_sign_assignments(changes: list[int]) -> None:
    sums = [sum(sign * each for sign, each in zip(signs, changes, strict=True)) for signs in flips(changes)]
    assert sign_flip_test(changes) == pytest.approx(sum(abs(each) >= abs(sum(changes)) for each in sums) / len(sums))


def flips(changes: Sequence[int]) -> list[tuple[int, ...]]:
    return list(product((1, -1), repeat=len(changes)))


def test_p_values_equal_scipys() -> None:
    from scipy.stats import binomtest, permutation_test  # takes long to import

    for changes in ([1, -2, 3, 1, 1, 2], [4, 4, -1, 3, -2, 1, 1, 4, -3, 2]):
        theirs = permutation_test((changes,), np.sum, permutation_type="samples")
        assert sign_flip_test(changes) == pytest.approx(theirs.pvalue)
    for plus, minus in ((9, 3), (70, 40), (700, 620)):  # differences of one size are the sign test, McNemar's
        theirs = binomtest(plus, plus + minus)
        assert sign_flip_test([1] * plus + [-1] * minus) == pytest.approx(theirs.pvalue)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=9), st.sampled_from([0.01, 0.05, 0.1, 0.3]))
def test_false_alarms_stay_under_alpha_for_any_sizes_of_differences(sizes: list[int], alpha: float) -> None:
    """Of runs that are alike every sign is as likely as the other, so counting all signs counts every such pair."""
    found = [decide([sign * size for sign, size in zip(signs, sizes, strict=True)], 4, alpha=alpha)[0]
             for signs in flips(sizes)]  # fmt: skip
    assert share(found, *TOLD_APART) <= alpha
    assert share(found, Gate.WORSE) <= alpha / 2


@pytest.mark.parametrize("alpha", [0.05, 0.2])
@pytest.mark.parametrize("shape", [(50, 50), (0.5, 0.5), (0.3, 2)], ids=["all alike", "all or nothing", "hard"])
def test_the_same_agent_twice_is_seldom_different(shape: tuple[float, float], alpha: float) -> None:
    random = np.random.default_rng(7)
    chances = random.beta(*shape, TASKS)
    a, b = (random.binomial(TRIALS, chances, (PAIRS, TASKS)) for _ in range(2))
    assert share(words(a, b, alpha=alpha), *TOLD_APART) <= alpha


def test_an_obvious_gain_is_seen_and_so_is_the_loss() -> None:
    random = np.random.default_rng(7)
    chances = random.beta(2, 2, TASKS) * 0.7
    a, b = (random.binomial(TRIALS, chances + gain, (PAIRS, TASKS)) for gain in (0.0, 0.2))
    assert share(words(a, b, alpha=0.05), Gate.BETTER) >= 0.95
    assert share(words(b, a, alpha=0.05), Gate.WORSE) >= 0.95


@pytest.mark.parametrize(("tasks", "trials"), [(20, 1), (50, 4)])
@pytest.mark.parametrize("loss", [0.1, 0.2])
def test_a_loss_as_large_as_the_margin_is_seldom_called_not_worse(tasks: int, trials: int, loss: float) -> None:
    random = np.random.default_rng(7)
    chances = loss + random.beta(2, 2, tasks) * (1 - loss)
    a = random.binomial(trials, chances, (PAIRS, tasks))
    b = random.binomial(trials, chances - loss, (PAIRS, tasks))
    found = words(a, b, trials=trials, alpha=0.1, margin=loss)
    assert share(found, Gate.NOT_WORSE, Gate.BETTER) <= 0.05 + 3 * (0.05 * 0.95 / PAIRS) ** 0.5  # half of alpha


@pytest.mark.parametrize(
    ("changes", "margin", "word"),
    [
        ([1] * 5 + [0] * 15, None, Gate.INCONCLUSIVE),  # p is 1/16
        ([1] * 6 + [0] * 14, None, Gate.BETTER),  # p is 1/32
        ([-1] * 6 + [0] * 14, None, Gate.WORSE),
        ([0] * 20, None, Gate.INCONCLUSIVE),
        ([0] * 20, 0.1, Gate.INCONCLUSIVE),  # 20 tasks of one trial cannot show so much
        ([0] * 20, 0.2, Gate.NOT_WORSE),
        ([1] * 6 + [0] * 14, 0.2, Gate.BETTER),
        ([-1] * 6 + [0] * 194, 0.1, Gate.NOT_WORSE),  # lower for sure, and by less than was accepted
        ([-1] * 6 + [0] * 194, None, Gate.WORSE),
        ([-1] * 12 + [0] * 8, 0.2, Gate.WORSE),
    ],
)
def test_the_gates_verdict(changes: list[int], margin: float | None, word: Gate) -> None:
    gate, difference, p_value = decide(changes, 1, alpha=0.05, margin=margin)
    assert gate is word
    assert difference.low <= difference.value <= difference.high
    assert p_value == min(1.0, 2 / 2 ** sum(map(bool, changes)))  # all of one sign
