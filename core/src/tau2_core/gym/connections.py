"""Limits on connections: the size and duration of a request, and the number of clients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits on what a client may send before the application sees it.

    Args:
        head_bytes: the request line and all headers together.
        headers: how many headers a request may have.
        discarded_bytes: how much is still read of a body whose request has already been answered.
        request_seconds: the time for a request to arrive, from the connection or its first byte to its last byte.
        unread_seconds: the time for a client to begin reading what it was sent.
        connections: how many clients may be connected. A further one displaces the oldest client that has never sent a
            complete request; if there is none, it is refused.
    """

    head_bytes: int = 64 * 1024
    headers: int = 100
    discarded_bytes: int = 16 * 1024 * 1024
    request_seconds: float = 30.0
    unread_seconds: float = 60.0
    connections: int = 16_384


class _RefusedRequest(Exception):  # noqa: N818 - it stops the parser and is not reported as an error
    """Stops the parser while it reads headers that are too large."""


class _OpenOnly:
    """A transport that ignores writes after it is closed.

    uvicorn informs only the latest request of a connection that the client is gone. Writing answers to earlier requests
    would raise in uvloop.
    """

    __slots__ = ("_transport",)

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def bounded_protocol(
    limits: ConnectionLimits, other_connections: Callable[[], int] = lambda: 0
) -> type[HttpToolsProtocol]:
    """Return uvicorn's HTTP protocol with limits. A client that exceeds one is answered if possible, then closed.

    `other_connections` returns how many clients are connected to other processes of the server.
    """
    # Clients without a complete request so far, oldest first, with the function that closes them.
    newcomers: dict[asyncio.Protocol, Callable[[], None]] = {}

    class BoundedProtocol(HttpToolsProtocol):
        _head_open = False  # between the first byte of a request and the end of its headers
        _request_open = False  # between the first and the last byte of a request
        _head_bytes = 0
        _unfinished_bytes = 0
        _discarded_bytes = 0
        _refusal: tuple[HTTPStatus, str] | None = None
        _deadline: asyncio.TimerHandle | None = None
        _unread: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(cast("asyncio.Transport", _OpenOnly(transport)))
            if len(self.connections) + other_connections() > limits.connections and not self._displace_newcomer():
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"{limits.connections} clients are connected; try later")
                return
            newcomers[self] = self.cut
            self._deadline = self.loop.call_later(limits.request_seconds, self._too_slow)

        def _displace_newcomer(self) -> bool:
            oldest = next(iter(newcomers), None)
            if oldest is None:
                return False
            newcomers.pop(oldest)()
            return True

        def connection_lost(self, exc: Exception | None) -> None:
            newcomers.pop(self, None)
            for timer in (self._deadline, self._unread):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._refusal is not None:
                return
            super().data_received(data)
            if self.transport.is_closing():
                return
            if self._head_open:  # the parser's callbacks do not count an incomplete line
                self._unfinished_bytes += len(data)
                if self._unfinished_bytes > limits.head_bytes:
                    self._refuse(*self._head_too_large())
                    return
            elif self._request_open and self.cycle.response_complete:
                self._discarded_bytes += len(data)
                if self._discarded_bytes > limits.discarded_bytes:
                    self.cut()
                    return
            if self._request_open and self._deadline is None:
                self._deadline = self.loop.call_later(limits.request_seconds, self._too_slow)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._head_open = self._request_open = True
            self._head_bytes = self._unfinished_bytes = self._discarded_bytes = 0

        def on_url(self, url: bytes) -> None:
            self._count(len(url))
            super().on_url(url)

        def on_header(self, name: bytes, value: bytes) -> None:
            self._count(len(name) + len(value) + 4)
            super().on_header(name, value)
            if len(self.headers) > limits.headers:
                self._refusal = self._head_too_large()
                raise _RefusedRequest

        def _count(self, size: int) -> None:
            self._head_bytes += size
            if self._head_bytes > limits.head_bytes:
                self._refusal = self._head_too_large()
                raise _RefusedRequest

        def _head_too_large(self) -> tuple[HTTPStatus, str]:
            what = f"a request line and headers of at most {limits.head_bytes} bytes and {limits.headers} headers"
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"this server accepts {what}"

        def on_headers_complete(self) -> None:
            self._head_open = False
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._request_open = False
            newcomers.pop(self, None)
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
            super().on_message_complete()

        def handle_websocket_upgrade(self) -> None:
            """Leave the connection to the protocol for WebSockets, which has limits of its own."""
            newcomers.pop(self, None)
            for timer in (self._deadline, self._unread):
                if timer is not None:
                    timer.cancel()
            super().handle_websocket_upgrade()

        def send_400_response(self, msg: str) -> None:
            """Answer a request that the parser refused, or at which it was stopped."""
            self._refuse(*(self._refusal or (HTTPStatus.BAD_REQUEST, msg)))

        def _too_slow(self) -> None:
            self._deadline = None
            if self.flow.read_paused:  # the server is slow, not the client
                self._deadline = self.loop.call_later(limits.request_seconds, self._too_slow)
            elif self._head_open:
                what = f"the request did not arrive within {limits.request_seconds:g} seconds"
                self._refuse(HTTPStatus.REQUEST_TIMEOUT, what)
            else:  # no request, or the application already waits for the rest of it
                self.cut()

        def cut(self) -> None:
            """Close the connection at once, and drop an answer in progress."""
            self._drop_answer()
            self.transport.abort()

        def _drop_answer(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self.cycle.disconnected = True

        def _refuse(self, status: HTTPStatus, message: str) -> None:
            self._refusal = status, message
            body = message.encode()
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode() + body)
            self._drop_answer()
            self.transport.close()
            log.warning("a connection was refused: %s %s", status.value, message)

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._unread is None:
                self._unread = self.loop.call_later(limits.unread_seconds, self.cut)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._unread is not None:
                self._unread.cancel()
                self._unread = None

    return BoundedProtocol
