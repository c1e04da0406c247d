"""Going on with a run that was stopped: what is finished stays, what is missing is played."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from tau2_core.errors import RunError
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.evaluation import Grade
from tau2_core.runs.journal import Journal
from tau2_core.runs.plan import Plan
from tau2_core.state.difference import compare, path_text


@dataclass
class Resumed:
    """What an earlier part of the run finished: records, and the grades of those that were graded."""

    records: dict[Slot, EpisodeRecord] = field(default_factory=dict)
    grades: dict[Slot, Grade] = field(default_factory=dict)


def resume_run(journal: Journal, config: dict[str, Any], plan: Plan) -> Resumed:
    """Read what is finished, and leave files of whole lines, one a slot.

    Episodes that failed by infrastructure are dropped, to be played again. Raises RunError if the run was another one:
    any difference in configuration or content that could change a result.
    """
    recorded = journal.read("run.json")
    difference = next(compare(recorded, config), None)
    if difference is not None:
        where = path_text(difference.path)
        raise RunError(
            f"--resume: {journal.folder} was another run: {where} was {difference.old!r}, now {difference.new!r}; "
            "run it as before, or start a new one with another --name"
        )
    slots = set(plan.slots())
    resumed = Resumed()
    try:
        for line in journal.lines("episodes.jsonl"):
            record = EpisodeRecord.model_validate(line)
            if record.slot in slots and record.termination is not Termination.INFRASTRUCTURE_ERROR:
                resumed.records[record.slot] = record
        for line in journal.lines("grades.jsonl"):
            grade = Grade.model_validate(line)
            slot = Slot(grade.task_id, grade.trial)
            if slot in resumed.records:
                resumed.grades[slot] = grade
    except ValidationError as error:
        raise RunError(f"--resume: {journal.folder} holds a line that is none of ours: {error}") from error
    journal.rewrite("episodes.jsonl", (record.line() for record in resumed.records.values()))
    journal.rewrite("grades.jsonl", (grade.model_dump(mode="json") for grade in resumed.grades.values()))
    journal.rewrite("timings.jsonl", journal.lines("timings.jsonl"))
    return resumed
