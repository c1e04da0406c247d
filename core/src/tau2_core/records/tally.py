"""The counts of a run: the one computation behind its summary, its report and the figures of the Python API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb

from tau2_core.model.episodes import EpisodeRecord, Usage
from tau2_core.model.evaluation import Grade, Judgement, Outcome
from tau2_core.records.figures import EpisodeFigures, JudgementFigures
from tau2_core.records.reasons import reasons


def pass_hat_k(successes: Sequence[int], trials: int) -> dict[int, float]:
    """Return pass^k for k = 1 to `trials`: the mean over tasks of C(c, k) / C(n, k) for c successes in n trials."""
    if not successes:
        return {}
    return {k: sum(comb(c, k) for c in successes) / comb(trials, k) / len(successes) for k in range(1, trials + 1)}


@dataclass
class Tally:
    """The counts over tasks times trials, added up grade by grade and record by record; it holds no episode.

    A slot without a usable result counts as reward 0, so no failure helps. `failed` says of each task's first failure
    what was not met. `usage` is what each role's model used.
    """

    tasks: Sequence[str]
    trials: int
    finished: int = 0
    rewards: Fraction = Fraction(0)  # exact, so that the order of the episodes changes nothing
    failed: dict[str, str] = field(default_factory=dict)
    tool_calls: int = 0
    usage: dict[str, Usage] = field(default_factory=dict)
    _solved: Counter[str] = field(default_factory=Counter)
    _evaluable: Counter[str] = field(default_factory=Counter)
    _outcomes: Counter[str] = field(default_factory=Counter)
    _tool_errors: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls,
        tasks: Sequence[str],
        trials: int,
        grades: Iterable[Grade],
        records: Iterable[EpisodeRecord] = (),
        judgements: Iterable[Judgement] = (),
    ) -> Tally:
        """Return the counts of these grades, records and judgements."""
        tally = cls(tasks, trials)
        for grade in grades:
            tally.add_grade(grade)
        for record in records:
            tally.add_record(record)
        for judgement in judgements:
            tally.add_judgement(judgement)
        return tally

    def add_grade(self, grade: Grade) -> None:
        self.count(grade.task_id, grade.outcome, grade.reward)
        if not grade.solved and grade.task_id not in self.failed:
            self.note_failure(grade)

    def count(self, task_id: str, outcome: Outcome, reward: float | None) -> None:
        """Count a grade, but do not say why it failed."""
        self.finished += 1
        self._outcomes[outcome.value] += 1
        if reward is not None:
            self._evaluable[task_id] += 1
            self.rewards += Fraction(reward)
        if outcome.counts_as_solved:
            self._solved[task_id] += 1

    def note_failure(self, grade: Grade) -> None:
        """Keep what was not met as the reason of the task's first failure."""
        self.failed[grade.task_id] = "; ".join(reasons(grade)[:3])

    def add_record(self, record: EpisodeRecord | EpisodeFigures) -> None:
        self.tool_calls += record.tool_calls
        self._tool_errors.update(record.tool_errors)
        for role, usage in sorted(record.usage.items()):
            self.usage.setdefault(role, Usage.nothing()).add(usage)

    def add_judgement(self, judgement: Judgement | JudgementFigures) -> None:
        self.usage.setdefault("judge", Usage.nothing()).add(judgement.usage)

    @property
    def slots(self) -> int:
        """The number of slots, played or not."""
        return len(self.tasks) * self.trials

    @property
    def solved(self) -> dict[str, int]:
        """How many slots of each task are solved."""
        return {task: self._solved[task] for task in self.tasks}

    @property
    def evaluable(self) -> dict[str, int]:
        """How many slots of each task have a reward."""
        return {task: self._evaluable[task] for task in self.tasks}

    @property
    def rewarded(self) -> int:
        """How many grades have a reward."""
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
        """How many grades have each outcome."""
        return dict(sorted(self._outcomes.items()))

    @property
    def pending(self) -> int:
        """How many grades await a judge."""
        return self._outcomes[Outcome.PENDING.value]

    @property
    def tool_errors(self) -> dict[str, int]:
        """How many tool calls failed, by kind of failure."""
        return dict(sorted(self._tool_errors.items()))
