"""An interrupted run keeps the finished episodes, says so, and exits with 1."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.forked import Forks

Gym = Callable[..., CompletedProcess[str]]
Plugin = Callable[..., Path]

AGENTS = """
import asyncio, os, signal, sys, threading
from tau2_core import AgentSpec, hookimpl
from tau2_core.agents.oracle import Oracle

begun = []

class Stopping(Oracle):
    def __init__(self, context):
        super().__init__(context)
        begun.append(self)
        self.number = len(begun)

    async def reply(self, history):
        if self.number == 4:
            await self.stop()
        return await super().reply(history)

class Waiting(Stopping):
    async def stop(self):
        print("waiting", file=sys.stderr, flush=True)
        await asyncio.Event().wait()

class Deaf(Stopping):
    async def stop(self):  # as an agent does that blocks the loop: it hears only the second Ctrl-C
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait()

@hookimpl
def tau2_agents():
    return [AgentSpec(kind.__name__.lower(), "", kind, sees_gold=True) for kind in (Waiting, Deaf)]
"""
LISTENER = """
from tau2_core import hookimpl

@hookimpl
def tau2_episode_finished(record):
    if record.task_id == "refuse_owner_unknown":
        raise LookupError("no such dashboard")
"""


def lines(file: Path) -> list[dict[str, Any]]:
    """Parse every line of a file; an incomplete line would fail."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_progress_bar_of_a_resumed_run_starts_where_it_stopped(gym: Gym, forks: Forks, tmp_path: Path) -> None:
    assert gym("run", "mock", "--split", "test", "--name", "r").returncode == 0
    slots = len(lines(tmp_path / "runs/r/grades.jsonl"))
    for name in ("episodes.jsonl", "grades.jsonl"):
        kept = (tmp_path / "runs/r" / name).read_bytes().splitlines(keepends=True)[:2]
        (tmp_path / "runs/r" / name).write_bytes(b"".join(kept))
    terminal, other = os.openpty()
    with (tmp_path / "stdout").open("w") as stdout:
        process = forks.start(
            ["run", "mock", "--split", "test", "--name", "r", "--resume"],
            cwd=tmp_path,
            env=dict(os.environ) | {"TERM": "xterm", "COLUMNS": "120"},
            stdout=stdout,
            stderr=other,
        )
    os.close(other)
    shown = read_to_the_end(terminal)
    assert process.wait(60) == 0, shown
    counts = [int(count) for count in re.findall(rf"(\d+)/{slots}", shown)]
    assert counts[0] == 0  # before anything was read
    assert min(filter(None, counts)) == 2
    assert counts[-1] == slots


def read_to_the_end(terminal: int) -> str:
    """Return what is shown in a terminal until no process has it open any more."""
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as file, suppress(OSError):  # how Linux reports the end
        while part := file.read(4096):
            shown += part
    return shown.decode()


class TestCtrlC:
    def test_finished_episodes_are_kept_and_counted(self, plugin: Plugin, tmp_path: Path) -> None:
        command = [
            sys.executable,
            "-P",
            "-m",
            "tau2_core",
            "run",
            "mock",
            "--agent",
            "waiting",
            "--name",
            "r",
            "--json",
        ]
        environment = os.environ | {"PYTHONPATH": str(plugin("waits", AGENTS))}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen([*command, "--concurrency", "1"], cwd=tmp_path, env=environment, **pipes) as process:
            assert process.stderr is not None
            assert process.stderr.readline() == "waiting\n"
            folder = tmp_path / "runs" / "r"
            assert len(lines(folder / "episodes.jsonl")) == 3
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert err.startswith("interrupted: 3 of 18 episodes are kept in runs/r")
        assert err.count("\n") == 1
        summary = json.loads(out)
        assert summary == json.loads((folder / "summary.json").read_text())
        assert (summary["finished"], summary["slots"], summary["outcomes"]) == (3, 18, {"solved": 3})
        assert summary["mean_reward"] == pytest.approx(3 / 18)  # slots that were not played raise no score
        tasks = json.loads((folder / "run.json").read_text())["tasks"]
        assert [record["task_id"] for record in lines(folder / "episodes.jsonl")] == tasks[:3]
        assert [grade["reward"] for grade in lines(folder / "grades.jsonl")] == [1.0] * 3

    @pytest.mark.parametrize("width", [1, 5])
    def test_an_agent_that_blocks_is_stopped_by_the_second_ctrl_c(
        self, gym: Gym, plugin: Plugin, tmp_path: Path, width: int
    ) -> None:
        site = plugin("deaf", AGENTS)
        done = gym("run", "mock", "--agent", "deaf", "--concurrency", width, "--name", "r", paths=[site])
        kept = lines(tmp_path / "runs" / "r" / "episodes.jsonl")
        assert done.returncode == 1
        assert done.stderr.startswith(f"interrupted: {len(kept)} of 18 episodes are kept in runs/r")
        assert done.stderr.count("\n") == 1
        assert 3 <= len(kept) < 18

    @pytest.mark.parametrize("command", ["run", "check", "domains"])
    def test_ctrl_c_while_plugins_are_imported_ends_the_command(self, gym: Gym, plugin: Plugin, command: str) -> None:
        site = plugin("early", f"{AGENTS}\nos.kill(os.getpid(), signal.SIGINT)\n")
        done = gym(command, *(["mock"] if command != "domains" else []), paths=[site])
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "interrupted\n")


