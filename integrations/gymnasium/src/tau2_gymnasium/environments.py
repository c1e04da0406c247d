"""The environments: one to play the agent, one to play the customer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar, Unpack

import gymnasium
from tau2_core import Curriculum, EpisodeFactory, EpisodeOptions, EpisodeRecord, Grade, Tool, UsageError
from tau2_core.event_loop import loop_factory

from tau2_gymnasium.actions import UnicodeText
from tau2_gymnasium.seat import Draw, Player, Reward, Seat, Stepped

Result = TypeVar("Result")
SEEDS = 2**31


class _TextEnv(gymnasium.Env[str, str]):
    """An episode as an environment with text actions and observations. `AgentEnv` describes it."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]
    side: ClassVar[Player] = "agent"
    render_mode = None

    def __init__(
        self,
        domain: str | Path,
        *,
        split: str | None = None,
        task_id: str | None = None,
        all_messages_as_observation: bool = False,
        reward: Reward | None = None,
        curriculum: Curriculum | None = None,
        **options: Unpack[EpisodeOptions],
    ) -> None:
        self.factory = made_factory(domain, self.side, split, task_id, options)
        self.observation_space = UnicodeText()
        self.action_space = UnicodeText()
        self._seat = Seat(self.factory, self.side, whole=all_messages_as_observation, reward=reward)
        self._draw = Draw(self.factory, task_id, curriculum)
        self._loop: asyncio.AbstractEventLoop | None = loop_factory()()
        self._at_once = self.factory.never_waits

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start an episode of the task `options["task_id"]`, or of one drawn from the split.

        A `seed` determines this episode and the tasks drawn from now on. Raises ValueError for a task or a split that
        this environment does not play, Tau2GymError if the task's start state is invalid.
        """
        super().reset(seed=seed)
        task_id = self._draw.task(self.np_random, options)
        drawn = int(self.np_random.integers(SEEDS))
        chosen = drawn if seed is None else seed
        observation = self._run(self._seat.reset(task_id, chosen))
        episode = self._seat.episode
        assert episode is not None
        tools = (episode.agent if self.side == "agent" else episode.customer).tools
        info: dict[str, Any] = {
            "task_id": task_id,
            "episode_seed": chosen,
            "tools": [*chat_functions(tuple(tools))],
        }
        if self.side == "agent":
            info["policy"] = self.factory.policy
        else:
            info["scenario"] = episode.task.user_scenario.model_dump(mode="json", exclude_none=True)
        return observation, info

    def step(self, action: str) -> Stepped:
        """Take an action, and return what happened.

        Raises ResetNeeded after the end, InvalidAction if the action is not a string.
        """
        stepped = self._run(self._seat.step(action))
        if stepped[4]:
            self._draw.tell(stepped[4])
        return stepped

    def record(self) -> EpisodeRecord:
        """Return the record of the episode so far."""
        return self._run(self._seat.record())

    def grade(self) -> Grade:
        """Grade the episode in its current state. The checks reveal the gold: do not show them to the player."""
        return self._run(self._seat.grade())

    def render(self) -> None:
        """Do nothing: the observations show everything."""

    def close(self) -> None:
        """Close the connections to models; the environment cannot be used afterwards."""
        if self._loop is not None:
            self._seat.close()
            self._run(self.factory.close())
            self._loop.close()
            self._loop = None

    def _run(self, steps: Coroutine[Any, Any, Result]) -> Result:
        if self._loop is None:
            steps.close()
            raise gymnasium.error.ClosedEnvironmentError("the environment is closed; create a new one")
        try:
            return run_at_once(steps) if self._at_once else self._loop.run_until_complete(steps)
        finally:
            steps.close()


class AgentEnv(_TextEnv):
    """Serve a simulated customer.

    An action is a string: a message to the customer, a tool call as `{"name": …, "arguments": {…}}` or
    `name(argument=…)`, or `done()` to end. An observation is the new messages, in lines of `role: content`; with
    `all_messages_as_observation`, the whole conversation. The reward is 0 until the end, then the grade's, or what
    `reward(record, task, grade)` returns. With `RewardWeights`, every step has a reward.

    A `curriculum` draws the tasks, and receives the outcome of each.

    `terminated`: one of the sides ended it. `truncated`: a limit was reached, or an error occurred that is not the
    agent's. If no reward may count, `info["unscored"]` is true. `info` never reveals the gold.

    `options` are those of `open_episode`: `user`, `evaluators`, `max_steps` and so on.
    """


class CustomerEnv(_TextEnv):
    """Play the customer; `agent` plays the agent. The customer ends with `done()` or `###STOP###`.

    Otherwise like `AgentEnv`. The default `agent` is a scripted one that knows the gold.
    """

    side = "customer"


@lru_cache(maxsize=64)
def chat_functions(tools: tuple[Tool, ...]) -> tuple[dict[str, Any], ...]:
    """Return tools as chat-completions functions, cached."""
    return tuple(tool.chat_function() for tool in tools)


def run_at_once(steps: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that never waits, without an event loop, which would take longer than the steps."""
    try:
        steps.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise RuntimeError("a step waited, although the factory declared that its episodes never wait")


def made_factory(
    domain: str | Path, side: str, split: str | None, task_id: str | None, options: EpisodeOptions
) -> EpisodeFactory:
    """Return a factory for the episodes of one side. Raises UsageError, PackError, DatasetError."""
    options = options.copy()
    if side == "customer":
        if options.setdefault("user", "external") != "external":
            raise UsageError("this environment plays the customer: do not give `user`")
        options.setdefault("agent", "oracle")
    elif "agent" in options:
        raise UsageError("this environment plays the agent: do not give `agent`")
    factory = EpisodeFactory(domain, split=split, tasks=None if task_id is None else [task_id], **options)
    factory.refuse_ungradable()
    return factory
