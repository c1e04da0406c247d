"""The end of a server: calls in flight are finished, and all records kept."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client.client import Client

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start, World
    from tests.gym.slow.conftest import Gate


@pytest.fixture
def server(start: Start, slow_pack: Path) -> Server:
    return start(slow_pack.name, "--pack", slow_pack)


@pytest.fixture
def world(server: Server, slow_pack: Path) -> World:
    return server.create(slow_pack.name)


def until_it_closes_its_door(server: Server) -> None:
    """Return when new connections are refused: the server has begun to shut down."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=60).close()
        except ConnectionError:  # refused, or reset where the door closed on one that was just queueing
            return


def test_a_call_in_flight_is_answered_and_kept(
    server: Server, world: World, gate: Gate, background: ThreadPoolExecutor
) -> None:
    call = background.submit(world.text, "wait", {"port": gate.port, "name": "last"})
    gate.until_waited_for()
    server.process.send_signal(SIGTERM)
    until_it_closes_its_door(server)
    gate.open()
    assert call.result() == "waited for last"
    assert server.stop() == -SIGTERM
    (record,) = server.kept()
    assert [message.get("content") for message in record["messages"]] == [None, "waited for last"]


def test_a_call_whose_client_is_gone_is_kept_too(
    server: Server, world: World, gate: Gate, stateless_request: Callable[..., Any]
) -> None:
    call = {"name": "wait", "arguments": {"port": gate.port, "name": "orphan"}}
    with server.send_only(world.mcp_url, *stateless_request("tools/call", call)):
        gate.until_waited_for()
    server.process.send_signal(SIGTERM)
    until_it_closes_its_door(server)
    gate.open()
    assert server.stop() == -SIGTERM
    (record,) = server.kept()
    assert record["messages"][1]["content"] == "waited for orphan"


def test_a_call_that_never_ends_does_not_keep_the_server_alive(
    server: Server, world: World, gate: Gate, background: ThreadPoolExecutor
) -> None:
    world.text("note", {"name": "before"})
    call = {"name": "wait", "arguments": {"port": gate.port, "name": "for ever"}}
    answer = background.submit(server.rpc, world.mcp_url, "tools/call", call)
    gate.until_waited_for()
    server.process.send_signal(SIGTERM)
    assert (answer.result().status_code, answer.result().json()["error"]["code"]) == (503, "stopping")
    assert server.stop() == -SIGTERM
    (record,) = server.kept()
    assert record["termination"] == "infrastructure_error"
    assert "stopped in the middle of a call" in record["error"]
    assert [message["role"] for message in record["messages"]] == ["assistant", "tool", "assistant"]
    assert f"a call of episode {world.id} did not end in time" in server.log()


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_clients_that_stay_connected_do_not_keep_it_alive(server: Server, world: World, mode: str) -> None:
    async def stay() -> None:
        async with Client(world.mcp_url, mode=mode) as client:
            await client.call_tool("note", {"name": "n"})
            await asyncio.to_thread(server.stop)

    asyncio.run(stay())
    assert len(server.kept()) == 1


def test_ctrl_c(server: Server, world: World) -> None:
    world.text("note", {"name": "n"})
    assert server.stop(SIGINT) == 1
    assert server.log() == "interrupted\n"
    assert [record["id"] for record in server.kept()] == [world.id]
