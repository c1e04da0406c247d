"""`tau2-gym export RUN --to otlp`: the traces of a stored run.

A record has the order of events and the duration of each message, but no time of day. So the trace of the first episode
starts when the run was started, and each further one when the trace before it ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer
from tau2_core import Export, ExportedEpisode, ExportedRun, Message, ModelSettings, RunError, UsageError
from tau2_core.episode.visibility import visible_to
from tau2_core.llm.chat import as_chat
from tau2_core.model.episodes import Slot
from tau2_core.model.messages import AssistantMessage, Requestor, ToolCall, ToolMessage, UserMessage
from tau2_core.model.tools import Role

from tau2_gym_opentelemetry import conventions
from tau2_gym_opentelemetry.episode_trace import EpisodeTrace, TracedRun
from tau2_gym_opentelemetry.provider import address_of, captures_content, exporter_for, resource

NANO = 1_000_000_000
BATCH = 512  # spans of a request


def send(export: Export) -> int:
    """Send each episode of a run as a trace; return the number of episodes.

    Raises UsageError for tasks or wrong options, RunError if the collector does not accept the spans.
    """
    if export.run is None:
        raise UsageError("--to otlp is for runs: a trace shows an episode; give a run's folder")
    content = _wanted_content(export.options.get("content"))
    exporter = exporter_for(export.options.get("endpoint"))
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("tau2-gym", str(export.run.configuration["versions"]["tau2-core"]))
    number = 0
    try:
        waiting: list[ReadableSpan] = []
        for _ in _traced(export, export.run, tracer, content=content):
            number += 1
            waiting += memory.get_finished_spans()
            memory.clear()
            while len(waiting) >= BATCH:
                _deliver(exporter, waiting[:BATCH])
                del waiting[:BATCH]
        if waiting:
            _deliver(exporter, waiting)
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]
    return number


def _wanted_content(text: str | None) -> bool:
    if text is None:
        return captures_content()
    if text not in ("true", "false"):
        raise UsageError(f"--option content={text}: should be true or false")
    return text == "true"


def _deliver(exporter: Any, spans: list[ReadableSpan]) -> None:
    if exporter.export(spans) is not SpanExportResult.SUCCESS:
        raise RunError(
            f"{address_of(exporter)} did not accept the spans; check the address and that a collector for OTLP over "
            "HTTP listens there (the log above says why)"
        )


def _traced(export: Export, run: ExportedRun, tracer: Tracer, *, content: bool) -> Iterator[None]:
    """Make the spans of one episode after the other."""
    begun = (run.folder / "run.json").stat().st_mtime_ns
    traced = TracedRun(tracer, run.name, run.configuration, content)
    models = {
        role: ModelSettings(model=each["model"], args=each.get("args") or {})
        for role, each in (run.configuration.get("models") or {}).items()
    }
    for episode in run.episodes:
        begun = _Stored(traced, models, export, episode, begun).replay()
        yield


class _Stored:
    """One recorded episode, message by message."""

    def __init__(
        self,
        run: TracedRun,
        models: Mapping[str, ModelSettings],
        export: Export,
        episode: ExportedEpisode,
        begun: int,
    ) -> None:
        record = episode.record
        self.models, self.export, self.episode = models, export, episode
        self.content = run.content
        self.trace = EpisodeTrace(run, Slot(record.task_id, record.trial), record.seed, begun)
        self.begun = self.now = begun
        self.calls: list[ToolCall] = []

    def replay(self) -> int:
        """Make all spans; return when the episode ended."""
        record = self.episode.record
        for number, message in enumerate(record.messages):
            begun, self.now = self.now, self.now + int(self.episode.latency.get(number, 0.0) * NANO)
            if isinstance(message, ToolMessage):
                self._result(message, begun)
            elif isinstance(message, AssistantMessage | UserMessage):
                self._reply(message, record.messages[:number], begun)
        ended = max(self.now, self.begun + int(self.episode.seconds * NANO))
        self.trace.finish(record, self.episode.grade, ended)
        return ended

    def _reply(self, message: AssistantMessage | UserMessage, before: list[Message], begun: int) -> None:
        role: Role = "agent" if isinstance(message, AssistantMessage) else "user"
        self.calls = list(message.tool_calls or [])
        if role == "agent" and not before and message.content:
            return  # the opening line, which is fixed and not the agent's
        within = self.trace.turn(role, begun)
        self.trace.went_on(self.now)
        settings = self.models.get(role)
        if settings is None or not message.usage:
            return
        span = self.trace.request(settings, {}, within, begun)
        span.set_attributes(conventions.answer_attributes(message.usage, message.finish_reason, message.cost))
        if self.content:
            speaker: Requestor = "assistant" if role == "agent" else "user"
            if role == "agent":
                span.set_attribute(conventions.INSTRUCTIONS, conventions.instructions(self.export.policy))
                span.set_attribute(conventions.DEFINITIONS, conventions.definitions(self.export.tools))
            span.set_attribute(conventions.INPUT, conventions.chat_messages(as_chat(visible_to(role, before), speaker)))
            said = {
                **conventions.recorded_message(message, "assistant"),
                "finish_reason": message.finish_reason or "stop",
            }
            span.set_attribute(conventions.OUTPUT, conventions.as_json([said]))
        self.trace.end(span, self.now)

    def _result(self, message: ToolMessage, begun: int) -> None:
        if not self.calls:
            return  # a damaged record; a result without a call has no span
        call = self.calls.pop(0)
        span = self.trace.tool(call.name, call.id, message.requestor, begun)
        if self.content:
            span.set_attribute(conventions.ARGUMENTS, conventions.as_json(call.arguments))
            span.set_attribute(conventions.RESULT, conventions.sendable(message.content or ""))
        self.trace.end(span, self.now, "tool_error" if message.error else None)
