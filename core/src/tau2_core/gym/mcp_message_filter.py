"""Handling of messages that the MCP SDK's HTTP transport would treat wrongly.

The SDK stores the answers of a session by request id, so two concurrent requests with the same id get each other's
answers or none. It treats a request whose id JSON-RPC does not allow as a notification. It fails on a `Last-Event-ID`
header, because no events are stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic_core import from_json
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

INVALID_REQUEST = -32600
SESSION = b"mcp-session-id"
LAST_EVENT = b"last-event-id"
VERSION = b"mcp-protocol-version"
META_VERSION = "io.modelcontextprotocol/protocolVersion"
NO_SESSION = (
    "the session's id is missing: send `initialize` first, then the Mcp-Session-Id of its answer with each request. Or "
    "use the revision without sessions: MCP-Protocol-Version: 2026-07-28, and the same version in the request's _meta"
)


class McpMessageFilter:
    """Passes on MCP messages: requests with equal ids one after the other, and none with an invalid id."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self._answering: dict[tuple[bytes, str], asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            scope["headers"] = [header for header in scope["headers"] if header[0] != LAST_EVENT]
        if scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        body, receive = await self._read(receive)
        request_id = _request_id(body)
        if request_id is not None and (type(request_id) not in (int, str)):
            await _refusal(request_id)(scope, receive, send)
            return
        session = next((value for name, value in scope["headers"] if name == SESSION), None)
        if request_id is not None and session is None and _needs_session(scope, body):
            await _answer(request_id, NO_SESSION)(scope, receive, send)
            return
        if request_id is None or session is None:
            await self.app(scope, receive, send)
            return
        async with self._alone(session, str(request_id)):
            await self.app(scope, receive, send)

    async def _read(self, receive: Receive) -> tuple[bytes, Receive]:
        """Return the body, and a `receive` that returns it again. A body above the limit is cut and refused later."""
        read: list[Message] = []
        body = b""
        while True:
            message = await receive()
            read.append(message)
            body += message.get("body", b"")
            if not message.get("more_body", False) or len(body) > self.max_body_bytes:
                break
        read.reverse()

        async def again() -> Message:
            return read.pop() if read else await receive()

        return body, again

    @asynccontextmanager
    async def _alone(self, session: bytes, request_id: str) -> AsyncIterator[None]:
        key = session, request_id
        while (earlier := self._answering.get(key)) is not None:
            await earlier.wait()
        answered = self._answering[key] = asyncio.Event()
        try:
            yield
        finally:
            del self._answering[key]
            answered.set()


class _Null:
    """The id of a request with `null`."""


def _request_id(body: bytes) -> Any:
    """Return the id of a request, None for a notification, an answer, or an invalid message."""
    try:
        message = from_json(body)
    except ValueError:
        return None  # the SDK answers that it is not JSON
    if not isinstance(message, dict) or "method" not in message or "id" not in message:
        return None
    return _Null() if message["id"] is None else message["id"]


def _refusal(request_id: Any) -> JSONResponse:
    kind = "null" if isinstance(request_id, _Null) else type(request_id).__name__
    return _answer(None, f"a request's id should be a string or an integer, not {kind}")


def _needs_session(scope: Scope, body: bytes) -> bool:
    """Tell whether a request lacks a session id that its protocol revision requires for all but `initialize`."""
    version = next((value for name, value in scope["headers"] if name == VERSION), None)
    if version is not None and version.decode("latin-1") not in HANDSHAKE_PROTOCOL_VERSIONS:
        return False
    message = from_json(body)
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return message["method"] != "initialize" and not (isinstance(meta, dict) and META_VERSION in meta)


def _answer(request_id: Any, message: str) -> JSONResponse:
    return JSONResponse(
        {"jsonrpc": "2.0", "id": request_id, "error": {"code": INVALID_REQUEST, "message": message}}, 400
    )
