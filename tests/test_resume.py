"""What `--resume` keeps of a run's folder, what it plays again, and what it grades again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

pytestmark = pytest.mark.domain("mock")
Gym = Callable[..., CompletedProcess[str]]
TASKS = ("complete_task", "create_plain", "settle_a_reminder")
RUN = ("run", "mock", *(word for task in TASKS for word in ("--task", task)), "--name", "r")


@pytest.fixture
def folder(gym: Gym, tmp_path: Path) -> Path:
    done = gym(*RUN)
    assert done.returncode == 0, done.stderr
    return tmp_path / "runs/r"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def write(file: Path, content: list[dict[str, Any]]) -> None:
    file.write_text("".join(f"{json.dumps(line)}\n" for line in content))


def tasks(file: Path) -> list[str]:
    return [line["task_id"] for line in lines(file)]


def resume(gym: Gym) -> None:
    done = gym(*RUN, "--resume")
    assert done.returncode == 0, done.stderr


def test_only_an_episode_with_an_infrastructure_error_is_played_again(gym: Gym, folder: Path) -> None:
    episodes = lines(folder / "episodes.jsonl")
    episodes[0] |= {"termination": "infrastructure_error", "error": "no connection"}
    episodes[1] |= {"termination": "agent_error", "error": "it fell"}
    earlier = {**episodes[2], "termination": "agent_error", "error": "it fell"}
    later = {**earlier, "termination": "infrastructure_error", "error": "no connection"}
    write(folder / "episodes.jsonl", [*episodes[:2], earlier, later])
    resume(gym)
    assert len(lines(folder / "episodes.jsonl")) == len(TASKS)
    ends = {line["task_id"]: line["termination"] for line in lines(folder / "episodes.jsonl")}
    first, second, third = (line["task_id"] for line in episodes)
    assert ends == {first: "user_stop", second: "agent_error", third: "user_stop"}
    assert sorted(tasks(folder / "grades.jsonl")) == sorted(TASKS) == sorted(tasks(folder / "timings.jsonl"))


def test_a_grade_is_kept_if_the_same_set_gave_it_to_a_kept_episode(gym: Gym, folder: Path) -> None:
    grades = lines(folder / "grades.jsonl")
    marked = [{**line, "note": "as it was"} for line in grades]
    marked[0]["evaluators"] = "strict"
    write(folder / "grades.jsonl", marked)
    episodes = [line for line in lines(folder / "episodes.jsonl") if line["task_id"] != marked[1]["task_id"]]
    write(folder / "episodes.jsonl", episodes)
    resume(gym)
    found = {line["task_id"]: line for line in lines(folder / "grades.jsonl")}
    assert len(found) == len(lines(folder / "grades.jsonl")) == len(TASKS)
    assert {line["evaluators"] for line in found.values()} == {"tau2"}
    assert [found[line["task_id"]]["note"] for line in marked] == ["", "", "as it was"]


def test_of_two_lines_of_a_slot_the_last_is_kept_and_lines_of_other_slots_are_removed(gym: Gym, folder: Path) -> None:
    episodes = lines(folder / "episodes.jsonl")
    again = {**episodes[0], "termination": "agent_error", "error": "it fell"}
    elsewhere = [{**episodes[1], **slot} for slot in ({"task_id": "retired"}, {"trial": 1}, {"trial": -1})]
    write(folder / "episodes.jsonl", [*elsewhere, *episodes, again, *elsewhere])
    with (folder / "episodes.jsonl").open("a") as file:
        file.write(json.dumps(again)[:100])
    grades = lines(folder / "grades.jsonl")
    write(folder / "grades.jsonl", [*grades, grades[0]])
    assert [run["finished"] for run in json.loads(gym("runs", "--json").stdout)] == [len(TASKS)]
    resume(gym)
    assert lines(folder / "episodes.jsonl") == [*episodes[1:], again]
    assert lines(folder / "grades.jsonl") == [*grades[1:], grades[0]]


@pytest.mark.parametrize("key", ["domain", "evaluators", "agent", "seed"])
def test_a_run_of_another_configuration_is_refused_and_left_as_it_is(gym: Gym, folder: Path, key: str) -> None:
    config = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**config, key: "another"}))
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    done = gym(*RUN, "--resume")
    assert done.returncode != 0
    assert f"--resume: runs/r holds another run: {key}" in done.stderr
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
