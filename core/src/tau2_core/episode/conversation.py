"""The conversation: who speaks next, and when it ends (spec/conversation.md, 3 to 7)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tau2_core.episode.limits import Limits
from tau2_core.episode.record_checks import recordable_message
from tau2_core.episode.solo import DONE
from tau2_core.episode.tool_backend import BrokenOffError, ToolBackend
from tau2_core.episode.visibility import requestor_of, visible_to
from tau2_core.foreign_code import contain, describe_error, error_text
from tau2_core.llm.chat import CUT_OFF
from tau2_core.model.episodes import Termination
from tau2_core.model.latency import SHORTEST, Latency, Speaker
from tau2_core.model.llm import OWN_DOING, ModelError
from tau2_core.model.messages import (
    AssistantMessage,
    Message,
    ParticipantMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
    new_assistant_message,
    new_tool_call,
    new_tool_message,
    new_user_message,
)
from tau2_core.model.participants import STOP, Agent, User, has_stop_token
from tau2_core.model.tools import Failure, Role, ToolResult
from tau2_core.observing import Watch
from tau2_core.runtime.watchdog import running_code

CUT_OFF_CALL = (
    f"Error: {CUT_OFF}: your answer reached the token limit in this call, which may not be what you meant. It was not "
    "carried out. Call again, and write less before it."
)


@dataclass(slots=True)
class Conversation:
    """One conversation in progress. Executing tool calls is a step too; the opening line is not.

    A side without a participant (`agent` or `user` is None) is played from outside: its messages go to `accept`, its
    tool calls may go to `perform`. Everything up to that side's next turn then happens by itself: calls are executed,
    and the other side answers.
    """

    backend: ToolBackend
    user: User | None
    limits: Limits
    opening: str
    solo: bool = False
    agent: Agent | None = None
    messages: list[Message] = field(default_factory=list)
    termination: Termination | None = None
    error: str | None = None
    steps: int = 0
    tool_calls: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    watch: Watch | None = None
    _turn: Speaker = "agent"
    _caller: Speaker = "agent"
    _history: int = 0
    _ended_within: bool = False
    _started: float = field(default_factory=time.monotonic)
    _asked: float = field(default_factory=time.monotonic)

    @property
    def turn(self) -> Speaker:
        """Whose turn it is."""
        return self._turn

    def load(self, history: Sequence[Message]) -> None:
        """Load the messages from before the episode, without answers."""
        if not history:
            return
        self.messages = [message.model_copy(deep=True) for message in history]
        self._history = len(self.messages)

    async def greet(self) -> None:
        """Begin, and continue until the turn of a side that is played from outside, or to the end.

        Without a history the customer answers the opening line. If the history already ends the conversation, no step
        is made.
        """
        self._asked = time.monotonic()
        last: Message | None = None
        if self._history:
            history = self.messages[: self._history]  # otherwise the calls that a side has made since
            last = next((message for message in reversed(history) if not isinstance(message, SystemMessage)), None)
        if last is None:
            if self.solo:
                self.steps = -1  # in tau2-bench, a solo agent's first message is not a step
            else:
                self.messages.append(
                    new_assistant_message({"content": self.opening, "cost": 0.0, "turn_idx": len(self.messages)})
                )
                self._turn = "user"
        elif isinstance(last, ToolMessage):
            self._turn = "agent" if last.requestor == "assistant" else "user"
        elif isinstance(last, UserMessage):
            self._check_stop(last)
        else:
            self._turn = "user"
        await self._advance()

    async def accept(self, speaker: Role, message: ParticipantMessage) -> None:
        """Accept a message of a side that is played from outside; then continue as `greet` does."""
        self._take(speaker, message)
        if self.backend.unsettled:
            await self._settle()
        self._end_step()
        await self._advance()

    async def perform(self, speaker: Role, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Execute one call of a side that is played from outside; nobody else answers.

        The arguments must be recordable, and the caller must not change them afterwards.
        """
        turn = self._turn
        at = len(self.messages)
        call = new_tool_call(
            {"id": f"call_{at}", "name": name, "arguments": arguments, "requestor": requestor_of(speaker)}
        )
        message = {"tool_calls": [call], "turn_idx": at}
        self.messages.append(new_assistant_message(message) if speaker == "agent" else new_user_message(message))
        self._note_latency(speaker, at)
        self._turn = "environment"
        self.steps += 1
        result = await self._execute(call)
        self._turn = turn
        if self.backend.unsettled:
            await self._settle()
        self._end_step()
        return result

    async def _advance(self) -> None:
        while self.termination is None:
            if self._turn == "environment":
                await self._execute_all()
            else:
                participant = self.agent if self._turn == "agent" else self.user
                if participant is None:
                    return
                await self._ask(self._turn, participant)
                if self._ended_within:
                    return
            if self.backend.unsettled:
                await self._settle()
            self._end_step()

    def _note_latency(self, speaker: Speaker, message: int) -> None:
        seconds = time.monotonic() - self._asked
        if seconds >= SHORTEST:  # when everything is in this process, this saves a call
            self.latency.note(speaker, message, seconds)

    async def _settle(self) -> None:
        try:
            await self.backend.settle()
        except Exception as error:  # noqa: BLE001 - a pack's sync may raise anything; it is recorded
            self.interrupt(f"the sync failed: {describe_error(error)}")

    def _end_step(self) -> None:
        """Count a step and end if a limit is reached, which does not replace another end as in the official loop."""
        self.steps += 1
        if self.termination is None and self._turn != "environment":
            limits = self.limits
            if self.failures and sum(self.failures.values()) >= limits.max_errors:
                self.termination = Termination.TOO_MANY_ERRORS
            elif self.steps >= limits.max_steps:
                self.termination = Termination.MAX_STEPS
            elif limits.timeout_seconds is not None:
                self.check_time()
        self._asked = time.monotonic()

    async def _ask(self, speaker: Role, participant: Agent | User) -> None:
        try:
            with running_code(f"the {speaker}"):
                turn = participant.reply(visible_to(speaker, self.messages))
                if not hasattr(turn, "__await__"):
                    raise TypeError(f"`reply` should be `async def`, but it returned {type(turn).__name__}")
                message = await turn
        except BaseException as raised:  # noqa: BLE001 - a participant may raise anything; it is recorded
            error = contain(raised)
            if self.termination is not None:  # as below
                self._ended_within = True
                return
            _raise_if_not_its_fault(error)
            self._fail(speaker, describe_error(error))
            return
        if self.termination is not None:  # by a call that the agent made itself, so its reply came too late
            self._ended_within = True
            return
        self._take(speaker, message)

    def _take(self, speaker: Role, said: ParticipantMessage | str) -> None:
        try:
            message = recordable_message(speaker, said, len(self.messages))
        except BaseException as raised:  # noqa: BLE001 - a custom message class may raise anything
            error = contain(raised)
            self._fail(speaker, error_text(error) if isinstance(error, ValueError) else describe_error(error))
            return
        for call in message.tool_calls or []:
            call.requestor = requestor_of(speaker)
        self._note_latency(speaker, len(self.messages))
        self.messages.append(message)
        if message.tool_calls:
            self._turn, self._caller = "environment", speaker
        else:
            self._turn = "user" if speaker == "agent" else "agent"
            self._check_stop(message)

    def _check_stop(self, message: ParticipantMessage) -> None:
        if isinstance(message, UserMessage):
            if not message.tool_calls and has_stop_token(message.content or ""):
                self.termination = Termination.USER_STOP
        elif self.solo:
            if STOP in (message.content or ""):
                self.termination = Termination.AGENT_STOP
            else:
                self._fail(
                    "agent", "a solo agent sent text, but there is nobody to read it; it should call tools, then `done`"
                )

    async def _execute_all(self) -> None:
        last = self.messages[-1]
        if isinstance(last, AssistantMessage | UserMessage):
            for call in last.tool_calls or []:
                await self._execute(call)
        self._turn = self._caller

    async def _execute(self, call: ToolCall) -> ToolResult:
        messages = self.messages
        if self.solo and call.name == DONE and CUT_OFF not in call.arguments:
            messages.append(ToolMessage(id=call.id, content="", turn_idx=len(messages)))
            self.termination = Termination.AGENT_STOP
            return ToolResult("")
        begun = time.monotonic()
        if self.termination is Termination.INFRASTRUCTURE_ERROR or CUT_OFF in call.arguments:
            result = self._not_made()
        else:
            try:
                result = await (self.backend.call(call) if self.watch is None else self.watch.call(self.backend, call))
            except BaseException as raised:  # noqa: BLE001 - a wrapper may raise anything; it is recorded
                result = self._aborted(call, contain(raised))
        seconds = time.monotonic() - begun
        if seconds >= SHORTEST:
            self.latency.note("environment", len(messages), seconds)
        self.tool_calls += 1
        answer = new_tool_message({"id": call.id, "content": result.content, "turn_idx": len(messages)})
        if call.requestor == "user":
            answer.requestor = "user"
        if result.failure is not None:
            name = result.failure.value
            self.failures[name] = self.failures.get(name, 0) + 1
            answer.error = True
        if result.skipped:
            answer.skipped = True
        messages.append(answer)
        return result

    def _not_made(self) -> ToolResult:
        """Return the result of a call that comes after a plugin has failed, or that a model did not finish."""
        if self.termination is Termination.INFRASTRUCTURE_ERROR:
            return ToolResult("Error: the episode ended before this call", Failure.CRASHED, skipped=True)
        return ToolResult(CUT_OFF_CALL, Failure.INVALID_ARGUMENTS, {"code": CUT_OFF}, skipped=True)

    def _aborted(self, call: ToolCall, error: Exception) -> ToolResult:
        """End the episode, so that later calls of the same message are not made, and return the call's result."""
        broken = isinstance(error, BrokenOffError)
        why = str(error) if broken else f"the call of {call.name} was aborted: {describe_error(error)}"
        self.interrupt(why)
        return ToolResult(f"Error: {why}", Failure.CRASHED, {"code": Failure.CRASHED.value}, skipped=True)

    def start_clock(self) -> None:
        """Begin the episode's time now, and not when it was created."""
        self._started = time.monotonic()

    def check_time(self) -> None:
        """End if the deadline has passed. For callers too, since an idle side makes no step that would notice it."""
        timeout = self.limits.timeout_seconds
        if self.termination is None and timeout is not None and time.monotonic() - self._started >= timeout:
            self.termination = Termination.TIMEOUT

    def interrupt(self, why: str) -> None:
        """End with an infrastructure error, which is neither side's fault."""
        self.termination, self.error = Termination.INFRASTRUCTURE_ERROR, why

    def _fail(self, speaker: Role, error: str) -> None:
        self.termination = Termination.AGENT_ERROR if speaker == "agent" else Termination.USER_ERROR
        self.error = error


def _raise_if_not_its_fault(error: Exception) -> None:
    """Re-raise the error of a model that cannot be reached; it is an infrastructure error, not the participant's."""
    if isinstance(error, ModelError) and error.kind not in OWN_DOING:
        raise error
