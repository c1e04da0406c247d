"""An agent behind an HTTP endpoint on loopback that calls tools over MCP, as a script says: also a faulty one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent
from tau2_core.testing.scripted_endpoint import Asked, Reply, Script

Answer = Callable[["Turn"], Awaitable[web.StreamResponse]]


class Turn:
    """One request to the agent: its HTTP request, its body, and the MCP URL that it names."""

    def __init__(self, request: web.Request, body: dict[str, Any], number: int) -> None:
        self.request = request
        self.body = body
        self.number = number
        tools = body.get("tools") or [{}]
        self.mcp_url: str = (body.get("metadata") or {}).get("mcp_url") or tools[0].get("server_url")
        self.results: list[tuple[str, bool]] = []

    async def call(self, *calls: tuple[str, dict[str, Any]], url: str | None = None) -> list[str]:
        """Call tools over MCP; return the texts of their results."""
        async with Client(streamable_http_client(url or self.mcp_url)) as client:
            for name, arguments in calls:
                result = await client.call_tool(name, arguments)
                assert isinstance(result, CallToolResult)
                (content,) = result.content
                assert isinstance(content, TextContent)
                self.results.append((content.text, bool(result.is_error)))
        return [text for text, _ in self.results[-len(calls) :]]


def chat(content: object, **more: Any) -> web.Response:
    """Answer as chat completions do."""
    message = {"role": "assistant", "content": content}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return web.json_response({"object": "chat.completion", "choices": choices, "usage": usage, **more})


def response(text: str, **more: Any) -> web.Response:
    """Answer as the Responses protocol does."""
    parts = [{"type": "output_text", "text": text, "annotations": []}]
    output: list[dict[str, Any]] = [{"type": "reasoning", "summary": []}]
    output.append({"type": "message", "role": "assistant", "status": "completed", "content": parts})
    usage = {"input_tokens": 100, "output_tokens": 10}
    return web.json_response({"object": "response", "status": "completed", "output": output, "usage": usage, **more})


class ScriptedAgent:
    """Serves an agent at `url` while the `with` block lasts, from a thread of its own. `turns` are its requests."""

    def __init__(self, answer: Answer, path: str = "/v1/chat/completions") -> None:
        self.answer = answer
        self.path = path
        self.turns: list[Turn] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted agent", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_post(self.path, self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        turn = Turn(request, await request.json(), len(self.turns))
        self.turns.append(turn)
        return await self.answer(turn)


def following(script: Script) -> Answer:
    """Return an agent that asks a script what to do, as an agent asks its model, until the script says something."""

    async def answer(turn: Turn) -> web.StreamResponse:
        responses = turn.request.path.endswith("/responses")
        messages = _from_items(turn.body) if responses else list(turn.body["messages"])
        while True:
            reply = script(Asked(turn.number, turn.request.path, {}, {"model": "agent", "messages": messages}))
            assert isinstance(reply, Reply)
            calls = reply.message.get("tool_calls")
            if not calls:
                return response(reply.message["content"]) if responses else chat(reply.message["content"])
            messages.append({**reply.message, "tool_calls": [{"id": "1", **call} for call in calls]})
            for each in calls:
                arguments = json.loads(each["function"]["arguments"])
                (result,) = await turn.call((each["function"]["name"], arguments))
                messages.append({"role": "tool", "tool_call_id": "1", "content": result})

    return answer


def _from_items(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the input of a request of the Responses protocol as chat messages."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": body["instructions"]}]
    for item in body["input"]:
        if item.get("type") == "mcp_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            messages.append({"role": "assistant", "content": None, "tool_calls": [{"function": function}]})
            messages.append({"role": "tool", "content": item["output"]})
        else:
            messages.append({"role": item["role"], "content": item["content"]})
    return messages
