"""A server by one process and by several: calls a second at many sessions, with a client that sends prepared bytes."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks.gym import a_user, create, server
from benchmarks.load import MODERN

SESSIONS = 200
SECONDS = 2.0
ROUNDS = 7
WARM_UP = 5  # calls of each session, the first of which loads the domain and enters the episode into its run


class Caller(asyncio.Protocol):
    """One connection that sends the same call again as soon as it is answered; it parses nothing but lengths."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.done = 0
        self._received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._received[:300].decode())
        start = head.lower().index(b"content-length:") + len(b"content-length:")
        if len(body) < int(head[start : (head + b"\r\n").index(b"\r\n", start)]):
            return
        self._received = b""
        self.done += 1
        self.transport.write(self.request)


@dataclass(frozen=True)
class Round:
    """Calls a second, and the processor seconds a call of the server's processes and of the client."""

    calls: float
    server: float
    client: float


def serve_figures(workers: Sequence[int] = (1, 2)) -> tuple[list[tuple[str, ...]], str]:
    """Return a row for each number of workers, from rounds that take turns, and what limits them here."""
    rounds: dict[int, list[Round]] = {count: [] for count in workers}
    loads = []
    with tempfile.TemporaryDirectory() as out:
        for _ in range(ROUNDS):
            loads.append(os.getloadavg()[0])
            for count in workers:
                rounds[count].append(_measure(count, out))
    one = rounds[workers[0]]
    rows: list[tuple[str, ...]] = []
    for count, found in rounds.items():
        ratio = statistics.median(each.calls / alone.calls for each, alone in zip(found, one, strict=True))
        cost = statistics.median(alone.server / each.server for each, alone in zip(found, one, strict=True))
        rows.append(
            (
                str(count),
                f"{statistics.median(each.calls for each in found):,.0f}",
                f"{ratio:.2f}",
                f"{statistics.median(each.server for each in found) * 1e6:,.0f}",
                f"{statistics.median(each.client for each in found) * 1e6:,.0f}",
                f"{cost * count:.2f}",
            )
        )
    return rows, _limit(rounds[workers[-1]], loads)


def _limit(most: list[Round], loads: list[float]) -> str:
    """Say how much of the processors server and client use together at the most workers, and what else runs."""
    cores = len(os.sched_getaffinity(0))
    used = statistics.median(each.calls * (each.server + each.client) for each in most)
    return (
        f"{SESSIONS} sessions, {ROUNDS} rounds of {SECONDS:g} s, load average {statistics.median(loads):.1f}. "
        f"Server and client share {cores} processors, of which they use {used:.2f} in the last row. "
        "The last column is the ratio of calls that the server's processor time allows, wherever the client runs."
    )


def _measure(workers: int, out: str) -> Round:
    options = ("serve", "retail", "--port", "{port}", "--no-token", "--max-steps", "1000000000", "--out", out)
    with server("tau2_core", *options, "--workers", str(workers)) as (process, address):
        requests = [_request(create(address)) for _ in range(SESSIONS)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_load(process.pid, address, requests))


def _request(url: str) -> bytes:
    """Return a call as bytes, of the revision of MCP without sessions."""
    client = {"protocolVersion": MODERN, "clientInfo": {"name": "load", "version": "1"}, "clientCapabilities": {}}
    meta = {f"io.modelcontextprotocol/{key}": value for key, value in client.items()}
    params = {"name": "get_user_details", "arguments": {"user_id": a_user()[0]}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    target = urlsplit(url)
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {target.netloc}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n"
        f"MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: get_user_details\r\n\r\n"
    )
    return head.encode() + body


async def _load(pid: int, address: str, requests: Sequence[bytes]) -> Round:
    loop, target = asyncio.get_running_loop(), urlsplit(address)
    callers = [Caller(request) for request in requests]
    for caller in callers:
        await loop.create_connection(partial(_same, caller), target.hostname or "", target.port or 0)
    while min(caller.done for caller in callers) < WARM_UP:
        await asyncio.sleep(0.05)
    calls, server_seconds = sum(each.done for each in callers), _processor_seconds(pid)
    client_seconds = time.process_time()
    began = time.perf_counter()
    await asyncio.sleep(SECONDS)
    took = time.perf_counter() - began
    calls = sum(each.done for each in callers) - calls
    server_seconds, client_seconds = _processor_seconds(pid) - server_seconds, time.process_time() - client_seconds
    for caller in callers:
        caller.transport.abort()
    return Round(calls / took, server_seconds / calls, client_seconds / calls)


def _same(caller: Caller) -> Caller:
    return caller


def _processor_seconds(pid: int) -> float:
    """Return the processor seconds of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = 0
    for each in (pid, *children):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
