"""`tau2-gym calibrate-judge`: what it asks of a judge, what it says of it, and that nothing is lost on the way."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.adapters.calibration_set import KINDS, read_calibration_set
from tau2_core.cli.app import app
from tau2_core.llm.judge import transcript
from tau2_core.runs.calibration import own_calibration_files
from tau2_core.runs.loading import open_catalogue
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, ScriptedEndpoint, say
from typer.testing import CliRunner, Result

ROOT = Path(__file__).parents[2]
OWN_SETS = own_calibration_files(open_catalogue())
MOCK_SET = ROOT / "domains/mock/src/tau2_domain_mock/calibration.jsonl"
LABELS = {(transcript(case.conversation), case.assertion): case.label for case in read_calibration_set(OWN_SETS).cases}


class LabelledJudge:
    """Answers by the labels of our own set, or the opposite of each."""

    def __init__(self, *, wrong: bool = False) -> None:
        self.wrong = wrong

    def __call__(self, asked: Asked) -> Answer:
        question = asked.messages[1]["content"]
        shown = question.partition("<transcript>\n")[2].partition("\n</transcript>")[0]
        statements = re.findall(r"^\d+\. (.+)$", question.rpartition("Statements:")[2], re.MULTILINE)
        verdicts = [
            {"number": number, "reason": "as labelled", "met": LABELS[shown, statement] is not self.wrong}
            for number, statement in enumerate(statements, 1)
        ]
        return say(json.dumps({"verdicts": verdicts}))


@pytest.fixture
def calibrate(litellm_ready: None, tmp_path: Path) -> Callable[..., tuple[Result, list[Asked]]]:
    """Run the command with a scripted judge: `calibrate(LabelledJudge(), "--repeats", 1)`."""

    def run(script: Callable[[Asked], Answer], *options: object, models: int = 1) -> tuple[Result, list[Asked]]:
        with ScriptedEndpoint(script) as endpoint:
            args = json.dumps({"api_base": endpoint.url, "api_key": "none"})
            judges = [part for number in range(models) for part in ("--judge-model", f"openai/judge-{number}")]
            told = ["calibrate-judge", *judges, "--judge-args", args, "--out", str(tmp_path / "c.json")]
            done = CliRunner().invoke(app, [*told, *map(str, options)])
        assert endpoint.failures == []
        return done, endpoint.asked

    return run


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Six cases about two conversations of the mock domain."""
    cases = read_calibration_set([MOCK_SET]).cases
    chosen = [*cases[:4], *[case for case in cases if case.task == "complete_task"][:2]]
    file = tmp_path / "few.jsonl"
    file.write_text("".join(case.model_dump_json() + "\n" for case in chosen))
    return file


@pytest.mark.domain("airline", "banking_knowledge", "mock", "retail", "telecom")
def test_our_own_set_is_what_its_script_makes(tmp_path: Path) -> None:
    runpy.run_path(str(ROOT / "scripts/judge_cases/make.py"))["main"](tmp_path / "made")
    for file in OWN_SETS:
        assert (tmp_path / "made" / file.relative_to(ROOT / "domains")).read_bytes() == file.read_bytes()
    cases = read_calibration_set(OWN_SETS).cases
    assert len(cases) >= 200
    assert {case.kind for case in cases} == set(KINDS) - {"annotated"}
    assert {case.domain for case in cases} == {"airline", "banking_knowledge", "mock", "retail", "telecom"}


def test_injected_text_stays_within_the_transcript() -> None:
    cases = [case for case in read_calibration_set(OWN_SETS).cases if case.kind == "injected"]
    plain = {case.conversation_key for case in read_calibration_set(OWN_SETS).cases if case not in cases}
    assert len(cases) >= 50
    assert not plain & {case.conversation_key for case in cases}
    assert {case.label for case in cases} == {True, False}


def test_a_judge_that_is_always_right(calibrate: Callable[..., tuple[Result, list[Asked]]], tmp_path: Path) -> None:
    done, asked = calibrate(LabelledJudge(), "--repeats", 1)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "c.json").read_text())
    assert (found["accuracy"]["count"], found["unreadable"]) == (found["cases"], 0)
    assert found["false_pass"]["rate"]["value"] == found["false_fail"]["rate"]["value"] == 0
    assert found["false_pass"]["rate"]["high"] < 0.03
    assert found["order_agreement"]["rate"]["value"] == 1
    assert found["repeat_agreement"] is None
    assert [part["right"]["count"] > 0 for part in found["lengths"]] == [True] * 4
    assert found["lengths"][-1]["longest"] > 4 * found["lengths"][0]["longest"]
    # What is sent: one question in the user's message, whose transcript no text has ended.
    for each in asked:
        system, question = each.messages
        assert (system["role"], question["role"]) == ("system", "user")
        assert re.findall(r"^.*</?transcript>.*$", question["content"], re.M) == ["<transcript>", "</transcript>"]
        assert question["content"].count("\nStatements:\n") == 1
        inside = question["content"].partition("<transcript>\n")[2].partition("\n</transcript>")[0]
        assert all(isinstance(json.loads(line), dict) for line in inside.splitlines())
    assert any("Note to the judge" in each.messages[1]["content"] for each in asked)
    assert not any("Note to the judge" in each.system for each in asked)


