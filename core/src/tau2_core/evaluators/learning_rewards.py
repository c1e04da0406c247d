"""Rewards for learning: a reward for each step of an episode, as a pure function of its record.

Let A be the share of the gold calls that have been made, by the rule of ACTION (1 if there are none), and let d be
the number of paths at which the databases differ from the gold state. D = 1 - min(1, d / d_start); if nothing differs
at the start, D is 1 while nothing differs, else 0. The potential of a state is

    P = actions * A + database * D,    0 <= P <= actions + database

and a step from s to s' gets `discount * P(s') - P(s)`, with P(s') = 0 if the episode has ended for good. This shaping
adds the same to every path through an episode, so it does not change the best policy (Ng, Harada and Russell, 1999).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from tau2_core.episode.environment import Environment
from tau2_core.episode.episode_record import empty_record
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import set_state
from tau2_core.errors import UsageError
from tau2_core.evaluators.action import all_calls, matches
from tau2_core.evaluators.evidence import Gold, ReplayedEvidence
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.evaluation import Grade
from tau2_core.model.messages import AssistantMessage, Message, ToolMessage, UserMessage
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role
from tau2_core.state.difference import world_changes
from tau2_core.state.world import World

FOR_GOOD = frozenset({Termination.AGENT_STOP, Termination.USER_STOP, Termination.AGENT_ERROR, Termination.USER_ERROR})


@dataclass(frozen=True)
class RewardWeights:
    """The weights of the parts of a reward.

    At the end: `final` times the grade's reward, each criterion's reward times its weight in `criteria`, and `partial`
    times the mean of A and D, which rewards partial progress but may change the best policy.

    At each step: the shaping by `actions` and `database` with `discount`, minus `step_penalty`, and minus
    `error_penalty` for each of the side's own failed tool calls.
    """

    final: float = 1.0
    criteria: Mapping[str, float] = field(default_factory=dict)
    partial: float = 0.0
    actions: float = 0.0
    database: float = 0.0
    discount: float = 1.0
    step_penalty: float = 0.0
    error_penalty: float = 0.0

    def __post_init__(self) -> None:
        """Refuse invalid weights. Raises UsageError."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "criteria"}
        for name, weight in (named | dict(self.criteria)).items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not isfinite(weight) or weight < 0:
                raise UsageError(f"reward weights: {name} should be a number of at least 0, not {weight!r}")
        if self.discount > 1:
            raise UsageError(f"reward weights: discount should be from 0 to 1, not {self.discount!r}")

    @property
    def need_progress(self) -> bool:
        """Whether the progress towards the gold is needed."""
        return bool(self.partial or self.actions or self.database)


class GoldProgress:
    """The progress of an episode towards the gold state. Raises TaskError if the gold calls cannot be played."""

    def __init__(self, setting: Setting, task: Task, seed: int, known_gold: dict[tuple[str, int | None], Gold]) -> None:
        evidence = ReplayedEvidence(setting, task, empty_record(setting, Slot(task.id, 0), seed), None, known_gold)
        self._actions = task.gold()
        self._tools = setting.known_tools
        self._gold = evidence.gold.environment.worlds
        self._at_start = self.distance(evidence.start.worlds)

    def distance(self, worlds: Mapping[Role, World]) -> int:
        """Count the paths at which databases differ from the gold state."""
        return sum(len(world_changes(expected, worlds[role])) for role, expected in self._gold.items())

    def actions_made(self, messages: Sequence[Message]) -> float:
        """Return A, the share of the gold calls that have been made."""
        if not self._actions:
            return 1.0
        calls = all_calls(messages, self._tools)
        return sum(any(matches(action, call) for call in calls) for action in self._actions) / len(self._actions)

    def database_right(self, worlds: Mapping[Role, World]) -> float:
        """Return D, the closeness of the databases to the gold state."""
        distance = self.distance(worlds)
        return 1 - min(1.0, distance / self._at_start) if self._at_start else float(distance == 0)

    def of(self, worlds: Mapping[Role, World], messages: Sequence[Message]) -> tuple[float, float]:
        """Return A and D of a state."""
        return self.actions_made(messages), self.database_right(worlds)


