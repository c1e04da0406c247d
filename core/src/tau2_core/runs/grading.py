"""Grading a run folder again: nothing is played, missing judgements are requested, and one set grades everything."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path

from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError
from tau2_core.llm.model import RoleModel
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Judgement, Outcome
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.model.tasks import Task
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.journal import GRADES, JUDGEMENTS, SUMMARY, Journal
from tau2_core.records.reader import RecordedRun, RunFolder, read_run
from tau2_core.records.summary import summarise
from tau2_core.records.tally import Tally
from tau2_core.runs.digests import content_digests
from tau2_core.runs.evaluator_sets import choose_evaluators
from tau2_core.runs.execute import FinishedEpisode, RunResult
from tau2_core.runs.judgements import Judging, append_judgement, probe_judge
from tau2_core.runs.loading import load_setting, with_dataset_args


@dataclass(frozen=True)
class GradedRun:
    """A regraded run: `asked` episodes were judged now; for `unjudged` ones the judge failed."""

    result: RunResult
    asked: int
    unjudged: int


def setting_of(run: RunFolder, catalogue: Catalogue, dataset: Path | None = None) -> Setting:
    """Return the setting of a run; `dataset` is the present location of its dataset.

    Raises UsageError, PackError, DatasetError.
    """
    config = run.config
    return load_setting(
        catalogue,
        config["domain"],
        dataset=_dataset_of(run, dataset),
        variant=config.get("variant", ""),
        variant_options=config.get("variant_options"),
        solo=bool(config.get("solo")),
        mode=config.get("mode"),
    )


def _dataset_of(run: RunFolder, moved: Path | None) -> Path | None:
    played = run.config.get("dataset")
    return (moved or Path(played["folder"])) if played else None


def models_for(
    folder: Path, catalogue: Catalogue, models: Mapping[ModelRole, ModelSettings], dataset: Path | None = None
) -> dict[ModelRole, ModelSettings]:
    """Return models with the arguments of the runner of a run's dataset. Raises RunError."""
    played = _dataset_of(read_run(folder), dataset) if models else None
    return with_dataset_args(catalogue, [played] if played else [], models)


async def grade_run(
    folder: Path,
    catalogue: Catalogue,
    *,
    evaluators: str | None = None,
    judge: RoleModel | None = None,
    dataset: Path | None = None,
    concurrency: int = 8,
    on_judged: Callable[[], None] = lambda: None,
) -> GradedRun:
    """Grade all finished episodes of a run folder with one set (default: the one that has graded them).

    Judgements are kept as they come; grades and summary are replaced at the end, so nothing is lost if this is stopped.
    Raises RunError if another process writes there, the folder is damaged, pack or dataset have changed, or the judge
    is not usable; UsageError for an unknown set.
    """
    journal = Journal(folder, resume=True)
    with journal.alone():
        run = read_run(folder)
        setting = setting_of(run, catalogue, dataset)
        _refuse_changed(run, setting)
        name = evaluators or run.graded_by or str(run.config["evaluators"])
        grader = choose_evaluators(catalogue, name, setting).grader(setting)
        tasks = run.task_models()
        known = dict(run.judgements.items())
        if (folder / JUDGEMENTS).exists():  # complete lines, to append to
            journal.rewrite(JUDGEMENTS, journal.lines(JUDGEMENTS))
        keep = partial(append_judgement, journal)
        judging = Judging(judge, grader, keep, known, everywhere=bool(run.config.get("judge_all")))
        asked = await _ask(judging, run, tasks, concurrency, on_judged)
        finished = [
            FinishedEpisode(
                record,
                await grader.grade_aside(record, tasks[slot.task_id], known.get(slot)),
                run.seconds.get(slot, 0.0),
            )
            for slot, record in run.records.items()
        ]
        journal.rewrite(GRADES, (each.grade.model_dump(mode="json") for each in finished))
        result = _summed_up(run, list(tasks.values()), finished, list(known.values()), journal)
    unjudged = sum(each.grade.outcome is Outcome.JUDGE_ERROR for each in finished)
    return GradedRun(result, asked, unjudged)


def _refuse_changed(run: RecordedRun, setting: Setting) -> None:
    for what, digest in content_digests(setting).items():
        if run.config["digests"].get(what) != digest:
            raise RunError(
                f"{run.folder} was played with another {what}, whose files have changed since; restore them, or "
                "play it again"
            )


async def _ask(
    judging: Judging, run: RecordedRun, tasks: Mapping[str, Task], width: int, on_judged: Callable[[], None]
) -> int:
    """Request missing judgements, of `width` episodes at a time; return their number."""
    wanted = [record for record in run.records.values() if judging.asks(record, tasks[record.task_id])]
    if not wanted:
        return 0
    await probe_judge(judging.role_model)
    queue = iter(wanted)

    async def work() -> None:
        record: EpisodeRecord
        for record in queue:
            await judging.judgement(record, tasks[record.task_id])
            on_judged()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(width, len(wanted))):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return len(wanted)


def _summed_up(
    run: RecordedRun, tasks: list[Task], finished: list[FinishedEpisode], judged: list[Judgement], journal: Journal
) -> RunResult:
    inventory = run.inventory(finished[0].grade.evaluators if finished else run.config["evaluators"])
    seconds = recorded_seconds(journal)
    records, grades = [each.record for each in finished], [each.grade for each in finished]
    tally = Tally.of(inventory.tasks, inventory.trials, grades, records, judged)
    summary = summarise(inventory, run.name, str(run.folder), tally, seconds)
    journal.write(SUMMARY, summary.model_dump(mode="json"))
    return RunResult(summary, tasks, finished)


def recorded_seconds(journal: Journal) -> float:
    """Return the duration of the run, 0 if it was stopped before its summary. Raises RunError."""
    if not os.path.lexists(journal.folder / SUMMARY):
        return 0.0
    summary = journal.read(SUMMARY)
    seconds = summary.get("duration_seconds") if isinstance(summary, dict) else None
    if not isinstance(seconds, int | float) or not isfinite(seconds):
        raise RunError(f"{journal.folder / SUMMARY}: duration_seconds should be a number; remove the file, grade again")
    return float(seconds)
