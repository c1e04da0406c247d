"""What authors of packs and evaluations get: public names, decoration, a world, an endpoint, the contract."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from tau2_core import testing
from tau2_core.errors import UsageError
from tau2_core.testing import EvaluateResult, EvaluationRow, assert_pack_contract, evaluation_test, open_world, say
from tau2_core.testing.thresholds import aggregate, read_threshold, uncertainty

if TYPE_CHECKING:
    from tests.testing.conftest import Evaluate

ROWS = [[EvaluationRow()]]


def test_every_public_name_is_there() -> None:
    for name in dir(testing):
        assert getattr(testing, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = testing.nothing


def test_the_plugin_costs_next_to_nothing() -> None:
    heavy = ["pydantic", "litellm", "mcp", "fastapi", "starlette", "jinja2", "yaml", "tau2_core.testing.decorator"]
    code = f"import sys, tau2_core.testing.plugin; print([name for name in {heavy} if name in sys.modules])"
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


def test_called_with_rows_the_body_alone_runs() -> None:
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
        ({"data_loaders": list, "preprocess_fn": list}, "preprocess_fn does not go with data_loaders"),
        ({"input_rows": ROWS, "completion_params": {"model": "x"}}, "completion_params should be a list"),
        ({"input_rows": ROWS, "completion_params": []}, "completion_params is empty"),
        ({"input_rows": ROWS, "mode": "rowwise"}, "mode 'rowwise' should be one of pointwise, groupwise, all"),
        ({"input_rows": ROWS, "aggregation_method": "sum"}, "should be one of mean, max, min, bootstrap"),
        ({"input_rows": ROWS, "num_runs": 0}, "num_runs 0 should be a whole number from 1 on"),
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


def test_a_world_is_called_and_looked_into(tau2_world: Callable[..., Any]) -> None:
    world, other = tau2_world("mock"), open_world("mock")
    assert world.digests() == other.digests()
    made = world.call("create_task", user_id="piet_lindgren", title="Tune the piano")
    assert made.failure is None
    assert json.loads(made.content)["title"] == "Tune the piano"
    assert any(task.title == "Tune the piano" for task in world.db().tasks.values())
    assert any("Tune the piano" in str(change) for change in world.changes())
    assert world.digests() != other.digests()
    assert other.changes() == []
    assert world.call("create_task", user_id="nobody", title="x").failure is not None
    with pytest.raises(UsageError, match="mock has no task 'nothing'"):
        tau2_world("mock", "nothing")


def test_a_scripted_endpoint_is_a_model(tau2_endpoint: Callable[..., Any]) -> None:
    endpoint = tau2_endpoint(lambda asked: say(f"Hello, {asked.last}."))
    body = json.dumps({"model": "any", "messages": [{"role": "user", "content": "you"}]}).encode()
    request = Request(endpoint.url + "/chat/completions", body, {"content-type": "application/json"})
    with urlopen(request, timeout=60) as answer:
        assert json.load(answer)["choices"][0]["message"]["content"] == "Hello, you."


def test_the_contract_names_what_is_wrong(evaluate: Evaluate, mock_copy: Path) -> None:
    tools = mock_copy / "tools" / "agent.yaml"
    tools.write_text(tools.read_text().replace("get_users:", "see_users:", 1))
    source = f"""
from tau2_core.testing import assert_pack_contract

def test_contract():
    assert_pack_contract("mock", packs=[{str(mock_copy)!r}])
"""
    ran = evaluate(source, TAU2_GYM_DISABLE="mock")
    assert "AssertionError: mock: " in ran.failures["test_contract"]
    assert f"{mock_copy / 'data'}" in ran.failures["test_contract"]
    assert "the assistant has no tool 'get_users'" in ran.failures["test_contract"]


def test_a_sound_pack_keeps_the_contract() -> None:
    assert_pack_contract("mock")
