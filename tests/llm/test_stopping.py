"""A wrong set-up stops a run before its second episode, and a run that came to nothing is a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, say

from .conftest import Played, models_of

Play = Callable[..., Played]
ENDPOINT = models_of("endpoint")
MANY = ("--trials", "3", "--attempts", "1")
KEYS = {
    "anthropic/claude-sonnet-4-5": "ANTHROPIC_API_KEY",
    "cohere/command-r": "COHERE_API_KEY",
    "deepseek/deepseek-chat": "DEEPSEEK_API_KEY",
    "gemini/gemini-2.5-pro": "GEMINI_API_KEY",
    "groq/llama-3.3-70b-versatile": "GROQ_API_KEY",
    "mistral/mistral-large-latest": "MISTRAL_API_KEY",
    "openai/gpt-4.1": "OPENAI_API_KEY",
    "openrouter/meta-llama/llama-3-70b": "OPENROUTER_API_KEY",
    "together_ai/meta-llama/Llama-3-70b": "TOGETHERAI_API_KEY",
    "xai/grok-4": "XAI_API_KEY",
}
BAD_KEY: dict[str, Refusal] = {
    "anthropic/claude-sonnet-4-5": Refusal(401, "invalid x-api-key", code="authentication_error"),
    "deepseek/deepseek-chat": Refusal(401, "Authentication Fails", code="invalid_request_error"),
    "groq/llama-3.3-70b-versatile": Refusal(401, "Invalid API Key", code="invalid_api_key"),
    "openai/gpt-4.1": Refusal(401, "Incorrect API key provided: sk-***.", code="invalid_api_key"),
    "openai/gemini-2.5-pro": Refusal(400, "API key not valid. Please pass a valid API key.", code="INVALID_ARGUMENT"),
    "openrouter/meta-llama/llama-3-70b": Refusal(401, "No auth credentials found"),
    "xai/grok-4": Refusal(400, "Incorrect API key provided: xx***yy."),
}


@pytest.mark.parametrize("model", KEYS)
def test_without_a_key_nothing_is_played_and_the_variable_is_named(
    play: Play, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    for variable in KEYS.values():
        monkeypatch.delenv(variable, raising=False)
    played = play("--agent-model", model, models={})
    assert played.code != 0
    assert not played.folder.exists()
    assert f"credentials: model '{model}' needs a key" in played.error
    assert f"set the environment variable {KEYS[model]}" in played.error


@pytest.mark.parametrize("model", BAD_KEY)
def test_a_key_that_is_refused_stops_before_the_second_episode(play: Play, model: str) -> None:
    arguments = {"agent": {"api_key": "made-up-12345"}}
    played = play(*MANY, models={"agent": model}, arguments=arguments, script=lambda _asked: BAD_KEY[model])
    assert played.code == 1
    assert [record["error"].partition(":")[0] for record in played.lines("episodes.jsonl")] == ["credentials"]
    assert f"the agent's model {model} (provider" in played.error
    assert "at http://127.0.0.1:" in played.error
    assert "_API_KEY" in played.error


@pytest.mark.parametrize("role", ["agent", "user"])
@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (Refusal(404, "The model `agnet` does not exist"), "OPENAI_API_KEY"),
        (Refusal(401), "OPENAI_API_KEY"),
        (Refusal(400, "temperature must be 1"), "temperature must be 1"),
    ],
)
def test_what_every_episode_would_get_stops_before_the_second(
    play: Play, role: str, refusal: Refusal, said: str
) -> None:
    played = play(*MANY, models=ENDPOINT, **{role: refusal})
    assert played.code == 1
    assert played.summary["finished"] == 1
    assert f"the {role}'s model endpoint/" in played.error
    assert said in played.error
    assert "--resume" in played.error


def test_where_nothing_answers(play: Play) -> None:
    arguments = {role: {"api_base": "http://127.0.0.1:9/v1"} for role in ENDPOINT}
    played = play(*MANY, models=ENDPOINT, arguments=arguments)
    assert played.code == 1
    assert played.summary["finished"] == 1
    assert "at http://127.0.0.1:9/v1" in played.error
    assert "start it, or correct the address" in played.error


def test_a_cassette_that_does_not_fit(play: Play, tmp_path: Path) -> None:
    cassette = tmp_path / "cassette.jsonl"
    one = ("--task", "create_plain")
    assert play(*one, "--record", cassette, models=ENDPOINT).code == 0
    played = play(*MANY, "--seed", 7, "--replay", cassette, models=ENDPOINT)
    assert played.code == 1
    assert played.summary["finished"] == 1
    assert "cassette" in played.error


def test_infrastructure_errors_of_one_kind_in_a_row_stop_a_run(play: Play) -> None:
    def script(asked: Asked) -> Answer:
        return Refusal(500)

    options = (*MANY, "--concurrency", 1, "--max-infrastructure-errors", 2)
    played = play(*options, models=ENDPOINT, script=script)
    assert played.code == 1
    assert played.summary["finished"] == 2
    assert "2 episodes in a row ended with the same infrastructure error (server: " in played.error


def test_a_success_between_them_begins_the_count_anew(play: Play) -> None:
    options = ("--task", "create_plain", "--trials", 4, "--concurrency", 1, "--attempts", 1)
    played = play(*options, "--max-infrastructure-errors", 2, models=ENDPOINT, agent=_every_other_episode())
    assert (played.code, played.summary["finished"]) == (0, 4)
    assert played.summary["coverage"] == 0.5
    least = play(*options, "--min-coverage", 0.6, models=ENDPOINT, agent=_every_other_episode())
    assert least.code == 1
    assert "coverage 0.5000 is below --min-coverage 0.6" in least.error


def _every_other_episode() -> list[Any]:
    """The agent asks twice in an episode of this task; the first request of the second and the fourth fails."""
    return [None, None, None, Refusal(500), None, None, None, Refusal(500)]


@pytest.mark.parametrize("options", [("--min-coverage", "1.5"), ("--max-infrastructure-errors", "0")])
def test_rules_that_cannot_hold_are_refused(play: Play, options: tuple[str, str]) -> None:
    played = play(*options, models=ENDPOINT, script=lambda _asked: say("!"))
    assert played.code != 0
    assert options[0] in played.error
    assert not played.folder.exists()
