"""OpenEnv's WebSockets: `/ws` steps an environment, `/mcp` answers JSON-RPC."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from tau2_core.errors import RunError, Tau2GymError
from tau2_core.gym.credentials import check_token
from tau2_core.gym.errors import RefusedError, answer, as_refusal
from tau2_core.gym.openenv.messages import ACTION, ResetOptions, Stepped
from tau2_core.gym.openenv.rpc import Rpc
from tau2_core.gym.openenv.sessions import EnvironmentSession
from tau2_core.gym.request_json import parse_body
from tau2_core.validation_errors import first_wrong_part

log = logging.getLogger(__name__)
IDLE_PERIODS = 4  # seconds after which an unused connection is closed once its episode is unused
POLICY_VIOLATION = 1008
CODES = {
    "not_json": "INVALID_JSON",
    "unknown_type": "UNKNOWN_TYPE",
    "invalid_request": "VALIDATION_ERROR",
    "full": "CAPACITY_REACHED",
    "unknown_session": "SESSION_ERROR",
}
Respond = Callable[[bytes], Awaitable[dict[str, Any] | None]]


class WebSockets:
    """The WebSocket endpoints of all environments. Closing a connection ends the episode that it opened."""

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc
        self.environments = rpc.environments
        self.idle_seconds = IDLE_PERIODS * rpc.environments.registry.idle_seconds

    async def step(self, websocket: WebSocket) -> None:
        """Serve `/ws`, in a session of its own or in that of the query's `session_id`."""
        await self._serve(websocket, self._stepping)

    async def mcp(self, websocket: WebSocket) -> None:
        """Serve `/mcp`, in a session of its own or in that of the query's `session_id`."""
        await self._serve(websocket, self._calling)

    async def _serve(self, websocket: WebSocket, responding: Callable[[EnvironmentSession], Respond]) -> None:
        try:
            check_token(self.environments.settings.token, websocket.headers)
            domain = self.environments.require(websocket.path_params["domain"])
        except RefusedError as refusal:
            await websocket.send_denial_response(answer(websocket.scope, refusal))
            return
        await websocket.accept()
        try:
            session, attached = self._session(domain, websocket.query_params.get("session_id"))
        except RefusedError as refusal:
            await websocket.send_json(_error(refusal))
            await websocket.close(POLICY_VIOLATION)
            return
        try:
            await self._converse(websocket, responding(session))
        except WebSocketDisconnect:
            pass
        finally:
            if attached:
                session.attached = False
                session.requests -= 1
                self.rpc.sessions.use(session.session_id)
            else:
                await _close(session)

    def _session(self, domain: str, session_id: str | None) -> tuple[EnvironmentSession, bool]:
        if session_id is None:
            return EnvironmentSession(environments=self.environments, domain=domain), False
        session = self.rpc.sessions.use(session_id)
        if session is None or session.domain != domain or session.attached:
            what = "another WebSocket uses this session" if session and session.attached else "there is no such session"
            raise RefusedError(404, "unknown_session", what)
        session.attached = True
        session.requests += 1
        return session, True

    async def _converse(self, websocket: WebSocket, respond: Respond) -> None:
        while True:
            try:
                async with asyncio.timeout(self.idle_seconds):
                    body = await _received(websocket)
            except TimeoutError:
                await websocket.close(POLICY_VIOLATION, f"unused for {self.idle_seconds:g} seconds")
                return
            response = await respond(body)
            if response is None:
                await websocket.close()
                return
            await websocket.send_json(response)

    def _calling(self, session: EnvironmentSession) -> Respond:
        async def respond(body: bytes) -> dict[str, Any] | None:
            return await self.rpc.answer_text(session.domain, body, session)

        return respond

    def _stepping(self, session: EnvironmentSession) -> Respond:
        async def respond(body: bytes) -> dict[str, Any] | None:
            try:
                return await self._answer(session, parse_body(body))
            except ValidationError as error:
                return _error(RefusedError(422, "invalid_request", first_wrong_part(error)))
            except Tau2GymError as error:
                return _error(as_refusal(error))

        return respond

    async def _answer(self, session: EnvironmentSession, message: Any) -> dict[str, Any] | None:
        """Return the answer to a message; None for a message that closes the connection.

        Raises ValidationError, Tau2GymError.
        """
        kind = message.get("type") if isinstance(message, dict) else None
        data = message.get("data", {}) if isinstance(message, dict) else {}
        match kind:
            case "reset":
                return _observation(await session.reset(ResetOptions.model_validate(data)))
            case "step":
                return _observation(await session.step(ACTION.validate_python(data)))
            case "state":
                return {"type": "state", "data": session.state().model_dump()}
            case "mcp":
                return {"type": "mcp", "data": await self.rpc.answer(session.domain, data, session)}
            case "close":
                return None
        known = "a message is an object whose type is reset, step, state, mcp or close"
        raise RefusedError(422, "unknown_type", known)


def _observation(stepped: Stepped) -> dict[str, Any]:
    return {"type": "observation", "data": stepped.model_dump(mode="json")}


def _error(refusal: RefusedError) -> dict[str, Any]:
    code = CODES.get(refusal.code, "EXECUTION_ERROR")
    return {"type": "error", "data": {"message": str(refusal), "code": code, "reason": refusal.code}}


async def _received(websocket: WebSocket) -> bytes:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    text: str | None = message.get("text")
    return text.encode() if text is not None else message["bytes"]


async def _close(session: EnvironmentSession) -> None:
    try:
        await session.close()
    except RunError as error:
        log.error("the episode of a closed WebSocket stays open, since its record cannot be kept: %s", error)
