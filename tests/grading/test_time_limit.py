"""An evaluator that never ends is reported as an evaluator error with its line, and affects no other episode."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

pytestmark = pytest.mark.domain("mock")
Gym = Callable[..., CompletedProcess[str]]
ENDLESS = """
import asyncio
import threading
import time

from tau2_core import Status, Verdict

other = threading.Event()


def spin(evidence):
    while evidence.task.id == "complete_task":
        pass  # spin
    return fine()


def cling(evidence):
    while evidence.task.id == "complete_task":
        try:
            time.sleep(0.001)  # cling
        except BaseException:
            pass
    return fine()


def wait(evidence):
    if evidence.task.id == "complete_task":
        threading.Event().wait()  # wait
    return fine()


def watch(evidence):
    if evidence.task.id == "complete_task":
        asyncio.run(never())  # watch
    return fine()


async def never():
    await asyncio.Event().wait()


def meet(evidence):
    if evidence.task.id == "complete_task":
        assert other.wait(50)
    other.set()
    return fine()


def fine():
    return Verdict(criterion="TONE", status=Status.GRADED, reward=1.0)
"""
TWO = ("--task", "complete_task", "--task", "create_plain")
HANGS = {"spin": "spin", "cling": "cling", "wait": "wait", "watch": "watch"}


@pytest.fixture
def evaluators(tmp_path: Path) -> Callable[..., Path]:
    def write(function: str, seconds: float = 0.3) -> Path:
        (tmp_path / "endless.py").write_text(ENDLESS)
        file = tmp_path / "evaluation.yaml"
        entry = f'{{use: "./endless.py:{function}", counts: always, seconds: {seconds}}}'
        file.write_text(f"extends: tau2\nevaluators:\n  TONE: {entry}\n")
        return file

    return write


def grades(folder: Path) -> dict[str, dict[str, Any]]:
    lines = map(json.loads, (folder / "grades.jsonl").read_text().splitlines())
    return {line["task_id"]: line for line in lines}


def line_of(mark: str) -> int:
    return next(number for number, line in enumerate(ENDLESS.splitlines(), 1) if line.endswith(f"# {mark}"))


@pytest.mark.parametrize("function", HANGS)
def test_a_time_limit_is_an_evaluator_error_of_one_episode(
    gym: Gym, tmp_path: Path, evaluators: Callable[..., Path], function: str
) -> None:
    file = evaluators(function)
    done = gym("run", "mock", *TWO, "--evaluators", file, "--name", "r")
    assert done.returncode == 1, done.stderr
    place = f"{tmp_path / 'endless.py'}:"
    why = f"it did not end within 0.3 s ({place}"
    assert f"the evaluator of TONE crashed on 1 episodes, first complete_task#0: {why}" in done.stderr
    found = grades(tmp_path / "runs/r")
    assert {task: grade["outcome"] for task, grade in found.items()} == {
        "complete_task": "evaluator_error",
        "create_plain": "solved",
    }
    verdict = found["complete_task"]["verdicts"]["TONE"]
    line = verdict["checks"][0]["why"].partition(place)[2].rstrip(")")
    assert abs(int(line) - line_of(function)) <= 1  # a loop may be interrupted at its head or in its body
    assert f"in {function}" in verdict["traceback"]
    assert found["complete_task"]["verdicts"]["DB"]["reward"] == 1.0
    again = gym("grade", "runs/r", "--evaluators", file)
    assert (again.returncode, why in again.stderr) == (1, True), again.stderr


def test_others_are_graded_meanwhile(gym: Gym, tmp_path: Path, evaluators: Callable[..., Path]) -> None:
    """The first episode's evaluator waits until the second's has been called."""
    done = gym("run", "mock", *TWO, "--evaluators", evaluators("meet", 60), "--name", "r")
    assert done.returncode == 0, done.stderr
    assert {grade["outcome"] for grade in grades(tmp_path / "runs/r").values()} == {"solved"}


@pytest.mark.parametrize("seconds", ["0", "-1", ".inf", ".nan", "x"])
def test_an_invalid_time_limit_is_refused(gym: Gym, evaluators: Callable[..., Path], seconds: Any) -> None:
    done = gym("run", "mock", "--evaluators", evaluators("spin", seconds))
    assert (done.returncode, "evaluation.yaml:3" in done.stderr) == (2, True), done.stderr


def test_the_limit_applies_to_assertions_of_packs_that_are_not_quick(gym: Gym, tmp_path: Path, mock_copy: Path) -> None:
    manifest = mock_copy / "domain.yaml"
    manifest.write_text(manifest.read_text().replace("quick: true\n", ""))
    handler = mock_copy / "handlers" / "assertions.py"
    lines = handler.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("def assert_number_of_tasks")) + 1
    handler.write_text("\n".join([*lines[:at], "    while True: pass", *lines[at:]]))
    file = tmp_path / "evaluation.yaml"
    file.write_text("extends: tau2\nevaluators:\n  ENV_ASSERTION: {seconds: 0.3}\n")
    options = ("--pack", mock_copy, "--no-plugin", "mock", "--evaluators", file, "--name", "r")
    done = gym("run", "mock", "--task", "create_for_the_shortest_list", *options)
    assert done.returncode == 1, done.stderr
    assert f"it did not end within 0.3 s ({handler}:{at + 1})" in done.stderr


def test_a_replay_that_does_not_end_has_the_evaluators_longest_time(gym: Gym, tmp_path: Path, mock_copy: Path) -> None:
    """The handler hangs from its second call on, so the episode can be played but not replayed."""
    manifest = mock_copy / "domain.yaml"
    manifest.write_text(manifest.read_text().replace("quick: true\n", ""))
    handler = mock_copy / "handlers" / "tasks.py"
    handler.write_text(
        "calls = []\n"
        + handler.read_text().replace(
            "    task = find_task", "    calls.append(1)\n    while len(calls) > 1: pass\n    task = find_task"
        )
    )
    file = tmp_path / "evaluation.yaml"
    criteria = ("ACTION", "COMMUNICATE", "DB", "ENV_ASSERTION", "NL_ASSERTION")
    file.write_text("extends: tau2\nevaluators:\n" + "".join(f"  {name}: {{seconds: 0.3}}\n" for name in criteria))
    options = ("--pack", mock_copy, "--no-plugin", "mock", "--evaluators", file, "--name", "r")
    done = gym("run", "mock", "--task", "complete_task", *options)
    assert done.returncode == 1, done.stderr
    grade = grades(tmp_path / "runs/r")["complete_task"]
    assert grade["verdicts"]["DB"]["checks"][0]["why"].startswith("it did not end within 0.3 s")
    assert "REPLAY" not in grade["verdicts"]
