"""`tau2-gym export --to eval-protocol`: tasks as a dataset's lines, episodes of a run as rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tau2_core.model.exports import Export, ExportedRun

from tau2_gym_eval_protocol.datasets import as_line, dataset_rows
from tau2_gym_eval_protocol.episodes_as_rows import as_result, fill
from tau2_gym_eval_protocol.rows import EvaluationRow


def lines(export: Export) -> Iterable[dict[str, Any]]:
    """Yield a dataset's line for each task, or a row for each episode of a run, graded or not."""
    if export.run is None:
        return [as_line(export, task) for task in export.tasks.values()]
    return [row.line() for row in _rows(export, export.run)]


def _rows(export: Export, run: ExportedRun) -> Iterable[EvaluationRow]:
    model = (run.configuration.get("models") or {}).get("agent") or {}
    asked = {"model": model["model"], **model["args"]} if model else {"agent": run.configuration["agent"]["name"]}
    tools = [tool.chat_function() for tool in export.tools]
    known = {task_id: as_line(export, task) for task_id, task in export.tasks.items()}
    for episode in run.episodes:
        slot = episode.record.slot
        [row] = dataset_rows([known[slot.task_id]])
        fill(row, episode.record, episode.seconds)
        row.tools = tools
        row.input_metadata.completion_params = asked
        row.execution_metadata.run_id = str(slot.trial)
        row.execution_metadata.rollout_id = f"{run.name}:{slot}"
        row.execution_metadata.experiment_id = run.name
        if episode.grade is not None:
            row.evaluation_result = as_result(episode.grade)
        yield row
