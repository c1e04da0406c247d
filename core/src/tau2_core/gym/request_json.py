"""Request bodies, parsed strictly: finite numbers, valid text and bounded depth, so that all of it can be recorded."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.types import Receive, Scope

from tau2_core.gym.errors import RefusedError
from tau2_core.json_values import json_problem


def parse_body(body: bytes) -> Any:
    """Return the value of a request body. Raises RefusedError: 400 if it is not JSON, 422 if it is too deep."""
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RefusedError(400, "not_json", f"the body is not JSON: {error}") from error
    problem = json_problem(value)
    if problem:
        raise RefusedError(422, "invalid_request", f"body: {problem}")
    return value


class StrictRoute(APIRoute):
    """Accepts only bodies that can be recorded; FastAPI's own parser accepts NaN and lone surrogates."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            if request.method == "POST":
                body = await request.body()
                request = _Parsed(request.scope, request.receive, parse_body(body) if body else None, body)
            return await handle(request)

        return handle_strictly


class _Parsed(Request):
    def __init__(self, scope: Scope, receive: Receive, value: Any, body: bytes) -> None:
        super().__init__(scope, receive)
        self._body = body
        self._value = value

    async def json(self) -> Any:
        return self._value
