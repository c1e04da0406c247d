"""A slow call delays only its own world, and is recorded whatever its client does."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.gym.conftest import Server, World
    from tests.gym.slow.conftest import Gate

Stateless = Callable[[str, dict[str, Any]], tuple[bytes, dict[str, str]]]
LEGACY = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.fixture
def world(slow_server: Server) -> World:
    return new_world(slow_server)


def new_world(server: Server) -> World:
    (row,) = server.http.get("/v1/domains").json()
    return server.create(row["name"])


def waiting(world: World, gate: Gate, background: ThreadPoolExecutor, name: str = "slow") -> Future[str]:
    """Start a call, and return when its handler is waiting."""
    future = background.submit(world.text, "wait", {"port": gate.port, "name": name})
    gate.until_waited_for()
    return future


def tool_call(name: str, arguments: dict[str, Any]) -> bytes:
    """Return the body of a call of the handshake era."""
    params = {"name": name, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}).encode()


def body_of(connection: socket.socket) -> bytes:
    """Read the answer on a connection."""
    response = HTTPResponse(connection)
    response.begin()
    return response.read()


def session(server: Server, url: str) -> dict[str, str]:
    """Open a session of the handshake era; return its headers."""
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    opened = server.http.post(url, json=opening, headers=LEGACY).raise_for_status()
    headers = {**LEGACY, "mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-06-18"}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert server.http.post(url, json=ready, headers=headers).status_code == 202
    return headers


def wait(gate: Gate) -> dict[str, Any]:
    return {"port": gate.port, "name": "gone"}


def called(record: dict[str, Any]) -> list[tuple[str, bool]]:
    """Return the calls of a record, and for each whether its answer follows it."""
    messages = record["messages"]
    return [
        (call["name"], messages[place + 1 : place + 2] != [] and messages[place + 1].get("id") == call["id"])
        for place, message in enumerate(messages)
        for call in message.get("tool_calls", [])
    ]


def test_a_handler_that_was_quick_before_may_become_slow(
    slow_server: Server, world: World, gate: Gate, background: ThreadPoolExecutor
) -> None:
    for count in range(5):
        call = waiting(world, gate, background, f"quick {count}")
        gate.open()
        call.result()
    call = waiting(world, gate, background, "slow")
    assert slow_server.http.get("/healthz").status_code == 200
    assert new_world(slow_server).value("note", {"name": "n"}) == ["start", "n"]
    gate.open()
    assert call.result() == "waited for slow"


def test_a_slow_call_delays_no_other_world(
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


def test_many_slow_calls_delay_no_other_world(slow_server: Server, gate: Gate, background: ThreadPoolExecutor) -> None:
    worlds = [new_world(slow_server) for _ in range(60)]
    calls = [waiting(world, gate, background) for world in worlds]
    assert new_world(slow_server).value("note", {"name": "n"}) == ["start", "n"]
    gate.open()
    assert {call.result() for call in calls} == {"waited for slow"}
    for world in worlds:
        world.delete()


def test_a_slow_set_up_does_not_delay_others(slow_server: Server, gate: Gate, background: ThreadPoolExecutor) -> None:
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
    slow_server: Server,
    world: World,
    gate: Gate,
    background: ThreadPoolExecutor,
    stateless_request: Stateless,
) -> None:
    first = waiting(world, gate, background, "first")
    second = stateless_request("tools/call", {"name": "note", "arguments": {"name": "second"}})
    with slow_server.send_only(world.mcp_url, *second) as answer:
        gate.open()
        assert first.result() == "waited for first"
        assert json.loads(body_of(answer))["result"]["isError"] is False
    assert world.value("note", {"name": "third"}) == ["start", "first", "second", "third"]
    assert called(world.record()) == [("wait", True), ("note", True), ("note", True)]


def test_fifty_calls_at_once_are_all_made(world: World, background: ThreadPoolExecutor) -> None:
    seen = list(background.map(lambda n: len(world.value("note", {"name": str(n)})), range(50)))
    assert sorted(seen) == list(range(2, 52))
    assert world.state()["tool_calls"] == 50


class TestTheClientGoesAway:
    """The call completes; the world and the record agree."""

    def test_by_closing_the_connection(
        self, slow_server: Server, world: World, gate: Gate, stateless_request: Stateless
    ) -> None:
        body, headers = stateless_request("tools/call", {"name": "wait", "arguments": wait(gate)})
        with slow_server.send_only(world.mcp_url, body, headers):
            gate.until_waited_for()
        self.check(world, gate)

    def test_by_closing_the_connection_of_a_session(self, slow_server: Server, world: World, gate: Gate) -> None:
        headers = session(slow_server, world.mcp_url)
        with slow_server.send_only(world.mcp_url, tool_call("wait", wait(gate)), headers):
            gate.until_waited_for()
        self.check(world, gate)

    def test_by_cancelling_the_request(self, slow_server: Server, world: World, gate: Gate) -> None:
        headers = session(slow_server, world.mcp_url)
        with slow_server.send_only(world.mcp_url, tool_call("wait", wait(gate)), headers) as answer:
            gate.until_waited_for()
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}
            assert slow_server.http.post(world.mcp_url, json=cancel, headers=headers).status_code == 202
            assert b"Request cancelled" in body_of(answer)
        self.check(world, gate)

    def test_by_ending_the_session(self, slow_server: Server, world: World, gate: Gate) -> None:
        headers = session(slow_server, world.mcp_url)
        with slow_server.send_only(world.mcp_url, tool_call("wait", wait(gate)), headers):
            gate.until_waited_for()
            assert slow_server.http.delete(world.mcp_url, headers=headers).status_code == 200
        self.check(world, gate)

    def check(self, world: World, gate: Gate) -> None:
        assert world.state()["digests"] is None  # because the call is still in progress
        gate.open()
        assert world.value("note", {"name": "after"}) == ["start", "gone", "after"]
        record = world.record()
        assert called(record) == [("wait", True), ("note", True)]
        assert record["messages"][1]["content"] == "waited for gone"
        assert world.control(what="/reward").json()["grade"]["note"] == "the task has no criteria"
        world.delete()


def test_deletion_during_a_call_records_the_call(
    slow_server: Server,
    world: World,
    gate: Gate,
    background: ThreadPoolExecutor,
    stateless_request: Stateless,
) -> None:
    call = waiting(world, gate, background)
    queued = stateless_request("tools/call", {"name": "note", "arguments": {"name": "too late"}})
    with slow_server.send_only(world.mcp_url, *queued) as answer:
        deletion = background.submit(world.control, "DELETE")
        while world.control().status_code == 200:
            pass
        assert slow_server.rpc(world.mcp_url, "tools/list").status_code == 410
        assert world.control("DELETE").status_code == 410
        gate.open()
        assert b"was deleted or has expired" in body_of(answer)
    assert call.result() == "waited for slow"
    assert deletion.result().status_code == 204
    (record,) = [record for record in slow_server.kept() if record["id"] == world.id]
    assert called(record) == [("wait", True)]


def test_a_reset_during_a_call_waits_for_it(
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
