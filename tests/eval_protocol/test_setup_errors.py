"""An error in a test's configuration is printed once, however many tests and workers it affects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Evaluate = Callable[..., Any]

MISNAMED = """
@evaluation_test(input_rows=[rows()], completion_params=[{"agent": "orakle"}], rollout_processor_kwargs=MOCK)
def test_together(row: EvaluationRow) -> EvaluationRow:
    return row

@evaluation_test(
    input_rows=[rows()], completion_params=[{"agent": "orakle"}], rollout_processor_kwargs=MOCK, split_rows=True
)
def test_each(row: EvaluationRow) -> EvaluationRow:
    return row

@evaluation_test(
    input_rows=[rows()], completion_params=[{"agent": "orakle"}, {"agent": "oracle"}], rollout_processor_kwargs=MOCK,
    mode="groupwise",
)
def test_compared(rows: list[EvaluationRow]) -> list[EvaluationRow]:
    return rows
"""
NO_DATASET = """
@evaluation_test(input_dataset=["nowhere.jsonl"], completion_params=[ORACLE])
def test_without(row: EvaluationRow) -> EvaluationRow:
    return row

@evaluation_test(input_dataset=["nowhere.jsonl"], completion_params=[ORACLE], split_rows=True)
def test_each_without(row: EvaluationRow) -> EvaluationRow:
    return row
"""
WRONG_NUMBER = """
@evaluation_test(input_rows=[rows()], completion_params=[ORACLE], rollout_processor_kwargs=MOCK, num_runs=0)
def test_together(row: EvaluationRow) -> EvaluationRow:
    return row
"""
AGENT = "no agent 'orakle' (did you mean 'oracle'?)"
DATASET = "input_dataset nowhere.jsonl: No such file or directory"
NUMBER = "test_agent.py:17: evaluation_test: num_runs 0 should be a whole number, at least 1"
# Each source with its errors, and how many tests each of them affects.
CASES = {"tests": (MISNAMED + NO_DATASET, {AGENT: 6, DATASET: 2}), "decorator": (WRONG_NUMBER, {NUMBER: 1})}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "workers"])
@pytest.mark.parametrize("case", CASES)
def test_a_setup_error_is_printed_once(evaluate: Evaluate, case: str, options: tuple[str, ...]) -> None:
    source, errors = CASES[case]
    ran = evaluate(source, *options)
    assert ran.code != 0
    assert ran.output.count("the same error as in test_agent.py::") == sum(errors.values()) - len(errors)
    assert "Traceback" not in ran.output
    assert "During handling" not in ran.output
    assert len(ran.failures) == sum(errors.values())
    for message, tests in errors.items():
        assert ran.output.count(message) == 1, ran.output
        found = [message in failure for failure in ran.failures.values()]
        assert found.count(True) == tests  # in a file, each has the full text


def test_a_setup_error_is_in_the_short_summary(evaluate: Evaluate) -> None:
    source, errors = CASES["tests"]
    output = evaluate(source, "--tb=no").output
    assert {message: output.count(message) for message in errors} == errors
