"""`open_episode`: an episode that a program steps, asynchronously or synchronously."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, Unpack

from tau2_core.api.episode_factory import EpisodeFactory
from tau2_core.api.options import EpisodeOptions, refuse_running_loop
from tau2_core.episode.episode import Episode
from tau2_core.episode.participants import EXTERNAL_USER
from tau2_core.episode.side import Side
from tau2_core.errors import EpisodeError, UsageError
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.evaluation import Grade
from tau2_core.model.messages import AssistantMessage, Message, ParticipantMessage
from tau2_core.model.tasks import Task, UserScenario
from tau2_core.model.tools import Tool, ToolResult
from tau2_core.runtime.background_tasks import tracked_loops

T = TypeVar("T")
HOW_TO_AWAIT = "`async with open_episode(…)`, and await each step"


def open_episode(
    domain: str | Path, task: str | Task | None = None, *, seed: int = 0, **options: Unpack[EpisodeOptions]
) -> OpenedEpisode:
    """Open one episode, to be entered with `async with` (an `Episode`) or `with` (a `SyncEpisode`).

    Args:
        domain: a domain's name, or the folder of a pack.
        task: a task's id, or one that you made; without one the environment is in its base state, has no customer and
            nothing to reach.
        seed: the seed for the environment and the participants.
        options: see `EpisodeOptions`. By default your program is the agent, through `call`, `say` and `step`, and the
            customer is scripted.

    Raises:
        UsageError: an unknown name or option, or an invalid combination.
        PackError, DatasetError: the data are invalid.
    """
    given: dict[str, Any] = {**options}
    if task is None:
        given = {"user": EXTERNAL_USER, **given}
    made = Task(id="free", user_scenario=UserScenario(instructions="")) if task is None else task
    factory = EpisodeFactory(domain, tasks=[made], **given)
    if task is not None:
        factory.refuse_ungradable()
    return OpenedEpisode(factory, seed, begins=task is not None)


class OpenedEpisode:
    """An episode about to begin: `async with` gives an `Episode`, `with` a `SyncEpisode`."""

    def __init__(self, factory: EpisodeFactory, seed: int, *, begins: bool = True) -> None:
        self._factory = factory
        self._seed = seed
        self._begins = begins
        self._sync: SyncEpisode | None = None
        self._episode: Episode | None = None

    async def __aenter__(self) -> Episode:
        (task,) = self._factory.tasks.values()
        episode = self._factory.episode(task, seed=self._seed)
        self._episode = episode
        if self._begins:
            await episode.begin()
        return episode

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._episode is not None:
            self._episode.close()
        await self._factory.close()

    def __enter__(self) -> SyncEpisode:
        refuse_running_loop(HOW_TO_AWAIT)
        runner = asyncio.Runner(loop_factory=tracked_loops(asyncio.new_event_loop))
        try:
            self._sync = SyncEpisode(runner.run(self.__aenter__()), runner)
        except BaseException:
            runner.close()
            raise
        return self._sync

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sync is not None
        self._sync.close(self.__aexit__(kind, error, trace))


class SyncSide:
    """The synchronous form of `Side`."""

    def __init__(self, episode: SyncEpisode, side: Side) -> None:
        self._episode = episode
        self._side = side

    @property
    def tools(self) -> Sequence[Tool]:
        """What this side may call."""
        return self._side.tools

    @property
    def messages(self) -> list[Message]:
        """What this side has seen."""
        return self._side.messages

    def call(self, name: str, /, **arguments: Any) -> ToolResult:
        """Make one tool call. Raises EpisodeError."""
        return self._episode.wait(self._side.call(name, **arguments))

    def say(self, text: str) -> str | None:
        """Say something to the other side and return its answer. Raises EpisodeError."""
        return self._episode.wait(self._side.say(text))

    def step(self, message: ParticipantMessage) -> list[Message]:
        """Send a message; return what this side has seen since. Raises EpisodeError."""
        return self._episode.wait(self._side.step(message))


class SyncEpisode:
    """The synchronous form of `Episode`. It cannot be used in a running event loop."""

    def __init__(self, episode: Episode, runner: asyncio.Runner) -> None:
        self._episode = episode
        self._runner: asyncio.Runner | None = runner
        self.agent = SyncSide(self, episode.agent)
        self.customer = SyncSide(self, episode.customer)

    @property
    def policy(self) -> str:
        """The policy that the agent must follow."""
        return self._episode.policy

    @property
    def tools(self) -> Sequence[Tool]:
        """What the agent may call."""
        return self._episode.tools

    @property
    def messages(self) -> list[Message]:
        """What the agent has seen so far."""
        return self._episode.messages

    @property
    def ended(self) -> Termination | None:
        """How the episode ended; None while it is in progress."""
        return self._episode.ended

    def call(self, name: str, /, **arguments: Any) -> ToolResult:
        """Make one tool call as the agent. Raises EpisodeError."""
        return self.agent.call(name, **arguments)

    def say(self, text: str) -> str | None:
        """Say something to the customer and return the answer. Raises EpisodeError."""
        return self.agent.say(text)

    def step(self, message: AssistantMessage) -> list[Message]:
        """Send the agent's text or tool calls; return what the agent has seen since. Raises EpisodeError."""
        return self.agent.step(message)

    def grade(self) -> Grade:
        """Grade the episode in its present state."""
        return self.wait(self._episode.grade())

    def reward(self) -> float | None:
        """Grade the episode in its present state and return the reward."""
        return self.wait(self._episode.reward())

    def record(self) -> EpisodeRecord:
        """Return the present record."""
        return self.wait(self._episode.record())

    def reset(self, seed: int | None = None) -> None:
        """Start again in the task's start state."""
        self.wait(self._episode.reset(seed))

    def wait(self, steps: Coroutine[Any, Any, T]) -> T:
        """Run steps to their end. Raises what they raise."""
        try:
            refuse_running_loop(HOW_TO_AWAIT)
            if self._runner is None:
                raise EpisodeError("the episode is closed: its `with` block has ended")
        except UsageError:
            steps.close()
            raise
        return self._runner.run(steps)

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Finish the episode and close its event loop."""
        try:
            self.wait(last)
        finally:
            if self._runner is not None:
                self._runner.close()
            self._runner = None
