"""The dialect of eval-protocol's MCP gym client: `/mcp` and `/control/*` (spec/mcp_gym.md).

There is one world per session id of the client. The id comes in `clientInfo._extra` at `initialize`; the transport's
own session id is mapped to it. Worlds expire like other episodes, and sessions after them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from tau2_core.errors import Tau2GymError
from tau2_core.gym.credentials import check_token
from tau2_core.gym.data_plane import REFUSED_KEY, as_mcp_tool, bounded_text, call_counted
from tau2_core.gym.dialect_sessions import DialectSessions, Session
from tau2_core.gym.errors import RefusedError, answer, as_refusal
from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.mcp_message_filter import McpMessageFilter
from tau2_core.gym.registry import Registry
from tau2_core.gym.request_json import parse_body
from tau2_core.gym.server_settings import ServerSettings
from tau2_core.model.tools import ToolResult

HEADER = "mcp-session-id"
PREFIX = "compat-"
MAX_ID = 200
SHORTEST_SESSION_SECONDS = 60.0  # a session may get another world after its world has expired
INSTRUCTIONS = (
    "You act as a company's service agent. Use the tools to look things up and to change them, one call at a time. "
    "Tool calls are not seen by the customer. The policy that you follow, and the customer's words, come through "
    "the program that runs you; so does what you want to say to the customer."
)

Context = ServerRequestContext[Any, Any]
Manage = Callable[[Server[Any]], StreamableHTTPSessionManager]


class Compatibility:
    """Sessions of compatible clients: the clients' ids, their seeds and configuration, and their worlds."""

    def __init__(self, registry: Registry, settings: ServerSettings, manage: Manage) -> None:
        self.registry = registry
        self.settings = settings
        self.manager = manage(self._server())
        self.messages = McpMessageFilter(self.manager.handle_request, settings.max_body_bytes)
        idle_seconds = max(registry.idle_seconds, SHORTEST_SESSION_SECONDS)
        self.sessions: DialectSessions[Session] = DialectSessions(
            2 * registry.max_episodes, idle_seconds, self._has_world, settings.new_session_id
        )

    def _server(self) -> Server[Any]:
        return Server(
            "tau2-gym",
            version=version("tau2-core"),
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )

    async def enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request at `/mcp`. Each `initialize` is inspected for the client's session id.

        The SDK's models drop unknown members, so the raw message is read. A world belongs to a session, so revisions of
        the protocol without sessions are refused; clients then fall back to the handshake.
        """
        headers = Headers(scope=scope)
        refusal = self._refusal(headers)
        if refusal is not None:
            await answer(scope, refusal)(scope, receive, send)
        elif HEADER in headers:
            await self._answer(headers[HEADER], scope, receive, send)
        elif scope["method"] == "POST":
            await self._open(scope, receive, send)
        else:
            await _no_session(400, f"the header {HEADER} is missing")(scope, receive, send)

    async def _answer(self, transport_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        session = self.sessions.use(transport_id)
        if session is None:
            await _no_session(404, "Session not found")(scope, receive, send)
        elif scope["method"] == "DELETE":
            self.sessions.end(transport_id)
            await Response()(scope, receive, send)
        else:
            session.requests += 1
            try:
                await self.messages(scope, receive, send)
            finally:
                session.requests -= 1
                self.sessions.use(transport_id)

    def _has_world(self, session: Session) -> bool:
        return self.registry.find(PREFIX + session.session_id) is not None

    def _latest(self, session_id: str) -> Session:
        return self.sessions.latest(session_id) or Session(session_id)

    def _refusal(self, headers: Headers) -> RefusedError | None:
        try:
            check_token(self.settings.token, headers)
        except RefusedError as refusal:
            return refusal
        revision = headers.get(MCP_PROTOCOL_VERSION_HEADER)
        if revision is not None and revision not in HANDSHAKE_PROTOCOL_VERSIONS:
            what = f"/mcp has a world for each session, and revision {revision} has none: POST /v1/episodes instead"
            return RefusedError(400, "no_session", what)
        return None

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        session = _asked_for(body)
        if max(map(len, (session.session_id, session.domain or "", session.task_id or ""))) > MAX_ID:
            what = f"session_id, domain and task_id have at most {MAX_ID} characters"
            refusal = RefusedError(422, "invalid_request", what)
            await answer(scope, refusal)(scope, receive, send)
            return
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        async def name_session(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(raw=message["headers"])[HEADER] = self.sessions.open(session)
            await send(message)

        await self.messages(scope, replay, name_session)

    def routes(self) -> list[Route]:
        """Return the routes below /control."""
        return [
            self._route("initial_state", "GET", self._initial_state),
            self._route("reward", "GET", self._reward),
            self._route("status", "GET", self._status),
            self._route("info", "GET", self._info),
            self._route("reset_session", "POST", self._reset_session),
        ]

    def _route(self, name: str, method: str, handle: Callable[[Request], Awaitable[dict[str, Any]]]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                check_token(self.settings.token, request.headers)
                return JSONResponse(await handle(request))
            except Tau2GymError as error:
                return answer(request.scope, as_refusal(error), {"error": str(error)})

        return Route(f"/{name}", endpoint, methods=[method])

    def _session_id(self, context: Context) -> str:
        """Return the client's id for a session, or the transport's own if the client named none."""
        assert context.request is not None
        transport_id: str = context.request.headers[HEADER]
        session = self.sessions.use(transport_id)
        return session.session_id if session is not None else transport_id

    async def _episode(self, session_id: str, *, again: bool = False) -> HostedEpisode:
        """Return a session's world, created on first use. A world that is gone is created again only with `again`.

        Raises RefusedError, UsageError, PackError.
        """
        episode_id = PREFIX + session_id
        if self.registry.find(episode_id) is None and (again or not self.registry.is_gone(episode_id)):
            self.registry.admit(episode_id)
            episode = await self.registry.workers.run(partial(self._build, session_id))
            try:
                await self.registry.add(episode)
            except RefusedError as refusal:
                if refusal.code != "taken_id":  # by a concurrent request of this session
                    raise
        return self.registry.get(episode_id)

    def _build(self, session_id: str) -> HostedEpisode:
        session = self._latest(session_id)
        domain = session.domain or self.settings.domains[0]
        blueprint = self.settings.blueprint(domain, task_id=session.task_id, seed=session.seed, mode="tau2")
        return self.registry.build(blueprint, PREFIX + session_id)

    async def _list_tools(
        self, context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        session_id = self._session_id(context)
        world = self.registry.find(PREFIX + session_id)
        if world is not None:
            return types.ListToolsResult(tools=[as_mcp_tool(tool) for tool in world.tools("agent")])
        domain = self._latest(session_id).domain or self.settings.domains[0]
        try:
            find = partial(self.settings.setting, domain, dataset=None, mode="tau2")
            setting = await self.registry.workers.run(find)
        except Tau2GymError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from error
        return types.ListToolsResult(tools=[as_mcp_tool(tool) for tool in setting.tools("agent").values()])

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            episode = await self._episode(self._session_id(context))
        except Tau2GymError as error:
            return types.CallToolResult(content=[types.TextContent(text=f"Error: {error}")], is_error=True)
        result = await call_counted(self.registry, episode, "agent", params.name, params.arguments or {})
        text = as_object(result)
        sent = bounded_text(text, self.settings.max_result_chars)
        failed = result.failure is not None or sent is not text
        meta = {REFUSED_KEY: True} if result.refused else None
        return types.CallToolResult(content=[types.TextContent(text=sent)], is_error=failed, _meta=meta)

    async def _initial_state(self, request: Request) -> dict[str, Any]:
        """Create the world if necessary; our domains have nothing to show before the first call."""
        await self._episode(_header(request), again=True)
        return {}

    async def _reward(self, request: Request) -> dict[str, Any]:
        episode = self._known(request)
        graded = episode.succeeded and episode.blueprint.task.evaluation_criteria
        reward = (await self.registry.grade(episode)).reward if graded else 0.0
        return {"reward": reward or 0.0, "step_count": episode.succeeded}

    async def _status(self, request: Request) -> dict[str, Any]:
        episode = self._known(request)
        ended = episode.ended is not None
        return {"terminated": ended, "truncated": False, "step_count": episode.succeeded, "total_reward": 0.0}

    async def _info(self, request: Request) -> dict[str, Any]:
        self._known(request)
        return {}

    async def _reset_session(self, request: Request) -> dict[str, Any]:
        """Start a session's world again. Unlike in the reference, an unknown session is an error, and 0 is a seed."""
        seed = _seed(await request.body())
        await self.registry.reset(self._known(request), seed)
        return {"message": f"session {_header(request)} was reset"}

    def _known(self, request: Request) -> HostedEpisode:
        session_id = _header(request)
        found = self.registry.find(PREFIX + session_id)
        if found is None:
            raise RefusedError(404, "unknown_session", f"there is no session {session_id!r}")
        return found


