"""ASGI middleware around the whole server: headers, local access, web pages, and requests at shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tau2_core.gym.errors import RefusedError, answer
from tau2_core.gym.server_settings import ServerSettings

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LOOPBACK_ORIGIN = r"https?://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?"


class NormalHeaders:
    """Strips spaces around header values, which httptools keeps, and treats a missing `Accept` as `*/*`.

    Both are required by HTTP (RFC 9110, 5.5 and 12.5.1).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            if all(name != b"accept" for name, _ in headers):
                headers.append((b"accept", b"*/*"))
            scope["headers"] = headers
        await self.app(scope, receive, send)


class AnswerWhenStopped:
    """Answers requests that are cancelled when the server stops, before their connections are closed.

    A request without an answer is refused; an open stream is ended.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = complete = False

        async def note(message: Message) -> None:
            nonlocal started, complete
            started = True
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self.app(scope, receive, note)
        except ClientDisconnect:
            return  # too late for an answer: the connection was closed during the request
        except asyncio.CancelledError:
            if scope["type"] == "websocket":
                return  # uvicorn has closed it
            if complete or scope["type"] != "http":
                raise
            if started:
                await send({"type": "http.response.body", "body": b""})
                return
            refusal = RefusedError(503, "stopping", "the server was stopped before this was done")
            await answer(scope, refusal)(scope, receive, send)


class WebPages:
    """Allows web pages to use the server (CORS): those of allowed origins and, on loopback, those of this machine.

    The latter may only use the agents' URLs, which are secret, and not the control plane.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        loopback = LOOPBACK_ORIGIN if settings.host in LOOPBACK else None
        self.agents = _cors(app, settings.origins, loopback) if settings.origins or loopback else app
        self.others = _cors(app, settings.origins) if settings.origins else app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        of_agents = scope["type"] == "http" and scope["path"].startswith(("/episodes/", "/mcp"))
        await (self.agents if of_agents else self.others)(scope, receive, send)


def _cors(app: ASGIApp, origins: Sequence[str], pattern: str | None = None) -> CORSMiddleware:
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_origin_regex=pattern,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=[MCP_SESSION_ID_HEADER, "WWW-Authenticate"],
    )


class LocalOnly:
    """On loopback, refuses requests from foreign web pages or with foreign host names (DNS rebinding)."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self.app = app
        self.active = settings.host in LOOPBACK
        self.origins = {origin.encode() for origin in settings.origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.active and scope["type"] in ("http", "websocket"):
            for name, value in scope["headers"]:
                if (name == b"host" and not _local(value)) or (
                    name == b"origin" and value not in self.origins and not self._may_ask(scope, value)
                ):
                    refusal = RefusedError(
                        403, "foreign_host", "this server answers to loopback hosts and origins only"
                    )
                    await answer(scope, refusal)(scope, receive, send)
                    return
        await self.app(scope, receive, send)

    @staticmethod
    def _may_ask(scope: Scope, origin: bytes) -> bool:
        """Tell whether a page of an origin that is not listed may send this request.

        Browsers enforce the same-origin policy on HTTP responses, but not on WebSockets.
        """
        return scope["type"] == "http" and _local(origin.partition(b"//")[2])


def _local(netloc: bytes) -> bool:
    """Tell whether `host[:port]` is a loopback address or name."""
    host = netloc[1:].partition(b"]")[0] if netloc.startswith(b"[") else netloc.partition(b":")[0]
    return host.decode("latin-1").lower() in LOOPBACK
