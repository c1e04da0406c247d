"""Plugins get the same notifications about served runs and episodes as from `tau2-gym run`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.gym.conftest import World

if TYPE_CHECKING:
    from tests.conftest import Gym
    from tests.gym.conftest import Server, Start

Plugin = Callable[..., Path]

WATCHER = """
import json
import os
from pathlib import Path

from tau2_core import hookimpl


def _note(**what):
    with Path(os.environ["NOTES"]).open("a") as log:
        log.write(json.dumps(what) + "\\n")


@hookimpl
def tau2_run_started(start):
    files = sorted(file.name for file in start.folder.iterdir() if file.suffix in (".json", ".jsonl"))
    _note(hook="run_started", tasks=list(start.tasks), slots=start.slots, agent=start.agent, files=files)


@hookimpl
def tau2_episode_started(start):
    _note(hook="episode_started", slot=str(start.slot), seed=start.seed)


@hookimpl
def tau2_episode_finished(record):
    _note(hook="episode_finished", slot=str(record.slot), ended=record.termination)


@hookimpl
def tau2_run_finished(summary):
    _note(hook="run_finished", finished=summary.finished, mean=summary.mean_reward)
"""
BROKEN = """
from tau2_core import hookimpl

@hookimpl
def tau2_EVENT(subject):
    raise LookupError("no such dashboard")
"""
ONE = ("--task", "create_plain", "--name", "r")
NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def claim(server: Server) -> World:
    return World(server, server.http.post("/v1/slots").raise_for_status().json())


def play(world: World) -> None:
    """Play `create_plain` to its end."""
    world.value("create_task", NEW_TASK)
    world.say("What is it called?")
    assert world.say("It is on his list now.").json()["status"] == "ended"


def test_a_served_run_notifies_listeners_like_a_run(start: Start, gym: Gym, plugin: Plugin, tmp_path: Path) -> None:
    site = plugin("watcher", WATCHER)
    served, local = tmp_path / "served", tmp_path / "local"
    two = (*ONE, "--trials", "2")
    server = start("mock", *two, "--agent-name", "oracle", PYTHONPATH=str(site), NOTES=str(served))
    claim(server).delete()  # nothing happened, so there is no notification
    for _ in range(2):
        play(claim(server))
    assert server.stop() == -15
    done = gym("run", "mock", *two, "--concurrency", 1, paths=[site], NOTES=str(local))
    assert done.returncode == 0, done.stderr
    notes = lines(served)
    slots = [note.get("slot") for note in notes]
    assert slots == [None, *(2 * ["create_plain#1"]), *(2 * ["create_plain#0"]), None]  # the first one was given back
    order = [0, 3, 4, 1, 2, 5]
    assert [notes[place] for place in order] == lines(local)


def test_episodes_by_request_and_free_worlds_are_announced(start: Start, plugin: Plugin, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    server = start("mock", PYTHONPATH=str(plugin("watcher", WATCHER)), NOTES=str(notes))
    first, second, free = server.create(task_id="create_plain"), server.create(task_id="create_plain"), server.create()
    second.call("get_users")
    first.call("get_users")
    free.call("get_users")
    second.delete()
    assert first.control("POST", "/reset").status_code == 200  # records what was played; nothing has happened since
    server.stop()
    told = [(note["hook"], note.get("slot", note.get("slots", note.get("finished")))) for note in lines(notes)]
    assert told == [
        ("run_started", 0),
        ("episode_started", "create_plain#0"),
        ("episode_started", "create_plain#1"),
        ("episode_started", "free#0"),
        ("episode_finished", "create_plain#0"),
        ("episode_finished", "create_plain#1"),
        ("episode_finished", "free#0"),
        ("run_finished", 2),
    ]
    assert lines(notes)[0]["files"] == ["run.json", "tasks.jsonl"]


def test_a_lost_slot_is_announced_again(start: Start, plugin: Plugin, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    options = ("--slot-timeout", "1e-9", "--slot-attempts", "2")
    server = start("mock", *ONE, *options, PYTHONPATH=str(plugin("watcher", WATCHER)), NOTES=str(notes))
    claim(server).call("get_users")
    claim(server)
    assert server.http.post("/v1/slots").status_code == 410
    server.stop()
    slot = {"slot": "create_plain#0", "seed": 626729}
    assert lines(notes)[1:] == [
        {"hook": "episode_started", **slot},
        {"hook": "episode_started", **slot},
        {"hook": "episode_finished", "slot": "create_plain#0", "ended": "infrastructure_error"},
        {"hook": "run_finished", "finished": 1, "mean": 0.0},
    ]


@pytest.mark.parametrize("event", ["episode_started", "episode_finished", "run_finished"])
def test_a_listener_that_raises_does_not_end_an_episode(start: Start, plugin: Plugin, event: str) -> None:
    subject = {"episode_started": "start", "episode_finished": "record", "run_finished": "summary"}[event]
    site = plugin("reports", BROKEN.replace("EVENT", event).replace("subject", subject))
    server = start("mock", *ONE, PYTHONPATH=str(site))
    world = claim(server)
    play(world)
    assert world.reward() == 1.0
    server.stop()
    place = f"{site / 'reports.py'}:4"
    assert f"a plugin's tau2_{event} ({place}) failed: LookupError: no such dashboard" in server.log()
    assert json.loads((server.folder / "runs/r/summary.json").read_text())["mean_reward"] == 1.0


def test_a_listener_that_raises_when_the_run_begins_stops_the_server(gym: Gym, plugin: Plugin) -> None:
    site = plugin("reports", BROKEN.replace("EVENT", "run_started").replace("subject", "start"))
    done = gym("serve", "mock", *ONE, "--port", 0, paths=[site])
    assert (done.returncode, done.stdout) == (1, "")
    assert "tau2_run_started" in done.stderr
    assert "no such dashboard" in done.stderr
