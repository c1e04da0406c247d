"""The dialect of eval-protocol's MCP gym client: `/mcp` and `/control/*` (spec/mcp_gym.md).

One world a client-made session id. The id comes in `clientInfo._extra` at `initialize`; the transport's own session
id is mapped to it. Sessions expire like other episodes.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tau2_core.errors import Tau2GymError
from tau2_core.gym.data_plane import as_mcp_tool
from tau2_core.gym.errors import RefusedError
from tau2_core.gym.hosted import HostedEpisode
from tau2_core.gym.registry import Registry
from tau2_core.gym.settings import Settings
from tau2_core.model.tools import ToolResult

HEADER = "mcp-session-id"
PREFIX = "compat-"
REMEMBERED = 100_000

Context = ServerRequestContext[Any, Any]


class Compatibility:
    """Sessions of compatible clients: client-made ids, their seeds and configuration, and their worlds."""

    def __init__(self, registry: Registry, settings: Settings, default_domain: str) -> None:
        self.registry = registry
        self.settings = settings
        self.default_domain = default_domain
        self._extras: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._transports: OrderedDict[str, str] = OrderedDict()

    def server(self) -> Server[Any]:
        """Return the MCP server behind `/mcp`."""
        return Server("tau2-gym", on_list_tools=self._list_tools, on_call_tool=self._call_tool)

    def entrance(self, app: ASGIApp) -> ASGIApp:
        """Return the MCP application with a look at each `initialize`, to learn whose session it opens.

        The SDK's models drop members that they do not know, so the raw message is read.
        """

        async def enter(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["method"] != "POST" or HEADER in Headers(scope=scope):
                await app(scope, receive, send)
                return
            body = await Request(scope, receive).body()
            extra = _extra(body)

            async def replay() -> Message:
                nonlocal body
                sent, body = body, b""
                return {"type": "http.request", "body": sent, "more_body": False} if sent else await receive()

            async def note(message: Message) -> None:
                if message["type"] == "http.response.start" and extra:
                    transport = Headers(raw=message["headers"]).get(HEADER)
                    if transport:
                        _remember(self._extras, extra["session_id"], extra)
                        _remember(self._transports, transport, extra["session_id"])
                await send(message)

            await app(scope, replay, note)

        return enter

    def routes(self) -> list[Route]:
        """Return the control routes."""
        return [
            Route("/control/initial_state", self.initial_state, methods=["GET"]),
            Route("/control/reward", self.reward, methods=["GET"]),
            Route("/control/status", self.status, methods=["GET"]),
            Route("/control/info", self.info, methods=["GET"]),
            Route("/control/reset_session", self.reset_session, methods=["POST"]),
        ]

    def _session_id(self, context: Context) -> str:
        assert context.request is not None
        transport: str = context.request.headers.get(HEADER, "anonymous")
        return self._transports.get(transport, transport)

    def episode(self, session_id: str) -> HostedEpisode:
        """Return a session's world, made now if there is none; nothing awaits in between, so a race makes one."""
        found = self.registry.find(PREFIX + session_id)
        if found is not None:
            return found
        extra = self._extras.get(session_id, {})
        config = extra.get("config") if isinstance(extra.get("config"), dict) else {}
        seed = extra.get("seed")
        blueprint = self.settings.blueprint(
            _text(config, "domain") or self.default_domain,
            task_id=_text(config, "task_id"),
            seed=seed if isinstance(seed, int) else 0,
            mode="tau2",
        )
        return self.registry.create(blueprint, PREFIX + session_id)

    async def _list_tools(
        self, context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        config = self._extras.get(self._session_id(context), {}).get("config")
        domain = _text(config if isinstance(config, dict) else {}, "domain") or self.default_domain
        tools = self.settings.setting(domain, dataset=None, mode="tau2").tools("agent")
        return types.ListToolsResult(tools=[as_mcp_tool(tool) for tool in tools.values()])

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        episode = self.episode(self._session_id(context))
        async with self.registry.in_use(episode):
            started = time.perf_counter()
            result = await episode.call("agent", params.name, params.arguments or {})
            seconds = time.perf_counter() - started
        failure = result.failure.value if result.failure else None
        self.registry.metrics.called(episode.blueprint.setting.domain, seconds, failure)
        return types.CallToolResult(
            content=[types.TextContent(text=as_object(result))], is_error=result.failure is not None
        )

    async def initial_state(self, request: Request) -> Response:
        """Make the world if need be; our domains have nothing to show before the first call."""
        try:
            self.episode(_header(request))
        except Tau2GymError as error:
            return _refusal(error)
        return JSONResponse({})

    async def reward(self, request: Request) -> Response:
        try:
            episode = self._known(request)
            reward = (await self.registry.grade(episode)).reward if episode.blueprint.task.evaluation_criteria else 0.0
        except Tau2GymError as error:
            return _refusal(error)
        return JSONResponse({"reward": reward if episode.succeeded else 0.0, "step_count": episode.succeeded})

    async def status(self, request: Request) -> Response:
        try:
            episode = self._known(request)
        except Tau2GymError as error:
            return _refusal(error)
        ended = episode.ended is not None
        return JSONResponse(
            {"terminated": ended, "truncated": False, "step_count": episode.succeeded, "total_reward": 0.0}
        )

    async def info(self, request: Request) -> Response:
        try:
            self._known(request)
        except Tau2GymError as error:
            return _refusal(error)
        return JSONResponse({})

    async def reset_session(self, request: Request) -> Response:
        """Start a session's world again. Unlike the reference, it says so of an unknown session; seed 0 is a seed."""
        try:
            seed = _seed(await request.body())
            episode = self._known(request)
            await self.registry.reset(episode, seed)
        except Tau2GymError as error:
            return _refusal(error)
        return JSONResponse({"message": f"session {_header(request)} was reset"})

    def _known(self, request: Request) -> HostedEpisode:
        session_id = _header(request)
        found = self.registry.find(PREFIX + session_id)
        if found is None:
            raise RefusedError(404, "unknown_session", f"there is no session {session_id!r}")
        return found


def as_object(result: ToolResult) -> str:
    """Return a result as the client wants it: a JSON object, others wrapped; a failure is text that is no JSON."""
    if result.failure is not None:
        return result.content
    try:
        value = json.loads(result.content)
    except ValueError:
        value = result.content
    return result.content if isinstance(value, dict) else json.dumps({"observation": value})


def _extra(body: bytes) -> dict[str, Any] | None:
    """Return what a compatible client adds to its clientInfo; None if the message is another."""
    try:
        message = from_json(body)
        extra = message["params"]["clientInfo"]["_extra"]
    except (ValueError, KeyError, TypeError):
        return None
    return extra if isinstance(extra, dict) and isinstance(extra.get("session_id"), str) else None


def _header(request: Request) -> str:
    session_id = request.headers.get(HEADER)
    if not session_id:
        raise RefusedError(400, "no_session", f"the header {HEADER} is missing")
    return session_id


def _seed(body: bytes) -> int | None:
    try:
        content = from_json(body) if body else {}
    except ValueError as error:
        raise RefusedError(400, "not_json", f"the body is not JSON: {error}") from error
    seed = content.get("seed") if isinstance(content, dict) else content
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise RefusedError(422, "invalid_request", "seed: should be an integer or null")
    return seed


def _text(config: Any, key: str) -> str | None:
    value = config.get(key) if isinstance(config, dict) else None
    return value if isinstance(value, str) else None


def _refusal(error: Tau2GymError) -> Response:
    status = error.status if isinstance(error, RefusedError) else 422
    return JSONResponse({"error": str(error)}, status)


def _remember(store: OrderedDict[str, Any], key: str, value: Any) -> None:
    store[key] = value
    store.move_to_end(key)
    while len(store) > REMEMBERED:
        store.popitem(last=False)
