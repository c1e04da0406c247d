"""Exporting a run: read back, put into another tool's format, with the texts that only the pack has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tau2_core.adapters.tau2_bench.results_writer import Exported, Format, simulation, write_results
from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError
from tau2_core.model.tasks import Task
from tau2_core.runs.configuration import text_digest
from tau2_core.runs.recorded import RecordedRun


def export_tau2_bench(run: RecordedRun, setting: Setting, target: Path, layout: Format) -> tuple[Path, list[str]]:
    """Write a run as official result files; return the results file, and what a reader should know of it.

    Raises RunError if nothing is there to write, or something is in the way.
    """
    if not run.records:
        raise RunError(f"{run.folder} holds no finished episode")
    told = run.config
    warnings = []
    if text_digest(setting.policy_text) != told["digests"]["policy"]:
        warnings.append("the policy has changed since the run was made; the file holds the present one")
    about = _about(run, setting)
    tasks = {task_id: Task.model_validate(content) for task_id, content in run.task_contents().items()}
    order = {task_id: index for index, task_id in enumerate(tasks)}
    simulations = []
    for slot in sorted(run.records, key=lambda slot: (slot.trial, order[slot.task_id])):
        record, grade = run.records[slot], run.grades.get(slot)
        simulations.append(simulation(about, record, tasks[slot.task_id], grade, run.seconds.get(slot, 0.0)))
    ungraded = sum(each["reward_info"] is None for each in simulations)
    if ungraded:
        warnings.append(f"{ungraded} episodes have no reward")
    return write_results(target, layout, about, tasks.values(), simulations), warnings


def _about(run: RecordedRun, setting: Setting) -> Exported:
    told: dict[str, Any] = run.config
    started = datetime.fromtimestamp((run.folder / "run.json").stat().st_mtime, UTC).replace(tzinfo=None)
    guidelines = setting.dataset.user_guidelines.get(False) if setting.dataset else None
    return Exported(
        domain=told["domain"],
        variant=told["variant"],
        solo=told["solo"],
        mode=told["mode"],
        policy=setting.policy_text,
        started=started,
        trials=told["trials"],
        max_steps=told["limits"]["max_steps"],
        max_errors=told["limits"]["max_errors"],
        seed=told["seed"],
        agent=told["agent"]["name"],
        user=told["user"]["name"],
        models=told.get("models") or {},
        tool_kinds={tool.name: tool.kind for role in ("agent", "user") for tool in setting.pack.tools[role].values()},
        guidelines=guidelines,
    )
