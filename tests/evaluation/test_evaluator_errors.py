"""Errors of evaluators: who caused them, which line is named, and what is recorded."""

from __future__ import annotations

import json
import operator
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tau2_core import TaskError
from tau2_core.episode.setting import Setting
from tau2_core.evaluators.grade import KNOWN_GOLD, LONGEST_CAUSE, Grader
from tau2_core.evaluators.guard import LONGEST_TRACEBACK
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.evaluation import Evidence, Grade, Outcome, Status, Verdict
from tau2_core.model.registrations import EvaluatorSpec
from tau2_core.model.tasks import Task
from tau2_core.plugins.discovery import discover

GradeOf = Callable[..., Grade]
DATABASE: dict[str, Any] = {"actions": [], "reward_basis": ["DB"]}


def with_database(evaluate: Any) -> dict[str, EvaluatorSpec]:
    return {**discover().evaluators("tau2"), "DB": EvaluatorSpec("own", "tau2", "DB", evaluate)}


def line_of(mark: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {mark}"))


def parse(text: str) -> Verdict:
    return Verdict("DB", Status.GRADED, json.loads(text))  # parse


def calling(_evidence: Evidence) -> Verdict:
    return parse("{")


class Caller:
    def __call__(self, _evidence: Evidence) -> Verdict:
        return parse("{")


def returning(_evidence: Evidence) -> Any:  # returning
    return json.loads("{}")


@pytest.mark.parametrize(
    ("evaluate", "mark"),
    [(calling, "parse"), (Caller(), "parse"), (returning, "returning")],
    ids=["calling", "called", "returning"],
)
def test_the_last_line_of_its_own_file_is_named(grade: GradeOf, evaluate: Any, mark: str) -> None:
    graded = grade([], DATABASE, evaluators=with_database(evaluate))
    assert graded.outcome is Outcome.EVALUATOR_ERROR
    assert graded.note.endswith(f"({__file__}:{line_of(mark)})")


def test_without_a_file_of_its_own_the_last_line_outside_the_core_is_named_or_else_the_evaluator(
    grade: GradeOf,
) -> None:
    called: Callable[..., Any] = operator.call  # not a Python function, so it has no file
    raising = grade([], DATABASE, evaluators=with_database(partial(called, calling)))
    assert "decoder.py:" in raising.note
    returning_no_verdict = grade([], DATABASE, evaluators=with_database(weakref.proxy))
    assert returning_no_verdict.note.endswith("(<built-in function proxy>)")


def test_a_task_error_of_its_own_is_its_crash_and_one_of_the_core_is_not(grade: GradeOf) -> None:
    def raising(_evidence: Evidence) -> Verdict:
        raise TaskError("not this one")

    graded = grade([], DATABASE, evaluators=with_database(raising))
    assert graded.outcome is Outcome.EVALUATOR_ERROR
    assert "raise TaskError" in graded.verdicts["DB"].traceback
    unpaired = [{"role": "assistant", "tool_calls": [{"id": "1", "name": "get_users", "arguments": {}}]}]
    graded = grade(unpaired, DATABASE)
    assert (graded.outcome, graded.verdicts["DB"].traceback) == (Outcome.INFRASTRUCTURE_ERROR, "")


def test_the_next_one_gets_evidence_that_a_failed_one_has_not_touched(grade: GradeOf) -> None:
    seen: list[Evidence] = []

    def evaluate(evidence: Evidence, *, fails: bool) -> Verdict:
        seen.append(evidence)
        if fails:
            raise LookupError("lost")
        return Verdict("DB", Status.GRADED, 1.0)

    for fails in (False, True):
        seen.clear()
        evaluators: list[Any] = [partial(evaluate, fails=fails), partial(evaluate, fails=False)]
        specs = {name: EvaluatorSpec(name, "own", name, each) for name, each in zip("AB", evaluators, strict=True)}
        grade([], DATABASE, evaluators=specs)
        assert (seen[0] is seen[1]) is not fails


def test_a_criterion_that_always_counts_is_in_the_basis_once(grade: GradeOf) -> None:
    always = EvaluatorSpec("own", "tau2", "DB", lambda _evidence: Verdict("DB", Status.GRADED, 1.0), always=True)
    assert grade([], DATABASE, evaluators={"DB": always}).basis == ["DB"]
    assert grade([], {**DATABASE, "reward_basis": []}, evaluators={"DB": always}).basis == ["DB"]


@pytest.mark.parametrize("too_long", [False, True])
def test_of_a_long_traceback_the_end_is_kept(grade: GradeOf, too_long: bool) -> None:
    text = "x" * (LONGEST_TRACEBACK if too_long else 100)

    def raising(_evidence: Evidence) -> Verdict:
        raise LookupError(f"begun {text} ended")

    trace = grade([], DATABASE, evaluators=with_database(raising)).verdicts["DB"].traceback
    assert trace.rstrip().endswith("x ended")
    assert trace.startswith("… x" if too_long else "Traceback")
    assert len(trace) <= LONGEST_TRACEBACK + 2


def test_a_gold_call_or_an_assertion_that_ends_the_process_does_not_pass(
    grade: GradeOf, small_pack: Callable[..., Setting]
) -> None:
    code = "import sys\n\ndef leave(db) -> bool:\n    sys.exit(0)\n\nleft = leave\n"
    setting = small_pack(code, {"leave": {"kind": "write"}}, functions={"left": {"kind": "assertion"}}, mode="tau2")
    graded = grade([], {"actions": [{"name": "leave", "arguments": {}}], "reward_basis": ["DB"]}, setting=setting)
    assert (graded.reward, graded.outcome) == (None, Outcome.INFRASTRUCTURE_ERROR)
    assert "gold call leave() cannot be made: leave raised SystemExit: 0" in graded.note
    asserted = {"env_assertions": [{"env_type": "assistant", "func_name": "left", "arguments": {}}]}
    graded = grade([], {**asserted, "reward_basis": ["ENV_ASSERTION"]}, setting=setting)
    (check,) = graded.verdicts["ENV_ASSERTION"].checks
    assert (graded.reward, check.met, check.why) == (0.0, None, "raised left raised SystemExit: 0")


def test_an_exception_that_cannot_be_formatted_is_reported_with_its_frames(grade: GradeOf) -> None:
    def raising(_evidence: Evidence) -> Verdict:
        error = SyntaxError("odd \ud800")
        error.lineno, error.text = 1, 5  # type: ignore[assignment]
        raise error

    trace = grade([], DATABASE, evaluators=with_database(raising)).verdicts["DB"].traceback
    assert ", in raising" in trace
    assert "SyntaxError: odd \\ud800" in trace


@pytest.mark.parametrize("longer", [0, 1])
def test_a_long_cause_of_the_end_is_cut(grade: GradeOf, longer: int) -> None:
    call = {"id": "1", "name": "get_users", "arguments": {}}
    answers: list[dict[str, Any]] = [{"role": "tool", "id": "1", "content": "[]"}]
    answers += [{"role": "tool", "id": "1", "content": "e" * (LONGEST_CAUSE + longer), "error": True}]
    messages = [message for answer in answers for message in ({"role": "assistant", "tool_calls": [call]}, answer)]
    note = grade(messages, DATABASE, termination="too_many_errors").note
    said = "e" * LONGEST_CAUSE + "…" * longer
    assert note == f"ended by too_many_errors: 1 calls failed, the last with {said}"


def test_gold_that_draws_no_random_number_is_played_once_a_task_and_a_bounded_number_is_kept(
    setting_of: Callable[..., Setting],
) -> None:
    kept: list[weakref.ref[Any]] = []

    def keeping(evidence: Any) -> Verdict:
        kept.append(weakref.ref(evidence.gold))
        return Verdict("DB", Status.GRADED, 1.0)

    setting = setting_of("mock", mode="tau2")
    grader = Grader(setting, "own", {"DB": EvaluatorSpec("own", "own", "DB", keeping)})

    def play(number: int, seed: int) -> None:
        fields: dict[str, Any] = {"id": f"t{number}", "user_scenario": {"instructions": "x"}}
        task = Task.model_validate({**fields, "evaluation_criteria": DATABASE})
        made: dict[str, Any] = {"domain": "mock", "task_id": task.id, "trial": 0, "seed": seed, "mode": "tau2"}
        record = EpisodeRecord(**made, termination=Termination.USER_STOP, solo=False, messages=[])
        assert grader.grade(record, task).outcome is Outcome.SOLVED

    play(0, seed=1)
    play(0, seed=2)
    assert kept[0]() is kept[1]() is not None
    for number in range(1, KNOWN_GOLD + 1):
        play(number, seed=1)
    assert kept[0]() is None
    assert sum(each() is not None for each in kept) <= KNOWN_GOLD
