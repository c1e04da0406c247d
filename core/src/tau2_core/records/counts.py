"""The counts behind a report, added up line by line. Memory grows by a few bytes per episode."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import fsum, isnan, nan

from pydantic import BaseModel, ConfigDict

from tau2_core.model.episodes import Usage
from tau2_core.model.evaluation import Grade, Status
from tau2_core.model.llm import JUDGES
from tau2_core.records.customer_turns import CustomerTurnCounts
from tau2_core.records.figures import EpisodeFigures, ExplainedGrade, GradeFigures, JudgementFigures
from tau2_core.records.slot_lines import SlotNumbers

STATES = ("met", "unmet", "unchecked", "vacuous")


class RoleUsage(BaseModel):
    """The usage of a role's model in all recorded episodes; None if it is not known for each of them.

    `cut_off` counts answers that the token limit cut off, `finish_reasons` all answers by finish reason.
    """

    model_config = ConfigDict(extra="forbid")

    requests: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    cut_off: int | None = None
    finish_reasons: dict[str, int] | None = None


@dataclass
class UsageCounts:
    """The usage of a role's model, and whether each part is known for all episodes."""

    known: int = 0
    tokens_known: bool = True
    reasons_known: bool = True
    total: Usage = field(default_factory=Usage)
    costs: array[float] = field(default_factory=lambda: array("d"))

    def add(self, usage: Usage) -> None:
        self.known += 1
        self.total.add(usage)
        if usage.cost is not None:
            self.costs.append(usage.cost)
        self.tokens_known &= bool(usage.prompt_tokens or not usage.requests)  # every request has a prompt
        self.reasons_known &= bool(usage.finish_reasons or not usage.requests)  # older records have no counts

    def summed_up(self, episodes: int) -> RoleUsage:
        """Return the total usage of this number of episodes."""
        if self.known < episodes:
            return RoleUsage()
        total, found = self.total, RoleUsage(requests=self.total.requests)
        if len(self.costs) == self.known:
            found.cost = fsum(self.costs)
        if self.tokens_known:
            found.prompt_tokens, found.completion_tokens = total.prompt_tokens, total.completion_tokens
        if self.reasons_known:
            found.cut_off, found.finish_reasons = total.cut_off, dict(sorted(total.finish_reasons.items()))
        return found


class EpisodeCounts:
    """The counts of episodes and their judgements.

    `dollars` is None if no model took part in an episode, or a price is unknown.
    """

    def __init__(
        self,
        slots: SlotNumbers,
        episodes: Iterable[EpisodeFigures],
        judgements: Iterable[JudgementFigures],
        roles: Iterable[str],
    ) -> None:
        self.episodes = self.judgements = 0
        self.turns, self.steps, self.tool_calls = array("q"), array("q"), array("q")
        self.terminations: Counter[str] = Counter()
        self.tool_errors: Counter[str] = Counter()
        self.dollars: array[float] | None = array("d")
        self.customer_turns = CustomerTurnCounts()
        known = set(roles)
        self._usage = {role: UsageCounts() for role in known.difference(JUDGES)}
        self._judge = UsageCounts()
        self._has_judge = not known.isdisjoint(JUDGES)
        judged = array("d", [nan]) * len(slots)
        for judgement in judgements:
            self._add_judgement(judgement, slots, judged)
        for episode in episodes:
            self._add_episode(episode, slots, judged)

    def _add_judgement(self, judgement: JudgementFigures, slots: SlotNumbers, judged: array[float]) -> None:
        self.judgements += 1
        self._judge.add(judgement.usage)
        number = slots.number(judgement.task_id, judgement.trial)
        if judgement.usage.cost is None:
            self.dollars = None
        elif number is not None:
            judged[number] = judgement.usage.cost

    def _add_episode(self, episode: EpisodeFigures, slots: SlotNumbers, judged: array[float]) -> None:
        self.episodes += 1
        self.turns.append(episode.turns)
        self.steps.append(episode.steps)
        self.tool_calls.append(episode.tool_calls)
        self.terminations[episode.termination] += 1
        self.customer_turns.add(episode)
        self.tool_errors.update(episode.tool_errors)
        for role, usage in episode.usage.items():
            self._usage.setdefault(role, UsageCounts()).add(usage)
        if self.dollars is None:
            return
        number = slots.number(episode.task_id, episode.trial)
        costs = [usage.cost for usage in episode.usage.values()]
        if number is not None and not isnan(judged[number]):
            costs.append(judged[number])
        known = [cost for cost in costs if cost is not None]
        if known and len(known) == len(costs):
            self.dollars.append(fsum(known))
        else:
            self.dollars = None

    def usage(self) -> dict[str, RoleUsage]:
        """Return the usage of models by role.

        The judge is asked about some episodes; every other role takes part in all.
        """
        used = {role: self._usage[role].summed_up(self.episodes) for role in sorted(self._usage)}
        if self.judgements or self._has_judge:
            used["judge"] = self._judge.summed_up(self.judgements)
        return used


class CriterionCounts:
    """The number of graded slots of each task in each state of a criterion."""

    def __init__(self, tasks: int) -> None:
        self.states = {state: array("q", [0]) * tasks for state in STATES}
        self.in_basis = 0


def count_criteria(
    names: Sequence[str], tasks: Sequence[str], grades: Iterable[GradeFigures]
) -> dict[str, CriterionCounts]:
    """Return the counts of each criterion, task by task."""
    places = {task: place for place, task in enumerate(tasks)}
    counts = {name: CriterionCounts(len(tasks)) for name in names}
    for grade in grades:
        place = places[grade.task_id]
        for name, found in counts.items():
            found.states[criterion_state(grade, name)][place] += 1
            found.in_basis += name in grade.basis
    return counts


def criterion_state(grade: Grade | GradeFigures | ExplainedGrade | None, name: str) -> str:
    """Return the state of a criterion in a grade: met, unmet, vacuous (the task specifies nothing for it) or unchecked.

    A grade without verdicts gives unchecked, even if the criterion is vacuous in the task's other trials. Otherwise an
    error instead of an unmet criterion could raise the rate.
    """
    if grade is None or not grade.verdicts:
        return "unchecked"
    verdict = grade.verdicts.get(name)
    if verdict is None:
        return "unchecked" if name in grade.basis else "vacuous"
    if verdict.status is Status.VACUOUS:
        return "vacuous"
    if verdict.reward is None:
        return "unchecked"
    return "met" if verdict.met else "unmet"
