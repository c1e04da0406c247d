"""A damaged run folder is an error that names the file, for every command that reads runs; never a traceback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.errors import Tau2GymError

Command = Callable[..., Any]


def put_a_pipe(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.mkfifo(file)


def put_a_folder(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()


FILES = ("run.json", "tasks.jsonl", "episodes.jsonl", "grades.jsonl", "timings.jsonl", "judgements.jsonl")
# What is done to a file; each leaves something that is no file of ours.
DAMAGE: dict[str, Callable[[Path], object]] = {
    "a folder in its place": put_a_folder,
    "a pipe in its place": put_a_pipe,
    "not JSON": lambda file: file.write_bytes(b"{\n"),
    "not UTF-8": lambda file: file.write_bytes(b'{"task_id": "\xff\xfe"}\n'),
    "another value": lambda file: file.write_bytes(b"[1]\n"),
    "a line of null": lambda file: file.write_bytes(b"null\n"),
    "an object of other keys": lambda file: file.write_bytes(b'{"id": 1, "seconds": "long"}\n'),
    "deep nesting": lambda file: file.write_bytes(b"[" * 100_000 + b"\n"),
}


@pytest.mark.parametrize("command", ["report", "compare", "export", "grade", "resume"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_by_every_command(
    recorded: Callable[[str], Any], copied: Callable[..., Any], tau2_gym: Command, damage: str, command: str
) -> None:
    for number, name in enumerate(FILES):
        folder = copied("few", str(number))
        DAMAGE[damage](folder.path / name)
        arguments: list[Any] = {
            "report": ["report", folder],
            "compare": ["compare", recorded("few"), folder],
            "export": ["export", folder, folder.path / "out.json"],
            "grade": ["grade", folder],
            "resume": [
                *("run", "mock", "--trials", "2", "--num-tasks", "6", "--resume"),
                *("--out", folder.path.parent, "--name", str(number)),
            ],
        }[command]
        try:
            said, code = tau2_gym(*arguments).output, 0
        except Tau2GymError as error:
            said, code = str(error), 1
        # Not every command needs every file: tasks are in the pack too, and timings decide nothing.
        unneeded = {"report": ["tasks.jsonl"], "compare": ["tasks.jsonl"], "resume": ["tasks.jsonl", "timings.jsonl"]}
        assert code == 1 or name in unneeded.get(command, [])
        assert code == 0 or name in said or "holds another run" in said


@pytest.mark.parametrize("command", ["report", "grade"])
def test_an_inventory_without_bounds_is_refused(copied: Callable[..., Any], tau2_gym: Command, command: str) -> None:
    folder = copied("few")
    folder.set_config(trials=10**11)
    with pytest.raises(Tau2GymError, match=r"run\.json: trials: more than 10,000,000 episodes"):
        tau2_gym(command, folder)


def test_a_truncated_summary_is_reported_and_can_be_rebuilt(copied: Callable[..., Any], tau2_gym: Command) -> None:
    folder = copied("few")
    for text in ('{"name": "fe', "[]", '{"duration_seconds": "long"}', '{"duration_seconds": NaN}'):
        (folder.path / "summary.json").write_text(text, encoding="utf-8")
        with pytest.raises(Tau2GymError, match=r"summary\.json"):
            tau2_gym("grade", folder)
    (folder.path / "summary.json").unlink()
    assert tau2_gym("grade", folder).exit_code == 0
    assert json.loads((folder.path / "summary.json").read_text(encoding="utf-8"))["slots"] == 12


@pytest.mark.parametrize("reward", ["NaN", "Infinity", "-1", "7"])
def test_an_invalid_reward_is_refused(copied: Callable[..., Any], tau2_gym: Command, reward: str) -> None:
    folder = copied("few")
    grades = folder.lines("grades")
    grades[3]["reward"] = json.loads(reward)
    folder.write_lines("grades", grades)
    with pytest.raises(Tau2GymError, match=r"grades\.jsonl:4: the reward should be between 0 and 1"):
        tau2_gym("report", folder)


@pytest.mark.parametrize("command", ["report", "grade", "show"])
def test_an_episode_of_another_domain_is_named(copied: Callable[..., Any], tau2_gym: Command, command: str) -> None:
    folder = copied("few")
    episodes = folder.lines("episodes")
    episodes[2]["domain"] = "elsewhere"
    folder.write_lines("episodes", episodes)
    with pytest.raises(Tau2GymError, match=r"episodes\.jsonl:3: an episode of 'elsewhere' in a run of"):
        tau2_gym(command, folder)
