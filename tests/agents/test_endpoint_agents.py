"""`--agent http:URL`: an OpenAI-compatible endpoint of an agent that calls the tools itself over MCP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

from .conftest import Play
from .scripted_agent import ScriptedAgent, following

PATHS = ["/v1/chat/completions", "/v1/responses"]


def without_ids(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without what only a model returns: ids of calls, usage, cost."""
    for message in record["messages"]:
        for name in ("usage", "cost", "finish_reason", "provider_message", "id"):
            message.pop(name, None)
        for call in message.get("tool_calls") or []:
            call.pop("id")
    return {name: value for name, value in record.items() if name != "usage"}


@pytest.mark.parametrize("path", PATHS)
def test_it_plays_as_a_model_that_decides_the_same(play: Play, gold: Callable[[str], GoldScript], path: str) -> None:
    with ScriptedEndpoint(gold("mock")) as model:
        arguments = json.dumps({"api_base": model.url})
        by_model = play("--agent-model", "endpoint/agent", "--agent-args", arguments)
    with ScriptedAgent(following(gold("mock")), path) as agent:
        itself = play("--agent", f"http:{agent.url}")
    assert itself.code == 0, itself.output
    assert itself.lines("grades.jsonl") == by_model.lines("grades.jsonl")
    assert list(map(without_ids, itself.records)) == list(map(without_ids, by_model.records))
