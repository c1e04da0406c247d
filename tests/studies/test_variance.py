"""The attribution of variance: it adds up, is what its definition says, and its intervals hold the truth."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tau2_core.api.study.variance import attribute


@st.composite
def grids(draw: st.DrawFn) -> tuple[dict[str, int], int, list[list[int]]]:
    sizes = {name: draw(st.integers(2, 3)) for name in "abc"[: draw(st.integers(1, 3))]}
    trials = draw(st.integers(1, 3))
    runs = math.prod(sizes.values())
    counts = st.lists(st.integers(0, trials), min_size=runs, max_size=runs)
    return sizes, trials, draw(st.lists(counts, min_size=2, max_size=4))


def by_definition(sizes: dict[str, int], trials: int, solved: list[list[int]]) -> tuple[dict[str, float], float]:
    """Return the share of each factor, and of the tasks, computed episode by episode."""
    levels = list(product(*(range(size) for size in sizes.values())))
    episodes = [
        ({"task": task, **dict(zip(sizes, levels[run], strict=True))}, float(trial < count))
        for task, counts in enumerate(solved)
        for run, count in enumerate(counts)
        for trial in range(trials)
    ]
    mean = sum(value for _, value in episodes) / len(episodes)
    total = sum((value - mean) ** 2 for _, value in episodes)

    def share(name: str) -> float:
        groups: dict[int, list[float]] = {}
        for place, value in episodes:
            groups.setdefault(place[name], []).append(value)
        squares = sum(len(group) * (sum(group) / len(group) - mean) ** 2 for group in groups.values())
        return squares / total if total > 1e-12 else 0.0

    return {name: share(name) for name in sizes}, share("task")


@settings(max_examples=30)
@given(grids())
def test_shares_are_what_they_are_defined_as_and_add_up(grid: tuple[dict[str, int], int, list[list[int]]]) -> None:
    sizes, trials, solved = grid
    found = attribute(solved, sizes, trials)
    factors, tasks = by_definition(sizes, trials, solved)
    assert {name: each.share for name, each in found.factors.items()} == pytest.approx(factors, abs=1e-9)
    assert found.tasks == pytest.approx(tasks, abs=1e-9)
    parts = [*found.factors.values(), *found.pairs.values()]
    whole = sum(each.share for each in parts) + found.tasks + sum(found.tasks_and_factors.values()) + found.rest
    seen = {count for counts in solved for count in counts}
    assert whole == pytest.approx(0 if seen in ({0}, {trials}) else 1)
    for each in parts:
        assert each.beyond_chance is not None
        assert 0 <= each.beyond_chance.low <= each.beyond_chance.value <= each.beyond_chance.high
        assert each.beyond_chance.value <= each.share + 1e-9


def test_one_task_says_nothing_about_chance() -> None:
    found = attribute([[0, 2]], {"a": 2}, 2)
    assert (found.factors["a"].share, found.factors["a"].beyond_chance) == (1, None)


def test_the_same_grid_gives_the_same_figures() -> None:
    solved = [[0, 1, 2], [2, 2, 1], [0, 0, 2], [1, 1, 2]]
    assert attribute(solved, {"a": 3}, 2) == attribute(solved, {"a": 3}, 2)


@pytest.mark.parametrize("effect", [0.0, 0.7, 1.5])
def test_of_100_intervals_at_least_88_hold_the_truth(effect: float) -> None:
    """Tasks of different difficulty, two levels and two trials; the truth is the share over very many tasks."""
    random = np.random.default_rng(1)

    def drawn(tasks: int) -> Any:
        difficulty = random.normal(0, 1.5, (tasks, 1)) + random.normal(0, 0.5, (tasks, 2))
        chances = 1 / (1 + np.exp(-difficulty - np.array([-effect, effect]) / 2))
        return random.binomial(2, chances)

    many = drawn(200_000) / 2
    mean = many.mean()
    truth = ((many.mean(axis=0) - mean) ** 2).mean() / (mean * (1 - mean))
    holding = 0
    for _ in range(100):
        share = attribute(drawn(30).tolist(), {"level": 2}, 2).factors["level"].beyond_chance
        assert share is not None
        holding += share.low <= max(0, truth - 1e-4) and truth <= share.high + 1e-4
    assert holding >= 88
