"""Result files that would be counted or read incorrectly are refused, and the reason is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.cli.app import app
from typer.testing import CliRunner, Result


def tau2_gym(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A result file of eight episodes of an agent that does nothing."""
    home = tmp_path_factory.mktemp("exported")
    options = ("--num-tasks", 8, "--agent", "silent", "--out", home, "--name", "r")
    assert tau2_gym("run", "mock", *options).exit_code == 0
    assert tau2_gym("export", home / "r", home / "f.json").exit_code == 0
    content: dict[str, Any] = json.loads((home / "f.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture
def graded(exported: dict[str, Any], tmp_path: Path) -> Callable[..., Result]:
    """Change a copy of the file, and grade it."""

    def grade(change: Callable[[dict[str, Any]], object], *options: object) -> Result:
        content = copy.deepcopy(exported)
        change(content)
        (tmp_path / "f.json").write_text(json.dumps(content), encoding="utf-8")
        return tau2_gym("grade", tmp_path / "f.json", "--executor", "async", *options)

    return grade


def test_the_unchanged_file_agrees(graded: Callable[..., Result]) -> None:
    done = graded(lambda _: None, "--compare")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (
        0,
        "conversations 8, agreed 8, disagreed 0, pending 0",
    )


@pytest.mark.parametrize("new_id", [None, "another"])
def test_a_repeated_simulation_is_refused(graded: Callable[..., Result], new_id: str | None) -> None:
    def twice(content: dict[str, Any]) -> None:
        first = content["simulations"][0]
        content["simulations"].append(first | ({"id": new_id} if new_id else {}))

    done = graded(twice)
    assert done.exit_code == 1
    assert "twice, as numbers 0 and 8" in done.stderr
    assert "mean reward" not in done.stdout


@pytest.mark.parametrize("change", [{"ticks": []}, {"ticks": [{}], "messages": []}, {"mode": "full_duplex"}])
def test_a_full_duplex_simulation_is_refused(graded: Callable[..., Result], change: dict[str, Any]) -> None:
    done = graded(lambda content: content["simulations"][2].update(change))
    assert done.exit_code == 1
    assert "is full-duplex" in done.stderr
    assert done.stdout.splitlines()[-1] == "conversations 7"


def test_a_recorded_reward_that_is_not_a_number_does_not_agree(graded: Callable[..., Result]) -> None:
    done = graded(lambda content: content["simulations"][0]["reward_info"].update(reward=float("nan")), "--compare")
    assert done.exit_code == 1
    assert "reward: recorded nan, ours" in done.stdout
    assert "agreed 7, disagreed 1" in done.stdout


@pytest.mark.parametrize("reward", ["1.0", True, [], {}])
def test_a_recorded_reward_of_another_type_is_refused(graded: Callable[..., Result], reward: Any) -> None:
    done = graded(lambda content: content["simulations"][0]["reward_info"].update(reward=reward), "--compare")
    assert done.exit_code == 1
    assert "reward_info cannot be read" in done.stderr


def test_checks_of_other_tasks_are_reported_once(graded: Callable[..., Result]) -> None:
    def shift(content: dict[str, Any]) -> None:
        simulations = content["simulations"]
        verdicts = [each["reward_info"] for each in simulations]
        for each, verdict in zip(simulations, [*verdicts[1:], verdicts[0]], strict=True):
            each["reward_info"] = verdict

    done = graded(shift, "--compare")
    assert done.exit_code == 1
    assert "f.json: the recorded checks of " in done.stderr
    assert "conversations belong to other tasks of the file" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_domain_option_overrides_what_a_file_says(graded: Callable[..., Result]) -> None:
    def rename(content: dict[str, Any]) -> None:
        content["info"]["environment_info"]["domain_name"] = "errands"

    assert "no domain 'errands' is installed" in graded(rename).stderr
    done = graded(rename, "--domain", "mock", "--compare")
    assert done.exit_code == 0
    assert "agreed 8" in done.stdout


def test_lone_surrogates_are_written_as_json_escapes(
    exported: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent's arguments may hold one; the record keeps it as the JSON escape."""
    from tau2_core.records.journal import Journal

    monkeypatch.chdir(tmp_path)
    journal = Journal(tmp_path / "r")
    content = {"half \ud83d": ["\udc00 and a whole one \U0001f600", exported["info"]["seed"]]}
    journal.append("lines.jsonl", content)
    journal.write("file.json", content)
    for name in ("lines.jsonl", "file.json"):
        assert json.loads((tmp_path / "r" / name).read_bytes().decode("utf-8")) == content
    assert journal.lines("lines.jsonl") == [content]
