"""Attacks on a gym server, each repeated until the time is up. Use them only on your own server."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from itertools import count

import httpx

MODERN = "2026-07-28"
HELD_SECONDS = 3.0
PAUSE_SECONDS = 0.1
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
MCP = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "attack", "version": "1"}}
DEEP = 100_000
Attack = Callable[[], Awaitable[None]]


def run_attacks(address: str, evil: str, seconds: float) -> None:
    """Make all attacks concurrently for a number of seconds. `evil` is the domain with the hostile handlers."""
    asyncio.run(_Attackers(address, evil).run(seconds))


class _Attackers:
    def __init__(self, address: str, evil: str) -> None:
        url = httpx.URL(address)
        self.host, self.port = url.host, url.port or 80
        self.address = address
        self.evil = evil
        self.numbers = count()

    async def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=self.address, trust_env=False, timeout=30, limits=limits) as self.http:
            attacks = [
                self.long_lines,
                self.long_headers,
                self.half_sent,
                self.idle,
                self.slow_readers,
                self.one_id,
                self.huge_calculations,
                self.hostile_handlers,
                self.session_flood,
                self.bad_json,
            ]
            await asyncio.gather(*(self.repeat(attack, end) for attack in attacks))

    async def repeat(self, attack: Attack, end: float) -> None:
        while time.monotonic() < end:
            with suppress(OSError, httpx.HTTPError):  # the server disconnects attackers
                await attack()
            await asyncio.sleep(PAUSE_SECONDS)

    async def pour(self, head: bytes, megabytes: int = 4) -> None:
        _, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(head)
            for _ in range(megabytes * 16):
                writer.write(b"y" * 65536)
                await writer.drain()
        finally:
            writer.transport.abort()

    async def long_lines(self) -> None:
        await self.pour(b"GET /")

    async def long_headers(self) -> None:
        await self.pour(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")

    async def hold(self, connections: int, sent: bytes) -> None:
        opened = [await asyncio.open_connection(self.host, self.port) for _ in range(connections)]
        try:
            for _, writer in opened:
                writer.write(sent)
            await asyncio.sleep(HELD_SECONDS)
        finally:
            for _, writer in opened:
                writer.transport.abort()

    async def half_sent(self) -> None:
        head = b"POST /v1/episodes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        await self.hold(50, head)
        await self.hold(50, head + b"Content-Length: 1000\r\n\r\n{")

    async def idle(self) -> None:
        await self.hold(200, b"")

    async def slow_readers(self) -> None:
        """Request far more than is ever read."""
        links = []
        request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        try:
            for _ in range(10):
                link = socket.socket()
                links.append(link)
                link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                link.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(link, (self.host, self.port))
                await loop.sock_sendall(link, request * 100)
            await asyncio.sleep(HELD_SECONDS)
        finally:
            for link in links:
                link.close()

    async def one_id(self) -> None:
        url = await self.episode("mock")
        opened = await self.http.post(url, json=_message("initialize", HELLO), headers=MCP)
        headers = {**MCP, "mcp-session-id": opened.headers["mcp-session-id"]}
        call = _message("tools/call", {"name": "get_users", "arguments": {}})
        for bad in (None, 1.5, True):
            await self.http.post(url, json={**call, "id": bad}, headers=headers)
        await asyncio.gather(*(self.http.post(url, json=call, headers=headers) for _ in range(20)))

    async def huge_calculations(self) -> None:
        url = await self.episode("airline")
        for expression in (
            "9**9**9**9",
            "*".join(["9999999**9999"] * 150),
            "(" * 1000 + "1" + ")" * 1000,
            "1+" * 20_000,
        ):
            await self.call(url, "calculate", {"expression": expression})

    async def hostile_handlers(self) -> None:
        url = await self.episode(self.evil)
        await asyncio.gather(
            *(self.call(url, "act", {"how": how}) for how in ("crash", "exit", "interrupt", "cancel", "sleep", "spin"))
        )

    async def session_flood(self) -> None:
        """Open sessions of the compatibility route, each with its own episode."""
        for _ in range(20):
            extra = {"session_id": f"flood-{next(self.numbers)}", "config": {"domain": "mock"}}
            hello = {**HELLO, "clientInfo": {"name": "flood", "version": "1", "_extra": extra}}
            opened = await self.http.post("/mcp", json=_message("initialize", hello), headers=MCP)
            headers = {**MCP, "mcp-session-id": opened.headers["mcp-session-id"]}
            await self.http.post("/mcp", json=_message("tools/list", {}), headers=headers)

    async def bad_json(self) -> None:
        url = await self.episode("mock")
        bodies = (b"{", b"\xff" * 1000, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP, b"1" * 900_000, b"x" * 2_000_000)
        for body in bodies:
            for path in ("/v1/episodes", url, "/mcp"):
                await self.http.post(path, content=body, headers=MCP)

    async def episode(self, domain: str) -> str:
        url: str = (await self.http.post("/v1/episodes", json={"domain": domain})).json()["mcp_url"]
        return url

    async def call(self, url: str, name: str, arguments: dict[str, str]) -> None:
        body = _message("tools/call", {"name": name, "arguments": arguments, "_meta": META})
        headers = {**MCP, "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": name}
        await self.http.post(url, content=json.dumps(body).encode(), headers=headers)


def _message(method: str, params: Mapping[str, object]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
