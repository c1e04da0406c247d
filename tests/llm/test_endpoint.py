"""The client for endpoints that speak OpenAI's protocol: what it sends, what it takes for an answer, where it goes.

The faults that both clients share are in test_faults.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tau2_core.model.llm import Completion, ModelError, ModelSettings
from tau2_core.runs.model_clients import open_client
from tau2_core.testing.scripted_endpoint import Answer, Asked, Raw, Refusal, ScriptedEndpoint, Stalled, say

from .conftest import Played, models_of

Play = Callable[..., Played]
ONE = ("--task", "create_plain")
MODELS = models_of("endpoint")
QUESTION = [{"role": "user", "content": "?"}]


def ask(url: str, args: Mapping[str, Any] | None = None) -> Completion:
    """Make one request, and close what is open."""

    async def once() -> Completion:
        client = open_client(ModelSettings(model="endpoint/any", args={"api_base": url, **(args or {})}))
        try:
            return await client.complete(QUESTION, (), {})
        finally:
            await client.close()

    return asyncio.run(once())


def refused(answer: Answer) -> ModelError:
    """Return what is made of an answer that is none."""
    with ScriptedEndpoint(lambda _asked: answer) as endpoint, pytest.raises(ModelError) as raised:
        ask(endpoint.url)
    assert endpoint.count == 1
    return raised.value


def test_records_equal_those_with_litellm(play: Play) -> None:
    task = ("--task", "settle_a_reminder")
    direct, through_litellm = play(*task, models=MODELS), play(*task)
    assert direct.end == ("user_stop", "solved")
    assert direct.record == through_litellm.record
    assert [without_null(asked.body) for asked in direct.asked] == [asked.body for asked in through_litellm.asked]


def without_null(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request without the `content: null` beside tool calls, which litellm leaves out."""
    messages = [
        {name: part for name, part in message.items() if (name, part) != ("content", None)}
        for message in body["messages"]
    ]
    return {**body, "messages": messages}


@pytest.mark.parametrize(
    ("model", "args"),
    [("endpoint/x", "{}"), ("endpoint/", '{"api_base": "http://127.0.0.1:1/v1"}'), ("endpoint/x", '{"api_base": 1}')],
)
def test_a_model_without_a_name_or_an_address_is_refused(play: Play, model: str, args: str) -> None:
    played = play(*ONE, "--agent-model", model, "--agent-args", args, models={})
    assert played.code != 0
    assert 'write endpoint/NAME with its address, such as --agent-args \'{"api_base":' in played.error


def test_all_arguments_except_connection_settings_are_sent(play: Play) -> None:
    given = {
        "temperature": 0.5,
        "top_k": 20,
        "tool_choice": None,
        "timeout": 60,
        "input_cost_per_token": 1,
        "extra_headers": {"X-Team": "blue"},
        "extra_body": {"guided_decoding_backend": "auto"},
    }
    played = play(*ONE, models=MODELS, arguments={"agent": given})
    assert played.end == ("user_stop", "solved")
    first = played.of("agent")[0]
    own = {"model": "agent", "temperature": 0.5, "top_k": 20, "guided_decoding_backend": "auto"}
    assert own.items() <= first.body.items()
    assert first.body.keys() == {*own, "messages", "tools", "seed"}
    assert first.headers["x-team"] == "blue"
    config = json.loads((played.folder / "run.json").read_text())
    assert config["models"]["agent"]["takes_seed"] is None


