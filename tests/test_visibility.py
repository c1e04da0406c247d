"""Who sees what, how a conversation continues from a history, and what participants get before they speak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tau2_core.episode.participants import Participants
from tau2_core.episode.play import play
from tau2_core.episode.setting import Setting
from tau2_core.errors import UsageError
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from tau2_core.plugins.discovery import discover

Converse = Callable[..., tuple[EpisodeRecord, Any, Any]]
SettingOf = Callable[..., Setting]
OPENING = "assistant: Hello! What can I do for you today?"
USERS = '"user_id": "nadia_okafor"'
STOP = "###STOP###"


def seen(messages: Sequence[Message]) -> list[str]:
    """Write messages as `role: text [tools]`; for a tool's result, only which side called it."""
    lines = []
    for message in messages:
        if isinstance(message, ToolMessage):
            lines.append(f"tool: for the {message.requestor}")
        elif isinstance(message, AssistantMessage | UserMessage):
            tools = "".join(f" [{call.name}]" for call in message.tool_calls or [])
            lines.append(f"{message.role}: {message.content or ''}{tools}")
    return lines


def calls(name: str, role: str = "assistant", **fields: Any) -> dict[str, Any]:
    made = {"id": "h", "name": name, "arguments": {}, "requestor": role}
    return {"role": role, "tool_calls": [made], **fields}


def result(requestor: str = "assistant") -> dict[str, Any]:
    return {"role": "tool", "id": "h", "content": "recorded", "requestor": requestor}


class TestSides:
    def test_neither_side_sees_the_others_calls_and_results(self, converse: Converse) -> None:
        record, agent, user = converse(
            agent=[("get_users", {}), "told"], user=["hi", ("check_notifications", {}), "so", STOP]
        )
        assert seen(record.messages) == [
            *(OPENING, "user: hi", "assistant:  [get_users]", "tool: for the assistant", "assistant: told"),
            *("user:  [check_notifications]", "tool: for the user", "user: so", "assistant: told", f"user: {STOP}"),
        ]
        assert seen(agent.saw[-1]) == [
            *(OPENING, "user: hi", "assistant:  [get_users]", "tool: for the assistant", "assistant: told"),
            "user: so",
        ]
        assert seen(user.saw[-1]) == [
            *(OPENING, "user: hi", "assistant: told"),
            *("user:  [check_notifications]", "tool: for the user", "user: so", "assistant: told"),
        ]

    def test_text_next_to_a_call_is_recorded_but_private(self, converse: Converse) -> None:
        both = AssistantMessage(content="wait", tool_calls=[ToolCall(name="get_users", arguments={})])
        record, agent, user = converse(agent=[both, "told"], user=["hi", STOP])
        assert "assistant: wait [get_users]" in seen(record.messages)
        assert "assistant: wait [get_users]" in seen(agent.saw[-1])
        assert not any("wait" in line for line in seen(user.saw[-1]))
        assert isinstance(record.messages[3], ToolMessage)
        assert USERS in (record.messages[3].content or "")

    def test_the_customers_text_next_to_a_call_is_private(self, converse: Converse) -> None:
        both = UserMessage(content="wait", tool_calls=[ToolCall(name="check_notifications", arguments={})])
        _, agent, user = converse(agent=["ok"], user=[both, "hi", STOP])
        assert seen(agent.saw[0]) == [OPENING, "user: hi"]
        assert seen(user.saw[-1])[1] == "user: wait [check_notifications]"

    def test_a_result_goes_to_the_side_that_called(self, converse: Converse) -> None:
        _, agent, user = converse(agent=[("get_users", {}), "told"], user=["hi", ("check_notifications", {}), STOP])
        assert seen(agent.saw[1])[-1] == "tool: for the assistant"
        assert seen(user.saw[2])[-1] == "tool: for the user"


HI = {"role": "user", "content": "hi"}
HELLO = {"role": "assistant", "content": "hello"}


