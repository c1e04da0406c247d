"""Agents of other frameworks and of the A2A SDK's own server: scripted alike, they get the rewards of a model."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint, call

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = ["pydantic_ai_agent", "openai_agents_agent", "langgraph_agent"]
TASKS = ["create_plain", "transfer_deletion", "complete_what_was_created", "reopen_task"]
FAILING = ("update_task_status", {"task_id": "task_99", "status": "completed"})
Run = Callable[..., tuple[list[dict[str, Any]], list[dict[str, Any]]]]


@pytest.fixture(scope="session")
def python(python_with: Callable[..., Path]) -> Path:
    ours = [str(ROOT / part) for part in ("core", "domains/mock")]
    adapters = f"{ROOT / 'integrations/agents'}[a2a,langgraph,openai-agents,pydantic-ai]"
    return python_with(
        "agents",
        *ours,
        adapters,
        str(ROOT / "integrations/opentelemetry"),
        "a2a-sdk[http-server]",
        "langchain-openai",
        "pydantic-ai-slim[openai]",
    )


@pytest.fixture(scope="session")
def script() -> Callable[[Asked], Answer]:
    """Every episode has a call that fails, and then the gold."""
    gold = GoldScript.of_domain("mock")

    def answer(asked: Asked) -> Answer:
        agent = "customer" not in asked.model
        if agent and not any(each["role"] == "tool" and "task_99" in str(each["content"]) for each in asked.messages):
            return call(FAILING)
        return gold(asked)

    return answer


def running(python: Path, script: Callable[[Asked], Answer], out: Path) -> Run:
    """Return a function that runs some tasks with an agent, and returns the records and the grades, by task."""

    def play(agent: list[str], code: int = 0, **own: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        with ScriptedEndpoint(script) as endpoint:
            arguments = json.dumps({"api_base": endpoint.url})
            command = [str(python), "-P", "-m", "tau2_core", "run", "mock", "--out", str(out), "--name", "r"]
            command += [part for task in TASKS for part in ("--task", task)]
            command += ["--user-model", "endpoint/customer", "--user-args", arguments]
            command += [part.replace("ENDPOINT", arguments) for part in agent]
            environment = {**os.environ, "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": endpoint.url}
            environment |= own
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
        assert done.returncode == code, done.stdout + done.stderr
        files = (out / "r" / "episodes.jsonl", out / "r" / "grades.jsonl")
        records, grades = (
            sorted(map(json.loads, file.read_text().splitlines()), key=lambda line: str(line["task_id"]))
            for file in files
        )
        return records, grades

    return play


@pytest.fixture
def run(python: Path, script: Callable[[Asked], Answer], tmp_path: Path) -> Run:
    return running(python, script, tmp_path)


def calls_of(records: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    return [
        [
            (each["name"], each["arguments"])
            for message in record["messages"]
            if message["role"] == "assistant"
            for each in message.get("tool_calls") or []
        ]
        for record in records
    ]


@pytest.fixture(scope="session")
def by_model(python: Path, script: Callable[[Asked], Answer], tmp_path_factory: pytest.TempPathFactory) -> Any:
    play = running(python, script, tmp_path_factory.mktemp("model"))
    return play(["--agent-model", "endpoint/agent", "--agent-args", "ENDPOINT"])


@pytest.fixture(scope="session")
def a2a(python: Path) -> Iterator[str]:
    """The address of agents behind the A2A SDK's own server."""
    command = [str(python), "-P", str(ROOT / "tests" / "interop" / "a2a_agents.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_agent_of_a_framework_gets_the_grades_of_a_model(run: Run, by_model: Any, framework: str) -> None:
    records, grades = run(["--agent", f"python:{ROOT / 'examples' / 'agents' / framework}.py:agent"])
    assert grades == by_model[1]
    assert {grade["outcome"] for grade in grades} == {"solved"}
    assert calls_of(records) == calls_of(by_model[0])
    assert all(record["tool_errors"] for record in records)


def test_an_agent_of_openai_keeps_its_own_instructions(
    python: Path, script: Callable[[Asked], Answer], tmp_path: Path
) -> None:
    prompts: set[str] = set()

    def noting(asked: Asked) -> Answer:
        prompts.update(str(each["content"]) for each in asked.messages if each["role"] == "system")
        return script(asked)

    example = (ROOT / "examples" / "agents" / "openai_agents_agent.py").read_text(encoding="utf-8")
    changed = example.replace('"Be brief."', 'lambda run, agent: "Be clear."')
    assert changed != example
    (tmp_path / "own.py").write_text(changed, encoding="utf-8")
    running(python, noting, tmp_path)(["--agent", f"python:{tmp_path / 'own.py'}:agent"])
    assert any(prompt.startswith("Be clear.\n\n") for prompt in prompts)


@pytest.mark.parametrize(
    "agent", ["a2a:URL/message", "a2a:URL/completed", "a2a:URL/input-required", "a2a-tools:URL/tools"]
)
def test_an_a2a_agent_gets_the_grades_of_a_model(run: Run, by_model: Any, a2a: str, agent: str) -> None:
    _, grades = run(["--agent", agent.replace("URL", a2a)])
    assert grades == by_model[1]


@pytest.mark.parametrize(
    ("style", "code", "termination", "error"),
    [
        ("failed", 0, "agent_error", "FailedTaskError: the A2A task is failed: because"),
        ("canceled", 0, "agent_error", "FailedTaskError: the A2A task is canceled: because"),
        ("rejected", 0, "agent_error", "FailedTaskError: the A2A task is rejected: because"),
        ("silent", 0, "agent_error", "the agent sent neither text nor a tool call"),
        ("auth-required", 1, "infrastructure_error", "credentials: the A2A agent requires authentication: because"),
        ("stalled", 1, "infrastructure_error", "timeout: the A2A agent at URL did not answer within 10 s"),
        ("endless", 1, "infrastructure_error", "timeout: the A2A agent at URL did not answer within 10 s"),
        ("nobody", 1, "infrastructure_error", ""),
    ],
)
def test_a_bad_a2a_agent_ends_its_episode_as_documented(
    run: Run, a2a: str, style: str, code: int, termination: str, error: str
) -> None:
    records, _ = run(["--agent", f"a2a:{a2a}/{style}", "--call-timeout", "10"], code)
    assert {record["termination"] for record in records} == {termination}
    assert all(record["error"].startswith(error.replace("URL", f"{a2a}/{style}")) for record in records)


@pytest.mark.parametrize(
    "agent", [f"python:{ROOT / 'examples' / 'agents' / FRAMEWORKS[0]}.py:agent", "a2a:URL/message"]
)
def test_workers_play_such_an_agent(run: Run, by_model: Any, a2a: str, agent: str) -> None:
    _, grades = run(["--agent", agent.replace("URL", a2a), "--executor", "processes", "--workers", "2"])
    assert grades == by_model[1]


@pytest.mark.parametrize("traces", ["otlp", "off"])
def test_an_a2a_agent_gets_the_context_of_the_trace(run: Run, a2a: str, traces: str) -> None:
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    records, _ = run(["--agent", f"a2a:{a2a}/traced", "--max-steps", "6"], TAU2_GYM_TRACES=traces, **nowhere)
    said = [str(message.get("content")) for record in records for message in record["messages"]]
    told = [each for each in said if each.startswith("traceparent")]  # some tasks have a history
    form = r"traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-9]" if traces == "otlp" else "traceparent: None"
    assert told
    assert all(re.fullmatch(form, each) for each in told)
