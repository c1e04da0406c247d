"""The MCP inspector of the npm registry lists and calls tools, over streamable HTTP in both eras and over stdio."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOOL_FAILED = 5  # the inspector's exit code for a result that is marked as an error


@pytest.fixture
def inspect(node: Callable[..., str]) -> Callable[..., Any]:
    """Run one method and return its result. Each run is a process, a connection and, in the old era, a session."""

    def run(target: list[str], method: str, *options: str, era: str = "legacy", ok: tuple[int, ...] = (0,)) -> Any:
        flags = ["--cli", "--quiet", "--format", "json", "--protocol-era", era, "--method", method, *options]
        address = ["--", *target] if len(target) > 1 else ["--server-url", *target, "--transport", "http"]
        return json.loads(node("mcp-inspector", *flags, *address, ok=ok))["result"]

    return run


def assert_works(inspect: Callable[..., Any], target: list[str], truth: Any, era: str) -> None:
    tools = inspect(target, "tools/list", era=era)["tools"]
    assert {tool["name"]: (tool["description"], tool["inputSchema"]) for tool in tools} == truth.tools
    assert [each["name"] for each in inspect(target, "prompts/list", era=era)["prompts"]] == ["domain", "policy"]
    prompt = inspect(target, "prompts/get", "--prompt-name", "policy", era=era)
    assert prompt["messages"][0]["content"]["text"] == truth.policy
    resources = inspect(target, "resources/list", era=era)["resources"]
    assert [each["uri"] for each in resources] == ["tau2://domain", "tau2://policy"]
    assert inspect(target, "resources/templates/list", era=era)["resourceTemplates"] == []
    policy = inspect(target, "resources/read", "--uri", "tau2://policy", era=era)
    assert policy["contents"][0]["text"] == truth.policy


def call(inspect: Callable[..., Any], target: list[str], era: str, name: str, arguments: dict[str, Any]) -> Any:
    options = ["--tool-name", name, "--tool-args-json", json.dumps(arguments)]
    result = inspect(target, "tools/call", *options, era=era, ok=(0, TOOL_FAILED))
    return {"error": result.get("isError", False), "content": [part["text"] for part in result["content"]]}


@pytest.mark.parametrize("era", ["legacy", "modern", "auto"])
def test_over_streamable_http(era: str, inspect: Callable[..., Any], gym_server: Any, truth: Any) -> None:
    episode = gym_server.create("mock", task_id=truth.task)
    target = [episode["mcp_url"]]

    assert_works(inspect, target, truth, era)
    assert [call(inspect, target, era, *each) for each in truth.calls] == truth.results

    assert gym_server.ask("GET", f"{episode['control_url']}/reward")["reward"] == 1.0


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_over_stdio(era: str, inspect: Callable[..., Any], truth: Any, tmp_path: Path) -> None:
    server = [sys.executable, "-P", "-m", "tau2_core", "serve", "mock", "--transport", "stdio"]
    target = [*server, "--task", truth.task, "--out", str(tmp_path / "runs")]

    assert_works(inspect, target, truth, era)
    name, arguments = truth.calls[-1]
    assert call(inspect, target, era, name, arguments) == truth.results[-1]

    (grades,) = tmp_path.glob("runs/*/grades.jsonl")
    assert json.loads(grades.read_text())["reward"] == 1.0
