"""One side of an episode, stepped by text: the basis of single environments and of those in a vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import gymnasium
import numpy as np
from tau2_core import (
    AssistantMessage,
    Curriculum,
    Episode,
    EpisodeFactory,
    EpisodeRecord,
    Grade,
    RewardWeights,
    Side,
    StepRewards,
    Task,
    Tool,
    UsageError,
    UserMessage,
)
from tau2_core.episode.transcript import transcript
from tau2_core.model.tools import Role

from tau2_gymnasium.actions import DONE, ActionCall, read_action

SEEDS = 2**31  # drawn seeds are below this
MOST_SEED = 2**63
STOP = "###STOP###"
OWN_ERROR: dict[Player, str] = {"agent": "agent_error", "customer": "user_error"}
ENDED = {"agent_stop", "user_stop"}
Player = Literal["agent", "customer"]
Stepped = tuple[str, float, bool, bool, dict[str, Any]]
RewardFunction = Callable[[EpisodeRecord, Task, Grade], float]
Reward = RewardFunction | RewardWeights


def draw_below(random: np.random.Generator, bound: int) -> int:
    """Draw an integer from 0 to `bound - 1`, in much less time than `random.integers`."""
    return int(random.random() * bound)


def checked_seed(seed: Any) -> int | None:
    """Return a seed as a Python integer, None if there is none. Raises ValueError."""
    if seed is None:
        return None
    if isinstance(seed, bool | np.bool_) or not isinstance(seed, int | np.integer) or not 0 <= seed < MOST_SEED:
        raise ValueError(f"reset: a seed is an integer from 0 to 2**63 - 1, not {seed!r}")
    return int(seed)


def checked_options(options: Any) -> dict[str, Any]:
    """Return a copy of the options of a reset. Raises ValueError."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ValueError(f"reset: options are a dictionary, not {options!r}")
    return dict(options)


def refuse_non_string(action: Any, where: str = "") -> None:
    """Raise InvalidAction for an action that is not a string."""
    if not isinstance(action, str):
        raise gymnasium.error.InvalidAction(f"{where}an action is a string, not {type(action).__name__}: {action!r}")


class PlayedSide:
    """Plays one side (`agent` or `customer`) of the episodes of a factory, one after the other."""

    def __init__(
        self, factory: EpisodeFactory, side: Player, *, whole: bool = False, reward: Reward | None = None
    ) -> None:
        """`whole`: observe all messages so far, not only new ones. `reward`: replaces the grade's."""
        self.factory = factory
        self.side = side
        self._role: Role = "agent" if side == "agent" else "user"
        self.whole = whole
        self.reward = reward
        self.episode: Episode | None = None
        self.over = False
        self._step_rewards: StepRewards | None = None
        self._told = 0
        self._tools: Sequence[Tool] = ()
        self._functions: Sequence[dict[str, Any]] = ()
        if reward is not None and not callable(reward) and not isinstance(reward, RewardWeights):
            raise UsageError(f"reward: give a function or RewardWeights, not {reward!r}")

    async def reset(self, task_id: str, seed: int) -> str:
        """Start an episode of a task; return the first observation. If it already ended, the first step says so."""
        if self.episode is not None:
            self.episode.close()
        episode = self.factory.episode(task_id, seed=seed)
        await episode.begin()
        self.take(episode)
        if episode.setting.solo:
            return f"user: {episode.task.ticket}"
        return transcript(self.played.messages)

    def take(self, episode: Episode) -> None:
        """Continue with an episode that has begun."""
        self.over = False
        self.episode = episode
        if episode.setting.lists_unlocked:
            self._told = len(self.played.tools)
        if isinstance(self.reward, RewardWeights):
            self._step_rewards = self.factory.step_rewards(episode, self.reward, side=self._role)

    @property
    def played(self) -> Side:
        """The side of the episode that is played here."""
        episode = self._begun()
        return episode.agent if self.side == "agent" else episode.customer

    def _begun(self) -> Episode:
        if self.episode is None:
            raise gymnasium.error.ResetNeeded("call reset first")
        return self.episode

    def first_info(self) -> dict[str, Any]:
        """Return the info of a reset: what the side may know at the beginning, which is never the gold."""
        episode = self._begun()
        info: dict[str, Any] = {
            "task_id": episode.task.id,
            "episode_seed": episode.seed,
            "tools": [*self._functions_of(self.played.tools)],
        }
        if self.side == "agent":
            info["policy"] = episode.policy
        else:
            info["scenario"] = episode.task.user_scenario.model_dump(mode="json", exclude_none=True)
        return info

    def _functions_of(self, tools: Sequence[Tool]) -> Sequence[dict[str, Any]]:
        """Return tools as chat-completions functions. Most episodes have the same tuple of tools as the last one."""
        if tools is not self._tools:
            self._tools, self._functions = tools, [tool.chat_function() for tool in tools]
        return self._functions

    async def step(self, action: str) -> Stepped:
        """Take an action: a tool call, `done()`, or a text for the other side.

        Raises ResetNeeded after the end, InvalidAction if the action is not a string.
        """
        episode = self._begun()
        if self.over:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset before the next action")
        if not isinstance(action, str):
            refuse_non_string(action)
        observation = ""
        if episode.ended is None:  # it may have ended before the first action, or by a time limit
            wanted = read_action(action)
            if isinstance(wanted, ActionCall) and (wanted.name != DONE or episode.setting.solo):
                observation = f"tool: {(await episode.call_as(self._role, wanted.name, wanted.arguments)).content}"
            else:
                observation = await self._speak(episode, wanted)
            self.over = self.over or episode.ended is not None
        else:
            self.over = True
        if self.whole:
            observation = transcript(self.played.messages)
        if self.over:
            return await self.finish(observation)
        news = self._news() if episode.setting.lists_unlocked else {}
        return observation, 0.0 if self._step_rewards is None else self._step_rewards.step(), False, False, news

    def _news(self) -> dict[str, Any]:
        """Return the tools if there are more than before."""
        tools = self.played.tools
        if len(tools) <= self._told:
            return {}
        self._told = len(tools)
        return {"tools": [*self._functions_of(tools)]}

    async def _speak(self, episode: Episode, action: ActionCall | str) -> str:
        """Say a text, or end with `done()`; return what the other side answers."""
        if isinstance(action, ActionCall) and self.side == "agent":
            self.over = True
            return ""
        if self.side == "agent":
            return transcript(await episode.agent.step(AssistantMessage(content=str(action))))
        text = STOP if isinstance(action, ActionCall) else action
        return transcript(await episode.customer.step(UserMessage(content=text)))

    async def finish(self, observation: str = "") -> Stepped:
        """Grade the episode, and return it as the last step of this side."""
        episode = self._begun()
        self.over = True
        record, grade = await episode.record(), await episode.grade()
        end = record.termination.value
        terminated = end in ENDED or end == OWN_ERROR[self.side]
        counted = grade.reward_for(self.side)
        if counted is None:
            reward = 0.0
        elif self._step_rewards is not None:
            reward = self._step_rewards.step(grade)
        else:
            reward = self.reward(record, episode.task, grade) if callable(self.reward) else counted
        info = {
            "task_id": record.task_id,
            "termination": end,
            "outcome": grade.outcome.value,
            "unscored": counted is None,
            "grade_reward": grade.reward,
            "criteria": {name: verdict.reward for name, verdict in grade.verdicts.items()},
        }
        return observation, reward, terminated, not terminated, info

    async def record(self) -> EpisodeRecord:
        """Return the record of the episode so far."""
        return await self._begun().record()

    async def grade(self) -> Grade:
        """Grade the episode in its current state. The checks reveal the gold: do not show them to the player."""
        return await self._begun().grade()

    def close(self) -> None:
        if self.episode is not None:
            self.episode.close()


