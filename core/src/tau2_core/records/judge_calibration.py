"""The stored calibration of a judge: how often it was right about statements that people have labelled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tau2_core.errors import UsageError
from tau2_core.model.episodes import Usage
from tau2_core.model.judges import JudgeIdentity
from tau2_core.records.statistics import Estimate
from tau2_core.validation_errors import first_wrong_part


class CountedRate(BaseModel):
    """A rate as `count` out of `of`, with its interval; `rate` is None if nothing counts."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(ge=0)
    of: int = Field(ge=0)
    rate: Estimate | None


class Part(BaseModel):
    """The figures of a part of the cases: `right` ones, and those with an `unreadable` answer, which are not right."""

    model_config = ConfigDict(extra="forbid")

    right: CountedRate
    unreadable: int


class LengthPart(Part):
    """The cases whose transcripts have a length in this range of characters, both ends included."""

    shortest: int
    longest: int


class WrongCase(BaseModel):
    """A case that the judge decided wrongly, with the judge's reason."""

    model_config = ConfigDict(extra="forbid")

    id: str
    kind: str
    label: bool
    reason: str


class JudgeCalibration(BaseModel):
    """The result of `tau2-gym calibrate-judge` for a judge.

    Attributes:
        judge: the judge's models, their rule, and a digest of the prompt.
        set_digest: a digest of the cases.
        files: the names of the files with the cases.
        cases: how many cases there are.
        unreadable: the cases without a usable answer; they are not right, and in neither of the two error rates.
        unreadable_answers: reasons why answers could not be used, with the number of cases.
        accuracy: the cases decided as they are labelled, among all.
        false_pass: the statements that do not hold and were passed, among those that do not hold and were decided.
        false_fail: the statements that hold and were failed, among those that hold and were decided.
        kinds: by kind of case.
        domains: by domain.
        lengths: by length of the transcript, from short to long.
        repeats: how often each case was asked in the same form.
        repeat_agreement: the cases that were decided alike each time; None if asked once.
        order_agreement: the cases that were decided alike among the same statements in reverse; None if each is alone.
        wrong: the cases that were decided wrongly.
        usage: the usage of all requests.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    judge: JudgeIdentity
    set_digest: str
    files: list[str]
    cases: int
    unreadable: int
    unreadable_answers: dict[str, int]
    accuracy: CountedRate
    false_pass: CountedRate
    false_fail: CountedRate
    kinds: dict[str, Part]
    domains: dict[str, Part]
    lengths: list[LengthPart]
    repeats: int
    repeat_agreement: CountedRate | None
    order_agreement: CountedRate | None
    wrong: list[WrongCase]
    usage: Usage


def read_calibration(file: Path) -> JudgeCalibration:
    """Read a file that `tau2-gym calibrate-judge` has written. Raises UsageError."""
    try:
        return JudgeCalibration.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}; `tau2-gym calibrate-judge` writes it") from error
    except ValidationError as error:
        wrong = first_wrong_part(error)
        raise UsageError(f"{file} is no calibration of a judge: {wrong}; write it with calibrate-judge") from error


def calibration_text(calibration: JudgeCalibration) -> str:
    """Return the content of such a file."""
    return json.dumps(calibration.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
