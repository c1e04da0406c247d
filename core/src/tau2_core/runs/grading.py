"""Grading a run folder again: nothing is played, missing judgements are requested, and one set grades everything."""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import isfinite
from pathlib import Path

from tau2_core.errors import RunError
from tau2_core.llm.model import RoleModel
from tau2_core.llm.panel import Panel
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade, Judgement, Outcome
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.model.tasks import Task
from tau2_core.model.user_review import ModelReview
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.customer_reviews import read_reviews, with_review
from tau2_core.records.decoding import own_decoder
from tau2_core.records.episode_lines import find_judgements
from tau2_core.records.figures import EpisodeEnd, GradeFigures, JudgementFigures
from tau2_core.records.journal import GRADES, SUMMARY, Journal, encoded_line
from tau2_core.records.judge_calibration import JudgeCalibration
from tau2_core.records.judge_trust import JUDGE_CALIBRATION, judge_figures, judge_trust, refuse_other_judge
from tau2_core.records.reader import RecordedRun, read_run
from tau2_core.records.slot_lines import SlotLines, SlotNumbers
from tau2_core.records.summary import summarise
from tau2_core.records.tally import Tally
from tau2_core.redaction import environment_redactor
from tau2_core.runs.concurrency import for_each
from tau2_core.runs.customer_reviews import CustomerReviewing
from tau2_core.runs.execute import RunResult
from tau2_core.runs.executors.computation import compute
from tau2_core.runs.executors.launching import ChosenExecutor, chosen_executor
from tau2_core.runs.grading_work import GradingOfRun, RecordToGrade, dataset_of
from tau2_core.runs.judgements import Judging, append_judgement, probe_judges
from tau2_core.runs.loading import with_dataset_args


@dataclass(frozen=True)
class GradedRun:
    """A regraded run: `asked` episodes were judged now; for `unjudged` ones the judge failed.

    `reviews_asked` customers were reviewed by a model now; `unreviewed` is the number of all that could not be.
    """

    result: RunResult
    asked: int
    unjudged: int
    reviews_asked: int = 0
    unreviewed: int = 0


def models_for(
    folder: Path, catalogue: Catalogue, models: Mapping[ModelRole, ModelSettings], dataset: Path | None = None
) -> dict[ModelRole, ModelSettings]:
    """Return models with the arguments of the runner of a run's dataset. Raises RunError."""
    played = dataset_of(read_run(folder).config, dataset) if models else None
    return with_dataset_args(catalogue, [played] if played else [], models)


