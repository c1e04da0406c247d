"""The counts of a run: the one computation behind its summary, its report and the figures of the Python API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb, fsum

from tau2_core.model.episodes import EpisodeRecord, Usage
from tau2_core.model.evaluation import Grade, Judgement, Outcome


def pass_hat_k(successes: Sequence[int], trials: int) -> dict[int, float]:
    """Return pass^k for k = 1 to `trials`: the mean over tasks of C(c, k) / C(n, k) for c successes in n trials."""
    if not successes:
        return {}
    return {k: sum(comb(c, k) for c in successes) / comb(trials, k) / len(successes) for k in range(1, trials + 1)}


@dataclass(frozen=True)
class Tally:
    """The counts over tasks times trials. A slot without a usable result counts as reward 0, so no failure helps."""

    tasks: Sequence[str]
    trials: int
    grades: Sequence[Grade]
    records: Sequence[EpisodeRecord] = ()
    judgements: Sequence[Judgement] = ()

    @property
    def slots(self) -> int:
        """The number of slots, played or not."""
        return len(self.tasks) * self.trials

    @cached_property
    def solved(self) -> dict[str, int]:
        """How many slots of each task are solved."""
        counts = Counter(grade.task_id for grade in self.grades if grade.solved)
        return {task: counts[task] for task in self.tasks}

    @cached_property
    def evaluable(self) -> dict[str, int]:
        """How many slots of each task have a reward."""
        counts = Counter(grade.task_id for grade in self.grades if grade.reward is not None)
        return {task: counts[task] for task in self.tasks}

    @property
    def coverage(self) -> float:
        """The share of slots that have a reward."""
        return sum(self.evaluable.values()) / self.slots

    @property
    def mean_reward(self) -> float:
        """The mean reward over all slots."""
        return fsum(grade.reward or 0.0 for grade in self.grades) / self.slots

    @property
    def pass_hat_k(self) -> dict[int, float]:
        """pass^k for k = 1 to the number of trials."""
        return pass_hat_k(list(self.solved.values()), self.trials)

    @cached_property
    def outcomes(self) -> dict[str, int]:
        """How many grades have each outcome."""
        return dict(sorted(Counter(grade.outcome.value for grade in self.grades).items()))

    @property
    def pending(self) -> int:
        """How many grades await a judge."""
        return self.outcomes.get(Outcome.PENDING.value, 0)

    @property
    def tool_calls(self) -> int:
        """The number of tool calls in all episodes."""
        return sum(record.tool_calls for record in self.records)

    @property
    def tool_errors(self) -> dict[str, int]:
        """How many tool calls failed, by kind of failure."""
        return dict(sorted(sum((Counter(record.tool_errors) for record in self.records), Counter[str]()).items()))

    @cached_property
    def usages(self) -> dict[str, list[Usage]]:
        """What each role's model used: one usage per episode that it took part in, or that it judged."""
        found: dict[str, list[Usage]] = {}
        for record in self.records:
            for role, usage in sorted(record.usage.items()):
                found.setdefault(role, []).append(usage)
        if self.judgements:
            found["judge"] = [judgement.usage for judgement in self.judgements]
        return found
