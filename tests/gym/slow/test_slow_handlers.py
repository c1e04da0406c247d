"""A call that takes long: it holds up its own world only, and nothing that its client does loses it."""

from __future__ import annotations

import json
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.gym.conftest import Server, World
    from tests.gym.slow.conftest import Gate

LEGACY = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.fixture
def world(slow_server: Server) -> World:
    return new_world(slow_server)


def new_world(server: Server) -> World:
    (row,) = server.http.get("/v1/domains").json()
    return server.create(row["name"])


def waiting(world: World, gate: Gate, background: ThreadPoolExecutor, name: str = "slow") -> Future[str]:
    """Start a call, and return when its handler waits."""
    future = background.submit(world.text, "wait", {"port": gate.port, "name": name})
    gate.until_waited_for()
    return future


def send_only(server: Server, url: str, message: dict[str, Any], **headers: str) -> socket.socket:
    """Send a request whose answer nobody reads, and see to it that the server has begun with it."""
    body = json.dumps(message).encode()
    given = {**LEGACY, "host": "localhost", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall(f"POST {httpx.URL(url).path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    server.http.get("/healthz").raise_for_status()  # what was sent before has been read before
    return connection


def tool_call(name: str, arguments: dict[str, Any], number: int = 2) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def modern(name: str) -> dict[str, str]:
    return {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": name}


def with_meta(message: dict[str, Any]) -> dict[str, Any]:
    prefix = "io.modelcontextprotocol"
    message["params"]["_meta"] = {f"{prefix}/protocolVersion": "2026-07-28", f"{prefix}/clientCapabilities": {}}
    return message


def session(server: Server, url: str) -> dict[str, str]:
    """Open a session of the handshake era; return the headers that belong to it."""
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    opened = server.http.post(url, json=opening, headers=LEGACY).raise_for_status()
    headers = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-06-18"}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert server.http.post(url, json=ready, headers={**LEGACY, **headers}).status_code == 202
    return headers


def called(record: dict[str, Any]) -> list[tuple[str, bool]]:
    """Return the calls of a record and whether each has its answer after it."""
    messages = record["messages"]
    return [
        (call["name"], messages[place + 1 : place + 2] != [] and messages[place + 1].get("id") == call["id"])
        for place, message in enumerate(messages)
        for call in message.get("tool_calls", [])
    ]


def test_it_holds_up_no_other_world(
    slow_server: Server, world: World, gate: Gate, background: ThreadPoolExecutor
) -> None:
    call = waiting(world, gate, background)
    other = new_world(slow_server)
    assert other.value("note", {"name": "n"}) == ["start", "n"]
    assert other.reward() == 1.0
    assert other.control("POST", "/reset").status_code == 200
    other.delete()
    listed = {state["id"]: state for state in slow_server.http.get("/v1/episodes").json()}
    assert listed[world.id]["status"] == "open"
    assert slow_server.http.get("/metrics").status_code == 200
    gate.open()
    assert call.result() == "waited for slow"


def test_many_of_them_hold_up_no_other_world(slow_server: Server, gate: Gate, background: ThreadPoolExecutor) -> None:
    worlds = [new_world(slow_server) for _ in range(60)]
    calls = [waiting(world, gate, background) for world in worlds]
    assert new_world(slow_server).value("note", {"name": "n"}) == ["start", "n"]
    gate.open()
    assert {call.result() for call in calls} == {"waited for slow"}
    for world in worlds:
        world.delete()


def test_a_slow_set_up_holds_up_nobody(slow_server: Server, gate: Gate, background: ThreadPoolExecutor) -> None:
    (row,) = slow_server.http.get("/v1/domains").json()
    first = {"env_type": "assistant", "func_name": "wait_at_first", "arguments": {"port": gate.port, "name": "set up"}}
    task = {"id": "t", "user_scenario": {"instructions": ""}, "initial_state": {"initialization_actions": [first]}}
    creation = background.submit(slow_server.create, row["name"], task=task)
    gate.until_waited_for()
    assert new_world(slow_server).value("note", {"name": "n"}) == ["start", "n"]
    gate.open()
    world = creation.result()
    assert world.value("note", {"name": "n"}) == ["start", "set up", "n"]
    reset = background.submit(world.control, "POST", "/reset")
    gate.until_waited_for()
    assert new_world(slow_server).value("note", {"name": "n"}) == ["start", "n"]
    gate.open()
    assert reset.result().status_code == 200
    assert world.value("note", {"name": "again"}) == ["start", "set up", "again"]


def test_calls_to_one_world_are_made_one_after_the_other(
    slow_server: Server, world: World, gate: Gate, background: ThreadPoolExecutor
) -> None:
    first = waiting(world, gate, background, "first")
    second = with_meta(tool_call("note", {"name": "second"}))
    with send_only(slow_server, world.mcp_url, second, **modern("note")) as answer:
        assert world.server.http.get("/v1/episodes").status_code == 200
        gate.open()
        assert first.result() == "waited for first"
        assert b"200 OK" in answer.recv(1000)
    assert world.value("note", {"name": "third"}) == ["start", "first", "second", "third"]
    assert called(world.record()) == [("wait", True), ("note", True), ("note", True)]


def test_fifty_calls_at_once_are_all_made(world: World, background: ThreadPoolExecutor) -> None:
    seen = list(background.map(lambda n: len(world.value("note", {"name": str(n)})), range(50)))
    assert sorted(seen) == list(range(2, 52))
    assert world.state()["tool_calls"] == 50


class TestTheClientGoesAway:
    """The call completes; the world and the record agree."""

    def test_by_closing_the_connection(self, slow_server: Server, world: World, gate: Gate) -> None:
        message = with_meta(tool_call("wait", {"port": gate.port, "name": "gone"}))
        send_only(slow_server, world.mcp_url, message, **modern("wait")).close()
        self.check(world, gate)

    def test_by_closing_the_connection_of_a_session(self, slow_server: Server, world: World, gate: Gate) -> None:
        headers = session(slow_server, world.mcp_url)
        message = tool_call("wait", {"port": gate.port, "name": "gone"})
        send_only(slow_server, world.mcp_url, message, **headers).close()
        self.check(world, gate)

    def test_by_cancelling_the_request(self, slow_server: Server, world: World, gate: Gate) -> None:
        headers = session(slow_server, world.mcp_url)
        message = tool_call("wait", {"port": gate.port, "name": "gone"})
        with send_only(slow_server, world.mcp_url, message, **headers) as answer:
            print("SENT", flush=True)
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}
            given = {**LEGACY, **headers}
            assert slow_server.http.post(world.mcp_url, json=cancel, headers=given).status_code == 202
            assert b'"error"' in answer.recv(10_000)
        self.check(world, gate)

    def test_by_ending_the_session(self, slow_server: Server, world: World, gate: Gate) -> None:
        headers = session(slow_server, world.mcp_url)
        message = tool_call("wait", {"port": gate.port, "name": "gone"})
        with send_only(slow_server, world.mcp_url, message, **headers):
            assert slow_server.http.delete(world.mcp_url, headers=headers).status_code == 200
        self.check(world, gate)

    def check(self, world: World, gate: Gate) -> None:
        gate.until_waited_for()
        gate.open()
        assert world.value("note", {"name": "after"}) == ["start", "gone", "after"]
        record = world.record()
        assert called(record) == [("wait", True), ("note", True)]
        assert record["messages"][1]["content"] == "waited for gone"
        assert world.control(what="/reward").json()["grade"]["note"] == "the task has no criteria"
        world.delete()


def test_deletion_in_mid_call_keeps_the_call(
    slow_server: Server, world: World, gate: Gate, background: ThreadPoolExecutor
) -> None:
    call = waiting(world, gate, background)
    queued = background.submit(world.call, "note", {"name": "too late"})
    deletion = background.submit(world.control, "DELETE")
    while world.control().status_code == 200:
        pass
    assert slow_server.rpc(world.mcp_url, "tools/list").status_code == 410
    assert world.control("DELETE").status_code == 410
    gate.open()
    assert call.result() == "waited for slow"
    assert deletion.result().status_code == 204
    try:
        assert "the episode was deleted" in queued.result()["content"][0]["text"]
    except AssertionError as error:  # it came when the URL was gone already
        assert "expired_episode" in str(error)
    (record,) = [record for record in slow_server.kept() if record["id"] == world.id]
    assert called(record) == [("wait", True)]


def test_a_reset_in_mid_call_comes_after_it(
    slow_server: Server, world: World, gate: Gate, background: ThreadPoolExecutor
) -> None:
    call = waiting(world, gate, background)
    reset = background.submit(world.control, "POST", "/reset")
    gate.open()
    assert call.result() == "waited for slow"
    assert reset.result().json()["steps"] == 0
    assert world.value("note", {"name": "fresh"}) == ["start", "fresh"]
    (record,) = [record for record in slow_server.kept() if record["id"] == world.id]
    assert called(record) == [("wait", True)]


def test_a_handler_that_crashes_is_an_error_result_and_leaves_no_trace(world: World) -> None:
    result = world.call("crash")
    assert (result["isError"], result["content"][0]["text"]) == (True, "Error: 'it broke'")
    assert world.value("note", {"name": "n"}) == ["start", "n"]
    assert world.record()["tool_errors"] == {"crashed": 1}
