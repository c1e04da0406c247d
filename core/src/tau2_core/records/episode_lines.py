"""Where a run folder holds the record, the judgement, the grade and the duration of each slot."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tau2_core.errors import RunError
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.records.decoding import line_decoder
from tau2_core.records.figures import EpisodePlace, GradePlace, PlaceFigures, TimingFigures
from tau2_core.records.finished import judgement_of, refuse_other_domain, refuse_reward
from tau2_core.records.journal import EPISODES, GRADES, JUDGEMENTS, TIMINGS, Journal
from tau2_core.records.lines import Line, json_content
from tau2_core.records.slot_lines import SlotLines, SlotNumbers


class EpisodeLines(NamedTuple):
    """The lines of the slots that have a record."""

    records: SlotLines[EpisodeRecord]
    judgements: SlotLines[Judgement]
    grades: SlotLines[Grade]
    seconds: SlotLines[float]


def find_episodes(journal: Journal, slots: SlotNumbers, domain: str) -> EpisodeLines:
    """Find the lines of the inventory's slots. Raises RunError with file and line if one of them is damaged."""
    files = {name: journal.folder / name for name in (EPISODES, JUDGEMENTS, GRADES, TIMINGS)}

    def record(line: Line) -> EpisodeRecord:
        return journal.content(EPISODES, line.number, EpisodeRecord, json_content(files[EPISODES], line))

    def judgement(line: Line) -> Judgement:
        return judgement_of(journal, line.number, json_content(files[JUDGEMENTS], line))[1]

    def grade(line: Line) -> Grade:
        return journal.content(GRADES, line.number, Grade, json_content(files[GRADES], line))

    def check_record(line: Line, place: EpisodePlace) -> None:
        refuse_other_domain(files[EPISODES], line.number, place.domain, domain)

    def check_grade(line: Line, place: GradePlace) -> None:
        refuse_reward(files[GRADES], line.number, place.reward)

    def check_timing(line: Line, timing: TimingFigures) -> None:
        _refuse_duration(files[TIMINGS], line.number, timing.seconds)

    timed = line_decoder(files[TIMINGS], TimingFigures)
    records = SlotLines(journal, EPISODES, slots, EpisodePlace, record, check=check_record)
    return EpisodeLines(
        records,
        SlotLines(journal, JUDGEMENTS, slots, PlaceFigures, judgement, within=records),
        SlotLines(journal, GRADES, slots, GradePlace, grade, check=check_grade, within=records),
        SlotLines(
            journal,
            TIMINGS,
            slots,
            TimingFigures,
            lambda line: timed(line).seconds,
            check=check_timing,
            within=records,
        ),
    )


def _refuse_duration(file: Path, number: int, seconds: float) -> None:
    if not 0 <= seconds < float("inf"):
        why = f"seconds should be a number from 0 on, not {seconds:g}"
        raise RunError(f"{file}:{number}: it has the wrong form: {why}; restore the file, or start a new run")
