"""Resuming a run that was stopped: finished episodes are kept, missing ones are played."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from tau2_core.errors import RunError
from tau2_core.llm.panel import Panel
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination, Usage
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.llm import ModelSettings
from tau2_core.records.episode_lines import find_grades, find_judgements, find_records, find_timings
from tau2_core.records.figures import EpisodeEnd, EpisodePlace, GradeFigures, GradePlace, JudgementFigures
from tau2_core.records.journal import CONFIGURATION, Journal
from tau2_core.records.slot_lines import SlotLines, SlotNumbers
from tau2_core.records.tally import Tally
from tau2_core.runs.plan import Plan
from tau2_core.state.difference import path_text, value_changes


@dataclass(frozen=True)
class TakenOver:
    """The content of a run's folder before the run begins: records, judgements and grades.

    `spent` is the usage by role of all episodes played so far, including those that will be played again.
    """

    slots: SlotNumbers
    records: SlotLines[EpisodeRecord]
    judgements: SlotLines[Judgement]
    grades: SlotLines[Grade]
    spent: dict[str, Usage] = field(default_factory=dict)

    def count(self, tally: Tally) -> None:
        """Add the graded episodes to a tally."""
        for grade in self.grades.figures(GradeFigures):
            tally.add_figures(grade)
            if tally.lacks_failure(grade):
                tally.note_failure(self.grades[grade.slot])
        for record in self.records.figures(EpisodeEnd):
            if record.slot in self.grades:
                tally.add_record(record)


def nothing_yet(journal: Journal, plan: Plan) -> TakenOver:
    """Return the empty content of a new run folder."""
    return _found(journal, plan, SlotNumbers([], 0))


def resume_run(journal: Journal, config: dict[str, Any], plan: Plan) -> TakenOver:
    """Find the finished slots, and leave only their lines in the files, one per slot.

    Episodes with an infrastructure error are removed, to be played again. Raises RunError if the run was configured
    differently, which includes any difference in options, plugins or content that could affect a result.
    """
    try:
        difference = next(value_changes(deciding(journal.read(CONFIGURATION)), deciding(config)), None)
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{journal.folder / CONFIGURATION} has the wrong form: {error}; start a new run") from error
    if difference is not None:
        where = path_text(difference.path)
        raise RunError(
            f"--resume: {journal.folder} holds another run: {where} was {difference.old!r} and is now "
            f"{difference.new!r}; restore it, or start a new run with another --name"
        )
    found = _found(journal, plan, SlotNumbers([task.id for task in plan.tasks], plan.trials))
    for lines in (found.records, found.judgements, found.grades):
        lines.remove_others()
    find_timings(journal, found.slots, found.grades).remove_others()
    return found


def _found(journal: Journal, plan: Plan, slots: SlotNumbers) -> TakenOver:
    spent: dict[str, Usage] = {}

    def spend(role: str, usage: Usage) -> None:
        spent.setdefault(role, Usage.nothing()).add(usage)

    def is_result(record: EpisodePlace) -> bool:
        for role, usage in record.usage.items():
            spend(role, usage)
        return record.termination != Termination.INFRASTRUCTURE_ERROR

    def is_decided(judgement: JudgementFigures) -> bool:
        spend("judge", judgement.usage)
        return True

    records = find_records(journal, slots, plan.setting.domain, keep=is_result)
    judgements = find_judgements(journal, slots, records, keep=is_decided)
    stale = set(_judged_by_another(judgements, plan.participants.panel))

    def counts(grade: GradePlace) -> bool:  # `tau2-gym grade` may have used another set
        return grade.evaluators == plan.evaluators and grade.slot not in stale

    return TakenOver(slots, records, judgements, find_grades(journal, slots, records, keep=counts), spent)


def _judged_by_another(judgements: SlotLines[Judgement], panel: Panel | None) -> list[Slot]:
    """Return the slots that were judged by another model than the run's judge."""
    if panel is None:
        return []
    name = panel.name
    return [each.slot for each in judgements.figures(JudgementFigures) if not each.error and each.model != name]


def deciding(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without parts that do not affect results, such as addresses and timeouts of models."""
    models = {
        role: {
            **{name: value for name, value in model.items() if name not in ("from_dataset", "replayed")},
            "args": ModelSettings(model=model["model"], args=model["args"]).deciding_args(),
        }
        for role, model in config.get("models", {}).items()
    }
    return {**config, "models": models}
