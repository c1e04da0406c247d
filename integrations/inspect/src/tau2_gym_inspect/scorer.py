"""The scorer: our reward as the score's value, and the verdicts with their evidence in its metadata."""

from __future__ import annotations

from typing import Any

from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState
from tau2_core import Grade
from tau2_core.records.reasons import reasons

from tau2_gym_inspect.sample_episodes import SampleEpisodes

NAME = "tau2"
REASONS = 5


def as_score(grade: Grade, **more: Any) -> Score:
    """Return a grade that has a reward as a score."""
    assert grade.reward is not None
    why = [grade.note] if grade.note else []
    why += [str(reason) for reason in reasons(grade)[:REASONS]]
    return Score(
        value=grade.reward,
        explanation="; ".join(why) or grade.outcome.value,
        metadata={
            "outcome": grade.outcome.value,
            "evaluators": grade.evaluators,
            "basis": grade.basis,
            "pending": grade.pending,
            "verdicts": grade.model_dump(mode="json")["verdicts"],
            **more,
        },
    )


@scorer(metrics=[mean(), stderr()], name=NAME)
def reward(episodes: SampleEpisodes) -> Scorer:
    """Grade the sample's episode with the evaluators of the task."""

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 - as Inspect calls it
        record, grade = await episodes.grade(state)
        return as_score(grade, termination=record.termination.value, trial=record.trial, seed=record.seed)

    return score
