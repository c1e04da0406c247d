"""What an evaluation test does with rows: modes, thresholds, further arguments, and what it says when it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.eval_protocol.conftest import lines, run_pytest

if TYPE_CHECKING:
    from tests.eval_protocol.conftest import Evaluate, Ran
    from tests.forked import Forks

SOURCE = """
import asyncio

def judged(row, score, **more):
    row.evaluation_result = EvaluateResult(score=score, **more)
    return row

@evaluation_test(input_rows=[rows()], completion_params=[ORACLE, SILENT], rollout_processor_kwargs=MOCK,
                 passed_threshold=0.9, num_runs=2)
def test_usual(row: EvaluationRow) -> EvaluationRow:
    return row

@evaluation_test(input_rows=[rows()], completion_params=[ORACLE, SILENT], rollout_processor_kwargs=MOCK,
                 mode="groupwise")
async def test_group(rows: list[EvaluationRow], tmp_path) -> list[EvaluationRow]:
    await asyncio.sleep(0)
    best = max(rows, key=lambda row: row.evaluation_result.score)
    return [judged(row, float(row is best)) for row in rows]

@evaluation_test(input_rows=[rows()], completion_params=[ORACLE], rollout_processor_kwargs=MOCK, mode="all", num_runs=2,
                 aggregation_method="max", passed_threshold=1)
def test_all(rows: list[EvaluationRow]) -> list[EvaluationRow]:
    return [judged(row, number / (len(rows) - 1)) for number, row in enumerate(rows)]

@evaluation_test(input_rows=[rows(IDS[:1])], completion_params=[ORACLE], rollout_processor_kwargs=MOCK,
                 evaluation_test_kwargs=[{"least": 1}, {"least": 9}])
def test_kwargs(row: EvaluationRow, least: int, request) -> EvaluationRow:
    assert request.node.name.startswith("test_kwargs")
    return judged(row, float(row.execution_metadata.tool_call_count >= least))

@evaluation_test(input_rows=[rows()], completion_params=[ORACLE], rollout_processor_kwargs=MOCK, split_rows=True)
def one_each(row: EvaluationRow) -> EvaluationRow:
    return row

@evaluation_test(input_rows=[rows()], completion_params=[ORACLE], rollout_processor_kwargs=MOCK)
def test_raises(row: EvaluationRow) -> EvaluationRow:
    assert row.row_id == "mock_task_complete_task", "not this one"
    return row

@evaluation_test(input_rows=[rows()], rollout_processor=NoOpRolloutProcessor())
def test_forgets(row: EvaluationRow) -> EvaluationRow:
    return row

@evaluation_test(input_rows=[rows()], rollout_processor=NoOpRolloutProcessor())
def test_returns_nothing(row: EvaluationRow) -> EvaluationRow:
    pass

@evaluation_test(input_rows=[rows()], rollout_processor=NoOpRolloutProcessor(), passed_threshold=0.7)
def test_leaves_out(row: EvaluationRow) -> EvaluationRow:
    return judged(row, 1.0, is_score_valid="create" in row.row_id)

@evaluation_test(input_rows=[rows()], rollout_processor=NoOpRolloutProcessor(), passed_threshold=0.7)
def test_errors_count(row: EvaluationRow) -> EvaluationRow:
    broken = "create" not in row.row_id
    return judged(row, 1.0, is_score_valid=not broken, error="the judge is asleep" if broken else None)

seen = []

@evaluation_test(input_rows=[rows()], num_runs=2, rollout_processor=NoOpRolloutProcessor(),
                 passed_threshold={"success": 0.4, "standard_error": 0.02})
async def test_spread(row: EvaluationRow) -> EvaluationRow:
    seen.append(row.row_id)
    return judged(row, float(seen.count(row.row_id) == 1))

@pytest.mark.parametrize("completion_params", [ORACLE, SILENT], ids=["good", "bad"])
@evaluation_test(input_rows=[rows(IDS[:1])], rollout_processor_kwargs=MOCK, passed_threshold=1.0)
def test_marked(row: EvaluationRow) -> EvaluationRow:
    return row

class TestOfAClass:
    least = 1

    @evaluation_test(input_rows=[rows(IDS[:1])], completion_params=[ORACLE], rollout_processor_kwargs=MOCK)
    def test_method(self, row: EvaluationRow) -> EvaluationRow:
        assert row.execution_metadata.tool_call_count >= self.least
        return row
