"""The environments: an agent who serves a simulated customer, and a customer who is served."""

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
    """An episode as an environment of texts. See `AgentEnv` for what all share."""

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
        """Begin an episode: of `options["task_id"]`, or of a task that is drawn from the split.

        A `seed` decides which tasks are drawn from now on, and is that of this episode. Raises ValueError for a task
        or a split that this environment does not play, Tau2GymError for a start state that does not apply.
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
        """Take an action, and return what happened since.

        Raises ResetNeeded after the end, InvalidAction for what is no text.
        """
        stepped = self._run(self._seat.step(action))
        if stepped[4]:
            self._draw.tell(stepped[4])
        return stepped

    def record(self) -> EpisodeRecord:
        """Return the episode's record as it stands."""
        return self._run(self._seat.record())

    def grade(self) -> Grade:
        """Grade the episode as it stands. A grade's checks tell the gold: they are not for who plays."""
        return self._run(self._seat.grade())

    def render(self) -> None:
        """Show nothing: the observations are all there is to see."""

    def close(self) -> None:
        """Close the connections to models; the environment cannot be used any more."""
        if self._loop is not None:
            self._seat.close()
            self._run(self.factory.close())
            self._loop.close()
            self._loop = None

    def _run(self, steps: Coroutine[Any, Any, Result]) -> Result:
        if self._loop is None:
            steps.close()
            raise gymnasium.error.ClosedEnvironmentError("the environment is closed; make another one")
        try:
            return run_at_once(steps) if self._at_once else self._loop.run_until_complete(steps)
        finally:
            steps.close()


class AgentEnv(_TextEnv):
    """Serve a simulated customer.

    An action is a text: words for the customer, a tool call as `{"name": …, "arguments": {…}}` or `name(argument=…)`,
    or `done()` to end. An observation is what has come since, in lines of `role: content`; with
    `all_messages_as_observation` the whole conversation. The reward is 0 until the end, then the grade's, or what
    `reward(record, task, grade)` returns; with `RewardWeights` each step is paid by them.

    A `curriculum` draws the tasks, and is told how each was solved.

    `terminated`: one of the sides ended it. `truncated`: a limit, or an error that is not the agent's; where no reward
    may count, `info["unscored"]` is true. What `info` holds never tells the gold.

    `options` are those of `open_episode`: `user`, `evaluators`, `max_steps` and so on.
    """


class CustomerEnv(_TextEnv):
    """Be the customer, whom an agent serves: `agent` says who. The customer ends with `done()` or `###STOP###`.

    Otherwise as `AgentEnv`. Without an `agent`, a scripted one serves that knows the gold.
    """

    side = "customer"


@lru_cache(maxsize=64)
def chat_functions(tools: tuple[Tool, ...]) -> tuple[dict[str, Any], ...]:
    """Return tools as chat-completions functions; for the same tools the same ones."""
    return tuple(tool.chat_function() for tool in tools)


def run_at_once(steps: Coroutine[Any, Any, Result]) -> Result:
    """Run steps that wait for nothing, with no event loop, which would take longer than they do."""
    try:
        steps.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise RuntimeError("a step waited for something, though the factory said that none does")


def made_factory(
    domain: str | Path, side: str, split: str | None, task_id: str | None, options: EpisodeOptions
) -> EpisodeFactory:
    """Return what makes the episodes of one side. Raises UsageError, PackError, DatasetError."""
    options = options.copy()
    if side == "customer":
        if options.setdefault("user", "external") != "external":
            raise UsageError("the customer is who plays this environment: give no `user`")
        options.setdefault("agent", "oracle")
    elif "agent" in options:
        raise UsageError("the agent is who plays this environment: give no `agent`")
    factory = EpisodeFactory(domain, split=split, tasks=None if task_id is None else [task_id], **options)
    factory.refuse_ungradable()
    return factory
