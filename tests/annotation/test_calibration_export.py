"""Labelled assertions as a calibration set."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.adapters.calibration_set import read_calibration_set
from tau2_core.errors import RunError, UsageError
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

from tests.annotation.conftest import command, label

pytestmark = pytest.mark.domain("mock")
ASSERTION = "The agent tells the caller the id of the new task."


def substance(message: dict[str, Any]) -> tuple[Any, ...]:
    calls = [(call["id"], call["name"], call["arguments"]) for call in message.get("tool_calls") or ()]
    return message["role"], message.get("content") or "", calls, bool(message.get("error")), message.get("id")


def test_a_case_has_the_conversation_and_the_label(run_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = run_folder("judged")
    label(folder, ("create_plain", 0, "assertion", ASSERTION, "met", "ada"))
    out = tmp_path / "set.jsonl"
    done = command("annotate", folder, "--export", out)
    assert "1 labelled assertions written" in done.output
    (case,) = map(json.loads, out.read_text().splitlines())
    assert {key: case[key] for key in ("id", "domain", "task", "assertion", "label", "kind")} == {
        "id": "judged/create_plain#0/1",
        "domain": "mock",
        "task": "create_plain",
        "assertion": ASSERTION,
        "label": True,
        "kind": "annotated",
    }
    assert {message["role"] for message in case["messages"]} == {"assistant", "user", "tool"}
    (read,) = read_calibration_set([out]).cases
    records = map(json.loads, (folder / "episodes.jsonl").read_text().splitlines())
    recorded = next(each for each in records if each["task_id"] == "create_plain")
    assert [substance(message.model_dump()) for message in read.conversation] == list(
        map(substance, recorded["messages"])
    )
    with pytest.raises(RunError, match="already exists"):
        command("annotate", folder, "--export", out)


def test_the_conversation_is_what_grade_reads(run_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = run_folder("judged")
    label(folder, ("create_plain", 0, "assertion", ASSERTION, "met", "ada"))
    out = tmp_path / "set.jsonl"
    command("annotate", folder, "--export", out)
    graded = command("grade", out, "--domain", "mock", "--task", "create_plain", "--json", "--executor", "async")
    (again,) = json.loads(graded.stdout)["grades"]
    grades = map(json.loads, (folder / "grades.jsonl").read_text().splitlines())
    first = next(each for each in grades if each["task_id"] == "create_plain")
    assert again["verdicts"]["DB"] == first["verdicts"]["DB"]
    assert again["verdicts"]["ACTION"] == first["verdicts"]["ACTION"]


def test_most_annotators_decide_and_ties_are_left_out(run_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = run_folder("random")
    for trial, answers in enumerate(["met unmet unmet", "met unmet"]):
        for name, answer in zip("abc", answers.split(), strict=False):
            label(folder, ("create_plain", trial, "assertion", ASSERTION, answer, name))
    done = command("annotate", folder, "--export", tmp_path / "most.jsonl")
    assert "1 left out: annotators are divided equally" in done.stderr
    (case,) = map(json.loads, (tmp_path / "most.jsonl").read_text().splitlines())
    assert case["label"] is False
    command("annotate", folder, "--annotator", "a", "--export", tmp_path / "one.jsonl")
    assert [json.loads(line)["label"] for line in (tmp_path / "one.jsonl").read_text().splitlines()] == [True, True]
    with pytest.raises(UsageError, match=re.escape("has no labels by 'z'")):
        command("annotate", folder, "--annotator", "z", "--export", tmp_path / "none.jsonl")


def test_equal_conversations_are_one_case(run_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = run_folder("random")
    episodes = [json.loads(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]
    first = next(each for each in episodes if (each["task_id"], each["trial"]) == ("create_plain", 0))
    second = next(each for each in episodes if (each["task_id"], each["trial"]) == ("create_plain", 1))
    second["messages"] = first["messages"]
    (folder / "episodes.jsonl").write_text("".join(json.dumps(each) + "\n" for each in episodes))
    for trial in (0, 1):
        label(folder, ("create_plain", trial, "assertion", ASSERTION, "met", None))
    done = command("annotate", folder, "--export", tmp_path / "set.jsonl")
    assert "1 labelled assertions" in done.stdout
    assert "1 left out: another episode has the same conversation" in done.stderr


def test_a_judge_is_measured_with_the_labels(run_folder: Callable[[str], Path], tmp_path: Path) -> None:
    """The scripted judge says that everything is met, so it is wrong about one of two."""
    folder = run_folder("random")
    label(folder, ("create_plain", 0, "assertion", ASSERTION, "unmet", "ada"))
    label(folder, ("create_plain", 1, "assertion", ASSERTION, "met", "ada"))
    labelled = tmp_path / "set.jsonl"
    command("annotate", folder, "--export", labelled)
    with ScriptedEndpoint(GoldScript.of_domain("mock")) as endpoint:
        judge = ["--judge-model", "endpoint/judge", "--judge-args", json.dumps({"api_base": endpoint.url})]
        done = command("calibrate-judge", *judge, "--set", labelled, "--out", tmp_path / "judge.json", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["accuracy"]["count"], found["accuracy"]["of"]) == (1, 2)
    assert (found["false_pass"]["count"], found["false_fail"]["count"]) == (1, 0)
