"""The finished episodes in a run folder: records, judgements and grades, by slot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
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
        if domain is not None:
            refuse_other_domain(journal.folder / EPISODES, number, record.domain, domain)
        found.records[record.slot] = record
        for role, usage in record.usage.items():
            found.spend(role, usage)
    for slot, judgement in read_judgements(journal):
        found.judgements[slot] = judgement
        found.spend("judge", judgement.usage)
    for number, grade in journal.validated(GRADES, Grade):
        refuse_reward(journal.folder / GRADES, number, grade.reward)
        found.grades[Slot(grade.task_id, grade.trial)] = grade
    return found


def refuse_other_domain(file: Path, number: int, domain: str, of_run: str) -> None:
    """Refuse an episode of another domain than its run's. Raises RunError."""
    if domain != of_run:
        raise RunError(f"{file}:{number}: an episode of {domain!r} in a run of {of_run!r}; restore the file")


def refuse_reward(file: Path, number: int, reward: float | None) -> None:
    """Refuse a reward outside 0 to 1. Raises RunError."""
    if reward is not None and not 0 <= reward <= 1:
        raise RunError(f"{file}:{number}: the reward should be between 0 and 1, not {reward:g}; restore the file")


def read_judgements(journal: Journal) -> Iterator[tuple[Slot, Judgement]]:
    """Yield judgements in the order of the file; the last one of a slot counts. Raises RunError."""
    for number, line in enumerate(journal.lines(JUDGEMENTS), 1):
        yield judgement_of(journal, number, line)


def judgement_of(journal: Journal, number: int, line: Any) -> tuple[Slot, Judgement]:
    """Return the slot and the judgement of a line. Raises RunError."""
    place = {key: line.pop(key, None) for key in ("task_id", "trial")} if isinstance(line, dict) else {}
    slot = journal.content(JUDGEMENTS, number, _Place, place)
    return Slot(slot.task_id, slot.trial), journal.content(JUDGEMENTS, number, Judgement, line)


def judgement_line(slot: Slot, judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as an object for one JSON line."""
    return {"task_id": slot.task_id, "trial": slot.trial, **judgement.model_dump(mode="json")}
