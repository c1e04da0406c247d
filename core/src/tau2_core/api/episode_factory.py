"""`EpisodeFactory`: reads a domain once, and creates any number of episodes of its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from tau2_core.api.options import EpisodeOptions, run_arguments
from tau2_core.episode.episode import Episode
from tau2_core.episode.participants import EXTERNAL_AGENT
from tau2_core.episode.tool_backend import LocalBackend
from tau2_core.episode.tool_lists import agent_tools
from tau2_core.errors import UsageError
from tau2_core.evaluators.evidence import Gold
from tau2_core.evaluators.grade import Grader
from tau2_core.evaluators.learning_rewards import (
    FOR_GOOD,
    GoldProgress,
    RewardCalculator,
    RewardWeights,
    learning_rewards,
)
from tau2_core.model.episodes import EpisodeRecord, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.lazy import loaded
from tau2_core.model.registrations import AgentSpec, UserSpec
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Role, Tool
from tau2_core.name_suggestions import did_you_mean
from tau2_core.runs.composition import compose
from tau2_core.runs.model_clients import close_models


class EpisodeFactory:
    """Creates episodes of one domain for your program to play, as in training, in microseconds each.

    The domain, its databases and its evaluators are read once and shared.
    """

    def __init__(
        self,
        domain: str | Path,
        *,
        split: str | None = None,
        tasks: Sequence[str | Task] | None = None,
        **options: Unpack[EpisodeOptions],
    ) -> None:
        """Read a domain.

        Args:
            domain: a domain's name, or the folder of a pack.
            split: the split of tasks to play, by default `base`.
            tasks: ids, or tasks that you created, instead of a split.
            options: see `EpisodeOptions`. By default your program is the agent, and the customer is scripted.

        Raises:
            UsageError: an unknown name or option, or an invalid combination.
            PackError, DatasetError: the data are invalid.
        """
        for name in options:
            if name not in EpisodeOptions.__annotations__:
                raise UsageError(
                    f"an episode has no option {name!r} ({did_you_mean(name, EpisodeOptions.__annotations__)})"
                )
        given: dict[str, Any] = {"agent": EXTERNAL_AGENT, **options, "split": split, "tasks": tasks}
        arguments = run_arguments(domain, given)
        plan = compose(arguments.options, agent=arguments.agent, user=arguments.user, tasks=arguments.tasks).plan
        assert plan.evaluator_set is not None
        self.split = split
        self.setting = plan.setting
        self.participants = plan.participants
        self.tasks: Mapping[str, Task] = {task.id: task for task in plan.tasks}
        self._grader: Grader = plan.evaluator_set.grader(plan.setting, review=False)
        self._evaluators = plan.evaluator_set
        self._known_gold: dict[tuple[str, int | None], Gold] = {}

    @property
    def domain(self) -> str:
        """The domain's name."""
        return self.setting.domain

    @property
    def policy(self) -> str:
        """The policy that the agent must follow."""
        return self.setting.policy_text

    @property
    def tools(self) -> Sequence[Tool]:
        """What the agent may call."""
        return agent_tools(self.setting)

    @property
    def splits(self) -> Mapping[str, Sequence[str]]:
        """The ids of each split's tasks."""
        return self.setting.splits()

    @property
    def never_waits(self) -> bool:
        """Whether its episodes never wait: the other side is one of the core's scripts, and everything else is quick.

        Their coroutines then need no event loop.
        """
        participants = self.participants
        sides: list[AgentSpec | UserSpec] = [
            spec for spec in (participants.agent, participants.user) if not spec.external
        ]
        scripts = all(_is_of_the_core(spec) and not spec.needs_model and not spec.interactive for spec in sides)
        disturbed = participants.role_models or participants.wrappers or participants.faults or self.setting.awaited
        return scripts and not disturbed and self._grader.is_quick

    def refuse_ungradable(self) -> None:
        """Refuse tasks that the evaluators cannot grade. Raises UsageError."""
        self._evaluators.refuse_ungradable(self._grader, self.tasks.values())

    def episode(self, task: str | Task, *, seed: int = 0, trial: int = 0) -> Episode:
        """Return an episode in its task's start state; call `begin` to start it.

        Raises UsageError for an id that is not among `tasks`, TaskError for a start state that cannot be set up.
        """
        if isinstance(task, str):
            if task not in self.tasks:
                among = f"split {self.split!r}" if self.split else f"the chosen tasks of {self.domain}"
                raise UsageError(f"no task {task!r} in {among} ({did_you_mean(task, self.tasks)})")
            task = self.tasks[task]
        if not isinstance(task, Task):
            raise UsageError(f"task: give an id or a task, not {task!r}")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise UsageError(f"seed: give an integer, not {seed!r}")
        return Episode(
            self.setting,
            task,
            self.participants,
            slot=Slot(task.id, trial),
            seed=seed,
            grade=_GradeOf(self, task),
            persona_by_seed=True,
        )

    async def grade(self, record: EpisodeRecord, task: Task) -> Grade:
        """Grade a record of a task; the judge is asked if its decision counts."""
        said = None
        panel = self.participants.panel
        if panel is not None and self._grader.needs_judge(record, task):
            criteria = task.evaluation_criteria
            statements = (criteria and criteria.nl_assertions) or []
            said = await panel.decide(str(record.slot), record.messages, statements)
        return await self._grader.grade_aside(record, task, said)

    def step_rewards(self, episode: Episode, weights: RewardWeights, *, side: Role = "agent") -> StepRewards:
        """Return the rewards of an episode's steps, computed while it is played. Raises TaskError."""
        progress = None
        if weights.need_progress:
            progress = GoldProgress(self.setting, episode.task, episode.seed, self._known_gold)
        return StepRewards(episode, weights, side, progress)

    def learning_rewards(
        self, record: EpisodeRecord, grade: Grade, weights: RewardWeights, *, side: Role = "agent"
    ) -> list[float]:
        """Return the reward of each step of a side, from the record of an ended episode.

        A step is a message of that side with everything up to its next one. An unscored episode (its grade has no
        reward) gets 0. Raises TaskError for a record that cannot be replayed.
        """
        task = self.tasks[record.task_id]
        return learning_rewards(self.setting, task, record, grade, weights, side=side, known_gold=self._known_gold)

    async def close(self) -> None:
        """Close the connections to models."""
        await close_models(self.participants.role_models.values())


