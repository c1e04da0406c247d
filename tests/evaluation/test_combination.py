"""How the verdicts of a task's basis make its reward and outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.evaluators.combine import RewardRule
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.evaluation import Check, Evidence, Grade, Outcome, Status, Verdict
from tau2_core.model.registrations import EvaluatorSpec
from tau2_core.model.tasks import Task

pytestmark = pytest.mark.domain("mock")
PENDING, VACUOUS, ERROR = "pending", "vacuous", "error"
Given = float | str | Verdict
Graded = Callable[..., Grade]


def spec(criterion: str, given: Given, *, always: bool = True) -> EvaluatorSpec:
    """Return an evaluator with a fixed result: a reward, or a status."""

    def evaluate(evidence: Evidence) -> Verdict:
        if given == ERROR:
            raise LookupError("no such thing")
        if given == "replay":
            evidence.database_differences()
        if isinstance(given, Verdict):
            return given
        if isinstance(given, str):
            return Verdict(criterion, Status(given), 1.0 if given == VACUOUS else None)
        return Verdict(criterion, Status.GRADED, given)

    return EvaluatorSpec(criterion, "own", criterion, evaluate, always)


@pytest.fixture
def grade(setting_of: Callable[..., Setting]) -> Graded:
    """Grade an episode by evaluators with fixed results; all of them count except those in `beside`."""

    def run(given: dict[str, Given], beside: dict[str, Given] | None = None, **how: Any) -> Grade:
        setting = setting_of("mock")
        specs = {name: spec(name, what) for name, what in given.items()}
        specs |= {name: spec(name, what, always=False) for name, what in (beside or {}).items()}
        criteria = {"reward_basis": how.pop("basis", [])}
        messages = how.pop("messages", [])
        task = Task.model_validate({"id": "t", "user_scenario": {"instructions": "x"}, "evaluation_criteria": criteria})
        fields: dict[str, Any] = {
            "domain": "mock",
            "task_id": "t",
            "trial": 0,
            "seed": 0,
            "mode": "strict",
            "solo": False,
        }
        ended = EpisodeRecord(**fields, messages=messages, termination=Termination.USER_STOP)
        return Grader(setting, "own", specs, RewardRule(**how)).grade(ended, task)

    return run


@pytest.mark.parametrize(
    ("given", "how", "reward", "outcome"),
    [
        ({}, {}, 1.0, "solved"),
        ({"A": 0.5, "B": 0.5}, {}, 0.25, "failed"),
        ({"A": 1.0, "B": VACUOUS}, {}, 1.0, "solved"),
        ({"A": 0.5, "B": PENDING}, {}, 0.5, "failed"),
        ({"A": 1.0, "B": PENDING}, {}, 1.0, "pending"),
        ({"A": 1.0, "B": 0.5}, {"gates": ["A"]}, 0.5, "failed"),
        ({"A": 1.0, "B": 0.5}, {"gates": ["B"]}, 0.0, "failed"),
        ({"A": 1.0, "B": 0.5}, {"gates": ["A", "B"]}, 0.0, "failed"),
        ({"A": 1.0, "B": 0.0}, {"gates": ["A"], "weights": {"A": 3}}, 0.75, "failed"),
        ({"A": 1.0, "B": 0.9999995}, {"gates": ["B"]}, 0.9999995, "solved"),
        ({"A": 1.0, "B": PENDING}, {"gates": ["B"]}, 1.0, "pending"),
        ({"A": 0.5, "B": VACUOUS}, {"gates": ["B"], "weights": {"A": 1}}, 0.5, "failed"),
        ({"A": 0.5}, {"gates": ["C"]}, 0.5, "failed"),
        ({"A": 1.0, "B": 0.5}, {"weights": {"A": 3}}, 0.875, "failed"),
        ({"A": 1.0, "B": 0.5}, {"weights": {"A": 3, "B": 2}}, 0.8, "failed"),
        ({"A": 0.5, "B": VACUOUS}, {"weights": {"A": 1}}, 0.5, "failed"),
        ({"A": 0.5, "B": PENDING}, {"weights": {"A": 1}}, 0.75, "failed"),
        ({"A": VACUOUS}, {"weights": {"A": 2}}, 1.0, "solved"),
        ({"A": 0.5}, {"never": ["A"]}, 1.0, "solved"),
        ({"A": 0.5}, {"solved_from": 0.5}, 0.5, "solved"),
        ({"A": 0.5, "B": PENDING}, {"solved_from": 0.5}, 0.5, "pending"),
        ({"A": 0.5}, {"solved_from": 0.51}, 0.5, "failed"),
    ],
)
def test_rewards_of_combined_verdicts(
    grade: Graded, given: dict[str, Given], how: dict[str, Any], reward: float, outcome: str
) -> None:
    graded = grade(given, **how)
    assert graded.reward == pytest.approx(reward, abs=1e-12)
    assert graded.outcome == outcome
    assert graded.pending == [name for name, what in given.items() if what == PENDING]
    assert graded.solved == (outcome in ("solved", "pending"))


def test_a_crash_in_the_basis_leaves_no_reward(grade: Graded) -> None:
    graded = grade({"A": ERROR, "B": 1.0})
    assert (graded.reward, graded.outcome) == (None, Outcome.EVALUATOR_ERROR)
    assert graded.note.startswith("A could not be graded: LookupError: no such thing (")


@pytest.mark.parametrize(
    ("status", "reward", "why"),
    [
        (Status.GRADED, None, "its verdict is graded, but has no reward"),
        (Status.VACUOUS, None, "its verdict is vacuous, but has no reward"),
        (Status.VACUOUS, 0.5, "its verdict is vacuous, so its reward should be 1, not 0.5"),
        (Status.GRADED, -0.1, "its reward should be between 0 and 1, not -0.1"),
        (Status.GRADED, 1.1, "its reward should be between 0 and 1, not 1.1"),
        (Status.PENDING, 0.5, "its verdict is pending, but has a reward"),
        (Status.ERROR, 0.0, "its verdict is error, but has a reward"),
    ],
)
def test_a_verdict_has_a_reward_if_it_is_graded(grade: Graded, status: Status, reward: float | None, why: str) -> None:
    graded = grade({"A": Verdict("A", status, reward)})
    assert (graded.reward, graded.outcome) == (None, Outcome.EVALUATOR_ERROR)
    assert graded.note.startswith(f"A could not be graded: ValueError: {why} (")


@pytest.mark.parametrize(
    ("checks", "why"),
    [([Check("x", None), Check("y", None, "no such file")], "no such file"), ([], "no reason given")],
)
def test_an_error_that_an_evaluator_reports_itself_says_why(grade: Graded, checks: list[Check], why: str) -> None:
    graded = grade({"A": Verdict("A", Status.ERROR, None, checks)})
    assert (graded.reward, graded.outcome) == (None, Outcome.INFRASTRUCTURE_ERROR)
    assert graded.note == f"A could not be graded: {why}"


def test_a_record_that_cannot_be_replayed_is_not_a_crash(grade: Graded) -> None:
    call = {"id": "1", "name": "create_task", "arguments": {}}
    graded = grade({"A": "replay"}, messages=[{"role": "assistant", "tool_calls": [call]}])
    assert (graded.reward, graded.outcome) == (None, Outcome.INFRASTRUCTURE_ERROR)
    assert graded.verdicts["A"].traceback == ""


def test_a_crash_outside_the_reward_does_not_change_it(grade: Graded) -> None:
    graded = grade({"A": 1.0}, beside={"B": ERROR})
    assert (graded.reward, graded.outcome, graded.note) == (1.0, Outcome.SOLVED, "")
    assert graded.verdicts["B"].status is Status.ERROR


def test_a_criterion_without_an_evaluator_does_not_pass(grade: Graded) -> None:
    graded = grade({"A": 1.0}, basis=["COMMUNICATE"])
    assert (graded.reward, graded.outcome) == (None, Outcome.INFRASTRUCTURE_ERROR)
    assert graded.note == "the set 'own' has no evaluator for COMMUNICATE"
