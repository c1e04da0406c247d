"""The lines of `judgements.jsonl`: a slot, and the judge's decision on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tau2_core.model.episodes import Slot
from tau2_core.model.evaluation import Judgement
from tau2_core.records.journal import content_of


class _Place(BaseModel):
    task_id: str
    trial: int


def judgement_of(file: Path, number: int, line: Any) -> Judgement:
    """Return the judgement of a line. Raises RunError."""
    place = {key: line.pop(key, None) for key in ("task_id", "trial")} if isinstance(line, dict) else {}
    content_of(file, number, _Place, place)
    return content_of(file, number, Judgement, line)


def judgement_line(slot: Slot, judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as an object for one JSON line."""
    said = judgement.model_dump(mode="json", exclude=None if judgement.votes else {"votes"})
    return {"task_id": slot.task_id, "trial": slot.trial, **said}
