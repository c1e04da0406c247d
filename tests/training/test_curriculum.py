"""Curricula: levels by family and blocks, draws that follow success, and no mixing of train and test."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core import Curriculum, EpisodeFactory, Task, UsageError
from tau2_core.api.curriculum import Level
from tau2_core.model.tasks import UserScenario

pytestmark = pytest.mark.domain("mock", "telecom")


@cache
def telecom() -> EpisodeFactory:
    return EpisodeFactory("telecom", split="train")


@pytest.mark.parametrize(
    ("task_id", "level"),
    [
        ("mms[airplane_mode_on|wifi_calling_mms]timid", Level("mms", 2)),
        ("mobile_data[vpn_slow]", Level("mobile_data", 1)),
        ("[mobile_data_issue]a_b|c|d[PERSONA:None]", Level("mobile_data_issue", 3)),
        ("[service_issue]a[PERSONA:Easy]", Level("service_issue", 1)),
        ("settle_a_reminder", Level("", 0)),
        ("12", Level("", 0)),
    ],
)
def test_a_task_has_a_level(task_id: str, level: Level) -> None:
    assert Level.of(Task(id=task_id, user_scenario=UserScenario(instructions=""))) == level


def test_levels_hold_all_tasks_of_the_split() -> None:
    curriculum = Curriculum(telecom())
    assert {task_id for ids in curriculum.levels.values() for task_id in ids} == set(telecom().splits["train"])
    assert len({level.family for level in curriculum.levels}) > 2


@given(st.integers(0, 2**32), st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), max_size=20))
def test_the_same_seed_and_rewards_draw_the_same_tasks(seed: int, rewards: list[float | None]) -> None:
    def drawn() -> list[str]:
        curriculum = Curriculum(telecom(), seed=seed)
        ids = []
        for reward in rewards:
            ids.append(curriculum.draw())
            curriculum.tell(ids[-1], reward)
        assert all(0 <= share <= 1 for share in curriculum.success().values())
        return [*ids, curriculum.draw()]

    assert drawn() == drawn()


def test_levels_that_are_always_or_never_solved_are_drawn_less() -> None:
    curriculum = Curriculum(telecom(), seed=1)
    always, never, *others = sorted(curriculum.levels)
    for _ in range(100):
        curriculum.tell(curriculum.levels[always][0], 1.0)
        curriculum.tell(curriculum.levels[never][0], 0.0)
    drawn = Counter(curriculum._level_of[curriculum.draw()] for _ in range(2000))
    rarest = min(drawn[level] for level in others)
    assert 0 < drawn[always] < rarest
    assert 0 < drawn[never] < rarest
    for _ in range(100):  # the policy has learnt it since
        curriculum.tell(curriculum.levels[never][0], 1.0)
    assert curriculum.success()[never] > 0.8


def test_levels_can_be_chosen() -> None:
    family = min(level.family for level in Curriculum(telecom()).levels if level.family)
    chosen = Curriculum(telecom(), families=[family], min_blocks=2, max_blocks=3)
    assert {(level.family, 2 <= level.blocks <= 3) for level in chosen.levels} == {(family, True)}


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match=r"are of the splits train .* and test"):
        Curriculum(EpisodeFactory("telecom", split="base"))
    with pytest.raises(UsageError, match="no family 'mmms'"):
        Curriculum(telecom(), families=["mmms"])
    with pytest.raises(UsageError, match="widen the limits"):
        Curriculum(telecom(), min_blocks=99)
    with pytest.raises(UsageError, match="floor above 0"):
        Curriculum(telecom(), floor=0)
    with pytest.raises(UsageError, match="no task 'none'"):
        Curriculum(telecom()).tell("none", 1.0)
