"""Start states: initial data, set-up calls, and the replay of a message history (spec/environment.md, 9 and 10)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import set_state, start
from tau2_core.errors import TaskError
from tau2_core.model.messages import Message, Requestor, ToolCall
from tau2_core.model.tasks import InitialState, Task
from tau2_core.model.tools import Failure

SettingOf = Callable[..., Setting]
MESSAGES: TypeAdapter[list[Message]] = TypeAdapter(list[Message])
TASK_7 = {"task_id": "task_7", "title": "Sew", "description": None, "status": "pending"}
CREATE = {"user_id": "piet_lindgren", "title": "Sew"}
PENDING = {"task_id": "task_1", "status": "pending"}


@pytest.fixture
def strict(setting_of: SettingOf) -> Environment:
    return Environment(setting_of("mock"))


@pytest.fixture
def tau2(setting_of: SettingOf) -> Environment:
    return Environment(setting_of("mock", mode="tau2"))


def says(*calls: tuple[str, str, dict[str, Any]], role: str = "assistant", requestor: str = "") -> dict[str, Any]:
    made = [
        {"id": number, "name": name, "arguments": arguments, "requestor": requestor or role}
        for number, name, arguments in calls
    ]
    return {"role": role, "tool_calls": made}


def result(number: str, content: Any, **fields: Any) -> dict[str, Any]:
    text = content if isinstance(content, str | None) else json.dumps(content)
    return {"role": "tool", "id": number, "content": text, **fields}


def history(*messages: dict[str, Any]) -> list[Message]:
    return MESSAGES.validate_python(messages)


def replay(environment: Environment, *messages: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = set_state(environment, None, history(*messages))
    return [(mismatch.call.name, mismatch.recorded, mismatch.replayed) for mismatch in found]


def initial(**fields: Any) -> InitialState:
    return InitialState.model_validate(fields)


def tasks(environment: Environment) -> list[str]:
    return list(environment.worlds["agent"].read_field("tasks"))


class TestSettingUp:
    def test_data_are_applied_before_actions_and_actions_before_the_history(self, strict: Environment) -> None:
        state = initial(
            initialization_data={"agent_data": {"tasks": {"x": {**TASK_7, "task_id": "x"}}}},
            initialization_actions=[{"env_type": "assistant", "func_name": "create_task", "arguments": CREATE}],
        )
        created = {**TASK_7, "task_id": "task_9"}
        messages = history(says(("1", "create_task", CREATE)), result("1", created))
        assert set_state(strict, state, messages) == []
        assert tasks(strict)[-3:] == ["x", "task_8", "task_9"]

    def test_data_that_do_not_fit_are_an_error_with_the_location(self, strict: Environment) -> None:
        state = initial(initialization_data={"agent_data": {"tasks": {"task_1": {"status": "late"}}}})
        with pytest.raises(TaskError, match="initial data does not fit: status: Input should be 'pending'"):
            set_state(strict, state, [])

    def test_data_for_an_unknown_field_are_an_error(self, strict: Environment) -> None:
        with pytest.raises(TaskError, match="MockDB has no field 'task'"):
            set_state(strict, initial(initialization_data={"agent_data": {"task": {}}}), [])

    def test_data_for_a_customer_without_a_database_are_an_error(self, setting_of: SettingOf) -> None:
        environment = Environment(setting_of("airline"))
        with pytest.raises(TaskError, match="customer's side, which has no database"):
            set_state(environment, initial(initialization_data={"user_data": {}}), [])

    def test_a_failing_action_is_an_error_and_earlier_effects_stay(self, strict: Environment) -> None:
        actions = [
            {"env_type": "assistant", "func_name": "create_task", "arguments": CREATE},
            {"env_type": "assistant", "func_name": "create_task", "arguments": {"user_id": "eve", "title": "x"}},
        ]
        with pytest.raises(TaskError, match=r"create_task failed: ToolError: there is no user 'eve'"):
            set_state(strict, initial(initialization_actions=actions), [])
        assert tasks(strict)[-1] == "task_7"

    def test_an_action_that_looks_like_an_assertion_is_a_plain_call(self, strict: Environment) -> None:
        arguments = {"task_id": "task_1", "expected_status": "completed"}
        action = {"env_type": "assistant", "func_name": "assert_task_status", "arguments": arguments}
        assert set_state(strict, initial(initialization_actions=[{**action, "assert_value": True}]), []) == []

    def test_a_customers_message_in_solo_play_is_refused_before_anything_is_applied(
        self, setting_of: SettingOf
    ) -> None:
        environment = Environment(setting_of("mock", solo=True))
        before = environment.digests()
        with pytest.raises(TaskError, match="solo"):
            set_state(
                environment,
                initial(initialization_data={"agent_data": {"tasks": {"x": TASK_7}}}),
                history({"role": "user", "content": "hi"}),
            )
        assert environment.digests() == before

    @pytest.mark.parametrize(("side", "tool"), [("agent_data", "check_notifications"), ("user_data", "get_users")])
    def test_data_for_one_side_alias_both_databases_in_mode_tau2_only(
        self, strict: Environment, tau2: Environment, side: str, tool: str
    ) -> None:
        for environment, crossed in ((strict, False), (tau2, True)):
            set_state(environment, initial(initialization_data={side: {}}), [])
            hashes = environment.official_hashes()
            assert (hashes["agent"] == hashes["user"]) is crossed
            requestor: Requestor = "user" if side == "agent_data" else "assistant"
            answer = environment.call(ToolCall(name=tool, arguments={}, requestor=requestor))
            assert answer.failure is (Failure.CRASHED if crossed else None)

    def test_data_for_both_sides_fail_in_mode_tau2_after_the_first_is_applied(
        self, strict: Environment, tau2: Environment
    ) -> None:
        note = {"notification_id": "n", "message": "m"}
        data = {"agent_data": {"tasks": {"x": TASK_7}}, "user_data": {"notifications": {"n": note}}}
        set_state(strict, initial(initialization_data=data), [])
        assert "n" in strict.worlds["user"].read_field("notifications")
        with pytest.raises(TaskError, match="MockDB has no field 'notifications'"):
            set_state(tau2, initial(initialization_data=data), [])
        assert tasks(tau2)[-1] == "x"

    def test_the_official_start_states_have_the_official_hashes(self, setting_of: SettingOf, shared: Path) -> None:
        setting = setting_of("mock", mode="tau2", dataset=shared / "tau2-bench")
        plain, created, notices = "107f83a70b7bf4f6", "7229fa1c72600a79", "4cf3d22eed6962ba"
        special = {
            "update_task_with_message_history": (created, notices),
            "update_task_with_history_and_env_assertions": (created, notices),
            "update_task_with_initialization_actions": (created, notices),
            "update_task_with_initialization_data": (created, created),
        }
        assert special.keys() <= setting.tasks().keys()
        for name, task in setting.tasks().items():
            environment = Environment(setting)
            start(environment, task)
            hashes = environment.official_hashes()
            assert (hashes["agent"][:16], hashes["user"][:16]) == special.get(name, (plain, notices)), name


class TestPairing:
    CALL = ("1", "create_task", CREATE)

    @pytest.mark.parametrize(
        ("messages", "error"),
        [
            ([result("1", TASK_7)], "a tool result without its call: id '1'"),
            ([says(CALL)], "create_task with id '1' is not followed by its result"),
            ([says(CALL), {"role": "user", "content": "hm"}, result("1", TASK_7)], "not followed by its result"),
            ([says(CALL), result("2", TASK_7)], "not followed by its result"),
            ([says(CALL), result("1", TASK_7), result("1", TASK_7)], "a tool result without its call"),
            ([says(CALL, ("2", "get_users", {})), result("2", []), result("1", TASK_7)], "not followed by its result"),
            ([says(CALL, ("2", "get_users", {})), result("1", TASK_7)], "get_users with id '2' is not followed"),
        ],
    )
    def test_a_history_with_unpaired_calls_is_refused_before_any_replay(
        self, strict: Environment, messages: list[dict[str, Any]], error: str
    ) -> None:
        good = [says(("0", "create_task", CREATE)), result("0", TASK_7)]
        with pytest.raises(TaskError, match=error):
            replay(strict, *good, *messages)
        assert "task_7" not in tasks(strict)

    def test_the_pairing_is_checked_after_data_and_actions(self, strict: Environment) -> None:
        action = {"env_type": "assistant", "func_name": "create_task", "arguments": CREATE}
        with pytest.raises(TaskError, match="without its call"):
            set_state(strict, initial(initialization_actions=[action]), history(result("1", TASK_7)))
        assert "task_7" in tasks(strict)

    def test_messages_without_calls_need_no_results(self, strict: Environment) -> None:
        system, empty = {"role": "system", "content": "s"}, {"role": "assistant", "content": "a", "tool_calls": []}
        assert replay(strict, system, empty, {"role": "user", "content": "u", "tool_calls": None}) == []

    def test_several_calls_of_one_message_are_followed_by_their_results_in_order(self, strict: Environment) -> None:
        second = {**TASK_7, "task_id": "task_8"}
        calls = says(("1", "create_task", CREATE), ("2", "create_task", CREATE))
        assert replay(strict, calls, result("1", TASK_7), result("2", second)) == []


class TestReplay:
    def test_writing_calls_are_replayed(self, strict: Environment) -> None:
        assert replay(strict, says(("1", "create_task", CREATE)), result("1", TASK_7)) == []
        assert tasks(strict)[-1] == "task_7"

    @pytest.mark.parametrize("name", ["no_such_tool", "get_users", "transfer_to_human_agents"])
    def test_read_only_calls_are_not_replayed_whatever_was_recorded(self, strict: Environment, name: str) -> None:
        for content in ("nonsense", "", None):
            assert replay(strict, says(("1", name, {"odd": 1})), result("1", content)) == []

    def test_calls_answered_by_a_plugin_are_not_replayed(self, strict: Environment) -> None:
        assert replay(strict, says(("1", "create_task", CREATE)), result("1", "Error: busy", skipped=True)) == []
        assert "task_7" not in tasks(strict)

    def test_the_calls_requestor_counts_not_the_messages_role(self, strict: Environment) -> None:
        close_models = says(("1", "dismiss_notification", {"notification_id": "notice_1"}), requestor="user")
        assert replay(strict, close_models, result("1", "Notification notice_1 dismissed")) == []
        assert strict.worlds["user"].read_field("notifications")["notice_1"].status == "read"

    @pytest.mark.parametrize("content", [json.dumps(TASK_7, indent=3), json.dumps(dict(reversed(TASK_7.items())))])
    def test_json_is_compared_by_value(self, strict: Environment, content: str) -> None:
        assert replay(strict, says(("1", "create_task", CREATE)), result("1", content)) == []

    @pytest.mark.parametrize("content", ["1", "1.0", "true", " 1 "])
    def test_equal_numbers_are_equal_json(self, tau2: Environment, content: str) -> None:
        tau2.worlds["agent"].write_field("tasks")["task_1"].title = 1
        recorded = json.dumps({**PENDING, "title": json.loads(content), "description": "Twelve, 750 watts."})
        assert replay(tau2, says(("1", "update_task_status", PENDING)), result("1", recorded)) == []

    def test_different_content_is_reported_and_the_replay_continues(self, strict: Environment) -> None:
        other = {**TASK_7, "title": "Sow"}
        calls = [says(("1", "create_task", CREATE)), result("1", other), says(("2", "create_task", CREATE))]
        found = replay(strict, *calls, result("2", {**TASK_7, "task_id": "task_8"}))
        assert found == [("create_task", json.dumps(other), json.dumps(TASK_7))]
        assert tasks(strict)[-1] == "task_8"

    def test_different_content_at_the_start_of_a_task_is_an_error(self, strict: Environment) -> None:
        messages = [says(("1", "create_task", CREATE)), result("1", "other")]
        task = Task.model_validate(
            {"id": "t", "user_scenario": {"instructions": ""}, "initial_state": {"message_history": messages}}
        )
        with pytest.raises(TaskError, match=r"its history records 'other' for create_task, but the call gives"):
            start(strict, task)

    @pytest.mark.parametrize(("recorded", "equal"), [("Error: other words", True), ("Error:", False), ("no", False)])
    def test_two_failures_are_equal_whatever_their_text(self, strict: Environment, recorded: str, equal: bool) -> None:
        call = says(("1", "create_task", {"user_id": "eve", "title": "x"}))
        assert (replay(strict, call, result("1", recorded, error=True)) == []) is equal

    def test_the_recorded_error_flag_is_not_compared(self, strict: Environment) -> None:
        assert replay(strict, says(("1", "create_task", CREATE)), result("1", TASK_7, error=True)) == []

    def test_a_writing_call_without_recorded_content_is_an_error(self, strict: Environment) -> None:
        with pytest.raises(TaskError, match=r"result of create_task \(id '1'\) has no content"):
            replay(strict, says(("1", "create_task", CREATE)), result("1", None))
