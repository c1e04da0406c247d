"""Limits on WebSocket connections. The library is an extra, and is imported with the first connection."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import uvicorn

from tau2_core.gym.connections import ConnectionLimits

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent
    from websockets.frames import Frame

MISSING = "WebSockets need an extra: pip install 'tau2-core[openenv]'"
OLDEST_UVICORN = (0, 53)
SLICE_BYTES = 4096  # messages parsed before the number of frames is checked again
MOST_FRAMES = 1000  # seconds until the application takes a message, or until our next ping


def installed() -> bool:
    """Tell whether WebSockets can be served."""
    version = tuple(int(part) for part in uvicorn.__version__.split(".")[:2])
    return find_spec("websockets") is not None and version >= OLDEST_UVICORN


def open_websocket(limits: ConnectionLimits, **arguments: Any) -> asyncio.Protocol:
    """Return the protocol of a new connection; `arguments` are uvicorn's."""
    return bounded_websocket(limits)(**arguments)


@cache
def bounded_websocket(limits: ConnectionLimits) -> type[asyncio.Protocol]:
    """Return uvicorn's WebSocket protocol with limits. A client that exceeds one is disconnected.

    uvicorn limits the size of a message, but neither its number of fragments nor the time that it takes to arrive. It
    answers any number of pings, even if the client never reads the answers.
    """
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    class BoundedWebSocket(WebSocketsSansIOProtocol):
        _frames = 0
        _incomplete: asyncio.TimerHandle | None = None
        _unread: asyncio.TimerHandle | None = None

        def connection_lost(self, exc: Exception | None) -> None:
            self._complete()
            self._read()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            for start in range(0, len(data), SLICE_BYTES):
                if self.transport.is_closing():
                    return
                super().data_received(data[start : start + SLICE_BYTES])
                if self._frames > MOST_FRAMES:
                    self.transport.abort()
                    return
            if not self.frames and not self.conn.reader.buffer:
                self._complete()
            elif self._incomplete is None:
                self._incomplete = self.loop.call_later(limits.request_seconds, self._too_slow)

        def _complete(self) -> None:
            if self._incomplete is not None:
                self._incomplete.cancel()
                self._incomplete = None

        def _too_slow(self) -> None:
            self._incomplete = None
            if self.read_paused:  # the server is slow, not the client
                self._incomplete = self.loop.call_later(limits.request_seconds, self._too_slow)
            else:
                self.transport.abort()

        def handle_text(self, event: Frame) -> None:
            self._frames += 1
            super().handle_text(event)

        def handle_bytes(self, event: Frame) -> None:
            self._frames += 1
            super().handle_bytes(event)

        def handle_cont(self, event: Frame) -> None:
            self._frames += 1
            super().handle_cont(event)

        def handle_ping(self) -> None:
            self._frames += 1
            super().handle_ping()

        def handle_pong(self, event: Frame) -> None:
            self._frames += 1
            super().handle_pong(event)

        def send_receive_event_to_app(self) -> None:
            self._complete()
            super().send_receive_event_to_app()

        async def receive(self) -> ASGIReceiveEvent:
            message = await super().receive()
            self._frames = 0
            return message

        def send_keepalive_ping(self) -> None:
            self._frames = 0
            super().send_keepalive_ping()

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._unread is None:
                self._unread = self.loop.call_later(limits.unread_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._read()

        def _read(self) -> None:
            if self._unread is not None:
                self._unread.cancel()
                self._unread = None

    return BoundedWebSocket
