"""One hosted episode: its world, conversation and record, with calls one after the other."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tau2_core.episode.episode import Episode
from tau2_core.episode.participants import Participants, new_backend
from tau2_core.episode.record_checks import error_if_unrecordable
from tau2_core.episode.setting import Setting
from tau2_core.episode.solo import DONE
from tau2_core.episode.visibility import visible_to
from tau2_core.errors import EpisodeError
from tau2_core.gym.errors import RefusedError
from tau2_core.gym.worker_threads import ServedBackend, WorkerThreads
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.evaluation import Grade
from tau2_core.model.messages import AssistantMessage, Message, ToolMessage
from tau2_core.model.tasks import Task, UserScenario
from tau2_core.model.tools import Failure, Role, Tool, ToolResult

if TYPE_CHECKING:
    from tau2_core.gym.entries import Entry


@dataclass(frozen=True)
class Blueprint:
    """Everything that an episode is built from, at creation and at every reset. A free world has a placeholder task.

    `address` is that of the server, if the agent takes part in the episode and calls the tools there.
    """

    setting: Setting
    task: Task
    participants: Participants
    seed: int
    free: bool = False
    slot: Slot | None = None  # a slot of the served run
    conversation_tools: bool = False  # the agent talks to the customer through tools
    address: str | None = None

    @property
    def has_customer(self) -> bool:
        """Whether a customer answers on the conversation plane."""
        return not (self.free or self.setting.solo)

    @property
    def two_sided(self) -> bool:
        """Whether the customer's side has a database of its own."""
        return "user" in self.setting.pack.models and not self.setting.solo


def free_task() -> Task:
    """Return the placeholder task of a free world in its base state."""
    return Task(id="free", user_scenario=UserScenario(instructions=""))


