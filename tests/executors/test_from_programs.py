"""Agents, customers and tasks of a program: they are sent to workers, or refused before anything is played."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from tau2_core import AgentContext, FinishedEpisode, Message, UsageError, evaluate, load_domain
from tau2_core.agents.silent import Silent

from tests.executors.runs import assert_same

PROCESSES: dict[str, Any] = {"executor": "processes", "workers": 2, "num_tasks": 4}
SCRIPT = """
from tau2_core import evaluate
from tau2_core.agents.silent import Silent

class Own(Silent):
    pass

evaluate("mock", agent=Own, executor="processes", workers=2)
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def polite(history: Sequence[Message]) -> str:
    """Answer without serving."""
    return f"You have sent {len(history)} messages."


class Greeting(Silent):
    """An agent whose objects are copied to the workers."""

    def __init__(self, word: str) -> None:
        self.word = word

    async def reply(self, history: Sequence[Message]) -> Any:
        said = await super().reply(history)
        return said.model_copy(update={"content": f"{self.word}, {len(history)}"})


def make(context: AgentContext) -> Greeting:
    return Greeting(context.domain)


@pytest.mark.parametrize("agent", [polite, Greeting("hello"), make], ids=["function", "object", "factory"])
def test_agents_are_sent_to_workers(here: Path, agent: Any) -> None:
    known = list(load_domain("mock").tasks.values())[:3]
    tasks = [task.model_copy(update={"id": f"own-{task.id}"}) for task in known]
    run = evaluate("mock", agent=agent, tasks=tasks, name="two", executor="processes", workers=2, max_steps=6)
    assert evaluate("mock", agent=agent, tasks=tasks, name="one", max_steps=6).tasks == run.tasks
    assert_same(here / "runs/one", here / "runs/two")


class Locked(Silent):
    """An agent that no process can send to another."""

    def __init__(self) -> None:
        self.lock = Lock()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"agent": lambda context: Silent(context)}, "the agent cannot be sent to workers: "),
        ({"user": type("Local", (Silent,), {})}, "the user cannot be sent to workers: "),
        ({"agent": Locked()}, "give its class or a function that makes it, so that each worker makes its own"),
    ],
    ids=["a lambda", "a local class", "an object with a lock"],
)
def test_objects_that_cannot_be_pickled_are_refused(here: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        evaluate("mock", **PROCESSES, **given)
    assert not (here / "runs").exists()


def test_objects_of_the_main_module_are_refused(here: Path) -> None:
    (here / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=False, timeout=60)
    assert "the agent cannot be sent to workers: Own is defined in the program that was started" in done.stderr
    assert not (here / "runs").exists()


def test_progress_is_told_of_whole_episodes(here: Path) -> None:
    told: list[tuple[int, int]] = []

    def progress(episode: FinishedEpisode, done: int, slots: int) -> None:
        assert episode.record.messages
        assert episode.grade.task_id == episode.record.task_id
        told.append((done, slots))

    evaluate("mock", **PROCESSES, trials=2, progress=progress)
    assert told == [(number, 8) for number in range(1, 9)]
