"""`--executor processes`: the same run in worker processes, even if workers or the run itself are killed."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Gym
from tests.executors.runs import assert_same, by_slot, summary

Plugin = Callable[..., Path]
PROCESSES = ("--executor", "processes", "--workers")
MOCK = ("run", "mock", "--trials", 2)

# An oracle that sends a signal when the N-th episode begins, to its own process or to that of the run. After Ctrl-C it
# waits, so that its episode does not end before the run does. In one task it ends its process whenever it is played.
KILLER = """
import asyncio, os, signal
from pathlib import Path
from tau2_core import AgentSpec, hookimpl
from tau2_core.agents.oracle import Oracle

BEGUN = Path(__file__).parent / "begun"
RUN = int(os.environ.get("DISTURB_RUN", 0))

class Killer(Oracle):
    def __init__(self, context):
        super().__init__(context)
        with BEGUN.open("ab", buffering=0) as file:
            file.write(f"{os.getpid():>7}\\n".encode())
            self.disturbs = file.tell() == 8 * int(os.environ.get("DISTURB_AT", 0))  # workers append at the same time
        if context.gold.id == os.environ.get("EXIT_IN"):
            os._exit(7)

    async def reply(self, history):
        if self.disturbs:
            os.kill(os.getppid() if RUN else os.getpid(), RUN or signal.SIGKILL)
            try:
                await asyncio.Event().wait()
            finally:  # the run ends
                if os.environ.get("DISTURB_AGAIN"):
                    os.kill(os.getppid(), RUN)
                    signal.pause()
        return await super().reply(history)

@hookimpl
def tau2_agents():
    return [AgentSpec("killer", "", Killer, sees_gold=True)]
"""


@pytest.fixture
def site(plugin: Plugin) -> Path:
    return plugin("killer", KILLER)


@pytest.fixture
def undisturbed(gym: Gym, site: Path, tmp_path: Path) -> Path:
    """The run that the tests with workers should reproduce."""
    done = gym(*MOCK, "--agent", "killer", "--name", "one", paths=[site])
    assert done.returncode == 0, done.stderr
    (site / "begun").unlink()
    return tmp_path / "runs" / "one"


def test_workers_give_the_same_run_as_one_process(gym: Gym, tmp_path: Path) -> None:
    options = ("run", "telecom", "--num-tasks", 6, "--trials", 2, "--via", "mcp", "--name")
    assert gym(*options, "one").returncode == 0
    done = gym(*options, "three", *PROCESSES, 3)
    assert done.returncode == 0, done.stderr
    one, three = tmp_path / "runs/one", tmp_path / "runs/three"
    assert_same(one, three)
    assert (one / "run.json").read_bytes() == (three / "run.json").read_bytes()
    assert len(by_slot(three / "timings.jsonl")) == 12


def test_an_episode_whose_worker_is_killed_is_played_again(
    gym: Gym, undisturbed: Path, site: Path, tmp_path: Path
) -> None:
    done = gym(*MOCK, "--agent", "killer", "--name", "r", *PROCESSES, 2, paths=[site], DISTURB_AT="20")
    assert done.returncode == 0, done.stderr
    assert "a worker has ended: it was killed by SIGKILL" in done.stderr
    assert_same(undisturbed, tmp_path / "runs/r")


def test_an_episode_that_kills_every_worker_fails_alone(
    gym: Gym, undisturbed: Path, site: Path, tmp_path: Path
) -> None:
    task = "create_plain"
    done = gym(*MOCK, "--agent", "killer", "--name", "r", *PROCESSES, 2, paths=[site], EXIT_IN=task)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in by_slot(tmp_path / "runs/r/episodes.jsonl")]
    failed = [record for record in records if record["termination"] == "infrastructure_error"]
    assert [(record["task_id"], record["trial"]) for record in failed] == [(task, 0), (task, 1)]
    assert {record["error"] for record in failed} == {
        "its worker ended 2 times, the last time: it exited with status 7"
    }
    for name in ("episodes.jsonl", "grades.jsonl"):
        whole, found = by_slot(undisturbed / name), by_slot(tmp_path / "runs/r" / name)
        assert [one == other for one, other in zip(whole, found, strict=True)].count(False) == 2
    assert gym(*MOCK, "--agent", "killer", "--name", "r", "--resume", *PROCESSES, 2, paths=[site]).returncode == 0
    assert_same(undisturbed, tmp_path / "runs/r")


def test_workers_end_with_a_killed_run_that_can_be_resumed(
    gym: Gym, undisturbed: Path, site: Path, tmp_path: Path
) -> None:
    run = (*MOCK, "--agent", "killer", "--name", "r", *PROCESSES, 2)
    killed = gym(*run, paths=[site], DISTURB_AT="20", DISTURB_RUN=str(int(signal.SIGKILL)))
    assert killed.returncode == -signal.SIGKILL
    for worker in set((site / "begun").read_text().split()):
        wait_for_end(int(worker))
    done = gym(*run, "--resume", paths=[site])
    assert done.returncode == 0, done.stderr
    assert_same(undisturbed, tmp_path / "runs/r")


def wait_for_end(process: int) -> None:
    """Wait until a process that is not a child of this one has ended."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], 60)[0]
    finally:
        os.close(handle)


