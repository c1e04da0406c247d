"""The control plane's credential: one token for the whole server, which agents must not be given."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import Request

from tau2_core.gym.errors import RefusedError


def check_token(token: str | None, headers: Headers) -> None:
    """Require `Authorization: Bearer TOKEN` if the server has a token. Raises RefusedError (401)."""
    given = headers.get("authorization", "")
    if token is not None and not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise RefusedError(401, "unauthorised", "this needs the server's token, as `Authorization: Bearer TOKEN`")


def require_token(token: str | None) -> Callable[[Request], Awaitable[None]]:
    """Return a dependency of routes that require the token."""

    async def check(request: Request) -> None:
        check_token(token, request.headers)

    return check
