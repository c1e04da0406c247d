"""Moving a connection to another process, together with a request that it has received but not answered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Protocol, cast

from httptools import parse_url
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tau2_core.gym.processes.addresses import Address, address

CONNECTION = "tau2_gym.connection"  # in the scope of a request
BESIDE_THE_BODY = 256 * 1024  # maximum bytes of a request besides its body, with some room for data that follows it


class Destination(Protocol):
    """Another process of the server."""

    def take(self, handle: int, received: bytes) -> None:
        """Take over a connection that has received this; the descriptor is closed here."""


class Movable(Protocol):
    """A connection with an unanswered request. `placed`: another process has sent it to this one."""

    placed: bool

    def stay(self) -> None:
        """Answer the request in this process."""

    def move(self, destination: Destination) -> bool:
        """Let another process answer this request and those that follow; return whether that is possible."""


def movable_protocol(
    bounded: type[HttpToolsProtocol], max_body_bytes: int, placed_at: Callable[[Address], Destination | None]
) -> type[HttpToolsProtocol]:
    """Return a protocol whose connections can move to another process.

    `placed_at` returns the process for a WebSocket, None for this one. Received bytes are kept until it is decided
    which process answers. A request that arrived before its predecessor was answered cannot move, because its first
    byte is unknown. A predecessor may also be answered before its body has arrived, for example if its episode is gone;
    the rest of that body is then parsed on its own.
    """
    most = max_body_bytes + BESIDE_THE_BODY

    class MovableProtocol(bounded):  # type: ignore[valid-type, misc]
        placed = False
        first: bytes = b""  # received by another process
        _received: bytearray | None = bytearray()  # since the first byte of the request; None if it stays here
        _in_request = False
        _body_left = 0  # bytes of the present request's body that have not arrived, as far as its length is known
        _unaligned = False  # whether an answered request ended within the bytes that are being parsed

        def connection_made(self, transport: asyncio.Transport) -> None:
            self._received = bytearray()
            super().connection_made(transport)
            if self.first and not transport.is_closing():
                received, self.first = self.first, b""
                self.data_received(received)

        def data_received(self, data: bytes) -> None:
            if self._in_request and 0 < self._body_left < len(data):
                end = self._body_left
                self.data_received(data[:end])
                data = data[end:]
            self._unaligned = False
            if self._received is not None:
                self._received += data
                if len(self._received) > most:
                    self._received = None
            super().data_received(data)

        def on_message_begin(self) -> None:
            self._in_request, self._body_left = True, 0
            if self._unaligned:
                self._received = None
            super().on_message_begin()
            self.scope[CONNECTION] = self

        def on_header(self, name: bytes, value: bytes) -> None:
            if name.lower() == b"content-length" and value.isdigit():
                self._body_left = int(value)
            super().on_header(name, value)

        def on_body(self, body: bytes) -> None:
            self._body_left -= len(body)
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._in_request = False
            super().on_message_complete()
            if self.cycle is not None and self.cycle.response_complete:
                self._received = bytearray()
                self._unaligned = True

        def on_response_complete(self) -> None:
            following = bool(self.pipeline)
            super().on_response_complete()
            if not following and not self._in_request:
                self._received = bytearray()

        def stay(self) -> None:
            self._received = None

        def move(self, destination: Destination) -> bool:
            if self._received is None or self.transport.is_closing() or self.transport.get_write_buffer_size():
                return False
            self.transport.pause_reading()
            destination.take(os.dup(self.transport.get_extra_info("socket").fileno()), bytes(self._received))
            self.cut()
            return True

        def handle_websocket_upgrade(self) -> None:
            url = parse_url(self.url)
            where = address("GET", url.path.decode("latin-1"), url.query or b"", self.headers)
            destination = None if self.placed else placed_at(where)
            if destination is None or not self.move(destination):
                super().handle_websocket_upgrade()

    return MovableProtocol


def adopting(make: Callable[[], Any], received: bytes, *, placed: bool) -> Callable[[], asyncio.Protocol]:
    """Return a factory of the protocol for a connection that another process has sent."""

    def adopt() -> asyncio.Protocol:
        protocol = make()
        protocol.first, protocol.placed = received, placed
        return cast("asyncio.Protocol", protocol)

    return adopt
