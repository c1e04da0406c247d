"""`run --via mcp`: the same run, with every tool call going through a real server and a real client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Gym = Callable[..., CompletedProcess[str]]
Plugin = Callable[..., Path]

# The plugin notes whether tool calls are made inside a request.
PLUGIN = """
import asyncio, sys
from tau2_core import AgentSpec, hookimpl
from tau2_core.agents.oracle import Oracle

begun = []

class Waiting(Oracle):
    def __init__(self, context):
        super().__init__(context)
        begun.append(self)
        self.number = len(begun)

    async def reply(self, history):
        if self.number == 4 and len(history) > 3:
            print("waiting", file=sys.stderr, flush=True)
            await asyncio.Event().wait()
        return await super().reply(history)

@hookimpl
async def tau2_tool_call(call, proceed):
    result = await proceed(call)
    print(f"called {call.name} in {asyncio.current_task().get_coro().__qualname__}", file=sys.stderr)
    return result

@hookimpl
def tau2_agents():
    return [AgentSpec("waiting", "", Waiting, sees_gold=True)]
"""


def sorted_lines(folder: Path, name: str) -> list[str]:
    return sorted((folder / name).read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("domain", "options"),
    [
        ("mock", ["--trials", "2"]),
        ("mock", ["--solo"]),
        ("mock", ["--agent", "random", "--seed", "7", "--max-errors", "3"]),
        ("mock", ["--agent", "random", "--seed", "7", "--fault", "tool-error=0.3", "--fault", "truncated=0.3"]),
        ("airline", ["--split", "test"]),
        ("retail", ["--split", "test"]),
        ("telecom", ["--num-tasks", "12"]),
    ],
)
def test_records_and_grades_are_the_same(gym: Gym, tmp_path: Path, domain: str, options: list[str]) -> None:
    for via in ("process", "mcp"):
        done = gym("run", domain, *options, "--via", via, "--name", via, "--json")
        assert done.returncode == 0
        # A busy machine slows down quick handlers, and solo play prints how many tasks are left out.
        said = [line for line in done.stderr.splitlines() if "blocked the server" not in line]
        assert (said == []) == ("--solo" not in options), done.stderr
        assert json.loads(done.stdout)["tool_calls"] > 20
    runs = tmp_path / "runs"
    for name in ("episodes.jsonl", "grades.jsonl"):
        assert sorted_lines(runs / "mcp", name) == sorted_lines(runs / "process", name)
    assert (runs / "mcp" / "tasks.jsonl").read_bytes() == (runs / "process" / "tasks.jsonl").read_bytes()


@pytest.mark.parametrize("via", ["process", "mcp"])
def test_tool_calls_go_through_the_server(gym: Gym, plugin: Plugin, via: str) -> None:
    site = plugin("notes", PLUGIN)
    done = gym("run", "mock", "--task", "create_plain", "--via", via, "--json", paths=[site])
    assert done.returncode == 0, done.stderr
    where = [line.partition(" in ")[2] for line in done.stderr.splitlines() if line.startswith("called ")]
    assert len(where) == 2
    assert all(("Registry" in place) == (via == "mcp") for place in where)


def test_ctrl_c_keeps_finished_episodes(plugin: Plugin, tmp_path: Path) -> None:
    options = ["run", "mock", "--agent", "waiting", "--via", "mcp", "--concurrency", "1", "--name", "r", "--json"]
    environment = os.environ | {"PYTHONPATH": str(plugin("waits", PLUGIN))}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-P", "-W", "error", "-m", "tau2_core", *options]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes) as process:
        assert process.stderr is not None
        while process.stderr.readline() != "waiting\n":
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("interrupted: 3 of 18 episodes are kept in runs/r")
    assert err.count("\n") == 1
    assert json.loads(out)["finished"] == 3
    assert len(sorted_lines(tmp_path / "runs" / "r", "episodes.jsonl")) == 3
