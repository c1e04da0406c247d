"""Connections that move to another process together with a request that they have received but not answered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Protocol, cast

from httptools import parse_url
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tau2_core.gym.processes.addresses import Address, address

CONNECTION = "tau2_gym.connection"  # in the scope of a request
BESIDE_THE_BODY = 256 * 1024  # bytes that a request may have beside its body, with room for what follows it


class Goal(Protocol):
    """Another process of the server."""

    def take(self, handle: int, received: bytes) -> None:
        """Go on with a connection that has received this; the handle is closed here."""


class Movable(Protocol):
    """A connection with a request that waits for its answer. `placed`: another process has sent it here."""

    placed: bool

    def stay(self) -> None:
        """Answer the request in this process."""

    def move(self, goal: Goal) -> bool:
        """Let another process answer the request and those that follow; tell whether that is possible."""


def movable_protocol(
    bounded: type[HttpToolsProtocol], max_body_bytes: int, placed_at: Callable[[Address], Goal | None]
) -> type[HttpToolsProtocol]:
    """Return a protocol whose connections can move. `placed_at` says where a WebSocket goes, None if it stays.

    What a connection receives is kept until it is decided who answers. A request that came before its predecessor was
    answered cannot move, as its first byte is not known.
    """
    most = max_body_bytes + BESIDE_THE_BODY

    class MovableProtocol(bounded):  # type: ignore[valid-type, misc]
        placed = False
        first: bytes = b""  # received by another process
        _received: bytearray | None = bytearray()  # since the first byte of the request; None if it stays
        _in_request = False

        def connection_made(self, transport: asyncio.Transport) -> None:
            self._received = bytearray()
            super().connection_made(transport)
            if self.first and not transport.is_closing():
                received, self.first = self.first, b""
                self.data_received(received)

        def data_received(self, data: bytes) -> None:
            if self._received is not None:
                self._received += data
                if len(self._received) > most:
                    self._received = None
            super().data_received(data)

        def on_message_begin(self) -> None:
            self._in_request = True
            super().on_message_begin()
            self.scope[CONNECTION] = self

        def on_message_complete(self) -> None:
            self._in_request = False
            super().on_message_complete()
            if self.cycle is not None and self.cycle.response_complete:
                self._received = bytearray()

        def on_response_complete(self) -> None:
            following = bool(self.pipeline)
            super().on_response_complete()
            if not following and not self._in_request:
                self._received = bytearray()

        def stay(self) -> None:
            self._received = None

        def move(self, goal: Goal) -> bool:
            if self._received is None or self.transport.is_closing() or self.transport.get_write_buffer_size():
                return False
            self.transport.pause_reading()
            goal.take(os.dup(self.transport.get_extra_info("socket").fileno()), bytes(self._received))
            self.cut()
            return True

        def handle_websocket_upgrade(self) -> None:
            url = parse_url(self.url)
            headers = {name: value.decode("latin-1") for name, value in self.headers}
            where = address("GET", url.path.decode("latin-1"), url.query or b"", headers)
            goal = None if self.placed else placed_at(where)
            if goal is None or not self.move(goal):
                super().handle_websocket_upgrade()

    return MovableProtocol


def adopting(make: Callable[[], Any], received: bytes, *, placed: bool) -> Callable[[], asyncio.Protocol]:
    """Return a factory of the protocol for a connection that comes from another process."""

    def adopt() -> asyncio.Protocol:
        protocol = make()
        protocol.first, protocol.placed = received, placed
        return cast("asyncio.Protocol", protocol)

    return adopt
