"""Exporting runs and tasks into other tools' formats, and into official result files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tau2_core.adapters.tau2_bench.official_ends import without_calls_beside_done
from tau2_core.adapters.tau2_bench.results_writer import Exported, Format, simulation, write_results
from tau2_core.episode.setting import Setting
from tau2_core.episode.tool_lists import agent_tools
from tau2_core.errors import PluginError, RunError, Tau2GymError, UsageError
from tau2_core.foreign import describe_error, foreign
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade
from tau2_core.model.exports import Export, ExportedEpisode, ExportedRun
from tau2_core.model.registrations import ExporterSpec, loaded
from tau2_core.model.tasks import Task
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.reader import RecordedRun
from tau2_core.runs.digests import text_digest
from tau2_core.runs.evaluator_sets import choose_evaluators


def tasks_export(setting: Setting, *, split: str | None = None, user_model: str | None = None) -> Export:
    """Return the exporter's input for the tasks of a split. Raises UsageError if there is none."""
    tasks = setting.select(split=split)
    if not tasks:
        raise UsageError(f"{setting.domain}: there are no tasks to export")
    return _export(setting, {task.id: task for task in tasks}, user_model, None)


def run_export(run: RecordedRun, setting: Setting, user_model: str | None = None) -> Export:
    """Return the exporter's input for a run. Raises RunError if no episode of it is finished."""
    if not run.records:
        raise RunError(f"{run.folder} contains no finished episode")
    episodes = [
        ExportedEpisode(record, run.grades.get(slot), run.judgements.get(slot), run.seconds.get(slot, 0.0))
        for slot, record in run.records.items()
    ]
    return _export(setting, run.task_models(), user_model, ExportedRun(run.name, run.config, episodes))


def _export(setting: Setting, tasks: Mapping[str, Task], user_model: str | None, run: ExportedRun | None) -> Export:
    return Export(
        domain=setting.domain,
        variant=setting.variant,
        solo=setting.solo,
        policy=setting.policy_text,
        tools=agent_tools(setting),
        tasks=tasks,
        user_model=user_model,
        run=run,
        variant_options=setting.variant_options,
    )


def exported_lines(exporter: ExporterSpec, export: Export) -> list[Mapping[str, Any]]:
    """Return an exporter's lines. Raises PluginError if it fails; our own errors pass unchanged."""
    try:
        with foreign():
            return list(loaded(exporter.lines)(export))
    except Tau2GymError:
        raise
    except Exception as error:
        raise PluginError(
            f"exporter {exporter.name!r} failed: {describe_error(error)}; fix or block its plugin"
        ) from error


def write_lines(file: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines into a new file. Raises RunError if it already exists or cannot be written."""
    content = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    try:
        with file.open("xb") as target:
            target.write(content.encode("utf-8", "backslashreplace"))
    except FileExistsError as error:
        raise RunError(f"{file} already exists; remove it, or name another file") from error
    except OSError as error:
        raise RunError(f"cannot write {file}: {error.strerror}") from error


def export_tau2_bench(
    run: RecordedRun, setting: Setting, catalogue: Catalogue, target: Path, layout: Format
) -> tuple[Path, list[str]]:
    """Write a run as official result files; return the results file and warnings about it.

    Raises RunError if there is nothing to write, or a file already exists.
    """
    if not run.records:
        raise RunError(f"{run.folder} contains no finished episode")
    config = run.config
    warnings = []
    if text_digest(setting.policy_text) != config["digests"]["policy"]:
        warnings.append("the policy has changed since the run; the file contains the present one")
    about = _about(run, setting)
    tasks = run.task_models()
    order = {task_id: index for index, task_id in enumerate(tasks)}
    simulations = []
    for slot in sorted(run.records, key=lambda slot: (slot.trial, order[slot.task_id])):
        record, grade = run.records[slot], run.grades.get(slot)
        task = tasks[slot.task_id]
        official = without_calls_beside_done(record)
        if official is not None:
            record, grade = official, grade and _graded_anew(run, setting, catalogue, official, task, grade)
        simulations.append(simulation(about, record, task, grade, run.seconds.get(slot, 0.0)))
    ungraded = sum(each["reward_info"] is None for each in simulations)
    if ungraded:
        warnings.append(f"{ungraded} episodes have no reward")
    return write_results(target, layout, about, tasks.values(), simulations), warnings


def _graded_anew(
    run: RecordedRun, setting: Setting, catalogue: Catalogue, official: EpisodeRecord, task: Task, own: Grade
) -> Grade:
    grader = choose_evaluators(catalogue, own.evaluators, setting).grader(setting)
    grade = grader.grade(official, task, run.judgements.get(official.slot))
    note = f"calls beside `done` are not made officially; with them the reward was {own.reward}"
    return grade.model_copy(update={"note": "; ".join(filter(None, (grade.note, note)))})


def _about(run: RecordedRun, setting: Setting) -> Exported:
    config: dict[str, Any] = run.config
    started = datetime.fromtimestamp((run.folder / "run.json").stat().st_mtime, UTC).replace(tzinfo=None)
    guidelines = setting.dataset.user_guidelines.get(False) if setting.dataset else None
    return Exported(
        domain=config["domain"],
        variant=config["variant"],
        solo=config["solo"],
        mode=config["mode"],
        policy=setting.policy_text,
        started=started,
        trials=config["trials"],
        max_steps=config["limits"]["max_steps"],
        max_errors=config["limits"]["max_errors"],
        seed=config["seed"],
        agent=config["agent"]["name"],
        user=config["user"]["name"],
        models=config.get("models") or {},
        tool_kinds={tool.name: tool.kind for role in ("agent", "user") for tool in setting.pack.tools[role].values()},
        guidelines=guidelines,
        retrieval_options=config.get("variant_options", {}) if setting.pack.manifest.knowledge else None,
    )
