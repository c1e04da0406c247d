"""For its clients, a server of several processes is one server, whichever protocol they use."""

from __future__ import annotations

import asyncio
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tau2_core.gym.client import open_sides
from websockets.sync.client import connect

from tests.gym.conftest import SECONDS, World, stateless

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start

NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}}
ACCEPT = {"accept": "application/json, text/event-stream"}


def spread(server: Server, count: int) -> list[World]:
    """Open episodes in all workers, as each goes to the worker with the fewest."""
    return [server.create() for _ in range(count)]


def test_one_keep_alive_connection_reaches_the_episodes_of_all_workers(server: Server) -> None:
    worlds = spread(server, 6)
    for number, world in enumerate(worlds):
        world.value("create_task", {**NEW_TASK, "title": f"Number {number}"})
    for number, world in enumerate(worlds):  # each has its own world, and only that
        created = [each for each in world.record()["messages"] if "Number" in json.dumps(each)]
        assert all(f"Number {number}" in json.dumps(each) for each in created)
        assert world.state()["tool_calls"] == 1
    listed = {state["id"] for state in server.http.get("/v1/episodes").json()}
    assert {world.id for world in worlds} <= listed
    for world in worlds:
        world.delete()
        assert world.control().status_code == 410
    assert server.http.get("/v1/episodes/never").status_code == 404


def test_clients_of_the_sdk_play_side_by_side(server: Server) -> None:
    worlds = spread(server, 8)

    async def play(world: World) -> str:
        async with open_sides({"assistant": world.mcp_url}) as clients:
            assert [prompt.name for prompt in (await clients["assistant"].list_prompts()).prompts]
            result: Any = await clients["assistant"].call_tool("create_task", NEW_TASK)
            text: str = result.content[0].text
            return text

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(play, worlds))

    assert all("task_7" in said for said in asyncio.run(all_of_them()))
    for world in worlds:
        world.delete()


def test_metrics_are_those_of_all_workers(start: Start) -> None:
    server = start("mock", "--workers", "2")
    worlds = spread(server, 4)
    for world in worlds:
        world.value("get_users")
    text = server.http.get("/metrics").text
    for line in (
        "tau2_gym_open_episodes 4",
        "tau2_gym_episodes_created_total 4",
        'tau2_gym_tool_calls_total{domain="mock"} 4',
        'tau2_gym_tool_call_seconds_bucket{le="+Inf"} 4',
        "tau2_gym_workers 2",
    ):
        assert f"\n{line}\n" in text, text


def test_limits_ids_and_the_token_are_those_of_the_whole_server(start: Start) -> None:
    server = start("mock", "--workers", "2", "--max-episodes", "3", "--token", "secret")
    worlds = [server.create(id=f"mine-{number}") for number in range(2)]
    taken = [server.http.post("/v1/episodes", json={"domain": "mock", "id": "mine-0"}) for _ in range(4)]
    assert {(each.status_code, each.json()["error"]["code"]) for each in taken} == {(409, "taken_id")}
    server.create()
    full = [server.http.post("/v1/episodes", json={"domain": "mock"}) for _ in range(4)]
    assert {(each.status_code, each.json()["error"]["code"]) for each in full} == {(503, "full")}
    worlds[0].delete()
    server.create(id="mine-0")  # the id is free again, and the server is no longer full
    without = {"Authorization": ""}
    for path in ("/v1/episodes", "/metrics", f"/v1/episodes/{worlds[1].id}", "/v1/episodes/never"):
        assert server.http.get(path, headers=without).status_code == 401, path
    assert worlds[1].call("get_users")["isError"] is False  # the agent's URL is its credential


def test_sessions_of_eval_protocol_lead_to_one_world_each(server: Server) -> None:
    def rollout(number: int) -> list[Any]:
        session_id = f"client-{number}"
        info = {"name": "reward-kit", "version": "1", "_extra": {"session_id": session_id}}
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {**HELLO, "clientInfo": info}}
        call = {"name": "create_task", "arguments": NEW_TASK}
        with httpx.Client(base_url=server.address, timeout=SECONDS, headers=ACCEPT) as http:
            opened = http.post("/mcp", json=hello).raise_for_status()
            mine = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
            theirs = {"mcp-session-id": session_id}
            http.get("/control/initial_state", headers=theirs).raise_for_status()
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            said = http.post("/mcp", json=message, headers=mine).json()["result"]["content"][0]["text"]
        # Control requests come over connections of their own, as that client's do.
        steps = httpx.get(f"{server.address}/control/status", headers=theirs, timeout=SECONDS).json()["step_count"]
        ended = httpx.delete(f"{server.address}/mcp", headers=mine, timeout=SECONDS).status_code
        return [json.loads(said)["task_id"], steps, ended]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(rollout, range(8))) == [["task_7", 1, 200]] * 8
    plain = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {**HELLO, "clientInfo": {"name": "c", "version": "1"}},
    }
    for _ in range(4):  # a client without an id of its own has the world of its transport's session
        opened = httpx.post(f"{server.address}/mcp", json=plain, headers=ACCEPT, timeout=SECONDS)
        mine = {**ACCEPT, "mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        listing = httpx.post(
            f"{server.address}/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
            headers=mine,
            timeout=SECONDS,
        )
        assert listing.json()["result"]["tools"]


