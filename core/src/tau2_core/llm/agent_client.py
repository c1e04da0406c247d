"""The client for agents behind an OpenAI-compatible endpoint, which call the tools themselves over MCP.

An endpoint whose address ends with `/responses` gets the Responses protocol, any other chat completions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import aiohttp

from tau2_core.llm.answers import completion, decoded_object
from tau2_core.llm.endpoint_client import EndpointClient
from tau2_core.llm.failures import error_in_answer
from tau2_core.model.llm import AGENT_PROVIDER, Completion, ModelError, ModelFailure, ModelSettings

CHAT, RESPONSES = "/chat/completions", "/responses"
MOST_BYTES = 16 * 1024 * 1024  # of an answer, since an agent may send forever
SERVER_LABEL = "tau2"


class AgentClient(EndpointClient):
    """Sends single requests to an agent. The option `mcp_url` of a request is where the agent finds its tools.

    In chat completions the request has `"metadata": {"mcp_url": …}`, in Responses a tool of type `mcp`. Messages are
    the conversation as the agent has seen it, with the calls that it has made.
    """

    provider = AGENT_PROVIDER

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self._speaks_responses = self.url.endswith(RESPONSES)

    def _address(self, base: str) -> str:
        return base if base.endswith((CHAT, RESPONSES)) else f"{base}{CHAT}"

    def _body(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> dict[str, Any]:
        given = dict(options)
        mcp_url = given.pop("mcp_url")
        if not self._speaks_responses:
            return super()._body(messages, tools, {**given, "metadata": {"mcp_url": mcp_url}})
        system = [message["content"] for message in messages if message["role"] == "system"]
        tool = {"type": "mcp", "server_label": SERVER_LABEL, "server_url": mcp_url, "require_approval": "never"}
        return {
            "model": self.name,
            "instructions": "\n\n".join(system),
            "input": list(_items(messages)),
            "tools": [tool],
            "store": False,
            **self._args,
        }

    async def _receive(self, response: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise ModelError(ModelFailure.UNREADABLE, f"the answer has more than {MOST_BYTES} bytes")
        return b"".join(parts)

    def _read(self, answer: bytes) -> Completion:
        return _response(decoded_object(answer)) if self._speaks_responses else super()._read(answer)


def _items(messages: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return chat messages as input of the Responses protocol: texts, and calls with their results."""
    results = {message["tool_call_id"]: message["content"] for message in messages if message["role"] == "tool"}
    for message in messages:
        if message["role"] in ("user", "assistant") and message.get("content"):
            yield {"role": message["role"], "content": message["content"]}
        for call in message.get("tool_calls") or ():
            made = {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
            output = results.get(call["id"])
            yield {"type": "mcp_call", "id": call["id"], "server_label": SERVER_LABEL, **made, "output": output}


def _response(answer: Mapping[str, Any]) -> Completion:
    """Read a response object. Raises ModelError if it has no usable answer."""
    if answer.get("error") or answer.get("status") in ("failed", "cancelled"):
        raise error_in_answer(answer.get("error") or f"status {answer['status']}")
    output = answer.get("output")
    if not isinstance(output, list):
        raise ModelError(ModelFailure.UNREADABLE, "the answer cannot be read: it has no list `output`")
    items = [item for item in output if isinstance(item, dict)]
    usage = answer.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    tokens = {"prompt_tokens": counts.get("input_tokens"), "completion_tokens": counts.get("output_tokens")}
    incomplete = answer.get("incomplete_details")
    reason = incomplete.get("reason") if isinstance(incomplete, dict) else "stop"
    calls = [_function_call(item) for item in items if item.get("type") == "function_call"]
    message = {"content": _said(items), **({"tool_calls": calls} if calls else {})}
    return completion(message, reason, tokens)


def _said(items: Sequence[Mapping[str, Any]]) -> str:
    parts = [part for item in items if item.get("type") == "message" for part in _parts(item.get("content"))]
    texts = [part.get("text") if part.get("type") == "output_text" else part.get("refusal") for part in parts]
    return "\n".join(text for text in texts if isinstance(text, str))


def _parts(content: Any) -> list[Mapping[str, Any]]:
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _function_call(item: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    return {"id": item.get("call_id"), "type": "function", "function": function}
