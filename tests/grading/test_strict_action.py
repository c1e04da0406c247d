"""Criterion ACTION of the set `strict`, on hand-written episodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.model.evaluation import Grade, Status

Grading = Callable[..., Grade]
Messages = Callable[..., list[dict[str, Any]]]
COMPLETE: tuple[str, dict[str, Any]] = ("update_task_status", {"task_id": "task_1", "status": "completed"})


def action(name: str, arguments: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"action_id": "g", "name": name, "arguments": arguments or {}, **fields}


@pytest.mark.parametrize(
    ("wanted", "given", "met"),
    [
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, True),
    ],
)
def test_all_arguments_are_compared_by_meaning(
    strict: Grading, made: Messages, wanted: dict[str, Any], given: dict[str, Any], met: bool
) -> None:
    criteria = {"actions": [action("tool", wanted)], "reward_basis": ["ACTION"]}
    assert strict(made("tool", given), criteria).verdicts["ACTION"].reward == float(met)


def test_a_write_counts_once_and_a_read_always(strict: Grading, made: Messages) -> None:
    twice = {"actions": [action(*COMPLETE), action(*COMPLETE)], "reward_basis": ["ACTION"]}
    assert strict(made(*COMPLETE), twice).verdicts["ACTION"].reward == 0.0
    assert strict([*made(*COMPLETE), *made(*COMPLETE)], twice).verdicts["ACTION"].reward == 1.0
    looks = {"actions": [action("get_users"), action("get_users")], "reward_basis": ["ACTION"]}
    assert strict(made("get_users"), looks).verdicts["ACTION"].reward == 1.0


@pytest.mark.parametrize("actions", [None, []])
def test_none_are_made_by_rule(strict: Grading, made: Messages, actions: Any) -> None:
    verdict = strict(made("tool"), {"actions": actions, "reward_basis": ["ACTION"]}).verdicts["ACTION"]
    assert (verdict.status, verdict.reward, verdict.checks) == (Status.VACUOUS, 1.0, [])


def test_each_missing_call_is_reported_with_the_nearest_one(strict: Grading, made: Messages) -> None:
    gold = [action("tool", {"a": 1}), action("tool", {"a": 2}), action("never")]
    messages = [*made("tool", {"a": 1}), *made("tool", {"a": 3}), *made("other", {"a": 2})]
    verdict = strict(messages, {"actions": gold, "reward_basis": ["ACTION"]}).verdicts["ACTION"]
    assert [(check.met, check.why, check.evidence) for check in verdict.checks] == [
        (True, "", []),
        (False, "called once, but with other arguments", [{"made": {"a": 3}}]),
        (False, "never called", []),
    ]
    assert verdict.reward == 0.0


@pytest.mark.parametrize(
    ("wanted", "given", "met"),
    [
        ({}, {}, True),
        ({}, {"description": "of the model's own"}, True),
        ({"description": "Low C"}, {}, False),
        ({"description": "Low C"}, {"description": "High C"}, False),
        ({"description": None}, {}, True),
        ({}, {"description": "of the model's own", "colour": "blue"}, False),
    ],
)
def test_an_optional_argument_that_the_gold_leaves_out_is_the_agents_choice(
    strict: Grading, made: Messages, wanted: dict[str, Any], given: dict[str, Any], met: bool
) -> None:
    base = {"user_id": "rosa_delgado", "title": "Sweep"}
    criteria = {"actions": [action("create_task", base | wanted)], "reward_basis": ["ACTION"]}
    assert strict(made("create_task", base | given), criteria).verdicts["ACTION"].reward == float(met)


def test_only_arguments_in_compare_args_count(strict: Grading, made: Messages) -> None:
    gold = action("tool", {"a": 1, "b": 2}, compare_args=["a"])
    criteria = {"actions": [gold], "reward_basis": ["ACTION"]}
    found = [strict(made("tool", {"a": a}), criteria).verdicts["ACTION"].reward for a in (1, 2)]
    assert found == [1.0, 0.0]


def test_in_solo_play_the_agent_acts_for_both_sides(
    strict: Grading, made: Messages, setting_of: Callable[..., Setting]
) -> None:
    criteria = {"actions": [action("check_notifications", requestor="user")], "reward_basis": ["ACTION"]}
    solo = setting_of("mock", solo=True)
    assert strict(made("check_notifications"), criteria, setting=solo).verdicts["ACTION"].reward == 1.0


def test_the_side_matters(strict: Grading, made: Messages) -> None:
    criteria = {"actions": [action("check_notifications", requestor="user")], "reward_basis": ["ACTION"]}
    assert strict(made("check_notifications", side="user"), criteria).verdicts["ACTION"].reward == 1.0
    assert strict(made("check_notifications"), criteria).verdicts["ACTION"].reward == 0.0
