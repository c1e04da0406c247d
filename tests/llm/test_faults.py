"""What goes wrong between a run and its models: each fault has one outcome, laid at the right door.

docs/reference/models.md has the same as a table.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Dropped, Raw, Refusal, Reply, Stalled, call, say

from .conftest import Played, models_of, player

Play = Callable[..., Played]

ONE = ("--task", "create_plain")
SOON = {"retry-after-ms": "1"}
TOO_LONG = Refusal(400, "This model's maximum context length is 8192 tokens", code="context_length_exceeded")
NO_CHOICES = Raw(b'{"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": []}')

# What a provider may do once, and what of it is tried again.
PASSING: dict[str, Answer] = {
    "429 with Retry-After": Refusal(429, headers={"Retry-After": "0"}),
    "500": Refusal(500, headers=SOON),
    "503 with a date to wait for": Refusal(503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    "408": Refusal(408, headers=SOON),
    "dropped connection": Dropped(),
    "stalled response": Stalled(),
    "truncated JSON": Raw(b'{"id": "x", "choices": [{"mess'),
    "cut off in the middle": Raw(b'{"id": "x", "choices"', missing=1000),
    "no choices": NO_CHOICES,
}
# What does not pass: the fault, the options, how often the first request is tried, and the error that is recorded.
LASTING: dict[str, tuple[Answer, tuple[str, ...], int, str]] = {
    "429 with Retry-After": (Refusal(429, headers={"Retry-After": "0"}), ("--attempts", "3"), 3, "rate_limit"),
    "429 with a long Retry-After": (Refusal(429, headers={"Retry-After": "301"}), (), 1, "rate_limit"),
    "429 with nothing left": (Refusal(429, code="insufficient_quota"), (), 1, "credentials"),
    "500": (Refusal(500, headers=SOON), ("--attempts", "3"), 3, "server"),
    "dropped connection": (Dropped(), ("--attempts", "2"), 2, "connection"),
    "stalled response": (Stalled(), ("--attempts", "2", "--call-timeout", "1"), 2, "timeout"),
    "truncated JSON": (Raw(b'{"id": "x", "choices": [{'), ("--attempts", "2"), 2, "unreadable"),
    "no choices": (NO_CHOICES, ("--attempts", "2"), 2, "unreadable"),
    "wrong key": (Refusal(401), (), 1, "credentials"),
    "unknown model": (Refusal(404), (), 1, "credentials"),
    "first request refused": (Refusal(400, "temperature must be 1"), (), 1, "settings"),
}


@pytest.fixture(scope="module", params=["openai", "endpoint"])
def provider(request: pytest.FixtureRequest) -> str:
    """Play through litellm, and with the client for endpoints."""
    return str(request.param)


@pytest.fixture
def play(play: Play, provider: str) -> Play:
    return partial(play, models=models_of(provider))


@pytest.fixture(scope="module")
def quiet(
    provider: str, litellm_ready: None, gold: Callable[[str], GoldScript], tmp_path_factory: pytest.TempPathFactory
) -> Played:
    """The run without faults."""
    return player(tmp_path_factory.mktemp("quiet"), gold)(*ONE, models=models_of(provider))


@pytest.mark.parametrize("role", ["agent", "user"])
@pytest.mark.parametrize("fault", PASSING)
def test_a_temporary_fault_is_retried_and_leaves_no_trace(play: Play, quiet: Played, role: str, fault: str) -> None:
    played = play(*ONE, "--call-timeout", "1.5" if fault == "stalled response" else "60", **{role: [PASSING[fault]]})
    assert played.end == ("user_stop", "solved"), played.record.get("error")
    assert len(played.of(role)) == len(quiet.of(role)) + 1
    first, again = played.of(role)[:2]
    assert first.body == again.body
    assert played.record == quiet.record


@pytest.mark.parametrize("role", ["agent", "user"])
@pytest.mark.parametrize("fault", LASTING)
def test_a_permanent_fault_is_an_infrastructure_error(play: Play, role: str, fault: str) -> None:
    answer, options, tries, kind = LASTING[fault]
    played = play(*ONE, *options, **{role: answer})
    assert played.code == 1
    assert "no episode could be evaluated: 1 infrastructure_error" in played.error
    assert played.end == ("infrastructure_error", "infrastructure_error")
    assert played.record["error"].startswith(f"{kind}: ")
    assert len(played.of(role)) == tries
    assert played.grade["reward"] is None
    figures = {name: played.summary[name] for name in ("mean_reward", "coverage", "finished")}
    assert figures == {"mean_reward": 0.0, "coverage": 0.0, "finished": 1}


@pytest.mark.parametrize("role", ["agent", "user"])
@pytest.mark.parametrize(
    ("answers", "said"),
    [
        pytest.param(TOO_LONG, "context_length", id="context-length error"),
        pytest.param([None, TOO_LONG], "context_length", id="context-length error later on"),
        pytest.param(Refusal(400, "no", code="context_length_exceeded"), "context_length", id="its code alone"),
        pytest.param(Refusal(413), "context_length", id="413"),
        pytest.param([None, Refusal(400, "no such role")], "refused_request", id="later request refused"),
        pytest.param(say(None), "neither text nor a tool call", id="empty message"),
        pytest.param(say(" \n"), "neither text nor a tool call", id="blank message"),
        pytest.param(Reply({"role": "assistant"}), "neither text nor a tool call", id="no content"),
    ],
)
def test_a_fault_caused_by_a_side_is_its_error(play: Play, role: str, answers: Any, said: str) -> None:
    played = play(*ONE, **{role: answers})
    assert played.end == (f"{role}_error", f"{role}_error")
    assert said in played.record["error"]
    assert played.grade["reward"] == 0.0
    assert played.summary["coverage"] == 1.0


def test_an_empty_answer_is_requested_again_twice_with_an_explanation(play: Play) -> None:
    played = play(*ONE, agent=[say(""), call()])
    assert played.end == ("user_stop", "solved")
    first, second, third = played.of("agent")[:3]
    assert second.messages == third.messages
    assert second.messages[:-1] == first.messages
    assert "was empty" in second.last
    fourth = played.of("agent")[3]
    assert not any("was empty" in str(message.get("content")) for message in fourth.messages)


BAD_CALLS = {
    "unknown tool": (call(("fly_to_the_moon", {})), "unknown_tool", "fly_to_the_moon"),
    "no name": (call(("", {})), "unknown_tool", ""),
    "arguments not an object": (call(("get_users", "[1, 2]")), "invalid_arguments", "[1, 2]"),
    "unparsable arguments": (call(("get_users", '{"a": ')), "invalid_arguments", '{"a": '),
    "NaN in arguments": (call(("get_users", '{"a": NaN}')), "invalid_arguments", "NaN"),
    "the customer's tool": (call(("check_notifications", {})), "unknown_tool", "check_notifications"),
}


@pytest.mark.parametrize("fault", BAD_CALLS)
def test_an_impossible_call_is_an_error_result_for_the_model(play: Play, fault: str) -> None:
    answer, cause, kept = BAD_CALLS[fault]
    played = play(*ONE, agent=[answer])
    assert played.record["tool_errors"] == {cause: 1}
    assert played.end == ("user_stop", "solved")
    second = played.of("agent")[1].messages
    assert [message["role"] for message in second[-2:]] == ["assistant", "tool"]
    assert second[-1]["content"].startswith("Error")
    assert second[-1]["tool_call_id"] == second[-2]["tool_calls"][0]["id"]
    sent = next(message for message in played.record["messages"] if message.get("tool_calls"))["tool_calls"][0]
    assert kept in f"{sent['name']} {sent['arguments']}"


def test_too_many_such_calls_end_the_episode(play: Play) -> None:
    played = play(*ONE, "--max-errors", 3, agent=call(("fly_to_the_moon", {})))
    assert played.end == ("too_many_errors", "failed")
    assert played.record["tool_errors"] == {"unknown_tool": 3}


def test_retry_after_is_respected(play: Play) -> None:
    """Five tries of the run's own accord would take longer than the turn has; half a minute takes longer for sure."""
    soon = Refusal(429, headers={"Retry-After": "0.01"})
    played = play(*ONE, "--turn-timeout", 3, agent=[soon] * 4)
    assert played.end == ("user_stop", "solved")
    late = Refusal(429, headers={"Retry-After": "30"})
    played = play(*ONE, "--turn-timeout", 1, agent=[late])
    assert played.end == ("infrastructure_error", "infrastructure_error")
    assert "no answer within the turn's 1 s" in played.record["error"]
    assert len(played.of("agent")) == 1
