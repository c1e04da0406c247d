"""Solo play: the agent alone with a ticket, with the tools of both sides and `done`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import set_state
from tau2_core.errors import PackError, UsageError
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.messages import AssistantMessage, ToolCall, ToolMessage
from tau2_core.model.tasks import Task

Converse = Callable[..., tuple[EpisodeRecord, Any, Any]]
SettingOf = Callable[..., Setting]
DONE: tuple[str, dict[str, Any]] = ("done", {})
CREATE = ("create_task", {"user_id": "piet_lindgren", "title": "Sew"})
LOOK: tuple[str, dict[str, Any]] = ("get_users", {})
STOP = "###STOP###"


@pytest.fixture
def alone(converse: Converse, setting_of: SettingOf) -> Converse:
    """Play solo; the ticket is the task's."""
    return partial(converse, setting=setting_of("mock", solo=True), task={"ticket": "Sew it."})


def results(record: EpisodeRecord) -> list[tuple[str, bool]]:
    return [(message.id, message.error) for message in record.messages if isinstance(message, ToolMessage)]


def test_the_agent_has_the_ticket_and_both_sides_tools_and_done(alone: Converse, setting_of: SettingOf) -> None:
    _, agent, _ = alone(agent=[DONE])
    setting = setting_of("mock", solo=True)
    names = [*setting.tools("agent"), *setting.tools("user"), "done"]
    assert [tool.name for tool in agent.context.tools] == names
    assert (agent.context.solo, agent.context.ticket) == (True, "Sew it.")
    assert agent.context.policy == setting.policy_text != setting_of("mock").policy_text


def test_without_a_history_the_agent_speaks_first(alone: Converse) -> None:
    _, agent, user = alone(agent=[LOOK, DONE])
    assert agent.saw[0] == []
    assert user.saw == []


def test_done_ends_the_episode(alone: Converse) -> None:
    record, agent, _ = alone(agent=[LOOK, DONE])
    assert (record.termination, len(agent.saw)) == (Termination.AGENT_STOP, 2)


def test_the_first_message_is_not_a_step(alone: Converse) -> None:
    record, *_ = alone(agent=[LOOK], max_steps=4)
    assert (record.termination, record.steps) == (Termination.MAX_STEPS, 5)
    assert len(results(record)) == 3


@pytest.mark.parametrize("order", [[CREATE, DONE], [DONE, CREATE]])
def test_calls_in_the_same_message_as_done_are_executed(alone: Converse, order: list[Any]) -> None:
    record, *_ = alone(agent=[order])
    made, *_ = alone(agent=[CREATE, DONE])
    assert record.termination is Termination.AGENT_STOP
    assert record.digests == made.digests
    assert (record.tool_calls, results(record)) == (1, [("1.0", False), ("1.1", False)])


def test_a_record_that_ends_with_done_can_be_replayed(alone: Converse, setting_of: SettingOf) -> None:
    record, *_ = alone(agent=[[CREATE, DONE]])
    environment = Environment(setting_of("mock", solo=True))
    assert set_state(environment, None, record.messages) == []
    assert environment.digests() == record.digests


def test_text_without_calls_is_an_error(alone: Converse) -> None:
    record, *_ = alone(agent=[LOOK, "Shall I?"])
    assert record.termination is Termination.AGENT_ERROR
    assert "there is nobody to read it" in (record.error or "")


def test_text_with_the_stop_token_ends_the_episode(alone: Converse) -> None:
    record, *_ = alone(agent=[LOOK, f"{STOP}"])
    assert (record.termination, record.error) == (Termination.AGENT_STOP, None)


def test_text_next_to_calls_is_not_an_error(alone: Converse) -> None:
    both = AssistantMessage(content="Let me see.", tool_calls=[ToolCall(id="1", name="get_users", arguments={})])
    record, *_ = alone(agent=[both, DONE])
    assert record.termination is Termination.AGENT_STOP


def test_the_agent_can_use_the_customers_tools(alone: Converse) -> None:
    record, *_ = alone(agent=[("dismiss_notification", {"notification_id": "notice_1"}), DONE])
    assert record.messages[1].content == "Notification notice_1 dismissed"
    result = record.messages[1]
    assert isinstance(result, ToolMessage)
    assert result.requestor == "assistant"


def test_play_continues_after_a_result_in_the_history(alone: Converse) -> None:
    call = {"id": "h", "name": "get_users", "arguments": {}}
    history = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "id": "h", "content": "recorded"}]
    record, agent, _ = alone(agent=[DONE], history=history)
    assert [message.role for message in agent.saw[0]] == ["assistant", "tool"]
    assert record.termination is Termination.AGENT_STOP


def test_a_history_with_a_customer_is_refused(alone: Converse) -> None:
    record, *_ = alone(history=[{"role": "user", "content": "hi"}])
    assert record.termination is Termination.INFRASTRUCTURE_ERROR
    assert "played solo" in (record.error or "")


def test_a_domain_without_a_solo_prompt_cannot_be_played_solo(setting_of: SettingOf) -> None:
    with pytest.raises(UsageError, match="airline cannot be played solo"):
        Setting(setting_of("airline").pack, solo=True)


def test_solo_play_requires_different_tool_names_on_both_sides(small_pack: Callable[..., Setting]) -> None:
    handlers = "def look(db) -> str:\n    return 'looked'\n"
    prompts = {"policy": "policy.md.j2", "solo": "policy.md.j2"}
    with pytest.raises(PackError, match="tool 'look' exists on the agent's side already"):
        small_pack(handlers, {"look": {}}, user_tools={"look": {}}, prompts=prompts)


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, True),
        ({"ticket": "x"}, False),
        ({"ticket": "x", "initial_state": {"message_history": [{"role": "user", "content": "hi"}]}}, True),
        ({"ticket": "x", "initial_state": {"message_history": [{"role": "assistant", "content": "hi"}]}}, True),
    ],
)
def test_a_task_without_a_ticket_or_with_earlier_messages_needs_a_customer(
    setting_of: SettingOf, fields: dict[str, Any], needs: bool
) -> None:
    task = Task.model_validate({"id": "t", "user_scenario": {"instructions": "x"}, **fields})
    assert setting_of("mock", solo=True).needs_customer(task) is needs
    assert setting_of("mock").needs_customer(task) is False
