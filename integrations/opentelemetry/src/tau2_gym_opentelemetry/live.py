"""Traces of episodes while they are played. Requests to agents and models carry the trace's context."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import Token
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, TracerProvider, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from tau2_core import EpisodeRecord, EpisodeStart, Grade, ModelStep, ReplyStep
from tau2_core.model.episodes import Slot
from tau2_core.model.llm import ModelError
from tau2_core.model.observation import EpisodeStep
from tau2_core.model.tools import Role

from tau2_gym_opentelemetry import conventions
from tau2_gym_opentelemetry.episode_trace import EpisodeTrace, TracedRun, failure_kind

_propagator = TraceContextTextMapPropagator()


class LiveTraces:
    """An observer that makes a trace of each episode of a run; `end` sends the last spans."""

    def __init__(
        self,
        provider: TracerProvider,
        end: Callable[[], object],
        name: str,
        configuration: Mapping[str, Any],
        *,
        content: bool,
    ) -> None:
        version = str(configuration["versions"]["tau2-core"])
        self._end = end
        self._run = TracedRun(provider.get_tracer("tau2-gym", version), name, configuration, content)
        self._traces: dict[Slot, EpisodeTrace] = {}
        self._open: dict[EpisodeStep, tuple[Span, Token[Context]]] = {}

    def episode_started(self, start: EpisodeStart) -> None:
        """Begin a trace."""
        self._traces[start.slot] = EpisodeTrace(self._run, start.slot, start.seed, time.time_ns())

    def step_started(self, slot: Slot, step: EpisodeStep) -> None:
        """Begin a span, and make it the current one within the step."""
        episode, now = self._traces[slot], time.time_ns()
        if isinstance(step, ReplyStep):
            within = episode.turn(step.role, now)
            _propagator.inject(step.headers, within)
            span = trace.get_current_span(within)
        elif isinstance(step, ModelStep):
            role: Role = "user" if step.role == "user" else "agent"
            span = episode.request(step.settings, step.options, _within(episode, episode.turn(role, now)), now)
            _propagator.inject(step.headers, set_span_in_context(span))
            if self._run.content:
                _describe_request(span, step)
        else:
            span = episode.tool(step.call.name, step.call.id, step.call.requestor, now)
            if self._run.content:
                span.set_attribute(conventions.ARGUMENTS, conventions.as_json(step.call.arguments))
        self._open[step] = span, attach(set_span_in_context(span))

    def step_finished(self, slot: Slot, step: EpisodeStep) -> None:
        """End a step's span. A turn continues with the side's next step."""
        episode, now = self._traces[slot], time.time_ns()
        span, token = self._open.pop(step)
        detach(token)
        if isinstance(step, ReplyStep):
            episode.went_on(now)
            if step.error is not None:
                span.set_attribute(conventions.ERROR, _kind(step.error))
            return
        error = None if step.error is None else _kind(step.error)
        if isinstance(step, ModelStep):
            if step.completion is not None:
                _describe_answer(span, step, content=self._run.content)
        elif step.result is not None:
            error = failure_kind(step.result.failure)
            if self._run.content:
                span.set_attribute(conventions.RESULT, conventions.sendable(step.result.content))
        episode.end(span, now, error)

    def episode_finished(self, record: EpisodeRecord, grade: Grade) -> None:
        """End a trace, with the verdicts. A record from before the run was resumed has no trace here."""
        episode = self._traces.pop(record.slot, None)
        if episode is not None:
            episode.finish(record, grade, time.time_ns())

    def close(self) -> None:
        """End the traces of episodes that were broken off, and send what has not been sent."""
        for episode in self._traces.values():
            episode.break_off(time.time_ns())
        self._end()


def _within(episode: EpisodeTrace, turn: Context) -> Context:
    """Return the current context if it belongs to the episode's trace, as within a framework's own span."""
    current = trace.get_current_span()
    if current.get_span_context().trace_id == episode.context.trace_id:
        return set_span_in_context(current)
    return turn


def _describe_request(span: Span, step: ModelStep) -> None:
    span.set_attribute(conventions.INSTRUCTIONS, conventions.chat_instructions(step.messages))
    span.set_attribute(conventions.INPUT, conventions.chat_messages(step.messages))
    if step.tools:
        span.set_attribute(conventions.DEFINITIONS, conventions.chat_definitions(step.tools))


def _describe_answer(span: Span, step: ModelStep, *, content: bool) -> None:
    answer = step.completion
    assert answer is not None
    span.set_attributes(conventions.answer_attributes(answer.usage, answer.finish_reason, answer.cost))
    if content:
        span.set_attribute(conventions.OUTPUT, conventions.answer_message(answer.message, answer.finish_reason))


def _kind(error: BaseException) -> str:
    """Return the kind of an error, without its text, which may contain what was said."""
    return error.kind.value if isinstance(error, ModelError) else type(error).__name__