async def grade_run(
    folder: Path,
    catalogue: Catalogue,
    *,
    packs: Sequence[Path] = (),
    blocked: Sequence[str] = (),
    evaluators: str | None = None,
    judge: Panel | None = None,
    calibration: JudgeCalibration | None = None,
    reviewer: RoleModel | None = None,
    dataset: Path | None = None,
    concurrency: int = 8,
    executor: ChosenExecutor | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> GradedRun:
    """Grade all finished episodes of a run folder with one set (default: the one that has graded them).

    Judgements are kept as they arrive; grades and summary are replaced at the end, so nothing is lost if this is
    stopped. The judge is asked by this process. Grading is done by the workers of the `executor`, by default by this
    process; workers open a catalogue with these `packs` and without `blocked` plugins. `on_done` is called for each
    episode that is judged, reviewed or graded. `calibration` is that of the judge; the folder keeps it. `reviewer` is a
    model that reviews the customers that it has not reviewed yet. Raises RunError if
    another process is writing there, the folder is damaged, pack or dataset have changed, or the judge is not usable;
    UsageError for an unknown set, or for the calibration of another judge.
    """
    journal = Journal(folder, resume=True)
    with journal.alone():
        run = read_run(folder)
        if calibration is not None and judge is not None:
            refuse_other_judge(calibration, judge.identity)
        elif calibration is not None:
            judge_trust(run, calibration)  # refuses a calibration of another judge
        tasks = run.task_models()
        work = GradingOfRun(
            folder=folder,
            config=run.config,
            tasks=tasks,
            evaluators=evaluators or run.graded_by or str(run.config["evaluators"]),
            dataset=dataset,
            packs=tuple(packs),
            blocked=tuple(blocked),
        )
        grader = work.load(catalogue)
        asked, judgements = 0, run.judgements
        if judge is not None:
            judgements.remove_others()  # complete lines, to append to
            known: ChainMap[Slot, Judgement] = ChainMap({}, judgements)  # type: ignore[arg-type]
            keep = partial(append_judgement, journal)
            everywhere = bool(run.config.get("judge_all"))
            judging = Judging(judge, grader, keep, known, everywhere=everywhere)
            asked = await _ask(judging, run, tasks, concurrency, on_done)
            judgements = find_judgements(journal, SlotNumbers(run.tasks, run.trials), run.records)
        reviews, reviewed = read_reviews(folder), 0
        if reviewer is not None:
            reviewing = CustomerReviewing(reviewer, grader.setting, run.config, journal, reviews)
            reviewed = await reviewing.review_all(iter(run.records.values()), tasks, concurrency, on_done)
        if calibration is not None:
            journal.write(JUDGE_CALIBRATION, calibration.model_dump(mode="json"))
        chosen = executor or chosen_executor(catalogue)
        result = await _grade(run, judgements, reviews, journal, work, chosen, on_done)
    unjudged = result.summary.outcomes.get(Outcome.JUDGE_ERROR, 0)
    return GradedRun(result, asked, unjudged, reviewed, sum(bool(each.error) for each in reviews.values()))


async def _ask(
    judging: Judging, run: RecordedRun, tasks: Mapping[str, Task], width: int, on_judged: Callable[[], None]
) -> int:
    """Request missing judgements, of `width` episodes at a time; return their number."""
    wanted = (record for record in run.records.values() if judging.asks(record, tasks[record.task_id]))
    first = next(wanted, None)
    if first is None:
        return 0
    await probe_judges(judging.panel)

    async def judge(record: EpisodeRecord) -> None:
        await judging.judgement(record, tasks[record.task_id])
        on_judged()

    return await for_each(chain([first], wanted), width, judge)


async def _grade(
    run: RecordedRun,
    judgements: SlotLines[Judgement],
    reviews: Mapping[Slot, ModelReview],
    journal: Journal,
    work: GradingOfRun,
    executor: ChosenExecutor,
    on_graded: Callable[[], None],
) -> RunResult:
    """Grade the records line by line, and sum up."""
    tally = Tally(run.tasks, run.trials)
    figures, sets = own_decoder(GradeFigures), set()

    def given() -> Iterator[bytes]:
        for slot, line in zip(run.records, run.records.lines(), strict=True):
            each = RecordToGrade(line.number, line.content)
            if slot in judgements:
                judged = judgements.line(slot)
                each.judgement_number, each.judgement = judged.number, judged.content
            yield each.encoded()

    with journal.replacing(GRADES) as write:

        def take(line: bytes) -> None:
            grade = figures(line)
            if grade.slot in reviews:
                merged = with_review(Grade.model_validate_json(line), reviews[grade.slot])
                line = encoded_line(merged.model_dump(mode="json"), environment_redactor())
                grade = figures(line)
            write(line)
            sets.add(grade.evaluators)
            tally.add_figures(grade)
            if tally.lacks_failure(grade):
                tally.note_failure(Grade.model_validate_json(line))
            on_graded()

        await compute(executor, work, given(), take)
    for record in run.records.figures(EpisodeEnd):
        tally.add_record(record)
    for judgement in judgements.figures(JudgementFigures):
        tally.add_judgement(judgement)
    for review in reviews.values():
        tally.add_review(review.usage)
    inventory = run.inventory(next(iter(sets), str(run.config["evaluators"])))
    summary = summarise(inventory, run.name, str(run.folder), tally, recorded_seconds(journal))
    if "judge" in summary.usage:
        summary.judge = judge_figures(read_run(run.folder))
    journal.write(SUMMARY, summary.model_dump(mode="json"))
    return RunResult(summary, summary.finished, tally.unchecked)


def recorded_seconds(journal: Journal) -> float:
    """Return the duration of the run, 0 if it was stopped before its summary. Raises RunError."""
    if not os.path.lexists(journal.folder / SUMMARY):
        return 0.0
    summary = journal.read(SUMMARY)
    seconds = summary.get("duration_seconds") if isinstance(summary, dict) else None
    if not isinstance(seconds, int | float) or not isfinite(seconds):
        raise RunError(f"{journal.folder / SUMMARY}: duration_seconds should be a number; remove the file, grade again")
    return float(seconds)
