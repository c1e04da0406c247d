"""The spans of one episode, from what happened in it: a conversation, its turns, requests to models and tool calls.

Used live and for stored runs, so that both give the same trace. Times are nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, SpanKind, StatusCode, Tracer, get_current_span, set_span_in_context
from tau2_core import EpisodeRecord, Grade
from tau2_core.model.episodes import Slot
from tau2_core.model.llm import ModelSettings
from tau2_core.model.tools import Failure, Role

from tau2_gym_opentelemetry import conventions
from tau2_gym_opentelemetry.conventions import AGENT, CONVERSATION, ERROR, OPERATION, Attributes, sendable

CUSTOMER = "customer"  # the name of the simulated customer, which may be a model like the agent
BROKEN_OFF = "broken_off"  # the error of spans whose episode did not end
FAILED_ENDS = frozenset({"agent_error", "user_error", "infrastructure_error"})


@dataclass(frozen=True)
class TracedRun:
    """What all traces of a run have in common: the tracer, and the run's names."""

    tracer: Tracer
    name: str
    configuration: Mapping[str, Any]
    content: bool

    @property
    def agent(self) -> str:
        """The name of the agent."""
        return str(self.configuration["agent"]["name"])


class EpisodeTrace:
    """The open spans of an episode. A turn lasts from a side's first step to its last before the other side's."""

    def __init__(self, run: TracedRun, slot: Slot, seed: int, begun: int) -> None:
        self.run = run
        domain = str(run.configuration["domain"])
        self._common: Attributes = {CONVERSATION: sendable(f"{run.name}:{slot}")}
        own: Attributes = {
            OPERATION: "invoke_workflow",
            AGENT: domain,
            "tau2.run": sendable(run.name),
            "tau2.domain": domain,
            "tau2.agent": run.agent,
            "tau2.user": str(run.configuration["user"]["name"]),
            "tau2.task.id": sendable(slot.task_id),
            "tau2.trial": slot.trial,
            "tau2.seed": seed,
        }
        if run.configuration.get("variant"):
            own["tau2.variant"] = str(run.configuration["variant"])
        self.root = run.tracer.start_span(
            f"invoke_workflow {domain}", Context(), attributes=self._common | own, start_time=begun
        )
        self._turn: Span | None = None
        self._role: Role | None = None
        self._last = begun

    def turn(self, role: Role, begun: int) -> Context:
        """Return the context of a side's turn, which begins now unless it is already its turn."""
        if self._turn is None or self._role != role:
            self._end_turn()
            name = self.run.agent if role == "agent" else CUSTOMER
            attributes = self._common | {OPERATION: "invoke_agent", AGENT: name, "tau2.role": role}
            parent = set_span_in_context(self.root)
            self._turn = self.run.tracer.start_span(
                f"invoke_agent {name}", parent, attributes=attributes, start_time=begun
            )
            self._role = role
        return set_span_in_context(self._turn)

    def request(self, settings: ModelSettings, options: Mapping[str, Any], within: Context, begun: int) -> Span:
        """Begin the span of a request to a model."""
        attributes = self._common | conventions.request_attributes(settings, options)
        name = " ".join(str(attributes[each]) for each in (OPERATION, "gen_ai.request.model"))
        return self.run.tracer.start_span(name, within, SpanKind.CLIENT, attributes, start_time=begun)

    def tool(self, name: str, call_id: str, requestor: str, begun: int) -> Span:
        """Begin the span of a tool call.

        Its parent is the current span if that belongs to this trace, such as a span of the agent's own. Otherwise it
        is the turn of the calling side.
        """
        within = self.turn("agent" if requestor == "assistant" else "user", begun)
        if get_current_span().get_span_context().trace_id == self.context.trace_id:
            within = set_span_in_context(get_current_span())
        name = sendable(name)
        attributes = self._common | {
            OPERATION: "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": sendable(call_id),
            "gen_ai.tool.type": "function",
        }
        return self.run.tracer.start_span(f"execute_tool {name}", within, attributes=attributes, start_time=begun)

    @property
    def context(self) -> SpanContext:
        """What identifies the trace."""
        return self.root.get_span_context()

    def end(self, span: Span, ended: int, error: str | None = None, explanation: str = "") -> None:
        """End the span of a step, with the kind of error if it failed."""
        self._last = max(self._last, ended)
        _end(span, ended, error, explanation)

    def went_on(self, until: int) -> None:
        """Extend the current turn until a time."""
        self._last = max(self._last, until)

    def finish(self, record: EpisodeRecord, grade: Grade | None, ended: int) -> None:
        """End the trace, with how the episode ended and an event for each verdict."""
        self._end_turn()
        termination = record.termination.value
        self.root.set_attributes({"tau2.termination": termination, "tau2.steps": record.steps})
        self._sum_up(record)
        if grade is not None:
            self.root.set_attribute("tau2.outcome", grade.outcome.value)
            if grade.reward is not None:
                self.root.set_attribute("tau2.reward", grade.reward)
            for attributes in conventions.evaluations(grade):
                self.root.add_event(conventions.EVALUATION, attributes, ended)
        failed = termination in FAILED_ENDS
        _end(self.root, max(ended, self._last), termination if failed else None, record.error or "" if failed else "")

    def break_off(self, ended: int) -> None:
        """End the trace of an episode that was not finished."""
        self._end_turn()
        _end(self.root, max(ended, self._last), BROKEN_OFF, "the run was stopped before the episode ended")

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.end(self._last)
            self._turn = self._role = None

    def _sum_up(self, record: EpisodeRecord) -> None:
        """Add the agent's usage, and the conversation if content is wanted: some viewers read them only here."""
        if (usage := record.usage.get("agent")) is not None and usage.requests:
            tokens = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
            self.root.set_attributes(conventions.answer_attributes(tokens, None, usage.cost))
        if not self.run.content:
            return
        said = [message for message in record.messages if message.role in ("assistant", "user") and message.content]
        if not said:
            return
        roles = {"assistant": "assistant", "user": "user"}
        *before, last = [conventions.recorded_message(message, roles[message.role]) for message in said]
        self.root.set_attribute(conventions.INPUT, conventions.as_json(before))
        self.root.set_attribute(conventions.OUTPUT, conventions.as_json([{**last, "finish_reason": "stop"}]))


def failure_kind(failure: Failure | None) -> str | None:
    """Return the kind of error of a tool call, None if it succeeded."""
    return None if failure is None else failure.value


def _end(span: Span, ended: int, error: str | None, explanation: str) -> None:
    if error is not None:
        span.set_attribute(ERROR, error)
        span.set_status(StatusCode.ERROR, sendable(explanation) or None)
    span.end(ended)