def test_environments_of_openenv_are_stepped_wherever_they_are(server: Server) -> None:
    call = {"type": "call_tool", "tool_name": "get_users", "arguments": {}}
    for _ in range(4):
        with connect(f"ws{server.address.removeprefix('http')}/openenv/mock/ws") as environment:
            for kind, data in (("reset", {"task_id": "create_plain"}), ("step", call)):
                environment.send(json.dumps({"type": kind, "data": data}))
                answer = json.loads(environment.recv(timeout=SECONDS))
                assert answer["type"] == "observation", answer
            assert "Piet" in answer["data"]["observation"]["result"]
    base = f"{server.address}/openenv/mock"
    for _ in range(4):  # requests name the episode in their body or query
        begun = httpx.post(f"{base}/reset", json={"task_id": "create_plain"}, timeout=SECONDS).json()
        episode_id = begun["observation"]["metadata"]["episode_id"]
        stepped = httpx.post(f"{base}/step", json={"episode_id": episode_id, "action": call}, timeout=SECONDS)
        assert "Piet" in stepped.json()["observation"]["result"]
        state = httpx.get(f"{base}/state", params={"episode_id": episode_id}, timeout=SECONDS).json()
        assert state["episode_id"] == episode_id
    for _ in range(4):  # or a session
        made = httpx.post(f"{base}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "openenv/session/create"})
        session = {"session_id": made.json()["result"]["session_id"]}
        listed = httpx.post(f"{base}/mcp", json={"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": session})
        assert listed.json()["result"]["tools"]
        address = f"ws{base.removeprefix('http')}/ws?session_id={session['session_id']}"
        with connect(address) as environment:
            environment.send(json.dumps({"type": "reset", "data": {"task_id": "create_plain"}}))
            assert json.loads(environment.recv(timeout=SECONDS))["type"] == "observation"


def test_agents_of_nemo_gym_keep_their_episode(server: Server) -> None:
    row = {"task_id": "create_plain", "seed": 3, "domain": "mock"}
    for _ in range(4):
        with httpx.Client(base_url=server.address, timeout=SECONDS) as agent:
            seeded = agent.post("/seed_session", json=row).raise_for_status().json()
            assert "task_7" in agent.post("/create_task", json=NEW_TASK).text
            over_mcp = httpx.post(
                f"{server.address}{seeded['mcp']['url_path']}", content=stateless("tools/list", {})[0],
                headers=stateless("tools/list", {})[1], timeout=SECONDS,
            )  # fmt: skip
            assert over_mcp.json()["result"]["tools"]
            assert agent.post("/verify", json=row).json()["outcome"] == "solved"
            assert agent.get("/reverify_mode").json() == "unsupported"


def test_requests_that_are_pipelined_are_answered_or_to_be_sent_again(server: Server) -> None:
    worlds = spread(server, 2)
    heads = [
        f"GET /v1/episodes/{world.id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for world in (*worlds, *worlds)
    ]
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as connection:
        connection.sendall(b"".join(heads))
        received = b""
        while received.count(b"HTTP/1.1 ") < 4 and b"HTTP/1.1 421" not in received:
            more = connection.recv(65536)
            assert more, received
            received += more
    assert received.startswith(b"HTTP/1.1 200")
    assert worlds[0].id.encode() in received
    for world in worlds:
        world.delete()


def test_a_body_that_arrives_bit_by_bit_moves_with_its_request(server: Server) -> None:
    body = json.dumps({"domain": "mock", "id": "slow-body"}).encode()
    head = f"POST /v1/episodes HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in (head.encode(), b"Content-Type: application/json\r\n\r\n", body[:7], body[7:]):
            connection.sendall(part)
            server.http.get("/healthz").raise_for_status()  # what was sent earlier is read earlier
        assert connection.recv(65536).startswith(b"HTTP/1.1 201")
    server.http.delete("/v1/episodes/slow-body").raise_for_status()
    too_large = server.http.post("/openenv/mock/step", content=b"x" * 2_000_000)
    assert too_large.status_code == 413


@pytest.mark.parametrize(
    ("size", "body", "status"),
    [("Content-Length: 7", b"{     }", 201), ("Transfer-Encoding: chunked", b"7\r\n{     }\r\n0\r\n\r\n", 421)],
)
def test_a_request_may_follow_an_answered_one_at_once(server: Server, size: str, body: bytes, status: int) -> None:
    """The first request is answered by its head, so the rest of it may arrive together with the next request.

    Without a length, nobody knows where the next one begins, so it has to be sent again.
    """
    host = f"Host: 127.0.0.1:{server.port}"
    gone = f"POST /episodes/{'A' * 32}/mcp HTTP/1.1\r\n{host}\r\n{size}\r\n\r\n".encode()
    head = f"POST /v1/episodes HTTP/1.1\r\n{host}\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as connection:
        for _ in range(2 if status == 201 else 1):
            connection.sendall(gone)
            assert answer(connection)[0] == 404
            connection.sendall(body + head.encode() + b'{"domain":"mock"}')
            assert answer(connection)[0] == status
    assert httpx.post(f"{server.address}/v1/episodes", json={"domain": "mock"}).status_code == 201


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Return the status and the body of the next response."""
    response = HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def test_idle_episodes_expire_in_every_worker(start: Start) -> None:
    server = start("mock", "--workers", "2", "--idle-timeout", "0.2")
    worlds = spread(server, 4)
    while server.http.get("/v1/episodes").json():
        assert server.process.poll() is None
    assert {world.control().status_code for world in worlds} == {410}
    assert "tau2_gym_episodes_expired_total 4" in server.http.get("/metrics").text
