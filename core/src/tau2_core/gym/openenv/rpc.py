"""MCP in OpenEnv's form: JSON-RPC for tools and sessions, without MCP's handshake."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from tau2_core.errors import Tau2GymError
from tau2_core.gym.conversation_tools import TOOLS
from tau2_core.gym.data_plane import REFUSED_KEY, bounded_text, carry_out
from tau2_core.gym.dialect_sessions import DialectSessions
from tau2_core.gym.errors import RefusedError
from tau2_core.gym.openenv.environments import Environments
from tau2_core.gym.openenv.messages import RpcRequest
from tau2_core.gym.openenv.sessions import EnvironmentSession
from tau2_core.gym.request_json import parse_body
from tau2_core.model.tools import ToolResult
from tau2_core.validation_errors import first_wrong_part

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
SERVER_ERROR = -32000


class _RpcError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Rpc:
    """Answers JSON-RPC requests. Each names its session in `params.session_id`, or uses its WebSocket's."""

    def __init__(self, environments: Environments, sessions: DialectSessions[EnvironmentSession]) -> None:
        self.environments = environments
        self.sessions = sessions
        self._methods: dict[str, Callable[..., Awaitable[Any]]] = {
            "tools/list": self._list,
            "tools/call": self._call,
            "openenv/session/create": self._create,
            "openenv/session/close": self._close,
        }

    async def answer_text(self, domain: str, body: bytes, own: EnvironmentSession | None = None) -> dict[str, Any]:
        """Answer a request given as text."""
        try:
            message = parse_body(body)
        except RefusedError as refusal:
            return _failure(None, PARSE_ERROR if refusal.code == "not_json" else INVALID_REQUEST, str(refusal))
        return await self.answer(domain, message, own)

    async def answer(self, domain: str, message: Any, own: EnvironmentSession | None = None) -> dict[str, Any]:
        """Answer a request. `own` is the session of the WebSocket on which it arrived."""
        try:
            request = RpcRequest.model_validate(message)
        except ValidationError as error:
            return _failure(None, INVALID_REQUEST, first_wrong_part(error))
        method = self._methods.get(request.method)
        if method is None:
            return _failure(request.id, METHOD_NOT_FOUND, f"there is no method {request.method!r}")
        try:
            result = await method(domain, request.params, own)
        except _RpcError as error:
            return _failure(request.id, error.code, str(error))
        except Tau2GymError as error:
            return _failure(request.id, SERVER_ERROR, str(error))
        return {"jsonrpc": "2.0", "id": request.id, "result": result}

    async def _create(self, domain: str, _params: dict[str, Any], own: EnvironmentSession | None) -> dict[str, Any]:
        if own is not None and own.session_id:
            return {"session_id": own.session_id}
        session = EnvironmentSession(environments=self.environments, domain=domain)
        return {"session_id": self.sessions.open(session)}

    async def _close(self, domain: str, params: dict[str, Any], _own: EnvironmentSession | None) -> dict[str, Any]:
        session = self._named(domain, params)
        if session is None:
            raise _RpcError(INVALID_PARAMS, "session_id is required")
        if session.attached:
            raise _RpcError(INVALID_REQUEST, "a WebSocket uses this session; close that first")
        await session.close()
        self.sessions.end(session.session_id)
        return {"session_id": session.session_id, "closed": True}

    async def _list(self, domain: str, params: dict[str, Any], own: EnvironmentSession | None) -> dict[str, Any]:
        session = self._named(domain, params) or own
        if session is not None and session.episode is not None:
            tools = self.environments.tools(session.current())
        else:
            setting = await self.environments.setting(domain)
            tools = [*setting.tools("agent").values(), *TOOLS]
        return {"tools": [tool.mcp_tool() for tool in tools]}

    async def _call(self, domain: str, params: dict[str, Any], own: EnvironmentSession | None) -> dict[str, Any]:
        session = self._named(domain, params) or own
        if session is None:
            raise _RpcError(INVALID_PARAMS, "session_id is required: openenv/session/create returns one")
        name, arguments = params.get("name"), params.get("arguments", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise _RpcError(INVALID_PARAMS, "name should be a text, and arguments an object")
        episode = session.current()
        result = await carry_out(self.environments.registry, episode, "agent", name, arguments)
        return _as_result(result, self.environments.settings.max_result_chars)

    def _named(self, domain: str, params: dict[str, Any]) -> EnvironmentSession | None:
        """Return the session that a request names, None if it names none."""
        session_id = params.get("session_id")
        if session_id is None:
            return None
        session = self.sessions.use(session_id) if isinstance(session_id, str) else None
        if session is None or session.domain != domain:
            raise _RpcError(INVALID_PARAMS, "there is no such session; openenv/session/create opens one")
        return session


def _as_result(result: ToolResult, max_chars: int) -> dict[str, Any]:
    """Return the result in MCP's form, and as `data`, which OpenEnv's client returns."""
    text = bounded_text(result.content, max_chars)
    failed = result.failure is not None or text is not result.content
    answer = {"content": [{"type": "text", "text": text}], "isError": failed, "data": text}
    return answer | {"_meta": {REFUSED_KEY: True}} if result.refused else answer


def _failure(request_id: str | int | None, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}