def as_object(result: ToolResult) -> str:
    """Return a result in the client's format: a JSON object, with others wrapped; a failure is text, not JSON."""
    if result.failure is not None:
        return result.content
    try:
        value = json.loads(result.content)
    except ValueError:
        value = result.content
    return result.content if isinstance(value, dict) else json.dumps({"observation": value})


def _asked_for(body: bytes) -> Session:
    """Return a session with the id and the world in a compatible client's clientInfo."""
    try:
        extra = parse_body(body)["params"]["clientInfo"]["_extra"]
        session_id, config, seed = extra["session_id"], extra.get("config"), extra.get("seed")
    except (RefusedError, AttributeError, KeyError, TypeError):
        return Session()
    if not isinstance(session_id, str):
        return Session()
    return Session(session_id, _text(config, "domain"), _text(config, "task_id"), seed if type(seed) is int else 0)


def _no_session(status: int, what: str) -> Response:
    error = {"code": types.INVALID_REQUEST, "message": what}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status)


def _header(request: Request) -> str:
    session_id = request.headers.get(HEADER)
    if not session_id:
        raise RefusedError(400, "no_session", f"the header {HEADER} is missing")
    return session_id


def _seed(body: bytes) -> int | None:
    content = parse_body(body) if body else {}
    seed = content.get("seed") if isinstance(content, dict) else content
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise RefusedError(422, "invalid_request", "seed: should be an integer or null")
    return seed


def _text(config: Any, key: str) -> str | None:
    value = config.get(key) if isinstance(config, dict) else None
    return value if isinstance(value, str) else None
