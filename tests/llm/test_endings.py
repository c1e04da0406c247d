"""What ends a conversation and what does not: marks, text beside calls, calls for others, mixed-up roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.model.participants import STOP_TOKENS
from tau2_core.testing.scripted_endpoint import Reply, call, say

from .conftest import Played

Play = Callable[..., Played]
ONE = ("--task", "create_plain")
REMINDED = ("--task", "settle_a_reminder")  # its customer has an inbox


@pytest.mark.parametrize("mark", STOP_TOKENS)
@pytest.mark.parametrize("text", ["{}", "Thank you. {}", "{} bye"])
def test_each_stop_token_of_the_customer_ends_the_episode(play: Play, mark: str, text: str) -> None:
    played = play(*ONE, user=[None, say(text.format(mark))])
    assert played.end == ("user_stop", "solved")
    assert played.said[-1] == ("user", text.format(mark))


def test_a_customer_may_end_the_episode_before_the_agent_is_asked(play: Play) -> None:
    played = play(*ONE, user=[say("###STOP###")])
    assert played.end == ("user_stop", "failed")
    assert (played.record["steps"], played.of("agent")) == (1, [])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("###stop###", id="small letters"),
        pytest.param("STOP", id="a word"),
        pytest.param("# # #STOP# # #", id="spaced out"),
    ],
)
def test_text_that_resembles_a_stop_token_does_not_end_the_episode(play: Play, text: str) -> None:
    played = play(*ONE, user=[None, say(text)])
    assert played.end == ("user_stop", "solved")
    assert ("user", text) in played.said


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(say("Yes.", reasoning_content="Then I write ###STOP###"), id="a field of its own"),
        pytest.param(say("<think>At the end I write ###STOP###</think>Yes."), id="tags in the text"),
    ],
)
def test_an_end_token_in_the_customers_thoughts_is_ignored_and_thoughts_are_private(play: Play, answer: Reply) -> None:
    played = play(*ONE, user=[None, answer])
    assert played.end == ("user_stop", "solved")
    assert ("user", "Yes.") in played.said
    assert not any("STOP" in str(asked.messages) for asked in played.of("agent"))


def test_a_stop_token_of_the_agent_does_not_end_the_episode(play: Play) -> None:
    played = play(*ONE, agent=[say("All done. ###STOP###")])
    assert played.end == ("user_stop", "solved")
    assert any("###STOP###" in asked.last for asked in played.of("user"))


def test_the_customer_not_the_agents_transfer_ends_the_episode(play: Play) -> None:
    played = play("--task", "transfer_deletion")
    assert played.end == ("user_stop", "solved")
    roles = [role for role, _ in played.said]
    assert roles[-3:] == ["tool", "assistant", "user"]
    assert played.said[-1] == ("user", "###TRANSFER###")


def test_text_next_to_a_call_of_the_agent_is_recorded_and_private(play: Play) -> None:
    played = play(*ONE, agent=[call(("get_users", {}), content="I look that up.")])
    assert played.end == ("user_stop", "solved")
    assert ("assistant", "I look that up.") in played.said
    assert not any("look that up" in str(asked.messages) for asked in played.of("user"))
    assert any("look that up" in str(asked.messages) for asked in played.of("agent"))


def test_an_end_token_next_to_a_call_of_the_customer_is_ignored(play: Play) -> None:
    played = play(*REMINDED, user=[None, call(("check_notifications", {}), content="###STOP###")])
    assert played.end == ("user_stop", "solved")
    assert ("user", "###STOP###") in played.said[:-1]
    assert not any("STOP" in str(asked.messages) for asked in played.of("agent"))


def test_a_call_for_the_agents_tool_is_refused_to_the_customer_and_changes_nothing(play: Play) -> None:
    meddling = call(("create_task", {"user_id": "piet_lindgren", "title": "Mine"}))
    quiet, played = play(*REMINDED), play(*REMINDED, user=[None, meddling])
    assert played.end == ("user_stop", "solved")
    assert played.record["tool_errors"] == {"unknown_tool": 1}
    assert played.record["digests"] == quiet.record["digests"]


def test_a_customer_without_tools_who_calls_one_reads_an_error(play: Play) -> None:
    played = play("--num-tasks", 1, domain="airline", user=[None, call(("check_notifications", {}))])
    assert "tools" not in played.of("user")[0].body
    assert played.end == ("user_stop", "solved")
    (error,) = (message for message in played.record["messages"] if message.get("error"))
    assert (error["role"], error["requestor"]) == ("tool", "user")
    assert played.of("user")[2].messages[-1]["content"] == error["content"]


@pytest.mark.parametrize("role", ["agent", "user"])
@pytest.mark.parametrize("mistaken", ["user", "tool", "system"])
def test_a_message_with_a_wrong_role_belongs_to_its_sender(play: Play, role: str, mistaken: str) -> None:
    words = Reply({"role": mistaken, "content": "How may I help you?"})
    played = play(*ONE, **{role: [None, words] if role == "user" else [words]})
    assert played.end == ("user_stop", "solved")
    official = "user" if role == "user" else "assistant"
    assert (official, "How may I help you?") in played.said
    sent = [message for message in played.of(role)[-1].messages if message.get("content") == "How may I help you?"]
    assert [message["role"] for message in sent] == ["assistant"]


def test_each_side_sees_itself_as_assistant_and_only_visible_messages(play: Play) -> None:
    played = play(*REMINDED)
    agent, user = played.of("agent")[-1], played.of("user")[-1]
    assert agent.system.startswith("<instructions>")
    assert "<policy>" in agent.system
    assert "<scenario>" not in agent.system
    assert "<scenario>" in user.system
    assert "<policy>" not in user.system
    own = {"agent": set(), "user": set()}  # type: dict[str, set[str]]
    for role, asked in (("agent", agent), ("user", user)):
        offered = {tool["function"]["name"] for tool in asked.body["tools"]}
        for message in asked.messages:
            own[role] |= {each["function"]["name"] for each in message.get("tool_calls") or []}
        assert own[role] <= offered
        assert own[role]
    assert not own["agent"] & own["user"]
    spoken = [text for _, text in played.said if text]
    assert all(str(message["content"]) in spoken for message in user.messages if message["role"] == "user")


def test_several_calls_in_a_message_are_answered_in_their_order(play: Play) -> None:
    both = call(("get_users", {}), ("fly_to_the_moon", {}), ("get_users", {}))
    played = play(*ONE, agent=[both])
    assert played.end == ("user_stop", "solved")
    results: list[Any] = played.of("agent")[1].messages[-3:]
    asked_for = played.of("agent")[1].messages[-4]["tool_calls"]
    assert [result["tool_call_id"] for result in results] == [each["id"] for each in asked_for]
    assert results[0]["content"] == results[2]["content"] != results[1]["content"]
    assert played.record["steps"] == play(*ONE).record["steps"]


def test_a_conversation_without_an_end_is_cut_off(play: Play) -> None:
    played = play(*ONE, "--max-steps", 9, user=say("Hm."), agent=say("Hm?"))
    assert played.end == ("max_steps", "failed")
    assert played.record["steps"] == 9


def test_a_solo_agent_must_call_and_text_is_its_error(play: Play) -> None:
    alone = {"agent": "openai/agent"}
    played = play(*ONE, "--solo", models=alone)
    assert played.end == ("agent_stop", "solved")
    assert {asked.body["tool_choice"] for asked in played.asked} == {"required"}
    played = play(*ONE, "--solo", models=alone, agent=[say("Done.")])
    assert played.end == ("agent_error", "agent_error")
