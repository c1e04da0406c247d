"""The raw HTTP responses below litellm, from endpoints with OpenAI's protocol.

litellm drops unexpected parts of an answer, such as a finish reason that means an error, and fails on unusual fields
that do not matter. So where its OpenAI client is used, the raw answer is read, as in the client for endpoints.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from tau2_core.llm.answers import read_answer
from tau2_core.llm.failures import refusal
from tau2_core.model.llm import Completion


class RawResponse:
    """The last complete response to a request."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body: bytes | None = None

    def read(self) -> Completion:
        """Return the answer; its cost is set later. Raises ModelError."""
        body = self.body or b""
        if self.status != 200:
            raise refusal(self.status, self.headers, body.decode("utf-8", "replace"))
        return read_answer(body)

    def finish_reason(self) -> str | None:
        """Return the finish reason at the top level of an answer in a provider's own format, None without one."""
        try:
            answer = json.loads(self.body or b"")
        except ValueError:
            return None
        reason = answer.get("finish_reason") if isinstance(answer, dict) else None
        return reason if isinstance(reason, str) else None


RAW_RESPONSE: ContextVar[RawResponse | None] = ContextVar("RAW_RESPONSE", default=None)


def capture_responses(litellm: Any) -> None:
    """Make litellm's OpenAI client store every response in the `RAW_RESPONSE` of the current request."""
    if litellm.aclient_session is None:
        openai = litellm.OpenAIChatCompletion
        make = getattr(openai, "get_async_http_client", None) or openai._get_async_http_client  # its older name
        session = make()
        session.event_hooks = {"response": [_keep]}
        litellm.aclient_session = session


def capture_cohere_responses(litellm: Any) -> None:
    """Make the HTTP client that litellm itself uses for Cohere store every response in the same way."""
    shared = import_module("litellm.llms.custom_httpx.http_handler").get_async_httpx_client
    client = shared(llm_provider=litellm.LlmProviders("cohere_chat"), params={"ssl_verify": None}).client
    hooks = client.event_hooks
    if _keep not in hooks["response"]:
        client.event_hooks = {**hooks, "response": [*hooks["response"], _keep]}


async def close_session(litellm: Any) -> None:
    """Close the connections that `capture_responses` opened."""
    session, litellm.aclient_session = litellm.aclient_session, None
    if session is not None:
        await session.aclose()


async def _keep(response: Any) -> None:
    exchange = RAW_RESPONSE.get()
    if exchange is not None and not response.has_redirect_location:
        body = await response.aread()
        exchange.status, exchange.headers, exchange.body = response.status_code, dict(response.headers), body
