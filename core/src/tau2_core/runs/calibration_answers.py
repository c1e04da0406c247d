"""The answers of a judge that is being calibrated, kept line by line, so that an interrupted calibration continues."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tau2_core.errors import RunError
from tau2_core.llm.panel import Panel
from tau2_core.model.episodes import Usage
from tau2_core.validation_errors import first_wrong_part


class JudgeAnswer(BaseModel):
    """The answer to one question: decisions and reasons for `cases` in their order, or the error instead."""

    model_config = ConfigDict(extra="forbid")

    asked_as: str
    cases: list[str]
    met: list[bool]
    reasons: list[str]
    error: str
    usage: Usage

    @property
    def key(self) -> tuple[str, ...]:
        """The identity of its question within the set."""
        return (self.asked_as, *self.cases)


class AnswersFile:
    """A file of JSON lines beside the calibration: the judge and the set, then one answer per line.

    `known` are the answers by question. Unusable ones in the file are not among them, so they are asked for again.
    """

    def __init__(self, file: Path, panel: Panel, set_digest: str) -> None:
        """Open a new file, or one with answers of this judge to this set. Raises RunError for any other file."""
        self.file = file
        self.known: dict[tuple[str, ...], JudgeAnswer] = {}
        about = {"judge": panel.identity.digest, "name": str(panel.identity), "set": set_digest}
        if file.exists() and file.stat().st_size:
            self._read(about)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(about) + "\n", encoding="utf-8")

    def keep(self, answer: JudgeAnswer) -> None:
        """Append an answer."""
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(answer.model_dump_json() + "\n")
        self.known[answer.key] = answer

    def _read(self, about: dict[str, str]) -> None:
        lines = self.file.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        try:
            found = json.loads(whole[0]) if whole else None
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.keys() != about.keys():
            raise RunError(f"{self.file} holds no answers of a judge; name another file with --out")
        for what, name in (("judge", "another judge"), ("set", "another set of cases")):
            if found[what] != about[what]:
                who = f" ({found['name']})" if what == "judge" else ""
                raise RunError(f"{self.file} has answers of {name}{who}; remove it, or name another file with --out")
        for number, line in enumerate(whole[1:], 2):
            try:
                answer = JudgeAnswer.model_validate_json(line)
            except ValidationError as error:
                wrong = first_wrong_part(error)
                raise RunError(f"{self.file}:{number}: not an answer: {wrong}; remove the line") from error
            if not answer.error:
                self.known[answer.key] = answer
        if len(whole) < len(lines):  # the last line was cut off
            self.file.write_bytes(b"".join(whole))
