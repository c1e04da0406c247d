"""A client of the MCP SDK's 1.x line, in an environment of its own, sees and does what one of ours does."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setup import start as set_up
from tau2_core.model.messages import ToolCall

CLIENT = Path(__file__).parent / "mcp_1x_client.py"


@pytest.fixture(scope="module")
def look(python_with: Callable[..., Path], program: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """Run the client and return what it saw."""
    python = python_with("mcp-1x", "mcp<2")
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

    def run(*arguments: object, cwd: Path) -> dict[str, Any]:
        command = [str(python), "-P", str(CLIENT), *map(str, arguments)]
        seen: dict[str, Any] = json.loads(program(command, cwd=cwd, env=env, seconds=300))
        return seen

    return run


def assert_seen(seen: dict[str, Any], truth: Any) -> None:
    assert seen["sdk"].startswith("1.")
    assert seen["protocol"] == "2025-11-25"
    assert seen["server"]["name"] == "tau2-gym"
    assert seen["server"]["version"]
    assert {tool["name"]: (tool["description"], tool["inputSchema"]) for tool in seen["tools"]} == truth.tools
    assert {tool["name"] for tool in seen["tools"] if tool["annotations"]["readOnlyHint"]} == {
        "get_users",
        "transfer_to_human_agents",
    }
    assert (seen["prompts"], seen["resources"]) == (["domain", "policy"], ["tau2://domain", "tau2://policy"])
    assert seen["templates"] == 0
    assert seen["policy_prompt"] == seen["policy_resource"] == truth.policy
    assert seen["results"] == truth.results


def test_over_http_with_a_session_for_every_call(
    look: Callable[..., dict[str, Any]], gym_server: Any, truth: Any, tmp_path: Path
) -> None:
    episode = gym_server.create("mock", task_id=truth.task)
    calls = tmp_path / "calls.json"
    calls.write_text(json.dumps(truth.calls))

    assert_seen(look("http", episode["mcp_url"], calls, cwd=tmp_path), truth)

    assert gym_server.ask("GET", f"{episode['control_url']}/reward")["reward"] == 1.0


@pytest.mark.parametrize("domain", ["airline", "retail"])
def test_the_tools_and_the_gold_of_a_large_domain(
    domain: str, look: Callable[..., dict[str, Any]], gym_server: Any, setting_of: Callable[..., Any], tmp_path: Path
) -> None:
    setting = setting_of(domain)
    task = max(
        (task for task in setting.tasks().values() if all(action.requestor == "assistant" for action in task.gold())),
        key=lambda task: len(task.gold()),
    )
    environment = Environment(setting)
    set_up(environment, task)
    results = [
        environment.call(ToolCall(name=action.name, arguments=action.arguments)).content for action in task.gold()
    ]
    episode = gym_server.create(domain, task_id=task.id)
    calls = tmp_path / "calls.json"
    calls.write_text(json.dumps([(action.name, action.arguments) for action in task.gold()]))

    seen = look("http", episode["mcp_url"], calls, cwd=tmp_path)

    assert [tool["name"] for tool in seen["tools"]] == list(setting.tools("agent"))
    assert [(result["error"], result["content"]) for result in seen["results"]] == [(False, [text]) for text in results]
    assert seen["policy_prompt"] == seen["policy_resource"] == setting.policy_text


def test_over_stdio(look: Callable[..., dict[str, Any]], truth: Any, tmp_path: Path) -> None:
    calls = tmp_path / "calls.json"
    calls.write_text(json.dumps(truth.calls))
    server = [sys.executable, "-P", "-m", "tau2_core", "serve", "mock", "--transport", "stdio", "--task", truth.task]

    assert_seen(look("stdio", calls, *server, "--out", tmp_path / "runs", cwd=tmp_path), truth)

    (grades,) = tmp_path.glob("runs/*/grades.jsonl")
    assert json.loads(grades.read_text())["reward"] == 1.0
