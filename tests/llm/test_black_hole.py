"""Models that take every request and never answer: a run ends at its deadlines, and says whose fault it was.

What guards these tests is the time limit of a command: a run that does not end fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint, Stalled

if TYPE_CHECKING:
    from tests.conftest import Gym

MODELS = {"agent": "openai/agent", "user": "openai/customer", "judge": "openai/judge"}
Start = Callable[..., tuple[int, str]]
UNUSABLE_JUDGE = (
    "error: the judge's model openai/judge (provider openai, at URL) cannot be used: timeout: no answer within 0.2 s; "
    "start it, or correct the address with --judge-args '{\"api_base\": …}' or OPENAI_BASE_URL; nothing was done\n"
)


@pytest.fixture
def hole(gym: Gym) -> Iterator[Start]:
    """Run the command with models in a black hole: `hole("agent", "user")("run", …)`; return exit code and errors."""
    with ScriptedEndpoint(lambda _asked: Stalled()) as endpoint:
        arguments = json.dumps({"api_base": endpoint.url, "api_key": "none"})

        def run(roles: Sequence[str], *told: object) -> tuple[int, str]:
            models = [each for role in roles for each in (f"--{role}-model", MODELS[role], f"--{role}-args", arguments)]
            done = gym(*told, *models)
            return done.returncode, done.stderr.replace(endpoint.url, "URL")

        yield run


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def errors(folder: Path) -> set[tuple[str, str, str | None]]:
    """Return termination, outcome and error of all episodes of a run; none has a reward."""
    grades = {(grade["task_id"], grade["trial"]): grade for grade in lines(folder / "grades.jsonl")}
    found = set()
    for record in lines(folder / "episodes.jsonl"):
        grade = grades[record["task_id"], record["trial"]]
        assert grade["reward"] is None
        found.add((record["termination"], grade["outcome"], record["error"]))
    return found


@pytest.mark.parametrize(
    ("deadline", "error"),
    [
        (["--call-timeout", "0.2", "--attempts", "2"], "timeout: no answer within 0.2 s"),
        (["--turn-timeout", "0.3"], "timeout: no answer within the turn's 0.3 s"),
        (["--timeout", "0.3"], "the episode's 0.3 s passed while waiting for the user's model"),
    ],
    ids=["call", "turn", "episode"],
)
def test_deadlines_of_an_episode(hole: Start, tmp_path: Path, deadline: list[str], error: str) -> None:
    code, said = hole(("agent", "user"), "run", "mock", *deadline, "--name", "r")
    assert code == 1
    assert "no episode could be evaluated" in said
    folder = tmp_path / "runs" / "r"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["evaluable"], summary["mean_reward"]) == (0, 0.0)
    assert 1 <= summary["finished"] < summary["slots"], "nothing answers: the run is stopped"
    assert {grade["reward"] for grade in lines(folder / "grades.jsonl")} == {None}
    assert {grade["outcome"] for grade in lines(folder / "grades.jsonl")} == {"infrastructure_error"}
    records = lines(folder / "episodes.jsonl")
    assert {record["termination"] for record in records} == {"infrastructure_error"}
    assert {record["error"] for record in records} == {error}


def test_deadline_of_the_run(hole: Start, tmp_path: Path) -> None:
    code, said = hole(("agent", "user"), "run", "mock", "--run-timeout", 1, "--name", "r")
    assert code == 1
    assert said == "the run's 1 s have passed: 0 of 18 episodes are kept in runs/r; continue with --resume --name r\n"
    summary = json.loads((tmp_path / "runs" / "r" / "summary.json").read_text())
    assert (summary["slots"], summary["finished"], summary["coverage"]) == (18, 0, 0.0)


@pytest.mark.parametrize(
    ("deadline", "message"),
    [
        (["--call-timeout", "0.2", "--attempts", "2"], UNUSABLE_JUDGE),
        (["--run-timeout", "1"], "error: the run's 1 s passed while trying the judge; nothing was played\n"),
    ],
    ids=["call", "run"],
)
def test_a_judge(hole: Start, tmp_path: Path, deadline: list[str], message: str) -> None:
    assert hole(("agent", "user", "judge"), "run", "mock", *deadline, "--name", "r") == (1, message)
    assert not (tmp_path / "runs").exists()


def test_a_judge_of_a_finished_run(hole: Start, tmp_path: Path) -> None:
    assert hole((), "run", "mock", "--judge-all", "--name", "r") == (0, "")
    code, said = hole(("judge",), "grade", "runs/r", "--call-timeout", 0.2, "--attempts", 2)
    assert (code, said) == (1, UNUSABLE_JUDGE)
