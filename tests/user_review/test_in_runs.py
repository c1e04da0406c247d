"""What the detectors find, as it reaches grades, reports and comparisons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tau2_core import AssistantMessage, Message, ToolCall, UserMessage, evaluate
from tau2_core.cli.app import app
from typer.testing import CliRunner

pytestmark = pytest.mark.domain("mock")
QUESTION = "I will mark it as completed. Do you confirm (yes/no)?"
TASK = "complete_task"


async def careful(history: Sequence[Message]) -> AssistantMessage | str:
    """Ask first, then do it."""
    asked = any(isinstance(message, AssistantMessage) and message.content == QUESTION for message in history)
    if not asked:
        return QUESTION
    if isinstance(history[-1], UserMessage):
        right = {"task_id": "task_5", "status": "completed"}
        return AssistantMessage(tool_calls=[ToolCall(id="1", name="update_task_status", arguments=right)])
    return "It is done."


async def hasty(history: Sequence[Message]) -> str:
    """Ask for help, then hang up at the first question."""
    return "Yes, go ahead. ###STOP###" if len(history) > 2 else "Please complete the fifth task."


async def patient(history: Sequence[Message]) -> str:
    """Ask for help, answer, and end when it is done."""
    said = history[-1].content
    return "###STOP###" if said == "It is done." else "Yes." if said == QUESTION else "Please complete the fifth task."


def shown(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run of an agent that asks first, with a customer that hangs up, and with one that answers."""
    folder = tmp_path_factory.mktemp("runs")
    played = {}
    for name, user in (("hasty", hasty), ("patient", patient)):
        run = evaluate("mock", agent=careful, user=user, tasks=[TASK], out=folder, name=name, trials=2)
        played[name] = run.folder
    return played


def test_a_fault_is_part_of_the_grade_and_not_of_the_reward(runs: dict[str, Path]) -> None:
    for line in (runs["hasty"] / "grades.jsonl").read_text().splitlines():
        grade = json.loads(line)
        review = grade["user_review"]
        assert (grade["reward"], grade["outcome"], review["customer_fault"]) == (0.0, "failed", "decisive")
        [finding] = [each for each in review["findings"] if each["detector"] == "ended_at_confirmation"]
        assert finding["words"] == "Yes, go ahead. ###STOP###"
        assert finding["why"] == "the agent had asked: Do you confirm (yes/no)?"
    for line in (runs["patient"] / "grades.jsonl").read_text().splitlines():
        grade = json.loads(line)
        assert grade["reward"] == 1.0
        assert grade["user_review"] == {"customer_fault": "none", "findings": [], "errors": {}}


def test_a_report_has_the_rate_without_failures_of_the_customer(runs: dict[str, Path]) -> None:
    [report] = json.loads(shown("report", runs["hasty"], "--json"))
    customer = report["customer"]
    assert (customer["reviewed"], customer["decisive"], customer["caused_failures"]) == (2, 2, 2)
    assert (customer["rate_without"], customer["coverage_without"]) == (None, 0.0)
    assert customer["detectors"] == {"ended_at_confirmation": 2, "ended_early": 2}
    text = shown("report", runs["hasty"])
    assert "customer: decisive faults in 2 of 2 episodes (2 failed), minor ones in 0" in text
    assert "faults of the customer, by episodes: ended_at_confirmation 2, ended_early 2" in text
    assert "fair customer leaves out failures that the customer caused; it counts 0% of the slots" in text
    assert "fair customer" not in shown("report", runs["patient"])
    assert json.loads((runs["hasty"] / "summary.json").read_text())["customer_faults"] == {
        "reviewed": 2,
        "minor": 0,
        "decisive": 2,
        "caused_failures": 2,
    }


def test_a_comparison_says_what_the_customer_caused(runs: dict[str, Path]) -> None:
    text = shown("compare", runs["hasty"], runs["patient"], "--ignore", "user", "--ignore", "digests")
    assert "A: the customer caused 2 failures; the rate is no other slots, of 0% of the slots" in text
    assert "B: the customer caused" not in text


def test_an_episode_shows_the_fault_with_its_words(runs: dict[str, Path]) -> None:
    text = shown("show", runs["hasty"], TASK)
    assert "customer, decisive fault ended_at_confirmation: Yes, go ahead. ###STOP###" in text


def test_grading_again_reviews_again(runs: dict[str, Path]) -> None:
    before = (runs["hasty"] / "grades.jsonl").read_text()
    shown("grade", runs["hasty"])
    assert sorted((runs["hasty"] / "grades.jsonl").read_text().splitlines()) == sorted(before.splitlines())


def test_the_episode_s_page_shows_the_fault(runs: dict[str, Path], tmp_path: Path) -> None:
    shown("view", runs["hasty"], "--export", tmp_path / "pages")
    page = " ".join((tmp_path / "pages/runs/hasty/episode-0-0.html").read_text(encoding="utf-8").split())
    assert "ended at confirmation: “Yes, go ahead. ###STOP###”" in page
    assert "decisive: the agent had asked: Do you confirm (yes/no)?" in page