def test_repeats_order_and_questions(calibrate: Callable[..., tuple[Result, list[Asked]]], few: Path) -> None:
    done, asked = calibrate(LabelledJudge(), "--set", few, "--repeats", 2, "--max-concurrency", 1, "--json")
    found = json.loads(done.stdout)
    statements = [re.findall(r"^\d+\. (.+)$", each.messages[1]["content"], re.M) for each in asked]
    assert [len(each) for each in statements] == [2, 2, 2] * 3
    assert statements[:3] == statements[3:6] == [each[::-1] for each in statements[6:]]
    assert (found["repeats"], found["repeat_agreement"]["of"], found["order_agreement"]["of"]) == (2, 6, 6)


def test_prose_is_counted_and_never_passes(calibrate: Callable[..., tuple[Result, list[Asked]]], few: Path) -> None:
    def script(asked: Asked) -> Answer:
        prose = "Collect the posters" in asked.messages[1]["content"]
        return say("Yes, I would say that it holds.") if prose else LabelledJudge()(asked)

    done, _ = calibrate(script, "--set", few, "--repeats", 1, "--json")
    found = json.loads(done.stdout)
    assert (found["unreadable"], found["accuracy"]["count"], found["accuracy"]["of"]) == (2, 4, 6)
    assert found["false_pass"]["of"] + found["false_fail"]["of"] == 4
    ((why, count),) = found["unreadable_answers"].items()
    assert why.startswith("not JSON")
    assert count == 2
    done, _ = calibrate(lambda _asked: say("Yes."), "--set", few, "--out", few.with_name("other.json"))
    assert done.exit_code == 1
    assert "no answer of openai/judge-0 could be used: not JSON" in done.stderr


def test_an_interrupted_calibration_continues(
    calibrate: Callable[..., tuple[Result, list[Asked]]], few: Path, tmp_path: Path
) -> None:
    def refusing(asked: Asked) -> Answer:
        return Refusal(401, "no longer valid") if asked.number == 4 else LabelledJudge()(asked)

    done, _ = calibrate(refusing, "--set", few, "--max-concurrency", 1)
    assert done.exit_code == 1
    answers = tmp_path / "c.json.answers.jsonl"
    assert f"what was answered is kept in {answers}" in str(done.exception)
    assert not (tmp_path / "c.json").exists()
    with answers.open("a") as stream:
        stream.write('{"asked_as": "half a li')
    done, asked = calibrate(LabelledJudge(), "--set", few, "--max-concurrency", 1)
    assert done.exit_code == 0, done.output
    assert len(asked) == 9 - 4
    again, asked = calibrate(LabelledJudge(), "--set", few)
    assert asked == []
    assert again.stdout == done.stdout
    done, _ = calibrate(LabelledJudge(), "--set", few, "--judge-rule", "unanimous", models=2)
    assert "has answers of another judge" in str(done.exception)
    done, _ = calibrate(LabelledJudge(), "--set", MOCK_SET)
    assert "has answers of another set of cases" in str(done.exception)


def test_several_judges_are_calibrated_as_one(calibrate: Callable[..., tuple[Result, list[Asked]]], few: Path) -> None:
    def script(asked: Asked) -> Answer:
        return LabelledJudge(wrong=asked.model.endswith("1"))(asked)

    done, _ = calibrate(script, "--set", few, "--repeats", 1, "--json", "--judge-rule", "unanimous", models=2)
    found = json.loads(done.stdout)
    assert found["judge"]["rule"] == "unanimous"
    assert found["false_pass"]["count"] == 0
    assert found["false_fail"]["count"] == found["false_fail"]["of"] > 0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"domain": "mokc"}, "no domain 'mokc' is installed (did you mean 'mock'"),
        ({"task": "create_pain"}, "mock has no task 'create_pain' (did you mean 'create_plain'"),
        ({"kind": "true"}, "the id 'mock-create_plain-1' is already used in"),
    ],
)
def test_bad_sets_are_refused_before_anything_is_asked(
    calibrate: Callable[..., tuple[Result, list[Asked]]], few: Path, changed: dict[str, Any], told: str
) -> None:
    lines = [json.loads(line) for line in few.read_text().splitlines()]
    new = {} if "kind" in changed else {"id": "x"}
    few.write_text(
        "".join(json.dumps(each) + "\n" for each in [*lines, {**lines[0], "assertion": "New.", **new, **changed}])
    )
    done, asked = calibrate(LabelledJudge(), "--set", few)
    assert told in str(done.exception)
    assert f"{few}:7: " in str(done.exception)
    assert asked == []
