"""A light MCP client over plain sockets, so that the benchmark measures the server and not the client."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit

LEGACY = "2025-11-25"
MODERN = "2026-07-28"


class Connection:
    """One keep-alive HTTP connection; for revisions with sessions, one MCP session."""

    def __init__(self, url: str, version: str) -> None:
        self.target = urlsplit(url)
        self.version = version
        self.session: str | None = None
        self.sent = 0

    async def open(self) -> None:
        """Connect; for revisions with sessions, initialize one."""
        self.reader, self.writer = await asyncio.open_connection(self.target.hostname, self.target.port)
        if self.version == LEGACY:
            hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "load", "version": "1"}}
            await self.post("initialize", hello)
            await self.post("notifications/initialized", None)

    async def post(self, method: str, params: dict[str, Any] | None) -> Any:
        """Send one message and return the parsed answer (None for a notification)."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if not method.startswith("notifications/"):
            self.sent += 1
            message["id"] = self.sent
        if params is not None:
            if self.version == MODERN:
                client = {"name": "load", "version": "1"}
                meta = {"protocolVersion": MODERN, "clientInfo": client, "clientCapabilities": {}}
                params = params | {"_meta": {f"io.modelcontextprotocol/{key}": value for key, value in meta.items()}}
            message["params"] = params
        body = json.dumps(message).encode()
        lines = [
            f"POST {self.target.path} HTTP/1.1",
            f"Host: {self.target.netloc}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"Content-Length: {len(body)}",
        ]
        if self.version == MODERN:
            lines += [f"MCP-Protocol-Version: {MODERN}", f"Mcp-Method: {method}"]
            if params and "name" in params:
                lines.append(f"Mcp-Name: {params['name']}")
        if self.session:
            lines += [f"Mcp-Session-Id: {self.session}", f"MCP-Protocol-Version: {LEGACY}"]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await self.writer.drain()
        return await self._answer()

    async def _answer(self) -> Any:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        content = await self.reader.readexactly(int(headers.get("content-length", 0)))
        status = int(head[0].split()[1])
        if status >= 300:
            raise RuntimeError(f"{head[0]}: {content[:300]!r}")
        self.session = headers.get("mcp-session-id", self.session)
        return json.loads(content) if content else None

    async def close(self) -> None:
        self.writer.close()


async def calls_per_second(
    urls: list[str], name: str, arguments: dict[str, Any], seconds: float, version: str
) -> tuple[float, float]:
    """Return (calls per second over all concurrent sessions, milliseconds to set up one session)."""
    connections = [Connection(url, version) for url in urls]
    started = time.perf_counter()
    for connection in connections:
        await connection.open()
        await connection.post("tools/list", {})
    set_up = (time.perf_counter() - started) / len(connections) * 1000
    done = 0
    until = time.perf_counter() + seconds

    async def work(connection: Connection) -> None:
        nonlocal done
        while time.perf_counter() < until:
            answer = await connection.post("tools/call", {"name": name, "arguments": arguments})
            if answer["result"].get("isError"):
                raise RuntimeError(str(answer)[:300])
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(work(connection) for connection in connections))
    rate = done / (time.perf_counter() - began)
    for connection in connections:
        await connection.close()
    return rate, set_up
