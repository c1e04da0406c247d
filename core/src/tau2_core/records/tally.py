"""The counts of a run: the single computation behind its summary, its report and the figures of the Python API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isfinite

from tau2_core.model.episodes import EpisodeRecord, Usage
from tau2_core.model.evaluation import Grade, Judgement, Outcome, Status
from tau2_core.records.fault_counts import FaultCounts
from tau2_core.records.figures import EpisodeEnd, GradeFigures, JudgementFigures
from tau2_core.records.reasons import reasons


def pass_hat_k(successes: Sequence[int], trials: int) -> dict[int, float]:
    """Return pass^k for k = 1 to `trials`: the mean over tasks of C(c, k) / C(n, k) for c successes in n trials."""
    if not successes:
        return {}
    tasks = Counter(successes)
    return {
        k: sum(ways[c] * number for c, number in tasks.items()) / all_ways / len(successes)
        for k, (ways, all_ways) in enumerate(combinations(tasks, trials), 1)
    }


def combinations(successes: Iterable[int], trials: int) -> Iterator[tuple[Mapping[int, int], int]]:
    """Yield C(c, k) for each number of successes c, and C(n, k) for n trials, for k = 1 to n.

    Each is computed from that of k - 1; otherwise this would take minutes for thousands of trials.
    """
    ways, all_ways = dict.fromkeys(successes, 1), 1
    for k in range(1, trials + 1):
        all_ways = all_ways * (trials - k + 1) // k
        for c in ways:
            ways[c] = ways[c] * max(c - k + 1, 0) // k
        yield ways, all_ways


class UsageSum:
    """The usage of a role's model in many episodes. The cost is exact, so it does not depend on their order."""

    def __init__(self) -> None:
        self._total = Usage.nothing()
        self._cost = Fraction(0)

    def add(self, usage: Usage) -> None:
        self._total.add(usage)
        if usage.cost is not None and isfinite(usage.cost):
            self._cost += Fraction(usage.cost)

    def total(self) -> Usage:
        """Return the sum so far."""
        total = replace(self._total, finish_reasons=dict(sorted(self._total.finish_reasons.items())))
        if total.cost is not None and isfinite(total.cost):
            total.cost = float(self._cost)
        return total


@dataclass
class Tally:
    """The counts over tasks times trials, added up grade by grade and record by record; it stores no episodes.

    A slot without a usable result counts as reward 0, so no failure can raise a figure.
    """

    tasks: Sequence[str]
    trials: int
    finished: int = 0
    tool_calls: int = 0
    unchecked: int = 0  # grades with a criterion that could not be checked
    faults: FaultCounts = field(default_factory=FaultCounts)
    _failures: dict[str, tuple[int, str]] = field(default_factory=dict)
    _usage: dict[str, UsageSum] = field(default_factory=dict)
    _rewards: Counter[float] = field(default_factory=Counter)
    _solved: Counter[str] = field(default_factory=Counter)
    _evaluable: Counter[str] = field(default_factory=Counter)
    _outcomes: Counter[str] = field(default_factory=Counter)
    _tool_errors: Counter[str] = field(default_factory=Counter)

    def copy_for(self, tasks: Sequence[str], trials: int) -> Tally:
        """Return a copy for other tasks and trials, to which more can be added."""
        return replace(deepcopy(self), tasks=tasks, trials=trials)

    def add_grade(self, grade: Grade) -> None:
        self.add_figures(grade)
        if self.lacks_failure(grade):
            self.note_failure(grade)

    def add_figures(self, grade: Grade | GradeFigures) -> None:
        """Count a grade, but not the reasons for its failure."""
        self.count(grade.task_id, grade.outcome, grade.reward)
        self.unchecked += any(verdict.status is Status.ERROR for verdict in grade.verdicts.values())
        self.faults.add(grade)

    def count(self, task_id: str, outcome: Outcome, reward: float | None) -> None:
        """Count an outcome."""
        self.finished += 1
        self._outcomes[outcome.value] += 1
        if reward is not None:
            self._evaluable[task_id] += 1
            self._rewards[reward] += 1
        if outcome.counts_as_solved:
            self._solved[task_id] += 1

    def lacks_failure(self, grade: Grade | GradeFigures) -> bool:
        """Tell whether a grade belongs to the first failed trial of its task so far."""
        first = self._failures.get(grade.task_id)
        return not grade.solved and (first is None or grade.trial < first[0])

    def note_failure(self, grade: Grade) -> None:
        """Keep the unmet criteria as the reason for the task's first failure."""
        self._failures[grade.task_id] = grade.trial, "; ".join(reasons(grade, 3))

    def add_record(self, record: EpisodeRecord | EpisodeEnd) -> None:
        self.tool_calls += record.tool_calls
        if record.tool_errors:
            self._tool_errors.update(record.tool_errors)
        for role, usage in record.usage.items():
            self._usage.setdefault(role, UsageSum()).add(usage)

    def add_review(self, usage: Usage) -> None:
        self._usage.setdefault("reviewer", UsageSum()).add(usage)

    def add_judgement(self, judgement: Judgement | JudgementFigures) -> None:
        self._usage.setdefault("judge", UsageSum()).add(judgement.usage)

    @property
    def slots(self) -> int:
        """The number of slots, played or not."""
        return len(self.tasks) * self.trials

    @property
    def rewards(self) -> Fraction:
        """The sum of all rewards. It is exact, so it does not depend on the order of the episodes."""
        return sum((Fraction(reward) * number for reward, number in self._rewards.items()), Fraction(0))

    @property
    def failed(self) -> dict[str, str]:
        """The unmet criteria in the first failed trial of each task."""
        return {task: self._failures[task][1] for task in self.tasks if task in self._failures}

    @property
    def usage(self) -> dict[str, Usage]:
        """The usage of each role's model."""
        return {role: used.total() for role, used in sorted(self._usage.items())}

    @property
    def solved(self) -> dict[str, int]:
        """The number of solved slots of each task."""
        return {task: self._solved[task] for task in self.tasks}

    @property
    def evaluable(self) -> dict[str, int]:
        """The number of slots of each task that have a reward."""
        return {task: self._evaluable[task] for task in self.tasks}

    @property
    def rewarded(self) -> int:
        """The number of grades with a reward."""
        return self._evaluable.total()

    @property
    def coverage(self) -> float:
        """The share of slots that have a reward."""
        return sum(self.evaluable.values()) / self.slots

    @property
    def mean_reward(self) -> float:
        """The mean reward over all slots."""
        return float(self.rewards) / self.slots

    @property
    def pass_hat_k(self) -> dict[int, float]:
        """pass^k for k = 1 to the number of trials."""
        return pass_hat_k(list(self.solved.values()), self.trials)

    @property
    def outcomes(self) -> dict[str, int]:
        """The number of grades with each outcome."""
        return dict(sorted(self._outcomes.items()))

    @property
    def pending(self) -> int:
        """The number of grades that await a judge."""
        return self._outcomes[Outcome.PENDING.value]

    @property
    def tool_errors(self) -> dict[str, int]:
        """The number of failed tool calls by kind of failure."""
        return dict(sorted(self._tool_errors.items()))
