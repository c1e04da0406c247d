"""Access control: on loopback, anyone on this machine may see the pages; elsewhere, anyone with the token."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, urlencode, urlsplit

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


@dataclass(frozen=True)
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
        host = _host_name(headers.get("host", ""))
        if self.host in LOOPBACK and self.token is None and host not in LOOPBACK:
            why = f"this server answers only to a loopback address, not to {host!r}; open http://localhost instead\n"
            return PlainTextResponse(why, 403)
        if self.token is not None:
            query = QueryParams(scope["query_string"])
            if secrets.compare_digest(query.get("token", "").encode(), self.token.encode()):
                return self._redirect_with_cookie(scope["path"], query)
            if not self._has_token(headers):
                return PlainTextResponse("open the URL with ?token=TOKEN, the token given to `tau2-gym view`\n", 401)
        if scope["method"] not in ("GET", "HEAD") and not _from_own_site(headers):
            return PlainTextResponse("this form was submitted from another site\n", 403)
        return None

    def _redirect_with_cookie(self, path: str, query: QueryParams) -> Response:
        """Store the token as a cookie and redirect to the URL without it, which keeps it out of history and links."""
        left = urlencode([(name, value) for name, value in query.multi_items() if name != "token"])
        answer = RedirectResponse(f"/{quote(path.lstrip('/'))}{f'?{left}' if left else ''}", 303)
        # Lax, so that a link from another site, such as a chat, works. Forms from other sites are rejected by origin.
        answer.set_cookie(f"{COOKIE}_{self._cookie[:8]}", self._cookie, httponly=True, samesite="lax")
        return answer

    @cached_property
    def _cookie(self) -> str:
        """The cookie's value: a hash of the token. The name contains it too, since ports of a host share cookies."""
        assert self.token is not None
        return hashlib.sha256(b"tau2-gym view " + self.token.encode()).hexdigest()

    def _has_token(self, headers: Headers) -> bool:
        assert self.token is not None
        bearer = headers.get("authorization", "").removeprefix("Bearer ").encode("latin-1")
        cookies = [part.strip().partition("=")[2] for part in headers.get("cookie", "").split(";")]
        known = any(secrets.compare_digest(each.encode(), self._cookie.encode()) for each in cookies)
        return known or secrets.compare_digest(bearer, self.token.encode())


def _host_name(host: str) -> str:
    """Return the host without its port, or "" if the text is not a valid host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _from_own_site(headers: Headers) -> bool:
    """Return whether a request comes from a page of this server, or from a program that is not a browser."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2] == headers.get("host")
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")
