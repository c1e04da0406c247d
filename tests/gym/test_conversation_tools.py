"""The conversation as MCP tools: the same record as over the conversation plane, and off by default."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start

NAMES = {"start_conversation", "send_message_to_user"}
NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}


def names(tools: list[dict[str, Any]]) -> set[str]:
    return {tool["name"] for tool in tools}


def test_the_record_equals_that_of_the_conversation_plane(server: Server) -> None:
    plain = server.create("mock", task_id="create_plain")
    world = server.create("mock", task_id="create_plain", conversation_tools=True)
    assert names(plain.tools()) & NAMES == set()
    assert names(world.tools()) == names(plain.tools()) | NAMES
    assert names(world.tools(user=True)) == names(plain.tools(user=True)) if world.urls["user_mcp_url"] else True
    heard = world.text("start_conversation")
    assert heard == plain.say().json()["reply"] == world.text("start_conversation")
    for message in ("Which title?",):
        assert world.text("send_message_to_user", {"message": message}) == plain.say(message).json()["reply"]
    for each in (plain, world):
        each.value("create_task", NEW_TASK)
    end = world.text("send_message_to_user", {"message": "It is done."})
    assert end.splitlines() == [plain.say("It is done.").json()["reply"], "[The conversation has ended.]"]
    assert world.reward() == plain.reward() == 1.0
    mine, other = world.record(), plain.record()
    assert {**mine, "id": "", "trial": 0} == {**other, "id": "", "trial": 0}
    assert world.state()["tool_calls"] == 1
    again = world.call("send_message_to_user", {"message": "Still there?"})
    assert again["isError"]
    assert "has ended" in again["content"][0]["text"]
    plain.delete()
    world.delete()


def test_starting_tells_the_history_with_its_calls(server: Server) -> None:
    world = server.create("mock", task_id="complete_what_was_created", conversation_tools=True)
    heard = world.text("start_conversation").splitlines()
    assert heard[0] == "The conversation so far:"
    assert [line.partition(":")[0] for line in heard[1:]] == ["user", "assistant", "tool", "assistant", "user"]
    assert heard[2].startswith("assistant: create_task(user_id='nadia_okafor'")
    assert world.text("send_message_to_user", {"message": "Shall I?"}).startswith("You are Nadia Okafor.")
    world.delete()


def test_wrong_arguments_change_nothing(server: Server) -> None:
    world = server.create("mock", task_id="create_plain", conversation_tools=True)
    before = world.record()
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("start_conversation", {"message": "Hi"}),
        ("send_message_to_user", {}),
        ("send_message_to_user", {"message": ""}),
        ("send_message_to_user", {"message": 5}),
        ("send_message_to_user", {"message": "Hi", "more": 1}),
    ]
    for name, arguments in wrong:
        assert world.call(name, arguments)["isError"]
    assert world.record() == before
    world.delete()


def test_conversation_tools_are_off_by_default(server: Server) -> None:
    world = server.create("mock", task_id="create_plain")
    result = world.call("send_message_to_user", {"message": "Hi"})
    assert "there is no tool 'send_message_to_user'" in result["content"][0]["text"]
    world.delete()


def test_a_world_without_a_customer_has_no_conversation_tools(server: Server) -> None:
    world = server.create("mock", conversation_tools=True)
    assert names(world.tools()) & NAMES == set()
    world.delete()


def test_a_server_can_offer_conversation_tools_to_all_episodes(start: Start) -> None:
    server = start("mock", "--conversation-tools")
    world = server.create("mock", task_id="create_plain")
    assert names(world.tools()) >= NAMES
    other = server.create("mock", task_id="create_plain", conversation_tools=False)
    assert names(other.tools()) & NAMES == set()


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_an_agent_that_knows_only_mcp_plays_over_stdio(server: Server, tmp_path: Path, mode: str) -> None:
    options = ["-P", "-m", "tau2_core", "serve", "mock", "--transport", "stdio", "--task", "create_plain"]
    launched = StdioServerParameters(command=sys.executable, args=[*options, "--conversation-tools"], cwd=tmp_path)

    async def play() -> list[str]:
        heard = []
        async with Client(stdio_client(launched), mode=mode) as client:
            for name, arguments in [
                ("start_conversation", {}),
                ("send_message_to_user", {"message": "Which title?"}),
                ("create_task", NEW_TASK),
                ("send_message_to_user", {"message": "It is done."}),
            ]:
                result = await client.call_tool(name, arguments)
                heard.append(result.content[0].text)  # type: ignore[union-attr]
        return heard

    heard = asyncio.run(play())
    assert heard[-1].endswith("[The conversation has ended.]")
    (folder,) = (tmp_path / "runs").glob("*-serve")
    (grade,) = map(json.loads, (folder / "grades.jsonl").read_text().splitlines())
    assert grade["reward"] == 1.0
    (record,) = map(json.loads, (folder / "episodes.jsonl").read_text().splitlines())
    world = server.create("mock", task_id="create_plain", seed=record["seed"])
    world.say("Which title?")
    world.value("create_task", NEW_TASK)
    world.say("It is done.")
    assert {**record, "id": "", "trial": 0} == {**world.record(), "id": "", "trial": 0}
    world.delete()