"""
PASS = [
    "test_usual[oracle-rows-4]",
    "test_group[oracle+silent-rows-4]",
    "test_kwargs[oracle-mock_task_create_plain-least=1]",
    "test_kwargs[oracle-mock_task_create_plain-least=9]",
    "one_each[oracle-mock_task_create_plain]",
    "one_each[oracle-mock_task_create_with_description]",
    "one_each[oracle-mock_task_complete_task]",
    "one_each[oracle-mock_task_refuse_unknown_status]",
    "test_leaves_out[none-rows-4]",
    "test_marked[mock_task_create_plain-good]",
    "test_method[oracle-mock_task_create_plain]",
]


@pytest.fixture(scope="module")
def ran(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_pytest(forks, tmp_path_factory.mktemp("evaluations"), SOURCE)


def evaluation(ran: Ran, name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((ran.runs()[name] / "evaluation.json").read_text(encoding="utf-8"))
    return content


def test_test_ids_name_model_and_task_and_good_agents_pass(ran: Ran) -> None:
    assert [name for name, failure in ran.failures.items() if not failure] == PASS, ran.output
    assert ran.code == 1
    assert "Traceback" not in ran.output


def test_a_missed_threshold_is_explained_in_full(ran: Ran) -> None:
    text = ran.failures["test_usual[silent-rows-4]"]
    folder = ran.runs()["test_usual-silent"]
    head, runs, worst, *tasks, record = text.strip().splitlines()
    assert head.startswith("test_usual: silent: rate 0.0000 (95 % interval 0.0000 to 0.")
    assert head.endswith(") is below the threshold of 0.9")
    assert (runs, worst) == ("4 rows × 2 runs: 0 of 8 solved", "worst:")
    assert len(tasks) == 3
    assert tasks[0].startswith("  mock_task_create_plain 0.00 in 2 runs: DB: agent database: differs")
    assert record == f"record: {folder.relative_to(ran.folder)}"
    assert record in ran.output


def test_the_summary_table_lists_every_experiment(ran: Ran) -> None:
    table = ran.output.partition("tau2-gym evaluations")[2]
    for name, folder in ran.runs().items():
        if not name.startswith(("test_raises", "test_returns_nothing")):
            assert f"runs/{folder.name}" in table
    assert "1: 1.0000 2: 1.0000" in next(line for line in table.splitlines() if "test_usual  " in line)


def test_the_junit_report_has_score_and_folder(ran: Ran) -> None:
    found = ran.properties["test_usual[oracle-rows-4]"]
    assert float(found["agg_score"]) == 1.0
    assert (ran.folder / found["folder"] / "rows.jsonl").is_file()


def test_the_rows_of_a_run_are_complete(ran: Ran) -> None:
    found = lines(ran.runs()["test_usual-oracle"] / "rows.jsonl")
    assert len(found) == 8
    assert len({row["execution_metadata"]["rollout_id"] for row in found}) == 8
    assert len({row["execution_metadata"]["run_id"] for row in found}) == 2
    for row in found:
        assert row["evals"] == {"score": 1.0}
        assert row["eval_metadata"]["passed"]
        assert row["eval_metadata"]["num_runs"] == 2
        assert row["rollout_status"]["code"] == 100
        assert row["input_metadata"]["completion_params"] == {"agent": "oracle"}
        assert {"DB", "ENV_ASSERTION", "ACTION", "COMMUNICATE"} <= set(row["eval_details"]["metrics"])
        assert row["messages"][0]["role"] == "assistant"


def test_a_group_is_the_rows_of_all_models_and_is_played_once(ran: Ran) -> None:
    scores = {name: evaluation(ran, f"test_group-{name}")["agg_score"] for name in ("oracle", "silent")}
    assert scores == {"oracle": 1.0, "silent": 0.0}
    found = lines(ran.runs()["test_group-silent"] / "rows.jsonl")
    assert [row["execution_metadata"]["rollout_id"][-2:] for row in found] == ["_1"] * 4
    assert {row["input_metadata"]["completion_params"]["agent"] for row in found} == {"silent"}


def test_all_rows_of_a_run_come_together(ran: Ran) -> None:
    found = evaluation(ran, "test_all-oracle")
    assert (found["agg_score"], found["rows"], found["num_runs"]) == (0.5, 4, 2)
    assert "is below the threshold of 1" in ran.failures["test_all[oracle-rows-4]"]


def test_an_invalid_test_function_is_explained(ran: Ran) -> None:
    assert "not this one" in ran.failures["test_raises[oracle-rows-4]"]
    assert "scoring.py" not in ran.failures["test_raises[oracle-rows-4]"]
    assert f"record: {ran.runs()['test_raises-oracle'].relative_to(ran.folder)}" in ran.output
    assert "no evaluation_result in mock_task_" in ran.failures["test_forgets[none-rows-4]"]
    assert "returned None; it should return the row" in ran.failures["test_returns_nothing[none-rows-4]"]


def test_errors_never_raise_a_rate(ran: Ran) -> None:
    assert evaluation(ran, "test_leaves_out-none")["agg_score"] == 1.0
    text = ran.failures["test_errors_count[none-rows-4]"]
    assert "rate 0.5000" in text
    assert "2 without a score because of errors, which count as 0" in text


def test_a_standard_error_is_part_of_a_threshold(ran: Ran) -> None:
    assert "has a standard error of 0.2500, above 0.02" in ran.failures["test_spread[none-rows-4]"]


def test_environment_variables_override_arguments(evaluate: Evaluate, tmp_path: Path) -> None:
    source = """
@evaluation_test(input_rows=[rows()], completion_params=[ORACLE], rollout_processor_kwargs=MOCK, passed_threshold=1.0)
def test_it(row: EvaluationRow) -> EvaluationRow:
    assert row.row_id != "row-1", row.input_metadata.completion_params
    return row
"""
    dataset = tmp_path / "dataset.jsonl"
    context = {"environment_context": {"domain": "mock", "task_id": "create_plain"}}
    dataset.write_text("".join(json.dumps({"id": f"row-{number}", **context}) + "\n" for number in range(3)))
    ran = evaluate(
        source,
        EP_JSONL_PATH="dataset.jsonl",
        EP_MAX_DATASET_ROWS="1",
        EP_NUM_RUNS="3",
        EP_PASSED_THRESHOLD='{"success": 0.0}',
        EP_COMPLETION_PARAMS='{"agent": "silent"}',
        EP_INPUT_PARAMS_JSON='{"temperature": 0.5, "api_key": "sk-secret"}',
        EP_OUTPUT_DIR="elsewhere",
    )
    assert ran.failures == {"test_it[silent-dataset]": ""}, ran.output
    [rows] = tmp_path.glob("elsewhere/*/rows.jsonl")
    assert not any("sk-secret" in file.read_text() for file in rows.parent.iterdir())
    assert "sk-secret" not in ran.output
    assert [row["input_metadata"]["completion_params"] for row in lines(rows)] == [
        {"agent": "silent", "temperature": 0.5}
    ] * 3
