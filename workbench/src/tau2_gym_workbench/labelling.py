"""What the page of an episode asks a person who labels it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tau2_core.model.episodes import Slot
from tau2_core.records.label_questions import KEYS, WORDS, in_words, questions, requirements
from tau2_core.records.labels import LabelFile, Question

from tau2_gym_workbench.episodes import StoredEpisode
from tau2_gym_workbench.index import RunIndex


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a question: its keyboard key, its text, the form's value, and whether the annotator gave it."""

    key: str
    word: str
    value: str
    given: bool


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question on a page."""

    text: str
    requirements: Sequence[str]
    answers: Sequence[Answer]

    @property
    def answered(self) -> bool:
        """Whether the annotator has answered it."""
        return any(each.given for each in self.answers)


@dataclass(frozen=True, slots=True)
class Labelling:
    """The questions about an episode for an annotator, whose name may be ""."""

    annotator: str
    asked: Sequence[AskedQuestion]

    @property
    def open(self) -> int:
        """The number of questions without an answer."""
        return sum(not each.answered for each in self.asked)


def labelling(index: RunIndex, episode: StoredEpisode, annotator: str) -> Labelling | None:
    """Return the questions about an episode; None if nothing can be asked. Raises RunError for damaged labels."""
    task = episode.task
    asked = questions(episode.grade, task) if episode.grade is not None and task is not None else []
    if not asked or task is None:
        return None
    given = LabelFile(index.folder).given_by(annotator)
    slot = Slot(episode.task_id, episode.trial)

    def answers(question: Question) -> list[Answer]:
        return [
            Answer(key, WORDS[label], json.dumps([*question, label]), given.get((slot, question)) == label)
            for key, label in KEYS[question.about].items()
        ]

    return Labelling(
        annotator, [AskedQuestion(in_words(each), requirements(each, task), answers(each)) for each in asked]
    )
