"""Plugin code that does not return: it is named, and others do not wait long for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.gym.conftest import Start

Gym = Callable[..., CompletedProcess[str]]
Plugin = Callable[..., Path]

WRAPPER = """
import time
from tau2_core import hookimpl

@hookimpl
async def tau2_tool_call(call, proceed):
    if call.arguments.get("title") == "Wait":
        time.sleep(600)
    return await proceed(call)
"""
LISTENER = """
import threading, time
from tau2_core import hookimpl

@hookimpl
def tau2_EVENT(subject):
    while HOW:
        time.sleep(0.01)
    threading.Event().wait(20)
"""
QUICK = """
import time

def wait(db, seconds: float) -> str:
    db.log.append("waited")
    time.sleep(seconds)
    return "waited"
"""
PLAY = {"user_id": "piet_lindgren", "title": "Tune the piano"}


def test_a_wrapper_that_sleeps_ends_only_its_episode(start: Start, plugin: Plugin) -> None:
    site = plugin("sleeps", WRAPPER)
    server = start("mock", PYTHONPATH=str(site))
    world, other = server.create(task_id="create_plain"), server.create(task_id="create_plain")
    other.text("get_users")
    broken = world.call("create_task", {"user_id": "piet_lindgren", "title": "Wait"})
    assert broken["isError"] is True
    other.text("create_task", PLAY)
    assert other.reward() == 1.0
    place = f"{site / 'sleeps.py'}:8"
    assert f"a wrapper of tool calls keeps the event loop busy at {place}, so everything waits" in server.log()
    record = world.record()
    assert record["termination"] == "infrastructure_error"
    assert f"HeldUpError: it kept the event loop busy for 2 s at {place}" in record["error"]
    server.stop()


@pytest.mark.parametrize("event", ["episode_started", "episode_finished"])
def test_a_hanging_listener_delays_no_client(start: Start, plugin: Plugin, event: str) -> None:
    subject = {"episode_started": "start", "episode_finished": "record"}[event]
    source = LISTENER.replace("EVENT", event).replace("subject", subject).replace("HOW", "True")
    server = start("mock", "--timeout", "0.5", PYTHONPATH=str(plugin("reports", source)))
    for _ in range(3):
        world = server.create(task_id="create_plain")
        world.text("create_task", PLAY)
        world.delete()
    assert [grade["reward"] for grade in server.kept("grades.jsonl")] == [1.0, 1.0, 1.0]
    server.stop()
    assert server.log().count("did not end within 0.5 s and is not called again; it was at") == 1
    assert f"a plugin's tau2_{event} (" in server.log()


@pytest.mark.parametrize("how", ["True", "False"])
def test_a_hanging_listener_does_not_stop_a_run(gym: Gym, plugin: Plugin, tmp_path: Path, how: str) -> None:
    source = LISTENER.replace("EVENT", "episode_finished").replace("subject", "record").replace("HOW", how)
    site = plugin("reports", source)
    done = gym("run", "mock", "--num-tasks", 3, "--timeout", "0.5", "--name", "r", paths=[site])
    assert done.returncode == 0, done.stderr
    place = f"{site / 'reports.py'}:"
    what = f"a plugin's tau2_episode_finished ({place}5) did not end within 0.5 s and is not called again; it was at"
    assert done.stderr.count(f"{what} {place}") == 1
    assert json.loads((tmp_path / "runs/r/summary.json").read_text())["mean_reward"] == 1.0


def test_a_slow_handler_of_a_quick_pack_is_interrupted(start: Start, small_pack: Callable[..., Any]) -> None:
    setting = small_pack(QUICK, {"wait": {"kind": "write", "parameters": {"seconds": "number"}}}, quick=True)
    server = start("--pack", str(setting.pack.folder))
    world, other = server.create(setting.domain), server.create(setting.domain)
    assert other.text("wait", {"seconds": 0}) == "waited"
    before = world.digests()
    result = world.call("wait", {"seconds": 600})
    assert (result["isError"], world.digests()) == (True, before)
    assert "it kept the event loop busy for 2 s at" in result["content"][0]["text"]
    assert world.record()["tool_errors"] == {"crashed": 1}
    assert other.text("wait", {"seconds": 0}) == "waited"
    server.stop()
    assert "declared `quick` but blocked the server for" in server.log()
