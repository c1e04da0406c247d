"""The whole server as one ASGI application: which path leads to which plane."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tau2_core.errors import Tau2GymError
from tau2_core.event_loop import release_memory
from tau2_core.gym.body_limit import BodyLimit
from tau2_core.gym.compatibility import Compatibility
from tau2_core.gym.control_plane import build_control_plane
from tau2_core.gym.conversation_plane import ConversationPlane
from tau2_core.gym.data_plane import SIDE, build_server
from tau2_core.gym.errors import RefusedError, answer, refuse, refuse_http
from tau2_core.gym.messages import Messages
from tau2_core.gym.registry import Registry
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.gym.sessions import Sessions

LONGEST_SWEEP_SECONDS = 10.0
SESSION_SECONDS = 1800.0
FEW_EPISODES = 1000  # among more, looking for garbage would hold up others
GIVE_BACK_SECONDS = 10.0
AFTERMATH_SECONDS = 600.0  # how long after the last call memory may still come free
LAST_SECONDS = 1.0  # for calls that are still running when the server has stopped to answer
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LOOPBACK_ORIGIN = r"https?://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?"


def build_application(registry: Registry, settings: ServerSettings) -> ASGIApp:
    """Return the server. Its lifespan expires idle episodes, and at the end keeps the records of all that are open.

    The data plane stands before the router, since nearly all requests are for it, and a call should cost little more
    than its tool.
    """
    data = _manager(build_server(registry, max_result_chars=settings.max_result_chars), settings)
    sessions = Sessions(Messages(data.handle_request, settings.max_body_bytes))
    dialect = Compatibility(registry, settings, partial(_manager, settings=settings, stateless=True))
    mcp = Endpoint(limited(dialect.enter, settings))
    talk = Route("/{key}/conversation", ConversationPlane(registry).__call__, methods=["GET", "POST"])

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(data.run())
            await stack.enter_async_context(dialect.manager.run())
            sweeper = asyncio.create_task(_sweep(registry, sessions, dialect, owns_process=settings.owns_process))
            try:
                yield
            finally:
                sweeper.cancel()
                await asyncio.wait([sweeper])
                await registry.close_all(LAST_SECONDS)

    router = Starlette(
        routes=[
            Route("/mcp", mcp),
            Route("/mcp/", mcp),
            Mount("/episodes", limited(Router([talk]), settings)),
            Mount("/control", limited(Router(dialect.routes()), settings)),
            Mount("/", limited(build_control_plane(registry, settings), settings)),
        ],
        exception_handlers={HTTPException: refuse_http, Tau2GymError: refuse},
        lifespan=lifespan,
    )
    planes = DataPlane(router, registry, sessions)
    return LastWord(CleanHeaders(LocalOnly(WebPages(planes, settings), settings)))


def limited(app: ASGIApp, settings: ServerSettings) -> ASGIApp:
    """Return an application that answers 413 to a body over the limit; the SDK's manager does so itself."""
    return BodyLimit(app, settings.max_body_bytes)


async def _sweep(registry: Registry, sessions: Sessions, dialect: Compatibility, *, owns_process: bool) -> None:
    """Close what nobody has used for too long, and the sessions of what is closed; runs until cancelled.

    Where nothing else is done in the process, memory is given back in the quiet times after busy ones, more than once
    since sessions end later than the episodes that they were for.
    """
    events, last_event, given_back = registry.metrics.events, -math.inf, -math.inf
    while True:
        await asyncio.sleep(min(registry.idle_seconds / 4, LONGEST_SWEEP_SECONDS))
        await registry.expire()
        await sessions.end_those_without(registry.opens)
        dialect.sessions.end_idle()
        now = time.monotonic()
        if registry.metrics.events != events:
            events, last_event = registry.metrics.events, now
        elif (
            owns_process
            and len(registry.all()) < FEW_EPISODES
            and now - last_event < AFTERMATH_SECONDS
            and now - given_back >= GIVE_BACK_SECONDS
        ):
            await asyncio.to_thread(release_memory)
            given_back = now


def _manager(server: Server[Any], settings: ServerSettings, *, stateless: bool = False) -> StreamableHTTPSessionManager:
    # `Sessions` limits their number. Before 2.1 the SDK has no such options.
    known = inspect.signature(StreamableHTTPSessionManager).parameters
    wished = {"max_sessions": None, "session_idle_timeout": SESSION_SECONDS}
    options: dict[str, Any] = {name: value for name, value in wished.items() if name in known}
    return StreamableHTTPSessionManager(
        server,
        json_response=True,
        stateless=stateless,
        max_request_body_size=settings.max_body_bytes,
        **options,
    )


class Endpoint:
    """An ASGI application as the endpoint of a route, whatever the method."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class DataPlane:
    """Finds the world that an agent's or a customer's URL opens, and lets the shared MCP server act on it."""

    def __init__(self, app: ASGIApp, registry: Registry, sessions: Sessions) -> None:
        self.app = app
        self.registry = registry
        self.sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope.get("path", "").split("/"):
            case ["", "episodes", key, "mcp"] | ["", "episodes", key, "mcp", ""] if scope["type"] == "http":
                await self._serve(key, scope, receive, send)
            case _:
                await self.app(scope, receive, send)

    async def _serve(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            scope[SIDE] = self.registry.by_key(key)
        except RefusedError as refusal:
            await answer(scope, refusal)(scope, receive, send)
            return
        await self.sessions.handle(key, scope, receive, send)


class CleanHeaders:
    """Takes away the spaces around headers' values, which httptools leaves, and reads a missing `Accept` as `*/*`.

    Both as HTTP wants it (RFC 9110, 5.5 and 12.5.1).
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


class LastWord:
    """Ends a request that the stopping server no longer waits for, before its connection is closed.

    One that has no answer yet is refused, and a stream that is open ends.
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
            return  # in the middle of its request, so nobody is there to be answered
        except asyncio.CancelledError:
            if complete or scope["type"] != "http":
                raise
            if started:
                await send({"type": "http.response.body", "body": b""})
                return
            refusal = RefusedError(503, "stopping", "the server was stopped before this was done")
            await answer(scope, refusal)(scope, receive, send)


class WebPages:
    """Lets web pages use the server: those of the origins that are allowed, and on loopback those of this machine.

    The latter may only do what an agent does; its URL is a secret, and the control plane of a page is not.
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
    """On loopback, refuse requests that a web page or a foreign host name brought here (DNS rebinding)."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self.app = app
        self.active = settings.host in LOOPBACK
        self.origins = {origin.encode() for origin in settings.origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.active and scope["type"] == "http":
            for name, value in scope["headers"]:
                if (name == b"host" and not _local(value)) or (
                    name == b"origin" and value not in self.origins and not _local(value.partition(b"//")[2])
                ):
                    refusal = RefusedError(
                        403, "foreign_host", "this server answers to loopback hosts and origins only"
                    )
                    await answer(scope, refusal)(scope, receive, send)
                    return
        await self.app(scope, receive, send)


def _local(netloc: bytes) -> bool:
    """Tell whether `host[:port]` is a loopback name."""
    host = netloc[1:].partition(b"]")[0] if netloc.startswith(b"[") else netloc.partition(b":")[0]
    return host.decode("latin-1").lower() in LOOPBACK
