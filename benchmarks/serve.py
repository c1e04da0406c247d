"""A server with one process and with several: calls per second in many sessions, by a client that sends fixed bytes.

Cores share caches and memory, so separate servers side by side also cost more than one alone. They are the last row:
several workers behind one port cannot do better.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
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
    """One connection that sends the same call again as soon as it is answered; it parses only lengths."""

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
    """Calls per second, and the CPU seconds per call of the server's processes and of the client."""

    calls: float
    server: float
    client: float


def serve_figures(workers: Sequence[int] = (1, 2)) -> tuple[list[tuple[str, ...]], str]:
    """Return a row for each number of workers, from alternating rounds, and a remark about this machine's limit."""
    most = workers[-1]
    kinds = {**{str(count): (count, 1) for count in workers}, f"{most} separate servers": (1, most)}
    rounds: dict[str, list[Round]] = {kind: [] for kind in kinds}
    loads = []
    for _ in range(ROUNDS):
        loads.append(os.getloadavg()[0])
        for kind, (count, servers) in kinds.items():
            rounds[kind].append(_measure(count, servers))
    one = rounds[str(workers[0])]
    rows: list[tuple[str, ...]] = []
    for kind, found in rounds.items():
        count, servers = kinds[kind]
        ratio = statistics.median(each.calls / alone.calls for each, alone in zip(found, one, strict=True))
        cost = statistics.median(alone.server / each.server for each, alone in zip(found, one, strict=True))
        rows.append(
            (
                kind,
                f"{statistics.median(each.calls for each in found):,.0f}",
                f"{ratio:.2f}",
                f"{statistics.median(each.server for each in found) * 1e6:,.0f}",
                f"{statistics.median(each.client for each in found) * 1e6:,.0f}",
                f"{cost * count * servers:.2f}",
            )
        )
    return rows, _limit(rounds[str(most)], loads)


def _limit(most: list[Round], loads: list[float]) -> str:
    """Return a remark: how many CPUs server and client use together with the most workers, and the load average."""
    cores = len(os.sched_getaffinity(0))
    used = statistics.median(each.calls * (each.server + each.client) for each in most)
    return (
        f"{SESSIONS} sessions, {ROUNDS} rounds of {SECONDS:g} s, load average {statistics.median(loads):.1f}. "
        f"Server and client share {cores} CPUs, of which they use {used:.2f} with the most workers. "
        "The last column is the ratio of calls that the server's CPU time would allow without the client."
    )


def _measure(workers: int, servers: int) -> Round:
    """Measure `servers` servers that share the sessions, with `workers` workers each."""
    with ExitStack() as opened:
        pids: list[int] = []
        requests: list[tuple[str, bytes]] = []
        for _ in range(servers):
            out = opened.enter_context(tempfile.TemporaryDirectory())
            options = ("serve", "retail", "--port", "{port}", "--no-token", "--max-steps", "1000000000", "--out", out)
            process, address = opened.enter_context(server("tau2_core", *options, "--workers", str(workers)))
            pids.append(process.pid)
            requests += ((address, _request(create(address))) for _ in range(SESSIONS // servers))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_load(pids, requests))


def _request(url: str) -> bytes:
    """Return a call as bytes, for the revision of MCP without sessions."""
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


async def _load(pids: Sequence[int], requests: Sequence[tuple[str, bytes]]) -> Round:
    loop = asyncio.get_running_loop()
    callers = [Caller(request) for _, request in requests]
    for caller, (address, _) in zip(callers, requests, strict=True):
        target = urlsplit(address)
        await loop.create_connection(partial(_same, caller), target.hostname or "", target.port or 0)
    while min(caller.done for caller in callers) < WARM_UP:
        await asyncio.sleep(0.05)
    calls, server_seconds = sum(each.done for each in callers), _cpu_seconds(pids)
    client_seconds = time.process_time()
    began = time.perf_counter()
    await asyncio.sleep(SECONDS)
    took = time.perf_counter() - began
    calls = sum(each.done for each in callers) - calls
    server_seconds, client_seconds = _cpu_seconds(pids) - server_seconds, time.process_time() - client_seconds
    for caller in callers:
        caller.transport.abort()
    return Round(calls / took, server_seconds / calls, client_seconds / calls)


def _same(caller: Caller) -> Caller:
    return caller


def _cpu_seconds(pids: Sequence[int]) -> float:
    """Return the CPU seconds of processes and their children."""
    ticks = 0
    for pid in pids:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *children):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
