"""Clients of every era and transport see the same tools, texts and results, and get the same reward."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import start as set_up
from tau2_core.model.messages import ToolCall

if TYPE_CHECKING:
    from tests.gym.conftest import Server, World

SettingOf = Callable[..., Setting]
Calls = list[tuple[str, dict[str, Any]]]
DOMAINS = ("mock", "airline", "retail")
WRONG: Calls = [("no_such_tool", {}), ("transfer_to_human_agents", {"summary": 5})]
NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}


@pytest.fixture(params=DOMAINS)
def domain(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def script(domain: str, setting_of: SettingOf) -> tuple[str, Calls]:
    """A task and calls that solve it, two of which are wrong."""
    tools = setting_of(domain).tools("agent")
    silent = [
        task
        for task in setting_of(domain).tasks().values()
        if all(action.requestor == "assistant" for action in task.gold())
        and not (task.evaluation_criteria and task.evaluation_criteria.communicate_info)
    ]
    task = max(silent, key=lambda task: sum(tools[action.name].mutates for action in task.gold()))
    gold: Calls = [(action.name, action.arguments) for action in task.gold()]
    return task.id, [*gold[:1], *WRONG, *gold[1:]]


@pytest.fixture
def expected(domain: str, script: tuple[str, Calls], setting_of: SettingOf) -> dict[str, Any]:
    """What an in-process environment answers."""
    setting = setting_of(domain)
    task_id, calls = script
    environment = Environment(setting)
    set_up(environment, setting.tasks()[task_id])
    results = [environment.call(ToolCall(name=name, arguments=arguments)) for name, arguments in calls]
    assert [result.failure is not None for result in results].count(True) == len(WRONG)
    return {
        "tools": [tool.name for tool in setting.tools("agent").values()],
        "results": [[result.content, result.failure is not None] for result in results],
        "policy": setting.policy_text,
        "texts": {"tau2://domain": setting.pack.manifest.description, "tau2://policy": setting.policy_text},
    }


async def drive(client: Client, calls: Calls) -> dict[str, Any]:
    """List what there is, make the calls and read the texts with the SDK's client."""
    tools = (await client.list_tools()).tools
    results = [as_list(await client.call_tool(name, arguments)) for name, arguments in calls]
    policy = (await client.get_prompt("policy")).messages[0].content
    resources = (await client.list_resources()).resources
    texts = {str(each.uri): (await client.read_resource(each.uri)).contents[0] for each in resources}
    assert isinstance(policy, TextContent)
    return {
        "tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools],
        "results": results,
        "policy": policy.text,
        "texts": {uri: vars(content)["text"] for uri, content in texts.items()},
    }


def as_list(result: CallToolResult) -> list[Any]:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return [content.text, bool(result.is_error)]


def check(seen: dict[str, Any], expected: dict[str, Any], listed: list[dict[str, Any]]) -> None:
    assert seen["tools"] == listed
    assert [tool["name"] for tool in listed] == expected["tools"]
    assert {key: seen[key] for key in ("results", "policy", "texts")} == {
        key: expected[key] for key in ("results", "policy", "texts")
    }


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
def test_the_sdks_client(
    server: Server, domain: str, script: tuple[str, Calls], expected: dict[str, Any], mode: str
) -> None:
    task_id, calls = script
    world = server.create(domain, task_id=task_id)

    async def play() -> tuple[str, dict[str, Any]]:
        async with Client(world.mcp_url, mode=mode) as client:
            return client.protocol_version, await drive(client, calls)

    revision, seen = asyncio.run(play())
    assert revision == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    check(seen, expected, world.tools())
    assert world.reward() == 1.0
    world.delete()


@pytest.mark.parametrize(("domain", "mode"), [("mock", "legacy"), ("airline", "2026-07-28")], indirect=["domain"])
def test_a_client_over_stdio(
    server: Server, domain: str, script: tuple[str, Calls], expected: dict[str, Any], tmp_path: Path, mode: str
) -> None:
    task_id, calls = script
    world = server.create(domain, task_id=task_id, seed=626729)  # of a run's first trial
    options = ["-P", "-W", "error", "-m", "tau2_core", "serve", domain, "--transport", "stdio", "--task", task_id]
    launched = StdioServerParameters(command=sys.executable, args=options, cwd=tmp_path)

    async def play() -> dict[str, Any]:
        async with Client(stdio_client(launched), mode=mode) as client:
            return await drive(client, calls)

    check(asyncio.run(play()), expected, world.tools())
    (folder,) = (tmp_path / "runs").glob("*-serve")
    (record,), (grade,) = (
        [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        for name in ("episodes.jsonl", "grades.jsonl")
    )
    for name, arguments in calls:
        world.call(name, arguments)
    assert record == {**world.record(), "id": record["id"], "trial": 0}
    assert grade == {**world.control(what="/reward").json()["grade"], "trial": 0}
    assert grade["reward"] == 1.0
    world.delete()


class TestSessions:
    """A world is not a session: it survives sessions, and only the URL decides which world a session acts on."""

    @pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
    def test_a_world_survives_a_reconnect(self, server: Server, mode: str) -> None:
        world = server.create("mock", task_id="create_plain")

        async def once(name: str, arguments: dict[str, Any]) -> list[Any]:
            async with Client(world.mcp_url, mode=mode) as client:
                return as_list(await client.call_tool(name, arguments))

        assert json.loads(asyncio.run(once("create_task", NEW_TASK))[0])["task_id"] == "task_7"
        assert json.loads(asyncio.run(once("create_task", NEW_TASK))[0])["task_id"] == "task_8"
        assert world.state()["tool_calls"] == 2
        world.delete()

    def post(self, world: World, message: dict[str, Any], **headers: str) -> Any:
        given = {"accept": "application/json, text/event-stream", **headers}
        return world.server.http.post(world.mcp_url, json={"jsonrpc": "2.0", **message}, headers=given)

    def open(self, world: World) -> dict[str, str]:
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        opened = self.post(world, {"id": 1, "method": "initialize", "params": client})
        headers = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-06-18"}
        self.post(world, {"method": "notifications/initialized"}, **headers)
        return headers

    def users(self, world: World, headers: dict[str, str]) -> Any:
        return self.post(world, {"id": 2, "method": "tools/call", "params": {"name": "get_users"}}, **headers)

    def test_a_world_survives_the_end_of_a_session(self, server: Server) -> None:
        world = server.create("mock")
        session = self.open(world)
        assert self.users(world, session).status_code == 200
        assert server.http.delete(world.mcp_url, headers=session).status_code == 200
        assert self.users(world, session).status_code == 404  # which tells a client to open another
        assert self.users(world, self.open(world)).status_code == 200
        assert world.state()["tool_calls"] == 2
        world.delete()

    def test_a_session_at_another_worlds_url_acts_on_that_world(self, server: Server) -> None:
        mine, other = server.create("mock"), server.create("mock")
        assert self.users(other, self.open(mine)).status_code == 200
        assert (mine.state()["tool_calls"], other.state()["tool_calls"]) == (0, 1)

    def test_two_sessions_share_their_world(self, server: Server) -> None:
        world = server.create("mock")
        for session in (self.open(world), self.open(world)):
            assert self.users(world, session).status_code == 200
        assert world.state()["tool_calls"] == 2
        world.delete()
