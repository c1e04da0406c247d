"""The rollout processors of the project: all give the same grades."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.eval_protocol.conftest import lines

if TYPE_CHECKING:
    from tests.eval_protocol.conftest import Evaluate

Serve = Callable[..., AbstractContextManager[str]]

GIVEN_BACK = """
def test_it(row: EvaluationRow) -> EvaluationRow:
    return row
"""


def test_all_processors_give_the_same_grades(evaluate: Evaluate, serving_mock: Serve) -> None:
    """In process, through our server, a script's or a running one, and from rows that were played before."""
    source = """
import json, os, pathlib
from tau2_gym_eval_protocol import McpGymRolloutProcessor

def equal(**more):
    return evaluation_test(completion_params=[ORACLE], rollout_processor_kwargs={**MOCK, **more.pop("kwargs", {})},
                           passed_threshold=1.0, num_runs=2, **more)

def given_back(row: EvaluationRow) -> EvaluationRow:
    return row

test_process = equal(input_rows=[rows()])(given_back)
test_server = equal(input_rows=[rows()], rollout_processor=McpGymRolloutProcessor())(given_back)
test_script = equal(input_rows=[rows()], rollout_processor=McpGymRolloutProcessor(),
                    server_script_path=server_script())(given_back)
test_running = equal(input_rows=[rows()], rollout_processor=McpGymRolloutProcessor(),
                     kwargs={"url": os.environ["RUNNING"]})(given_back)

def played():
    [file] = pathlib.Path("runs").glob("*-test_process-oracle/rows.jsonl")
    return dataset_rows([json.loads(line) for line in file.read_text().splitlines()[:4]])

test_recorded = equal(data_loaders=played, rollout_processor=RecordedRolloutProcessor())(given_back)
"""
    with serving_mock() as address:
        ran = evaluate(source, RUNNING=address)
    assert ran.code == 0, ran.output
    assert len(ran.names) == 5
    found = [lines(folder / "grades.jsonl") for folder in ran.folder.glob("runs/*-test_*")]
    grades = {json.dumps(sorted(({**each, "id": ""} for each in grades), key=str)) for grades in found}
    assert (len(found), len(grades)) == (5, 1)


@pytest.mark.domain("banking_knowledge")
def test_rows_tell_what_was_unlocked_with_all_processors(evaluate: Evaluate, serving_mock: Serve) -> None:
    source = """
import os
from tau2_gym_eval_protocol import McpGymRolloutProcessor
BANK = {"domain": "banking_knowledge", "user": "scripted", "variant": "native", "variant_options": {"top_k": 1}}
ROWS = [[EvaluationRow(input_metadata={"row_id": "open", "dataset_info": {
    "environment_context": {"domain": "banking_knowledge", "task_id": "open_first_savings"}}})]]

def equal(kwargs={}, **more):
    return evaluation_test(input_rows=ROWS, completion_params=[ORACLE], passed_threshold=1.0,
                           rollout_processor_kwargs={**BANK, **kwargs}, **more)

def given_back(row: EvaluationRow) -> EvaluationRow:
    return row

test_process = equal()(given_back)
test_server = equal(rollout_processor=McpGymRolloutProcessor())(given_back)
test_running = equal({"url": os.environ["RUNNING"]}, rollout_processor=McpGymRolloutProcessor())(given_back)
"""
    with serving_mock("banking_knowledge") as address:
        ran = evaluate(source, RUNNING=address)
    assert ran.code == 0, ran.output
    rows = [line for file in sorted(ran.folder.glob("runs/*/rows.jsonl")) for line in lines(file)]
    tool = "open_bank_account_4821"
    unlocked = [row["execution_metadata"]["extra"]["unlocked"] for row in rows]
    assert unlocked == [{"agent": [tool]}] * 3
    assert [row["tools"][-1]["function"]["name"] for row in rows] == [tool] * 3


def test_a_call_answered_by_the_servers_plugin_is_not_graded_as_made(
    evaluate: Evaluate, serving_mock: Serve, tmp_path: Path
) -> None:
    (tmp_path / "skipping.py").write_text(
        "from tau2_core import hookimpl\nfrom tau2_core.model.tools import ToolResult\n\n@hookimpl\n"
        "async def tau2_tool_call(call, proceed):\n    return ToolResult('done', skipped=True)\n"
    )
    info = tmp_path / "skipping-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: skipping\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tau2_core]\nskipping = skipping\n")
    source = """
import os
from tau2_gym_eval_protocol import McpGymRolloutProcessor

@evaluation_test(input_rows=[rows(["create_plain"])], completion_params=[ORACLE], passed_threshold=0.5,
                 rollout_processor=McpGymRolloutProcessor(),
                 rollout_processor_kwargs={**MOCK, "url": os.environ["RUNNING"]})
"""
    with serving_mock(PYTHONPATH=str(tmp_path)) as address:
        ran = evaluate(source + GIVEN_BACK, RUNNING=address)
    (folder,) = ran.folder.glob("runs/*-test_*")
    assert [grade["reward"] for grade in lines(folder / "grades.jsonl")] == [0.0]


def test_the_output_of_a_failed_server_script_is_shown(evaluate: Evaluate) -> None:
    source = """
import pathlib
from tau2_gym_eval_protocol import McpGymRolloutProcessor
pathlib.Path("broken.py").write_text("raise SystemExit('no licence')")

@evaluation_test(input_rows=[rows()], completion_params=[ORACLE], rollout_processor_kwargs=MOCK, passed_threshold=0.5,
                 rollout_processor=McpGymRolloutProcessor(), server_script_path="broken.py")
"""
    ran = evaluate(source + GIVEN_BACK)
    assert "has ended; its output:\nno licence" in ran.failures["test_it[oracle-rows-4]"]
    assert "Traceback" not in ran.output


def test_a_call_answered_by_a_plugin_counts_the_same_with_all_processors(
    evaluate: Evaluate, plugin: Callable[..., Path], serving_mock: Serve
) -> None:
    """The call never reached the environment, so the task is not solved, wherever it is played."""
    source = """
from tau2_core import ToolResult, hookimpl

@hookimpl
async def tau2_tool_call(call, proceed):
    return ToolResult("{}", skipped=True)
"""
    tests = """
import os
from tau2_gym_eval_protocol import McpGymRolloutProcessor

def once(**more):
    return evaluation_test(input_rows=[rows(["complete_task"])], completion_params=[ORACLE],
                           rollout_processor_kwargs={**MOCK, **more.pop("kwargs", {})}, passed_threshold=0.0, **more)

def given_back(row: EvaluationRow) -> EvaluationRow:
    return row

test_process = once()(given_back)
test_server = once(rollout_processor=McpGymRolloutProcessor())(given_back)
test_running = once(rollout_processor=McpGymRolloutProcessor(), kwargs={"url": os.environ["RUNNING"]})(given_back)
"""
    path = {"PYTHONPATH": str(plugin("answers", source))}
    with serving_mock(**path) as address:
        ran = evaluate(tests, RUNNING=address, **path)
    assert ran.code == 0, ran.output
    graded = [lines(folder / "grades.jsonl") for folder in ran.folder.glob("runs/*-test_*")]
    assert [[grade["reward"] for grade in grades] for grades in graded] == [[0.0]] * 3
