"""A limit on request bodies. The MCP SDK has one too, but only since 2.1."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Middleware that answers 413 to a body of more than `most` bytes, and passes on complete bodies."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        body = bytearray()
        over = length.isdecimal() and int(length) > self.most if len(length) < 20 else True
        left: list[Message] = []
        while not over:
            message = await receive()
            if message["type"] != "http.request":
                left = [message]
                break
            body += message.get("body", b"")
            over = len(body) > self.most
            if not message.get("more_body", False):
                break
        if over:
            await Response("Request body too large", status_code=413)(scope, receive, send)
            return
        left.insert(0, {"type": "http.request", "body": bytes(body), "more_body": bool(left)})

        async def replay() -> Message:
            return left.pop(0) if left else await receive()

        await self.app(scope, replay, send)
