"""Invalid use of OpenEnv's protocol is refused and does not affect other clients."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gym.conftest import SECONDS, Server, Start

if TYPE_CHECKING:
    from tests.gym.openenv.conftest import Connect

TEXT, CONTINUATION, PING, LAST = 1, 0, 9, 0x80
SLOW = """
import asyncio
from tau2_core import hookimpl

@hookimpl
async def tau2_tool_call(call, proceed):
    if call.name == "get_users":
        await asyncio.sleep(600)
    return await proceed(call)
"""


def frame(first: int, payload: bytes = b"", *, told: int | None = None) -> bytes:
    """Return a masked frame; `told` is the length in its header."""
    length = len(payload) if told is None else told
    head = bytes([first, 0x80 | length]) if length < 126 else struct.pack("!BBQ", first, 0xFF, length)
    return head + b"\0\0\0\0" + payload


@contextmanager
def upgraded(server: Server, path: str = "/openenv/mock/ws") -> Iterator[socket.socket]:
    """Open a WebSocket by hand, to send what no library would send."""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as link:
        link.sendall(head.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += link.recv(4096)
        assert b" 101 " in answer
        yield link


def is_cut(link: socket.socket) -> bool:
    try:
        while link.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def refused(server: Server, path: str = "/openenv/mock/ws", **headers: str) -> int:
    """Try to open a WebSocket; return the status of the refusal."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    return httpx.get(server.address + path, headers={**upgrade, **key, **headers}).status_code


def test_the_token_guards_everything_that_plays(start: Start, connect: Connect) -> None:
    server = start("mock", "--token", "secret")
    with httpx.Client(base_url=f"{server.address}/openenv/mock") as anonymous:
        for method, path in [
            *(("POST", path) for path in ("/reset", "/step", "/mcp", "/mock/tasks", "/mock/task")),
            *(("GET", path) for path in ("/state", "/list_environments", "/mock/splits")),
        ]:
            assert anonymous.request(method, path).status_code == 401, path
        for path in ("/health", "/metadata", "/schema", "/openapi.json"):
            assert anonymous.get(path).status_code == 200, path
    assert refused(server) == 401
    assert refused(server, path="/openenv/mock/mcp", Authorization="Bearer x") == 401
    with connect(server, additional_headers={"Authorization": "Bearer secret"}) as env:
        assert env.reset(task_id="create_plain")["done"] is False


def test_tasks_are_lists_and_require_the_printed_token(start: Start, connect: Connect) -> None:
    server = start("mock", "--printed-token")
    base = f"{server.address}/openenv/mock"
    assert httpx.post(f"{base}/mock/tasks", json={"split": "test"}).status_code == 401
    assert server.http.post(f"{base}/mock/tasks", json={"split": "test"}).status_code == 200
    with connect(server) as env:
        assert env.reset(task_id="create_plain")["done"] is False


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000"])
def test_web_pages_cannot_open_a_websocket(server: Server, origin: str) -> None:
    assert refused(server, Origin=origin) == 403


def test_an_allowed_origin_can_open_a_websocket(start: Start, connect: Connect) -> None:
    server = start("mock", "--allow-origin", "https://ours.example")
    with connect(server, origin="https://ours.example") as env:
        assert env.state()["done"] is False
    assert refused(server, Host="evil.example") == 403


def test_an_unknown_path_or_domain_is_no_websocket(server: Server) -> None:
    assert refused(server, path="/openenv/nowhere/ws") == 404
    for path in ("/openenv/mock/harness", "/mcp", "/v1/episodes"):
        assert refused(server, path=path) == 403, path


@pytest.mark.parametrize(
    "data",
    [
        frame(LAST | TEXT, told=2 * 1024 * 1024),
        frame(TEXT, b"{") + frame(CONTINUATION) * 3000,
        frame(LAST | PING) * 3000,
        frame(LAST | TEXT, b"{}") * 3000,
        b"\xff" * 100,
    ],
    ids=["too large", "fragments without end", "a flood of pings", "a flood of messages", "no frame"],
)
def test_clients_that_send_too_much_are_disconnected(server: Server, data: bytes) -> None:
    with upgraded(server) as link:
        link.sendall(data)
        assert is_cut(link)
    assert server.http.get("/healthz").json() == {"status": "ok"}


def test_a_message_must_arrive_in_time(start: Start, connect: Connect) -> None:
    server = start("mock", "--request-timeout", "0.3")
    with connect(server) as patient, upgraded(server) as dripping, upgraded(server) as fragment:
        dripping.sendall(frame(LAST | TEXT, b'{"type"', told=50))
        fragment.sendall(frame(TEXT, b'{"type"'))
        assert is_cut(dripping)
        assert is_cut(fragment)
        assert patient.state()["done"] is False  # a client that sends nothing has no time limit


def test_an_unused_connection_is_closed(start: Start, connect: Connect) -> None:
    server = start("mock", "--idle-timeout", "0.05")
    with connect(server) as env, pytest.raises(Exception, match=r"1008.*unused for 0\.2 seconds"):
        env.receive()


def test_a_slow_call_delays_no_other_client(start: Start, connect: Connect, plugin: Callable[..., Path]) -> None:
    server = start("mock", PYTHONPATH=str(plugin("slow", SLOW)))
    with connect(server) as slow, connect(server) as quick:
        episode_id = slow.reset(task_id="create_plain")["metadata"]["episode_id"]
        slow.socket.send(json.dumps({"type": "step", "data": {"tool_name": "get_users"}}))
        quick.reset(task_id="create_plain")
        done = quick.call("create_task", user_id="piet_lindgren", title="Tune the piano")
        assert "task_7" in done["observation"]["result"]
        assert server.http.get(f"/v1/episodes/{episode_id}").json()["status"] == "open"
    os.kill(server.process.pid, 2)
    server.stop()
    records = server.kept()
    assert sorted(record["termination"] for record in records) == ["agent_stop", "infrastructure_error"]


def test_a_stopped_server_closes_its_websockets(start: Start, connect: Connect) -> None:
    server = start("mock")
    with connect(server) as env:
        env.reset(task_id="create_plain")
        env.call("get_users")
        server.process.send_signal(15)
        with pytest.raises(Exception, match="1012"):
            env.receive()
    server.stop()
    (record,) = server.kept()
    assert record["tool_calls"] == 1
