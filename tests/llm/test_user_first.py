"""Chat templates that want the user first: the opening line is left out of what the agent's model sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core import open_episode
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, ScriptedEndpoint, say

from .conftest import Played, models_of, role_of

Play = Callable[..., Played]
ONE = ("--task", "create_plain")


def strict(script: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    """Return the script as an endpoint gives it whose template takes only a user behind the system's message."""

    def answer(asked: Asked) -> Answer:
        roles = [message["role"] for message in asked.messages[:2]]
        if role_of(asked) == "agent" and roles != ["system", "user"]:
            return Refusal(400, "Conversation roles must alternate user/assistant/user/assistant/...")
        return script(asked)

    return answer


@pytest.mark.parametrize("provider", ["openai", "endpoint"])
def test_the_agents_model_does_not_see_the_opening_line(
    play: Play, gold: Callable[[str], Callable[[Asked], Answer]], tmp_path: Path, provider: str
) -> None:
    models, script = models_of(provider), strict(gold("mock"))
    refused = play(*ONE, script=script, models=models)
    assert refused.end == ("infrastructure_error", "infrastructure_error")
    file = tmp_path / "run.yaml"
    file.write_text("user_first: true\n")
    shown = [
        play(*ONE, "--user-first", script=script, models=models),
        play(*ONE, "--config", file, script=script, models=models),
    ]
    usual = play(*ONE, models=models)
    for played in shown:
        assert played.end == ("user_stop", "solved"), played.record.get("error")
        assert played.said == usual.said
        assert played.record["steps"] == usual.record["steps"]
        assert [asked.messages for asked in played.of("user")] == [asked.messages for asked in usual.of("user")]
        assert "Hello!" not in json.dumps([asked.messages[1:] for asked in played.of("agent")])
    for played, user_first in ((shown[0], True), (usual, False)):
        assert json.loads((played.folder / "run.json").read_text())["agent"]["user_first"] is user_first


@pytest.mark.parametrize("options", [("--solo",), ("--task", "create_another")], ids=["solo", "a history"])
def test_user_first_applies_to_solo_play_and_histories(
    play: Play, gold: Callable[[str], Callable[[Asked], Answer]], options: tuple[str, ...]
) -> None:
    models: dict[str, Any] = {"agent": "openai/agent"} if "--solo" in options else models_of("openai")
    played = play(*options, "--num-tasks", 1, "--user-first", script=strict(gold("mock")), models=models)
    assert played.grade["outcome"] == "solved", played.record.get("error")
    assert len(played.of("agent")) > 1


def test_user_first_applies_to_opened_episodes() -> None:
    with ScriptedEndpoint(strict(lambda asked: say("###STOP###" if asked.answered else "Hm."))) as endpoint:
        args = {"api_base": endpoint.url}
        model = {"model": "endpoint/agent", "args": args}
        customer = {"model": "endpoint/customer", "args": args}
        with open_episode(
            "mock", "create_plain", agent="llm", agent_model=model, user_model=customer, user_first=True
        ) as episode:
            assert episode.ended == "user_stop", episode.record().error
