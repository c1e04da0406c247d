"""Labelling episodes at the terminal: what is shown, and what the keys do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tau2_core.cli.episode_view import show_calls, show_conversation, show_verdicts
from tau2_core.cli.safe_text import safe, safe_lines
from tau2_core.records.label_questions import KEYS, WORDS, in_words, questions, requirements
from tau2_core.records.labels import About, Label, LabelFile, LabelValue, Question

if TYPE_CHECKING:
    from rich.console import Console

    from tau2_core.model.episodes import Slot
    from tau2_core.model.tasks import Task
    from tau2_core.records.reader import RecordedRun

LONGEST_RESULT = 500  # characters of a tool's result, until the whole conversation is asked for
OTHER_KEYS = {"s": "skip", "b": "back", "w": "whole", "q": "quit"}


@dataclass(frozen=True)
class AnnotationOptions:
    """How a person labels: the name, whether times are kept, what is asked, and whether verdicts are shown."""

    annotator: str | None
    dated: bool
    wanted: Sequence[About]
    show_verdicts: bool


@dataclass
class Annotation:
    """The questions about a run's episodes in order, and the person's progress through them."""

    run: RecordedRun
    labels: LabelFile
    how: AnnotationOptions
    screen: Console
    slots: Sequence[Slot]
    stored: int = 0
    _tasks: dict[str, Task] = field(init=False)
    _asked: list[tuple[Slot, Question]] = field(init=False)

    def __post_init__(self) -> None:
        self._tasks = self.run.task_models()
        self._asked = [(slot, each) for slot in self.slots for each in self._questions(slot)]

    def _questions(self, slot: Slot) -> list[Question]:
        return questions(self.run.grades[slot], self._tasks[slot.task_id], self.how.wanted)

    @property
    def open(self) -> int:
        """The number of questions that this annotator has not answered."""
        given = self.labels.given_by(self.how.annotator)
        return sum(each not in given for each in self._asked)

    @property
    def total(self) -> int:
        """The number of questions."""
        return len(self._asked)

    def ask_all(self, read_key: Callable[[], str]) -> None:
        """Ask the open questions, until all are asked or the person leaves. Labels are stored one by one."""
        place = self._next_open(0)
        shown: Slot | None = None
        while place is not None:
            slot, question = self._asked[place]
            if slot != shown:
                self._show(slot)
                shown = slot
            key = self._key_for(slot, question, read_key)
            if key in KEYS[question.about]:
                self._store(slot, question, KEYS[question.about][key])
                place = self._next_open(place + 1)
            elif key == "s":
                place = self._next_open(place + 1)
            elif key == "b":
                place = max(0, place - 1)
            elif key == "w":
                self._show(slot, longest=None)
            else:
                return

    def _next_open(self, start: int) -> int | None:
        given = self.labels.given_by(self.how.annotator)
        return next((place for place in range(start, self.total) if self._asked[place] not in given), None)

    def _key_for(self, slot: Slot, question: Question, read_key: Callable[[], str]) -> str:
        """Return a key that has a meaning; "q" at the end of the input."""
        answers = KEYS[question.about]
        before = self.labels.given_by(self.how.annotator).get((slot, question))
        self.screen.print(f"\n[bold]{safe_lines(in_words(question))}[/bold]")
        for each in requirements(question, self._tasks[slot.task_id]):
            self.screen.print(f"  required: {safe(each)}")
        if before is not None:
            self.screen.print(f"  [dim]labelled {WORDS[before]}[/dim]")
        keys = {**{key: WORDS[value] for key, value in answers.items()}, **OTHER_KEYS}
        offered = "  ".join(f"\\[{key}] {text}" for key, text in keys.items())
        self.screen.print(f"{offered} >", end=" ", soft_wrap=True)
        self.screen.file.flush()
        while (key := read_key().lower() or "q") not in keys:
            pass
        self.screen.print(keys[key])
        return key

    def _store(self, slot: Slot, question: Question, value: LabelValue) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds") if self.how.dated else None
        self.labels.add(
            Label(
                task_id=slot.task_id,
                trial=slot.trial,
                about=question.about,
                name=question.name,
                label=value,
                annotator=self.how.annotator,
                at=at,
            )
        )
        self.stored += 1

    def _show(self, slot: Slot, *, longest: int | None = LONGEST_RESULT) -> None:
        record, task, screen = self.run.records[slot], self._tasks[slot.task_id], self.screen
        number = list(self.slots).index(slot) + 1
        screen.rule(f"{safe(slot)} · {number} of {len(self.slots)}")
        screen.print("[bold]What the customer is told[/bold]")
        screen.print(safe_lines(task.user_scenario.text().expandtabs(2)))
        screen.print("\n[bold]Conversation[/bold]")
        show_conversation(record.messages, screen, longest=longest)
        ended = f"ended by {record.termination.value}" + (f": {record.error}" if record.error else "")
        screen.print(f"[dim]{safe(ended)}[/dim]")
        screen.print("\n[bold]Calls[/bold]")
        show_calls(record, task, screen, signs=self.how.show_verdicts)
        if self.how.show_verdicts:
            screen.print("\n[bold]Verdicts[/bold]")
            show_verdicts(self.run.grades[slot], screen)


def graded_slots(run: RecordedRun) -> Iterator[Slot]:
    """Yield the graded slots, trial by trial, in the order of the tasks."""
    for trial in range(run.trials):
        for task_id in run.tasks:
            slot = run.slots(task_id)[trial]
            if slot in run.grades:
                yield slot
