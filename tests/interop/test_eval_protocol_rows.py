"""Rows cross over: eval-protocol's models read what we write, datasets and results, and we read what they write."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.model.episodes import Slot
from tau2_gym_eval_protocol import dataset_rows
from tau2_gym_eval_protocol.datasets import as_task
from tau2_gym_eval_protocol.episodes_as_rows import as_messages, as_record

SCRIPT = Path(__file__).with_name("eval_protocol_rows.py")
AGENT = """
from tau2_gym_eval_protocol import EvaluationRow, dataset_rows, evaluation_test

@evaluation_test(
    input_dataset=["rows.jsonl"], completion_params=[{"agent": "oracle"}], num_runs=2, max_dataset_rows=12,
    rollout_processor_kwargs={"user": "scripted"},
)
def test_agent(row: EvaluationRow) -> EvaluationRow:
    return row
"""


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("domain", ["airline", "mock", "retail", "telecom"])
def test_rows_cross_over(
    domain: str,
    gym: Callable[..., CompletedProcess[str]],
    python_with: Callable[..., Path],
    program: Callable[..., str],
    setting_of: Callable[..., Setting],
    tmp_path: Path,
) -> None:
    assert gym("export", domain, "rows.jsonl", "--to", "eval-protocol").returncode == 0
    (tmp_path / "test_agent.py").write_text(AGENT)
    program([sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "test_agent.py"], cwd=tmp_path)
    [results] = tmp_path.glob("runs/*/rows.jsonl")
    ours = lines(results)

    theirs = python_with("eval-protocol", "eval-protocol==0.3.33", "pandas")
    own = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "EP_"))}
    environment = own | {"HOME": str(tmp_path), "DISABLE_EP_SQLITE_LOG": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [str(theirs), str(SCRIPT), "rows.jsonl", str(results), "theirs.jsonl"]
    counts = json.loads(program(command, cwd=tmp_path, env=environment).splitlines()[-1])
    tasks = setting_of(domain).select()
    assert counts == [len(tasks), len(ours)]
    assert len(ours) == 24

    rows = dataset_rows(lines(tmp_path / "theirs.jsonl"))
    known = setting_of(domain).tasks()
    for row, task in zip(rows, tasks, strict=False):
        read = as_task(row.row_id, row.input_metadata.dataset_info or {}, known)
        assert read.model_dump() == task.model_dump()
    for row, line in zip(rows[len(tasks) : -1], ours, strict=True):
        back = without_nulls(row.model_dump(mode="json"))
        given = dataset_rows([line])[0]
        both = [as_record(each, domain, Slot("any", 0), "strict").messages for each in (row, given)]
        assert both[0] == both[1]  # whose result it is, which we note beside it, eval-protocol does not keep
        for key in ("input_metadata", "rollout_status", "evaluation_result", "execution_metadata"):
            assert back[key] == without_nulls(line[key]), key
    played = rows[-1]
    assert (played.score, played.rollout_status.code, played.rollout_status.is_error) == (0.5, 100, False)
    record = as_record(played, domain, Slot("any", 0), "strict")
    assert [message.role for message in record.messages] == ["user", "assistant", "tool", "assistant"]
    assert record.tool_calls == 1
    assert [message.text for message in as_messages(record.messages)] == ["Hello", "", "[]", "Goodbye"]
