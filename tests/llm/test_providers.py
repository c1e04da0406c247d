"""What ten providers say of a wrong key or an unknown model, in their own words, and what becomes of it, offline."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tau2_core.testing.scripted_endpoint import Refusal

from .conftest import Played

Play = Callable[..., Played]
MANY = ("--trials", "3", "--attempts", "1")


@dataclass(frozen=True)
class Provider:
    """A model, the variables of its key and its address, and two answers of its provider."""

    model: str
    variable: str
    address: str
    bad_key: Refusal
    no_model: Refusal


def said(status: int, /, **body: Any) -> Refusal:
    return Refusal(status, body=body)


def error(status: int, message: str, /, **more: Any) -> Refusal:
    return said(status, error={"message": message, **more})


PROVIDERS: dict[str, Provider] = {
    "openai": Provider(
        "openai/gpt-4.1",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        error(401, "Incorrect API key provided: made-up.", type="invalid_request_error", code="invalid_api_key"),
        error(404, "The model `gpt-4.1` does not exist", type="invalid_request_error", code="model_not_found"),
    ),
    "anthropic": Provider(
        "anthropic/claude-sonnet-4-5",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_API_BASE",
        said(401, type="error", error={"type": "authentication_error", "message": "invalid x-api-key"}),
        said(404, type="error", error={"type": "not_found_error", "message": "model: claude-sonnet-4-5"}),
    ),
    "gemini": Provider(
        "gemini/gemini-2.5-pro",
        "GEMINI_API_KEY",
        "GEMINI_API_BASE",
        error(400, "API key not valid. Please pass a valid API key.", code=400, status="INVALID_ARGUMENT"),
        error(404, "models/gemini-2.5-pro is not found for API version v1beta", code=404, status="NOT_FOUND"),
    ),
    "azure": Provider(
        "azure/gpt-4.1",
        "AZURE_API_KEY",
        "AZURE_API_BASE",
        error(401, "Access denied due to invalid subscription key or wrong API endpoint.", code="401"),
        error(404, "The API deployment for this resource does not exist.", code="DeploymentNotFound"),
    ),
    "bedrock": Provider(
        "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
        "AWS_ACCESS_KEY_ID",
        "AWS_BEDROCK_RUNTIME_ENDPOINT",
        said(403, message="The security token included in the request is invalid."),
        said(400, message="The provided model identifier is invalid."),
    ),
    "mistral": Provider(
        "mistral/mistral-large-latest",
        "MISTRAL_API_KEY",
        "MISTRAL_API_BASE",
        said(401, message="Unauthorized", request_id="1"),
        said(400, object="error", message="Invalid model: mistral-large", type="invalid_model", code="1500"),
    ),
    "together": Provider(
        "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "TOGETHERAI_API_KEY",
        "TOGETHER_AI_API_BASE",
        error(401, "Invalid API key provided.", type="invalid_request_error", code="invalid_api_key"),
        error(404, "Unable to access model meta-llama/x.", type="invalid_request_error", code="model_not_available"),
    ),
    "cohere": Provider(
        "cohere_chat/command-a-03-2025",
        "COHERE_API_KEY",
        "COHERE_API_BASE",
        said(401, id="1", message="invalid api token"),
        said(404, id="1", message="model 'command-a-03-2025' not found, make sure the correct model ID was used"),
    ),
    "openrouter": Provider(
        "openrouter/openai/gpt-4.1",
        "OPENROUTER_API_KEY",
        "OPENROUTER_API_BASE",
        error(401, "No auth credentials found", code=401),
        error(400, "openai/gpt-4.1 is not a valid model ID", code=400),
    ),
    "groq": Provider(
        "groq/llama-3.3-70b-versatile",
        "GROQ_API_KEY",
        "GROQ_API_BASE",
        error(401, "Invalid API Key", type="invalid_request_error", code="invalid_api_key"),
        error(404, "The model `x` does not exist", type="invalid_request_error", code="model_not_found"),
    ),
    "deepseek": Provider(
        "deepseek/deepseek-chat",
        "DEEPSEEK_API_KEY",
        "DEEPSEEK_API_BASE",
        error(401, "Authentication Fails (no such user)", type="authentication_error", code="invalid_request_error"),
        error(400, "Model Not Exist", type="invalid_request_error", code="invalid_request_error"),
    ),
    "xai": Provider(
        "xai/grok-4",
        "XAI_API_KEY",
        "",
        said(400, code="Client specified an invalid argument", error="Incorrect API key provided: xx***yy."),
        said(404, code="Some requested entity was not found", error="The model grok-4 does not exist"),
    ),
}
# Bedrock looks for a key in more places than can be looked into beforehand; it is asked.
REFUSED_AT_ONCE = sorted(PROVIDERS.keys() - {"bedrock"})


@pytest.fixture(autouse=True)
def _nobody_has_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("AWS_") or name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL", "_TOKEN", "_ENDPOINT")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, os.devnull)


def check(played: Played, model: str, *named: str, kind: str = "credentials") -> None:
    """Check that the run stopped with its first episode, and said of which model, what it is, and what to set."""
    assert played.code == 1
    errors = [record["error"] for record in played.lines("episodes.jsonl")]
    assert [text.partition(":")[0] for text in errors] == [kind], errors
    for part in (f"the agent's model {model} (provider {model.partition('/')[0]}", "cannot be used", *named):
        assert part in played.error
    assert "Traceback" not in played.error


@pytest.mark.parametrize("name", REFUSED_AT_ONCE)
def test_without_a_key_nothing_is_played(play: Play, name: str) -> None:
    provider = PROVIDERS[name]
    played = play("--agent-model", provider.model, models={})
    assert played.code != 0
    assert not played.folder.exists()
    assert f"credentials: model '{provider.model}' needs a key" in played.error
    assert f"set the environment variable {provider.variable}" in played.error


def test_without_a_key_for_bedrock_nothing_is_played(play: Play) -> None:
    provider = PROVIDERS["bedrock"]
    played = play(*MANY, models={"agent": provider.model}, arguments={"agent": {"api_key": None}})
    check(played, provider.model, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    assert played.asked == []


@pytest.mark.parametrize("what", ["bad_key", "no_model"])
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_wrong_key_or_an_unknown_model_stops_the_run(play: Play, name: str, what: str) -> None:
    provider = PROVIDERS[name]
    refusal: Refusal = getattr(provider, what)
    arguments = {"agent": {"api_key": "made-up-12345"}}
    played = play(*MANY, models={"agent": provider.model}, arguments=arguments, script=lambda _asked: refusal)
    check(played, provider.model, "at http://127.0.0.1:", f"set {provider.variable}", "check the model's name")
    assert len(played.asked) == 1


@pytest.mark.parametrize("name", PROVIDERS)
def test_an_unreachable_address_is_named(play: Play, name: str) -> None:
    provider = PROVIDERS[name]
    arguments = {"agent": {"api_key": "made-up-12345", "api_base": "http://127.0.0.1:9/v1"}}
    played = play(*MANY, models={"agent": provider.model}, arguments=arguments)
    correct = "at http://127.0.0.1:9/v1", "correct the address with --agent-args '{\"api_base\": …}'"
    check(played, provider.model, *correct, provider.address, kind="connection")


@pytest.mark.parametrize("name", ["azure", "openai", "openrouter"])
def test_an_address_from_the_environment_is_named_too(play: Play, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    provider = PROVIDERS[name]
    monkeypatch.setenv(provider.address, "http://127.0.0.1:9")
    arguments = {"agent": {"api_key": "made-up-12345", "api_base": None}}
    played = play(*MANY, models={"agent": provider.model}, arguments=arguments)
    check(played, provider.model, "at http://127.0.0.1:9)", provider.address, kind="connection")


def test_azure_needs_an_address(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_API_KEY", "made-up-12345")
    played = play("--agent-model", "azure/gpt-4.1", models={})
    assert "needs the address of the resource of the provider 'azure'" in played.error
    assert "AZURE_API_BASE" in played.error


@pytest.mark.parametrize(
    ("model", "module", "named"),
    [
        ("vertex_ai/gemini-2.5-pro", "google", ["pip install google-auth", "set GOOGLE_APPLICATION_CREDENTIALS"]),
        ("bedrock/amazon.nova-pro-v1:0", "boto3", ["pip install boto3", "set AWS_ACCESS_KEY_ID"]),
    ],
)
def test_a_missing_package_of_a_provider_is_named(
    play: Play, monkeypatch: pytest.MonkeyPatch, model: str, module: str, named: list[str]
) -> None:
    """`None` in `sys.modules` is a package that is not there."""
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "google.auth", raising=False)
    played = play("--agent-model", model, models={})
    assert played.code != 0
    assert f"model '{model}' needs the package" in played.error
    assert all(part in played.error for part in named)


def test_errors_of_customer_and_judge_models_name_the_role(play: Play) -> None:
    models = {"user": "openrouter/customer", "judge": "openrouter/judge"}
    refused = PROVIDERS["openrouter"].bad_key
    for role, kept in (("user", True), ("judge", False)):
        named = {role: {"api_key": "made-up-12345"} for role in models}
        played = play(*MANY, models={**models, "agent": "openai/agent"}, arguments=named, **{role: refused})
        assert played.code == 1
        assert f"the {role}'s model {models[role]} (provider openrouter, at http://127.0.0.1:" in played.error
        assert "set OPENROUTER_API_KEY" in played.error
        assert played.folder.exists() is kept