@pytest.mark.parametrize(
    ("variable", "args", "sent"),
    [
        ("", {}, None),
        ("from-environment", {}, "Bearer from-environment"),
        ("from-environment", {"api_key": "own"}, "Bearer own"),
        ("from-environment", {"extra_headers": {"Authorization": "Basic x"}}, "Basic x"),
    ],
)
def test_keys(monkeypatch: pytest.MonkeyPatch, variable: str, args: dict[str, Any], sent: str | None) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", variable)
    with ScriptedEndpoint(lambda _asked: say("!")) as endpoint:
        assert ask(endpoint.url, args).message["content"] == "!"
    assert endpoint.asked[0].headers.get("authorization") == sent


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedEndpoint(lambda _asked: say("!")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        ask("http://model.invalid/v1")
        with ScriptedEndpoint(lambda _asked: say("!")) as endpoint:
            ask(endpoint.url)
    assert [asked.path for asked in proxy.asked] == ["http://model.invalid/v1/chat/completions"]
    assert endpoint.count == 1


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 8192 tokens.",
        "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
        "`inputs` tokens + `max_new_tokens` must be <= 8192",
        "the request exceeds the available context size",
    ],
)
def test_a_too_long_conversation_is_recognised_by_each_servers_error(words: str) -> None:
    assert refused(Refusal(400, words)).kind == "context_length"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", "unreadable"),
        (b"[]", "unreadable"),
        (b"[" * 100_000, "unreadable"),
        (b'{"choices": [{"message": null}]}', "unreadable"),
        (b'{"choices": [{"message": {"content": {"text": "x"}}}]}', "unreadable"),
        (b'{"choices": [{"message": {"content": null, "tool_calls": "x"}}]}', "unreadable"),
        (b'{"choices": [{"message": {"content": null, "tool_calls": [{"function": []}]}}]}', "unreadable"),
        (b'{"choices": [{"message": {"content": "\xff"}}]}', "unreadable"),
        (b'{"error": {"message": "overloaded", "code": 529}}', "server"),
    ],
)
def test_unusable_answers_are_unreadable(answer: bytes, kind: str) -> None:
    assert refused(Raw(answer)).kind == kind


def test_redirects_are_not_followed() -> None:
    error = refused(Refusal(307, headers={"Location": "/v2/chat/completions"}))
    assert (error.kind, "HTTP 307" in error.message) == ("settings", True)


def test_all_requests_are_sent_concurrently() -> None:
    """A hundred connections are what the HTTP library would open by itself."""
    many, came = 150, []

    async def ask_all() -> None:
        loop, all_there = asyncio.get_running_loop(), asyncio.Event()

        def stall(asked: Asked) -> Stalled:
            came.append(asked)
            if len(came) == many:
                loop.call_soon_threadsafe(all_there.set)
            return Stalled()

        with ScriptedEndpoint(stall) as endpoint:
            client = open_client(ModelSettings(model="endpoint/any", args={"api_base": endpoint.url}))
            requests = [asyncio.create_task(client.complete(QUESTION, (), {})) for _ in range(many)]
            async with asyncio.timeout(60):
                await all_there.wait()
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)
            await client.close()

    asyncio.run(ask_all())


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_a_request_larger_than_the_socket_buffer_is_sent() -> None:
    long = [{"role": "user", "content": "w" * 30_000_000}]
    with ScriptedEndpoint(lambda _asked: say("Yes.")) as endpoint:

        async def both() -> tuple[Completion, Completion]:
            client = open_client(ModelSettings(model="endpoint/any", args={"api_base": endpoint.url}))
            try:
                return await asyncio.gather(client.complete(long, (), {}), client.complete(QUESTION, (), {}))
            finally:
                await client.close()

        answers = asyncio.run(both())
    assert [answer.message["content"] for answer in answers] == ["Yes."] * 2
    assert sorted(len(asked.last) for asked in endpoint.asked) == [1, 30_000_000]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_a_request_can_be_cancelled_while_it_is_sent() -> None:
    async def given_up() -> None:
        async def read_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connected.set()
            await hung_up.wait()
            writer.transport.abort()

        connected, hung_up = asyncio.Event(), asyncio.Event()
        server = await asyncio.start_server(read_nothing, "127.0.0.1", 0, limit=1024)
        port = server.sockets[0].getsockname()[1]
        client = open_client(ModelSettings(model="endpoint/any", args={"api_base": f"http://127.0.0.1:{port}/v1"}))
        asking = asyncio.create_task(client.complete([{"role": "user", "content": "w" * 30_000_000}], (), {}))
        await connected.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        hung_up.set()
        await client.close()
        server.close()
        await server.wait_closed()

    asyncio.run(given_up())
