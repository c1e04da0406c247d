"""Tasks and threads that plugins start in an episode and leave running: they end with it and affect nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from signal import SIGTERM
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.gym.conftest import Start

Gym = Callable[..., CompletedProcess[str]]
Plugin = Callable[..., Path]

PLUGIN = """
import asyncio, sys, threading
from tau2_core import AgentSpec, UserSpec, hookimpl
from tau2_core.agents.oracle import Oracle

left = []

async def leave():
    sys.exit(0)

async def interrupt():
    raise KeyboardInterrupt

async def wait():
    await asyncio.Event().wait()

def start():
    left.extend(asyncio.create_task(work()) for work in (leave, interrupt, wait))
    threading.Thread(target=sys.exit).start()

class Leaving(Oracle):
    async def reply(self, history):
        start()
        await asyncio.sleep(0.01)
        return await super().reply(history)

@hookimpl
async def tau2_tool_call(call, proceed):
    start()
    await asyncio.sleep(0.01)
    return await proceed(call)

@hookimpl
def tau2_run_finished(summary):
    print(f"{sum(not task.done() for task in left)} of {len(left)} are left", file=sys.stderr)

@hookimpl
def tau2_agents():
    return [AgentSpec("leaving", "", Leaving, sees_gold=True)]
"""


@pytest.mark.parametrize("via", ["process", "mcp"])
def test_a_run_continues_and_leaves_no_tasks(gym: Gym, plugin: Plugin, via: str) -> None:
    site = plugin("leaves", PLUGIN)
    done = gym(
        "run", "mock", "--agent", "leaving", "--num-tasks", 4, "--via", via, "--name", "r", "--json", paths=[site]
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["finished"], summary["mean_reward"]) == (4, 1.0)
    assert "\n0 of " in f"\n{done.stderr}"
    assert "a background task, leave, failed: a background task raised SystemExit: 0\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_and_other_episodes_continue(start: Start, plugin: Plugin) -> None:
    server = start("mock", PYTHONPATH=str(plugin("leaves", PLUGIN)))
    world, other = server.create(task_id="create_plain"), server.create(task_id="create_plain")
    for one in (world, other):
        one.text("create_task", {"user_id": "piet_lindgren", "title": "Tune the piano"})
    world.delete()
    assert server.http.get("/healthz").status_code == 200
    assert other.reward() == 1.0
    assert server.stop() == -SIGTERM
    assert "a background task, leave, failed: a background task raised SystemExit: 0\n" in server.log()
    assert [grade["reward"] for grade in server.kept("grades.jsonl")] == [1.0, 1.0]


STAYING = """
import threading
from tau2_core import hookimpl

@hookimpl
def tau2_run_finished(summary):
    threading.Thread(target=threading.Event().wait, name="stays for ever").start()
"""


def test_a_remaining_thread_does_not_keep_a_command_alive(gym: Gym, plugin: Plugin, tmp_path: Path) -> None:
    done = gym("run", "mock", "--num-tasks", 1, "--fail-under", "0.9", "--name", "r", paths=[plugin("stays", STAYING)])
    assert done.returncode == 0, done.stderr
    assert "the command is done; threads that a plugin started are still running: stays for ever\n" in done.stderr
    done = gym(
        "run", "mock", "--agent", "silent", "--fail-under", "0.9", "--name", "s", paths=[plugin("stays", STAYING)]
    )
    assert done.returncode == 1


STUBBORN = """
import asyncio
from tau2_core import AgentSpec, hookimpl
from tau2_core.agents.oracle import Oracle

async def refuses():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

async def polite():
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)

async def start():
    asyncio.create_task(refuses())
    asyncio.create_task(polite())
    await asyncio.sleep(0.01)

class Stubborn(Oracle):
    async def reply(self, history):
        if len(history) == 2:
            await start()
        return await super().reply(history)

@hookimpl
async def tau2_tool_call(call, proceed):
    if call.arguments.get("title") == "Tune the piano":
        await start()
    return await proceed(call)

@hookimpl
def tau2_agents():
    return [AgentSpec("stubborn", "", Stubborn, sees_gold=True)]
"""
STOPPED = "a background task, refuses ({}/stays.py:6), went on for 1 s although it was cancelled, and was stopped\n"


def test_a_task_that_swallows_its_cancellation_is_stopped_and_logged(gym: Gym, plugin: Plugin, tmp_path: Path) -> None:
    site = plugin("stays", STUBBORN)
    done = gym("run", "mock", "--agent", "stubborn", "--task", "complete_task", "--name", "r", paths=[site])
    assert done.returncode == 0, done.stderr
    assert done.stderr == STOPPED.format(site)
    (record,) = map(json.loads, (tmp_path / "runs/r/episodes.jsonl").read_text().splitlines())
    assert record["stopped_tasks"] == ["refuses"]


def test_a_server_stops_a_task_that_swallows_its_cancellation(start: Start, plugin: Plugin) -> None:
    site = plugin("stays", STUBBORN)
    server = start("mock", PYTHONPATH=str(site))
    world, other = server.create(task_id="create_plain"), server.create(task_id="create_plain")
    world.text("create_task", {"user_id": "piet_lindgren", "title": "Tune the piano"})
    world.delete()
    other.text("get_users")
    server.stop()
    assert STOPPED.format(site) in server.log()
    assert [record.get("stopped_tasks") for record in server.kept()] == [["refuses"], None]
