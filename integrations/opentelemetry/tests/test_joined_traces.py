"""An agent that runs elsewhere gets the trace's context, and its spans join the trace."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from opentelemetry import context, propagate
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext, set_span_in_context

from tests.agents.scripted_agent import ScriptedAgent, Turn, chat

from .collector import Collector
from .conftest import Play

pytestmark = pytest.mark.domain("mock")
CALL: tuple[str, dict[str, Any]] = ("get_users", {})


class Traced:
    """An agent with its own span for each turn, in which it calls a tool."""

    def __init__(self) -> None:
        self.tracer = TracerProvider().get_tracer("an agent of its own")
        self.turns: list[tuple[str, SpanContext]] = []

    async def answer(self, turn: Turn) -> web.StreamResponse:
        given = propagate.extract(turn.request.headers)
        span = self.tracer.start_span("my turn", given)
        self.turns.append((turn.request.headers["traceparent"], span.get_span_context()))
        token = context.attach(set_span_in_context(span))
        try:
            await turn.call(CALL)  # MCP's SDK sends the current context in `_meta`
        finally:
            context.detach(token)
        return chat("I have looked.")


def test_the_calls_of_an_agent_over_http_are_within_its_own_spans(traced: Collector, play: Play) -> None:
    agent = Traced()
    with ScriptedAgent(agent.answer) as served:
        play("--agent", f"http:{served.url}", agent=False, tasks=("create_plain",))
    (sent, own), *_ = agent.turns
    (request, *_), (tool, *_) = traced.named("invoke_agent agent"), traced.named("execute_tool get_users")
    assert request.kind == "CLIENT"
    assert sent.split("-")[1:3] == [request.trace, request.id]
    assert own.trace_id == int(request.trace, 16)
    assert (tool.trace, int(tool.parent, 16)) == (request.trace, own.span_id)


@pytest.mark.parametrize("header", ["", "no context at all", "00-11111111111111111111111111111111-1111111111111111-01"])
def test_calls_of_an_agent_without_a_span_of_this_trace_are_within_its_turn(
    traced: Collector, play: Play, header: str
) -> None:
    async def answer(turn: Turn) -> web.StreamResponse:
        carrier = {"traceparent": header} if header else {}
        token = context.attach(propagate.extract(carrier))
        try:
            await turn.call(CALL)
        finally:
            context.detach(token)
        return chat("I have looked.")

    with ScriptedAgent(answer) as served:
        play("--agent", f"http:{served.url}", agent=False, tasks=("create_plain",))
    tool, *_ = traced.named("execute_tool get_users")
    (turn,) = [span for span in traced.spans if span.id == tool.parent]
    assert (turn.attributes["tau2.role"], turn.trace) == ("agent", tool.trace)


def test_an_agent_in_python_gets_the_headers_to_pass_on(traced: Collector, play: Play, tmp_path: Any) -> None:
    desk = tmp_path / "passing_on.py"
    desk.write_text("""
class Desk:
    def __init__(self, context):
        self.headers = context.trace_headers
    async def reply(self, history):
        return f"I was given {self.headers()}."
""")
    played = play("--agent", f"python:{desk}:Desk", agent=False, tasks=("create_plain",))
    said = played.lines("episodes.jsonl")["create_plain"]["messages"][2]["content"]
    turn = next(span for span in traced.named("invoke_agent") if span.attributes["tau2.role"] == "agent")
    assert f"'traceparent': '00-{turn.trace}-{turn.id}-" in said
