"""The finished episodes in a run folder: records, judgements and grades, by slot."""

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
    """The slots that are finished in a run folder: records, judgements, and grades as far as they exist.

    `spent` is the usage of all episodes played so far, by role, including those that will be played again.
    """

    records: dict[Slot, EpisodeRecord] = field(default_factory=dict)
    judgements: dict[Slot, Judgement] = field(default_factory=dict)
    grades: dict[Slot, Grade] = field(default_factory=dict)
    spent: dict[str, Usage] = field(default_factory=dict)

    def spend(self, role: str, usage: Usage) -> None:
        self.spent.setdefault(role, Usage.nothing()).add(usage)


def read_finished_slots(journal: Journal, domain: str | None = None) -> FinishedSlots:
    """Read a run's folder. Raises RunError with file and line if it is damaged, or holds another domain's episodes."""
    found = FinishedSlots()
    for number, record in journal.validated(EPISODES, EpisodeRecord):
        if domain is not None and record.domain != domain:
            where = f"{journal.folder / EPISODES}:{number}"
            raise RunError(f"{where}: an episode of {record.domain!r} in a run of {domain!r}; restore the file")
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
    """Yield judgements in the order of the file; the last one of a slot counts. Raises RunError."""
    for number, line in enumerate(journal.lines(JUDGEMENTS), 1):
        place = {key: line.pop(key, None) for key in ("task_id", "trial")} if isinstance(line, dict) else {}
        slot = journal.content(JUDGEMENTS, number, _Place, place)
        yield Slot(slot.task_id, slot.trial), journal.content(JUDGEMENTS, number, Judgement, line)


def judgement_line(slot: Slot, judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as an object for one JSON line."""
    return {"task_id": slot.task_id, "trial": slot.trial, **judgement.model_dump(mode="json")}
