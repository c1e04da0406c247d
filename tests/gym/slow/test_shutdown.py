"""The shutdown of a server: calls in progress are finished, and all records are kept."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client.client import Client

from tests.forked import Forked, Forks

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start, World
    from tests.gym.slow.conftest import Gate


@pytest.fixture
def server(start: Start, slow_pack: Path) -> Server:
    return start(slow_pack.name, "--pack", slow_pack)


@pytest.fixture
def world(server: Server, slow_pack: Path) -> World:
    return server.create(slow_pack.name)


NOISY_HANDLERS = """
import os, subprocess, sys

def shout(db) -> str:
    print("noise print")
    sys.stdout.write("noise write\\n")
    print("noise original", file=sys.__stdout__, flush=True)
    os.write(1, b"noise descriptor\\n")
    subprocess.run(["echo", "noise child"], check=True)
    return "quiet"
"""


def until_it_closes_its_door(server: Server) -> None:
    """Return when new connections are refused: the server has begun to shut down."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=60).close()
        except ConnectionError:  # refused, or reset if the connection was still queued when the socket was closed
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


def test_a_call_of_a_disconnected_client_is_recorded(
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
    assert "stopped during a call" in record["error"]
    assert [message["role"] for message in record["messages"]] == ["assistant", "tool", "assistant"]
    assert f"a call of episode {world.id} did not end in time" in server.log()


@pytest.mark.parametrize("what", ["creation", "reset"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_set_up_that_never_ends_does_not_keep_the_server_alive(
    server: Server, slow_pack: Path, gate: Gate, background: ThreadPoolExecutor, what: str, times: int
) -> None:
    first = {"env_type": "assistant", "func_name": "wait_at_first", "arguments": {"port": gate.port, "name": "set up"}}
    task = {"id": "t", "user_scenario": {"instructions": ""}, "initial_state": {"initialization_actions": [first]}}
    creation = background.submit(server.http.post, "/v1/episodes", json={"domain": slow_pack.name, "task": task})
    gate.until_waited_for()
    if what == "reset":
        gate.open()
        url = f"/v1/episodes/{creation.result().json()['id']}/reset"
        background.submit(server.http.post, url)
        gate.until_waited_for()
    for _ in range(times):
        server.process.send_signal(SIGINT)
    assert server.process.wait(60) == 1


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


def test_many_resting_episodes_are_all_recorded_and_graded(start: Start) -> None:
    server = start("mock")
    worlds = [server.create(task_id="create_plain") for _ in range(150)]
    for world in worlds:
        world.text("create_task", {"user_id": "piet_lindgren", "title": "Tune the piano"})
    assert server.stop() == -SIGTERM
    ids = {world.id for world in worlds}
    assert {record["id"]: record["termination"] for record in server.kept()} == dict.fromkeys(ids, "agent_stop")
    assert [grade["reward"] for grade in server.kept("grades.jsonl")] == [1.0] * len(ids)
    assert server.log() == ""


class TestGradesThatTakeLong:
    """Grading makes the gold calls, and the gold call of this task blocks."""

    @pytest.fixture
    def world(self, server: Server, slow_pack: Path, gate: Gate) -> World:
        gold = {"action_id": "1", "name": "wait", "arguments": {"port": gate.port, "name": "gold"}}
        criteria = {"actions": [gold], "reward_basis": ["DB"]}
        task = {"id": "slow", "user_scenario": {"instructions": ""}, "evaluation_criteria": criteria}
        return server.create(slow_pack.name, task=task)

    def test_grading_at_shutdown_may_take_long(self, server: Server, world: World, slow_pack: Path, gate: Gate) -> None:
        worlds = [world, *(server.create(slow_pack.name) for _ in range(3))]
        for one in worlds:
            one.text("note", {"name": "n"})
        server.process.send_signal(SIGTERM)
        gate.until_waited_for()
        assert {record["id"] for record in server.kept()} == {one.id for one in worlds}  # before the first grade
        gate.open()
        assert server.process.wait(60) == -SIGTERM
        assert [(grade["task_id"], grade["reward"]) for grade in server.kept("grades.jsonl")] == [("slow", 0.0)]
        assert server.log() == ""

    @pytest.mark.parametrize("number", [SIGTERM, SIGINT])
    def test_a_second_signal_skips_grading(self, server: Server, world: World, gate: Gate, number: int) -> None:
        world.text("note", {"name": "n"})
        server.process.send_signal(number)
        gate.until_waited_for()
        server.process.send_signal(number)
        assert server.process.wait(60) == (-SIGTERM if number == SIGTERM else 1)
        assert [record["id"] for record in server.kept()] == [world.id]
        assert server.kept("grades.jsonl") == []
        assert "1 records are not graded" in server.log()


class TestStdio:
    """A client that keeps standard input open does not keep the server alive."""

    @pytest.fixture
    def launch(self, tmp_path: Path, forks: Forks) -> Iterator[Callable[..., Forked]]:
        launched: list[Forked] = []

        def start_one(*options: object) -> Forked:
            command = ["serve", "--transport", "stdio", *map(str, options)]
            pipe = subprocess.PIPE
            with (tmp_path / "errors").open("w") as errors:
                process = forks.start(command, cwd=tmp_path, env=os.environ, stdin=pipe, stdout=pipe, stderr=errors)
            launched.append(process)
            return process

        yield start_one
        for process in launched:
            process.kill()
            process.wait(60)
            for stream in filter(None, (process.stdin, process.stdout)):
                stream.close()

    def ask(self, process: Forked, message: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        process.stdin.flush()

    def open(self, process: Forked) -> None:
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        self.ask(process, {"id": 0, "method": "initialize", "params": client})
        assert process.stdout is not None
        assert "result" in process.stdout.readline()
        self.ask(process, {"method": "notifications/initialized"})

    def call(self, process: Forked, name: str, arguments: dict[str, Any]) -> None:
        self.ask(process, {"id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}})

    @pytest.mark.parametrize("number", [SIGTERM, SIGINT])
    @pytest.mark.parametrize("times", [1, 2])
    def test_a_signal_ends_it_and_keeps_the_record(
        self, launch: Callable[..., Forked], tmp_path: Path, number: int, times: int
    ) -> None:
        process = launch("mock", "--task", "create_plain")
        self.open(process)
        self.call(process, "create_task", {"user_id": "piet_lindgren", "title": "Tune the piano"})
        assert process.stdout is not None
        assert "task_7" in process.stdout.readline()
        for _ in range(times):
            process.send_signal(number)
        assert process.wait(60) == -number  # standard input is still open
        (record,) = tmp_path.glob("runs/*-serve/episodes.jsonl")
        assert json.loads(record.read_text())["tool_calls"] == 1

    def test_a_second_signal_waits_for_no_call(
        self, launch: Callable[..., Forked], slow_pack: Path, gate: Gate, tmp_path: Path
    ) -> None:
        process = launch(slow_pack.name, "--pack", slow_pack)
        self.open(process)
        self.call(process, "wait", {"port": gate.port, "name": "for ever"})
        gate.until_waited_for()
        process.send_signal(SIGTERM)
        process.send_signal(SIGTERM)
        assert process.wait(60) == -SIGTERM
        (record,) = tmp_path.glob("runs/*-serve/episodes.jsonl")
        assert json.loads(record.read_text())["termination"] == "infrastructure_error"

    def test_what_a_handler_prints_does_not_reach_the_protocol(
        self, launch: Callable[..., Forked], small_pack: Callable[..., Any], tmp_path: Path
    ) -> None:
        pack = small_pack(NOISY_HANDLERS, {"shout": {}}).pack
        process = launch(pack.name, "--pack", pack.folder)
        self.open(process)
        self.call(process, "shout", {})
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()
        assert process.stdout.read() == ""
        process.wait(60)
        err = (tmp_path / "errors").read_text()
        assert answer["result"]["content"][0]["text"] == "quiet"
        assert all(f"noise {way}\n" in err for way in ("print", "write", "original", "descriptor", "child")), err
