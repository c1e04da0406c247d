"""What providers and gateways put into answers beside the protocol: one table, the same outcome by both clients."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tau2_core.testing.scripted_endpoint import Answer, Raw, Refusal

from .conftest import Played, models_of

Play = Callable[..., Played]
ONE = ("--task", "create_plain")
CREATE = {"user_id": "piet_lindgren", "title": "Tune the piano"}
COUNTED = {"prompt_tokens": 9, "completion_tokens": 3}
LOOK = {"id": "c1", "type": "function", "function": {"name": "get_users", "arguments": "{}"}}
PRICED = {"input_cost_per_token": 0.01, "output_cost_per_token": 0.01}
TWICE = ("--attempts", "2")


@pytest.fixture(params=["openai", "endpoint"])
def play(play: Play, request: pytest.FixtureRequest) -> Play:
    """Play through litellm, and with the client for endpoints."""
    return partial(play, models=models_of(request.param))


def raw(message: Any, finish: Any = "stop", usage: Any = COUNTED, **choice: Any) -> Raw:
    """Answer with exactly these parts."""
    if isinstance(message, dict):
        message = {"role": "assistant", **message}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "usage": usage}
    body["choices"] = [{"index": 0, "message": message, "finish_reason": finish, **choice}]
    return Raw(json.dumps(body).encode())


def look(**fields: Any) -> dict[str, Any]:
    """Return a message that calls a tool that changes nothing."""
    return {"content": None, "tool_calls": [{**LOOK, **fields}]}


def usage(prompt: Any, completion: Any = 3) -> Raw:
    return raw(look(), "tool_calls", {"prompt_tokens": prompt, "completion_tokens": completion})


USABLE: dict[str, tuple[Raw, dict[str, Any]]] = {
    "tokens as text": (usage("9", "3"), {"usage": COUNTED}),
    "tokens as fraction": (usage(9.0, 2.5), {"usage": COUNTED}),
    "negative tokens": (usage(-9), {"usage": {"completion_tokens": 3}}),
    "10^30 tokens": (usage(10**30), {"usage": {"completion_tokens": 3}}),
    "1e400 tokens": (Raw(usage(7).body.replace(b": 7", b": 1e400")), {"usage": {"completion_tokens": 3}}),
    "NaN tokens": (usage(float("nan")), {"usage": {"completion_tokens": 3}}),
    "tokens as words": (usage("many"), {"usage": {"completion_tokens": 3}}),
    "tokens as a boolean": (usage(True), {"usage": {"completion_tokens": 3}}),
    "no tokens at all": (usage(0, 0), {"usage": None}),
    "usage as a list": (raw(look(), usage=[9, 3]), {"usage": None}),
    "usage as text": (raw(look(), usage="9"), {"usage": None}),
    "an id that is a number": (raw(look(id=7)), {"tool_calls": [{"id": "7"}]}),
    "an id that is a huge number": (raw(look(id=10**40)), {"tool_calls": [{"id": f"{10**40}"}]}),
    "an id that is null": (raw(look(id=None)), {"tool_calls": [{"id": "call_3"}]}),
    "an id that is an object": (raw(look(id={"a": 1})), {"tool_calls": [{"id": "call_3"}]}),
    "an id of 100,000 letters": (raw(look(id="x" * 100_000)), {"tool_calls": [{"id": "x" * 100_000}]}),
    "a finish reason that is a number": (raw(look(), 7), {"finish_reason": "7"}),
    "a finish reason of its own": (raw(look(), "eos_token"), {"finish_reason": "eos_token"}),
    "no finish reason": (raw(look(), None), {"finish_reason": None}),
    "a byte order mark": (Raw(b"\xef\xbb\xbf" + raw(look()).body), {"finish_reason": "stop"}),
    "lone surrogate": (raw({**look(), "content": "\ud83d Hm."}), {"content": "\ufffd Hm."}),
    "arguments as an object": (
        raw(look(function={"name": "get_users", "arguments": {}})),
        {"tool_calls": [{"arguments": {}}]},
    ),
    "a name that is a number": (raw(look(function={"name": 7, "arguments": "{}"})), {"tool_calls": [{"name": "7"}]}),
    "a call without a function": (raw(look(function=None)), {"tool_calls": [{"name": ""}]}),
}


@pytest.mark.parametrize("oddity", USABLE)
def test_unusual_fields_without_effect_are_tolerated(play: Play, oddity: str) -> None:
    answer, expected = USABLE[oddity]
    played = play(*ONE, arguments={"agent": PRICED}, agent=[answer])
    assert played.end == ("user_stop", "solved"), played.record.get("error")
    first = next(message for message in played.record["messages"] if message.get("tool_calls"))
    for name, value in expected.items():
        found = first.get(name)
        if name == "tool_calls":
            found = [{key: found[0][key] for key in value[0]}]
        assert found == value
    assert "Infinity" not in (played.folder / "episodes.jsonl").read_text(encoding="utf-8")
    counted = expected.get("usage", COUNTED) == COUNTED
    assert (played.record["usage"]["agent"].get("cost", -1) > 0) is counted


BROKEN = {"code": 502, "message": "Provider disconnected"}
NO_ANSWERS: dict[str, tuple[Answer, str, int]] = {
    "error in a choice": (raw({"content": "I have put the ta"}, "error", error=BROKEN), "server", 2),
    "error in a choice with no text": (raw({"content": ""}, "error", error=BROKEN), "server", 2),
    "finish reason error alone": (raw({"content": "I have"}, "error"), "server", 2),
    "an error beside a good reason": (raw({"content": "I have"}, "stop", error=BROKEN), "server", 2),
    "an aborted answer": (raw({"content": "I have"}, "abort"), "server", 2),
    "no resources": (raw({"content": "I have"}, "insufficient_system_resource"), "server", 2),
    "error in the message": (raw({"content": "I have", "error": BROKEN}), "server", 2),
    "error above all": (Raw(json.dumps({"error": BROKEN}).encode()), "server", 2),
    "error as text": (Raw(b'{"error": "overloaded"}'), "server", 2),
    "a rate limit in a 200": (raw(None, "error", error={"code": 429, "message": "slow down"}), "rate_limit", 2),
    "bad credentials in a 200": (raw(None, "error", error={"code": "invalid_api_key"}), "credentials", 1),
    "message null": (raw(None), "unreadable", 2),
    "content a number": (raw({"content": 5}), "unreadable", 2),
    "tool calls of no objects": (raw({"tool_calls": ["x"]}), "unreadable", 2),
    "choices an object": (Raw(b'{"choices": {}}'), "unreadable", 2),
    "null": (Raw(b"null"), "unreadable", 2),
    "a web page": (Raw(b"<html>502 Bad Gateway</html>"), "unreadable", 2),
    **{
        f"HTTP {status}": (Refusal(status, headers={"retry-after-ms": "1"}), kind, tries)
        for status, kind, tries in (
            (202, "unreadable", 2),
            (405, "settings", 1),
            (407, "credentials", 1),
            (409, "server", 2),
            (410, "credentials", 1),
            (423, "server", 2),
            (424, "server", 2),
            (425, "server", 2),
            (444, "server", 2),
            (498, "server", 2),
            (499, "server", 2),
            (501, "settings", 1),
            (505, "settings", 1),
            (520, "server", 2),
            (524, "timeout", 2),
            (529, "server", 2),
        )
    },
}


@pytest.mark.parametrize("oddity", NO_ANSWERS)
def test_an_unusable_answer_is_an_infrastructure_error_at_any_time(play: Play, oddity: str) -> None:
    answer, kind, tries = NO_ANSWERS[oddity]
    played = play(*ONE, *TWICE, agent=[None, answer, answer])
    assert played.end == ("infrastructure_error", "infrastructure_error")
    assert played.record["error"].startswith(f"{kind}: ")
    assert len(played.of("agent")) == 1 + tries


def test_a_cut_off_call_is_not_executed(play: Play) -> None:
    written = json.dumps(CREATE)
    message = look(function={"name": "create_task", "arguments": written})
    message["tool_calls"].insert(0, LOOK)
    played = play(*ONE, agent=[raw(message, "length")])
    assert played.end == ("user_stop", "solved"), "carried out, the task would be there twice"
    assert played.record["tool_errors"] == {"invalid_arguments": 1}
    first = next(message for message in played.record["messages"] if message.get("tool_calls"))
    assert first["finish_reason"] == "length"
    assert first["tool_calls"][0]["arguments"] == {}
    assert first["tool_calls"][1]["arguments"] == {"arguments_cut_off_by_token_limit": written}
    assert "token_limit" in played.of("agent")[1].last


def test_a_cut_off_done_does_not_end_solo_play(play: Play) -> None:
    """Nobody knows what else the answer was to do."""
    alone = {"agent": models_of("openai")["agent"]}
    done = look(function={"name": "done", "arguments": "{}"})
    played = play(*ONE, "--solo", models=alone, agent=[raw(done, "length")])
    assert played.end == ("agent_stop", "solved"), played.record.get("error")
    assert played.record["tool_errors"] == {"invalid_arguments": 1}
    assert "token_limit" in played.of("agent")[1].last
    whole = play(*ONE, "--solo", models=alone, agent=[raw(done, "tool_calls")])
    assert whole.end == ("agent_stop", "failed")


def test_an_answer_cut_off_during_reasoning_is_reported_as_cut_off(play: Play) -> None:
    played = play(*ONE, agent=raw({"content": "", "reasoning_content": "Let me think about"}, "length"))
    assert played.end == ("agent_error", "agent_error")
    assert "token limit cut it off (finish_reason length)" in played.record["error"]
    assert "cut off by the token limit" in played.of("agent")[1].last


def test_the_finish_reason_of_every_answer_is_recorded(play: Play) -> None:
    played = play(*ONE)
    reasons = [message.get("finish_reason") for message in played.record["messages"] if message["role"] != "tool"]
    assert reasons[0] is None, "the opening line is nobody's answer"
    assert set(reasons[1:]) == {"stop", "tool_calls"}


@pytest.mark.parametrize("key", ["sk-made-up\n", "sk-made-up\r\n", " sk-made-up", "sk-\x07made-up", "sk-mäde\u2028up"])
def test_a_key_that_is_invalid_in_a_header_is_refused_first(
    play: Play, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for place, arguments in (
        ("OPENAI_API_KEY", {"api_key": ""}),
        ("api_key", {"api_key": key}),
        ("extra_headers.Authorization", {"api_key": "none", "extra_headers": {"Authorization": f"Bearer {key}"}}),
    ):
        played = play(*ONE, arguments={"agent": arguments})
        if key.startswith(" ") and place.startswith("extra"):
            continue
        assert played.code != 0
        assert place in played.error
        assert "made" not in played.error
        assert played.asked == []


@pytest.mark.parametrize("price", [-1, "free", float("nan"), True])
def test_invalid_prices_are_refused(play: Play, price: Any) -> None:
    prices = {"input_cost_per_token": price, "output_cost_per_token": 0.1}
    played = play(*ONE, arguments={"agent": prices})
    assert played.code != 0
    assert "input_cost_per_token: a price in dollars" in played.error
    assert played.asked == []
