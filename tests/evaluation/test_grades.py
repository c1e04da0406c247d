"""From verdicts to a grade: the reward is the product over the task's basis (spec/evaluation.md, 4)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.evaluators.combine import RewardRule
from tau2_core.model.episodes import Termination
from tau2_core.model.evaluation import Check, Evidence, Grade, JudgedStatement, Judgement, Outcome, Status, Verdict
from tau2_core.model.messages import ToolCall
from tau2_core.model.registrations import EvaluatorSpec
from tau2_core.plugins.discovery import discover
from tau2_core.records.reasons import reasons

GradeOf = Callable[..., Grade]


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


COMPLETE: dict[str, Any] = {"name": "update_task_status", "arguments": {"task_id": "task_1", "status": "completed"}}
MADE: list[dict[str, Any]] = [
    {"role": "assistant", "content": "It is 5.", "tool_calls": [{"id": "1", **COMPLETE}]},
    {
        "role": "tool",
        "id": "1",
        "content": '{"task_id": "task_1", "title": "Order spare lamps", "description": "Twelve, 750 watts.", '
        '"status": "completed"}',
    },
]
PENDING = {
    "env_type": "assistant",
    "func_name": "assert_task_status",
    "arguments": {"task_id": "task_1", "expected_status": "pending"},
}
MET: dict[str, dict[str, Any]] = {
    "DB": {"actions": [COMPLETE]},
    "ACTION": {"actions": [COMPLETE]},
    "ENV_ASSERTION": {"env_assertions": [{**PENDING, "assert_value": False}]},
    "COMMUNICATE": {"communicate_info": ["5"]},
}
UNMET: dict[str, dict[str, Any]] = {
    "DB": {"actions": []},
    "ACTION": {"actions": [COMPLETE, {"name": "never", "arguments": {}}]},
    "ENV_ASSERTION": {"env_assertions": [PENDING]},
    "COMMUNICATE": {"communicate_info": ["6"]},
}


def criteria(*parts: dict[str, Any], basis: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"reward_basis": basis}
    for part in parts:
        found |= part
    return found


class TestProduct:
    def test_all_criteria_met_is_solved(self, grade: GradeOf) -> None:
        graded = grade(MADE, criteria(*MET.values(), basis=list(MET)))
        assert (graded.reward, graded.outcome, graded.basis) == (1.0, Outcome.SOLVED, list(MET))
        assert set(graded.verdicts) == set(MET)

    @pytest.mark.parametrize("failing", list(MET))
    def test_an_unmet_criterion_in_the_basis_fails(self, grade: GradeOf, failing: str) -> None:
        other = "ENV_ASSERTION" if failing == "COMMUNICATE" else "COMMUNICATE"
        graded = grade(MADE, criteria(UNMET[failing], MET[other], basis=[failing, other]))
        assert (graded.reward, graded.outcome) == (0.0, Outcome.FAILED)

    @pytest.mark.parametrize("failing", ["DB", "ENV_ASSERTION", "COMMUNICATE"])
    def test_an_unmet_criterion_outside_the_basis_is_only_reported(self, grade: GradeOf, failing: str) -> None:
        basis = [name for name in ("ENV_ASSERTION", "COMMUNICATE") if name != failing]
        parts = {**MET, failing: UNMET[failing], "ACTION": {}}
        graded = grade(MADE, criteria(*parts.values(), basis=basis))
        assert (graded.reward, graded.outcome) == (1.0, Outcome.SOLVED)
        assert graded.verdicts[failing].reward == 0.0

    def test_the_basis_is_database_and_communication_unless_the_task_says_otherwise(self, grade: GradeOf) -> None:
        assert grade(MADE, {"actions": [COMPLETE]}).basis == ["DB", "COMMUNICATE"]

    def test_an_empty_basis_is_a_full_reward(self, grade: GradeOf) -> None:
        assert grade(MADE, criteria(*UNMET.values(), basis=[])).reward == 1.0

    def test_a_task_without_criteria_is_a_full_reward_and_says_so(self, grade: GradeOf) -> None:
        graded = grade(MADE, None)
        assert (graded.reward, graded.outcome, graded.basis) == (1.0, Outcome.SOLVED, [])
        assert graded.note == "the task has no criteria"

    def test_a_live_state_that_matches_the_gold_but_not_the_replay_is_reported(
        self, grade: GradeOf, setting_of: Callable[..., Setting]
    ) -> None:
        live = Environment(setting_of("mock", mode="tau2"))
        live.call(ToolCall(**COMPLETE))
        graded = grade([], {"actions": [COMPLETE]}, digests=live.digests())
        assert graded.verdicts["REPLAY"].reward == 0.0
        (check,) = graded.verdicts["REPLAY"].checks  # the customer's database agrees, and is not named
        assert check.why == "the live state differs from the replayed one, and is like the gold state"
        assert check.evidence[0]["live"] == check.evidence[0]["gold"] != check.evidence[0]["replayed"]
        assert graded.note == f"{check.what}: {check.why}"
        other = grade(MADE, {"actions": [COMPLETE]}, digests={"user": live.digests()["user"], "agent": "0"})
        (check,) = other.verdicts["REPLAY"].checks
        assert check.why == "the live state differs from the replayed one, and is unlike the gold state"
        both = grade(MADE, {"actions": [COMPLETE]}, digests={"user": "1", "agent": "0"}).verdicts["REPLAY"].checks
        assert [each.what.partition(" ")[0] for each in both] == ["agent", "user"]

    @pytest.mark.parametrize("parts", [MET, UNMET])
    @pytest.mark.parametrize("name", ["tau2", "strict"])
    def test_each_reward_is_recorded_as_a_number(self, grade: GradeOf, name: str, parts: dict[str, Any]) -> None:
        found = criteria(*parts.values(), basis=["ENV_ASSERTION"])
        judgement = Judgement(statements=[JudgedStatement(statement="x", reason="so", met=parts is MET)])
        evaluators = discover().evaluators(name)
        verdicts = grade(MADE, found | {"nl_assertions": ["x"]}, judgement=judgement, evaluators=evaluators).verdicts
        assert "NL_ASSERTION" in verdicts
        assert {type(verdict.reward) for verdict in verdicts.values()} == {float}

    def test_reasons_name_each_unmet_check(self, grade: GradeOf) -> None:
        graded = grade(
            MADE, criteria(UNMET["ENV_ASSERTION"], UNMET["COMMUNICATE"], basis=["ENV_ASSERTION", "COMMUNICATE"])
        )
        assert reasons(graded) == [
            "ENV_ASSERTION: assert_task_status(task_id='task_1', expected_status='pending'): is not True; the state "
            'behind it: agent database: tasks.task_1.status (gold "pending", here "completed")',
            "COMMUNICATE: 6: never said",
        ]


class TestEnds:
    @pytest.mark.parametrize("termination", [Termination.USER_STOP, Termination.AGENT_STOP])
    def test_a_conversation_that_a_side_ended_is_graded(self, grade: GradeOf, termination: Termination) -> None:
        assert grade(MADE, criteria(MET["DB"], basis=["DB"]), termination=termination).outcome is Outcome.SOLVED

    @pytest.mark.parametrize(
        ("termination", "reward", "outcome"),
        [
            (Termination.MAX_STEPS, 0.0, Outcome.FAILED),
            (Termination.TOO_MANY_ERRORS, 0.0, Outcome.FAILED),
            (Termination.TIMEOUT, 0.0, Outcome.FAILED),
            (Termination.AGENT_ERROR, 0.0, Outcome.AGENT_ERROR),
            (Termination.USER_ERROR, 0.0, Outcome.USER_ERROR),
            (Termination.INFRASTRUCTURE_ERROR, None, Outcome.INFRASTRUCTURE_ERROR),
        ],
    )
    @pytest.mark.parametrize("wanted", [None, criteria(MET["DB"], basis=["DB"]), criteria(basis=[])])
    def test_any_other_end_gives_reward_0(
        self, grade: GradeOf, termination: Termination, reward: float | None, outcome: Outcome, wanted: Any
    ) -> None:
        graded = grade(MADE, wanted, termination=termination, error="why")
        assert (graded.reward, graded.outcome, graded.verdicts) == (reward, outcome, {})
        assert reasons(graded) == [f"ended by {termination.value}: why"]

    def test_too_many_errors_reports_the_last_one(self, grade: GradeOf) -> None:
        failed = [{**message, "error": True, "content": "Error: no such task"} for message in MADE[1:]]
        graded = grade(
            [*MADE, *[MADE[0], *failed] * 2], criteria(MET["DB"], basis=["DB"]), termination="too_many_errors"
        )
        assert reasons(graded) == ["ended by too_many_errors: 2 calls failed, the last with Error: no such task"]
        graded = grade([MADE[0], *failed] * 2, criteria(MET["DB"], basis=["DB"]), termination="max_steps")
        assert reasons(graded) == ["ended by max_steps"]


STATEMENTS: dict[str, Any] = {"nl_assertions": ["The agent is kind.", "The agent is brief."]}


class TestPending:
    def test_without_a_judge_statements_in_the_basis_are_pending_and_the_rest_counts(self, grade: GradeOf) -> None:
        graded = grade(MADE, criteria(MET["DB"], STATEMENTS, basis=["DB", "NL_ASSERTION"]))
        assert (graded.reward, graded.outcome, graded.pending) == (1.0, Outcome.PENDING, ["NL_ASSERTION"])
        assert [check.met for check in graded.verdicts["NL_ASSERTION"].checks] == [None, None]

    def test_a_failed_grade_is_not_pending(self, grade: GradeOf) -> None:
        graded = grade(MADE, criteria(UNMET["DB"], STATEMENTS, basis=["DB", "NL_ASSERTION"]))
        assert (graded.reward, graded.outcome) == (0.0, Outcome.FAILED)

    def test_statements_outside_the_basis_leave_nothing_pending(self, grade: GradeOf) -> None:
        graded = grade(MADE, criteria(MET["DB"], STATEMENTS, basis=["DB"]))
        assert (graded.outcome, graded.pending) == (Outcome.SOLVED, [])
        assert graded.verdicts["NL_ASSERTION"].status is Status.PENDING
        unanswered = grade(MADE, criteria(MET["DB"], STATEMENTS, basis=["DB"]), judgement=Judgement(error="no answer"))
        assert (unanswered.reward, unanswered.outcome, unanswered.note) == (1.0, Outcome.SOLVED, "")

    @pytest.mark.parametrize("statements", [None, []])
    def test_no_statements_are_met_by_rule(self, grade: GradeOf, statements: Any) -> None:
        graded = grade(MADE, criteria({"nl_assertions": statements}, basis=["NL_ASSERTION"]))
        assert (graded.reward, graded.outcome) == (1.0, Outcome.SOLVED)

    @pytest.mark.parametrize(("second", "outcome"), [(True, Outcome.SOLVED), (False, Outcome.FAILED)])
    def test_every_statement_is_decided_by_the_judge(self, grade: GradeOf, second: bool, outcome: Outcome) -> None:
        words = [
            JudgedStatement(statement=text, met=met, reason="so")
            for text, met in zip(STATEMENTS["nl_assertions"], (True, second), strict=True)
        ]
        wanted = criteria(STATEMENTS, basis=["NL_ASSERTION"])
        assert grade(MADE, wanted, judgement=Judgement(statements=words)).outcome is outcome

    def test_a_failed_judge_is_reported_separately(self, grade: GradeOf) -> None:
        wanted = criteria(STATEMENTS, basis=["NL_ASSERTION"])
        graded = grade(MADE, wanted, judgement=Judgement(error="no answer"))
        assert (graded.reward, graded.outcome) == (None, Outcome.JUDGE_ERROR)
        assert reasons(graded) == ["the judge failed: no answer"]
        assert {check.why for check in graded.verdicts["NL_ASSERTION"].checks} == {"the judge failed: no answer"}


class TestFaults:
    def test_a_criterion_without_an_evaluator_is_an_error_of_infrastructure(self, grade: GradeOf) -> None:
        specs = discover().evaluators("tau2")
        del specs["ACTION"]
        graded = grade(MADE, criteria(MET["DB"], basis=["DB", "ACTION"]), evaluators=specs)
        assert (graded.reward, graded.outcome) == (None, Outcome.INFRASTRUCTURE_ERROR)
        assert reasons(graded) == ["the set 'tau2' has no evaluator for ACTION"]

    @pytest.mark.parametrize(("basis", "outcome"), [(["DB"], Outcome.EVALUATOR_ERROR), (["ACTION"], Outcome.SOLVED)])
    def test_an_evaluator_that_raises_is_an_error_of_its_own_if_it_is_in_the_basis(
        self, grade: GradeOf, basis: list[str], outcome: Outcome
    ) -> None:
        def broken(evidence: Evidence) -> Verdict:
            raise LookupError("lost")

        specs = {**discover().evaluators("tau2"), "DB": EvaluatorSpec("broken", "tau2", "DB", broken)}
        graded = grade(MADE, criteria(MET["DB"], basis=basis), evaluators=specs)
        assert graded.outcome is outcome
        assert graded.verdicts["DB"].status is Status.ERROR
        assert graded.verdicts["DB"].checks[0].why.startswith(f"LookupError: lost ({__file__}:")
        assert "raise LookupError" in graded.verdicts["DB"].traceback

    @pytest.mark.parametrize(
        "returned",
        [
            None,
            {"reward": 1.0},
            Verdict("DB", Status.GRADED, float("nan")),
            Verdict("DB", Status.GRADED, float("inf")),
            Verdict("DB", Status.GRADED, -0.1),
            Verdict("DB", Status.GRADED, 1.1),
            Verdict("DB", Status.GRADED, None),
            Verdict("DB", Status.VACUOUS, None),
            Verdict("DB", Status.VACUOUS, 0.5),
            Verdict("DB", Status.PENDING, 1.0),
            Verdict("DB", Status.ERROR, 1.0),
            Verdict("DB", Status.GRADED, 1.0, [Check("x", True, "", [{"value": object()}])]),
        ],
    )
    def test_an_unusable_verdict_is_an_evaluator_error(self, grade: GradeOf, returned: Any) -> None:
        specs = {**discover().evaluators("tau2"), "DB": EvaluatorSpec("odd", "tau2", "DB", lambda _evidence: returned)}
        graded = grade(MADE, criteria(MET["DB"], basis=["DB"]), evaluators=specs)
        assert (graded.reward, graded.outcome) == (None, Outcome.EVALUATOR_ERROR)
        assert __file__ in graded.note
        assert json.loads(graded.model_dump_json())["verdicts"]["DB"]["traceback"]

    @pytest.mark.parametrize(("returned", "kind"), [(None, "NoneType"), ({"reward": 1.0}, "dict"), (..., "coroutine")])
    def test_a_return_value_that_is_not_a_verdict_is_described(self, grade: GradeOf, returned: Any, kind: str) -> None:
        async def later(_evidence: Evidence) -> Verdict:
            return Verdict("DB", Status.GRADED, 1.0)

        evaluate: Any = later if returned is ... else lambda _evidence: returned
        specs = {**discover().evaluators("tau2"), "DB": EvaluatorSpec("odd", "tau2", "DB", evaluate)}
        graded = grade(MADE, criteria(MET["DB"], basis=["DB"]), evaluators=specs)
        (check,) = graded.verdicts["DB"].checks
        assert check.why.startswith(f"TypeError: it should return a Verdict, not {kind} ({__file__}:")

    def test_a_verdict_is_recorded_as_it_was_returned_and_did_not_crash(self, grade: GradeOf) -> None:
        returned = Verdict("DB", Status.GRADED, 1.0, [Check("x", met=True)], traceback="Traceback: none")
        specs = {**discover().evaluators("tau2"), "DB": EvaluatorSpec("own", "tau2", "DB", lambda _evidence: returned)}
        graded = grade(MADE, criteria(MET["DB"], basis=["DB"]), evaluators=specs)
        returned.checks.append(Check("later", met=False))
        verdict = graded.verdicts["DB"]
        assert (graded.outcome, verdict.traceback) == (Outcome.SOLVED, "")
        assert [check.what for check in verdict.checks] == ["x"]

    @pytest.mark.parametrize(
        "error",
        [SystemExit(0), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), StopIteration(), MuteError()],
    )
    def test_exceptions_of_evaluators_do_not_stop_grading(self, grade: GradeOf, error: BaseException) -> None:
        def broken(evidence: Evidence) -> Verdict:
            raise error

        specs = {**discover().evaluators("tau2"), "DB": EvaluatorSpec("broken", "tau2", "DB", broken)}
        graded = grade(MADE, criteria(MET["DB"], basis=["DB"]), evaluators=specs)
        assert (graded.reward, graded.outcome) == (None, Outcome.EVALUATOR_ERROR)
        assert type(error).__name__ in graded.note

    @pytest.mark.parametrize("reward", [0.0, 0.5, 0.999, 1.0])
    def test_a_gate_that_is_not_fully_met_gives_0(self, grade: GradeOf, reward: float) -> None:
        combination = RewardRule(weights={"A": 1.0, "B": 3.0}, gates=["A"])
        expected = (reward + 3) / 4 if reward == 1.0 else 0.0
        assert combination.reward({"A": reward, "B": 1.0}) == expected
        assert combination.reward({"B": 0.5}) == 0.5  # a gate that this task does not have

    def test_answers_that_differ_in_replay_are_noted_with_the_reasons(self, grade: GradeOf) -> None:
        messages = [MADE[0], {**MADE[1], "content": "other"}]
        solved = grade(messages, criteria(MET["DB"], basis=["DB"]))
        note = "1 replayed calls have other results than recorded, the first is update_task_status"
        assert (solved.outcome, solved.note, reasons(solved)) == (Outcome.SOLVED, note, [])
        failed = grade(messages, criteria(UNMET["DB"], basis=["DB"]))
        assert len(reasons(failed)) == 2
        assert reasons(failed)[0].startswith("DB: agent database: ")
        assert reasons(failed)[1] == note

    def test_grading_again_gives_the_same_grade(self, grade: GradeOf) -> None:
        wanted = criteria(*UNMET.values(), basis=["DB", "ENV_ASSERTION", "COMMUNICATE"])
        assert grade(MADE, wanted) == grade(MADE, wanted)
