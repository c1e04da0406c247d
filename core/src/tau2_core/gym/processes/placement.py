"""Middleware of every process of a server: answers a request here, or moves its connection to the right process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic_core import from_json
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tau2_core.gym.errors import RefusedError, answer
from tau2_core.gym.processes.addresses import ANY, OWN, Address, address_of
from tau2_core.gym.processes.moving import CONNECTION, Destination, Movable

IN_THE_BODY = frozenset({"episode_id", "rpc", "hello"})


class Placement:
    """Asks `place` which other process a request is for, None for this one.

    A request that another process has sent is always answered here. `reads_bodies`: whether to look for an address in
    the body.
    """

    def __init__(
        self,
        app: ASGIApp,
        place: Callable[[Address], Awaitable[Destination | None]],
        *,
        max_body_bytes: int,
        reads_bodies: bool,
    ) -> None:
        self.app = app
        self.place = place
        self.max_body_bytes = max_body_bytes
        self.reads_bodies = reads_bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Movable | None = scope.get(CONNECTION)
        if connection is None:  # a WebSocket is placed before its handshake
            await self.app(scope, receive, send)
            return
        if connection.placed:
            connection.placed = False
            connection.stay()
            await self.app(scope, receive, send)
            return
        where = address_of(scope)
        if where.kind in IN_THE_BODY and self.reads_bodies:
            read, body = await _read(receive, self.max_body_bytes)
            receive = _replaying(read, receive)
            where = OWN if body is None else _in_body(where, body)
        try:
            destination = await self.place(where)
        except RefusedError as refusal:
            connection.stay()
            await answer(scope, refusal)(scope, receive, send)
            return
        if destination is None:
            connection.stay()
            await self.app(scope, receive, send)
        elif not connection.move(destination):
            what = "this request came before another one was answered; send it again, over a separate connection"
            misdirected = RefusedError(421, "misdirected", what)
            await JSONResponse(misdirected.body(), 421, headers={"connection": "close"})(scope, receive, send)


def _in_body(where: Address, body: bytes) -> Address:
    """Return the address that a body contains. The application reports what is missing or wrong in it."""
    try:
        content = from_json(body)
    except ValueError:
        return OWN
    if where.kind == "episode_id":
        episode_id = _member(content, "episode_id")
        return Address("name", episode_id) if isinstance(episode_id, str) else OWN
    if where.kind == "rpc":
        session_id = _member(_member(content, "params"), "session_id")
    else:
        info = _member(_member(content, "params"), "clientInfo")
        session_id = _member(_member(info, "_extra"), "session_id")
    return Address("session", session_id) if isinstance(session_id, str) and session_id else ANY


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


async def _read(receive: Receive, most: int) -> tuple[list[Message], bytes | None]:
    """Read a request; return its messages and its body; None if the body is too long or the client is gone."""
    read: list[Message] = []
    body = bytearray()
    while True:
        message = await receive()
        read.append(message)
        if message["type"] != "http.request":
            return read, None
        body += message.get("body", b"")
        if len(body) > most:
            return read, None
        if not message.get("more_body", False):
            return read, bytes(body)


def _replaying(read: list[Message], receive: Receive) -> Receive:
    async def replay() -> Message:
        return read.pop(0) if read else await receive()

    return replay
