"""Rollout processors: those of the project, and how the decorator uses custom ones."""

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

# A processor that records in a file how it is used.
NOTING = """
import asyncio, pathlib

class Noting(NoOpRolloutProcessor):
    def __init__(self, play):
        self.play = play
        self.tries = {}
        self.within = self.most = 0

    def note(self, text):
        with pathlib.Path("notes").open("a") as file:
            file.write(text + "\\n")

    def setup(self):
        self.note("setup")

    def __call__(self, rows, config):
        return [asyncio.create_task(self.one(row, config)) for row in rows]

    async def one(self, row, config):
        async with config.semaphore:
            self.within += 1
            self.most = max(self.most, self.within)
            key = (config.run, row.row_id)
            self.tries[key] = self.tries.get(key, 0) + 1
            try:
                await self.play(self, row, config, self.tries[key])
            finally:
                self.within -= 1
        row.evaluation_result = EvaluateResult(score=1.0)
        return row

    async def acleanup(self):
        self.note(f"cleanup after {sum(self.tries.values())} tries, {self.most} at once")
"""
GIVEN_BACK = """
def test_it(row: EvaluationRow) -> EvaluationRow:
    return row
"""


def test_max_concurrent_rollouts_is_reached_and_not_exceeded(evaluate: Evaluate) -> None:
    """All 32 rollouts must have started before any continues; with a lower limit the test would never end."""
    source = """
barrier = []

async def together(self, row, config, tries):
    if not barrier:
        barrier.append(asyncio.Barrier(32))
    await barrier[0].wait()

@evaluation_test(input_rows=[rows(map(str, range(32)))], num_runs=2, max_concurrent_rollouts=32,
                 rollout_processor=Noting(together))
"""
    ran = evaluate(NOTING + source + GIVEN_BACK)
    assert ran.code == 0, ran.output
    assert (ran.folder / "notes").read_text().splitlines() == ["setup", "cleanup after 64 tries, 32 at once"]


def test_retryable_failures_are_retried(evaluate: Evaluate) -> None:
    source = """
async def falter(self, row, config, tries):
    if "create_plain" in row.row_id and tries <= 2:
        assert config.kwargs.get("start_server", True) == (tries == 1)
        raise ConnectionError("gone")
    if "complete_task" in row.row_id:
        raise ConnectionError("gone for good")
    if "refuse" in row.row_id:
        raise ZeroDivisionError("no luck")

HANDLER = ExceptionHandlerConfig(backoff_config=BackoffConfig(base_delay=0.0, max_tries=3))

@evaluation_test(input_rows=[rows()], exception_handler_config=HANDLER, rollout_processor=Noting(falter),
                 passed_threshold=0.6)
"""
    ran = evaluate(NOTING + source + GIVEN_BACK)
    assert (ran.folder / "notes").read_text().startswith("setup\ncleanup after 9 tries")  # 3 + 1 + 4 + 1
    [folder] = ran.runs().values()
    rows = {row["input_metadata"]["row_id"]: row for row in lines(folder / "rows.jsonl")}
    ended = {name: (row["rollout_status"]["code"], row["rollout_status"]["message"]) for name, row in rows.items()}
    assert ended["mock_task_create_plain"][0] == ended["mock_task_create_with_description"][0] == 100
    assert ended["mock_task_complete_task"] == (13, "ConnectionError: gone for good")
    assert ended["mock_task_refuse_unknown_status"] == (13, "ZeroDivisionError: no luck")
    assert not rows["mock_task_complete_task"]["evaluation_result"]["is_score_valid"]
    assert "rate 0.5000" in ran.failures["test_it[none-rows-4]"]


def test_an_exception_in_the_function_cancels_the_other_rollouts(evaluate: Evaluate) -> None:
    source = """
async def wait(self, row, config, tries):
    if "create_plain" not in row.row_id:
        await asyncio.Event().wait()

@evaluation_test(input_rows=[rows()], rollout_processor=Noting(wait))
def test_it(row: EvaluationRow) -> EvaluationRow:
    raise LookupError("what is this?")
"""
    ran = evaluate(NOTING + source)
    assert "LookupError: what is this?" in ran.failures["test_it[none-rows-4]"]
    assert (ran.folder / "notes").read_text().startswith("setup\ncleanup after 4 tries")


def test_an_exception_in_the_function_can_be_limited_to_its_row(evaluate: Evaluate) -> None:
    source = """
@evaluation_test(input_rows=[rows()], rollout_processor=NoOpRolloutProcessor(), passed_threshold=0.8)
async def test_it(row: EvaluationRow) -> EvaluationRow:
    assert "complete" not in row.row_id, "what is this?"
    row.evaluation_result = EvaluateResult(score=1.0)
    return row
"""
    ran = evaluate(source, EP_RAISE_EVAL_EXCEPTIONS="false")
    assert "rate 0.7500" in ran.failures["test_it[none-rows-4]"]
    assert "mock_task_complete_task 0.00 in 1 run: AssertionError: what is this?" in ran.output


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
    assert "has ended; it said:\nno licence" in ran.failures["test_it[oracle-rows-4]"]
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


def test_no_output_contains_a_key(evaluate: Evaluate) -> None:
    """Given as an option, by the environment, and in an address; raised by a processor, and printed by a test."""
    source = """
import os

SECRETS = f"sk-given-123456 {os.environ['SOME_API_KEY']} https://x.org/?key=in-an-address"

async def fail(self, row, config, tries):
    raise LookupError(SECRETS)

GIVEN = {"agent": "silent", "api_key": "sk-given-123456"}

@evaluation_test(input_rows=[rows()], completion_params=[GIVEN], rollout_processor=Noting(fail), passed_threshold=0.5)
def test_rollouts(row: EvaluationRow) -> EvaluationRow:
    return row

@evaluation_test(input_rows=[rows()], completion_params=[GIVEN], passed_threshold=0.5)
def test_reasons(row: EvaluationRow) -> EvaluationRow:
    row.evaluation_result = EvaluateResult(score=0.0, reason=SECRETS)
    return row
"""
    ran = evaluate(NOTING + source, SOME_API_KEY="sk-environment-123456")
    assert ran.code == 1, ran.output
    assert len(ran.runs()) == 2
    files = [file for folder in ran.runs().values() for file in folder.iterdir()]
    texts = [ran.output, (ran.folder / "junit.xml").read_text(), *(file.read_text() for file in files)]
    assert "[redacted]" in ran.output
    for secret in ("sk-given-123456", "sk-environment-123456", "in-an-address"):
        assert not [text for text in texts if secret in text]