def test_ctrl_c_keeps_and_counts_finished_episodes(gym: Gym, site: Path, tmp_path: Path) -> None:
    run = (*MOCK, "--agent", "killer", "--name", "r", *PROCESSES, 2)
    done = gym(*run, paths=[site], DISTURB_AT="20", DISTURB_RUN=str(int(signal.SIGINT)))
    assert done.returncode == 1
    kept, graded = (by_slot(tmp_path / "runs/r" / name) for name in ("episodes.jsonl", "grades.jsonl"))
    assert f"interrupted: {len(graded)} of 36 episodes are kept in runs/r" in done.stderr
    assert len(graded) <= len(kept) < 36
    assert summary(tmp_path / "runs/r")["finished"] == len(graded)


def test_a_second_ctrl_c_does_not_wait_for_workers(gym: Gym, site: Path, tmp_path: Path) -> None:
    run = (*MOCK, "--agent", "killer", "--name", "r", *PROCESSES, 2)
    disturbed = {"DISTURB_AT": "20", "DISTURB_RUN": str(int(signal.SIGINT)), "DISTURB_AGAIN": "1"}
    done = gym(*run, paths=[site], fresh=True, **disturbed)
    assert done.returncode == 1
    assert "interrupted; finished episodes are kept in runs/r" in done.stderr
    for worker in set((site / "begun").read_text().split()):
        wait_for_end(int(worker))
    assert gym(*run, "--resume", paths=[site]).returncode == 0
    assert len(by_slot(tmp_path / "runs/r/grades.jsonl")) == 36


@pytest.mark.parametrize(("limit", "code"), [("0.1", 0), ("0.9", 1)])
def test_fail_under_is_about_all_workers(gym: Gym, limit: str, code: int) -> None:
    options = ("--fault", "tool-error=0.4", "--trials", 2, "--fail-under", limit)
    done = gym("run", "mock", *options, *PROCESSES, 2, "--json")
    assert 0.1 < json.loads(done.stdout)["mean_reward"] < 0.9
    assert done.returncode == code


def test_what_a_summary_says_of_failures_does_not_depend_on_who_ends_first(gym: Gym, tmp_path: Path) -> None:
    options = ("run", "mock", "--fault", "tool-error=0.4", "--trials", 3, "--name")
    assert gym(*options, "one", "--concurrency", 1).returncode == 0
    assert gym(*options, "two", *PROCESSES, 2).returncode == 0
    assert_same(tmp_path / "runs/one", tmp_path / "runs/two")
    assert summary(tmp_path / "runs/one")["failed"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((*PROCESSES, 0), "greater than or equal to 1"),
        ((*PROCESSES, 19), "--workers 19: there are only 18 slots"),
        ((*PROCESSES, 3, "--concurrency", 2), "--workers 3: there are only 2 episodes at a time (--concurrency)"),
        (("--workers", 2), "--workers: executor 'async' plays in one process; add --executor processes"),
        (("--executor", "procesess"), "no executor 'procesess' (did you mean 'processes'?)"),
        (("--executor", "ray"), "no executor 'ray' (available: async, processes): pip install tau2-gym-ray"),
        ((*PROCESSES, 2, "--agent", "human"), "a person takes part, at this terminal"),
        ((*PROCESSES, 2, "--executor-option", "nice"), "--executor-option nice: should read NAME=VALUE"),
        ((*PROCESSES, 2, "--executor-option", "nice=5"), "executor 'processes' has no option 'nice' (it has none)"),
    ],
)
def test_invalid_options_are_refused_before_anything_is_played(
    gym: Gym, tmp_path: Path, options: tuple[Any, ...], said: str
) -> None:
    done = gym("run", "mock", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "runs").exists()


# An executor whose worker has another version of the agent than the run.
CHANGING = """
from contextlib import asynccontextmanager
from pathlib import Path
from tau2_core import AgentSpec, ExecutorSpec, hookimpl
from tau2_core.agents.silent import Silent
from tau2_core.runs.executors.processes import Processes

class Own(Silent):
    pass

class Changing(Processes):
    async def start(self, invitation):
        with Path(__file__).open("a") as file:
            file.write("# a later version\\\\n")
        return await super().start(invitation)

@asynccontextmanager
async def open_changing(options):
    yield Changing(1)

@hookimpl
def tau2_agents():
    return [AgentSpec("own", "", Own)]

@hookimpl
def tau2_executors():
    return [ExecutorSpec("changing", "", open_changing)]
"""


def test_a_worker_with_other_content_is_refused_before_anything_is_played(
    gym: Gym, plugin: Plugin, tmp_path: Path
) -> None:
    done = gym("run", "mock", "--agent", "own", "--executor", "changing", paths=[plugin("changing", CHANGING)])
    assert done.returncode == 1
    assert "its plugins have other code than the run's: digests.plugins" in done.stderr
    assert "install the same versions on both" in done.stderr
    assert not (tmp_path / "runs").exists()