class RewardCalculator:
    """The rewards of one episode's steps, computed one after the other."""

    def __init__(
        self,
        weights: RewardWeights,
        side: Role,
        progress: GoldProgress | None,
        worlds: Mapping[Role, World],
        messages: Sequence[Message],
    ) -> None:
        """Begin in the state of a side's first step; `progress` is required if the weights need it."""
        self.weights = weights
        self._own = "assistant" if side == "agent" else "user"
        self._progress = progress
        self._potential = self._potential_of(self._state(worlds, messages))

    def _state(self, worlds: Mapping[Role, World], messages: Sequence[Message]) -> tuple[float, float]:
        return (0.0, 0.0) if self._progress is None else self._progress.of(worlds, messages)

    def _potential_of(self, state: tuple[float, float]) -> float:
        return self.weights.actions * state[0] + self.weights.database * state[1]

    def step(
        self,
        worlds: Mapping[Role, World],
        messages: Sequence[Message],
        new: Sequence[Message],
        grade: Grade | None = None,
        *,
        for_good: bool = False,
    ) -> float:
        """Return the reward of a step that led to a state; `new` are its messages, `grade` is given at the end.

        If the episode ended `for_good`, its potential is 0, unlike after a cut-off by a limit.
        """
        weights = self.weights
        failed = sum(isinstance(each, ToolMessage) and each.error and each.requestor == self._own for each in new)
        paid = -weights.step_penalty - weights.error_penalty * failed
        state = self._state(worlds, messages)
        potential = 0.0 if for_good else self._potential_of(state)
        paid += weights.discount * potential - self._potential
        self._potential = potential
        if grade is not None:
            paid += weights.final * (grade.reward or 0.0) + weights.partial * sum(state) / 2
            verdicts = grade.verdicts
            paid += sum(
                weight * (verdicts[name].reward or 0.0) for name, weight in weights.criteria.items() if name in verdicts
            )
        return paid


def learning_rewards(
    setting: Setting,
    task: Task,
    record: EpisodeRecord,
    grade: Grade,
    weights: RewardWeights,
    *,
    side: Role = "agent",
    known_gold: dict[tuple[str, int | None], Gold] | None = None,
) -> list[float]:
    """Return the reward of each step of a side, from the record of an ended episode.

    A step is a message of that side with everything up to its next one; an agent that ended a conversation without a
    message has made one more step. An unscored episode (its grade has no reward) gets 0.

    Raises TaskError for a record that cannot be replayed, or gold that cannot be played.
    """
    own = AssistantMessage if side == "agent" else UserMessage
    steps = list(_steps(record.messages, len(task.history()), own))
    if side == "agent" and record.termination is Termination.AGENT_STOP and not record.solo:
        steps.append([])
    if grade.reward is None:
        return [0.0] * (len(steps) - 1)
    gold = {} if known_gold is None else known_gold
    progress = GoldProgress(setting, task, record.seed, gold) if weights.need_progress else None
    paid: RewardCalculator | None = None
    rewards: list[float] = []
    until = 0
    for number, new in enumerate(steps):
        until += len(new)
        said = record.messages[:until]
        environment = Environment(setting, seed=record.seed, solo=record.solo, task=task)
        if progress is not None:
            set_state(environment, task.initial_state, said)
        if paid is None:
            paid = RewardCalculator(weights, side, progress, environment.worlds, said)
            continue
        last = number == len(steps) - 1
        for_good = last and record.termination in FOR_GOOD
        rewards.append(paid.step(environment.worlds, said, new, grade if last else None, for_good=for_good))
    return rewards


def _steps(messages: Sequence[Message], history: int, own: type[Message]) -> Iterator[list[Message]]:
    """Yield the messages before the first step, then each step's messages."""
    opening = history
    if history == 0 and messages and isinstance(messages[0], AssistantMessage) and not messages[0].tool_calls:
        opening = 1  # the opening line is not a step
    step: list[Message] = list(messages[:opening])
    for message in messages[opening:]:
        if isinstance(message, own):
            yield step
            step = []
        step.append(message)
    yield step
