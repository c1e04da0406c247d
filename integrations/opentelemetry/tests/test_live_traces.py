"""Traces of a run while it is played: what a collector gets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .collector import Collector, Span
from .conftest import TASKS, Play

pytestmark = pytest.mark.domain("mock")

CONTENT = {
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
}

ASKS = "chat agent"


def root_of(collector: Collector, task: str) -> Span:
    (root,) = [span for span in collector.spans if span.attributes.get("tau2.task.id") == task]
    assert root.parent == ""
    return root


def test_an_episode_is_a_trace_of_turns_requests_and_tool_calls(traced: Collector, play: Play) -> None:
    played = play()
    assert played.code == 0, played.output
    assert len({span.trace for span in traced.spans}) == len(TASKS)
    root = root_of(traced, "create_plain")
    assert traced.tree(root) == (
        "invoke_workflow mock",
        [
            ("invoke_agent customer", ["chat customer"]),
            ("invoke_agent llm", [ASKS, "execute_tool get_users", ASKS, "execute_tool create_task", ASKS]),
            ("invoke_agent customer", ["chat customer"]),
        ],
    )
    for span in traced.spans:
        assert span.attributes["gen_ai.conversation.id"] in {f"traced:{task}#0" for task in TASKS}
        assert not span.failed
        assert span.begun <= span.ended
        assert span.resource["service.name"] == "tau2-gym"
        assert not CONTENT & span.attributes.keys()
    within = {span.id: span for span in traced.spans}
    for span in traced.spans:
        if span.parent:
            assert within[span.parent].begun <= span.begun
            assert span.ended <= within[span.parent].ended


def test_spans_follow_the_conventions(traced: Collector, play: Play) -> None:
    played = play(tasks=("create_plain",))
    record = played.lines("episodes.jsonl")["create_plain"]
    first = traced.named("chat agent")[0]
    configuration = json.loads((played.folder / "run.json").read_text())
    port = urlsplit(configuration["models"]["agent"]["args"]["api_base"]).port
    assert first.kind == "CLIENT"
    assert first.attributes == {
        "gen_ai.conversation.id": "traced:create_plain#0",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "endpoint",
        "gen_ai.request.model": "agent",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.seed": record["seed"],
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.usage.input_tokens": record["messages"][2]["usage"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": record["messages"][2]["usage"]["completion_tokens"],
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    tool = traced.named("execute_tool")[1]
    assert tool.kind == "INTERNAL"
    assert tool.attributes == {
        "gen_ai.conversation.id": "traced:create_plain#0",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "create_task",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": record["messages"][4]["tool_calls"][0]["id"],
    }
    turns = traced.named("invoke_agent")
    assert [turn.attributes["tau2.role"] for turn in turns] == ["user", "agent", "user"]
    root = root_of(traced, "create_plain")
    assert (root.attributes["tau2.termination"], root.attributes["tau2.seed"]) == ("user_stop", record["seed"])


def test_verdicts_are_events_of_the_trace(traced: Collector, play: Play) -> None:
    grades = play("--agent", "silent", agent=False, tasks=("create_plain",)).lines("grades.jsonl")
    root = root_of(traced, "create_plain")
    assert {name for name, _ in root.events} == {"gen_ai.evaluation.result"}
    scores = {event["gen_ai.evaluation.name"]: event for _, event in root.events}
    grade = grades["create_plain"]
    assert scores.keys() == {"reward", *grade["verdicts"]}
    assert scores["reward"]["gen_ai.evaluation.score.value"] == grade["reward"] == 0.0
    assert scores["reward"]["gen_ai.evaluation.score.label"] == "failed"
    assert scores["DB"]["gen_ai.evaluation.score.label"] == "fail"
    assert grade["verdicts"]["DB"]["checks"][0]["why"] in scores["DB"]["gen_ai.evaluation.explanation"]
    assert scores["DB"]["tau2.evaluation.counts"] is True


def test_content_is_sent_only_if_it_is_wanted(traced: Collector, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    record = play(tasks=("create_plain",)).lines("episodes.jsonl")["create_plain"]
    _, customer, _, _, call, result, answer, *_ = record["messages"]
    first, second, third = traced.named("chat agent")
    assert json.loads(first.attributes["gen_ai.input.messages"])[-1] == {
        "role": "user",
        "parts": [{"type": "text", "content": customer["content"]}],
    }
    made = call["tool_calls"][0]
    part = {"type": "tool_call", "id": made["id"], "name": "create_task", "arguments": made["arguments"]}
    said = json.loads(second.attributes["gen_ai.output.messages"])
    assert said == [{"role": "assistant", "parts": [part], "finish_reason": "tool_calls"}]
    assert json.loads(third.attributes["gen_ai.input.messages"])[-1] == {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": made["id"], "response": result["content"]}],
    }
    assert "policy" in json.loads(first.attributes["gen_ai.system_instructions"])[0]["content"]
    assert "create_task" in {each["name"] for each in json.loads(first.attributes["gen_ai.tool.definitions"])}
    tool = traced.named("execute_tool")[1]
    assert json.loads(tool.attributes["gen_ai.tool.call.arguments"]) == made["arguments"]
    assert tool.attributes["gen_ai.tool.call.result"] == result["content"]
    conversation = json.loads(root_of(traced, "create_plain").attributes["gen_ai.input.messages"])
    assert answer["content"] in [part["content"] for each in conversation for part in each["parts"]]


def test_requests_to_models_carry_the_trace(traced: Collector, play: Play) -> None:
    played = play(tasks=("create_plain",))
    spans = traced.named("chat")
    assert [asked.headers["traceparent"][:-3] for asked in played.asked] == [
        f"00-{span.trace}-{span.id}" for span in spans
    ]


def test_workers_send_their_episodes(traced: Collector, play: Play) -> None:
    here = play(tasks=("create_plain",), name="here")
    assert here.code == 0
    by_workers = play("--executor", "processes", "--workers", "2", name="elsewhere")
    assert by_workers.code == 0, by_workers.output
    roots = [span for span in traced.named("invoke_workflow") if span.attributes["tau2.run"] == "elsewhere"]
    assert {root.attributes["tau2.task.id"] for root in roots} == set(TASKS)
    (first,) = [span for span in traced.named("invoke_workflow") if span.attributes["tau2.run"] == "here"]
    (again,) = [root for root in roots if root.attributes["tau2.task.id"] == "create_plain"]
    assert traced.tree(again) == traced.tree(first)


def test_a_failed_call_and_unusual_texts(
    traced: Collector, play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    desk = tmp_path / "odd_desk.py"
    desk.write_text("""
