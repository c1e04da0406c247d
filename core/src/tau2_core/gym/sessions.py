"""MCP sessions of clients with a handshake: sessions are listed by the URL that opened them, and end with it.

The SDK keeps a session until its client deletes it or half an hour has passed, but clients may disappear without
notice.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSIONS_A_KEY = 32
HEADER = MCP_SESSION_ID_HEADER.encode()  # lower case, as in ASGI


class Sessions:
    """Passes requests to the SDK, and lists the resulting sessions by the key of their URL.

    A key has at most `SESSIONS_A_KEY` sessions; a further one ends the oldest.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._opened: dict[str, OrderedDict[str, None]] = {}
        self._under_way: Counter[str] = Counter()
        self._to_end: set[str] = set()

    async def handle(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request at the URL with this key."""
        for name, value in scope["headers"]:
            if name == HEADER:
                await self._within(value.decode("latin-1"), scope, receive, send)
                return
        session_id: str | None = None

        async def note(message: Message) -> None:
            nonlocal session_id
            if message["type"] == "http.response.start" and message["status"] == 200:
                session_id = Headers(raw=message["headers"]).get(MCP_SESSION_ID_HEADER)
            await send(message)

        await self.app(scope, receive, note)
        if session_id is not None:
            await self._list(key, session_id)

    async def _list(self, key: str, session_id: str) -> None:
        opened = self._opened.setdefault(key, OrderedDict())
        opened[session_id] = None
        if len(opened) > SESSIONS_A_KEY:
            await self._end(opened.popitem(last=False)[0])

    async def _within(self, session_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        self._under_way[session_id] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._under_way[session_id] -= 1
            if not self._under_way[session_id]:
                del self._under_way[session_id]
                if session_id in self._to_end:
                    await self._end(session_id)

    async def end_those_without(self, is_open: Callable[[str], bool]) -> None:
        """End the sessions of keys that are no longer valid."""
        for key in [key for key in self._opened if not is_open(key)]:
            for session_id in self._opened.pop(key):
                await self._end(session_id)

    async def _end(self, session_id: str) -> None:
        """Delete a session as its client would, once its pending messages are answered; the SDK would abort them."""
        if session_id in self._under_way:
            self._to_end.add(session_id)
            return
        self._to_end.discard(session_id)
        scope = {
            "type": "http",
            "method": "DELETE",
            "path": "/",
            "query_string": b"",
            "headers": [(HEADER, session_id.encode())],
        }
        await self.app(scope, _nothing, _nowhere)


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _nowhere(_message: Message) -> None:
    return
