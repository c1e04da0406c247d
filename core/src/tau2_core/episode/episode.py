"""One episode in progress: the object that programs, the runner and the server step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

from tau2_core.episode.conversation import Conversation
from tau2_core.episode.episode_record import record_so_far
from tau2_core.episode.participants import Participants, agent_context, new_backend, user_context
from tau2_core.episode.record_checks import error_if_unrecordable
from tau2_core.episode.self_calling_agent import SelfCallingAgent
from tau2_core.episode.setting import Setting
from tau2_core.episode.side import Side
from tau2_core.episode.tool_backend import LocalBackend, ToolBackend
from tau2_core.episode.visibility import visible_to
from tau2_core.errors import EpisodeError, UsageError
from tau2_core.foreign_code import foreign
from tau2_core.llm.model import EpisodeModel
from tau2_core.model.customer_turns import TurnNotes
from tau2_core.model.episodes import EpisodeRecord, Slot, Termination
from tau2_core.model.evaluation import Grade
from tau2_core.model.latency import Latency
from tau2_core.model.llm import ModelError, ModelRole
from tau2_core.model.messages import AssistantMessage, Message, ParticipantMessage
from tau2_core.model.participants import Agent
from tau2_core.model.tasks import Task
from tau2_core.model.tokens import TracedCall
from tau2_core.model.tools import Role, Tool, ToolResult
from tau2_core.runtime.background_tasks import Background
from tau2_core.runtime.watchdog import running_code

GradeRecord = Callable[[EpisodeRecord], Awaitable[Grade]]


class Episode:
    """One episode of a task, from its start state to its record.

    A side whose participant is external is played from outside, through `agent` or `customer`; the other side answers
    by itself. Steps must not overlap: a step during another one, or after the end, raises EpisodeError and changes
    nothing.
    """

    def __init__(
        self,
        setting: Setting,
        task: Task,
        participants: Participants,
        *,
        slot: Slot | None = None,
        seed: int = 0,
        open_backend: Callable[[int], ToolBackend] | None = None,
        models: Mapping[ModelRole, EpisodeModel] | None = None,
        grade: GradeRecord | None = None,
        mcp_url: str | None = None,
        persona_by_seed: bool = False,
    ) -> None:
        """Set up the task's start state; the conversation has not begun yet.

        `open_backend` returns the backend of tool calls for a seed, by default an environment in this process. `models`
        are the participants' models, if they exist already. `grade` grades a record. `mcp_url` is where
        the agent's tools are served. Several personas take turns by the slot's trial, or by the seed with
        `persona_by_seed`.

        Raises TaskError if the start state cannot be set up, and whatever creating a participant raises.
        """
        self.setting = setting
        self.task = task
        self.participants = participants
        self.slot = slot or Slot(task.id, 0)
        self._open_backend = open_backend or partial(new_backend, LocalBackend, setting, task, participants)
        self._grade = grade
        self._mcp_url = mcp_url
        self._persona_by_seed = persona_by_seed
        self._stepping = Lock()  # so that one of two threads is refused
        self.begun = False
        self._start(seed, models)

    def _start(self, seed: int, models: Mapping[ModelRole, EpisodeModel] | None = None) -> None:
        setting, task, participants = self.setting, self.task, self.participants
        self._closed = False
        self.watch = participants.watch(self.slot)
        self.seed = seed
        self.backend = self._open_backend(seed)
        self.models = participants.episode_models(self.slot, seed) if models is None else models
        self.own_calls: SelfCallingAgent | None = None
        self.persona = participants.customers.persona(task.id, seed if self._persona_by_seed else self.slot.trial)
        self._turn_notes = TurnNotes()
        agent: Agent | None = None
        user = None
        if not participants.agent.external:
            agent = self._new_agent()
        if not participants.user.external:
            with foreign(f"user {participants.user.name}"), running_code("the creation of the customer"):
                model = self.models.get("user")
                context = user_context(
                    setting, task, participants, seed, model, self.backend, self.persona, self._turn_notes.add
                )
                user = participants.create_user(context)
        self.conversation = Conversation(
            self.backend, user, participants.limits, setting.opening(), solo=setting.solo, agent=agent
        )
        if self.watch is not None:
            self.conversation.watch = self.watch
            self.conversation.agent = self.watch.of("agent", agent)
            self.conversation.user = self.watch.of("user", user)
        self.conversation.load(task.history())
        self._turn_notes.messages = self.conversation.messages
        if self.own_calls is not None:
            self.own_calls.conversation = self.conversation
        for model in self.models.values():
            model.turn = self.conversation.messages.__len__
            model.watch = self.watch
        self.backend.use(self.models)
        self._background = Background(participants.packages, agent, user)

    def _new_agent(self) -> Agent:
        spec = self.participants.agent
        context = agent_context(
            self.setting, self.task, self.participants, self.seed, self.models.get("agent"), self.backend
        )
        if self.watch is not None:
            context = replace(context, trace_headers=self.watch.headers)
        if spec.calls_tools != "in_reply":
            if spec.calls_tools == "over_mcp" and self._mcp_url is None:
                raise UsageError(
                    f"agent {spec.name!r} calls tools over MCP, which nothing serves here: play it with `tau2-gym run` "
                    "or `evaluate`"
                )
            self.own_calls = SelfCallingAgent()
            context = replace(context, call=self.own_calls.call, mcp_url=self._mcp_url)
        with foreign(f"agent {spec.name}"), running_code("the creation of the agent"):
            agent = self.participants.create_agent(context)
        return agent if self.own_calls is None else self.own_calls.of(agent)

    @property
    def agent(self) -> Side:
        """The agent's side."""
        return Side(self, "agent")  # not kept: a cycle of references would leave the episode to the garbage collection

    @property
    def customer(self) -> Side:
        """The customer's side."""
        return Side(self, "user")

    @property
    def policy(self) -> str:
        """The policy that the agent must follow."""
        return self.setting.policy_for(self.task)

    @property
    def tools(self) -> Sequence[Tool]:
        """What the agent may call."""
        return self.agent.tools

    @property
    def messages(self) -> list[Message]:
        """What the agent has seen so far."""
        return self.agent.messages

    @property
    def ended(self) -> Termination | None:
        """How the episode ended; None while it is in progress. It also ends when its time is up."""
        conversation = self.conversation
        if conversation.limits.timeout_seconds is not None:
            conversation.check_time()
        return conversation.termination

    async def call(self, name: str, /, **arguments: Any) -> ToolResult:
        """Make one tool call as the agent. If it fails, the result has a `failure`. Raises EpisodeError."""
        return await self.agent.call(name, **arguments)

    async def say(self, text: str) -> str | None:
        """Say something to the customer and return the answer, None if there is none. Raises EpisodeError."""
        return await self.agent.say(text)

    async def step(self, message: AssistantMessage) -> list[Message]:
        """Send the agent's text or tool calls; return the messages that it has seen since. Raises EpisodeError."""
        return await self.agent.step(message)

    async def begin(self) -> None:
        """Begin the conversation, and continue until the turn of a side that is played from outside."""
        with _Step(self):
            self.begun = True
            await self._recorded(self.conversation.greet())

    async def call_as(self, role: Role, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Make one tool call for a side; the other side does not answer. Raises EpisodeError.

        An agent that takes part makes it in its own turn.
        """
        if role == "agent" and self.own_calls is not None:
            return await self.own_calls.call(name, arguments)
        with _Step(self):
            return error_if_unrecordable(name, arguments) or await self.conversation.perform(role, name, arguments)

    async def step_as(self, role: Role, message: ParticipantMessage) -> list[Message]:
        """Send a message for a side; return the messages that it has seen since. Raises EpisodeError."""
        with _Step(self):
            if self.conversation.turn != role:
                raise EpisodeError(f"it is the {self.conversation.turn}'s turn; step that side")
            seen = len(self.conversation.messages) + 1  # its own message
            await self._recorded(self.conversation.accept(role, message))
            return visible_to(role, self.conversation.messages[seen:])

    async def reward(self) -> float | None:
        """Grade the episode in its present state and return the reward, 0 to 1, or None if there is none."""
        return (await self.grade()).reward

    async def grade(self) -> Grade:
        """Grade the episode in its present state. If it has not ended, it counts as ended by the agent."""
        if self._grade is None:
            raise UsageError("this episode was made without evaluators, so it cannot be graded")
        return await self._grade(await self.record())

    async def record(self) -> EpisodeRecord:
        """Return the present record, as a copy that later steps do not change."""
        self.conversation.check_time()
        record = await self.final_record()
        record.messages = [message.model_copy() for message in record.messages]
        record.usage = {role: replace(usage) for role, usage in record.usage.items()}
        return record

    async def final_record(self) -> EpisodeRecord:
        """Return the record without copying its messages, when nothing more will happen in the episode."""
        record = self.record_without_digests()
        if self._background.over:
            record.stopped_tasks = await self._background.ended() or None
        record.digests = await self.backend.digests()
        record.unlocked = await self.backend.unlocked() or None
        return record

    def record_without_digests(self) -> EpisodeRecord:
        """Return the record as `final_record` does, without the digests of the databases."""
        record = record_so_far(self.setting, self.slot, self.seed, self.conversation)
        record.persona = None if self.persona is None else self.persona.name
        record.customer_turns = [*self._turn_notes.turns] or None
        record.usage = {role: model.usage for role, model in self.models.items()}
        return record

    @property
    def latency(self) -> Latency:
        """How long each message has taken so far."""
        return self.conversation.latency

    def token_traces(self) -> list[TracedCall]:
        """Return the traced calls of the participants' models, with their tokens."""
        return [call for model in self.models.values() if model.trace is not None for call in model.trace.calls]

    async def reset(self, seed: int | None = None) -> None:
        """Start again in the task's start state, with a new seed if one is given (0 is a seed)."""
        if self._stepping.locked():
            raise EpisodeError("a step of this episode is in progress; await it before you reset")
        self.close()
        seed = self.seed if seed is None else seed
        self._start(seed)
        if self.begun:
            await self.begin()

    def close(self) -> None:
        """Refuse further steps, and cancel background tasks. Call it in the event loop's thread."""
        self._closed = True
        self.cancel_background()
        self.backend.close()

    def cancel_background(self) -> None:
        """Cancel background tasks that participants and plugins started. Call it in the event loop's thread."""
        self._background.cancel()

    async def _recorded(self, steps: Awaitable[None]) -> None:
        """Await steps. If a model cannot be reached, the episode ends with an infrastructure error."""
        try:
            await steps
        except ModelError as error:
            self.interrupt(str(error))

    def interrupt(self, why: str) -> None:
        """End with an infrastructure error, which is neither side's fault."""
        self.conversation.interrupt(why)


class _Step:
    """The block of one step, during which there is no other. Tasks that plugins start in it are tracked.

    Entering it raises EpisodeError during another step, and after the end.
    """

    __slots__ = ("_episode", "_tracking")

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._tracking: AbstractContextManager[None] | None = None

    def __enter__(self) -> None:
        episode = self._episode
        if not episode._stepping.acquire(blocking=False):
            raise EpisodeError("a step of this episode is in progress; await it before the next one")
        ended = episode.ended
        if ended is not None or episode._closed:
            episode._stepping.release()
            how = "is closed" if ended is None else f"has ended ({ended.value})"
            raise EpisodeError(f"the episode {how}; reset it, or open another one")
        self._tracking = episode._background.tracking()
        if self._tracking is not None:
            self._tracking.__enter__()

    def __exit__(self, *error: Any) -> None:
        episode = self._episode
        try:
            if self._tracking is not None:
                self._tracking.__exit__(*error)
        finally:
            episode._stepping.release()
            if episode.ended is not None:
                episode.close()