class TestFolder:
    def refused(self, done: CompletedProcess[str]) -> str:
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def test_a_run_folder_below_a_file_is_refused(self, gym: Gym, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        message = self.refused(gym("run", "mock", "--out", "file/runs", "--name", "r"))
        assert message == "error: cannot create file/runs/r: Not a directory; choose another place with --out\n"

    @pytest.mark.parametrize("place", ["/proc", "/sys"])
    def test_a_run_in_a_read_only_folder_is_refused(self, gym: Gym, place: str) -> None:
        if not Path(place).is_dir():
            pytest.skip(f"there is no {place}")
        message = self.refused(gym("run", "mock", "--out", f"{place}/runs", "--name", "r"))
        assert message.startswith(f"error: cannot create {place}/runs/r: ")
        assert message.endswith("; choose another place with --out\n")

    def test_an_existing_run_folder_is_refused(self, gym: Gym, tmp_path: Path) -> None:
        assert gym("run", "mock", "--num-tasks", 1, "--name", "r").returncode == 0
        before = {file.name: file.read_bytes() for file in (tmp_path / "runs" / "r").iterdir()}
        message = self.refused(gym("run", "mock", "--num-tasks", 2, "--name", "r"))
        assert message.startswith("error: runs/r already exists")
        assert {file.name: file.read_bytes() for file in (tmp_path / "runs" / "r").iterdir()} == before

    def test_a_full_disk_stops_the_run(self, gym: Gym, tmp_path: Path) -> None:
        twice = ["run", "mock", "--trials", 2, "--concurrency", 1]
        assert gym(*twice, "--name", "roomy").returncode == 0
        roomy = lines(tmp_path / "runs" / "roomy" / "episodes.jsonl")
        sizes = {file.name: file.stat().st_size for file in (tmp_path / "runs" / "roomy").iterdir()}
        room = sizes.pop("episodes.jsonl") // 2 + 100  # in the middle of a line, as both trials have the same lines
        assert max(size for name, size in sizes.items() if name != "grades.jsonl") < room
        folder = tmp_path / "runs" / "tight"
        message = self.refused(gym(*twice, "--name", "tight", disk=room))
        assert message.startswith("error: cannot write runs/tight/")
        assert ": File too large; finished episodes are kept there. Free some space, then " in message
        kept = lines(folder / "episodes.jsonl")
        assert 0 < len(kept) < len(roomy)
        assert kept == roomy[: len(kept)]
        assert len(lines(folder / "grades.jsonl")) <= len(kept)
        ends = {file.name: file.read_bytes()[-1:] for file in folder.glob("*.jsonl")}
        assert set(ends.values()) <= {b"\n", b""}, ends  # the incomplete line was removed

    def test_a_disk_that_is_full_from_the_start_stops_the_run(self, gym: Gym, tmp_path: Path) -> None:
        message = self.refused(gym("run", "mock", "--name", "r", disk=0))
        assert message.startswith("error: cannot write runs/r/")
        assert ": File too large; " in message
        assert {file.stat().st_size for file in (tmp_path / "runs" / "r").iterdir()} <= {0}


def test_a_listener_that_raises_is_located(gym: Gym, plugin: Plugin, tmp_path: Path) -> None:
    site = plugin("reports", LISTENER)
    done = gym("run", "mock", "--concurrency", 1, "--name", "r", paths=[site])
    assert (done.returncode, done.stdout) == (1, "")
    place = f"{site / 'reports.py'}:4"
    assert (
        f"tau2_episode_finished ({place}) failed: LookupError: no such dashboard; finished episodes are" in done.stderr
    )
    assert "--no-plugin" in done.stderr
    assert [record["task_id"] for record in lines(tmp_path / "runs" / "r" / "episodes.jsonl")][
        -1
    ] == "refuse_owner_unknown"
