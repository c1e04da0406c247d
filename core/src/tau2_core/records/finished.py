"""What a run folder holds of finished episodes: records, judgements and grades, by slot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from tau2_core.errors import RunError
from tau2_core.model.episodes import EpisodeRecord, Slot, Usage
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.records.journal import EPISODES, GRADES, JUDGEMENTS, Journal


class _Place(BaseModel):
    task_id: str
    trial: int


@dataclass
class FinishedSlots:
    """What an earlier part of the run finished: records, judgements, and the grades of those that were graded.

    `spent` is what all that was played so far has used, by role, also what is to be played again.
    """

    records: dict[Slot, EpisodeRecord] = field(default_factory=dict)
    judgements: dict[Slot, Judgement] = field(default_factory=dict)
    grades: dict[Slot, Grade] = field(default_factory=dict)
    spent: dict[str, Usage] = field(default_factory=dict)

    def spend(self, role: str, usage: Usage) -> None:
        self.spent.setdefault(role, Usage.nothing()).add(usage)


def read_finished_slots(journal: Journal) -> FinishedSlots:
    """Read what a run's folder holds. Raises RunError with file and line if it is damaged."""
    found = FinishedSlots()
    for _number, record in journal.validated(EPISODES, EpisodeRecord):
        found.records[record.slot] = record
        for role, usage in record.usage.items():
            found.spend(role, usage)
    for slot, judgement in read_judgements(journal):
        found.judgements[slot] = judgement
        found.spend("judge", judgement.usage)
    for number, grade in journal.validated(GRADES, Grade):
        if grade.reward is not None and not 0 <= grade.reward <= 1:
            where = f"{journal.folder / GRADES}:{number}"
            raise RunError(f"{where}: the reward should be between 0 and 1, not {grade.reward:g}; restore the file")
        found.grades[Slot(grade.task_id, grade.trial)] = grade
    return found


def read_judgements(journal: Journal) -> Iterator[tuple[Slot, Judgement]]:
    """Yield what was said, in the order of the file; for a slot the last one counts. Raises RunError."""
    for number, line in enumerate(journal.lines(JUDGEMENTS), 1):
        place = {key: line.pop(key, None) for key in ("task_id", "trial")} if isinstance(line, dict) else {}
        slot = journal.content(JUDGEMENTS, number, _Place, place)
        yield Slot(slot.task_id, slot.trial), journal.content(JUDGEMENTS, number, Judgement, line)


def judgement_line(slot: Slot, judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as one JSON line's object."""
    return {"task_id": slot.task_id, "trial": slot.trial, **judgement.model_dump(mode="json")}
