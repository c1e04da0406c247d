"""A run's episodes as rows: what was said and done, and what the evaluators think of it."""

from __future__ import annotations

from tau2_core.adapters.eval_protocol.dataset_rows import CUSTOMER_MODEL, as_row
from tau2_core.episode.participants import agent_tools
from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError
from tau2_core.model.tasks import Task
from tau2_core.records.reader import RecordedRun
from tau2_core.testing.datasets import dataset_rows
from tau2_core.testing.rows import EvaluationRow
from tau2_core.testing.transcripts import as_result, fill


def rows_of_run(run: RecordedRun, setting: Setting, customer_model: str | None = None) -> list[EvaluationRow]:
    """Return a row for each recorded episode, graded or not. Raises RunError if there is none."""
    if not run.records:
        raise RunError(f"{run.folder} holds no finished episode")
    model = (run.config.get("models") or {}).get("agent") or {}
    asked = {"model": model["model"], **model["args"]} if model else {"agent": run.config["agent"]["name"]}
    lines = {
        task_id: as_row(setting, Task.model_validate(content), customer_model or CUSTOMER_MODEL)
        for task_id, content in run.task_contents().items()
    }
    tools = [tool.chat_function() for tool in agent_tools(setting)]
    rows = []
    for slot, record in run.records.items():
        [row] = dataset_rows([lines[slot.task_id]])
        fill(row, record, slot, run.seconds.get(slot, 0.0))
        row.tools = tools
        row.input_metadata.completion_params = asked
        row.execution_metadata.run_id = str(slot.trial)
        row.execution_metadata.rollout_id = f"{run.name}:{slot}"
        row.execution_metadata.experiment_id = run.name
        if slot in run.grades:
            row.evaluation_result = as_result(run.grades[slot])
        rows.append(row)
    return rows
