"""Calibration sets of judges: JSON lines of conversations with a statement about each, labelled true or false."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tau2_core.adapters.json_lines import UNREADABLE, numbered_lines
from tau2_core.adapters.transcripts import ChatMessage, in_order
from tau2_core.errors import DatasetError
from tau2_core.model.messages import Message
from tau2_core.validation_errors import first_wrong_part

#: How a statement was made. `annotated`: a person labelled a statement of a task, as `tau2-gym annotate` stores it.
Kind = Literal["true", "minimally_false", "paraphrased", "negated", "irrelevant", "injected", "annotated"]
KINDS: Sequence[Kind] = get_args(Kind)


class CalibrationCase(BaseModel):
    """One line of a calibration set: a statement about a conversation, and whether it holds.

    Attributes:
        id: names the case; no two cases of a set share it.
        domain: the domain of the conversation.
        task: the task that was played, if it is one of the domain's.
        messages: the conversation as chat-completions messages, the form that `tau2-gym grade FILE.jsonl` reads.
        assertion: the statement.
        label: whether the statement holds.
        kind: how the statement was made.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(min_length=1)
    domain: str = Field(min_length=1)
    task: str | None = None
    messages: list[dict[str, Any]] = Field(min_length=1)
    assertion: str
    label: bool
    kind: Kind

    @field_validator("assertion")
    @classmethod
    def _says_something(cls, assertion: str) -> str:
        if not assertion.strip():
            raise ValueError("the assertion is empty")
        return assertion

    @cached_property
    def conversation(self) -> tuple[Message, ...]:
        """The messages in the form of records. Raises ValueError if calls and results do not pair."""
        chat = [ChatMessage.model_validate(message) for message in self.messages]
        return tuple(in_order([message.model_dump() for message in chat]))

    @cached_property
    def conversation_key(self) -> str:
        """A digest of domain and messages, equal for cases about one conversation."""
        content = json.dumps([self.domain, self.messages], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class CalibrationSet:
    """The cases of one or more files, in their order, and a place (file:line) for each case by id."""

    cases: Sequence[CalibrationCase]
    places: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """A digest of all cases, in their order."""
        text = "\n".join(json.dumps(case.model_dump(mode="json"), sort_keys=True) for case in self.cases)
        return hashlib.sha256(text.encode()).hexdigest()


def read_calibration_set(files: Iterable[Path]) -> CalibrationSet:
    """Read files of cases (.jsonl or .jsonl.gz).

    Raises DatasetError with file and line: a line that is no case, an id that occurs twice, a statement about one
    conversation that has two labels or occurs twice, or a file without cases.
    """
    cases: list[CalibrationCase] = []
    places: dict[str, str] = {}
    labelled: dict[tuple[str, str], CalibrationCase] = {}
    for file in files:
        before = len(cases)
        for place, case in _cases(file):
            if case.id in places:
                raise DatasetError(
                    f"{place}: the id {case.id!r} is already used in {places[case.id]}; give each case its own"
                )
            about = (case.conversation_key, " ".join(case.assertion.split()))
            other = labelled.setdefault(about, case)
            if other is not case:
                where = f"{place}: case {case.id!r} has the conversation and the assertion of {other.id!r}"
                wrong = "but another label" if other.label != case.label else "and would count twice"
                raise DatasetError(f"{where} ({places[other.id]}), {wrong}; remove one of them")
            places[case.id] = place
            cases.append(case)
        if len(cases) == before:
            raise DatasetError(f"{file}: contains no case; write one JSON object on each line")
    return CalibrationSet(cases, places)


def _cases(file: Path) -> Iterable[tuple[str, CalibrationCase]]:
    try:
        for number, text in numbered_lines(file):
            yield f"{file}:{number}", _case(f"{file}:{number}", text)
    except UNREADABLE as error:
        raise DatasetError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _case(place: str, text: str) -> CalibrationCase:
    try:
        case = CalibrationCase.model_validate(json.loads(text))
        _ = case.conversation
    except ValidationError as error:
        raise DatasetError(f"{place}: not a calibration case: {first_wrong_part(error)}") from error
    except RecursionError as error:
        raise DatasetError(f"{place}: not JSON: it is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise DatasetError(f"{place}: not JSON: {error}") from error
    except ValueError as error:
        raise DatasetError(f"{place}: {error}") from error
    return case
