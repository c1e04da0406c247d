"""Defaults that a task takes from its pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tau2_core.model.tasks import Instructions, RewardType, Task


@dataclass(frozen=True)
class TaskDefaults:
    """The pack's name and its reward basis."""

    domain: str
    basis: Sequence[RewardType]

    def fill_in(self, task: Task) -> Task:
        """Fill in a task's reward basis, the domain of its instructions and ids of its gold calls; return the task."""
        if task.evaluation_criteria is not None:
            if "reward_basis" not in task.evaluation_criteria.model_fields_set:
                task.evaluation_criteria.reward_basis = list(self.basis)
            for position, action in enumerate(task.gold()):
                action.action_id = action.action_id or f"{task.id}_{position}"
        instructions = task.user_scenario.instructions
        if isinstance(instructions, Instructions) and not instructions.domain:
            instructions.domain = self.domain
        return task
