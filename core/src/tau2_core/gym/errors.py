"""Refused requests: a status, a code for programs and a message for people."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from tau2_core.errors import RunError, Tau2GymError, UsageError
from tau2_core.validation_errors import dotted

log = logging.getLogger(__name__)
MAX_SHOWN = 200
TRY_LATER = 5  # seconds after which a full server may have free capacity
PARTS = re.compile(
    "|v1|episodes|mcp|conversation|control|reward|record|reset|domains|metrics|healthz|openapi.json|docs|slots|tasks"
    "|initial_state|status|info|reset_session"
    "|seed_session|verify|close_session|aggregate_metrics|reverify_mode|openenv|health|metadata|schema|step|state|ws|list_environments|splits|num_tasks|task|task_range"
)


class RefusedError(Tau2GymError):
    """A refused request: HTTP status, stable code, message.

    `retry_after`: seconds after which the request may succeed. `expected`: whether the request was legitimate, such as
    one that came too late.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None, expected: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.expected = expected

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": str(self)}}


def unknown_episode() -> RefusedError:
    return RefusedError(404, "unknown_episode", "there is no such episode")


def expired_episode(why: str = "") -> RefusedError:
    """Return the refusal for an episode that is gone. `why` is given if neither its client nor inactivity ended it."""
    return RefusedError(410, "expired_episode", f"{why or 'this episode was deleted or has expired'}; create a new one")


def taken_id(episode_id: str) -> RefusedError:
    return RefusedError(409, "taken_id", f"there is already an episode {episode_id!r}")


def full(max_episodes: int) -> RefusedError:
    what = f"{max_episodes} episodes are open; delete one, or try later"
    return RefusedError(503, "full", what, retry_after=TRY_LATER)


def over_budget() -> RefusedError:
    return RefusedError(503, "max_cost", "--max-cost is reached, so no more episodes are started")


def as_refusal(error: Tau2GymError) -> RefusedError:
    """Return the refusal for one of the project's own errors."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, UsageError):
        return RefusedError(422, "invalid_request", str(error))
    if isinstance(error, RunError):
        return RefusedError(507, "cannot_keep_record", str(error))
    return RefusedError(424, "unusable_domain", str(error))  # a broken pack is the server's fault, but a known one


def answer(scope: Scope, refusal: RefusedError, body: dict[str, Any] | None = None) -> JSONResponse:
    """Return a refusal as a response, and log it once; those that are expected are not for the log of a terminal."""
    level = logging.DEBUG if refusal.expected else logging.WARNING
    log.log(
        level, "%s %r: %s %s", scope.get("method", "WebSocket"), shown_path(scope["path"]), refusal.status, refusal.code
    )
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == HTTPStatus.UNAUTHORIZED else {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    return JSONResponse(body or refusal.body(), refusal.status, headers=headers)


def shown_path(path: str) -> str:
    """Return a path for the log, keeping only the parts that are the same for all clients.

    An episode's key is part of its URL, and may be part of a mistyped one.
    """
    return "/".join(part if PARTS.fullmatch(part) else "…" for part in path[:MAX_SHOWN].split("/"))


async def refuse(request: Request, error: Exception) -> Response:
    """Answer a request for which a route raised one of the project's own errors."""
    assert isinstance(error, Tau2GymError)
    return answer(request.scope, as_refusal(error))


async def refuse_http(request: Request, error: Exception) -> Response:
    """Answer the framework's refusals (no such path, wrong method, unreadable body) in our format."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    response = answer(request.scope, RefusedError(status, status.phrase.lower().replace(" ", "_"), str(error.detail)))
    response.headers.update(error.headers or {})
    return response


async def refuse_invalid(request: Request, error: Exception) -> Response:
    """Answer a request whose body or parameters have the wrong form."""
    assert isinstance(error, RequestValidationError)
    found = [f"{dotted(detail['loc'])}: {detail['msg']}" for detail in error.errors()]
    return answer(request.scope, RefusedError(422, "invalid_request", "; ".join(found)))
