"""The evaluators of the set `strict`, each on episodes written by hand"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.model.evaluation import Grade, Status
from tau2_core.model.messages import ToolCall

Grading = Callable[..., Grade]
Messages = Callable[..., list[dict[str, Any]]]
COMPLETE: tuple[str, dict[str, Any]] = ("update_task_status", {"task_id": "task_1", "status": "completed"})


def action(name: str, arguments: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"action_id": "g", "name": name, "arguments": arguments or {}, **fields}


def figures(count: int, first: int = 1) -> str:
    return " ".join(map(str, range(first, first + count)))


def words(count: int) -> str:
    return ", ".join(f"w{number}" for number in range(1, count + 1))


class TestCommunicate:
    @pytest.mark.parametrize(
        ("wanted", "said", "met"),
        [
            ("1234.5", "It is $1,234.50 in all.", True),
            ("1234.5", "It is 1234.", False),
            ("4", "You have 14.", False),
            ("4", "You have 4.5.", False),
            ("4", "You have 4.", True),
            ("4", "You have four.", False),
            ("60.78", "The difference is -60.78.", True),
            ("-60.78", "The difference is 60.78.", False),
            ("2024-05-15", "On May 15th, 2024.", True),
            ("2024-05-15", "On 15 May.", True),
            ("2024-05-15", "On May 16, 2024.", False),
            ("2024-05-15", "On 5/15/2024.", True),
            ("15", "On 2024-05-15.", False),
            ("JFK", "You leave from jfk today.", True),
            ("JFK", "JFKX it is.", False),
            ("2024-05-15", "On May 15.", True),
            ("2024-05-15", "On May 15, 2023.", False),
            ("2024-05-15", "On 15 May 2024.", True),
            ("2024-05-15", "On May 14 or May 15.", True),
            ("2024-05-15", "On 05/15/2024.", True),
            ("2024-05-15", "On June 15, 2024.", False),
            ("May 15, 2024", "On 05/15/2024.", False),
            ("May 15, 2024", "On may 15, 2024.", True),
            ("-60.78", "A difference of -60.78.", True),
            ("-60.78", "A difference of 60.78.", False),
            ("007", "Agent 007.", True),
            ("free of charge", "It is free  of\ncharge.", True),
            ("21", "It costs **$21**.", True),
            ("$21", "It costs 21 dollars.", True),
            ("1,234.5", "It costs 1234.50 dollars.", True),
            ("25 ", "It is 25.00.", True),
            (" -60.78", "A difference of 60.78.", False),
            (" 2024-05-15", "On May 15.", True),
            ("a.c of  x", "An A.C of x.", True),
            ("a.c of x", "An abc of x.", False),
        ],
    )
    def test_a_value_is_recognised_in_the_formats_of_its_kind(
        self, strict: Grading, says: Messages, wanted: str, said: str, met: bool
    ) -> None:
        verdict = strict(says(said), {"communicate_info": [wanted]}).verdicts["COMMUNICATE"]
        assert verdict.reward == float(met)

    def test_a_list_of_many_numbers_does_not_state_one(self, strict: Grading, says: Messages) -> None:
        every = ", ".join(map(str, range(1, 1001)))
        verdict = strict(says(every), {"communicate_info": ["42"]}).verdicts["COMMUNICATE"]
        assert (verdict.reward, verdict.checks[0].why) == (0.0, "lost among 1000 different numbers")
        parts = [message for start in range(1, 1001, 50) for message in says(str([*range(start, start + 50)]))]
        assert strict(parts, {"communicate_info": ["42"]}).verdicts["COMMUNICATE"].reward == 0.0

    @pytest.mark.parametrize(
        ("texts", "value", "why"),
        [
            ([figures(60)], "1", "said"),
            ([figures(61)], "1", "lost in a list of 61 values"),
            ([figures(61), "It is 1."], "1", "said"),
            (["1 " * 300], "1", "said"),
            ([words(200)], "w1", "said"),
            ([words(201)], "w1", "lost in a list of 201 values"),
            ([words(200) + ", W1, w1,, "], "w1", "said"),
            ([f"{words(150)} {figures(61)}"], "1", "lost in a list of 150 values"),
            ([figures(60), figures(60, 61), figures(30, 121)], "1", "said"),
            ([figures(60), figures(60, 61), figures(31, 121)], "1", "lost among 151 different numbers"),
            ([figures(151)], "1", "lost among 151 different numbers"),
            ([figures(151)], "w1", "never said"),
        ],
    )
    def test_the_number_of_values_that_count_as_a_list(
        self, strict: Grading, says: Messages, texts: list[str], value: str, why: str
    ) -> None:
        said = [message for text in texts for message in says(text)]
        verdict = strict(said, {"communicate_info": [value]}).verdicts["COMMUNICATE"]
        assert (verdict.checks[0].why, verdict.reward) == (why, float(why == "said"))

    def test_forbidden_texts_must_not_be_said(self, strict: Grading, says: Messages) -> None:
        criteria = {"communicate_info": ["5"], "communicate_forbidden": ["6"]}
        verdict = strict(says("5 or 6."), criteria).verdicts["COMMUNICATE"]
        place = [{"message": "5 or 6."}]
        assert [(check.what, check.met, check.why, check.evidence) for check in verdict.checks] == [
            ("5", True, "said", place),
            ("not 6", False, "said, though it is wrong here", place),
        ]
        assert verdict.reward == 0.0
        verdict = strict(says("5 or 16."), criteria).verdicts["COMMUNICATE"]
        assert (verdict.reward, verdict.checks[1].evidence) == (1.0, [])
        (check,) = strict(says("Five."), {"communicate_info": ["5"]}).verdicts["COMMUNICATE"].checks
        assert (check.met, check.why, check.evidence) == (False, "never said", [])

    def test_forbidden_texts_alone_are_a_criterion(self, strict: Grading, says: Messages) -> None:
        criteria = {"communicate_forbidden": ["6"]}
        rewards = [strict(says(text), criteria).verdicts["COMMUNICATE"].reward for text in ("It is 6.", "It is 5.")]
        assert rewards == [0.0, 1.0]

    @pytest.mark.parametrize("empty", [None, []])
    def test_a_task_without_texts_is_vacuous(self, strict: Grading, says: Messages, empty: Any) -> None:
        verdict = strict(says("It is 6."), {"communicate_info": empty}).verdicts["COMMUNICATE"]
        assert (verdict.status, verdict.reward, verdict.checks) == (Status.VACUOUS, 1.0, [])

    def test_text_next_to_a_call_is_private(self, strict: Grading, made: Messages) -> None:
        messages = made("get_users", content="It is 5.")
        assert strict(messages, {"communicate_info": ["5"]}).verdicts["COMMUNICATE"].reward == 0.0


class TestDatabase:
    def test_differences_are_requested_or_collateral(self, strict: Grading, made: Messages) -> None:
        other = made("update_task_status", {"task_id": "task_2", "status": "completed"})
        verdict = strict(other, {"actions": [action(*COMPLETE)], "reward_basis": ["DB"]}).verdicts["DB"]
        kinds = {item["path"]: item["kind"] for item in verdict.checks[0].evidence}
        assert kinds == {"tasks.task_1.status": "wanted", "tasks.task_2.status": "collateral"}
        assert "at 2 paths, 1 of them collateral damage" in verdict.checks[0].why
        assert (verdict.checks[1].what, verdict.checks[1].why) == ("user database", "")

    def test_a_live_state_that_the_replay_confirms_is_met(
        self, strict: Grading, made: Messages, setting_of: Callable[..., Setting]
    ) -> None:
        live = Environment(setting_of("mock"))
        live.call(ToolCall(name=COMPLETE[0], arguments=COMPLETE[1]))
        criteria = {"actions": [action(*COMPLETE)], "reward_basis": ["DB"]}
        verdict = strict(made(*COMPLETE), criteria, digests=live.digests()).verdicts["DB"]
        assert [(check.met, check.why, check.evidence) for check in verdict.checks] == [(True, "", [])] * 4
        verdict = strict(made(*COMPLETE), criteria, digests={"agent": "0"}).verdicts["DB"]
        assert (verdict.reward, [check.met for check in verdict.checks]) == (0.0, [True, True, False])

    def test_differences_are_sorted_by_path(self, strict: Grading, made: Messages) -> None:
        create = made("create_task", {"user_id": "rosa_delgado", "title": "Sweep"})
        tasks = [made(COMPLETE[0], {**COMPLETE[1], "task_id": f"task_{number}"}) for number in (2, 1)]
        done = [message for each in (create, *tasks) for message in each]
        verdict = strict(done, {"actions": [], "reward_basis": ["DB"]}).verdicts["DB"]
        paths = [item["path"] for item in verdict.checks[0].evidence]
        assert paths == [
            "tasks.task_1.status",
            "tasks.task_2.status",
            "tasks.task_7",
            "users.rosa_delgado.tasks[2]",
        ]

    def test_a_missing_record_differs_from_an_empty_one(self, strict: Grading, says: Messages) -> None:
        wanted = action("create_task", {"user_id": "rosa_delgado", "title": "Sweep"})
        verdict = strict(says("Done."), {"actions": [wanted], "reward_basis": ["DB"]}).verdicts["DB"]
        sides = {item["path"]: {"old", "new"} & item.keys() for item in verdict.checks[0].evidence}
        assert sides == {"tasks.task_7": {"old"}, "users.rosa_delgado.tasks[2]": {"old"}}
        assert verdict.checks[0].why == "differs from the gold's end state at 2 paths"

    @pytest.mark.parametrize(
        ("evaluation", "value", "reward"),
        [
            ({}, {"count": 1.0}, 1.0),
            ({}, {"count": 2}, 0.0),
            ({}, {"tags": ["b", "a"]}, 0.0),
            ({"unordered": ["items.*.tags"]}, {"tags": ["b", "a"]}, 1.0),
            ({"unordered": ["items.*.tags"]}, {"tags": ["b", "b"]}, 0.0),
            ({"ignored": ["items.*.data"]}, {"data": {"note": 1}}, 1.0),
            ({}, {"data": {"note": 1}}, 0.0),
        ],
    )
    def test_differences_that_the_pack_declares_meaningless_are_ignored(
        self,
        small_pack: Callable[..., Setting],
        strict: Grading,
        made: Messages,
        evaluation: dict[str, Any],
        value: dict[str, Any],
        reward: float,
    ) -> None:
        setting = small_pack(PUT, {"put": PUT_TOOL}, evaluation=evaluation)
        gold = [action("put", {"values": {"count": 1, "tags": ["a", "b"]}})]
        values = {"count": 1, "tags": ["a", "b"], **value}
        grade = strict(made("put", {"values": values}), {"actions": gold, "reward_basis": ["DB"]}, setting=setting)
        assert grade.verdicts["DB"].reward == reward

    @pytest.mark.parametrize(
        ("gold", "done", "kinds"),
        [
            (
                {"parts": [{"name": "m", "sizes": [1]}]},
                {"parts": []},
                {"items.a.parts[0]": "wanted"},
            ),  # above what the gold changes
            ({"data": [1]}, {"data": [1, {"a": 1}]}, {"items.a.data[1]": "wanted"}),  # below it
            ({"data": [1]}, {"data": [1], "tags": ["x", "y"]}, {"items.a.tags[1]": "collateral"}),
        ],
    )
    def test_what_is_above_or_below_a_wanted_change_is_wanted_too(
        self, small_pack: Callable[..., Setting], strict: Grading, made: Messages, gold: Any, done: Any, kinds: Any
    ) -> None:
        setting = small_pack(PUT, {"put": PUT_TOOL})
        criteria = {"actions": [action("put", {"values": gold})], "reward_basis": ["DB"]}
        verdict = strict(made("put", {"values": done}), criteria, setting=setting).verdicts["DB"]
        assert {item["path"]: item["kind"] for item in verdict.checks[0].evidence} == kinds

    @pytest.mark.parametrize("basis", ["DB", "ACTION"])
    def test_fifty_of_many_differences_are_shown_and_all_are_counted(
        self, small_pack: Callable[..., Setting], strict: Grading, made: Messages, basis: str
    ) -> None:
        setting = small_pack(PUT, {"put": PUT_TOOL})
        done = made("put", {"values": {"tags": ["x", *map(str, range(51))]}})
        grade = strict(done, {"actions": [], "reward_basis": [basis]}, setting=setting)
        check = grade.verdicts["DB" if basis == "DB" else "COLLATERAL"].checks[0]
        assert (len(check.evidence), check.why.count("51 paths")) == (50, 1)

    def test_without_gold_it_says_nothing(self, strict: Grading, made: Messages) -> None:
        verdict = strict(made(*COMPLETE), {"communicate_info": ["5"]}).verdicts["DB"]
        assert (verdict.status, verdict.reward, verdict.checks) == (Status.VACUOUS, 1.0, [])

    def test_a_live_state_that_differs_from_the_replay_fails(self, strict: Grading, made: Messages) -> None:
        criteria = {"actions": [action(*COMPLETE)], "reward_basis": ["DB"]}
        assert strict(made(*COMPLETE), criteria).verdicts["DB"].reward == 1.0
        verdict = strict(made(*COMPLETE), criteria, digests={"agent": "another"}).verdicts["DB"]
        assert [check.what for check in verdict.checks if not check.met] == [
            "agent database: live state equals replayed state"
        ]
        assert verdict.reward == 0.0


class TestCollateral:
    def test_without_end_states_unrequested_calls_count(self, strict: Grading, made: Messages) -> None:
        criteria = {"actions": [action(*COMPLETE)], "reward_basis": ["ACTION"]}
        assert strict(made(*COMPLETE), criteria).reward == 1.0
        more = made("update_task_status", {"task_id": "task_2", "status": "completed"})
        grade = strict([*made(*COMPLETE), *more], criteria)
        assert (grade.reward, grade.verdicts["ACTION"].reward) == (0.0, 1.0)
        (item,) = grade.verdicts["COLLATERAL"].checks[0].evidence
        assert item["path"] == "tasks.task_2.status"
        (check, *_) = grade.verdicts["COLLATERAL"].checks
        assert check.why.startswith("1 path changed that the gold does not change")

    @pytest.mark.parametrize(
        "criteria",
        [
            {"actions": [action(*COMPLETE)], "reward_basis": ["DB"]},  # which compares the whole end state
            {"communicate_info": ["5"], "reward_basis": ["COMMUNICATE"]},
        ],
        ids=["DB", "no gold"],
    )
    def test_it_is_vacuous_without_anything_to_check(
        self, strict: Grading, made: Messages, criteria: dict[str, Any]
    ) -> None:
        verdict = strict(made(*COMPLETE), criteria).verdicts["COLLATERAL"]
        assert (verdict.status, verdict.reward) == (Status.VACUOUS, 1.0)

    def test_a_live_state_that_differs_from_the_replay_is_damage(self, strict: Grading, made: Messages) -> None:
        criteria = {"actions": [action(*COMPLETE)], "reward_basis": ["ACTION"]}
        verdict = strict(made(*COMPLETE), criteria, digests={"agent": "another"}).verdicts["COLLATERAL"]
        assert (verdict.status, verdict.reward) == (Status.GRADED, 0.0)

    def test_another_way_to_the_same_state_is_no_damage(self, strict: Grading, made: Messages) -> None:
        criteria = {"actions": [action(*COMPLETE)], "reward_basis": ["ACTION"]}
        wrong = made("update_task_status", {"task_id": "task_1", "status": "pending"})
        assert strict([*wrong, *made(*COMPLETE)], criteria).reward == 1.0

    def test_what_the_task_set_up_is_not_to_be_undone(self, strict: Grading, made: Messages) -> None:
        state = {"initialization_data": {"agent_data": {"tasks": {"task_1": {"status": "completed"}}}}}
        undone = made("update_task_status", {"task_id": "task_1", "status": "pending"})
        criteria = {"actions": [], "reward_basis": ["ACTION"]}
        assert strict(undone, criteria, state=state).verdicts["COLLATERAL"].reward == 0.0
        assert strict(undone, criteria).verdicts["COLLATERAL"].reward == 1.0


PUT_TOOL: dict[str, Any] = {"kind": "write", "parameters": {"values": {"type": "object"}}}
PUT = """
from ..models import SmallDB

def put(db: SmallDB, values: dict) -> str:
    item = db.items["a"]
    for name, value in values.items():
        setattr(item, name, value)
    return "done"
"""