class TestHistories:
    def test_the_customer_continues_after_the_agents_text(self, converse: Converse) -> None:
        record, agent, user = converse(user=[STOP], history=[HI, HELLO])
        assert seen(user.saw[0]) == ["user: hi", "assistant: hello"]
        assert (agent.saw, record.steps, len(record.messages)) == ([], 1, 3)

    def test_the_agent_continues_after_the_customers_text(self, converse: Converse) -> None:
        _, agent, _ = converse(agent=["ok"], history=[HELLO, HI])
        assert seen(agent.saw[0]) == ["assistant: hello", "user: hi"]

    def test_the_agent_continues_after_the_result_of_its_call(self, converse: Converse) -> None:
        _, agent, user = converse(agent=["ok"], history=[HI, calls("get_users"), result()])
        assert seen(agent.saw[0]) == ["user: hi", "assistant:  [get_users]", "tool: for the assistant"]
        assert seen(user.saw[0]) == ["user: hi", "assistant: ok"]

    def test_the_customer_continues_after_the_result_of_its_call(self, converse: Converse) -> None:
        history = [HI, HELLO, calls("check_notifications", "user"), result("user")]
        _, agent, user = converse(agent=["ok"], user=["so", STOP], history=history)
        assert seen(user.saw[0])[2:] == ["user:  [check_notifications]", "tool: for the user"]
        assert seen(agent.saw[0]) == ["user: hi", "assistant: hello", "user: so"]

    @pytest.mark.parametrize("token", [STOP, "###TRANSFER###", "###OUT-OF-SCOPE###"])
    def test_a_history_that_the_customer_ended_is_over_without_a_step(self, converse: Converse, token: str) -> None:
        record, agent, user = converse(history=[HELLO, {"role": "user", "content": f"bye {token}"}])
        assert (record.termination, record.steps) == (Termination.USER_STOP, 0)
        assert (agent.saw, user.saw, len(record.messages)) == ([], [], 2)

    def test_the_history_comes_first_in_the_record_and_is_not_a_step(self, converse: Converse) -> None:
        record, *_ = converse(user=["so", STOP], agent=["ok"], history=[HI, HELLO])
        assert seen(record.messages) == ["user: hi", "assistant: hello", "user: so", "assistant: ok", f"user: {STOP}"]
        assert record.steps == 3

    def test_the_historys_writing_calls_are_applied_to_the_world(self, converse: Converse) -> None:
        arguments = {"notification_id": "notice_1"}
        made = {"id": "h", "name": "dismiss_notification", "arguments": arguments, "requestor": "user"}
        history = [
            HI,
            {"role": "user", "tool_calls": [made]},
            {**result("user"), "content": "Notification notice_1 dismissed"},
        ]
        changed, *_ = converse(history=history)
        plain, *_ = converse(history=[HI, HELLO])
        assert changed.digests["user"] != plain.digests["user"]

    @pytest.mark.parametrize(
        ("task", "error"),
        [
            ({"initial_state": {"message_history": [result()]}}, "TaskError: a tool result without its call"),
            (
                {"initial_state": {"initialization_data": {"agent_data": {"nothing": 1}}}},
                "TaskError: initial data does not fit: MockDB has no field 'nothing'",
            ),
            (
                {"initial_state": {"initialization_actions": [{"env_type": "user", "func_name": "create_task"}]}},
                "TaskError: the user side has no function 'create_task'",
            ),
        ],
    )
    def test_an_invalid_start_state_is_an_infrastructure_error(
        self, converse: Converse, task: dict[str, Any], error: str
    ) -> None:
        record, agent, user = converse(task=task)
        assert record.termination is Termination.INFRASTRUCTURE_ERROR
        assert error in (record.error or "")
        assert (record.messages, agent.saw, user.saw) == ([], [], [])


class TestContexts:
    def test_the_agent_gets_the_policy_and_its_own_tools(self, converse: Converse, setting_of: SettingOf) -> None:
        _, agent, _ = converse()
        setting = setting_of("mock")
        assert (agent.context.domain, agent.context.policy) == ("mock", setting.policy_text)
        assert [tool.name for tool in agent.context.tools] == list(setting.tools("agent"))
        assert (agent.context.solo, agent.context.ticket) == (False, None)

    @pytest.mark.parametrize(
        ("allowed", "names"),
        [
            (None, ["check_notifications", "dismiss_notification"]),
            (["dismiss_notification"], ["dismiss_notification"]),
            ([], []),
        ],
    )
    def test_the_customer_gets_the_tools_that_the_task_allows(
        self, converse: Converse, allowed: Any, names: list[str]
    ) -> None:
        _, _, user = converse(task={"user_tools": allowed})
        assert [tool.name for tool in user.context.tools] == names
        assert user.context.scenario.instructions == "x"

    @pytest.mark.parametrize("sees", [False, True])
    def test_only_participants_that_declare_it_see_the_gold(self, converse: Converse, sees: bool) -> None:
        _, agent, user = converse(sees_gold=sees)
        for context in (agent.context, user.context):
            assert (context.gold is not None) is sees

    def test_solo_play_and_a_customer_exclude_each_other(self, setting_of: SettingOf) -> None:
        catalogue = discover()
        agent, somebody, nobody = catalogue.agent("silent"), catalogue.user("scripted"), catalogue.user("none")
        with pytest.raises(UsageError, match="use --user none"):
            Participants(agent, somebody).check(setting_of("mock", solo=True))
        with pytest.raises(UsageError, match="add --solo"):
            Participants(agent, nobody).check(setting_of("mock"))
        Participants(agent, somebody).check(setting_of("mock"))
        Participants(agent, nobody).check(setting_of("mock", solo=True))


class TestSeeds:
    def records(self, setting: Setting, seed: int) -> list[dict[str, Any]]:
        catalogue = discover()
        participants = Participants(catalogue.agent("random"), catalogue.user("scripted"))
        tasks = list(setting.tasks().values())[:6]
        played = [asyncio.run(play(setting, task, participants, Slot(task.id, 0), seed)) for task in tasks]
        return [record.line() for record in played]

    @pytest.mark.parametrize("domain", ["airline", "mock", "retail"])
    def test_equal_seeds_give_equal_records_and_others_do_not(self, setting_of: SettingOf, domain: str) -> None:
        setting = setting_of(domain)
        first, again, other = (self.records(setting, seed) for seed in (5, 5, 6))
        assert first == again
        assert all(mine["messages"] != theirs["messages"] for mine, theirs in zip(first, other, strict=True))
