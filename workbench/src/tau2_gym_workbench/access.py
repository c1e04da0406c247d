"""Access control: on loopback, anyone on this machine may see the pages; elsewhere, anyone with the token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tau2_core.gym.middleware import LOOPBACK

COOKIE = "tau2_gym_view"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Access:
    """ASGI middleware that rejects unauthorized visitors and forms submitted from another site."""

    app: ASGIApp
    host: str
    token: str | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refusal(scope) or self.app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if self.host in LOOPBACK and self.token is None and host not in LOOPBACK:
            return PlainTextResponse(f"this server is for this machine only, not for {host!r}\n", 403)
        if self.token is not None and not self._has_token(headers):
            query = QueryParams(scope["query_string"])
            if secrets.compare_digest(query.get("token", "").encode(), self.token.encode()):
                # The redirect keeps the token out of the address bar, the history and copied links.
                answer = RedirectResponse(scope["path"], 303)
                answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
                return answer
            return PlainTextResponse("open the URL with ?token=TOKEN, the token given to `tau2-gym view`\n", 401)
        if scope["method"] not in ("GET", "HEAD") and not _own_form(headers):
            return PlainTextResponse("this form was submitted from another site\n", 403)
        return None

    def _has_token(self, headers: Headers) -> bool:
        assert self.token is not None
        cookies = [part.strip().partition("=") for part in headers.get("cookie", "").split(";")]
        given = [value.strip('"') for name, _, value in cookies if name == COOKIE]
        given.append(headers.get("authorization", "").removeprefix("Bearer "))
        return any(secrets.compare_digest(each.encode(), self.token.encode()) for each in given)


def _own_form(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == headers.get("host")
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")
