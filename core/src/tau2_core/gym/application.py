"""The whole server as one ASGI application, with the paths of its planes."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from tau2_core.errors import Tau2GymError
from tau2_core.gym.body_limit import BodyLimit
from tau2_core.gym.compatibility import Compatibility
from tau2_core.gym.control_plane import build_control_plane
from tau2_core.gym.conversation_plane import ConversationPlane
from tau2_core.gym.data_plane import SIDE, build_server
from tau2_core.gym.dialect_sessions import DialectSessions
from tau2_core.gym.errors import RefusedError, answer, refuse, refuse_http
from tau2_core.gym.expiry import expire
from tau2_core.gym.mcp_message_filter import McpMessageFilter
from tau2_core.gym.middleware import AnswerWhenStopped, LocalOnly, NormalHeaders, WebPages
from tau2_core.gym.nemo_gym import NemoGym
from tau2_core.gym.openenv.application import OpenEnv
from tau2_core.gym.registry import Registry
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.gym.sessions import Sessions
from tau2_core.gym.shutdown import close_all
from tau2_core.runtime.garbage_collection import collect_garbage, release_memory

LONGEST_SWEEP_SECONDS = 10.0
SESSION_SECONDS = 1800.0
FEW_EPISODES = 1000  # with more, a garbage collection would block requests
GIVE_BACK_SECONDS = 10.0
AFTERMATH_SECONDS = 600.0  # seconds after the last call during which memory may still be freed
LAST_SECONDS = 1.0  # seconds for calls that still run after the server has stopped answering


def build_application(registry: Registry, settings: ServerSettings) -> ASGIApp:
    """Return the server. Its lifespan expires idle episodes and, at the end, keeps the records of all open ones.

    The data plane comes before the router: nearly all requests are for it, and a call should cost little more than its
    tool.
    """
    data = _manager(build_server(registry, max_result_chars=settings.max_result_chars), settings)
    sessions = Sessions(McpMessageFilter(data.handle_request, settings.max_body_bytes))
    dialect = Compatibility(registry, settings, partial(_manager, settings=settings, stateless=True))
    openenv = OpenEnv(registry, settings)
    nemo = NemoGym(registry, settings)
    mcp = Endpoint(limited(dialect.enter, settings))
    talk = Route("/{key}/conversation", ConversationPlane(registry).__call__, methods=["GET", "POST"])

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(data.run())
            await stack.enter_async_context(dialect.manager.run())
            dialects = (dialect.sessions, openenv.sessions)
            sweeper = asyncio.create_task(_sweep(registry, sessions, dialects, owns_process=settings.owns_process))
            try:
                yield
            finally:
                sweeper.cancel()
                await asyncio.wait([sweeper])
                if registry.worker_processes is not None:
                    await registry.worker_processes.stop()
                await close_all(registry, LAST_SECONDS)

    router = Starlette(
        routes=[
            Route("/mcp", mcp),
            Route("/mcp/", mcp),
            Mount("/episodes", limited(Router([talk]), settings)),
            Mount("/openenv/{domain}", limited(openenv.application, settings)),
            Mount("/control", limited(Router(dialect.routes()), settings)),
            *(
                Route(route.path, Endpoint(limited(route.app, settings)), methods=route.methods)
                for route in nemo.routes()
            ),
            Mount("/", limited(build_control_plane(registry, settings), settings)),
        ],
        exception_handlers={HTTPException: refuse_http, Tau2GymError: refuse},
        lifespan=lifespan,
    )
    planes = DataPlane(router, registry, sessions)
    return AnswerWhenStopped(NormalHeaders(LocalOnly(WebPages(planes, settings), settings)))


def limited(app: ASGIApp, settings: ServerSettings) -> ASGIApp:
    """Return an application that answers 413 to a body above the limit. The SDK's manager does so itself."""
    return BodyLimit(app, settings.max_body_bytes)


async def _sweep(
    registry: Registry, sessions: Sessions, dialects: Iterable[DialectSessions[Any]], *, owns_process: bool
) -> None:
    """Close idle episodes, and the sessions of closed ones; runs until cancelled.

    In a process that only serves, garbage is collected while requests arrive. Memory is returned to the system in quiet
    periods afterwards, more than once, since sessions end later than their episodes.
    """
    events, last_event, given_back = registry.metrics.events, -math.inf, -math.inf
    while True:
        await asyncio.sleep(min(registry.idle_seconds / 4, LONGEST_SWEEP_SECONDS))
        await expire(registry)
        await sessions.end_those_without(registry.opens)
        for of_dialect in dialects:
            of_dialect.end_idle()
        if not owns_process or len(registry.all()) >= FEW_EPISODES:
            continue
        now = time.monotonic()
        if registry.metrics.events != events:
            events, last_event = registry.metrics.events, now
            collect_garbage()
        elif now - last_event < AFTERMATH_SECONDS and now - given_back >= GIVE_BACK_SECONDS:
            await asyncio.to_thread(release_memory)
            given_back = now


def _manager(server: Server[Any], settings: ServerSettings, *, stateless: bool = False) -> StreamableHTTPSessionManager:
    # `Sessions` limits their number. The SDK has no such options before 2.1, or refuses them if it keeps no sessions.
    known = inspect.signature(StreamableHTTPSessionManager).parameters
    wanted = {} if stateless else {"max_sessions": None, "session_idle_timeout": SESSION_SECONDS}
    options: dict[str, Any] = {name: value for name, value in wanted.items() if name in known}
    return StreamableHTTPSessionManager(
        server,
        json_response=True,
        stateless=stateless,
        max_request_body_size=settings.max_body_bytes,
        **options,
    )


class Endpoint:
    """An ASGI application as the endpoint of a route, for every method."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class DataPlane:
    """Finds the episode of an agent's or a customer's URL, and passes the request to the shared MCP server."""

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
