"""The positions of each slot's record, judgement, grade and duration in a run folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tau2_core.errors import RunError
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.records.decoding import line_decoder
from tau2_core.records.figures import EpisodePlace, GradePlace, JudgementFigures, TimingFigures
from tau2_core.records.journal import EPISODES, GRADES, JUDGEMENTS, TIMINGS, Journal
from tau2_core.records.judgement_lines import judgement_of
from tau2_core.records.lines import Line, json_content
from tau2_core.records.slot_lines import SlotLines, SlotNumbers

MESSAGES = b', "messages": ['  # the last field of a record


class EpisodeLines(NamedTuple):
    """The lines of the slots that have a record."""

    records: SlotLines[EpisodeRecord]
    judgements: SlotLines[Judgement]
    grades: SlotLines[Grade]
    seconds: SlotLines[float]


def find_episodes(journal: Journal, slots: SlotNumbers, domain: str) -> EpisodeLines:
    """Find the lines of the inventory's slots. Raises RunError with file and line if one of them is damaged."""
    records = find_records(journal, slots, domain)
    return EpisodeLines(
        records,
        find_judgements(journal, slots, records),
        find_grades(journal, slots, records),
        find_timings(journal, slots, records),
    )


def find_records(
    journal: Journal, slots: SlotNumbers, domain: str, *, keep: Callable[[EpisodePlace], bool] | None = None
) -> SlotLines[EpisodeRecord]:
    """Find the records of the inventory's slots whose last record `keep` accepts. Raises RunError."""
    file = journal.folder / EPISODES

    def record(line: Line) -> EpisodeRecord:
        return journal.content(EPISODES, line.number, EpisodeRecord, json_content(file, line))

    def check(line: Line, place: EpisodePlace) -> None:
        _refuse_other_domain(file, line.number, place.domain, domain)

    return SlotLines(journal, EPISODES, slots, EpisodePlace, record, check=check, keep=keep)


def find_judgements(
    journal: Journal,
    slots: SlotNumbers,
    records: SlotLines[EpisodeRecord] | None = None,
    *,
    keep: Callable[[JudgementFigures], bool] | None = None,
) -> SlotLines[Judgement]:
    """Find the judgements of the records, or of all slots, whose last one `keep` accepts. Raises RunError."""
    file = journal.folder / JUDGEMENTS

    def judgement(line: Line) -> Judgement:
        return judgement_of(file, line.number, json_content(file, line))

    return SlotLines(journal, JUDGEMENTS, slots, JudgementFigures, judgement, keep=keep, within=records)


def find_grades(
    journal: Journal,
    slots: SlotNumbers,
    records: SlotLines[EpisodeRecord],
    *,
    keep: Callable[[GradePlace], bool] | None = None,
) -> SlotLines[Grade]:
    """Find the grades of the records whose last grade `keep` accepts. Raises RunError."""
    file = journal.folder / GRADES

    def grade(line: Line) -> Grade:
        return journal.content(GRADES, line.number, Grade, json_content(file, line))

    def check(line: Line, place: GradePlace) -> None:
        _refuse_reward(file, line.number, place.reward)

    return SlotLines(journal, GRADES, slots, GradePlace, grade, check=check, keep=keep, within=records)


def find_timings(journal: Journal, slots: SlotNumbers, within: SlotLines[Any]) -> SlotLines[float]:
    """Find the durations of some slots. Raises RunError."""
    file = journal.folder / TIMINGS
    timed = line_decoder(file, TimingFigures)

    def check(line: Line, timing: TimingFigures) -> None:
        _refuse_duration(file, line.number, timing.seconds)

    return SlotLines(
        journal, TIMINGS, slots, TimingFigures, lambda line: timed(line).seconds, check=check, within=within
    )


def without_messages(line: bytes) -> EpisodeRecord:
    """Return the record of a line that this program has written, without its messages. This is much faster."""
    return EpisodeRecord.model_validate(json.loads(head_of_record(line)))


def head_of_record(line: bytes) -> bytes:
    """Return the line of a record without its messages, which come last.

    No text before them contains an unescaped quote.
    """
    head, has_messages, _ = line.partition(MESSAGES)
    return head + b"}" if has_messages else line


def _refuse_other_domain(file: Path, number: int, domain: str, of_run: str) -> None:
    if domain != of_run:
        raise RunError(f"{file}:{number}: an episode of {domain!r} in a run of {of_run!r}; restore the file")


def _refuse_reward(file: Path, number: int, reward: float | None) -> None:
    if reward is not None and not 0 <= reward <= 1:
        raise RunError(f"{file}:{number}: the reward should be between 0 and 1, not {reward:g}; restore the file")


def _refuse_duration(file: Path, number: int, seconds: float) -> None:
    if not 0 <= seconds < float("inf"):
        why = f"seconds should be a number from 0 on, not {seconds:g}"
        raise RunError(f"{file}:{number}: it has the wrong form: {why}; restore the file, or start a new run")
