"""The rates of a run by the persona of its simulated customer."""

from __future__ import annotations

from array import array

from pydantic import BaseModel, ConfigDict

from tau2_core.records.figures import EpisodePersona, GradeFigures
from tau2_core.records.reader import RecordedRun
from tau2_core.records.slot_lines import SlotNumbers
from tau2_core.records.statistics import Estimate, clustered_rate, paired_difference


class PersonaFigures(BaseModel):
    """The figures of the episodes that were played with one persona.

    Attributes:
        episodes: how many were played.
        solved: how many of them were solved.
        strict_rate: solved of all played; one without a usable result counts as failed.
        evaluable_rate: solved of those with a reward; None if none has one.
        decisive_faults: how many had a decisive fault of the customer.
        difference: the strict rate less that of the run's first persona, paired by task; None for the first one, and if
            the run's trials are no multiple of its personas or no task is complete.
    """

    model_config = ConfigDict(extra="forbid")

    episodes: int
    solved: int
    strict_rate: Estimate
    evaluable_rate: Estimate | None
    decisive_faults: int
    difference: Estimate | None = None


class _Counts:
    """The counts of one persona, by task."""

    def __init__(self, tasks: int) -> None:
        self.played, self.solved, self.evaluable = (array("q", [0]) * tasks for _ in range(3))
        self.decisive = 0


def persona_figures(run: RecordedRun) -> dict[str, PersonaFigures]:
    """Return the figures by persona, in the order of the run's configuration; {} for a run without personas."""
    names = run.config["user"].get("personas", [])
    if not names:
        return {}
    slots, places = SlotNumbers(run.tasks, run.trials), {task: place for place, task in enumerate(run.tasks)}
    numbers = {name: number for number, name in enumerate(names)}
    persona_at = array("q", [-1]) * len(slots)
    counts = [_Counts(len(run.tasks)) for _ in names]
    for episode in run.records.figures(EpisodePersona):
        slot = slots.number(episode.task_id, episode.trial)
        if slot is not None and episode.persona in numbers:
            persona_at[slot] = numbers[episode.persona]
            counts[persona_at[slot]].played[places[episode.task_id]] += 1
    for grade in run.grades.figures(GradeFigures):
        slot, place = slots.number(grade.task_id, grade.trial), places[grade.task_id]
        if slot is None or persona_at[slot] < 0:
            continue
        found = counts[persona_at[slot]]
        found.solved[place] += grade.solved
        found.evaluable[place] += grade.reward is not None
        found.decisive += grade.user_review is not None and grade.user_review.customer_fault == "decisive"
    turns = run.trials // len(names) if run.trials % len(names) == 0 else 0
    differences = [None, *(_difference(counts[0], found, turns) for found in counts[1:])]
    told = zip(names, counts, differences, strict=True)
    return {name: figures for name, found, difference in told if (figures := _figures(found, difference))}


def _difference(first: _Counts, other: _Counts, turns: int) -> Estimate | None:
    """Return the difference over the tasks that were played in all `turns` of both personas."""
    changes = [
        other.solved[place] - first.solved[place]
        for place, played in enumerate(zip(first.played, other.played, strict=True))
        if played == (turns, turns)
    ]
    return paired_difference(changes, turns) if turns and changes else None


def _figures(found: _Counts, difference: Estimate | None) -> PersonaFigures | None:
    strict = clustered_rate(found.solved, found.played)
    if strict is None:
        return None
    return PersonaFigures(
        episodes=sum(found.played),
        solved=sum(found.solved),
        strict_rate=strict,
        evaluable_rate=clustered_rate(found.solved, found.evaluable),
        decisive_faults=found.decisive,
        difference=difference,
    )
