"""One hosted episode: a world, its conversation, and its record, with calls to it one after the other."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import anyio

from tau2_core.episode.conversation import Conversation, visible_to
from tau2_core.episode.environment import Environment
from tau2_core.episode.play import Cast, agent_tools, fill, open_conversation, user_tools
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import start
from tau2_core.episode.solo import DONE
from tau2_core.gym.errors import RefusedError
from tau2_core.gym.pace import PacedStage
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from tau2_core.model.participants import AgentContext
from tau2_core.model.registrations import AgentSpec
from tau2_core.model.tasks import Task, UserScenario
from tau2_core.model.tools import Failure, Role, Tool, ToolResult

FREE_TASK = "free"
Result = TypeVar("Result")


def _elsewhere(_context: AgentContext) -> NoReturn:
    raise RuntimeError("the agent of a hosted episode is at the other end of the network")


EXTERNAL = AgentSpec("external", "an agent that acts over the network", _elsewhere)


@dataclass(frozen=True)
class Blueprint:
    """What an episode is made from, again at every reset."""

    setting: Setting
    task: Task
    cast: Cast
    seed: int


def free_task() -> Task:
    """Return the task of a world in its base state, with nothing to reach."""
    return Task(id=FREE_TASK, user_scenario=UserScenario(instructions=""))


@dataclass(eq=False)
class HostedEpisode:
    """An episode that others drive over the network. Raises TaskError if its start state does not apply."""

    id: str
    blueprint: Blueprint
    agent_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    user_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    last_used: float = field(default_factory=time.monotonic)
    in_flight: int = 0
    kept: bool = False

    def __post_init__(self) -> None:
        self._lock = asyncio.Lock()
        self._begin()

    def _begin(self) -> None:
        plan = self.blueprint
        environment = Environment(plan.setting, seed=plan.seed)
        start(environment, plan.task)
        self.stage = PacedStage(environment, plan.cast.wrappers)
        self.conversation = self._converse()
        self.greeted = False
        self.kept = False
        self.succeeded = 0

    def _converse(self) -> Conversation:
        plan = self.blueprint
        conversation = open_conversation(plan.setting, plan.task, plan.cast, self.stage, plan.seed)
        conversation.load(plan.task.history())
        return conversation

    @property
    def ended(self) -> Termination | None:
        return self.conversation.termination

    def tools(self, role: Role) -> Sequence[Tool]:
        """Return what a side may call."""
        setting, task = self.blueprint.setting, self.blueprint.task
        return agent_tools(setting) if role == "agent" else user_tools(setting, task)

    async def call(self, role: Role, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Make a call as one of the sides; a client that goes away in the middle does not undo or lose it."""
        return await self._alone(self._call(role, name, arguments))

    async def _alone(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do one thing at a time, and to the end, even if the client goes away."""
        with anyio.CancelScope(shield=True):
            async with self._lock:
                result = await work
        return result

    async def _call(self, role: Role, name: str, arguments: dict[str, Any]) -> ToolResult:
        if self.ended:
            text = f"Error: the episode has ended ({self.ended.value}); reset it, or create another"
            return ToolResult(text, Failure.REFUSED, {"code": "episode_ended"})
        if role == "user" and all(tool.name != name for tool in self.tools("user")):
            return ToolResult(f"Error: there is no tool {name!r}", Failure.UNKNOWN_TOOL, {"code": "unknown_tool"})
        talk = self.conversation
        call = ToolCall(id=f"call_{len(talk.messages)}", name=name, arguments=arguments)
        speaker = AssistantMessage if role == "agent" else UserMessage
        result = await talk.perform(speaker(tool_calls=[call]))
        self.succeeded += result.failure is None
        if name == DONE and talk.solo:
            return ToolResult("The ticket is closed.")
        return result

    async def hear(self) -> list[Message]:
        """Return what the agent and the customer have said, letting the customer answer the opening line first."""
        return await self._alone(self._hear())

    async def _hear(self) -> list[Message]:
        await self._greet()
        return self._said()

    async def say(self, content: str) -> list[Message]:
        """Give the customer the agent's words, and return what has been said, the answer last."""
        return await self._alone(self._say(content))

    async def _say(self, content: str) -> list[Message]:
        await self._greet()
        if self.ended:
            raise RefusedError(409, "episode_ended", f"the episode has ended ({self.ended.value})")
        await self.conversation.accept(AssistantMessage(content=content))
        return self._said()

    async def _greet(self) -> None:
        if self.conversation.solo:
            raise RefusedError(409, "solo", "solo play has no customer to talk to")
        if not self.greeted:
            self.greeted = True
            await self.conversation.greet()

    def _said(self) -> list[Message]:
        seen = visible_to("agent", self.conversation.messages)
        return [message for message in seen if not isinstance(message, ToolMessage) and message.content]

    async def record(self) -> EpisodeRecord:
        """Return the record as it stands; one that is not over is taken as ended by the agent."""
        async with self._lock:
            plan = self.blueprint
            record = EpisodeRecord(
                domain=plan.setting.domain,
                task_id=plan.task.id,
                trial=0,
                seed=plan.seed,
                termination=Termination.AGENT_STOP,
                solo=plan.setting.solo,
                variant=plan.setting.variant,
                mode=plan.setting.mode,
            )
            fill(record, self.conversation)
            record.messages = [message.model_copy() for message in record.messages]
            record.digests = await self.stage.digests()
            return record

    async def reset(self, seed: int | None) -> None:
        """Start again in the task's start state, under the same URLs; the seed changes if one is given (0 is one)."""
        async with self._lock:
            if seed is not None:
                plan = self.blueprint
                self.blueprint = Blueprint(plan.setting, plan.task, plan.cast, seed)
            self._begin()
