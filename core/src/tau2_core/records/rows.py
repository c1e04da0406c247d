"""A run as a table: one flat row per episode, for data frames and databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tau2_core.model.episodes import Slot, Usage
from tau2_core.records.figures import EpisodeFigures, GradeFigures, JudgementFigures, TimingFigures
from tau2_core.records.reader import RecordedRun

# The columns with their Arrow types.
COLUMNS = {
    "run": "string",
    "domain": "string",
    "task_id": "string",
    "trial": "int32",
    "seed": "int64",
    "persona": "string",
    "reward": "float64",
    "solved": "bool",
    "outcome": "string",
    "termination": "string",
    "error": "string",
    "turns": "int32",
    "steps": "int32",
    "tool_calls": "int32",
    "tool_errors": "int32",
    "seconds": "float64",
    "requests": "int64",
    "prompt_tokens": "int64",
    "completion_tokens": "int64",
    "cost": "float64",
}


class _Episode(EpisodeFigures, kw_only=True):
    domain: str
    seed: int
    error: str | None = None
    persona: str | None = None


def criteria_of(run: RecordedRun) -> list[str]:
    """Return the names of the criteria that have a verdict in some grade, sorted."""
    return sorted({name for grade in run.grades.figures(GradeFigures) for name in grade.verdicts})


def episode_rows(run: RecordedRun, criteria: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a row for each finished episode, trial by trial, in the order of the tasks.

    Args:
        run: the run.
        criteria: the verdicts that become columns, each 0 to 1, None if there is none.

    Yields:
        The columns `COLUMNS`, then `criteria`. Tokens and `cost` (US dollars) are those of all roles with the judge;
        `cost` is None if no model took part or a price is unknown. `seconds` are those of playing and grading.
    """
    tasks, name = run.tasks, run.name
    with (
        run.records.lookup(_Episode) as episode_at,
        run.grades.lookup(GradeFigures) as grade_at,
        run.judgements.lookup(JudgementFigures) as judgement_at,
        run.seconds.lookup(TimingFigures) as timing_at,
    ):
        for trial in range(run.trials):
            for task_id in tasks:
                slot = Slot(task_id, trial)
                episode = episode_at(slot)
                if episode is not None:
                    found = grade_at(slot), judgement_at(slot), timing_at(slot)
                    yield {"run": name, **_row(episode, *found, criteria)}


def _row(
    episode: _Episode,
    grade: GradeFigures | None,
    judgement: JudgementFigures | None,
    timing: TimingFigures | None,
    criteria: list[str],
) -> dict[str, Any]:
    usages = [*episode.usage.values(), *([judgement.usage] if judgement else [])]
    used = Usage.nothing()
    for usage in usages:
        used.add(usage)
    verdicts = grade.verdicts if grade else {}
    return {
        "domain": episode.domain,
        "task_id": episode.task_id,
        "trial": episode.trial,
        "seed": episode.seed,
        "persona": episode.persona,
        "reward": grade.reward if grade else None,
        "solved": grade is not None and grade.solved,
        "outcome": grade.outcome.value if grade else None,
        "termination": episode.termination,
        "error": episode.error,
        "turns": episode.turns,
        "steps": episode.steps,
        "tool_calls": episode.tool_calls,
        "tool_errors": sum(episode.tool_errors.values()),
        "seconds": timing.seconds if timing else None,
        "requests": used.requests,
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "cost": used.cost if usages else None,
        **{name: verdicts[name].reward if name in verdicts else None for name in criteria},
    }
