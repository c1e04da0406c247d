"""A chat-completions endpoint on loopback that answers from a script: a model for tests, including its failures.

    def script(asked: Asked) -> Answer:
        return say("Hello.") if asked.answered == 0 else call("get_user", user_id="u1")

    with ScriptedEndpoint(script) as endpoint:
        ...  # --agent-model openai/any --agent-args '{"api_base": endpoint.url, "api_key": "none"}'

It speaks HTTP over plain sockets, so that it can also produce faulty traffic.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from tau2_core.runtime.event_loop import loop_factory
from tau2_core.testing import streamed
from tau2_core.testing.token_template import ByteTemplate

PRICED = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


@dataclass(frozen=True)
class Asked:
    """One request: its place among all of the endpoint's (from 0), its path, headers (lower case) and JSON body."""

    number: int
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def model(self) -> str:
        return str(self.body.get("model", self.path))

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.body["messages"])

    @property
    def system(self) -> str:
        """The system message's text, "" without one."""
        return next((str(each["content"]) for each in self.messages if each["role"] == "system"), "")

    @property
    def answered(self) -> int:
        """The number of the model's own messages in the request."""
        return sum(each["role"] == "assistant" for each in self.messages)

    @property
    def last(self) -> str:
        """The last message's text."""
        return str(self.messages[-1].get("content") or "")


@dataclass(frozen=True)
class Reply:
    """A message as the model's answer. `usage` of None leaves it out; `finish_reason` follows from the message."""

    message: Mapping[str, Any]
    usage: Mapping[str, int] | None = field(default_factory=lambda: dict(PRICED))
    finish_reason: str | None = None


@dataclass(frozen=True)
class Refusal:
    """An HTTP error in OpenAI's form, or with a JSON body of another form."""

    status: int
    message: str = "scripted"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Raw:
    """Bytes as the body of a 200; `missing` more bytes are announced, but the connection is cut before them."""

    body: bytes
    missing: int = 0


@dataclass(frozen=True)
class Dropped:
    """The connection is closed without an answer."""


@dataclass(frozen=True)
class Stalled:
    """No answer is sent as long as the endpoint runs and the client waits."""


Answer = Reply | Refusal | Raw | Dropped | Stalled
Script = Callable[[Asked], Answer]


def say(content: str | None, **fields: Any) -> Reply:
    """Answer with text; further fields go into the message as they are."""
    return Reply({"role": "assistant", "content": content, **fields})


def call(*calls: tuple[str, Mapping[str, Any] | str], content: str | None = None, **fields: Any) -> Reply:
    """Answer with tool calls, each a name and arguments (a text is sent as it is, JSON or not)."""
    return Reply({"role": "assistant", "content": content, "tool_calls": [_call(*each) for each in calls], **fields})


def _call(name: str, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"type": "function", "function": {"name": name, "arguments": text}}


class ScriptedEndpoint:
    """Serves a script at `url` while the `with` block lasts, from a separate thread.

    `latency` is how many seconds after its request each answer is sent; with a `template` it returns token ids on
    request. A request with `"stream": true` gets its answer as server-sent events. `asked` keeps the requests
    (unless `keep` is false), `most_at_once` is the largest number of concurrent requests, `connections` how many
    were opened.
    """

    def __init__(
        self,
        script: Script,
        *,
        latency: float = 0.0,
        port: int = 0,
        keep: bool = True,
        template: ByteTemplate | None = None,
    ) -> None:
        self.script = script
        self.latency = latency
        self.port = port
        self.keep = keep
        self.template = template
        self.asked: list[Asked] = []
        self.count = 0
        self.under_way = 0
        self.most_at_once = 0
        self.connections = 0
        self.failures: list[Exception] = []
        self._loop = loop_factory()()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted endpoint", daemon=True)

    @property
    def url(self) -> str:
        """The `api_base` for chat completions."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**26, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        due = self._loop.time() + self.latency
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        asked = Asked(self.count, head[0].split()[1], headers, json.loads(body or b"{}"))
        self.count += 1
        if self.keep:
            self.asked.append(asked)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            answer = self._scripted(asked)
            if self.latency:
                await asyncio.sleep(due - self._loop.time())
            return await self._answer(asked, answer, writer)
        finally:
            self.under_way -= 1

    def _scripted(self, asked: Asked) -> Answer:
        try:
            return self.script(asked)
        except Exception as error:  # noqa: BLE001 - a script may be wrong in any way; reported to the client, and the test
            self.failures.append(error)
            return Refusal(422, f"the script failed: {type(error).__name__}: {error}")

    async def _answer(self, asked: Asked, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        match answer:
            case Reply():
                completion = self._completion(asked, answer)
                if asked.body.get("stream"):
                    options = asked.body.get("stream_options") or {}
                    body = streamed.events(completion, include_usage=bool(options.get("include_usage")))
                    await _send(writer, 200, body, {"Content-Type": "text/event-stream"})
                else:
                    await _send(writer, 200, json.dumps(completion).encode())
            case Refusal():
                error = {"message": answer.message, "type": "scripted", "param": None, "code": answer.code}
                error_body = {"error": error} if answer.body is None else answer.body
                await _send(writer, answer.status, json.dumps(error_body).encode(), answer.headers)
            case Raw():
                await _send(writer, 200, answer.body, missing=answer.missing)
                return not answer.missing
            case Dropped():
                writer.transport.abort()
                return False
            case Stalled():
                await asyncio.Event().wait()
        return True

    def _completion(self, asked: Asked, answer: Reply) -> dict[str, Any]:
        completion = _completion(asked, answer)
        if self.template is not None:
            (choice,) = completion["choices"]
            told, told_of_choice = self.template.told(asked.body, choice["message"])
            completion |= told
            choice |= told_of_choice
        return completion


def _completion(asked: Asked, answer: Reply) -> dict[str, Any]:
    message = dict(answer.message)
    if isinstance(message.get("tool_calls"), list):
        message["tool_calls"] = [
            {"id": f"call_{len(asked.messages)}_{index}", **each} for index, each in enumerate(message["tool_calls"])
        ]
    reason = answer.finish_reason or ("tool_calls" if message.get("tool_calls") else "stop")
    completion = {
        "id": f"chatcmpl-{asked.number}",
        "object": "chat.completion",
        "created": 0,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
    }
    return completion if answer.usage is None else {**completion, "usage": dict(answer.usage)}


async def _send(
    writer: asyncio.StreamWriter, status: int, body: bytes, headers: Mapping[str, str] | None = None, missing: int = 0
) -> None:
    told = {"Content-Type": "application/json", "Content-Length": len(body) + missing, **(headers or {})}
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in told.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    await writer.drain()
