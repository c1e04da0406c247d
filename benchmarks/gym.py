"""Compare the MCP gym with a bare SDK server: calls per second, session set-up, memory of open episodes."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tau2_core.runs.loading import load_setting, open_catalogue

from benchmarks.load import LEGACY, MODERN, calls_per_second

SESSIONS = (1, 50, 200)
SECONDS = 0.5
ROUNDS = 11
EPISODES = 1000


@dataclass(frozen=True)
class Comparison:
    """Our figures and the bare server's in alternating rounds, each (calls per second, milliseconds to set up)."""

    era: str
    sessions: int
    ours: list[tuple[float, float]]
    bare: list[tuple[float, float]]

    def row(self) -> tuple[str, ...]:
        """Return medians. Ratios compare neighbouring rounds, since the machine's speed varies."""
        cells = []
        for which, form in ((0, ",.0f"), (1, ".2f")):
            ours, bare = [each[which] for each in self.ours], [each[which] for each in self.bare]
            ratio = statistics.median(own / other for own, other in zip(ours, bare, strict=True))
            cells += [f"{statistics.median(ours):{form}}", f"{statistics.median(bare):{form}}", f"{ratio:.2f}"]
        return (self.era, str(self.sessions), *cells)


def compare() -> tuple[list[Comparison], float]:
    """Return the comparisons, and the MB that a thousand open retail episodes add to the idle server."""
    user_id, text = a_user()
    with server("benchmarks.echo_server", "{port}") as (_, bare), tempfile.TemporaryDirectory() as out:
        options = ("serve", "retail", "--port", "{port}", "--max-steps", "1000000000", "--out", out)
        with server("tau2_core", *options) as (process, gym):
            rows = [
                _compare(era, count, f"{bare}/mcp", gym, user_id, text)
                for era in (LEGACY, MODERN)
                for count in SESSIONS
            ]
            before = _resident_mb(process.pid)
            for _ in range(EPISODES):
                create(gym)
            return rows, _resident_mb(process.pid) - before


def _compare(era: str, sessions: int, bare: str, gym: str, user_id: str, text: str) -> Comparison:
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        theirs.append(asyncio.run(calls_per_second([bare] * sessions, "echo", {"text": text}, SECONDS, era)))
        urls = [create(gym) for _ in range(sessions)]
        ours.append(asyncio.run(calls_per_second(urls, "get_user_details", {"user_id": user_id}, SECONDS, era)))
    return Comparison(era, sessions, ours, theirs)


@cache
def a_user() -> tuple[str, str]:
    """Return a retail user's id and the result of looking it up, for the bare server to echo."""
    setting = load_setting(open_catalogue(), "retail")
    users = setting.bases()["agent"].fields["users"]
    user_id = next(iter(users))
    return user_id, json.dumps(users[user_id].model_dump())


def create(gym: str) -> str:
    """Open a retail episode; return its MCP URL."""
    request = urllib.request.Request(f"{gym}/v1/episodes", json.dumps({"domain": "retail"}).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        url: str = json.load(answer)["mcp_url"]
        return url


@contextmanager
def server(module: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, *(part.format(port=port) for part in arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise RuntimeError(f"{module} ended with {process.returncode}")
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
