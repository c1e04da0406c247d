"""People's labels of recorded episodes: the lines of `labels.jsonl`, beside the run's own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, model_validator

from tau2_core.errors import RunError
from tau2_core.model.episodes import Slot
from tau2_core.records.journal import Journal

LABELS = "labels.jsonl"

About = Literal["criterion", "assertion", "customer_fault"]
LabelValue = Literal["met", "unmet", "none", "minor", "decisive"]
ABOUTS: Sequence[About] = get_args(About)
VALUES: Mapping[About, Sequence[LabelValue]] = {
    "criterion": ("met", "unmet"),
    "assertion": ("met", "unmet"),
    "customer_fault": ("none", "minor", "decisive"),
}


class Question(NamedTuple):
    """A question about an episode. `name` is the criterion or the assertion, "" for the customer."""

    about: About
    name: str


class Label(BaseModel):
    """A person's answer to one question about one episode. `annotator` and `at` (ISO 8601) may be left out."""

    model_config = ConfigDict(extra="forbid")

    task_id: str
    trial: int
    about: About
    name: str = ""
    label: LabelValue
    annotator: str | None = None
    at: str | None = None

    @model_validator(mode="after")
    def _answers_its_question(self) -> Label:
        if self.label not in VALUES[self.about]:
            raise ValueError(f"a label of a {self.about} is one of {', '.join(VALUES[self.about])}, not {self.label}")
        return self

    @property
    def slot(self) -> Slot:
        return Slot(self.task_id, self.trial)

    @property
    def question(self) -> Question:
        return Question(self.about, self.name)


Labelled = Mapping[tuple[Slot, Question], LabelValue]


class LabelFile:
    """The labels of a run folder. A later label replaces an earlier one of the same annotator on the same question."""

    def __init__(self, folder: Path) -> None:
        self._journal = Journal(folder, resume=True)
        self._labels: dict[str, dict[tuple[Slot, Question], LabelValue]] = {}
        self._whole = False
        for _, label in self._journal.validated(LABELS, Label):
            self._take(label)

    def __len__(self) -> int:
        return sum(map(len, self._labels.values()))

    @property
    def file(self) -> Path:
        return self._journal.folder / LABELS

    @property
    def by_annotator(self) -> Mapping[str, Labelled]:
        """The labels of each annotator by slot and question; "" is whoever left the name out."""
        return self._labels

    def given_by(self, annotator: str | None) -> Labelled:
        """Return the labels of one annotator."""
        return self._labels.get(annotator or "", {})

    def add(self, label: Label) -> None:
        """Append a label. Raises RunError if the file cannot be written."""
        if not self._whole:
            self._remove_unfinished_line()
            self._whole = True
        self._journal.append(LABELS, label.model_dump(exclude_none=True))
        self._take(label)

    def _take(self, label: Label) -> None:
        self._labels.setdefault(label.annotator or "", {})[label.slot, label.question] = label.label

    def _remove_unfinished_line(self) -> None:
        """Remove what a crash of the machine may have left at the end; a new line would be appended to it."""
        try:
            content = self.file.read_bytes() if self.file.exists() else b""
        except OSError as error:
            raise RunError(f"cannot read {self.file}: {error.strerror}") from error
        if content and not content.endswith(b"\n"):
            self._journal.truncate(LABELS, content.rfind(b"\n") + 1)