from tau2_core import AssistantMessage, ToolCall

async def reply(history):
    if len(history) > 3:
        return "\\ud800 is half a letter"
    return AssistantMessage(tool_calls=[ToolCall(id="\\ud800", name="no_\\ud800tool", arguments={"a": "\\ud800"})])
""")
    played = play("--agent", f"python:{desk}:reply", agent=False, customer=False, tasks=("create_plain",))
    assert played.code == 0, played.output
    tool = traced.named("execute_tool")[0]
    assert (tool.name, tool.failed) == ("execute_tool no_?tool", True)
    assert tool.attributes["error.type"] == "unknown_tool"


def test_an_episode_that_is_broken_off_is_a_failed_trace(traced: Collector, play: Play, tmp_path: Path) -> None:
    desk = tmp_path / "slow_desk.py"
    desk.write_text("""
import asyncio

class Desk:
    def __init__(self, context): ...
    async def reply(self, history):
        await asyncio.Event().wait()
""")
    play("--agent", f"python:{desk}:Desk", "--run-timeout", "1", agent=False, tasks=("create_plain",))
    root = root_of(traced, "create_plain")
    assert (root.failed, root.attributes["error.type"]) == (True, "broken_off")
    assert [turn.attributes["tau2.role"] for turn in traced.named("invoke_agent")] == ["user", "agent"]


def test_a_collector_that_is_not_there_does_not_harm_the_run(
    traced: Collector, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    played = play(tasks=("create_plain",))
    assert played.code == 0
    assert played.lines("grades.jsonl")["create_plain"]["reward"] == 1.0


def test_without_the_switch_opentelemetry_is_not_imported(tmp_path: Path, collector: Collector) -> None:
    code = """
import sys
from tau2_core import evaluate
evaluate("mock", agent="silent", tasks=["create_plain"])
print([name for name in sys.modules if name.partition(".")[0] == "opentelemetry"])
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "[]\n"
    assert collector.requests == 0


def test_an_unknown_value_of_the_switch_is_refused(
    collector: Collector, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAU2_GYM_TRACES", "jaeger")
    played = play()
    assert played.code == 2
    assert "TAU2_GYM_TRACES=jaeger: should be otlp, off or empty" in played.output