@dataclass(eq=False)
class HostedEpisode:
    """An episode that is driven over the network. Raises TaskError if its start state cannot be set up.

    Creating one runs the task's set-up calls, so it belongs in a worker thread. `call` and `converse` hold the lock
    throughout and must not be cancelled; the registry ensures this.
    """

    id: str
    blueprint: Blueprint
    workers: WorkerThreads
    agent_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    user_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    last_used: float = field(default_factory=time.monotonic)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    in_flight: int = 0
    closed: bool = False
    kept: bool = False
    deadline: float | None = None
    lost: str = ""  # why a slot's episode was not finished
    stopping: bool = False
    attempt: int = 1
    grading: asyncio.Task[Grade | None] | None = None
    before_first: Callable[[HostedEpisode], Awaitable[None]] | None = None  # awaited before the first call or message
    entry: Entry | None = None  # its trial in a run
    trial: int | None = None  # set at the first call or message

    def __post_init__(self) -> None:
        self.begin()

    def begin(self, seed: int | None = None) -> None:
        """Begin in the task's start state, with a new seed if one is given (0 is a seed)."""
        plan = self.blueprint
        if seed is not None:
            plan = self.blueprint = replace(plan, seed=seed)
        slot = plan.slot or Slot(plan.task.id, 0)
        self.episode = Episode(
            plan.setting,
            plan.task,
            plan.participants,
            slot=slot,
            seed=plan.seed,
            open_backend=self._open_backend,
            models=plan.participants.episode_models(plan.slot or self.id, plan.seed),
            persona_by_seed=plan.slot is None,
            mcp_url=None if plan.address is None else f"{plan.address}/episodes/{self.agent_key}/mcp",
        )
        self.history = len(self.episode.conversation.messages)
        self.entry = None
        self.trial = None
        self.kept = False
        self.grading = None
        self.begun_at = time.monotonic()
        self.succeeded = 0

    def _open_backend(self, seed: int) -> ServedBackend:
        plan = self.blueprint
        make = partial(ServedBackend, workers=self.workers)
        self.backend = new_backend(make, plan.setting, plan.task, plan.participants, seed)
        return self.backend

    @property
    def messages(self) -> Sequence[Message]:
        """The whole conversation so far, of both sides."""
        return self.episode.conversation.messages

    @property
    def ended(self) -> Termination | None:
        """How the episode ended; None while it is in progress. It also ends at its deadline."""
        return self.episode.ended

    @property
    def touched(self) -> bool:
        """Whether anything has happened that must be recorded."""
        return self.episode.begun or len(self.messages) > self.history

    @property
    def last_call_skipped(self) -> bool:
        """Whether a plugin answered the last call instead of the environment."""
        last = self.messages[-1] if self.messages else None
        return isinstance(last, ToolMessage) and bool(last.skipped)

    def tools(self, role: Role) -> Sequence[Tool]:
        """Return the tools of a side."""
        return self.episode.agent.tools if role == "agent" else self.episode.customer.tools

    def unlocked(self, role: Role) -> Collection[str]:
        """Return the hidden tools that a side has unlocked so far."""
        return self.backend.environment.unlocked[role]

    def answers_at_once(self, arguments: dict[str, Any]) -> bool:
        """Tell whether a call made now would return without waiting: no other call, thread or plugin is involved."""
        participants = self.blueprint.participants
        free = (
            self.episode.own_calls is None
            and not self.lock.locked()
            and self.trial is not None
            and not participants.wrappers
            and not participants.faults
        )
        return free and self.backend.runs_on_loop(arguments)

    async def call(self, role: Role, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Make a call for one of the sides. A call that cannot be recorded is refused without effect."""
        refusal = error_if_unrecordable(name, arguments, strict=True)
        if refusal is not None:
            return refusal
        async with self.lock:
            if self.closed:
                return _refused("the episode was deleted or has expired; create another", "expired_episode")
            if self.ended:
                return _refused(f"the episode has ended ({self.ended.value}); reset it, or create another", "ended")
            if role == "user" and all(tool.name != name for tool in self.tools("user")):
                return _refused(f"there is no tool {name!r}", "unknown_tool", Failure.UNKNOWN_TOOL)
            await self.enter()
            try:
                result = await self.episode.call_as(role, name, arguments)
            except EpisodeError as error:  # its deadline has passed
                return _refused(str(error), "ended")
            self.succeeded += result.failure is None
            if name == DONE and self.blueprint.setting.solo:
                return ToolResult("The ticket is closed.")
            return result

    async def converse(self, content: str | None = None) -> list[Message]:
        """Send the agent's message, if there is one, to the customer; return the conversation with the answer.

        The conversation contains the calls of the task's history, but not those of the episode, whose results the agent
        has already received. The customer answers the opening line first. Raises RefusedError.
        """
        async with self.lock:
            try:
                await self._greet()
                if content is not None:
                    await self.episode.step(AssistantMessage(content=content))
            except EpisodeError as error:
                if not self.ended:
                    raise
                if content is not None:
                    raise RefusedError(409, "episode_ended", str(error)) from error
            return self._said()

    async def _greet(self) -> None:
        if self.blueprint.setting.solo:
            raise RefusedError(409, "solo", "solo play has no customer to talk to")
        if self.episode.own_calls is not None:
            raise RefusedError(409, "takes_part", "what the agent of a run says to the customer is its reply")
        if self.blueprint.free:
            raise RefusedError(409, "no_task", "a world without a task has no customer to talk to")
        if self.closed:
            raise RefusedError(410, "expired_episode", "the episode was deleted or has expired; create another")
        if not self.episode.begun and not self.ended:
            await self.enter()
            await self.episode.begin()

    async def enter(self) -> None:
        """Make the episode part of its run. The caller must hold the lock."""
        if self.trial is None and self.before_first is not None:
            await self.before_first(self)
            for model in self.episode.models.values():  # a name that a cassette can look up, unlike a random id
                model.episode = str(Slot(self.blueprint.task.id, self.trial or 0))

    def interrupt(self, why: str) -> None:
        """End with an infrastructure error, which is neither side's fault."""
        self.episode.interrupt(why)

    def _said(self) -> list[Message]:
        """Return the texts of both sides, and the agent's calls in the task's history with their results."""
        before = visible_to("agent", self.messages[: self.history])
        since = visible_to("agent", self.messages[self.history :])
        return [*before, *(each for each in since if not isinstance(each, ToolMessage) and each.content)]

    async def record(self) -> EpisodeRecord:
        """Return the present record, taken between two calls. An episode in progress counts as ended by the agent."""
        async with self.lock:
            return await self.snapshot()

    async def snapshot(self) -> EpisodeRecord:
        """Return the record. The caller must hold the lock."""
        record = await self.episode.record()
        if self.blueprint.slot is None:
            record.trial = self.trial or 0
        return record


def _refused(why: str, code: str, failure: Failure = Failure.REFUSED) -> ToolResult:
    return ToolResult(f"Error: {why}", failure, {"code": code})
