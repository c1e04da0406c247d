"""Merging the parts of one run that were played in separate folders, such as shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tau2_core.errors import RunError, UsageError
from tau2_core.model.episodes import Slot, Termination
from tau2_core.model.runs import RunSummary
from tau2_core.records.journal import (
    CONFIGURATION,
    EPISODES,
    GRADES,
    JUDGEMENTS,
    SUMMARY,
    TASKS,
    TIMINGS,
    Journal,
)
from tau2_core.records.judge_trust import JUDGE_CALIBRATION, judge_figures
from tau2_core.records.judgement_lines import judgement_line
from tau2_core.records.reader import RecordedRun, read_run
from tau2_core.records.summary import summarise
from tau2_core.runs.grading import recorded_seconds
from tau2_core.runs.resume import deciding
from tau2_core.state.difference import path_text, value_changes


def merge_runs(folders: Sequence[Path], into: Path) -> RunSummary:
    """Write the episodes of several run folders into a new one, in the order of the slots, and summarise them.

    Slots that no part has played are missing in the new run too; `--resume` plays them. An episode with an
    infrastructure error is replaced by one of the same slot without. The duration is the sum of the parts' durations.

    Raises:
        UsageError: fewer than two folders, or one without a run.
        RunError: the parts are not of one run, two of them have different episodes of one slot, a folder is damaged, or
            the new one already exists or cannot be written.
    """
    if len({folder.resolve() for folder in folders}) < 2:
        raise UsageError("name two or more run folders to merge")
    parts = [read_run(folder) for folder in folders]
    for part in parts[1:]:
        _refuse_another_run(parts[0], part)
    owners = _owners(parts)
    journal = Journal(into)
    with journal.alone():
        _write(journal, parts, owners)
        merged = read_run(into)
        seconds = sum(recorded_seconds(Journal(part.folder, resume=True)) for part in parts)
        summary = summarise(merged.inventory(merged.evaluators), merged.name, str(into), merged.tally(), seconds)
        summary.judge = judge_figures(merged)
        journal.write(SUMMARY, summary.model_dump(mode="json"))
    return summary


def _refuse_another_run(first: RecordedRun, other: RecordedRun) -> None:
    difference = next(value_changes(deciding(first.config), deciding(other.config)), None)
    if difference is not None:
        raise RunError(
            f"{first.folder} and {other.folder} are not parts of one run: {path_text(difference.path)} is "
            f"{difference.old!r} in the first and {difference.new!r} in the second"
        )


def _owners(parts: Sequence[RecordedRun]) -> dict[Slot, RecordedRun]:
    """Return, for each played slot in order, the part whose episode counts."""
    owners: dict[Slot, RecordedRun] = {}
    for part in parts:
        for slot, record in part.records.items():
            owner = owners.get(slot)
            if owner is None or _failed(owner, slot):
                owners[slot] = part
            elif not _failed(part, slot) and owner.records[slot] != record:
                raise RunError(
                    f"{owner.folder} and {part.folder} have different episodes of task {slot.task_id!r}, trial "
                    f"{slot.trial}; leave one of the two folders out"
                )
    first = parts[0]
    slots = (Slot(task_id, trial) for trial in range(first.trials) for task_id in first.tasks)
    return {slot: owners[slot] for slot in slots if slot in owners}


def _failed(part: RecordedRun, slot: Slot) -> bool:
    return part.records[slot].termination is Termination.INFRASTRUCTURE_ERROR


def _write(journal: Journal, parts: Sequence[RecordedRun], owners: Mapping[Slot, RecordedRun]) -> None:
    """Write the files of the merged run except its summary; run.json comes last, when the others are complete."""
    journal.rewrite(TASKS, parts[0].task_contents().values())
    journal.rewrite(EPISODES, (part.records[slot].line() for slot, part in owners.items()))
    judged = {slot: part.judgements[slot] for slot, part in owners.items() if slot in part.judgements}
    if judged:
        journal.rewrite(JUDGEMENTS, (judgement_line(slot, judgement) for slot, judgement in judged.items()))
    grades = (part.grades[slot] for slot, part in owners.items() if slot in part.grades)
    journal.rewrite(GRADES, (grade.model_dump(mode="json") for grade in grades))
    timings = {part.folder: _timings(part) for part in parts}
    journal.rewrite(TIMINGS, (timings[part.folder][slot] for slot, part in owners.items() if slot in part.seconds))
    calibrated = next((part for part in parts if (part.folder / JUDGE_CALIBRATION).exists()), None)
    if calibrated is not None:
        journal.write(JUDGE_CALIBRATION, Journal(calibrated.folder, resume=True).read(JUDGE_CALIBRATION))
    journal.write(CONFIGURATION, parts[0].config)


def _timings(part: RecordedRun) -> dict[Slot, dict[str, Any]]:
    lines = Journal(part.folder, resume=True).lines(TIMINGS)
    return {Slot(line["task_id"], line["trial"]): line for line in lines}
