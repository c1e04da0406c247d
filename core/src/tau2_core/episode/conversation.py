"""The conversation: who speaks next, who sees what, and when it ends (spec/conversation.md, 3 to 7)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tau2_core.episode.environment import Environment
from tau2_core.episode.solo import split_done
from tau2_core.hookspecs import Proceed
from tau2_core.model.episodes import Termination
from tau2_core.model.messages import AssistantMessage, Message, ParticipantMessage, ToolCall, ToolMessage, UserMessage
from tau2_core.model.participants import STOP, STOP_TOKENS, Agent, User

Speaker = Literal["agent", "user", "environment"]


@dataclass(frozen=True, slots=True)
class Limits:
    """When a conversation is cut off. `max_errors` counts failed tool calls of both sides over the whole episode."""

    max_steps: int = 200
    max_errors: int = 10
    timeout_seconds: float | None = None


@dataclass
class Conversation:
    """One conversation in progress. Environment executions are steps too; the opening line is none."""

    environment: Environment
    agent: Agent
    user: User
    proceed: Proceed
    limits: Limits
    opening: str
    solo: bool = False
    messages: list[Message] = field(default_factory=list)
    termination: Termination | None = None
    error: str | None = None
    steps: int = 0
    tool_calls: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    _turn: Speaker = "user"
    _caller: Speaker = "agent"

    async def run(self, history: Sequence[Message]) -> Termination:
        """Converse to the end and return why it ended; `messages` then holds everything, numbered."""
        started = time.monotonic()
        await self._begin(history)
        while self.termination is None:
            await self._step()
            self.steps += 1
            self.environment.sync()
            self._check_limits(started)
        for index, message in enumerate(self.messages):
            message.turn_idx = index
        return self.termination

    async def _begin(self, history: Sequence[Message]) -> None:
        self.messages = [message.model_copy(deep=True) for message in history]
        if not self.messages:
            if self.solo:
                await self._speak("agent")
            else:
                self.messages.append(AssistantMessage(content=self.opening, cost=0.0))
            return
        last = self.messages[-1]
        if isinstance(last, ToolMessage):
            self._turn = "agent" if last.requestor == "assistant" else "user"
        elif isinstance(last, UserMessage):
            self._turn = "agent"
            self._check_stop(last)
        else:
            self._turn = "user"

    async def _step(self) -> None:
        if self._turn == "environment":
            await self._execute()
        else:
            await self._speak(self._turn)

    async def _speak(self, speaker: Literal["agent", "user"]) -> None:
        side: Agent | User = self.agent if speaker == "agent" else self.user
        try:
            message = await side.reply(visible_to(speaker, self.messages))
        except Exception as error:  # noqa: BLE001 - a participant may raise anything; it is recorded as that side's error
            self._fail(speaker, f"{type(error).__name__}: {error}")
            return
        wrong = _refuse(speaker, message)
        if wrong:
            self._fail(speaker, wrong)
            return
        message.tool_calls = message.tool_calls or None
        for call in message.tool_calls or []:
            call.requestor = "assistant" if speaker == "agent" else "user"
        done = False
        if self.solo:
            message, done = split_done(message)
        if message.tool_calls:
            self.messages.append(message)
            self._turn, self._caller = "environment", speaker
            if done:
                await self._execute()
                message = AssistantMessage(content=STOP)
        if not message.tool_calls:
            self.messages.append(message)
            self._turn = "user" if speaker == "agent" else "agent"
            self._check_stop(message)

    def _check_stop(self, message: Message) -> None:
        if isinstance(message, UserMessage) and not message.tool_calls:
            if any(token in (message.content or "") for token in STOP_TOKENS):
                self.termination = Termination.USER_STOP
        elif isinstance(message, AssistantMessage) and self.solo:
            if STOP in (message.content or ""):
                self.termination = Termination.AGENT_STOP
            else:
                self._fail(
                    "agent",
                    "a solo agent sent text, but nobody is there to read it; it must call tools, `done` at the end",
                )

    async def _execute(self) -> None:
        last = self.messages[-1]
        calls: list[ToolCall] = (last.tool_calls or []) if isinstance(last, AssistantMessage | UserMessage) else []
        for call in calls:
            result = await self.proceed(call)
            self.tool_calls += 1
            if result.failure is not None:
                self.failures[result.failure.value] += 1
            self.messages.append(
                ToolMessage(
                    id=call.id, content=result.content, requestor=call.requestor, error=result.failure is not None
                )
            )
        self._turn = self._caller

    def _check_limits(self, started: float) -> None:
        # Unlike the official loop, an end that was reached is never overwritten by a limit reached in the same step.
        if self.termination is not None or self._turn == "environment":
            return
        if self.failures.total() >= self.limits.max_errors:
            self.termination = Termination.TOO_MANY_ERRORS
        elif self.steps >= self.limits.max_steps:
            self.termination = Termination.MAX_STEPS
        elif self.limits.timeout_seconds is not None and time.monotonic() - started >= self.limits.timeout_seconds:
            self.termination = Termination.TIMEOUT

    def _fail(self, speaker: Literal["agent", "user"], error: str) -> None:
        self.termination = Termination.AGENT_ERROR if speaker == "agent" else Termination.USER_ERROR
        self.error = error


def visible_to(speaker: Literal["agent", "user"], messages: Sequence[Message]) -> list[Message]:
    """Return what a side has seen: its own messages and results, and the other's text that carried no calls."""
    own, other = (AssistantMessage, UserMessage) if speaker == "agent" else (UserMessage, AssistantMessage)
    requestor = "assistant" if speaker == "agent" else "user"
    return [
        message
        for message in messages
        if isinstance(message, own)
        or (isinstance(message, other) and message.tool_calls is None)
        or (isinstance(message, ToolMessage) and message.requestor == requestor)
    ]


def _refuse(speaker: str, message: ParticipantMessage) -> str:
    expected = AssistantMessage if speaker == "agent" else UserMessage
    if not isinstance(message, expected):
        return f"the {speaker} returned a {type(message).__name__}, not a {expected.__name__}"
    if not message.has_text() and not message.tool_calls:
        return f"the {speaker} sent neither text nor a tool call"
    return ""
