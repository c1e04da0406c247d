"""Labelled assertions of a run as cases of a calibration set for judges."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tau2_core.adapters.chat_messages import chat_form
from tau2_core.errors import UsageError
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.messages import ToolMessage
from tau2_core.name_suggestions import did_you_mean
from tau2_core.records.labels import LabelFile, Labelled
from tau2_core.records.reader import RecordedRun

KIND = "annotated"


@dataclass(frozen=True)
class CalibrationCases:
    """The cases as objects for JSON lines, and how many labelled assertions were left out, by the reason."""

    cases: Sequence[Mapping[str, Any]]
    left_out: Mapping[str, int] = field(default_factory=dict)


def calibration_cases(run: RecordedRun, labels: LabelFile, annotator: str | None = None) -> CalibrationCases:
    """Return a case for each labelled assertion, with the label of one annotator or of the majority.

    Left out are assertions on which annotators are divided equally, conversations that end with an unanswered call,
    and all but one of the equal cases, as where two trials went alike. Raises UsageError for an unknown annotator.
    """
    people = labels.by_annotator
    if annotator is not None and annotator not in people:
        known = did_you_mean(annotator, [name for name in people if name])
        raise UsageError(f"{labels.file} has no labels by {annotator!r} ({known})")
    chosen = [people[annotator]] if annotator is not None else list(people.values())
    cases: list[Mapping[str, Any]] = []
    left_out = Counter[str]()
    seen: set[str] = set()
    for (slot, statement), met in sorted(_votes(chosen).items(), key=lambda each: (each[0][0].trial, str(each[0]))):
        record = run.records.get(slot)
        if record is None:
            left_out["their episode is not in the run"] += 1
        elif met == 0:
            left_out["annotators are divided equally"] += 1
        elif _has_open_call(record):
            left_out["the conversation ends with a call that has no result"] += 1
        else:
            content = {"messages": chat_form(record.messages), "assertion": statement}
            if (key := json.dumps(content, sort_keys=True)) in seen:
                left_out["another episode has the same conversation"] += 1
                continue
            seen.add(key)
            place = {"id": f"{run.name}/{slot}/{len(cases) + 1}", "domain": record.domain, "task": slot.task_id}
            cases.append({**place, **content, "label": met > 0, "kind": KIND})
    return CalibrationCases(cases, left_out)


def _votes(people: Sequence[Labelled]) -> Counter[tuple[Slot, str]]:
    """Return, by slot and assertion, the number of `met` labels minus that of `not met` labels."""
    votes = Counter[tuple[Slot, str]]()
    for given in people:
        for (slot, question), label in given.items():
            if question.about == "assertion":
                votes[slot, question.name] += 1 if label == "met" else -1
    return votes


def _has_open_call(record: EpisodeRecord) -> bool:
    calls = sum(len(getattr(message, "tool_calls", None) or ()) for message in record.messages)
    return calls != sum(isinstance(message, ToolMessage) for message in record.messages)
