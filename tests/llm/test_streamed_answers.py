"""The scripted endpoint streams to who asks for it: OpenAI's own client puts the same message together."""

from __future__ import annotations

from typing import Any

import pytest
from tau2_core.testing.scripted_endpoint import Asked, Reply, ScriptedEndpoint, call, say
from tau2_core.testing.token_template import ByteTemplate

QUESTION: list[Any] = [{"role": "user", "content": "Who is there?"}]
ANSWERS = {
    "words": say("Nobody – “ü” aside."),
    "silence": say(""),
    "nothing": say(None),
    "calls": call(("get_users", {"page": 1}), ("get_users", "no JSON"), content="I look."),
    "no usage": Reply({"role": "assistant", "content": "Free."}, usage=None),
}


@pytest.fixture(scope="module")
def openai() -> Any:
    """OpenAI's client, which takes long to import."""
    return pytest.importorskip("openai")


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_stream_adds_up_to_the_answer(kind: str, openai: Any) -> None:
    def script(_asked: Asked) -> Reply:
        return ANSWERS[kind]

    with ScriptedEndpoint(script) as endpoint, openai.OpenAI(base_url=endpoint.url, api_key="none") as client:
        wish: dict[str, Any] = {"model": "any", "messages": QUESTION}
        whole = client.chat.completions.create(**wish)
        with client.chat.completions.stream(**wish, stream_options={"include_usage": True}) as stream:
            put_together = stream.get_final_completion()
    (one,), (other,) = whole.choices, put_together.choices
    assert (other.message.content or "") == (one.message.content or "")
    assert _calls(other.message) == _calls(one.message)
    assert other.finish_reason == one.finish_reason
    assert put_together.usage == whole.usage


def _calls(message: Any) -> list[tuple[str, str, str]]:
    return [(each.id, each.function.name, each.function.arguments) for each in message.tool_calls or ()]


def test_streams_include_usage_and_tokens_only_on_request(openai: Any) -> None:
    template = ByteTemplate()
    wish: dict[str, Any] = {"model": "any", "messages": QUESTION, "stream": True, "logprobs": True}

    def script(_asked: Asked) -> Reply:
        return Reply({"role": "assistant", "content": "Cut o"}, finish_reason="length")

    with (
        ScriptedEndpoint(script, template=template) as endpoint,
        openai.OpenAI(base_url=endpoint.url, api_key="none") as client,
    ):
        chunks = [*client.chat.completions.create(**wish, extra_body={"return_token_ids": True})]
    opening, *_, last = chunks
    assert all(chunk.usage is None for chunk in chunks)
    assert opening.prompt_token_ids == template.prompt(QUESTION, ())
    assert opening.choices[0].token_ids == template.spoken({"content": "Cut o"})
    assert len(opening.choices[0].logprobs.content) == len(opening.choices[0].token_ids)
    assert last.choices[0].finish_reason == "length"
