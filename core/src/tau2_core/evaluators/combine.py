"""Combining verdicts into one reward: the product or a weighted mean, and 0 if a gate is not met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from tau2_core.model.evaluation import Grade, Outcome, Status, reaches


@dataclass(frozen=True)
class RewardRule:
    """How the verdicts of a task's basis are combined into its reward.

    Without `weights` it is their product (spec/evaluation.md, 4). With them it is the weighted mean of the verdicts
    that are not vacuous; the default weight is 1. A criterion of `gates` that is not fully met makes it 0. Criteria in
    `never` are only reported. An episode is solved if its reward is at least `solved_from`.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    gates: Sequence[str] = ()
    never: Sequence[str] = ()
    solved_from: float = 1.0

    def reward(self, rewards: Mapping[str, float]) -> float:
        """Return the reward for the graded criteria."""
        if any(not reaches(rewards.get(gate, 1.0)) for gate in self.gates):
            return 0.0
        if not self.weights:
            return prod(rewards.values())
        weights = {criterion: self.weights.get(criterion, 1.0) for criterion in rewards}
        total = sum(weights.values())
        return sum(weights[criterion] * rewards[criterion] for criterion in rewards) / total if total else 1.0


def apply_reward_rule(grade: Grade, combination: RewardRule) -> None:
    """Set the reward and outcome of a grade. Pending criteria count as met, and make the outcome pending.

    If the evaluator of a criterion in the basis crashed, the outcome is an evaluator error; if it cannot be graded for
    another reason, an infrastructure error. Neither has a reward.
    """
    rewards: dict[str, float] = {}
    for criterion in grade.basis:
        verdict = grade.verdicts.get(criterion)
        if verdict is None or verdict.status is Status.ERROR:
            crashed = verdict is not None and verdict.traceback
            grade.outcome = Outcome.EVALUATOR_ERROR if crashed else Outcome.INFRASTRUCTURE_ERROR
            grade.reward = None
            lacking = f"the set {grade.evaluators!r} has no evaluator for {criterion}"
            why = "; ".join(check.why for check in verdict.checks if check.why) if verdict else ""
            grade.note = f"{criterion} could not be graded: {why or 'no reason given'}" if verdict else lacking
            return
        if verdict.reward is None:
            grade.pending.append(criterion)
            rewards[criterion] = 1.0
        elif verdict.status is not Status.VACUOUS:
            rewards[criterion] = verdict.reward
    grade.reward = combination.reward(rewards)
    solved = reaches(grade.reward, combination.solved_from)
    grade.outcome = (Outcome.PENDING if grade.pending else Outcome.SOLVED) if solved else Outcome.FAILED
