"""A model as a reviewer of the customer: its findings are like those of detectors, and never touch a reward."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.cli.app import app
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint, say
from typer.testing import CliRunner, Result

Grade = Callable[..., tuple[Result, list[Asked]]]
NOTHING = say(json.dumps({"findings": []}))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two tasks without a model."""
    told = ["run", "mock", "--task", "create_plain", "--task", "complete_task", "--out", str(tmp_path), "--name", "r"]
    assert CliRunner().invoke(app, told).exit_code == 0
    return tmp_path / "r"


@pytest.fixture
def grade(run: Path) -> Grade:
    """Grade that run with a reviewing model that a script plays: `grade(script)`."""

    def review(script: Callable[[Asked], Answer] | None, *options: str) -> tuple[Result, list[Asked]]:
        with ScriptedEndpoint(script or (lambda _asked: NOTHING)) as endpoint:
            args = json.dumps({"api_base": endpoint.url})
            model = ["--reviewer-model", "endpoint/reviewer", "--reviewer-args", args] if script else []
            done = CliRunner().invoke(app, ["grade", str(run), *model, *options])
        assert endpoint.failures == []
        return done, endpoint.asked

    return review


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def finding(asked: Asked, **changed: Any) -> dict[str, Any]:
    """A finding about the customer's first message."""
    transcript = asked.messages[1]["content"].partition("<transcript>\n")[2].partition("\n</transcript>")[0]
    first = next(line for line in map(json.loads, transcript.splitlines()) if "customer" in line)
    plain = {"aspect": "scenario", "severity": "decisive", "why": "it wants something else"}
    return {**plain, "message": first["message"], "words": first["customer"].upper(), **changed}


def test_findings_are_beside_the_reward(grade: Grade, run: Path, tmp_path: Path) -> None:
    before = lines(run / "grades.jsonl")

    def script(asked: Asked) -> Answer:
        found = [finding(asked)] if "Tune the piano" in asked.messages[1]["content"] else []
        return say(json.dumps({"findings": found}))

    done, asked = grade(script)
    assert done.exit_code == 0, done.output
    assert "endpoint/reviewer was asked to review 2 customers" in done.stderr
    after = lines(run / "grades.jsonl")
    assert [each["reward"] for each in after] == [each["reward"] for each in before]
    reviews = {each["task_id"]: each["user_review"] for each in after}
    assert reviews["complete_task"]["customer_fault"] == "none"
    assert reviews["create_plain"]["customer_fault"] == "decisive"
    (found,) = reviews["create_plain"]["findings"]
    assert (found["detector"], found["why"]) == ("model:scenario", "it wants something else")
    summary = json.loads((run / "summary.json").read_text())
    assert summary["customer_faults"]["decisive"] == 1
    assert summary["usage"]["reviewer"]["requests"] == 2
    shown = CliRunner().invoke(app, ["report", str(run)]).stdout
    assert "faults of the customer, by episodes: model:scenario 1" in shown
    assert "reviewer" in shown
    question = asked[0].messages[1]["content"]
    assert "<guidelines>\n" in question
    assert "<scenario>\n" in question
    done, asked = grade(script)  # nothing is missing
    assert asked == []
    grade(None)
    assert lines(run / "grades.jsonl") == after


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("The customer did well.", "not JSON"),
        ({"aspect": "mood"}, "aspect"),
        ({"words": "what nobody said"}, "'what nobody said' is not in message"),
        ({"message": 0}, "message 0 is not one of the customer"),
        ({"message": 99}, "message 99 is not one of the customer"),
        ({"severity": "none"}, "severity"),
    ],
)
def test_an_unusable_answer_is_sent_back_once_and_then_not_a_review(
    grade: Grade, run: Path, answer: Any, why: str
) -> None:
    def script(asked: Asked) -> Answer:
        if isinstance(answer, str):
            return say(answer)
        return say(json.dumps({"findings": [finding(asked, **answer)]}))

    done, asked = grade(script)
    assert len(asked) == 4
    assert why in asked[-1].last
    assert "not reviewed, for lack of a usable answer: 2 customers" in done.stderr
    for each in lines(run / "grades.jsonl"):
        assert each["user_review"]["customer_fault"] == "none"
        assert each["user_review"]["errors"]["model"].startswith("not reviewed: ")
    assert (
        "customers that a model could not review, for lack of a usable answer: 2"
        in CliRunner().invoke(app, ["report", str(run)]).stdout
    )
    _, asked = grade(lambda _asked: NOTHING)
    assert len(asked) == 2
    assert [each["user_review"]["errors"] for each in lines(run / "grades.jsonl")] == [{}, {}]


def test_arguments_without_a_model_are_refused(run: Path) -> None:
    done = CliRunner().invoke(app, ["grade", str(run), "--reviewer-args", "{}"])
    assert "give --reviewer-model too" in str(done.exception)
