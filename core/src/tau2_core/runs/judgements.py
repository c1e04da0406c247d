"""The judge's part in a run: when it is asked, and what it said, kept beside the episodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from tau2_core.errors import RunError
from tau2_core.evaluators.grade import Grader
from tau2_core.llm.judge import judge, probe
from tau2_core.llm.model import Line
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Judgement
from tau2_core.model.tasks import Task
from tau2_core.runs.journal import JUDGEMENTS, Journal


class _Place(BaseModel):
    task_id: str
    trial: int


async def probe_judge(line: Line | None) -> None:
    """Ask the judge something simple before anything is played. Raises RunError if it is of no use."""
    if line is not None:
        wrong = await probe(line.model_for("probe"))
        if wrong:
            wrong = line.refused() or f"the judge {line.settings.model!r} is of no use: {wrong}"
            raise RunError(f"{wrong}; nothing was done")


class Judging:
    """Asks the judge where its word counts, and keeps what it says before anything is made of it.

    `everywhere` asks also where the task's reward basis does not. What was said before (`known`) is not asked again,
    unless the judge had failed, or was another model.
    """

    def __init__(
        self,
        line: Line | None,
        grader: Grader,
        journal: Journal,
        known: dict[Slot, Judgement],
        *,
        everywhere: bool = False,
    ) -> None:
        self.line = line
        self.grader = grader
        self.journal = journal
        self.known = known
        self.everywhere = everywhere

    def asks(self, record: EpisodeRecord, task: Task) -> bool:
        """Tell whether the judge is to be asked of an episode."""
        if self.line is None or not self.grader.needs_judge(record, task, everywhere=self.everywhere):
            return False
        known = self.known.get(record.slot)
        return known is None or not stands(known, self.line)

    async def judgement(self, record: EpisodeRecord, task: Task) -> Judgement | None:
        """Return what the judge says, or said; None where it is not asked."""
        criteria = task.evaluation_criteria
        if self.line is None or not self.asks(record, task):
            return self.known.get(record.slot)
        model = self.line.model_for(str(record.slot))
        said = await judge(model, record.messages, (criteria and criteria.nl_assertions) or [])
        said.model, said.usage = self.line.settings.model, model.usage
        self.journal.append(JUDGEMENTS, judgement_line(record.slot, said))
        self.known[record.slot] = said
        return said


def stands(judgement: Judgement, line: Line | None) -> bool:
    """Tell whether a judgement need not be asked for again; what two models said is not mixed in one number."""
    return line is None or (not judgement.error and judgement.model == line.settings.model)


def read_judgements(journal: Journal) -> Iterator[tuple[Slot, Judgement]]:
    """Yield what was said, in the order of the file; for a slot the last one counts. Raises RunError."""
    for number, line in enumerate(journal.lines(JUDGEMENTS), 1):
        place = {key: line.pop(key, None) for key in ("task_id", "trial")} if isinstance(line, dict) else {}
        slot = journal.content(JUDGEMENTS, number, _Place, place)
        yield Slot(slot.task_id, slot.trial), journal.content(JUDGEMENTS, number, Judgement, line)


def judgement_line(slot: Slot, judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as one JSON line's object."""
    return {"task_id": slot.task_id, "trial": slot.trial, **judgement.model_dump(mode="json")}