def _is_of_the_core(spec: AgentSpec | UserSpec) -> bool:
    create: Any = spec.create
    return str(loaded(create).__module__).startswith("tau2_core.")


class StepRewards:
    """Computes the rewards of one episode's steps as they are made.

    They are those of `EpisodeFactory.learning_rewards`, unless the episode turns out to be unscored: its earlier steps
    have been rewarded by then.
    """

    def __init__(self, episode: Episode, weights: RewardWeights, side: Role, progress: GoldProgress | None) -> None:
        assert isinstance(episode.backend, LocalBackend)
        self._episode = episode
        self._worlds = episode.backend.environment.worlds
        self._paid = RewardCalculator(weights, side, progress, self._worlds, episode.conversation.messages)
        self._seen = len(episode.conversation.messages)

    def step(self, grade: Grade | None = None) -> float:
        """Return the reward of the latest step; pass the episode's grade with the last one."""
        messages = self._episode.conversation.messages
        new, self._seen = messages[self._seen :], len(messages)
        ended = self._episode.ended
        for_good = grade is not None and (ended is None or ended in FOR_GOOD)
        return self._paid.step(self._worlds, messages, new, grade, for_good=for_good)


class _GradeOf:
    """Grades the records of one task."""

    __slots__ = ("_factory", "_task")

    def __init__(self, factory: EpisodeFactory, task: Task) -> None:
        self._factory = factory
        self._task = task

    async def __call__(self, record: EpisodeRecord) -> Grade:
        return await self._factory.grade(record, self._task)
