"""What a provider puts into a message beside the standard goes back as it came, or not at all where it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, Raw, Reply

from .conftest import MODELS, Played, models_of, role_of

Play = Callable[..., Played]
ONE = ("--task", "create_plain")

STATES: dict[str, dict[str, Any]] = {
    "reasoning_content": {"reasoning_content": "First I look.\n…\u2028"},
    "reasoning": {"reasoning": "First I look."},
    "reasoning_details": {
        "reasoning": "First",
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAA==", "index": 0, "format": None}],
    },
    "unknown fields": {"x_state": {"b": [1, 2.5, {"c": None}], "a": "ä☃"}, "x_flag": False, "x_count": 0},
}
SIGNED = {"extra_content": {"google": {"thought_signature": "EjQKMgFy=="}}}


def with_state(message: dict[str, Any], fields: dict[str, Any], call_fields: dict[str, Any]) -> dict[str, Any]:
    calls = [{**each, **call_fields} for each in message.get("tool_calls", [])]
    return {**message, **fields, **({"tool_calls": calls} if calls else {})}


def stateful(script: GoldScript, fields: dict[str, Any], call_fields: dict[str, Any]) -> Callable[[Asked], Answer]:
    """Return the script with such fields in every message and call of the agent and of the customer."""

    def answer(asked: Asked) -> Answer:
        said = script(asked)
        return Reply(with_state(dict(said.message), fields, call_fields))

    return answer


def own(played: Played, role: str) -> list[dict[str, Any]]:
    """What a model was last shown of its own messages; not the greeting, which it never wrote."""
    shown = [message for message in played.of(role)[-1].messages if message["role"] == "assistant"]
    return [message for message in shown if not str(message.get("content")).startswith("Hello!")]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("role", "provider"), [("agent", "openai"), ("user", "openai"), ("agent", "endpoint")])
def test_an_endpoint_gets_all_fields_back(
    play: Play, gold: Callable[[str], GoldScript], role: str, provider: str, state: str
) -> None:
    script = stateful(gold("mock"), STATES[state], SIGNED)
    played = play("--task", "settle_a_reminder", script=script, models=models_of(provider))
    assert played.end == ("user_stop", "solved"), played.record.get("error")
    messages = own(played, role)
    assert any(message.get("tool_calls") for message in messages)
    for message in messages:
        assert {name: message[name] for name in STATES[state]} == STATES[state]
        assert all(each["extra_content"] == SIGNED["extra_content"] for each in message.get("tool_calls", []))
        standard = {"role", "content", "tool_calls", *STATES[state]}
        assert message.keys() <= standard
    other = played.of("agent" if role == "user" else "user")
    theirs = [message for asked in other for message in asked.messages if message["role"] != "assistant"]
    assert not any(name in message for message in theirs for name in STATES[state])


@pytest.mark.parametrize("agent", ["cerebras/agent", "mistral/agent"])
def test_a_provider_that_refuses_unknown_fields_gets_none(
    play: Play, gold: Callable[[str], GoldScript], agent: str
) -> None:
    script = stateful(gold("mock"), STATES["unknown fields"] | STATES["reasoning_content"], SIGNED)
    played = play(*ONE, script=script, models={**MODELS, "agent": agent})
    assert played.end == ("user_stop", "solved"), played.record.get("error")
    assert own(played, "agent")
    for message in own(played, "agent"):
        assert message.keys() <= {"role", "content", "tool_calls"}
        assert all(each.keys() == {"id", "type", "function"} for each in message.get("tool_calls", []))


def test_carry_in_the_settings_overrides_the_default(
    play: Play, gold: Callable[[str], GoldScript], tmp_path: Path
) -> None:
    file = tmp_path / "models.yaml"
    file.write_text("agent: {model: openai/agent, carry: standard}\nuser: {model: mistral/customer, carry: all}\n")
    fields = STATES["unknown fields"]
    played = play(
        *ONE,
        "--config",
        file,
        script=stateful(gold("mock"), fields, {}),
        models={"agent": "openai/agent", "user": "mistral/customer"},
    )
    assert played.end == ("user_stop", "solved"), played.record.get("error")
    assert not any(fields.keys() & message.keys() for message in own(played, "agent"))
    assert all(fields.items() <= message.items() for message in own(played, "user"))


def test_signed_reasoning_is_returned_in_the_providers_format(play: Play, gold: Callable[[str], GoldScript]) -> None:
    """Anthropic's own protocol, which litellm translates: the thinking block must come back with its signature."""
    thinking = {"type": "thinking", "thinking": "The list first.", "signature": "ErUBCkYIBxgC=="}
    calling = {"type": "tool_use", "id": "toolu_1", "name": "get_users", "input": {}}
    texts = iter([[thinking, calling], [{"type": "text", "text": "That is everything."}]])

    def script(asked: Asked) -> Answer:
        if role_of(asked) == "user":
            return gold("mock")(asked)
        body = {
            "id": f"msg_{asked.number}",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": next(texts),
            "stop_reason": "tool_use" if asked.number < 2 else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 7, "output_tokens": 3},
        }
        return Raw(json.dumps(body).encode())

    played = play(*ONE, script=script, models={**MODELS, "agent": "anthropic/claude-sonnet-4-5"})
    assert played.end == ("user_stop", "failed"), played.record.get("error")
    first, second = played.of("agent")
    assert first.path.endswith("/messages")
    (said,) = (message for message in second.messages if message["role"] == "assistant" and len(message["content"]) > 1)
    assert said["content"] == [thinking, calling]
    assert played.record["usage"]["agent"]["cost"] > 0
    assert played.record["usage"]["agent"]["prompt_tokens"] == 14
