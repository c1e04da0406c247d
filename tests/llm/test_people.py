"""People as the agent or the customer: what they type, at a terminal or through a pipe."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.forked import Forks
from tests.terminal import Terminal

TOLD = ["run", "mock", "--name", "played"]


@pytest.fixture
def type_in(tmp_path: Path, forks: Forks) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command with lines on standard input, in the test's folder."""

    def run(lines: list[str], *options: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "typed").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        with (tmp_path / "typed").open() as given:
            return forks.run([*TOLD, *options], cwd=tmp_path, env=os.environ, timeout=120, stdin=given)

    return run


def record(folder: Path) -> dict[str, Any]:
    (line,) = (folder / "runs" / "played" / "episodes.jsonl").read_bytes().splitlines()
    loaded: dict[str, Any] = json.loads(line)
    return loaded


def test_the_customer(type_in: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    lines = [
        "My inbox reminds me of something.",
        "",  # is asked for again
        '/check_notifications {"a": ',  # so is this
        "/check_notifications []",  # and this
        "/check_notifications",
        "It is the rehearsal room.",
        '/dismiss_notification {"notification_id": "notice_1"}',
        "Done. ###STOP###",
    ]
    done = type_in(lines, "--task", "settle_a_reminder", "--agent", "silent", "--user", "human", "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)  # the results alone; what the person reads is on standard error
    assert "the arguments are not JSON" in done.stderr
    assert "should be a JSON object" in done.stderr
    assert "/dismiss_notification (notification_id)" in done.stderr
    assert "agent: Hello! What can I do for you today?" in done.stderr
    played = record(tmp_path)
    assert played["termination"] == "user_stop"
    said = [message for message in played["messages"] if message["role"] == "user"]
    calls = [call["name"] for message in said for call in message.get("tool_calls", [])]
    assert calls == ["check_notifications", "dismiss_notification"]
    assert [message["content"] for message in said if message.get("content")] == [lines[0], lines[5], lines[7]]


def test_the_agent(type_in: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    lines = [
        "/get_users",
        "/fly {}",
        '/create_task {"user_id": "piet_lindgren", "title": "Tune the piano"}',
        "It is on the list.",
        "Good bye.",
    ]
    done = type_in(lines, "--task", "create_plain", "--agent", "human")
    assert done.returncode == 0, done.stderr
    assert "solved 1" in done.stdout
    assert "/create_task (user_id, title, description)" in done.stderr
    assert "customer: You want a task put on Piet Lindgren's list." in done.stderr
    assert "tool: Error" in done.stderr
    assert record(tmp_path)["tool_errors"] == {"unknown_tool": 1}


def test_the_agent_alone(type_in: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    lines = ["Hello?", '/create_task {"user_id": "piet_lindgren", "title": "Tune the piano"}', "/done"]
    done = type_in(lines, "--task", "create_plain", "--agent", "human", "--solo")
    assert done.returncode == 0, done.stderr
    assert "there is no customer to read that" in done.stderr
    assert record(tmp_path)["termination"] == "agent_stop"
    assert "solved 1" in done.stdout


def test_the_end_of_input_stops_the_run_which_can_be_resumed(
    type_in: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    options = ("--num-tasks", "2", "--agent", "silent", "--user", "human")
    done = type_in(["###STOP###", "Hm."], *options)
    assert done.returncode == 1
    assert "interrupted: 1 of 2 episodes are kept" in done.stderr
    first = record(tmp_path)
    done = type_in(["###STOP###"], *options, "--resume")
    assert done.returncode == 0, done.stderr
    kept = (tmp_path / "runs" / "played" / "episodes.jsonl").read_bytes().splitlines()
    assert json.loads(kept[0]) == first
    assert len(kept) == 2


def test_people_can_play_at_a_terminal(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    session = terminal(*TOLD, "--num-tasks", "2", "--agent", "silent", "--user", "human")
    session.read_until("customer> ")
    session.write("Grüß Gott. ###STOP###\n")
    session.read_until("customer> ")
    session.write("Once more.\n")
    session.read_until("customer> ")
    session.write("\x03")
    session.read_until("interrupted: 1 of 2 episodes are kept")
    assert session.process.wait(60) == 1
    assert record(tmp_path)["messages"][1]["content"] == "Grüß Gott. ###STOP###"
