"""`tau2-gym export RUN --to otlp`: traces of a run that is over."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.bakery import in_process

from .collector import Collector, Span
from .conftest import TASKS, Play

pytestmark = pytest.mark.domain("mock")
NANO = 1_000_000_000


def shape(collector: Collector, spans: list[Span]) -> dict[str, Any]:
    """Return the tree of each trace, by task."""
    return {root.attributes["tau2.task.id"]: collector.tree(root) for root in spans if not root.parent}


def test_a_stored_run_gives_the_traces_that_it_gave_live(traced: Collector, play: Play) -> None:
    played = play()
    live, traced.spans = traced.spans, []
    done = in_process("export", played.folder, "--to", "otlp", "--endpoint", traced.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{len(TASKS)} episodes sent\n", "")
    stored = traced.spans
    assert len(stored) == len(live)
    wanted = dict.fromkeys(TASKS)
    for spans in (live, stored):
        traced.spans = spans
        found = shape(traced, spans)
        assert found.keys() == wanted.keys()
        for task, tree in found.items():
            wanted[task] = wanted[task] or tree
            assert tree == wanted[task]
    by_kind = [{span.name: span for span in spans} for spans in (live, stored)]
    for name, span in by_kind[0].items():
        same = by_kind[1][name]
        assert span.kind == same.kind
        lacking = span.attributes.keys() - same.attributes.keys()
        assert lacking <= {"gen_ai.request.seed"}  # a request's own options are in no record


def test_times_are_those_of_the_record(collector: Collector, play: Play) -> None:
    played = play()
    timings = played.lines("timings.jsonl")
    line = timings["create_plain"] | {"seconds": 9.5, "latency": {"user": {"1": 2.0}, "agent": {"2": 3.0, "4": 0.5}}}
    lines = [json.dumps(line if task == "create_plain" else each) for task, each in timings.items()]
    (played.folder / "timings.jsonl").write_text("".join(f"{each}\n" for each in lines))
    in_process("export", played.folder, "--to", "otlp")
    (root,) = [span for span in collector.spans if span.attributes.get("tau2.task.id") == "create_plain"]
    assert root.ended - root.begun == 9.5e9
    own = [span for span in collector.spans if span.trace == root.trace]
    customer, *_ = [span for span in own if span.name == "chat customer"]
    first, second, *_ = sorted((span for span in own if span.name == "chat agent"), key=lambda span: span.begun)
    assert [span.ended - span.begun for span in (customer, first, second)] == [2e9, 3e9, 0.5e9]
    assert (customer.begun, first.begun, second.begun) == (root.begun, root.begun + 2 * NANO, root.begun + 5 * NANO)


def test_content_is_an_option(collector: Collector, play: Play) -> None:
    played = play(tasks=("create_plain",))
    in_process("export", played.folder, "--to", "otlp")
    assert not [span for span in collector.spans if "gen_ai.input.messages" in span.attributes]
    in_process("export", played.folder, "--to", "otlp", "--option", "content=true")
    record = played.lines("episodes.jsonl")["create_plain"]
    first, *_ = [span for span in collector.named("chat agent") if "gen_ai.input.messages" in span.attributes]
    (said,) = json.loads(first.attributes["gen_ai.output.messages"])
    assert said["parts"][0]["name"] == record["messages"][2]["tool_calls"][0]["name"]
    assert "rules of the desk" in json.loads(first.attributes["gen_ai.system_instructions"])[0]["content"]


def test_many_episodes_are_sent_in_parts(collector: Collector, tmp_path: Path) -> None:
    in_process("run", "mock", "--trials", "12", "--out", tmp_path, "--name", "many")
    done = in_process("export", tmp_path / "many", "--to", "otlp")
    roots = collector.named("invoke_workflow")
    assert done.stdout == f"{len(roots)} episodes sent\n"
    assert collector.requests > 1
    for before, after in pairwise(roots):
        assert before.ended <= after.begun


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["--endpoint", "ftp://x"], 2, "--endpoint ftp://x: should be an address such as http://127.0.0.1:4318"),
        (["--option", "content=maybe"], 2, "--option content=maybe: should be true or false"),
        (["--option", "contents=true"], 2, "exporter 'otlp' has no option 'contents' (did you mean 'content'?)"),
    ],
)
def test_wrong_options(collector: Collector, play: Play, arguments: list[str], code: int, why: str) -> None:
    played = play("--agent", "silent", agent=False, customer=False, tasks=("create_plain",))
    done = in_process("export", played.folder, "--to", "otlp", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert why in done.stderr
    assert collector.requests == 0


def test_no_endpoint(collector: Collector, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    played = play("--agent", "silent", agent=False, customer=False, tasks=("create_plain",))
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    done = in_process("export", played.folder, "--to", "otlp")
    assert done.returncode == 2
    assert "name a collector with --endpoint http://127.0.0.1:4318, or set OTEL_EXPORTER_OTLP_ENDPOINT" in done.stderr
    tasks = in_process("export", "mock", "--to", "otlp", "--endpoint", collector.url)
    assert "--to otlp is for runs" in tasks.stderr


def test_a_collector_that_refuses(collector: Collector, play: Play) -> None:
    played = play("--agent", "silent", agent=False, customer=False, tasks=("create_plain",))
    collector.status = 404
    done = in_process("export", played.folder, "--to", "otlp")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{collector.url}/v1/traces did not accept the spans" in done.stderr


def test_a_damaged_record_has_fewer_spans(collector: Collector, play: Play, tmp_path: Path) -> None:
    played = play(tasks=("create_plain",))
    damaged = tmp_path / "damaged"
    shutil.copytree(played.folder, damaged)
    record = played.lines("episodes.jsonl")["create_plain"]
    del record["messages"][2]
    (damaged / "episodes.jsonl").write_text(json.dumps(record) + "\n")
    assert in_process("export", damaged, "--to", "otlp").returncode == 0
    assert [span.name for span in collector.named("execute_tool")] == ["execute_tool create_task"]
