"""From verdicts to one reward: the product, or a weighted mean, in either case nothing where a gate is not met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from tau2_core.model.evaluation import Grade, Outcome, Status

MET = 1 - 1e-6


@dataclass(frozen=True)
class Combination:
    """How the verdicts of a task's basis make its reward.

    Without `weights` it is their product (spec/evaluation.md, 4); with them the mean, by weight, 1 where none is
    given, of those that are not vacuous. A criterion of `gates` that is not fully met makes it 0. What is in `never`
    is reported beside the reward only.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    gates: Sequence[str] = ()
    never: Sequence[str] = ()

    def reward(self, rewards: Mapping[str, float]) -> float:
        """Return the reward of what is graded, by criterion."""
        if any(rewards.get(gate, 1.0) < MET for gate in self.gates):
            return 0.0
        if not self.weights:
            return prod(rewards.values())
        weights = {criterion: self.weights.get(criterion, 1.0) for criterion in rewards}
        total = sum(weights.values())
        return sum(weights[criterion] * rewards[criterion] for criterion in rewards) / total if total else 1.0


def combine(grade: Grade, combination: Combination) -> None:
    """Give a grade its reward and outcome; what is pending counts as met, and shows in the outcome.

    A criterion of the basis without a usable verdict makes it an error of infrastructure.
    """
    rewards: dict[str, float] = {}
    for criterion in grade.basis:
        verdict = grade.verdicts.get(criterion)
        if verdict is None or verdict.status is Status.ERROR:
            grade.outcome, grade.reward = Outcome.INFRASTRUCTURE_ERROR, None
            lacking = f"the set {grade.evaluators!r} has no evaluator for {criterion}"
            grade.note = f"{criterion} could not be graded: {verdict.checks[0].why}" if verdict else lacking
            return
        if verdict.status is Status.PENDING or verdict.reward is None:
            grade.pending.append(criterion)
            rewards[criterion] = 1.0
        elif verdict.status is not Status.VACUOUS or not combination.weights:
            rewards[criterion] = verdict.reward
    grade.reward = combination.reward(rewards)
    solved = grade.reward > MET
    grade.outcome = (Outcome.PENDING if grade.pending else Outcome.SOLVED) if solved else Outcome.FAILED
