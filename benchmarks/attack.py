"""Attack a server in every way at once; measure the effect on other clients, and the memory that remains in use."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tau2_core.model.evaluation import reaches

from benchmarks.attackers import run_attacks
from benchmarks.load import MODERN, Connection
from benchmarks.measure import Figure

IDLE_SECONDS = 10.0
SETTLING_SECONDS = 75.0  # sessions at /mcp expire after a minute
PLAYERS = 4
PROBE_SECONDS = 0.02
EVIL = "attack_evil"
OPTIONS = ("--idle-timeout", "5", "--request-timeout", "5")
MODELS = """
from tau2_core import Database

class EvilDB(Database):
    done: list[str]
"""
HANDLERS = """
import asyncio
import sys
import time

def act(db, how: str) -> str:
    db.done.append(how)
    match how:
        case "crash":
            raise KeyError(how)
        case "exit":
            sys.exit(0)
        case "interrupt":
            raise KeyboardInterrupt
        case "cancel":
            raise asyncio.CancelledError
        case "sleep":
            time.sleep(2)
        case "spin":
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                pass
    return how
"""
FILES: dict[str, Any] = {
    "__init__.py": "",
    "models.py": MODELS,
    "handlers/__init__.py": "",
    "handlers/tools.py": HANDLERS,
    "tools.yaml": {
        "act": {
            "description": "Misbehave.",
            "kind": "write",
            "handler": "tools:act",
            "parameters": {"how": {"type": "string"}},
        }
    },
    "policy.md.j2": "None.",
    "db.json": {"done": []},
    "domain.yaml": {
        "name": EVIL,
        "clock": "2025-03-01T09:00:00",
        "databases": {"agent": {"model": "models:EvilDB", "data": "db.json"}},
        "tools": {"agent": "tools.yaml"},
        "prompts": {"policy": "policy.md.j2"},
        "tasks": {"files": "tasks/*.yaml", "splits": "splits.yaml"},
    },
}


@dataclass(eq=False)
class Watch:
    """What well-behaved clients observe: the latency of /healthz, and the episodes that they play."""

    address: str
    seconds: list[float] = field(default_factory=list)
    played: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    async def for_seconds(self, seconds: float) -> None:
        """Probe and play for the given time."""
        end = time.monotonic() + seconds
        async with httpx.AsyncClient(base_url=self.address, trust_env=False, timeout=60) as http:
            await asyncio.gather(self._probe(http, end), *(self._play_on(http, end) for _ in range(PLAYERS)))

    async def _probe(self, http: httpx.AsyncClient, end: float) -> None:
        while time.monotonic() < end:
            started = time.perf_counter()
            (await http.get("/healthz")).raise_for_status()
            self.seconds.append(time.perf_counter() - started)
            await asyncio.sleep(PROBE_SECONDS)

    async def _play_on(self, http: httpx.AsyncClient, end: float) -> None:
        while time.monotonic() < end:
            try:
                await self._play(http)
            except (OSError, httpx.HTTPError, AssertionError, ValueError, KeyError) as error:
                self.wrong.append(f"{type(error).__name__}: {error}")

    async def _play(self, http: httpx.AsyncClient) -> None:
        """Play one episode slowly enough to meet every attack, and compare every answer with the expected one."""
        made = (await http.post("/v1/episodes", json={"domain": "mock", "task_id": "create_plain"})).json()
        agent = Connection(made["mcp_url"], MODERN)
        await agent.open()
        try:
            for _ in range(5):
                found = await agent.post("tools/call", {"name": "get_users", "arguments": {}})
                assert "piet_lindgren" in json.dumps(found), found
                await asyncio.sleep(0.2)
            new = {"user_id": "piet_lindgren", "title": "Tune the piano"}
            done = await agent.post("tools/call", {"name": "create_task", "arguments": new})
            assert "task_7" in json.dumps(done), done
        finally:
            agent.writer.close()
        control = httpx.URL(made["control_url"]).path
        reward = (await http.get(f"{control}/reward")).json()["reward"]
        assert reaches(reward), reward
        (await http.delete(control)).raise_for_status()
        self.played[made["id"]] = 6

    @property
    def p99(self) -> float:
        """The 99th percentile of the latency, in milliseconds."""
        return statistics.quantiles(self.seconds, n=100)[98] * 1000


def attack_figures(minutes: float) -> list[Figure]:
    """Start a server and attack it for a number of minutes; return the effect on other clients."""
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as (process, address):
        _open_each_domain(address)
        idle = Watch(address)
        asyncio.run(idle.for_seconds(IDLE_SECONDS))
        before = _resident_mb(process.pid)
        attackers = multiprocessing.get_context("spawn").Process(target=run_attacks, args=(address, EVIL, minutes * 60))
        attackers.start()
        attacked = Watch(address)
        asyncio.run(attacked.for_seconds(minutes * 60))
        attackers.join()
        during = _resident_mb(process.pid)
        time.sleep(SETTLING_SECONDS)
        after = _resident_mb(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait()
        lost, changed = _compare(Path(folder), idle.played | attacked.played)
        log = (Path(folder) / "log").read_text(encoding="utf-8")
    for what in attacked.wrong[:5]:
        print(what)
    if "Traceback" in log:
        print(log[log.index("Traceback") :][:3000])
    return [
        Figure("/healthz p99, idle", idle.p99, "ms"),
        Figure("/healthz p99, under attack", attacked.p99, "ms", round(idle.p99 + 50)),
        Figure("/healthz longest, under attack", max(attacked.seconds) * 1000, "ms"),
        Figure("memory before", before, "MB"),
        Figure("memory at the end of the attacks", during, "MB"),
        Figure("memory after", after, "MB", round(before + 10)),
        Figure("episodes of other clients", len(attacked.played) + len(attacked.wrong), ""),
        Figure("  interrupted, or with a wrong answer (aim: none)", len(attacked.wrong), ""),
        Figure("  without a record (aim: none)", lost, ""),
        Figure("  with a wrong record (aim: none)", changed, ""),
        Figure("tracebacks in the log (aim: none)", log.count("Traceback"), ""),
    ]


def _compare(folder: Path, played: dict[str, int]) -> tuple[int, int]:
    """Return how many of the episodes have no record, and how many have a wrong one."""
    files = folder.glob("runs/*/episodes.jsonl")
    lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    kept = {line.get("id"): sum(message["role"] == "tool" for message in line["messages"]) for line in lines}
    lost = sum(episode not in kept for episode in played)
    return lost, sum(kept[episode] != calls for episode, calls in played.items() if episode in kept)


@contextmanager
def _server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    for place, content in FILES.items():
        file = folder / EVIL / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    domains = ("mock", "airline", EVIL)
    command = [sys.executable, "-m", "tau2_core", "serve", *domains, "--pack", EVIL, "--port", "0", *OPTIONS]
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://[^\s;]+", process.stdout.readline())
        if found is None:
            raise RuntimeError((folder / "log").read_text(encoding="utf-8"))
        yield process, found[0]
    finally:
        process.kill()
        process.wait()


def _open_each_domain(address: str) -> None:
    """Load everything that is loaded once, so that it does not count as memory left by an attack."""
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as http:
        for domain in ("mock", "airline", EVIL):
            http.post("/v1/episodes", json={"domain": domain}).raise_for_status()
        http.get("/openapi.json").raise_for_status()


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
