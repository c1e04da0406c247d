"""The decorator, as far as no test is run: public names, what it refuses, and the arithmetic of thresholds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import tau2_gym_eval_protocol
from tau2_core import testing
from tau2_core.errors import UsageError
from tau2_gym_eval_protocol import EvaluateResult, EvaluationRow, evaluation_test
from tau2_gym_eval_protocol.thresholds import aggregate, read_threshold, uncertainty

ROWS = [[EvaluationRow()]]


def test_every_public_name_is_there() -> None:
    for name in dir(tau2_gym_eval_protocol):
        assert getattr(tau2_gym_eval_protocol, name) is getattr(testing, name)
    with pytest.raises(AttributeError, match="'tau2_gym_eval_protocol' has no attribute 'nothing'"):
        _ = tau2_gym_eval_protocol.nothing


def test_the_pytest_plugins_import_nothing_heavy() -> None:
    heavy = ["pydantic", "litellm", "mcp", "fastapi", "starlette", "jinja2", "yaml", "tau2_gym_eval_protocol.decorator"]
    plugins = "tau2_core.testing.plugin, tau2_gym_eval_protocol.pytest_plugin"
    code = f"import sys, {plugins}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def of_row(row: EvaluationRow) -> EvaluationRow:
    row.evaluation_result = EvaluateResult(score=0.5)
    return row


async def of_rows(rows: list[EvaluationRow]) -> list[EvaluationRow]:
    return rows[:1]


def of_nothing() -> None: ...


def of_a_text(row: str) -> EvaluationRow:
    return EvaluationRow()


def test_calling_the_test_runs_only_its_function() -> None:
    row = EvaluationRow()
    assert asyncio.run(evaluation_test(input_rows=ROWS)(of_row)(row)) is row
    assert row.score == 0.5
    decorated = evaluation_test(input_rows=ROWS, mode="all")(of_rows)
    assert asyncio.run(decorated([row, row])) == [row]
    assert vars(decorated)["__ep_params__"]["mode"] == "all"
    assert vars(decorated)["_origin_func"] is of_rows


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "give one of input_dataset, .*, not none"),
        ({"input_rows": ROWS, "input_dataset": ["x"]}, "not input_dataset and input_rows"),
        ({"data_loaders": list, "preprocess_fn": list}, "preprocess_fn does not work with data_loaders"),
        ({"input_rows": ROWS, "completion_params": {"model": "x"}}, "completion_params must be a list"),
        ({"input_rows": ROWS, "completion_params": []}, "completion_params is empty"),
        ({"input_rows": ROWS, "mode": "rowwise"}, "mode 'rowwise' should be one of pointwise, groupwise, all"),
        ({"input_rows": ROWS, "aggregation_method": "sum"}, "should be one of mean, max, min, bootstrap"),
        ({"input_rows": ROWS, "num_runs": 0}, "num_runs 0 should be a whole number, at least 1"),
        ({"input_rows": ROWS, "passed_threshold": True}, "passed_threshold True: should be a number"),
        ({"input_rows": ROWS, "passed_threshold": {"success": 1, "standard_error": 2}}, "standard_error: "),
    ],
)
def test_wrong_parameters_are_refused_at_once(given: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        evaluation_test(**given)(of_row)


@pytest.mark.parametrize(
    ("mode", "body", "why"),
    [
        ("pointwise", of_rows, "its first parameter should be `row`, not rows"),
        ("groupwise", of_row, "its first parameter should be `rows`, not row"),
        ("pointwise", of_nothing, "its first parameter should be `row`, not none"),
        ("pointwise", of_a_text, "`row` is annotated <class 'str'>"),
    ],
)
def test_a_wrong_signature_is_refused_at_once(mode: Any, body: Callable[..., Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        evaluation_test(input_rows=ROWS, mode=mode)(body)


def test_thresholds_are_read_in_every_form() -> None:
    for given in (1, 1.0, {"success": 1}, "1", '{"success": 1.0}'):
        threshold = read_threshold(given)
        assert threshold is not None
        assert (threshold.success, threshold.standard_error) == (1.0, None)


def test_the_standard_error_is_the_official_one() -> None:
    """The examples of spec/evaluation_test.md, 4."""
    for scores, error in (([[1.0], [0.0]], 0.0), ([[1.0, 0.0], [1.0, 1.0]], 0.25)):
        found = uncertainty(scores)
        assert found is not None
        assert found.standard_error == pytest.approx(error)


def test_scores_are_aggregated() -> None:
    runs = [[1.0, 0.0], [1.0, 1.0]]
    assert [aggregate(how, runs) for how in ("mean", "max", "min")] == [0.75, 1.0, 0.5]
    assert 0.5 < aggregate("bootstrap", runs) < 1.0
    assert aggregate("bootstrap", runs) == aggregate("bootstrap", runs)
    assert aggregate("mean", []) == 0.0