class TaskDraw:
    """Chooses the next task: the one in the options, a fixed one, or one drawn at random or by a curriculum."""

    def __init__(self, factory: EpisodeFactory, task_id: str | None, curriculum: Curriculum | None = None) -> None:
        if curriculum is not None and task_id is not None:
            raise UsageError("give a task_id or a curriculum, not both")
        self.factory = factory
        self.curriculum = curriculum
        self.ids = [task_id] if task_id is not None else list(factory.tasks)

    def task(self, random: np.random.Generator, options: dict[str, Any] | None) -> str:
        """Return a task's id. Raises ValueError for unknown options, and for a task of another split."""
        if self.curriculum is None and (options is None or options == {}):
            return self.ids[draw_below(random, len(self.ids))]
        options = checked_options(options)
        task_id, split = options.pop("task_id", None), options.pop("split", None)
        if options:
            raise ValueError(f"reset: unknown option {next(iter(options))!r}; the options are task_id and split")
        ids = self.ids if split is None else self._of(split)
        if task_id is None and split is None and self.curriculum is not None:
            return self.curriculum.draw()
        if task_id is None:
            return ids[draw_below(random, len(ids))]
        if task_id not in ids:
            where = self.factory.split if split is None else split
            among = "the environment's tasks" if where is None else f"split {where!r}"
            raise ValueError(f"reset: task {task_id!r} is not among {among}")
        return str(task_id)

    def tell(self, info: dict[str, Any]) -> None:
        """Report an episode's outcome to the curriculum, if there is one."""
        if self.curriculum is not None and info["task_id"] in self.curriculum:
            self.curriculum.tell(info["task_id"], None if info["unscored"] else info["grade_reward"])

    def _of(self, split: str) -> list[str]:
        made_for = self.factory.split
        if made_for is not None and split != made_for:
            raise ValueError(
                f"reset: this environment plays split {made_for!r}, not {split!r}; create another one, so that train "
                "and test never mix"
            )
        splits = self.factory.splits
        if split not in splits:
            raise ValueError(f"reset: {self.factory.domain} has no split {split!r}; it has {', '.join(splits)}")
        ids = set(splits[split])
        return [task_id for task_id in self.ids if task_id in ids]
