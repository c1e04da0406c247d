"""OpenEnv's JSON-RPC: sessions over HTTP, and WebSockets that join them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.gym.conftest import Server, Start

if TYPE_CHECKING:
    from tests.gym.openenv.conftest import Connect

MCP = "/openenv/mock/mcp"


def rpc(server: Server, method: str, path: str = MCP, **params: Any) -> dict[str, Any]:
    response = server.http.post(path, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert answer["id"] == 1
    return answer


def opened(server: Server) -> str:
    session_id: str = rpc(server, "openenv/session/create")["result"]["session_id"]
    return session_id


def test_a_websocket_resets_what_requests_play(server: Server, connect: Connect) -> None:
    session_id = opened(server)
    with connect(server, f"/openenv/mock/ws?session_id={session_id}") as env:
        env.reset(task_id="create_plain")
        tools = rpc(server, "tools/list", session_id=session_id)["result"]["tools"]
        assert {"create_task", "send_message_to_user"} <= {tool["name"] for tool in tools}
        assert all("inputSchema" in tool for tool in tools)
        arguments = {"user_id": "piet_lindgren", "title": "Tune the piano"}
        call = rpc(server, "tools/call", session_id=session_id, name="create_task", arguments=arguments)
        result = call["result"]
        assert "task_7" in result["data"]
        assert result["content"] == [{"type": "text", "text": result["data"]}]
        assert (result["isError"], "reward" in result) == (False, False)
        said = env.ask("mcp", {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "nope"}})
        assert said["data"]["result"]["isError"] is True
        with connect(server, f"/openenv/mock/ws?session_id={session_id}") as second:
            assert second.refused(second.receive()) == ("SESSION_ERROR", "another WebSocket uses this session")
        assert rpc(server, "openenv/session/close", session_id=session_id)["error"]["code"] == -32600
        assert env.state()["done"] is False
        episode_id = env.state()["episode_id"]
        env.socket.send('{"type": "close"}')
    while "error" in (closed := rpc(server, "openenv/session/close", session_id=session_id)):
        assert "a WebSocket uses this session" in closed["error"]["message"]
    assert closed["result"] == {"session_id": session_id, "closed": True}
    assert server.http.get(f"/v1/episodes/{episode_id}").status_code == 410
    assert rpc(server, "openenv/session/close", session_id=session_id)["error"]["code"] == -32602


def test_tools_are_listed_without_a_session_but_not_called(server: Server) -> None:
    assert "get_users" in {tool["name"] for tool in rpc(server, "tools/list")["result"]["tools"]}
    said = rpc(server, "tools/call", name="get_users")["error"]
    assert (said["code"], "openenv/session/create" in said["message"]) == (-32602, True)
    session_id = opened(server)
    said = rpc(server, "tools/call", name="get_users", session_id=session_id)["error"]
    assert (said["code"], said["message"]) == (-32000, "there is no episode yet: reset the environment first")
    for path, name in [("/openenv/airline/mcp", session_id), (MCP, "x"), (MCP, 5)]:
        said = rpc(server, "tools/call", path, name="get_users", session_id=name)["error"]
        assert (said["code"], "no such session" in said["message"]) == (-32602, True)
    said = rpc(server, "tools/call", name=7, session_id=session_id)["error"]
    assert said["code"] == -32602


def test_invalid_requests_get_json_rpc_errors(server: Server) -> None:
    for body, code in [
        (b"{", -32700),
        (b"{}", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "initialize"}', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": []}', -32600),
    ]:
        response = server.http.post(MCP, content=body, headers={"Content-Type": "application/json"})
        if body == b"{":  # refused before it is parsed as JSON-RPC, as everywhere on this server
            assert response.status_code == 400
            continue
        assert response.json()["error"]["code"] == code, body


def test_json_rpc_over_a_websocket_of_its_own(server: Server, connect: Connect) -> None:
    session_id = opened(server)
    with (
        connect(server, f"/openenv/mock/ws?session_id={session_id}") as env,
        connect(server, "/openenv/mock/mcp") as alone,
    ):
        env.reset(task_id="create_plain")
        alone.socket.send('{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}')
        assert alone.receive()["result"]["tools"]
        alone.socket.send("{")
        assert alone.receive()["error"]["code"] == -32700
        params = f'{{"name": "get_users", "session_id": "{session_id}"}}'
        alone.socket.send(f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {params}}}')
        assert "nadia_okafor" in alone.receive()["result"]["data"]


def test_sessions_without_an_episode_are_closed_first(start: Start, connect: Connect) -> None:
    server = start("mock", "--max-episodes", "1")
    first = opened(server)
    with connect(server, f"/openenv/mock/ws?session_id={first}") as env:
        env.reset(task_id="create_plain")
        idle = [opened(server) for _ in range(3)]
        assert rpc(server, "tools/call", name="get_users", session_id=first)["result"]["isError"] is False
        assert "no such session" in rpc(server, "tools/list", session_id=idle[0])["error"]["message"]
        assert "result" in rpc(server, "tools/list", session_id=idle[-1])
